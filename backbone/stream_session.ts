/**
 * `order: "stream"` over one connection: what we send goes into the stream, and what comes out of it, ours included, is passed on.
 *
 * ```text
 *   queue ──publish──▶ stream (one order for all) ──consumer──▶ receiver's rule ──▶ broadcast
 *     ▲                   │
 *     └──confirmation─────┘
 * ```
 *
 * The consumer is an ordered one that pushes: each delivery has a number, heartbeats come every second, and when either is missing
 * a fresh one begins behind the last message that was heard.
 *
 * @module
 */
import type { NatsConnection, NatsMessage } from "./library.ts";
import { FROM, GONE, MAX_HEADER_BYTES, parseOrigin } from "./origin.ts";
import { BackboneProblem } from "./problem.ts";
import { Life, type Session, type SessionHost } from "./session.ts";

/** A confirmation that takes longer is given up, and everything that is not confirmed goes out again. */
const CONFIRM_MS = 2000;
/** After a failure it is tried again after so long. */
const RETRY_MS = 200;
/** A consumer that is silent for longer is made anew; it says something every second. */
const SILENT_MS = 3000;
const HEARTBEAT_NANOS = 1_000_000_000;
/** What only a person can change is looked at so often. */
const LASTING_RETRY_MS = 30_000;
const REQUEST_MS = 2000;
/** The window of 1024 is filled again from here on, in one write: a write for each confirmation cost a quarter of all CPU. */
const REFILL_AT = 512;
/** A sender goes back by a window at most, so whoever has seen so many messages knows whose turn it is. */
const LEARNT = 4096;
/** Of a stream that has to be made. */
const MAX_AGE_NANOS = 3_600_000_000_000;
const MAX_BYTES = 512 * 1024 * 1024;

/** See the module. */
export class StreamSession implements Session {
  readonly #nc: NatsConnection;
  readonly #host: SessionHost;
  readonly #life: Life;
  readonly #name: string;
  readonly #inbox: string;
  readonly #api: string;
  /** The stream is there, and takes what we send. */
  #isOpen = false;
  /** We may not even say that messages are lost. */
  #isMute = false;
  #consumer: { unsubscribe(): void } | undefined;
  #round = 0;
  /** The number of the last delivery of this consumer. */
  #delivered = 0;
  /** Messages that were there before the consumer began and have not come yet. */
  #pending = Infinity;
  /** The last message of each type comes first. */
  #isReplaying = false;
  /** What is not newer is not passed on: it was there before we were. */
  #learnUpTo = 0;
  #heardAt = 0;
  #renew: (() => void) | undefined;
  #progressAt = 0;
  #notBefore = 0;
  #sample: { readonly wire: number; readonly at: number } | undefined;

  constructor(nc: NatsConnection, host: SessionHost) {
    this.#nc = nc;
    this.#host = host;
    this.#life = new Life(nc);
    this.#name = `BRAVIZ_${host.settings.bus}`;
    this.#inbox = host.library.createInbox();
    const { domain } = host.settings;
    this.#api = domain === undefined ? "$JS.API" : `$JS.${domain}.API`;
  }

  get isWell(): boolean {
    return this.#consumer !== undefined && this.#pending <= 0 && !this.#isMute && !this.#life.isEnded;
  }

