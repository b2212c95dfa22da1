/**
 * How long NATS takes to confirm: counts by size.
 *
 * @module
 */

/** Upper ends of its classes, in milliseconds. */
export const LATENCY_BOUNDS: readonly number[] = [0.5, 1, 2, 5, 10, 50, 100, 500, 1000, 5000];

/** A histogram. */
export class Latency {
  readonly #counts: number[] = LATENCY_BOUNDS.map(() => 0);
  #count = 0;
  #sumMs = 0;

  /** One took so long. */
  add(ms: number): void {
    this.#count++;
    this.#sumMs += ms;
    const at = LATENCY_BOUNDS.findIndex((bound) => ms <= bound);
    if (at >= 0) this.#counts[at]!++;
  }

  /** How many were measured, their sum, and how many took no longer than each bound. */
  get counts(): Readonly<Record<string, number>> {
    let below = 0;
    const classes = LATENCY_BOUNDS.map((bound, i) => [`confirmedIn${bound}Ms`, below += this.#counts[i]!]);
    return { latencies: this.#count, latencyMs: Math.round(this.#sumMs), ...Object.fromEntries(classes) };
  }
}
