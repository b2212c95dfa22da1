/**
 * What waits for NATS: every message of ours until it is confirmed there and was broadcast at home. It reads no clock and does no
 * I/O.
 *
 * ```text
 *            confirmed, not          sent, not confirmed              not sent
 *            yet back home                (the window)
 *   ───────┬──────────────────────┬──────────────────────────┬─────────────────────▶ number
 *                                 └ a failure: all of these again, in order
 * ```
 *
 * Go-back-N: a message that was stored behind a missing one is dropped by all receivers, so repeating the missing one alone would
 * turn the order round. A message that can never be sent leaves a mark in its place, which says so to the receivers.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";
import { encodeHeaders } from "./origin.ts";

/** A message that waits. */
export interface Waiting {
  /** Its number: 1, 2, 3 … of this broker's life. */
  readonly number: number;
  readonly subject: string;
  readonly body: Uint8Array;
  /** How many messages it stands for that will never come; 0 for a message. */
  readonly gone: number;
}

/** A message to be sent now. */
export interface Outgoing extends Waiting {
  /** Which attempt this is; its confirmation names it. */
  readonly round: number;
  /** As they stand on the wire. */
  readonly headers: Uint8Array;
}

/** How much may wait, and how much of it may be unconfirmed. */
export interface SendLimits {
  readonly messages: number;
  readonly bytes: number;
  readonly windowMessages: number;
  readonly windowBytes: number;
}

/** So much may wait of what is held, in queues: one read of small messages is more than one of them. */
const OVERFULL = 8;