  async run(): Promise<void> {
    this.#host.queue.goBack();
    this.#nc.subscribe(`${this.#inbox}.ack.*.*`, {
      callback: (_error, message) => this.#handleConfirmation(message),
    });
    void this.#watch();
    while (!this.#life.isEnded) {
      try {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#renew = resolve;
        await this.#open();
        await Promise.race([promise, this.#life.ended]);
      } catch (error) {
        if (this.#life.isEnded) break;
        const problem = this.#explain(error);
        this.#host.tell(problem);
        await this.#life.pause(problem.isLasting ? LASTING_RETRY_MS : RETRY_MS);
      }
      this.#stopConsuming();
    }
    this.#stopConsuming();
  }

  pump(): void {
    const { queue } = this.#host;
    if (!this.#isOpen || this.#isMute || this.#life.isEnded || queue.inFlight > REFILL_AT) return;
    const now = performance.now();
    if (now < this.#notBefore) return;
    const given: number[] = [];
    const isIdle = queue.inFlight === 0;
    this.#giveUpForbidden(given);
    const maxBytes = (this.#nc.info?.max_payload ?? Infinity) - MAX_HEADER_BYTES;
    try {
      for (let out; (out = queue.next(maxBytes, given)) !== undefined;) {
        const { headers } = out;
        const wire = queue.lastWireNumber;
        this.#sample ??= { wire, at: now };
        this.#nc.publish(out.subject, out.body, {
          reply: `${this.#inbox}.ack.${out.round}.${wire}`,
          headers: { encode: () => headers },
        });
      }
    } catch {
      // The connection is just ending; what was not sent goes out over the next one.
    }
    if (isIdle) this.#progressAt = now;
    if (given.length > 0) this.#host.drop(given);
  }

  tick(now: number): void {
    const { queue } = this.#host;
    if (this.#consumer !== undefined && now - this.#heardAt > SILENT_MS) this.#renew?.();
    if (queue.inFlight > 0 && now - this.#progressAt > CONFIRM_MS) this.#goBack(now);
    this.pump();
  }

  #goBack(now: number): void {
    this.#host.queue.goBack();
    this.#sample = undefined;
    this.#progressAt = now;
    this.#notBefore = now + RETRY_MS;
  }

  #giveUpForbidden(given: number[]): void {
    const { queue, forbidden, subjects } = this.#host;
    if (forbidden.size === 0) return;
    for (let first; (first = queue.firstSubject) !== undefined && forbidden.has(first);) {
      if (first === subjects.lost) {
        this.#isMute = true;
        return this.#host.look();
      }
      const number = queue.forbidFirst();
      if (number !== undefined) given.push(number);
    }
  }

  #handleConfirmation({ subject, data, headers }: NatsMessage): void {
    const { queue } = this.#host;
    const [round, wire] = subject.slice(this.#inbox.length + 5).split(".").map(Number) as [number, number];
    const now = performance.now();
    if (headers?.code === 503 || !isConfirmation(data)) {
      queue.fail(round);
      if (queue.inFlight === 0) this.#notBefore = now + RETRY_MS;
      return;
    }
    if (!queue.confirm(round, wire)) return;
    this.#progressAt = now;
    if (this.#sample !== undefined && wire >= this.#sample.wire) {
      this.#host.handleLatency(now - this.#sample.at);
      this.#sample = undefined;
    }
    this.pump();
    if (queue.isEmpty) this.#host.look();
  }

  /** The stream is there, or is made; then the consumer begins. */
  async #open(): Promise<void> {
    const { stream, settings, subjects, receiver } = this.#host;
    const info = await this.#openStream();
    const { last_seq: lastSeq } = info.state;
    if (
      stream.created !== undefined && (info.created !== stream.created || lastSeq < (stream.lastSeq ?? 0))
    ) {
      // Another stream: its store was lost. Everything in it is new, and what the old one had and we did not hear is gone.
      stream.lastSeq = 0;
      receiver.handleHole();
    }
    stream.created = info.created;
    stream.endSeq = lastSeq;
    this.#isOpen = true;
    this.#isReplaying = stream.lastSeq === undefined && settings.replay === "last";
    if (stream.lastSeq === undefined) {
      this.#learnUpTo = lastSeq;
      stream.lastSeq = Math.max(info.state.first_seq - 1, lastSeq - LEARNT, 0);
    }
    const from = stream.lastSeq + 1;
    const inbox = `${this.#inbox}.in.${++this.#round}`;
    this.#delivered = 0;
    this.#pending = Infinity;
    this.#heardAt = performance.now();
    this.#consumer = this.#nc.subscribe(inbox, {
      callback: (_error, message) => this.#handle(message, inbox),
    });
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
        ...(this.#isReplaying
          ? { deliver_policy: "last_per_subject", filter_subject: subjects.all }
          : { deliver_policy: "by_start_sequence", opt_start_seq: from }),
      },
    }) as { readonly num_pending: number; readonly delivered: { readonly consumer_seq: number } };
    this.#host.counts.consumers++;
    // Some may have come before this answer.
    const already = this.#delivered;
    this.#pending = Math.max(0, made.num_pending + (made.delivered?.consumer_seq ?? 0) - already);
    if (this.#pending === 0) this.#isReplaying = false;
    this.#host.untell();
    this.#host.look();
    this.pump();
  }

  async #openStream(): Promise<StreamInfo> {
    const { settings, subjects } = this.#host;
    let info: StreamInfo;
    try {
      info = await this.#request(`STREAM.INFO.${this.#name}`) as StreamInfo;
    } catch (error) {
      if (!(error instanceof ApiError) || error.errCode !== NO_STREAM) throw error;
      info = await this.#request(`STREAM.CREATE.${this.#name}`, {
        name: this.#name,
        subjects: [subjects.all],
        retention: "limits",
        storage: "file",
        discard: "old",
        max_consumers: -1,
        max_msgs: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        max_age: MAX_AGE_NANOS,
        max_bytes: MAX_BYTES,
        num_replicas: settings.replicas,
      }) as StreamInfo;
    }
    const { subjects: theirs, retention, sealed, no_ack: isSilent } = info.config;
    if (theirs?.length !== 1 || theirs[0] !== subjects.all || retention !== "limits" || sealed || isSilent) {
      throw new BackboneProblem(
        "stream-differs",
        `Cannot use the stream ${this.#name}: it is set up for something else (subjects ${
          JSON.stringify(theirs)
        }, retention ${retention}); ` +
          `give it the subject ${subjects.all} and the retention "limits", or take another bus. It was not changed`,
      );
    }
    return info;
  }

  async #request(what: string, body?: object): Promise<unknown> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const answer = await this.#nc.request(`${this.#api}.${what}`, text, { timeout: REQUEST_MS });
    const parsed = JSON.parse(decoder.decode(answer.data)) as { readonly error?: ApiFault };
    if (parsed.error !== undefined) throw new ApiError(parsed.error);
    return parsed;
  }

  #explain(error: unknown): BackboneProblem {
    if (error instanceof BackboneProblem) return error;
    const cause = error instanceof Error ? error : new Error(String(error));
    const isAbsent = /NoResponders/.test(cause.name) || /no responders/i.test(cause.message) ||
      (cause instanceof ApiError && cause.errCode === NOT_ENABLED);
    if (isAbsent && this.#nc.info?.jetstream !== true && this.#host.settings.domain === undefined) {
      return new BackboneProblem(
        "no-jetstream",
        'Cannot use the order "stream": the server has no JetStream; start it with -js, or use --backbone-order local',
        { cause },
      );
    }
    if (/Permission/.test(cause.name)) {
      return new BackboneProblem("forbidden", `Cannot use the stream ${this.#name}: ${cause.message}`, {
        cause,
      });
    }
    return new BackboneProblem("stream-failed", `Cannot use the stream ${this.#name}: ${cause.message}`, {
      cause,
    });
  }

  #stopConsuming(): void {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    this.#pending = Infinity;
    try {
      consumer?.unsubscribe();
    } catch {
      // The connection is gone, and the consumer with it.
    }
    this.#host.look();
  }

  #handle(message: NatsMessage, inbox: string): void {
    // Of a consumer that was given up.
    if (inbox !== `${this.#inbox}.in.${this.#round}` || this.#consumer === undefined) return;
    this.#heardAt = performance.now();
    const { headers, reply = "" } = message;
    if (headers?.code === 100) return this.#handleControl(message);
    const delivery = parseDelivery(reply);
    if (delivery === undefined) return;
    if (delivery.number !== this.#delivered + 1) return this.#renew?.();
    this.#delivered++;
    this.#pending--;
    const { stream, counts, receiver } = this.#host;
    const last = stream.lastSeq!;
    if (this.#isReplaying) receiver.handleHole();
    else if (delivery.seq > last + 1) {
      counts.cut += delivery.seq - last - 1;
      receiver.handleHole();
    }
    const isReplayed = this.#isReplaying;
    stream.lastSeq = delivery.seq;
    if (delivery.seq > stream.endSeq) stream.endSeq = delivery.seq;
    if (delivery.seq <= this.#learnUpTo && !isReplayed) {
      const origin = parseOrigin(headers?.get(FROM) ?? "");
      if (origin !== undefined) receiver.learn(origin, this.#heardAt);
    } else this.#judge(message, delivery.timeMs, isReplayed);
    if (this.#pending === 0) {
      this.#isReplaying = false;
      this.#host.look();
    }
  }

  #handleControl({ headers, reply = "" }: NatsMessage): void {
    try {
      // It wants to know how far we are; on an answer it goes on.
      if (reply !== "") return this.#nc.publish(reply);
      const stalled = headers!.get("Nats-Consumer-Stalled");
      if (stalled !== "") this.#nc.publish(stalled);
    } catch {
      return;
    }
    const last = headers!.get("Nats-Last-Consumer");
    if (last !== "" && Number(last) !== this.#delivered) this.#renew?.();
  }

  /** Is it passed on? The same answer at every site. */
  #judge({ data, headers }: NatsMessage, timeMs: number, isReplayed: boolean): void {
    const host = this.#host;
    const { queue, receiver, counts } = host;
    const from = headers?.get(FROM) ?? "";
    const origin = from === "" ? undefined : parseOrigin(from);
    const isOld = !isReplayed && Date.now() - timeMs > host.settings.catchUpMs;
    if (origin === undefined) {
      counts.foreign++;
      if (isOld) counts.skippedOld++;
      else host.deliver({ body: data });
      return;
    }
    const gone = readGone(headers!.get(GONE));
    if (gone > 0 && isReplayed) return;
    if (receiver.take(origin, this.#heardAt, gone) !== "pass") return;
    if (isReplayed) counts.replayed++;
    if (origin.instance !== queue.instance || !queue.wasSent(origin.number)) {
      if (gone > 0) return;
      if (isOld) counts.skippedOld++;
      else host.deliver({ body: data });
      return;
    }
    counts.ownBack++;
    const lost: number[] = [];
    const number = queue.comeBack(origin.number, lost);
    host.handleBack(this.#heardAt);
    if (lost.length > 0) host.drop(lost);
    if (number !== undefined) host.deliver({ body: data, number });
  }

  /** What we may not do comes as an event, later. */
  async #watch(): Promise<void> {
    for await (const { type, error } of this.#nc.status()) {
      if (type === "ldm" && this.#host.settings.servers.length > 1) void this.#nc.close();
      if (type !== "error" || error?.operation !== "publish" || error.subject === undefined) continue;
      if (error.subject.startsWith("$")) continue; // Whoever asked hears of it.
      this.#host.forbidden.add(error.subject);
      this.#host.tell(
        new BackboneProblem(
          "forbidden",
          `Cannot send to ${error.subject}: the server forbids it to this user`,
        ),
      );
      this.pump();
    }
  }
}

/** `{"stream":…` and not `{"error":…`. */
function isConfirmation(data: Uint8Array): boolean {
  return data[2] === 0x73 || (data[2] !== 0x65 && /"stream"\s*:/.test(decoder.decode(data)) &&
    !/"error"\s*:/.test(decoder.decode(data)));
}

/** `$JS.ACK.<stream>.<consumer>.<times>.<seq>.<number>.<time>.<pending>`, with domain and account in front of the stream in new servers. */
function parseDelivery(
  reply: string,
): { readonly seq: number; readonly number: number; readonly timeMs: number } | undefined {
  const parts = reply.split(".");
  const at = parts.length === 9 ? 5 : parts.length >= 11 ? 7 : 0;
  if (at === 0 || parts[0] !== "$JS" || parts[1] !== "ACK") return undefined;
  return { seq: Number(parts[at]), number: Number(parts[at + 1]), timeMs: Number(parts[at + 2]) / 1e6 };
}

function readGone(text: string): number {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
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

interface StreamInfo {
  readonly created: string;
  readonly state: { readonly first_seq: number; readonly last_seq: number };
  readonly config: {
    readonly subjects?: readonly string[];
    readonly retention: string;
    readonly sealed?: boolean;
    readonly no_ack?: boolean;
  };
}

const NO_STREAM = 10_059;
const NOT_ENABLED = 10_039;
const decoder = new TextDecoder();
