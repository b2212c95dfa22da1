/**
 * Frames (RFC 37 §2.3): found in any cut of the stream, as spans of the bytes in which they came.
 *
 * ```text
 *   flags │ size: 1 byte, or 8 when LONG │ body
 *   MORE 01, LONG 02, COMMAND 04; all other bits are reserved
 * ```
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import type { MemoryBudget, MemoryHolder } from "../base/memory_budget.ts";
import { freeBuffer } from "./read_buffers.ts";
import {
  FIRST_ALLOCATION_BYTES,
  FLAG_COMMAND,
  FLAG_LONG,
  FLAG_MORE,
  LARGE_READ_BYTES,
  LONG_HEADER_SIZE,
  MAX_COMMAND_BYTES,
  MAX_SKIPPED_BYTES,
  SHORT_BODY_MAX,
  SHORT_HEADER_SIZE,
} from "./wire.ts";

/** Takes what a {@linkcode FrameDecoder} finds, at once and in the order of the stream. */
export interface FrameHandler {
  /**
   * One whole frame: `bytes[start, end)`, its body from `bodyStart` on, its flags at `start`. The bytes stay as they are
   * until `push` returns, so that what one chunk brought can be passed on together; whoever keeps them longer copies them.
   */
  handleFrame(bytes: Uint8Array, start: number, bodyStart: number, end: number): void;
  /** A message frame has passed and was not stored: it is above the limit, or a part where those are skipped. */
  handleSkippedFrame(flags: number, size: number): void;
}

/** Limits of a {@linkcode FrameDecoder}. */
export interface FrameLimits {
  /** Bytes of a message frame's body; a larger one is skipped. */
  readonly maxMessageBytes: number;
  /** Bytes of a message frame's body that are still skipped; a larger one is an error. */
  readonly maxSkippedBytes?: number;
  /** Bytes of a command's body; a larger one is an error. */
  readonly maxCommandBytes?: number;
  /** Message frames with MORE are skipped like those above the limit, unless they come whole. @default false */
  readonly skipsParts?: boolean;
  /** What unfinished frames of many connections may use together. @default no such limit */
  readonly memory?: MemoryBudget | undefined;
  /** Who asks for that memory, and so need not give way for it. */
  readonly holder?: MemoryHolder | undefined;
}

/** Cuts a stream of bytes into frames. Pure: no I/O, no clock. */
export class FrameDecoder {
  /**
   * While true, as it is until READY, a message frame is an error when its first byte is read, so that a stranger
   * cannot make us store anything.
   */
  commandsOnly = false;

  readonly #handler: FrameHandler;
  readonly #maxMessageBytes: number;
  readonly #maxSkippedBytes: number;
  readonly #maxCommandBytes: number;
  readonly #skipsParts: boolean;
  readonly #memory: MemoryBudget | undefined;
  readonly #holder: MemoryHolder | undefined;
  /** Arrays that held frames in pieces, until nobody looks at those any more. */
  #spent: Uint8Array[] = [];
  /** The beginning of a frame whose rest has not come yet. Invariant: `#partSize` bytes of it are in use. */
  #part: Uint8Array<ArrayBuffer> = EMPTY;
  #partSize = 0;
  /** Bytes of the frame in `#part`, header included; 0 while its header is not complete. */
  #frameSize = 0;
  #partHeaderSize = 0;
  /** Bytes of the body of a frame above the limit that have still to pass. */
  #skipLeft = 0;
  #skipFlags = 0;
  #skipSize = 0;

  constructor(limits: FrameLimits, handler: FrameHandler) {
    this.#handler = handler;
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#maxSkippedBytes = Math.max(limits.maxMessageBytes, limits.maxSkippedBytes ?? MAX_SKIPPED_BYTES);
    this.#maxCommandBytes = limits.maxCommandBytes ?? MAX_COMMAND_BYTES;
    this.#skipsParts = limits.skipsParts ?? false;
    this.#memory = limits.memory;
    this.#holder = limits.holder;
  }

  /** Has a frame begun that has not come whole? */
  get isUnfinished(): boolean {
    return this.#partSize > 0 || this.#skipLeft > 0;
  }

  /** Bytes of memory that this frame holds. */
  get heldBytes(): number {
    return this.#part.length;
  }

