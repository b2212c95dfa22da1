/**
 * Where bytes live that wait to be written.
 *
 * @module
 */
import { frameHeaderSize, writeFrameHeader } from "./frame.ts";
import type { MemoryBudget } from "../base/memory_budget.ts";
import { freeBuffer } from "./read_buffers.ts";
import { LARGE_READ_BYTES, LONG_HEADER_SIZE, SHORT_HEADER_SIZE } from "./wire.ts";

/** Bytes of one block; a larger piece gets a block of its own. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Bytes of an arena, with the number of those who refer to them: what nobody refers to is given back to the budget, and freed at
 * once where all who refer to it say so.
 */
export class Block {
  /** The bytes. */
  readonly bytes: Uint8Array;
  readonly #memory: MemoryBudget | undefined;
  #users = 1;
  #isFreed: boolean;

  /** For its first user. `isFreed`: nobody looks at the bytes but those who hold it. */
  constructor(bytes: Uint8Array, memory: MemoryBudget | undefined, isFreed: boolean = false) {
    memory?.force(bytes.length);
    this.#memory = memory;
    this.#isFreed = isFreed;
    this.bytes = bytes;
  }

  /** One more refers to it. */
  hold(): void {
    this.#users++;
  }

  /** One of them does no longer. */
  release(): void {
    if (--this.#users > 0) return;
    this.#memory?.give(this.bytes.length);
    // The garbage collector would get there some 100 MiB later.
    if (this.#isFreed) freeBuffer(this.bytes);
  }

  /** From now on somebody looks at the bytes who does not hold them: they are left to the garbage collector. */
  pin(): void {
    this.#isFreed = false;
  }
}

/**
 * Puts pieces one behind the other into blocks, so that what is written in the same turn is one range of bytes and goes out
 * in one write: Deno has no writev, and a write each costs fifty times as much. Nothing is ever overwritten; a block is
 * garbage when no queue refers to it any more.
 */
export class Arena {
  readonly #memory: MemoryBudget | undefined;
  readonly #isFreed: boolean;
  #holder: Block | undefined;
  /** Invariant: the bytes of `#holder`. */
  #block: Uint8Array = new Uint8Array(0);
  #at = 0;

  /**
   * Its blocks count against the budget. `isFreed`: whoever looks at a piece after its turn holds its block, so blocks that nobody
   * holds are freed at once.
   */
  constructor(memory?: MemoryBudget, isFreed: boolean = false) {
    this.#memory = memory;
    this.#isFreed = isFreed;
  }

  /** The block that holds the last piece. */
  get block(): Uint8Array {
    return this.#block;
  }

  /** The same, for those who keep a reference to the piece: they say `hold` and, when they are done, `release`. */
  get holder(): Block | undefined {
    return this.#holder;
  }

  /** Where the next piece begins, if it fits. */
  get at(): number {
    return this.#at;
  }

  /** Makes room for a piece of up to `size` bytes at {@linkcode Arena.at}. */
  reserve(size: number): void {
    if (this.#block.length - this.#at >= size) return;
    // The first block of a quiet owner is small: a thousand idle connections must not cost a thousand blocks.
    const next = this.#block.length === 0 ? FIRST_BLOCK_BYTES : BLOCK_BYTES;
    this.#begin(new Uint8Array(Math.max(next, size)));
  }

  /** Ends its use of the last block; the next piece begins a new one. */
  release(): void {
    this.#holder?.release();
    this.#holder = undefined;
    this.#block = new Uint8Array(0);
    this.#at = 0;
  }

  /** Copies a piece; it ends at {@linkcode Arena.at}. */
  append(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    this.#block.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  /** The same for whoever comes first to bytes that were read: where they fill an array of their own, that is kept, and nothing copied. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    // A frame above this size was put together in an array of its own, which nobody writes to any more.
    const isOwn = bytes.length > LARGE_READ_BYTES && start === 0 && end === bytes.length;
    if (!isOwn) return this.append(bytes, start, end);
    this.#begin(bytes);
    this.#at = end;
  }

  /** The next `size` bytes of the room made are in use now. */
  advance(size: number): void {
    this.#at += size;
  }

  /** Forgets the last `size` bytes, which nobody refers to. */
  takeBack(size: number): void {
    this.#at -= size;
  }

  /** Adds a text as a message of one frame; it ends at {@linkcode Arena.at}. Returns its size, header included. */
  appendMessage(text: string): number {
    if (text.length > ENCODED_IN_PLACE) return this.#appendFrame(encoder.encode(text));
    // Encoding into place is seven times as fast as an array each. Which header it takes is known only afterwards.
    this.reserve(LONG_HEADER_SIZE + 3 * text.length);
    const start = this.#at;
    const { written } = encoder.encodeInto(text, this.#block.subarray(start + SHORT_HEADER_SIZE));
    const headerSize = frameHeaderSize(written);
    const bodyStart = start + SHORT_HEADER_SIZE;
    if (headerSize > SHORT_HEADER_SIZE) {
      this.#block.copyWithin(start + headerSize, bodyStart, bodyStart + written);
    }
    writeFrameHeader(this.#block, start, 0, written);
    this.#at = start + headerSize + written;
    return headerSize + written;
  }

  #begin(block: Uint8Array): void {
    this.#holder?.release();
    this.#holder = new Block(block, this.#memory, this.#isFreed);
    this.#block = block;
    this.#at = 0;
  }

  #appendFrame(body: Uint8Array): number {
    const headerSize = frameHeaderSize(body.length);
    this.reserve(headerSize + body.length);
    writeFrameHeader(this.#block, this.#at, 0, body.length);
    this.#block.set(body, this.#at + headerSize);
    this.#at += headerSize + body.length;
    return headerSize + body.length;
  }
}

const encoder = new TextEncoder();
/** A text up to so many characters is encoded in place, where three bytes each have to be kept free. */
const ENCODED_IN_PLACE = 4096;

const FIRST_BLOCK_BYTES = 4 * 1024;
