/**
 * A feed's window in memory: references to pieces, bounded in messages, bytes and age.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";
import { frameEnd } from "../zmtp/mod.ts";
import type { FeedLimit, FeedStore, Piece } from "./feed_store.ts";

/** Pieces that lie together become one up to this size, so that looking for a message in one stays short. */
const JOINED_BYTES: number = 64 * 1024;

/** A piece that can grow at its end and shrink at its start. */
interface Held extends Piece {
  start: number;
  end: number;
  messages: number;
  first: number;
  index: number;
  readonly since: number;
}

/** Called with each piece, or part of one, that is about to be forgotten. */
export type ForgetListener = (piece: Piece) => void;

/**
 * Costs the broker a piece, not a message. Invariant: never more messages or bytes than the limit; what is held lies in
 * blocks that are held.
 */
export class MemoryStore implements FeedStore {
  readonly #limit: FeedLimit;
  readonly #forget: ForgetListener;
  readonly #pieces: Fifo<Held> = new Fifo();
  #count = 0;
  #bytes = 0;

  constructor(limit: FeedLimit, forget: ForgetListener = () => {}) {
    this.#limit = limit;
    this.#forget = forget;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get oldest(): number | undefined {
    return this.#pieces.first?.first;
  }

  append(piece: Piece, now: number): void {
    const { bytes, start, end, messages, block, first } = piece;
    this.#count += messages;
    this.#bytes += end - start;
    const { last } = this.#pieces;
    if (last !== undefined && isNext(last, piece) && end - last.start <= JOINED_BYTES) {
      last.end = end;
      last.messages += messages;
    } else {
      block?.hold();
      const { time, sender, index } = piece;
      this.#pieces.push({ bytes, start, end, messages, block, first, time, sender, index, since: now });
    }
    this.#trim();
    if (this.#limit.maxAgeMs !== undefined) this.expire(now);
  }

  after(position: number): Piece | undefined {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const piece = this.#pieces.at(middle)!;
      if (piece.first + piece.messages - 1 <= position) low = middle + 1;
      else high = middle;
    }
    const piece = this.#pieces.at(low);
    return piece === undefined || piece.first > position ? piece : without(piece, position + 1 - piece.first);
  }

  expire(now: number): void {
    const { maxAgeMs } = this.#limit;
    if (maxAgeMs === undefined) return;
    for (let piece; (piece = this.#pieces.first) !== undefined && now - piece.since > maxAgeMs;) {
      this.#drop(piece);
    }
  }

  #trim(): void {
    const { messages, bytes } = this.#limit;
    while (this.#count > messages || this.#bytes > bytes) {
      const piece = this.#pieces.first!;
      const size = piece.end - piece.start;
      if (this.#count - piece.messages >= messages || this.#bytes - size >= bytes || piece.messages === 1) {
        this.#drop(piece);
        continue;
      }
      let [count, end] = [0, piece.start];
      while (
        count < piece.messages &&
        (this.#count - count > messages || this.#bytes - (end - piece.start) > bytes)
      ) {
        end = frameEnd(piece.bytes, end);
        count++;
      }
      if (count === piece.messages) this.#drop(piece);
      else this.#shrink(piece, count, end);
    }
  }

  #drop(piece: Held): void {
    this.#forget(piece);
    this.#pieces.shift();
    this.#count -= piece.messages;
    this.#bytes -= piece.end - piece.start;
    piece.block?.release();
  }

  #shrink(piece: Held, messages: number, start: number): void {
    this.#forget({ ...piece, messages, end: start });
    this.#count -= messages;
    this.#bytes -= start - piece.start;
    piece.messages -= messages;
    piece.start = start;
    piece.first += messages;
    piece.index += messages;
  }
}

/** Does it go on where the other one ends, in every respect? */
function isNext(last: Piece, { bytes, start, first, time, sender, index }: Piece): boolean {
  return last.bytes === bytes && last.end === start && last.first + last.messages === first &&
    last.time === time && last.sender === sender &&
    (sender === undefined || last.index + last.messages === index);
}

/** The piece without its first messages. */
export function without(piece: Piece, messages: number): Piece {
  let { start } = piece;
  for (let i = 0; i < messages; i++) start = frameEnd(piece.bytes, start);
  return {
    ...piece,
    start,
    messages: piece.messages - messages,
    first: piece.first + messages,
    index: piece.index + messages,
  };
}
