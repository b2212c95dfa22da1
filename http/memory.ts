/**
 * What the web side holds in memory for its clients, all together: bodies on their way, answers that nobody has read yet, queues
 * of streams and WebSockets.
 *
 * @module
 */
import { MemoryBudget, type MemoryHolder } from "../base/memory_budget.ts";
import { type Problem, unavailable } from "./problem.ts";

/** See the module. */
export class WebMemory {
  readonly #budget: MemoryBudget;

  /** For so many bytes. */
  constructor(limit: number) {
    this.#budget = new MemoryBudget(limit);
  }

  /** Bytes in use. */
  get usedBytes(): number {
    return this.#budget.used;
  }

  /** Bytes that may be in use. */
  get limitBytes(): number {
    return this.#budget.limit;
  }

  /** From now on it may have to give way. */
  join(holder: MemoryHolder): void {
    this.#budget.join(holder);
  }

  /** It has nothing to give back any more. */
  leave(holder: MemoryHolder): void {
    this.#budget.leave(holder);
  }

  /** Takes bytes, if need be from those who have held the most for the longest. Returns false, and takes nothing, without success. */
  take(bytes: number, asker?: MemoryHolder): boolean {
    // Nearly always there is enough, and then nobody looks at the clock.
    if (this.#budget.takeSpare(bytes)) return true;
    this.#budget.now = performance.now();
    return this.#budget.take(bytes, asker);
  }

  /** Gives bytes back. */
  give(bytes: number): void {
    this.#budget.give(bytes);
  }

  /** Why a body or an answer of so many bytes cannot be had. */
  short(what: string, bytes: number, remote: string): Problem {
    const who = remote === ""
      ? ""
      : remote === "127.0.0.1" || remote === "::1"
      ? " of this machine"
      : ` of ${remote}`;
    const { usedBytes, limitBytes } = this;
    return unavailable(
      "memory-short",
      `Cannot hold ${what} of ${bytes} bytes for a client${who}: bodies, unread answers and queues of all clients use ` +
        `${usedBytes} bytes, limit is ${limitBytes} (memoryBudgetBytes)`,
      { limit: limitBytes },
    );
  }
}
