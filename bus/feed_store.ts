/**
 * Where a feed keeps the messages that may still be asked for: memory first; an archive can stand behind the same methods.
 *
 * @module
 */
import type { Block } from "../zmtp/mod.ts";
import type { GapReason } from "./events.ts";

export type { Block };

/** Who sent what lies in a piece, where that is known: the connection over which it came. */
export interface Sender {
  /** Names the program to itself: equal for all its connections, known to nobody else. */
  readonly token: string;
  /** Which of its sending connections this is: 1, 2, 3 … */
  readonly link: number;
}

/** Messages that came together and lie together: whole frames, `bytes[start, end)`, which do not change any more. */
export interface Piece {
  /** Where they lie. */
  readonly bytes: Uint8Array;
  /** Their first byte. */
  readonly start: number;
  /** One behind their last byte. */
  readonly end: number;
  /** How many. */
  readonly messages: number;
  /** What has to be held for as long as the bytes are needed. */
  readonly block: Block | undefined;
  /** Position of the first message; the others follow without a hole. */
  readonly first: number;
  /** When they came: milliseconds since 1970-01-01 UTC, whole. */
  readonly time: number;
  /** Who sent them; undefined where nobody asks for it. */
  readonly sender: Sender | undefined;
  /** The number of the first one among those that came over the sender's connection: 0, 1, 2 … */
  readonly index: number;
}

/** How much is kept. */
export interface FeedLimit {
  /** Messages. */
  readonly messages: number;
  /** Bytes of their frames. */
  readonly bytes: number;
  /** Milliseconds since they came, by a clock that never goes back; 0 for however old. @default 0 */
  readonly maxAgeMs?: number | undefined;
}

/** Keeps the newest pieces. Positions rise; between two pieces there may be a hole. */
export interface FeedStore {
  /** Messages that are held. */
  readonly count: number;
  /** Bytes of their frames. */
  readonly bytes: number;
  /** Position of the oldest message that is held; undefined when none is. */
  readonly oldest: number | undefined;
  /** Takes a piece behind all others, and forgets what is beyond the limits. `now` never goes back. */
  append(piece: Piece, now: number): void;
  /** What is held from the first message after a position on, up to the end of its piece; undefined when there is none. */
  after(position: number): Piece | undefined;
  /** Forgets what is too old by now. */
  expire(now: number): void;
}

/** Messages of an earlier run that follow each other without a hole: whole frames, `bytes[start, end)`. */
export interface PastPiece {
  /** The life that numbered them. */
  readonly epoch: string;
  /** The number of the first one in that life. */
  readonly seq: number;
  /** Where they lie. */
  readonly bytes: Uint8Array;
  /** Their first byte. */
  readonly start: number;
  /** One behind their last byte. */
  readonly end: number;
  /** How many; 0 where it is only known that the life was there. */
  readonly messages: number;
  /** When they came: milliseconds since 1970-01-01 UTC, whole. */
  readonly time: number;
}

/** What was broadcast in earlier runs, as far as it is kept. */
export interface FeedPast {
  /** The life that was the last one. */
  readonly epoch: string;
  /** The number of its last message that is known of. */
  readonly seq: number;
  /** Nothing was accepted behind that, so its numbers go on. */
  readonly isExact: boolean;
  /** Oldest first. */
  readonly pieces: readonly PastPiece[];
  /** What `performance.now()` showed at the time 0. */
  readonly clock: number;
}

/**
 * Takes all that a feed adds, and knows what was added in earlier runs: an archive. It is called where the feed is written, so it
 * copies what it needs and is quick.
 */
export interface FeedRecorder {
  /** What was broadcast before; undefined when nothing is known. */
  readonly past: FeedPast | undefined;
  /**
   * Messages were added, of which the first one has the number `seq` of the life `epoch`. The piece is only lent. `now` is
   * `performance.now()`.
   */
  handlePiece(piece: Piece, epoch: string, seq: number, now: number): void;
  /** The next message has the number `seq + 1` of the life `epoch`. Told when a life begins, before its messages. */
  handleLife(epoch: string, seq: number): void;
  /** Messages are missing here. */
  handleGap(missed: number | null, reason: GapReason): void;
  /** Is what is published now not to be recorded, nor what comes back of it? */
  readonly isExcluding: boolean;
  /** Runs something; what is published or added meanwhile is not recorded. */
  exclude<T>(work: () => T): T;
}
