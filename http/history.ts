/**
 * `GET …/history`: what is still held after a cursor, in batches; with `timeout` a long-poll that answers with many at once.
 *
 * @module
 */
import type { GatewayEntry } from "./gateway_client.ts";
import type { Cursor } from "./cursor.ts";
import { json } from "./answers.ts";
import type { Gate } from "./gate.ts";
import type { Found, Place, Waiter } from "./hub.ts";
import { jitter, MAX_TIMEOUT_S, requireHeld } from "./long_poll.ts";
import { Problem } from "./problem.ts";
import type { Call } from "./route.ts";
import type { TypeFilter } from "./type_filter.ts";

/** Most messages in one answer. */
export const MAX_LIMIT = 1000;
/** Messages in one answer when `limit` is not given. */
export const DEFAULT_LIMIT = 100;
/** Most text in one answer, in UTF-16 units; a single longer message still fits. The rest is told by `more`. */
const MAX_LENGTH = 8 * 1_048_576;

/** A message with its place and time; its text stands in it as it came. */
export function entryJson(entry: GatewayEntry, cursor: string): string {
  return `{"seq":${entry.count},"cursor":"${cursor}","time":${
    Math.round(entry.time)
  },"message":${entry.text}}`;
}

/** See the module. */
export function history(gate: Gate, { request, query }: Call): Response | Promise<Response> {
  const cursor: Cursor = query.cursor("since") ?? { kind: "earliest" };
  const limit = query.integer("limit", 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
  const timeoutMs = query.milliseconds("timeout", 0, MAX_TIMEOUT_S) ?? 0;
  const filter = query.typeFilter();
  const isStrict = query.flag("strict");
  gate.hub.requireBroker();
  const place = gate.hub.locate(cursor);
  if (isStrict) requireHeld(gate, cursor, place);
  const poll = new HistoryPoll(gate, { limit, filter, place });
  return poll.look() ??
    (timeoutMs === 0 || request.method === "HEAD" ? poll.expire() : poll.wait(request, timeoutMs));
}

interface HistoryParameters {
  readonly limit: number;
  readonly filter: TypeFilter | undefined;
  readonly place: Place;
}

class HistoryPoll implements Waiter {
  readonly kind = "history";
  readonly gate: Gate;
  readonly #parameters: HistoryParameters;
  #seq: number;
  #missed: number | null;
  #resolve: ((response: Response) => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #signal: AbortSignal | undefined;

  constructor(gate: Gate, parameters: HistoryParameters) {
    this.gate = gate;
    this.#parameters = parameters;
    this.#seq = parameters.place.seq;
    this.#missed = parameters.place.missed;
  }

  look(): Response | undefined {
    const { filter, limit } = this.#parameters;
    const found = this.gate.hub.find(this.#seq, filter, limit, MAX_LENGTH);
    this.#seq = found.seq;
    if (this.#missed !== null && found.missed !== null) this.#missed += found.missed;
    return found.entries.length === 0 ? undefined : this.#answer(found);
  }

  expire(): Response {
    return this.#answer({ entries: [], seq: this.#seq, missed: 0 });
  }

  wait(request: Request, timeoutMs: number): Promise<Response> {
    this.gate.waiting.enter(this);
    this.#signal = request.signal;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.#resolve = resolve;
    if (this.#signal.aborted) this.#handleAbort();
    else this.#signal.addEventListener("abort", this.#handleAbort);
    this.#timer = setTimeout(() => this.#finish(this.expire()), jitter(timeoutMs));
    return promise;
  }

  deliver(): boolean {
    const response = this.look();
    if (response === undefined) return false;
    this.#finish(response);
    return true;
  }

  drain(): void {
    const response = this.expire();
    response.headers.set("connection", "close");
    this.#finish(response);
  }

  fail(error: unknown): void {
    this.gate.settings.log(`fault: history: ${String(error)}`);
    this.#finish(
      this.gate.exit.refuse(
        new Problem("internal-error", "Cannot wait any longer: the gateway made a mistake"),
      ),
    );
  }

  readonly #handleAbort = (): void => {
    this.gate.counters.gone.history += 1;
    this.#finish(new Response(null, { status: 204 }));
  };

  #finish(response: Response): void {
    if (!this.gate.waiting.leave(this)) return;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#handleAbort);
    this.#resolve?.(response);
  }

  #answer({ entries, seq }: Found): Response {
    const { hub, counters } = this.gate;
    const { count } = hub.client;
    const messages = entries.map((entry) => entryJson(entry, hub.cursor(entry.count)));
    const body = `{"messages":[${messages.join(",")}],"cursor":"${hub.cursor(seq)}",` +
      `"oldest":"${hub.oldestCursor}","latest":"${hub.cursor(count)}",` +
      `"missed":${this.#missed},"more":${seq < count}}`;
    counters.countGap(this.#missed);
    counters.countSent("history", entries.length, body.length);
    const headers: [string, string][] = [["message-cursor", hub.cursor(seq)], [
      "message-count",
      String(count),
    ]];
    if (this.#missed !== 0) {
      headers.push(["message-missed", this.#missed === null ? "unknown" : String(this.#missed)]);
    }
    return json(body, 200, headers);
  }
}
