/**
 * Fills blocks with what was read. Their form is told in `worker/block.js`. Pure.
 *
 * @module
 */

/** Bytes of most blocks. A larger piece has a block of its own. */
export const BLOCK_BYTES: number = 256 * 1024;
/** Bytes that a piece needs beside its own, at most: two numbers in front of it. */
const HEAD_BYTES = 16;

/** One block that is being filled. */
export class BlockWriter {
  /** Where the messages go. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** When the first read came, in microseconds since 1970. */
  readonly from: number;
  #at = 0;
  #count = 0;
  #time: number;

  /** `bytes` has room for the first piece. */
  constructor(bytes: Uint8Array<ArrayBuffer>, time: number) {
    this.bytes = bytes;
    this.from = this.#time = time;
  }

  /** What a block needs for one piece of this size. */
  static sizeFor(size: number): number {
    return size + HEAD_BYTES;
  }

  /** Bytes that are filled. */
  get size(): number {
    return this.#at;
  }

  /** Messages that are in it. */
  get count(): number {
    return this.#count;
  }

  /** When the last read came. */
  get until(): number {
    return this.#time;
  }

  /** Is there room for one more piece of this size? */
  hasRoomFor(size: number): boolean {
    return this.#at + BlockWriter.sizeFor(size) <= this.bytes.length;
  }

  /** Copies the whole frames `source[start, end)`, so many messages; `time` never goes back. */
  add(source: Uint8Array, start: number, end: number, messages: number, time: number): void {
    this.#varint(messages);
    this.#varint(time - this.#time);
    this.bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.#at);
    this.#at += end - start;
    this.#count += messages;
    this.#time = time;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.#at++] = rest;
  }
}
