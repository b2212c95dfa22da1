/**
 * What follows READY under CURVE: every frame of ours in a box, and every box of the peer opened (RFC 26 §MESSAGE, as libzmq
 * 4.3.5 really sends it).
 *
 * ```text
 *   00 or 02, size │ 07 M E S S A G E │ nonce(8) │ tag(16) │ inner flags(1) payload
 *   message frame  │ name             │          │ box of what follows
 *   inner flags: MORE 01, COMMAND 02 - not 04
 * ```
 *
 * RFC 25 and 37 say that it is a command; libzmq drops it in silence then.
 *
 * @module
 */
import { ProtocolError } from "../../base/errors.ts";
import { Arena } from "../arena.ts";
import { type Cryptography, type MessageCipher, TAG_SIZE, writeNonceEnd } from "./crypto.ts";
import { frameBodyStart, frameEnd, frameHeaderSize, writeFrameHeader } from "../frame.ts";
import type { MessageBox } from "../mechanism.ts";
import type { MemoryBudget } from "../../base/memory_budget.ts";
import { FLAG_COMMAND, FLAG_LONG, FLAG_MORE } from "../wire.ts";

/** Bytes by which a frame's body grows in its box: name, nonce, tag and inner flags. */
export const BOX_OVERHEAD = 33;

const NAME = Uint8Array.of(7, 0x4d, 0x45, 0x53, 0x53, 0x41, 0x47, 0x45); // 07 "MESSAGE"
const NONCE_AT = 8;
const TAG_AT = 16;
const CONTENT_AT: number = TAG_AT + TAG_SIZE;
/** MORE is the same inside and outside; this one is not. */
const INNER_COMMAND = 0x02;
const UINT32 = 0x1_0000_0000;
/** An idle connection keeps a block of this size for what is opened next; a larger one goes at the end of its turn. */
const KEPT_BLOCK_BYTES: number = 4 * 1024;

/** A number of 64 bits as two halves: our own counter in this form costs nothing, and the peer's may be as large as it likes. */
export interface Nonce {
  /** The upper 32 bits. */
  readonly high: number;
  /** The lower 32 bits. */
  readonly low: number;
}

/** Reads the eight bytes of a nonce. */
export function readNonce(bytes: Uint8Array, at: number): Nonce {
  return { high: readUint32(bytes, at), low: readUint32(bytes, at + 4) };
}

/** Is the nonce larger than the other one? A gap is fine, the same number is a replay. */
export function isHigher(nonce: Nonce, than: Nonce): boolean {
  return nonce.high > than.high || (nonce.high === than.high && nonce.low > than.low);
}

/** What a {@linkcode CurveBox} takes over from the handshake. */
export interface CurveBoxOptions {
  /** The connection's key, K'. */
  readonly key: Uint8Array;
  /** First sixteen bytes of our nonces. */
  readonly ourPrefix: Uint8Array;
  /** First sixteen bytes of the peer's. */
  readonly theirPrefix: Uint8Array;
  /** The nonce that we used last: messages go on from there, they do not start again at 1. */
  readonly ourNonce: Nonce;
  /** The nonce that the peer used last. */
  readonly theirNonce: Nonce;
  /** What opened frames are counted in. @default nothing */
  readonly memory?: MemoryBudget | undefined;
}

/** Seals and opens the frames of one connection, in the order in which they travel. */
export class CurveBox implements MessageBox {
  readonly #sealer: MessageCipher;
  readonly #opener: MessageCipher;
  #ourHigh: number;
  #ourLow: number;
  #theirHigh: number;
  #theirLow: number;
  /** Opened frames one behind the other, so that a broker can pass those of one read on together. */
  readonly #arena: Arena;

