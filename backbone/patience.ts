/**
 * How long local people wait for the others: for `holdMs`, then the site is an island until the others are back. It reads no clock.
 *
 * @module
 */

/** How the backbone fares at a moment. */
export interface Standing {
  /** Connected, caught up, and heard. */
  readonly isWell: boolean;
  /** Messages of local people wait to come back. */
  readonly isWaiting: boolean;
  /** Does nothing that was broadcast at home wait to reach the others? */
  readonly isEmpty: boolean;
}

/** A message that is well on its way is not waited for in vain, however short the patience. */
const LEAST_STALL_MS = 500;

/** See the module. */
export class Patience {
  readonly #holdMs: number;
  #isIsland = false;
  /** Since when it is not well; undefined while it is. */
  #awaySince: number | undefined;
  /** Since when nothing came back although something waits. */
  #stalledSince: number | undefined;
  /** Something came back since the island began: the way there and back is open. */
  #hasProof = false;

  /** Not connected yet. */
  constructor(holdMs: number, now: number) {
    this.#holdMs = holdMs;
    this.#awaySince = now;
  }

  /** Does nobody wait for the others? */
  get isIsland(): boolean {
    return this.#isIsland;
  }

  /** A message of ours came back. */
  handleBack(now: number): void {
    this.#hasProof = true;
    if (this.#stalledSince !== undefined) this.#stalledSince = now;
  }

  /** Time has passed, or something has changed. Returns whether the site became an island, or ceased to be one. */
  look(now: number, { isWell, isWaiting, isEmpty }: Standing): "island" | "back" | undefined {
    this.#awaySince = isWell ? undefined : this.#awaySince ?? now;
    this.#stalledSince = isWaiting ? this.#stalledSince ?? now : undefined;
    if (this.#isIsland) {
      // Whoever waits again must know that it is not in vain.
      if (!isWell || !(isEmpty || this.#hasProof)) return undefined;
      this.#isIsland = false;
      return "back";
    }
    const isAway = this.#awaySince !== undefined && now - this.#awaySince >= this.#holdMs;
    const isStalled = this.#stalledSince !== undefined &&
      now - this.#stalledSince >= Math.max(this.#holdMs, LEAST_STALL_MS);
    if (!isAway && !isStalled) return undefined;
    this.#isIsland = true;
    this.#hasProof = false;
    this.#stalledSince = undefined;
    return "island";
  }
}
