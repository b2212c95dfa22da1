/**
 * How fast one address may publish: a bucket of tokens for each.
 *
 * @module
 */
/** How often one address may publish: a bucket of tokens, one for each message. */
export interface PublishRate {
  /** Messages per second in the long run. */
  readonly perSecond: number;
  /** Messages at once. */
  readonly burst: number;
}

/** More addresses than this are not remembered; the one that was silent longest is forgotten, and starts with a full bucket. */
const MAX_ADDRESSES = 10_000;

/** See the module. */
export class RateLimit {
  readonly #rate: PublishRate;
  // Invariant: in the order of last use, oldest first.
  readonly #buckets = new Map<string, { tokens: number; time: number }>();

  constructor(rate: PublishRate) {
    this.#rate = rate;
  }

  /** Takes tokens for so many messages. Answers 0, or after how many seconds there will be enough. */
  take(address: string, messages: number, now: number = performance.now()): number {
    const { perSecond, burst } = this.#rate;
    const known = this.#buckets.get(address);
    const tokens = known === undefined
      ? burst
      : Math.min(burst, known.tokens + (now - known.time) / 1000 * perSecond);
    // More at once than a bucket holds: a full one is enough, and is overdrawn.
    const isEnough = tokens >= Math.min(messages, burst);
    this.#buckets.delete(address);
    this.#buckets.set(address, { tokens: isEnough ? tokens - messages : tokens, time: now });
    if (this.#buckets.size > MAX_ADDRESSES) this.#buckets.delete(this.#buckets.keys().next().value!);
    return isEnough ? 0 : (Math.min(messages, burst) - tokens) / perSecond;
  }
}
