/**
 * How many failed handshakes an address may cause: a bucket of tokens each.
 *
 * @module
 */

/** Tokens of a bucket. */
const BURST = 100;
/** Tokens that come back each second. A bogus HELLO costs us one X25519, a tenth of a millisecond: 50 of them half a percent of a core. */
const PER_SECOND = 50;
/** Addresses that are remembered; beyond, the one that failed longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

/** Counts failures by address. Time is a number of milliseconds that the caller passes. */
export class FailureRation {
  readonly #buckets: Map<string, { tokens: number; since: number }> = new Map();

  /** May a peer of that address try? */
  isAllowed(address: string, now: number): boolean {
    const bucket = this.#buckets.get(address);
    if (bucket === undefined) return true;
    const tokens = tokensOf(bucket, now);
    if (tokens >= BURST) this.#buckets.delete(address);
    return tokens >= 1;
  }

  /** A peer of that address has failed. */
  fail(address: string, now: number): void {
    const bucket = this.#buckets.get(address);
    const tokens = bucket === undefined ? BURST : tokensOf(bucket, now);
    // Deleted and set, so that the first of the map is the one that failed longest ago.
    this.#buckets.delete(address);
    this.#buckets.set(address, { tokens: Math.max(0, tokens - 1), since: now });
    if (this.#buckets.size > MAX_ADDRESSES) {
      this.#buckets.delete(this.#buckets.keys().next().value!);
    }
  }
}

function tokensOf({ tokens, since }: { tokens: number; since: number }, now: number): number {
  return Math.min(BURST, tokens + ((now - since) * PER_SECOND) / 1000);
}
