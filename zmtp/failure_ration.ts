/**
 * How many failed handshakes an address may cause.
 *
 * @module
 */
import { TokenBuckets } from "../base/token_bucket.ts";

/** A bogus HELLO costs us one X25519, a tenth of a millisecond: 50 of them in a second half a percent of a core. */
const RATE = { perSecond: 50, burst: 100 };

/** Counts failures by address. Time is a number of milliseconds that the caller passes. */
export class FailureRation {
  readonly #failures = new TokenBuckets(RATE);

  /** May a peer of that address try? */
  isAllowed(address: string, now: number): boolean {
    return this.#failures.of(address, now).tokens(now) >= 1;
  }

  /** A peer of that address has failed. */
  fail(address: string, now: number): void {
    this.#failures.of(address, now).take(1, now);
  }
}
