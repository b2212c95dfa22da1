/**
 * How much memory many connections may use together.
 *
 * @module
 */

/** Counts bytes against a limit. Pure: it allocates nothing itself. */
export class MemoryBudget {
  /** Bytes that may be in use at once. */
  readonly limit: number;
  #used = 0;
  #relieve: () => boolean = () => false;

  /** For so many bytes. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** What to do when there is not enough: give something back and return true, or return false when there is nothing left. */
  onShortage(relieve: () => boolean): void {
    this.#relieve = relieve;
  }

  /** Takes bytes, if need be after others gave some back. Returns false, and takes nothing, when there is not enough. */
  take(bytes: number): boolean {
    while (this.#used + bytes > this.limit) if (!this.#relieve()) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes bytes if they are free; nobody has to give anything back for them. */
  takeSpare(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes bytes that are in use already, whatever the limit is; first others give back what they can. */
  force(bytes: number): void {
    if (!this.take(bytes)) this.#used += bytes;
  }

  /** Gives bytes back. */
  give(bytes: number): void {
    this.#used -= bytes;
  }
}
