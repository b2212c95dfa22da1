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
import { type Delivery, isConfirmation, JetStream, parseConfirmedSeq, parseDelivery } from "./jetstream.ts";
import type { NatsConnection, NatsMessage } from "./library.ts";
import { FROM, GONE, MAX_HEADER_BYTES, type Origin, parseOrigin } from "./origin.ts";
import { BackboneProblem } from "./problem.ts";
import { isProbe, Life, probe, type Session, type SessionHost } from "./session.ts";

/** A confirmation that takes longer is given up, and everything that is not confirmed goes out again. */
const CONFIRM_MS = 2000;
/** After a failure it is tried again after so long. */
const RETRY_MS = 200;
/** A consumer that is silent for longer is made anew; it says something every second. */
const SILENT_MS = 3000;
/** One that brings nothing is made anew at least so often. */
const MAX_STUCK_MS = 30_000;
/** The window of 1024 is filled again from here on, in one write: a write for each confirmation cost a quarter of all CPU. */
const REFILL_AT = 512;
/** A sender goes back by a window at most, so whoever has seen so many messages knows whose turn it is. */
const LEARNT = 4096;

/** See the module. */
export class StreamSession implements Session {
  readonly #nc: NatsConnection;
  readonly #host: SessionHost;
  readonly #life: Life;
  readonly #api: JetStream;
  readonly #inbox: string;
  /** The stream is there, and takes what we send. */
  #isOpen = false;
  #consumer: { unsubscribe(): void } | undefined;
  #round = 0;
  /** The number of the last delivery of this consumer. */
  #delivered = 0;
  /** Messages that were there before the consumer began and have not come yet. */
  #pending = Infinity;
  /** The last message of each type comes first. */
  #isReplaying = false;
  /** The stream's number of the last delivery of this consumer, and of the first message that there was when it began. */
  #seq = 0;
  #firstSeq = 0;
  /** Behind this one there seemed to be a hole. */
  #doubted: number | undefined;
  #hasHoles = false;
  #heardAt = 0;
  #deliveredAt = 0;
  /** One that brings nothing for so long although there is something is made anew. */
  #stuckMs = SILENT_MS;
  /** The next confirmation shall say where the stream ends. */
  #wantsEnd = false;
  #renew: (() => void) | undefined;
  #progressAt = 0;
  #notBefore = 0;
  #sample: { readonly wire: number; readonly at: number } | undefined;

  constructor(nc: NatsConnection, host: SessionHost) {
    this.#nc = nc;
    this.#host = host;
    this.#life = new Life(nc);
    this.#api = new JetStream(nc, host.settings, host.subjects.all);
    this.#inbox = host.library.createInbox();
  }

  get isWell(): boolean {
    return this.#consumer !== undefined && this.#pending <= 0 && !this.#life.isEnded;
  }

