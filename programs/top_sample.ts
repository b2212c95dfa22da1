/**
 * What `client.ts top` asks a gateway: who is here, and the counters of the broker.
 *
 * @module
 */
import { ProgramError } from "./command_line.ts";

/** A connection, as `GET /broker` tells it. */
export interface Peer {
  readonly role: "send" | "listen";
  readonly address: string;
  readonly name?: string;
  readonly pid?: number;
  readonly since: number;
  readonly lastHeard: number;
  readonly messages: number;
  readonly bytes: number;
  readonly queued: number;
  readonly dropped: number;
  readonly waitedMs: number;
}

/** The state of a bus at one moment. */
export interface Sample {
  /** In milliseconds, by a clock that never goes back. */
  readonly at: number;
  readonly peers: readonly Peer[];
  readonly refusals: readonly {
    readonly time: number;
    readonly reason: string;
    readonly sender: string;
    readonly text: string;
  }[];
  readonly failed: readonly {
    readonly time: number;
    readonly address: string;
    readonly code: string;
    readonly hint: string;
  }[];
  /** Counters by their names in `/metrics`, without `braviz_`; those that have labels are summed. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Asks the gateway at a URL. */
export class TopSource {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, token: string | undefined) {
    this.#url = url;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** @throws {ProgramError} If it does not answer, or cannot know; the text says what to do. */
  async take(signal: AbortSignal): Promise<Sample> {
    const [broker, metrics] = await Promise.all([
      this.#get("/broker", signal),
      this.#get("/metrics", signal),
    ]);
    const { connections, refusals, failedHandshakes } = JSON.parse(broker);
    return {
      at: performance.now(),
      peers: connections,
      refusals,
      failed: failedHandshakes,
      counters: readCounters(metrics),
    };
  }

  async #get(path: string, signal: AbortSignal): Promise<string> {
    let answer: Response;
    try {
      const timeout = AbortSignal.timeout(ANSWER_MS);
      answer = await fetch(this.#url + path, {
        headers: this.#headers,
        signal: AbortSignal.any([signal, timeout]),
        redirect: "manual",
      });
      const text = await answer.text();
      if (answer.ok) return text;
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new ProgramError(`Cannot ask ${this.#url}: ${explain(cause, this.#url)}`, { cause });
    }
    const why = WHY[answer.status] ?? `it answers ${answer.status}, which no gateway of a broker does`;
    throw new ProgramError(`Cannot ask ${this.#url}: ${why}`);
  }
}

/** Longer than a gateway takes on a busy machine. */
const ANSWER_MS = 10_000;

const WHY: Readonly<Record<number, string>> = {
  401: "it wants a token, give --token-file F",
  403: "it does not take requests from here",
  404: "it does not know who is connected; ask the one that broker.ts --http serves",
};

function explain(cause: unknown, url: string): string {
  if (cause instanceof Deno.errors.NotCapable) {
    return `Deno's sandbox does not allow it, run with --allow-net=${new URL(url).hostname}`;
  }
  if (cause instanceof DOMException) return "it does not answer";
  if (!/refused/i.test(String((cause as Error).cause))) {
    return "what answers there is no web side of a broker";
  }
  return "nothing answers there; start the broker with --http 8000, or say with --http where its web side is";
}

function readCounters(text: string): Record<string, number> {
  const counters: Record<string, number> = {};
  for (const [, name, value] of text.matchAll(/^braviz_([a-z0-9_]+)(?:\{[^}\n]*\})? (\S+)/gm)) {
    counters[name!] = (counters[name!] ?? 0) + Number(value);
  }
  return counters;
}
