/**
 * One connection's bounded queue of frames that wait to be written.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";
import type { Block } from "./arena.ts";
import { frameEnd } from "./frame.ts";

/** How much may wait. */
export interface QueueLimit {
  /** Messages. */
  readonly messages: number;
  /** Bytes, frame headers included. */
  readonly bytes: number;
}

/** Bytes that go out in one write, if they lie together: the loopback gains nothing above. */
const WRITE_BYTES = 64 * 1024;

/** Whole frames, `bytes[start, end)`. The bytes must not change as long as they wait. */
interface Range {
  readonly bytes: Uint8Array;
  readonly start: number;
  end: number;
  messages: number;
  readonly block: Block | undefined;
}

/**
 * References to ranges of frames, in order. Ranges that touch become one.
 *
 * When the queue is full, new messages are dropped until it is half empty, as a libzmq PUB does. That way a slow reader
 * gets runs of messages with gaps between them, not one message out of each batch, and what waits lies together in memory.
 *
 * Invariant: never more messages or bytes than the limit; what is being written counts until it is written.
 */
export class Outbox {
  readonly #limit: QueueLimit;
  readonly #queue: Fifo<Range> = new Fifo();
  #writing: Range | undefined;
  #messages = 0;
  #bytes = 0;
  #isDropping = false;
  #dropped = 0;

  constructor(limit: QueueLimit) {
    this.#limit = limit;
  }

  /** Messages that wait or are being written. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes that wait or are being written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that are being written. */
  get writingBytes(): number {
    return this.#writing === undefined ? 0 : this.#writing.end - this.#writing.start;
  }

  /** Messages that found the queue full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Is there nothing to take? Something may still be being written. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Would one more message of that size fit? */
  hasRoom(size: number): boolean {
    return this.hasRoomFor(1, size);
  }

  /** Would so many more messages of so many bytes fit? */
  hasRoomFor(messages: number, size: number): boolean {
    return this.#messages + messages <= this.#limit.messages && this.#bytes + size <= this.#limit.bytes;
  }

  /**
   * Queues `messages` whole frames, or as many of the first ones as fit. Returns how many were dropped. The block that the
   * bytes lie in, if they lie in one, is held as long as they wait.
   */
  push(bytes: Uint8Array, start: number, end: number, messages: number, block?: Block): number {
    const limit = this.#limit;
    const room = limit.messages - this.#messages;
    if (this.#isDropping && 2 * this.#messages <= limit.messages && 2 * this.#bytes <= limit.bytes) {
      this.#isDropping = false;
    }
    if (this.#isDropping) {
      this.#dropped += messages;
      return messages;
    }
    if (messages <= room && this.#bytes + end - start <= limit.bytes) {
      this.#append(bytes, start, end, messages, block);
      return 0;
    }
    let fitting = 0;
    let to = start;
    while (fitting < messages && fitting < room) {
      const next = frameEnd(bytes, to);
      if (this.#bytes + next - start > limit.bytes) break;
      to = next;
      fitting++;
    }
    if (fitting > 0) this.#append(bytes, start, to, fitting, block);
    this.#isDropping = true;
    this.#dropped += messages - fitting;
    return messages - fitting;
  }

  /** Queues whole frames, room or not: whoever calls it has looked. */
  add(bytes: Uint8Array, start: number, end: number, messages: number, block?: Block): void {
    this.#append(bytes, start, end, messages, block);
  }

  /** Queues a frame that is no message and counts as none, room or not. */
  pushNote(frame: Uint8Array): void {
    this.#append(frame, 0, frame.length, 0, undefined);
  }

  /** Messages were lost that have never been here. */
  countDropped(messages: number): void {
    this.#dropped += messages;
  }

  /**
   * Takes the next bytes to write: whole frames. The same bytes are not given twice; call
   * {@linkcode Outbox.written} or {@linkcode Outbox.putBack} before the next take.
   */
  take(): Uint8Array | undefined {
    const range = this.#queue.shift();
    if (range === undefined) return undefined;
    this.#writing = range;
    return range.bytes.subarray(range.start, range.end);
  }

  /** What was taken has been handed to the operating system. Returns how many messages that were: 0 if they were cleared. */
  written(): number {
    if (this.#writing === undefined) return 0;
    const { start, end, messages, block } = this.#writing;
    this.#writing = undefined;
    block?.release();
    this.#messages -= messages;
    this.#bytes -= end - start;
    return messages;
  }

  /**
   * The connection broke after `offset` bytes of what was taken. Frames that were not begun come first in the queue again; a
   * frame that was cut is lost, as for libzmq: sending it again could deliver it twice.
   */
  putBack(offset: number): { readonly written: number; readonly lost: number } {
    const range = this.#writing;
    if (range === undefined) return { written: 0, lost: 0 };
    this.#writing = undefined;
    let written = 0;
    let at = range.start;
    while (at < range.end && frameEnd(range.bytes, at) <= range.start + offset) {
      at = frameEnd(range.bytes, at);
      written++;
    }
    const isCut = at < range.start + offset;
    if (isCut) at = frameEnd(range.bytes, at);
    const gone = written + (isCut ? 1 : 0);
    this.#messages -= gone;
    this.#bytes -= at - range.start;
    if (at < range.end) {
      this.#queue.unshift({ ...range, start: at, messages: range.messages - gone });
    } else range.block?.release();
    return { written, lost: isCut ? 1 : 0 };
  }

  /** Forgets everything. Returns how many messages were forgotten. */
  clear(): number {
    const messages = this.#messages;
    for (let range; (range = this.#queue.shift()) !== undefined;) range.block?.release();
    // The operating system is still at it.
    this.#writing?.block?.pin();
    this.#writing?.block?.release();
    this.#writing = undefined;
    this.#messages = this.#bytes = 0;
    return messages;
  }

  /** Drops all that waits but for what is being written. Returns how many messages were dropped. */
  dropAll(): number {
    const dropped = this.takeBackAll();
    this.#dropped += dropped;
    return dropped;
  }

  /** The same, for whoever can queue it again: it does not count as dropped. */
  takeBackAll(): number {
    let messages = 0;
    for (let range; (range = this.#queue.shift()) !== undefined;) {
      messages += range.messages;
      this.#bytes -= range.end - range.start;
      range.block?.release();
    }
    this.#messages -= messages;
    return messages;
  }

  #append(bytes: Uint8Array, start: number, end: number, messages: number, block: Block | undefined): void {
    this.#messages += messages;
    this.#bytes += end - start;
    const { last } = this.#queue;
    if (last !== undefined && last.bytes === bytes && last.end === start && end - last.start <= WRITE_BYTES) {
      last.end = end;
      last.messages += messages;
    } else {
      block?.hold();
      this.#queue.push({ bytes, start, end, messages, block });
    }
  }
}