/** See the module. */
export class SendQueue {
  readonly instance: string;
  readonly #limits: SendLimits;
  readonly #lostSubject: string;
  /** Those that were sent at least once. */
  readonly #sent: Fifo<Waiting> = new Fifo();
  /** The others. */
  readonly #fresh: Fifo<Waiting> = new Fifo();
  /** The first ones of `#sent` that are confirmed, and all that were sent in this round. */
  #confirmedCount = 0;
  #sentCount = 0;
  #windowBytes = 0;
  /** On the wire the numbers of `#sent` are consecutive, from the one behind this on. */
  #wireBase = 0;
  #round = 1;
  /**
   * Something of this round is confirmed. Until then one message goes out alone: the first number that receivers hear of us is their base, so
   * nothing may be stored in front of it; and while nobody answers, a window each time would be for nothing.
   */
  #isRoundOpen = false;
  #bytes = 0;
  #number = 0;
  /** Up to this number all was broadcast at home, or never will be. */
  #homeUpTo = 0;
  /** Never sent, and now never will be: told to the others in the place of the next one. */
  #goneBefore = 0;
  #counts = {
    sent: 0,
    confirmed: 0,
    resent: 0,
    dropped: 0,
    tooLarge: 0,
    forbidden: 0,
    goBacks: 0,
  };
  /** Marks that wait, which are no messages. */
  #marks = 0;

  constructor(instance: string, limits: SendLimits, lostSubject: string) {
    this.instance = instance;
    this.#limits = limits;
    this.#lostSubject = lostSubject;
  }

  /** Counters; `sent` is the sum of all others but `resent` and `goBacks`. */
  get counts(): {
    readonly [
      K in "sent" | "confirmed" | "queued" | "resent" | "dropped" | "tooLarge" | "forbidden" | "goBacks"
    ]: number;
  } {
    return { ...this.#counts, queued: this.unconfirmed };
  }

  /** Messages that are not confirmed. */
  get unconfirmed(): number {
    return this.#sent.length - this.#confirmedCount + this.#fresh.length - this.#marks;
  }

  /** Is there anything that is not confirmed, marks included? */
  get isEmpty(): boolean {
    return this.#sent.length === this.#confirmedCount && this.#fresh.length === 0 && this.#goneBefore === 0;
  }

  /** Messages that are held: those at home are not confirmed, or those in NATS have not come back. */
  get length(): number {
    return this.#sent.length + this.#fresh.length;
  }

  /** Bytes of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How full it is: 1 and more is full. */
  get fill(): number {
    return Math.max(this.length / this.#limits.messages, this.#bytes / this.#limits.bytes);
  }

  /** Messages that wait to be broadcast at home. */
  get away(): number {
    return this.#number - this.#homeUpTo;
  }

  /** Messages that were sent in this round and are not confirmed. */
  get inFlight(): number {
    return this.#sentCount - this.#confirmedCount;
  }

  /** The subject of the first message that is not confirmed. */
  get firstSubject(): string | undefined {
    return (this.#sent.at(this.#confirmedCount) ?? this.#fresh.first)?.subject;
  }

  /**
   * Adds a message, which is the queue's from now on, and returns its number. `isHome` says that it was broadcast already: then the
   * oldest one gives way that was never sent, when there is no room. Else senders wait when it is half full, and one read of theirs
   * may still come: it takes that, and nothing when even that is more than it should be.
   */
  push(subject: string, body: Uint8Array, isHome: boolean): number | undefined {
    this.#counts.sent++;
    if (this.fill >= 1) {
      if (!isHome && this.fill >= OVERFULL) {
        this.#counts.dropped++;
        return undefined;
      }
      while (isHome && this.#fresh.length > 0 && this.fill >= 1) this.#dropFirstFresh("dropped");
    }
    const number = ++this.#number;
    this.#fresh.push({ number, subject, body, gone: 0 });
    this.#bytes += body.length;
    if (isHome) this.#homeUpTo = number;
    return number;
  }

  /** One that is too large for NATS; it is not queued. */
  countTooLarge(): void {
    this.#counts.sent++;
    this.#counts.tooLarge++;
  }

  /** One whose subject is forbidden; it is not queued. */
  countForbidden(): void {
    this.#counts.sent++;
    this.#counts.forbidden++;
  }

  /**
   * The next message to be sent; undefined when there is none, or the window is full. `given` takes the numbers of those that turn
   * out to be larger than `maxBytes` and were not broadcast at home.
   */
  next(maxBytes: number, given: number[]): Outgoing | undefined {
    const { windowMessages, windowBytes } = this.#limits;
    if (this.inFlight >= windowMessages || this.#windowBytes >= windowBytes) return undefined;
    if (this.inFlight > 0 && !this.#isRoundOpen) return undefined;
    let waiting = this.#sent.at(this.#sentCount);
    if (waiting === undefined) {
      for (let first; (first = this.#fresh.first) !== undefined && first.body.length > maxBytes;) {
        if (first.number > this.#homeUpTo) given.push(first.number);
        this.#dropFirstFresh("tooLarge");
      }
      waiting = this.#goneBefore > 0 ? this.#mark() : this.#fresh.shift();
      if (waiting === undefined) return undefined;
      this.#sent.push(waiting);
    } else if (waiting.gone === 0) {
      this.#counts.resent++;
    }
    this.#sentCount++;
    this.#windowBytes += waiting.body.length;
    return {
      ...waiting,
      round: this.#round,
      headers: encodeHeaders(
        {
          instance: this.instance,
          number: this.#wireNumber(this.#sentCount),
          confirmed: this.confirmedWireNumber,
        },
        waiting.gone,
      ),
    };
  }

  #wireNumber(count: number): number {
    return this.#wireBase + count;
  }

  /** NATS has the message of that round and wire number. Returns whether it was the one that was due. */
  confirm(round: number, wireNumber: number): boolean {
    // One of an earlier round may have been stored behind a missing one, where all receivers drop it.
    if (round !== this.#round || wireNumber > this.lastWireNumber) return false;
    const due = this.#wireNumber(this.#confirmedCount) + 1;
    if (wireNumber === due) {
      this.#confirmFirst();
      return true;
    }
    // Confirmations come in order. A later one says that an earlier message failed.
    if (wireNumber > due) this.goBack();
    return false;
  }

  /** Everything that was sent is confirmed, up to this wire number, but for what went to a forbidden subject. */
  confirmUpTo(wireNumber: number, forbidden?: ReadonlySet<string>): void {
    while (
      this.#confirmedCount < this.#sent.length && this.#wireNumber(this.#confirmedCount) < wireNumber
    ) this.#confirmFirst(forbidden);
  }

  /** The wire number of what was sent last; see {@linkcode SendQueue.confirmUpTo}. */
  get lastWireNumber(): number {
    return this.#wireNumber(this.#sentCount);
  }

  /** Up to this wire number everything is confirmed, and never sent again. */
  get confirmedWireNumber(): number {
    return this.#wireNumber(this.#confirmedCount);
  }

  /** Was a message with this wire number ever sent? */
  wasSent(wireNumber: number): boolean {
    return wireNumber <= this.#wireNumber(this.#sent.length);
  }

  /** A message of that round failed. */
  fail(round: number): void {
    if (round === this.#round) this.goBack();
  }

  /** Everything that is not confirmed is sent again. */
  goBack(): void {
    this.#round++;
    this.#isRoundOpen = false;
    if (this.inFlight > 0) this.#counts.goBacks++;
    this.#sentCount = this.#confirmedCount;
    this.#windowBytes = 0;
  }

  /** The first one that is not confirmed can never be sent: a mark takes its place. Returns its number if it was not at home. */
  forbidFirst(): number | undefined {
    if (this.#sent.length === this.#confirmedCount) {
      const first = this.#fresh.first;
      if (first === undefined) return undefined;
      this.#dropFirstFresh("forbidden");
      return first.number > this.#homeUpTo ? first.number : undefined;
    }
    const first = this.#sent.at(this.#confirmedCount)!;
    if (first.gone > 0) return undefined;
    this.goBack();
    this.#counts.forbidden++;
    this.#marks++;
    this.#bytes -= first.body.length;
    // Fifo has no way to put one in its place, and this is rare: all are moved once round.
    const isAt = this.#confirmedCount;
    for (let i = this.#sent.length; i > 0; i--) {
      const waiting = this.#sent.shift()!;
      const index = this.#sent.length + 1 - i;
      this.#sent.push(
        index === isAt
          ? { number: waiting.number, subject: this.#lostSubject, body: NOTHING, gone: 1 }
          : waiting,
      );
    }
    return first.number > this.#homeUpTo ? first.number : undefined;
  }

  /** Nothing of what waits can be sent, but for what may be with NATS already. */
  forbidAll(): void {
    for (let before = Infinity; this.unconfirmed < before;) {
      before = this.unconfirmed;
      this.forbidFirst();
    }
  }

  /**
   * A message of ours came back, in its turn: NATS has it, and all before it. Returns what is to be broadcast at home: that message,
   * or nothing when it was before. `lost` takes the numbers of those before it that never came back.
   */
  comeBack(wireNumber: number, lost: number[]): number | undefined {
    this.confirmUpTo(wireNumber);
    const index = wireNumber - this.#wireBase - 1;
    const waiting = this.#sent.at(index);
    // What was confirmed and at home is no longer here.
    if (index < 0 || waiting === undefined) return undefined;
    for (let i = 0; i < index; i++) {
      const { number, gone } = this.#sent.at(i)!;
      if (number > this.#homeUpTo && gone === 0) lost.push(number);
    }
    this.#homeUpTo = waiting.number;
    this.#trim();
    return waiting.gone > 0 ? undefined : waiting.number;
  }

  /** Everything that was not broadcast at home, in order; from now on it counts as if it had been. */
  bringHome(): Waiting[] {
    const all = [...this.#sent.slice(0, this.#sent.length), ...this.#fresh.slice(0, this.#fresh.length)];
    const waiting = all.filter(({ number, gone }) => number > this.#homeUpTo && gone === 0);
    this.#homeUpTo = this.#number;
    this.#trim();
    return waiting;
  }

  #confirmFirst(forbidden?: ReadonlySet<string>): void {
    const { body, gone, subject } = this.#sent.at(this.#confirmedCount)!;
    if (this.#confirmedCount < this.#sentCount) {
      this.#windowBytes -= body.length;
      this.#isRoundOpen = true;
    }
    this.#confirmedCount++;
    this.#sentCount = Math.max(this.#sentCount, this.#confirmedCount);
    if (gone === 0) this.#counts[forbidden?.has(subject) ? "forbidden" : "confirmed"]++;
    else this.#marks--;
    this.#trim();
  }

  /** What is confirmed and at home is done with. */
  #trim(): void {
    while (this.#confirmedCount > 0 && this.#sent.first!.number <= this.#homeUpTo) {
      this.#bytes -= this.#sent.shift()!.body.length;
      this.#confirmedCount--;
      this.#sentCount--;
      this.#wireBase++;
    }
  }

  #dropFirstFresh(why: "dropped" | "tooLarge" | "forbidden"): void {
    const { body } = this.#fresh.shift()!;
    this.#bytes -= body.length;
    this.#counts[why]++;
    this.#goneBefore++;
  }

  #mark(): Waiting {
    const gone = this.#goneBefore;
    this.#goneBefore = 0;
    this.#marks++;
    // It stands in front of the next one: it is at home when everything before it is.
    const number = this.#fresh.first === undefined ? this.#number : this.#fresh.first.number - 1;
    return { number, subject: this.#lostSubject, body: NOTHING, gone };
  }
}

const NOTHING = new Uint8Array(0);
