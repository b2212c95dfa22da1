/**
 * Who is waited for: a reader that falls behind gets time, as long as it keeps the pace. Pure: time is a number.
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

/** Milliseconds for which a reader that takes nothing is waited for. What it takes earns it more time, but never more than this. */
const PATIENCE_MS = 100;
/** Time is looked at so often while somebody is waited for. What passed beyond is ours: this process was busy or stopped. */
const LOOK_MS = 20;
/** A queue that is filled to this part makes the senders wait … */
export const HIGH: number = 1 / 4;
/** … until it is filled to this part. */
const LOW = 3 / 16;

/**
 * One reader. All waiting for it together takes no longer than {@linkcode PATIENCE_MS} and the time in which the slowest reader
 * would have taken what it took.
 */
export class Pace {
  readonly #slowest: SlowestReader;
  #patienceMs = PATIENCE_MS;
  #isWaitedFor = false;
  #isTooSlow = false;
  #lookedAt = 0;
  #waitedMs = 0;
  /** What it took since its patience was last whole, as the time that the slowest reader would have needed, by either measure. */
  #messagesMs = 0;
  #bytesMs = 0;

  constructor(slowest: SlowestReader) {
    this.#slowest = slowest;
  }

  /** Do the senders wait for it? */
  get isWaitedFor(): boolean {
    return this.#isWaitedFor;
  }

  /** Milliseconds in which the senders waited for it, perhaps together with others. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Need nobody call {@linkcode Pace.take}? */
  get isAtRest(): boolean {
    return !this.#isWaitedFor && !this.#isTooSlow && this.#patienceMs === PATIENCE_MS;
  }

  /** When {@linkcode Pace.look} must be called at the latest; `Infinity` while nothing is waited for. */
  get deadline(): number {
    return this.#isWaitedFor ? this.#lookedAt + Math.min(LOOK_MS, this.#patienceMs) : Infinity;
  }

  /** Its queue is filled to this part: 0 is empty, 1 is full. */
  look(fill: number, now: number): void {
    this.#spend(now);
    if (fill <= LOW) {
      this.#isWaitedFor = this.#isTooSlow = false;
    } else if (fill >= HIGH && !this.#isTooSlow && !this.#isWaitedFor && this.#slowest.messages > 0) {
      this.#isWaitedFor = true;
      this.#lookedAt = now;
    }
  }

  /** It took so much. */
  take(messages: number, bytes: number, now: number): void {
    this.#spend(now);
    if (this.#patienceMs === PATIENCE_MS || this.#slowest.messages === 0) return;
    const before = Math.max(this.#messagesMs, this.#bytesMs);
    this.#messagesMs += 1000 * messages / this.#slowest.messages;
    this.#bytesMs += 1000 * bytes / this.#slowest.bytes;
    this.#patienceMs += Math.max(this.#messagesMs, this.#bytesMs) - before;
    if (this.#patienceMs < PATIENCE_MS) return;
    this.#patienceMs = PATIENCE_MS;
    this.#messagesMs = this.#bytesMs = 0;
    // It was only held up, by a busy machine say: it is waited for again before its queue is full.
    this.#isTooSlow = false;
  }

  #spend(now: number): void {
    if (!this.#isWaitedFor) return;
    const spentMs = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    this.#waitedMs += spentMs;
    this.#patienceMs -= spentMs;
    if (this.#patienceMs > 0) return;
    this.#patienceMs = 0;
    this.#isWaitedFor = false;
    this.#isTooSlow = true;
  }
}