  /**
   * Nobody looks any more at what `push` and `filled` handed over: frees the arrays that were made for frames in pieces. Large ones,
   * which can be kept as they are, only if they were `copied`.
   */
  endTurn(copied: boolean): void {
    if (this.#spent.length === 0) return;
    for (const part of this.#spent) if (copied || part.length <= LARGE_READ_BYTES) freeBuffer(part);
    this.#spent = [];
  }

  /** Forgets the frame that has not come whole, when no more will come. */
  forget(): void {
    this.#forgetPart();
  }

  /**
   * Takes the next bytes of the stream. Every frame that they complete is handed over before it returns.
   *
   * @throws {ProtocolError} `bad-frame`, `frame-too-large` or, while `commandsOnly`, `unexpected-before-ready`. The decoder
   * must not be used afterwards: where the next frame begins is not known any more.
   */
  push(chunk: Uint8Array): void {
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (this.#skipLeft > 0) {
        at = this.#skip(at, end);
        continue;
      }
      if (this.#partSize > 0) {
        at = this.#fillPart(chunk, at, end);
        continue;
      }
      // The fast path: the frame is whole in this chunk, so it is handed over where it is.
      const flags = chunk[at]!;
      let bodyStart = at + SHORT_HEADER_SIZE;
      let size = 0;
      if ((flags & FLAG_LONG) === 0) {
        if (bodyStart <= end) size = chunk[at + 1]!;
      } else {
        bodyStart = at + LONG_HEADER_SIZE;
        if (bodyStart <= end) size = readSize(chunk, at + 1);
      }
      // An empty command may be libzmq 4.3.4's broken SUBSCRIBE: that is sorted out with the slow path's care.
      if (bodyStart > end || bodyStart + size > end || (flags === FLAG_COMMAND && size === 0)) {
        at = this.#fillPart(chunk, at, end);
        continue;
      }
      this.#check(flags, size);
      if (size > this.#maxMessageBytes && (flags & FLAG_COMMAND) === 0) {
        this.#beginSkip(flags, size);
        at = bodyStart;
        continue;
      }
      this.#handler.handleFrame(chunk, at, bodyStart, bodyStart + size);
      at = bodyStart + size;
    }
  }

  /**
   * Where the next bytes of the stream belong while the rest of a large frame is awaited: read to that place they need not be
   * copied there. Undefined at all other times, and where memory is short, for nobody else is to lose any before the bytes
   * have come. Whoever filled it from its start on says so with {@linkcode FrameDecoder.filled} before the next `push`.
   */
  get room(): Uint8Array | undefined {
    if (this.#frameSize - this.#partSize < IN_PLACE_BYTES) return undefined;
    if (this.#partSize === this.#part.length) {
      const size = this.#plannedSize(this.#partSize + 1);
      if (this.#memory?.takeSpare(size - this.#part.length) === false) return undefined;
      this.#growPart(size);
    }
    return this.#part.subarray(this.#partSize, this.#frameSize);
  }

  /** So many bytes of {@linkcode FrameDecoder.room} have come. The frame is handed over if it is whole. */
  filled(size: number): void {
    this.#partSize += size;
    if (this.#partSize === this.#frameSize) this.#handOverPart();
  }

  /** Adds bytes to the frame that came in pieces; returns how far it got in the chunk. */
  #fillPart(chunk: Uint8Array, from: number, end: number): number {
    let at = from;
    while (this.#frameSize === 0) {
      if (at === end) return at;
      this.#appendToPart(chunk, at, at + 1);
      at++;
      if (this.#readPartHeader()) return at;
    }
    const take = Math.min(this.#frameSize - this.#partSize, end - at);
    this.#appendToPart(chunk, at, at + take);
    if (this.#partSize === this.#frameSize) this.#handOverPart();
    return at + take;
  }

  /** Reads the header as soon as it is complete. Returns true when the frame is over already: empty, or to be skipped. */
  #readPartHeader(): boolean {
    const part = this.#part;
    const flags = part[0]!;
    let size: number;
    if (this.#partSize === 1) {
      this.#checkFlags(flags);
      return false;
    }
    if (flags === FLAG_COMMAND && part[1] === 0) {
      // libzmq 4.3.3 and 4.3.4 forget LONG when a topic has 246 to 255 bytes (#4367): eight bytes of size follow 04.
      if (!isBrokenSubscription(part, this.#partSize)) {
        throw new ProtocolError("bad-frame", "Cannot decode frame: a command is empty");
      }
      if (this.#partSize < BROKEN_SUBSCRIPTION_SIZE) return false;
      size = readSize(part, 1);
      this.#partHeaderSize = LONG_HEADER_SIZE;
    } else {
      this.#partHeaderSize = (flags & FLAG_LONG) === 0 ? SHORT_HEADER_SIZE : LONG_HEADER_SIZE;
      if (this.#partSize < this.#partHeaderSize) return false;
      size = this.#partHeaderSize === SHORT_HEADER_SIZE ? part[1]! : readSize(part, 1);
    }
    this.#check(flags, size);
    const isSkipped = size > this.#maxMessageBytes || (this.#skipsParts && (flags & FLAG_MORE) !== 0);
    if (isSkipped && (flags & FLAG_COMMAND) === 0 && size > 0) {
      this.#forgetPart();
      this.#beginSkip(flags, size);
      return true;
    }
    this.#frameSize = this.#partHeaderSize + size;
    if (this.#partSize < this.#frameSize) return false;
    this.#handOverPart();
    return true;
  }

  #handOverPart(): void {
    const part = this.#part;
    const headerSize = this.#partHeaderSize;
    const size = this.#partSize;
    this.#forgetPart();
    this.#spent.push(part);
    this.#handler.handleFrame(part, 0, headerSize, size);
  }

  #forgetPart(): void {
    this.#partSize = 0;
    this.#frameSize = 0;
    this.#memory?.give(this.#part.length);
    // Not for the next frame: the handler may still look at these bytes when that one begins, in the same chunk.
    this.#part = EMPTY;
  }

  #appendToPart(chunk: Uint8Array, from: number, to: number): void {
    const needed = this.#partSize + to - from;
    if (needed > this.#part.length) {
      this.#growPart(this.#takeMemory(needed));
    }
    // A single byte, as most of a header comes, is cheaper without a view.
    if (to - from === 1) this.#part[this.#partSize] = chunk[from]!;
    else this.#part.set(chunk.subarray(from, to), this.#partSize);
    this.#partSize = needed;
  }

  /** Takes memory for a larger buffer, for more than was there before from nobody who has some. Returns its size. */
  #takeMemory(needed: number): number {
    const memory = this.#memory;
    const ample = this.#plannedSize(needed, needed);
    if (memory === undefined || memory.takeSpare(ample - this.#part.length)) return ample;
    const size = this.#plannedSize(needed);
    if (!memory.take(size - this.#part.length, this.#holder)) throw overBudget(memory.limit);
    return size;
  }

  /**
   * How large the buffer of the frame in progress becomes, when so much has come. It grows with what has really come, not with what was
   * announced.
   */
  #plannedSize(needed: number, came: number = this.#partSize): number {
    const planned = Math.min(this.#frameSize, Math.max(FIRST_ALLOCATION_BYTES, PART_GROWTH * came));
    return Math.max(needed, planned, SMALL_PART_BYTES);
  }

  #growPart(size: number): void {
    // Where it can be, it grows in place; in any case the old array is not left to the garbage collector.
    this.#part = this.#part === EMPTY
      ? new Uint8Array(size)
      : new Uint8Array(this.#part.buffer.transfer(size));
  }

  #beginSkip(flags: number, size: number): void {
    this.#skipLeft = size;
    this.#skipFlags = flags;
    this.#skipSize = size;
  }

  #skip(at: number, end: number): number {
    const take = Math.min(this.#skipLeft, end - at);
    this.#skipLeft -= take;
    if (this.#skipLeft === 0) this.#handler.handleSkippedFrame(this.#skipFlags, this.#skipSize);
    return at + take;
  }

  #check(flags: number, size: number): void {
    this.#checkFlags(flags);
    const limit = (flags & FLAG_COMMAND) === 0 ? this.#maxSkippedBytes : this.#maxCommandBytes;
    if (size > limit) {
      throw new ProtocolError(
        "frame-too-large",
        `Cannot decode frame: body is ${size} bytes, limit is ${limit}`,
      );
    }
  }

  #checkFlags(flags: number): void {
    if (flags > (FLAG_COMMAND | FLAG_LONG) || flags === (FLAG_COMMAND | FLAG_MORE)) {
      const what = flags > (FLAG_COMMAND | FLAG_LONG | FLAG_MORE)
        ? "reserved bits are set"
        : "a command has the MORE bit";
      throw new ProtocolError("bad-frame", `Cannot decode frame: flags are 0x${hex(flags)}, ${what}`);
    }
    if (this.commandsOnly && (flags & FLAG_COMMAND) === 0) {
      throw new ProtocolError(
        "unexpected-before-ready",
        "Cannot take frame: it is a message, READY was expected",
      );
    }
  }
}

/** The frame around a body; LONG only where it must be, as libzmq does. */
export function encodeFrame(body: Uint8Array, flags: number): Uint8Array {
  const headerSize = frameHeaderSize(body.length);
  const frame = new Uint8Array(headerSize + body.length);
  writeFrameHeader(frame, 0, flags, body.length);
  frame.set(body, headerSize);
  return frame;
}

/** A text as a message of one frame. */
export function encodeTextFrame(text: string): Uint8Array {
  const most = LONG_HEADER_SIZE + 3 * text.length;
  if (most > SHARED_FRAME_MAX) return encodeFrame(encoder.encode(text), 0);
  if (sharedAt + most > shared.length) {
    shared = new Uint8Array(SHARED_BYTES);
    sharedAt = 0;
  }
  // The size of the header is known when the body is there: what room it leaves in front of itself is at most seven bytes.
  const bodyStart = sharedAt + LONG_HEADER_SIZE;
  const { written } = encoder.encodeInto(text, shared.subarray(bodyStart));
  const start = bodyStart - frameHeaderSize(written);
  writeFrameHeader(shared, start, 0, written);
  sharedAt = bodyStart + written;
  return shared.subarray(start, sharedAt);
}

/** Bytes of the header in front of a body. */
export function frameHeaderSize(bodySize: number): number {
  return bodySize > SHORT_BODY_MAX ? LONG_HEADER_SIZE : SHORT_HEADER_SIZE;
}

/** Writes a header; there must be {@linkcode frameHeaderSize} bytes of room. */
export function writeFrameHeader(bytes: Uint8Array, at: number, flags: number, bodySize: number): void {
  if (bodySize <= SHORT_BODY_MAX) {
    bytes[at] = flags;
    bytes[at + 1] = bodySize;
    return;
  }
  bytes[at] = flags | FLAG_LONG;
  const high = Math.floor(bodySize / 0x1_0000_0000);
  for (let i = 0; i < 4; i++) {
    bytes[at + 1 + i] = high >>> (24 - 8 * i);
    bytes[at + 5 + i] = bodySize >>> (24 - 8 * i);
  }
}

/** Where the frame at `start` ends; only for bytes that are known to be whole, valid frames. */
export function frameEnd(bytes: Uint8Array, start: number): number {
  return (bytes[start]! & FLAG_LONG) === 0
    ? start + SHORT_HEADER_SIZE + bytes[start + 1]!
    : start + LONG_HEADER_SIZE + readSize(bytes, start + 1);
}

/** Where the body of the frame at `start` begins. */
export function frameBodyStart(bytes: Uint8Array, start: number): number {
  return start + ((bytes[start]! & FLAG_LONG) === 0 ? SHORT_HEADER_SIZE : LONG_HEADER_SIZE);
}

const encoder = new TextEncoder();
/** Small frames lie in a buffer that many share, and that is never written twice: to make a buffer costs more than to fill it. */
const SHARED_BYTES = 16 * 1024;
/** Larger than this, a text gets a buffer of its own. */
const SHARED_FRAME_MAX = 1024;
let shared = new Uint8Array(0);
let sharedAt = 0;
const EMPTY = new Uint8Array(0);
/** If so much of a frame is still to come, it is read to where it belongs. */
const IN_PLACE_BYTES: number = 64 * 1024;
/** The smallest buffer for a frame in pieces: a header alone would have to move at once. */
const SMALL_PART_BYTES = 512;
/** So many times what has come may be allocated for what is to come. */
const PART_GROWTH = 4;

/** 04, eight bytes of size from 0x0100 to 0x010f, and the first seven bytes of SUBSCRIBE's or CANCEL's name. */
const BROKEN_SUBSCRIPTION_SIZE = 16;
const BROKEN_SIZE_START = [0, 0, 0, 0, 0, 0, 1];
const BROKEN_NAMES = ["\x09SUBSCR", "\x06CANCEL"];

function isBrokenSubscription(part: Uint8Array, size: number): boolean {
  for (let i = 1; i < size && i < 8; i++) if (part[i] !== BROKEN_SIZE_START[i - 1]) return false;
  if (size > 8 && part[8]! > 0x0f) return false;
  return BROKEN_NAMES.some((name) => {
    for (let i = LONG_HEADER_SIZE; i < size; i++) {
      if (part[i] !== name.charCodeAt(i - LONG_HEADER_SIZE)) return false;
    }
    return true;
  });
}

/** An eight-byte size. Above 2^53 the value is not exact, yet far above every limit, which is all that matters. */
function readSize(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! * 0x100_0000) + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
  const low = (bytes[at + 4]! * 0x100_0000) +
    ((bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!);
  return high * 0x1_0000_0000 + low;
}

function overBudget(limit: number): ProtocolError {
  return new ProtocolError(
    "memory-budget",
    `Cannot keep frame: all connections together may use ${limit} bytes, and they do`,
  );
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
