/**
 * Who waits for something of a client: until it is so, the signal is aborted, or the client closed.
 *
 * @module
 */
import { ClosedError } from "../base/errors.ts";

/** Somebody who waits. */
interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

/** Those who wait for the same kind of news. */
export class Waiters {
  readonly #closed: AbortSignal;
  readonly #waiting: Set<Waiter> = new Set();

  /** `closed` is aborted when nothing will come any more. */
  constructor(closed: AbortSignal) {
    this.#closed = closed;
  }

  /** There is news: whoever waited for it goes on. */
  look(): void {
    if (this.#waiting.size === 0) return;
    for (const waiter of this.#waiting) if (waiter.isDone()) waiter.resolve();
  }

  /**
   * Waits until it is done; it is asked now and whenever there is news.
   *
   * @throws The signal's reason when it is aborted.
   * @throws {ClosedError} If the client is closed before; `what` says what cannot be done then.
   */
  async wait(isDone: () => boolean, what: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (isDone()) return;
    if (this.#closed.aborted) throw closedError(what);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { isDone, resolve };
    const abort = () => reject(signal!.reason);
    const end = () => reject(closedError(what));
    this.#waiting.add(waiter);
    signal?.addEventListener("abort", abort);
    this.#closed.addEventListener("abort", end);
    try {
      await promise;
    } finally {
      this.#waiting.delete(waiter);
      signal?.removeEventListener("abort", abort);
      this.#closed.removeEventListener("abort", end);
    }
  }
}

/** For whatever is asked of a client that is closed. */
export function closedError(what: string): ClosedError {
  return new ClosedError(`Cannot ${what}: the client is closed`);
}
