/**
 * What is asked of JetStream, and how its answers read: the stream of a bus, a consumer of it, confirmations and deliveries.
 *
 * @module
 */
import type { NatsConnection } from "./library.ts";
import type { BackboneSettings } from "./options.ts";
import { BackboneProblem } from "./problem.ts";

const REQUEST_MS = 2000;
const HEARTBEAT_NANOS = 1_000_000_000;
/** Of a stream that has to be made. */
const MAX_AGE_NANOS = 3_600_000_000_000;
const MAX_BYTES = 512 * 1024 * 1024;

/** The stream as it is. */
export interface StreamInfo {
  /** When it was made. */
  readonly created: string;
  readonly state: { readonly first_seq: number; readonly last_seq: number };
  readonly config: {
    readonly subjects?: readonly string[];
    readonly retention: string;
    readonly sealed?: boolean;
    readonly no_ack?: boolean;
  };
}

/** What a delivery says of itself. */
export interface Delivery {
  /** The message's number in the stream. */
  readonly seq: number;
  /** The delivery's, counted by its consumer. */
  readonly number: number;
  /** When the message was stored. */
  readonly timeMs: number;
}

/** Asks over one connection. */
export class JetStream {
  readonly #nc: NatsConnection;
  readonly #settings: BackboneSettings;
  readonly #subject: string;
  readonly #name: string;
  readonly #api: string;

  /** `subject` is what the stream takes. */
  constructor(nc: NatsConnection, settings: BackboneSettings, subject: string) {
    const { bus, domain } = settings;
    this.#nc = nc;
    this.#settings = settings;
    this.#subject = subject;
    this.#name = `BRAVIZ_${bus}`;
    this.#api = domain === undefined ? "$JS.API" : `$JS.${domain}.API`;
  }

  /**
   * The stream; it is made when it is not there, and never altered.
   *
   * @throws {BackboneProblem} `stream-differs`.
   */
  async openStream(): Promise<StreamInfo> {
    const info = await this.#info().catch(async (error: unknown) => {
      if (!(error instanceof ApiError) || error.errCode !== NO_STREAM) throw error;
      await this.#makeStream();
      // The answer to that may name a time of making that no later one does.
      return await this.#info();
    });
    const { subjects, retention, sealed, no_ack: isSilent } = info.config;
    if (
      subjects?.length !== 1 || subjects[0] !== this.#subject || retention !== "limits" || sealed || isSilent
    ) {
      throw new BackboneProblem(
        "stream-differs",
        `Cannot use the stream ${this.#name}: it is set up for something else (subjects ${
          JSON.stringify(subjects)
        }, retention ${retention}); ` +
          `give it the subject ${this.#subject} and the retention "limits", or take another bus. It was not changed`,
      );
    }
    return info;
  }

  /** Lets a consumer push to `inbox`, from that number on or first the last message of each type. Returns how many there are for it. */
  async consume(inbox: string, from: number | "last"): Promise<number> {
    const made = await this.#request(`CONSUMER.CREATE.${this.#name}`, {
      stream_name: this.#name,
      config: {
        deliver_subject: inbox,
        ack_policy: "none",
        max_deliver: 1,
        flow_control: true,
        idle_heartbeat: HEARTBEAT_NANOS,
        mem_storage: true,
        num_replicas: 1,
        ...(from === "last"
          ? { deliver_policy: "last_per_subject", filter_subject: this.#subject }
          : { deliver_policy: "by_start_sequence", opt_start_seq: from }),
      },
    }) as { readonly num_pending: number; readonly delivered?: { readonly consumer_seq: number } };
    return made.num_pending + (made.delivered?.consumer_seq ?? 0);
  }

  /** Why it did not work. */
  explain(error: unknown): BackboneProblem {
    if (error instanceof BackboneProblem) return error;
    const cause = error instanceof Error ? error : new Error(String(error));
    const isAbsent = /NoResponders/.test(cause.name) || /no responders/i.test(cause.message) ||
      (cause instanceof ApiError && cause.errCode === NOT_ENABLED);
    if (isAbsent && this.#nc.info?.jetstream !== true && this.#settings.domain === undefined) {
      return new BackboneProblem(
        "no-jetstream",
        'Cannot use the order "stream": the server has no JetStream; start it with -js, or use --backbone-order local',
        { cause },
      );
    }
    if (/permissions? violation/i.test(cause.message)) {
      return new BackboneProblem(
        "forbidden",
        `Cannot use the stream ${this.#name}: this user lacks a permission (${cause.message}); ` +
          "give it those that docs/many-machines.md lists for brokers. One that may only listen needs --backbone-order local",
        { cause },
      );
    }
    return new BackboneProblem("stream-failed", `Cannot use the stream ${this.#name}: ${cause.message}`, {
      cause,
    });
  }

  #info(): Promise<StreamInfo> {
    return this.#request(`STREAM.INFO.${this.#name}`) as Promise<StreamInfo>;
  }

  async #makeStream(): Promise<void> {
    await this.#request(`STREAM.CREATE.${this.#name}`, {
      name: this.#name,
      subjects: [this.#subject],
      retention: "limits",
      storage: "file",
      discard: "old",
      max_consumers: -1,
      max_msgs: -1,
      max_msgs_per_subject: -1,
      max_msg_size: -1,
      max_age: MAX_AGE_NANOS,
      max_bytes: MAX_BYTES,
      num_replicas: this.#settings.replicas,
    });
  }

  async #request(what: string, body?: object): Promise<unknown> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const answer = await this.#nc.request(`${this.#api}.${what}`, text, { timeout: REQUEST_MS });
    const parsed = JSON.parse(decoder.decode(answer.data)) as { readonly error?: ApiFault };
    if (parsed.error !== undefined) throw new ApiError(parsed.error);
    return parsed;
  }
}

/** `{"stream":…` and not `{"error":…`. */
export function isConfirmation(data: Uint8Array): boolean {
  return data[2] === 0x73 || (data[2] !== 0x65 && /"stream"\s*:/.test(decoder.decode(data)) &&
    !/"error"\s*:/.test(decoder.decode(data)));
}

/** Where in the stream the confirmed message is; 0 when that is not said. */
export function parseConfirmedSeq(data: Uint8Array): number {
  return Number(/"seq"\s*:\s*(\d{1,15})/.exec(decoder.decode(data))?.[1] ?? 0);
}

/** `$JS.ACK.<stream>.<consumer>.<times>.<seq>.<number>.<time>.<pending>`, with domain and account in front of the stream in new servers. */
export function parseDelivery(reply: string): Delivery | undefined {
  const parts = reply.split(".");
  const at = parts.length === 9 ? 5 : parts.length >= 11 ? 7 : 0;
  if (at === 0 || parts[0] !== "$JS" || parts[1] !== "ACK") return undefined;
  return { seq: Number(parts[at]), number: Number(parts[at + 1]), timeMs: Number(parts[at + 2]) / 1e6 };
}

/** What JetStream says is wrong. */
interface ApiFault {
  readonly code: number;
  readonly err_code?: number;
  readonly description: string;
}

class ApiError extends Error {
  readonly errCode: number;

  constructor({ err_code: errCode = 0, description }: ApiFault) {
    super(description);
    this.errCode = errCode;
  }
}

const NO_STREAM = 10_059;
const NOT_ENABLED = 10_039;
const decoder = new TextDecoder();
