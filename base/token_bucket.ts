/**
 * How often something may happen: a bucket of tokens, one for each time. Time is a number of milliseconds that the caller passes.
 *
 * @module
 */

/** How often something may happen. */
export interface Rate {
  /** Times per second in the long run. */
  readonly perSecond: number;
  /** Times at once. */
  readonly burst: number;
}

/** One bucket, full at first. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #time: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#time = now;
  }

  /** Tokens that are there; below zero when it was overdrawn. */
  tokens(now: number): number {
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#time) / 1000 * perSecond);
    this.#time = now;
    return this.#tokens;
  }

  /**
   * Takes so many tokens and answers 0, or takes none and answers after how many seconds there will be enough. A full bucket is
   * enough for any number, and is then overdrawn.
   */
  take(count: number, now: number): number {
    const { perSecond, burst } = this.#rate;
    const missing = Math.min(count, burst) - this.tokens(now);
    if (missing > 0) return missing / perSecond;
    this.#tokens -= count;
    return 0;
  }

  /** Takes so many tokens, whether they are there or not: it has happened already. */
  spend(count: number, now: number): void {
    this.#tokens = this.tokens(now) - count;
  }
}

/** More keys than this are not remembered; the one that was silent longest is forgotten, and starts with a full bucket. */
const MAX_KEYS = 10_000;

/** A bucket for each key, such as an address. */
export class TokenBuckets {
  readonly #rate: Rate;
  /** Invariant: in the order of last use, oldest first. */
  readonly #buckets: Map<string, TokenBucket> = new Map();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** The bucket of that key, to be used now. */
  of(key: string, now: number): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rate, now);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KEYS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}
