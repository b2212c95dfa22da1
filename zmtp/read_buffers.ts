/**
 * Buffers to read to. An idle connection costs 4 KiB, a busy one a larger buffer, which goes to the next busy one as soon as a read
 * would not have needed it.
 *
 * @module
 */
import type { MemoryBudget } from "../base/memory_budget.ts";

/** A connection's own buffer, for its first read and for each after a read that was not longer. */
export const SMALL_READ_BYTES: number = 4 * 1024;
/** Bytes of free buffers that are kept for whoever needs one next: a new one costs as much as it takes to clear it. */
const KEPT_BYTES: number = 4 * 1024 * 1024;

/** Free buffers by their size. They are nobody's, so all connections of the process share them. */
const free: Map<number, Uint8Array<ArrayBuffer>[]> = new Map();
let freeBytes = 0;

/** A buffer of that size; undefined where memory is short. Its bytes are those of its last user. */
export function takeReadBuffer(
  size: number,
  memory: MemoryBudget | undefined,
): Uint8Array<ArrayBuffer> | undefined {
  if (memory?.takeForReading(size) === false) return undefined;
  const buffer = free.get(size)?.pop();
  if (buffer === undefined) return new Uint8Array(size);
  freeBytes -= size;
  return buffer;
}

/** Gives it back; nobody may look at it any more. */
export function giveReadBuffer(buffer: Uint8Array<ArrayBuffer>, memory: MemoryBudget | undefined): void {
  const size = buffer.length;
  memory?.giveFromReading(size);
  if (freeBytes + size > KEPT_BYTES) return freeBuffer(buffer);
  freeBytes += size;
  const others = free.get(size);
  if (others === undefined) free.set(size, [buffer]);
  else others.push(buffer);
}

/** Frees an array's memory at once, not when the garbage collector gets there. All views on it are empty then. */
export function freeBuffer({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}
