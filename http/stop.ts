/**
 * The stop of a gateway: whether it has begun, what it waits for, and when nothing is left.
 *
 * @module
 */

/** See the module. */
export class Stop {
  readonly #idleListeners = new Set<() => void>();
  // Invariant: answers that are not there yet and clients that wait; a long-poll is both and counts twice.
  #underWay = 0;
  #hasBegun = false;

  /** Is what is new refused? */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** From now on what is new is refused. */
  begin(): void {
    this.#hasBegun = true;
  }

  /** Something begins that a stop waits for. */
  hold(): void {
    this.#underWay += 1;
  }

  /** It has ended. */
  release(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0 && this.#hasBegun) {
      for (const listener of [...this.#idleListeners]) {
        listener();
      }
    }
  }

  /** Resolves when nothing is left, or when the time is over; says which. */
  async idle(lingerMs: number): Promise<boolean> {
    if (this.#underWay === 0) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), lingerMs);
    const handleIdle = () => resolve(true);
    this.#idleListeners.add(handleIdle);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#idleListeners.delete(handleIdle);
    }
  }
}
