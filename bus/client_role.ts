/**
 * What a class of client is for, apart from what all of them do: a role tells it, the base calls it.
 *
 * @module
 */
import type { GapReason } from "./events.ts";
import type { OwnMessage } from "./follower.ts";

/** A message where it lies, until the end of the read that brought it: the frame `bytes[start, end)`. */
export interface Frame {
  /** What was read. */
  readonly bytes: Uint8Array;
  /** Where the frame begins. */
  readonly start: number;
  /** Where its body begins. */
  readonly bodyStart: number;
  /** One behind its end. */
  readonly end: number;
}

/** Takes what the base finds out. All but the first may be left out. */
export interface ClientRole {
  /** A message came. `own` says which of ours it is, as far as the broker tells. */
  handleFrame(frame: Frame, own: OwnMessage | undefined): void;
  /** All messages of one read were handed over. */
  handleTurnEnd?(): void;
  /** A message was queued; `number` rises by one. */
  handleSent?(number: number, text: string): void;
  /** All messages up to this number have left. */
  handleLeft?(upTo: number): void;
  /** The sending connection `link` is there; the next message over it has the number `number + 1`. */
  handleLink?(link: number, number: number): void;
  /** The broker numbers, or another one does. */
  handleLife?(epoch: string | undefined, seq: number, isFirst: boolean): void;
  /** Messages are missing here. */
  handleGap?(missed: number | null, reason: GapReason): void;
  /** So many of ours, from number `index` of the connection `link` on, were not passed on. */
  handleRefused?(messages: number, link: number, index: number): void;
}

/** What a role may do with its base. */
export interface ClientBase {
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
  /** Does the broker tell which messages are ours? */
  readonly isFollowing: boolean;
  /** When the message came to the broker; undefined where it does not tell. */
  readonly time: number | undefined;
  /** Gives a message to listeners and loops. */
  deliver(frame: Frame): void;
  /** Tells of something that went wrong and was survived. */
  report(error: unknown): void;
  /**
   * Sends texts, all or none. Returns the number of the last one.
   *
   * @throws As `sendJsonMessage`.
   */
  sendAll(texts: readonly string[]): number;
}
