/**
 * How long to wait before dialling again.
 *
 * @module
 */

/** Pauses between two dials. */
export interface ReconnectOptions {
  /** Milliseconds at least. */
  readonly minMs: number;
  /** Milliseconds at most. */
  readonly maxMs: number;
}

/**
 * Twice as long after each failure, up to the maximum, and anywhere in between at random, so that a thousand clients do not
 * come back to a broker in the same moment. `attempt` is 1 after the first failure; `random` is from 0 to 1.
 */
export function pauseBeforeDial(attempt: number, { minMs, maxMs }: ReconnectOptions, random: number): number {
  const longest = Math.max(minMs, Math.min(maxMs, minMs * 2 ** Math.min(attempt, MAX_DOUBLINGS)));
  return minMs + random * (longest - minMs);
}

/** 2^30 ms are twelve days. */
const MAX_DOUBLINGS = 30;