  constructor(crypto: Cryptography, options: CurveBoxOptions) {
    this.#arena = new Arena(options.memory);
    this.#sealer = crypto.messageCipher(options.key, options.ourPrefix);
    this.#opener = crypto.messageCipher(options.key, options.theirPrefix);
    ({ high: this.#ourHigh, low: this.#ourLow } = options.ourNonce);
    ({ high: this.#theirHigh, low: this.#theirLow } = options.theirNonce);
  }

  get block(): Uint8Array {
    return this.#arena.block;
  }

  seal(frames: Uint8Array): Uint8Array {
    let size = 0;
    for (let at = 0; at < frames.length;) {
      const end = frameEnd(frames, at);
      size += sealedSize(end - frameBodyStart(frames, at));
      at = end;
    }
    const sealed = new Uint8Array(size);
    let to = 0;
    for (let at = 0; at < frames.length;) {
      const end = frameEnd(frames, at);
      to = this.#sealFrame(frames, at, end, sealed, to);
      at = end;
    }
    return sealed;
  }

  plainOffset(frames: Uint8Array, sealedOffset: number): number {
    let left = sealedOffset;
    for (let at = 0; at < frames.length;) {
      const end = frameEnd(frames, at);
      const size = sealedSize(end - frameBodyStart(frames, at));
      // One byte of a frame, or all but one: either way it was begun and not ended.
      if (left < size) return left > 0 ? at + 1 : at;
      left -= size;
      at = end;
    }
    return frames.length;
  }

  open(bytes: Uint8Array, start: number, bodyStart: number, end: number): number {
    if ((bytes[start]! & ~FLAG_LONG) !== 0 || !isMessage(bytes, bodyStart, end)) {
      throw new ProtocolError(
        "bad-frame",
        "Cannot take frame: it is not in a box, as all must be under CURVE",
      );
    }
    const high = readUint32(bytes, bodyStart + NONCE_AT);
    const low = readUint32(bytes, bodyStart + NONCE_AT + 4);
    if (high < this.#theirHigh || (high === this.#theirHigh && low <= this.#theirLow)) {
      throw new ProtocolError("bad-crypto", "Cannot take message: its nonce is not above the one before");
    }
    const size = end - bodyStart - BOX_OVERHEAD;
    const headerSize = frameHeaderSize(size);
    const arena = this.#arena;
    arena.reserve(headerSize + size);
    const { block, at } = arena;
    // The inner flags are opened into the last byte of the header's room, and the header is written over them.
    const content = at + headerSize - 1;
    if (!this.#opener.open(bytes, bodyStart + TAG_AT, end, high, low, block, content)) {
      throw new ProtocolError("bad-crypto", "Cannot take message: its box does not open");
    }
    this.#theirHigh = high;
    this.#theirLow = low;
    const inner = block[content]!;
    if (inner > INNER_COMMAND) {
      throw new ProtocolError(
        "bad-frame",
        `Cannot take message: its inner flags are 0x${inner.toString(16)}`,
      );
    }
    writeFrameHeader(block, at, inner === INNER_COMMAND ? FLAG_COMMAND : inner, size);
    arena.advance(headerSize + size);
    return at;
  }

  endTurn(): void {
    if (this.#arena.block.length > KEPT_BLOCK_BYTES) this.#arena.release();
  }

  forget(): void {
    this.#arena.release();
    this.#sealer.forget();
    this.#opener.forget();
  }

  #sealFrame(frames: Uint8Array, start: number, end: number, sealed: Uint8Array, to: number): number {
    if (this.#ourLow === UINT32 - 1) {
      if (this.#ourHigh === UINT32 - 1) {
        throw new ProtocolError("bad-crypto", "Cannot seal message: the connection's nonces are used up");
      }
      this.#ourHigh++;
      this.#ourLow = 0;
    } else this.#ourLow++;
    const bodyStart = frameBodyStart(frames, start);
    const bodySize = end - bodyStart + BOX_OVERHEAD;
    const flags = frames[start]!;
    const body = to + frameHeaderSize(bodySize);
    const content = body + CONTENT_AT;
    sealed[content] = (flags & FLAG_MORE) | ((flags & FLAG_COMMAND) === 0 ? 0 : INNER_COMMAND);
    sealed.set(frames.subarray(bodyStart, end), content + 1);
    this.#sealer.seal(sealed, content, body + bodySize, this.#ourHigh, this.#ourLow);
    writeFrameHeader(sealed, to, 0, bodySize);
    sealed.set(NAME, body);
    writeNonceEnd(sealed, body + NONCE_AT, this.#ourHigh, this.#ourLow);
    return body + bodySize;
  }
}

function sealedSize(bodySize: number): number {
  return frameHeaderSize(bodySize + BOX_OVERHEAD) + bodySize + BOX_OVERHEAD;
}

function isMessage(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < BOX_OVERHEAD) return false;
  for (let i = 0; i < NAME.length; i++) if (bytes[start + i] !== NAME[i]) return false;
  return true;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
