/**
 * The bodies of requests under way, each with its deadline. How they are read is not known here.
 *
 * @module
 */

/** A body that is on its way. */
export interface WatchedBody {
  /** By when it must be there, on the clock of `performance.now()`; set here. */
  deadline: number;
  /** It is there, was given up, or its client is gone: whatever comes now is too late. */
  isOver: boolean;
  /** Called once when it is not there with its head. */
  handleSlow(): void;
  /** Called once when the deadline has passed. */
  handleLate(): void;
}

/**
 * Ends bodies that do not come in time. Most are there with their head, so the clock is looked at only for those that are not
 * there in the next turn of the loop, and one timer serves them all: a timer for each would cost a fifth of a POST.
 */
export class Bodies {
  /** Time in which a body must have arrived. */
  readonly timeoutMs: number;
  #fresh: WatchedBody[] = [];
  // Invariant: in the order in which they began, so the first one has the earliest deadline.
  readonly #late = new Set<WatchedBody>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /** A body begins. */
  watch(body: WatchedBody): void {
    if (this.#fresh.push(body) === 1) setImmediate(this.#checkFresh);
  }

  /** The body is there, or will never be. */
  unwatch(body: WatchedBody): void {
    body.isOver = true;
    if (this.#late.size === 0 || !this.#late.delete(body) || this.#late.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #checkFresh = (): void => {
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const body of fresh) {
      if (body.isOver) continue;
      body.deadline = performance.now() + this.timeoutMs;
      this.#late.add(body);
      body.handleSlow();
    }
    if (this.#late.size > 0) this.#timer ??= setTimeout(this.#checkLate, this.timeoutMs);
  };

  readonly #checkLate = (): void => {
    this.#timer = undefined;
    const now = performance.now();
    for (const body of this.#late) {
      if (body.deadline > now) {
        this.#timer = setTimeout(this.#checkLate, body.deadline - now);
        return;
      }
      this.#late.delete(body);
      body.isOver = true;
      body.handleLate();
    }
  };
}
