/**
 * Who is waited for, and how long all waiting together may take: a reader that falls behind gets time, as long as it keeps the pace.
 * Pure: time is a number.
 *
 * ```text
 *   queue a quarter full ──▶ waited for ──▶ queue low again
 *                        │      ▲
 *    no patience is left │      │ it took enough for new patience, or its queue is low
 *                        ▼      │
 *                        too slow: loses messages when its queue is full
 * ```
 *
 * @module
 */

/** The slowest reader that is waited for, in messages or in bytes a second. */
export interface SlowestReader {
  /** Messages a second … */
  readonly messages: number;
  /** … or bytes a second, whichever is reached. */
  readonly bytes: number;
}

/** Milliseconds for which a reader that has never kept up is waited for while it takes nothing. */
const PATIENCE_MS = 100;
/**
 * The same for one that took enough while it was waited for to earn them: on a busy machine a program that reads 100,000 messages a
 * second now and then gets no turn for 0.3 s (seen with Node), and it has lost 40,000 messages a tenth of a second after that.
 */
const MOST_PATIENCE_MS = 500;
/** The same for all readers together, which what passes earns more time. */
const BUS_PATIENCE_MS = 1000;
/** Time is looked at so often while somebody is waited for. What passed beyond is ours: this process was busy or stopped. */
const LOOK_MS = 20;
/** A queue that is filled to this part makes the senders wait … */
export const HIGH: number = 1 / 4;
/** … until it is filled to this part. */
const LOW = 3 / 16;

/** Milliseconds that may be waited. Messages earn more, each the time that the slowest reader would have needed for it. */
class Patience {
  readonly #firstMs: number;
  readonly #mostMs: number;
  readonly #slowest: SlowestReader;
  #leftMs: number;
  /** What was earned since there was most, by either measure. */
  #messagesMs = 0;
  #bytesMs = 0;

  constructor(firstMs: number, mostMs: number, slowest: SlowestReader) {
    this.#firstMs = this.#leftMs = firstMs;
    this.#mostMs = mostMs;
    this.#slowest = slowest;
  }

  get leftMs(): number {
    return this.#leftMs;
  }

  /** Is there as much as at first? */
  get isWhole(): boolean {
    return this.#leftMs >= this.#firstMs;
  }

  /** What is spent beyond, since time is only looked at now and then, has to be earned first. */
  spend(ms: number): void {
    this.#leftMs -= ms;
  }

  earn(messages: number, bytes: number): void {
    if (this.#leftMs === this.#mostMs) return;
    const before = Math.max(this.#messagesMs, this.#bytesMs);
    this.#messagesMs += 1000 * messages / this.#slowest.messages;
    this.#bytesMs += 1000 * bytes / this.#slowest.bytes;
    this.#leftMs += Math.max(this.#messagesMs, this.#bytesMs) - before;
    if (this.#leftMs < this.#mostMs) return;
    this.#leftMs = this.#mostMs;
    this.#messagesMs = this.#bytesMs = 0;
  }
}

/**
 * One reader. All waiting for it together takes no longer than a tenth of a second and the time in which the slowest reader would have
 * taken what it took; and no longer than half a second while it takes nothing.
 */
export class Pace {
  readonly #isPatient: boolean;
  readonly #patience: Patience;
  #isWaitedFor = false;
  #isTooSlow = false;
  #lookedAt = 0;
  #waitedMs = 0;

  constructor(slowest: SlowestReader) {
    this.#isPatient = slowest.messages > 0;
    this.#patience = new Patience(PATIENCE_MS, MOST_PATIENCE_MS, slowest);
  }

  /** Do the senders wait for it? */
  get isWaitedFor(): boolean {
    return this.#isWaitedFor;
  }

  /** Milliseconds in which it was waited for, perhaps together with others. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Need nobody call {@linkcode Pace.take}? */
  get isAtRest(): boolean {
    return !this.#isWaitedFor && !this.#isTooSlow && this.#patience.isWhole;
  }

  /** When {@linkcode Pace.look} must be called at the latest; `Infinity` while nothing is waited for. */
  get deadline(): number {
    return this.#isWaitedFor ? this.#lookedAt + Math.min(LOOK_MS, this.#patience.leftMs) : Infinity;
  }

  /** Its queue is filled to this part: 0 is empty, 1 is full. */
  look(fill: number, now: number): void {
    this.#spend(now);
    if (fill <= LOW) {
      this.#isWaitedFor = this.#isTooSlow = false;
    } else if (
      fill >= HIGH && !this.#isTooSlow && !this.#isWaitedFor && this.#isPatient && this.#patience.leftMs > 0
    ) {
      this.#isWaitedFor = true;
      this.#lookedAt = now;
    }
  }

  /** It took so much. */
  take(messages: number, bytes: number, now: number): void {
    this.#spend(now);
    if (!this.#isPatient) return;
    this.#patience.earn(messages, bytes);
    // It was only held up, by a busy machine say: it is waited for again before its queue is full.
    if (this.#patience.isWhole) this.#isTooSlow = false;
  }

  #spend(now: number): void {
    if (!this.#isWaitedFor) return;
    const spentMs = spent(this.#lookedAt, now);
    this.#lookedAt = now;
    this.#waitedMs += spentMs;
    this.#patience.spend(spentMs);
    if (this.#patience.leftMs > 0) return;
    this.#isWaitedFor = false;
    this.#isTooSlow = true;
  }
}

/**
 * All readers together. Whoever comes again and again, reads nothing and goes costs a tenth of a second each time, and thousands of
 * these could take turns: so all waiting takes no longer than a second and the time in which the slowest reader would have taken
 * what passed. When that is used up, so much passes without waiting as the slowest reader takes in a second: who keeps the pace has
 * room for it, as it has taken as much in the second before.
 */
export class BusPace {
  readonly #patience: Patience;
  #isWaiting = false;
  #isSpent = false;
  #lookedAt = 0;
  #waitedMs = 0;

  constructor(slowest: SlowestReader) {
    this.#patience = new Patience(BUS_PATIENCE_MS, BUS_PATIENCE_MS, slowest);
  }

  /** Do the senders wait? */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Milliseconds in which they did. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Is anybody to be waited for? To be called at least as often as {@linkcode Pace.look} while somebody is. */
  look(isAnybodyBehind: boolean, now: number): void {
    if (this.#isWaiting) {
      const spentMs = spent(this.#lookedAt, now);
      this.#waitedMs += spentMs;
      this.#patience.spend(spentMs);
      if (this.#patience.leftMs <= 0) this.#isSpent = true;
    }
    this.#lookedAt = now;
    this.#isWaiting = isAnybodyBehind && !this.#isSpent;
  }

  /** So much passed. */
  pass(messages: number, bytes: number): void {
    this.#patience.earn(messages, bytes);
    if (this.#patience.isWhole) this.#isSpent = false;
  }
}

/** Milliseconds that count as waiting: what passed beyond is ours. */
function spent(lookedAt: number, now: number): number {
  return Math.min(now - lookedAt, 2 * LOOK_MS);
}
