/**
 * What the web side holds in memory for its clients, all together: bodies on their way, answers that nobody has read yet, queues
 * of streams and WebSockets.
 *
 * @module
 */
import { MemoryBudget, type MemoryHolder } from "../base/memory_budget.ts";
import { type Problem, unavailable } from "./problem.ts";

/** So much of it the queues of WebSockets may use: Deno gives none of them back before its reader is gone, or has read it. */
const SOCKET_PART = 1 / 2;
/** And so much what Deno keeps for bodies that were answered before their end. */
const BROKEN_PART = 1 / 4;

/** See the module. */
export class WebMemory {
  readonly #budget: MemoryBudget;
  #sockets = 0;
  #broken = 0;

  /** For so many bytes. */
  constructor(limit: number) {
    this.#budget = new MemoryBudget(limit);
  }

  /** Bytes in use. */
  get usedBytes(): number {
    return this.#budget.used;
  }

  /** Bytes of these that queues of WebSockets use. */
  get socketBytes(): number {
    return this.#sockets;
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

  /** The same for the queue of a WebSocket, within the part that they have. */
  takeForSocket(bytes: number): boolean {
    if (this.#sockets + bytes > this.limitBytes * SOCKET_PART || !this.take(bytes)) return false;
    this.#sockets += bytes;
    return true;
  }

  /** Gives those back. */
  giveFromSocket(bytes: number): void {
    this.#sockets -= bytes;
    this.give(bytes);
  }

  /** Is there still something of that part? */
  hasRoomForBroken(bytes: number): boolean {
    return this.#broken + bytes <= this.limitBytes * BROKEN_PART;
  }

  /** Takes bytes of that part for a body that was broken off; 0 when it is used up. */
  takeForBroken(bytes: number): number {
    if (!this.hasRoomForBroken(bytes) || !this.#budget.takeSpare(bytes)) return 0;
    this.#broken += bytes;
    return bytes;
  }

  /** Gives those back. */
  giveFromBroken(bytes: number): void {
    this.#broken -= bytes;
    this.give(bytes);
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