  async run(): Promise<void> {
    this.#host.queue.goBack();
    this.#nc.subscribe(`${this.#inbox}.ack.*.*`, {
      callback: (_error, message) => this.#handleConfirmation(message),
    });
    void this.#watch();
    probe(this.#nc, this.#host.subjects);
    while (!this.#life.isEnded) {
      try {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#renew = resolve;
        await this.#open();
        await Promise.race([promise, this.#life.ended]);
      } catch (error) {
        if (this.#life.isEnded) break;
        const problem = this.#api.explain(error);
        this.#host.tell(problem);
        await this.#life.pause(problem.isLasting ? this.#host.settings.refusedMs : RETRY_MS);
      }
      this.#stopConsuming();
    }
    this.#stopConsuming();
  }

  pump(): void {
    const { queue } = this.#host;
    if (!this.#isOpen || this.#host.isMute || this.#life.isEnded || queue.inFlight > REFILL_AT) return;
    const now = performance.now();
    if (now < this.#notBefore) return;
    const given: number[] = [];
    const isIdle = queue.inFlight === 0;
    this.#giveUpForbidden(given);
    if (this.#host.isMute) return;
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
    const { queue, stream } = this.#host;
    this.#wantsEnd = true;
    // One that lives and yet brings nothing is as bad: its server may be cut off from those that take our messages.
    if (this.#consumer !== undefined) {
      const isStuck = (stream.lastSeq ?? 0) < stream.endSeq && now - this.#deliveredAt > this.#stuckMs;
      if (isStuck) this.#stuckMs = Math.min(2 * this.#stuckMs, MAX_STUCK_MS);
      if (isStuck || now - this.#heardAt > SILENT_MS) this.#renew?.();
    }
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
      if (first === subjects.lost) return this.#host.mute();
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
    if (this.#wantsEnd) this.#handleEnd(parseConfirmedSeq(data), now);
    if (this.#sample !== undefined && wire >= this.#sample.wire) {
      this.#host.handleLatency(now - this.#sample.at);
      this.#sample = undefined;
    }
    this.pump();
    if (queue.isEmpty) this.#host.look();
  }

  /** The stream has at least so many messages. */
  #handleEnd(seq: number, now: number): void {
    const { stream } = this.#host;
    this.#wantsEnd = false;
    if (stream.endSeq <= (stream.lastSeq ?? 0)) this.#deliveredAt = now;
    if (seq > stream.endSeq) stream.endSeq = seq;
  }

  /** The stream is there, or is made; then the consumer begins. */
  async #open(): Promise<void> {
    const { stream, settings } = this.#host;
    const { created, state } = await this.#api.openStream();
    const { first_seq: firstSeq, last_seq: lastSeq } = state;
    if (stream.lastSeq === undefined) {
      stream.learnUpTo = lastSeq;
      stream.lastSeq = Math.max(firstSeq - 1, lastSeq - LEARNT, 0);
    } else if (created !== stream.created) {
      // Another one: its store was lost. All of it is read; what comes again is known by its number.
      stream.learnUpTo = 0;
      stream.lastSeq = Math.max(firstSeq - 1, 0);
    }
    // The end of the stream may be lost as well, or this server is behind the others. What comes again is no harm.
    const from = Math.min(stream.lastSeq, lastSeq) + 1;
    stream.created = created;
    stream.endSeq = lastSeq;
    this.#isReplaying = settings.replay === "last" && !stream.hasBegun;
    this.#firstSeq = firstSeq;
    this.#seq = from - 1;
    const inbox = `${this.#inbox}.in.${++this.#round}`;
    this.#delivered = 0;
    this.#pending = Infinity;
    this.#heardAt = this.#deliveredAt = performance.now();
    this.#consumer = this.#nc.subscribe(inbox, {
      callback: (_error, message) => this.#handle(message, inbox),
    });
    const pending = await this.#api.consume(inbox, this.#isReplaying ? "last" : from);
    stream.hasBegun = true;
    // Not before: what we say while a replay is being prepared could be left out of it.
    this.#isOpen = true;
    this.#host.counts.consumers++;
    // Some may have come before this answer.
    this.#pending = Math.max(0, pending - this.#delivered);
    if (this.#pending === 0) this.#isReplaying = false;
    this.#host.untell();
    this.#host.look();
    this.pump();
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
    if (delivery.number !== this.#delivered + 1 || !this.#isBelieved(delivery.seq)) return this.#renew?.();
    this.#delivered++;
    this.#pending--;
    this.#deliveredAt = this.#heardAt;
    this.#stuckMs = SILENT_MS;
    const { stream, counts, receiver, queue } = this.#host;
    if (!this.#isReplaying && delivery.seq > this.#seq + 1) {
      counts.cut += delivery.seq - this.#seq - 1;
      receiver.handleHole(queue.instance);
    }
    const isReplayed = this.#isReplaying;
    stream.lastSeq = this.#seq = delivery.seq;
    if (delivery.seq > stream.endSeq) stream.endSeq = delivery.seq;
    const origin = parseOrigin(headers?.get(FROM) ?? "");
    if (!isReplayed && this.#wasHere(delivery, origin)) {
      if (origin !== undefined) receiver.learn(origin, this.#heardAt);
    } else if (origin !== undefined || !isProbe(message, this.#host.subjects)) {
      this.#judge(message, delivery, origin, isReplayed);
    }
    if (delivery.seq > stream.highSeq) stream.highSeq = delivery.seq;
    if (delivery.timeMs > stream.highTimeMs) stream.highTimeMs = delivery.timeMs;
    if (this.#pending === 0) {
      this.#isReplaying = false;
      this.#host.look();
    }
  }

  /** Was a message there before we were, or is it one that came before and has no number of a known sender to tell? */
  #wasHere({ seq, timeMs }: Delivery, origin: Origin | undefined): boolean {
    const { stream, receiver } = this.#host;
    return seq <= stream.learnUpTo ||
      (seq <= stream.highSeq && timeMs <= stream.highTimeMs &&
        (origin === undefined || !receiver.knows(origin.instance)));
  }

  /**
   * A hole that the stream's limits do not account for may be of the one server alone that feeds this consumer, as it was just catching
   * up with the others. What a second one says is believed, and from then on all that comes: such a stream has holes.
   */
  #isBelieved(seq: number): boolean {
    if (this.#isReplaying || seq <= Math.max(this.#seq + 1, this.#firstSeq) || this.#hasHoles) return true;
    if (this.#doubted === this.#seq) return this.#hasHoles = true;
    this.#doubted = this.#seq;
    return false;
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
  #judge(
    { data, headers }: NatsMessage,
    { timeMs }: Delivery,
    origin: Origin | undefined,
    isReplayed: boolean,
  ): void {
    const host = this.#host;
    const { queue, receiver, counts } = host;
    const isOld = !isReplayed && Date.now() - timeMs > host.settings.catchUpMs;
    if (origin === undefined) {
      counts.foreign++;
      if (isOld) counts.skippedOld++;
      else host.deliver({ body: data });
      return;
    }
    const gone = readGone(headers!.get(GONE));
    if (gone > 0 && isReplayed) return;
    const verdict = isReplayed
      ? receiver.replay(origin, this.#heardAt)
      : receiver.take(origin, this.#heardAt, gone);
    if (verdict !== "pass") return;
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
      if (error.subject === this.#host.subjects.lost) {
        this.#host.mute();
        continue;
      }
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

function readGone(text: string): number {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
}
