/**
 * A feed as it is read: the numbered stream of accepted messages, with its holes. Only its owner adds to it.
 *
 * @module
 */
import type { GapReason } from "./events.ts";
import type { FeedEntry } from "./feed_entry.ts";
import type { Value } from "./last_values.ts";

/** Messages of a {@linkcode FeedView} in order, and what is missing in front of them. */
export interface FeedSlice {
  /** In order, without a hole between two of them. */
  readonly entries: readonly FeedEntry[];
  /** Messages that are missing directly in front of the first entry; `null` when nobody can know how many. */
  readonly missed: number | null;
  /** Why; undefined when none is missing. */
  readonly reason: GapReason | undefined;
  /** Go on after this one. */
  readonly position: number;
}

/** Where a place lies in a feed. */
export interface Located {
  /** Go on after this one. */
  readonly position: number;
  /** Messages between the place and the position, which cannot be had here; `null` when nobody can know. */
  readonly missed: number | null;
}

/**
 * The numbered stream of a broker. Positions are rising whole numbers of this feed, with holes where messages are missing; a place,
 * `<epoch>.<seq>`, is what the broker calls a message, the same for everyone.
 */
export interface FeedView {
  /** Name of the life that numbers now. */
  readonly epoch: string;
  /** Number of the newest message in that life; 0 before the first. */
  readonly seq: number;
  /** Position of the newest message, or of the hole behind it. */
  readonly position: number;
  /** Position of the oldest message that is held; one more than the newest when none is. */
  readonly oldest: number;
  /** Messages that were added, those included that are no longer held. */
  readonly count: number;
  /** Messages that are held, and the bytes of their frames. */
  readonly held: { readonly messages: number; readonly bytes: number };
  /** Holes that this feed itself has, and how many messages are missing in them as far as that is known. */
  readonly gaps: { readonly told: number; readonly missed: number };
  /** The place of a position: `<epoch>.<seq>`. */
  place(position: number): string;
  /**
   * Where to go on from a place. A foreign one, of an unknown epoch or of the future, begins with the oldest message that is held.
   * Without an epoch it is a number of the present one.
   */
  locate(place: { readonly epoch: string | undefined; readonly seq: number }): Located;
  /** The messages after a position, `limit` at most, up to the next hole: what is missing is told in its place. */
  after(position: number, limit?: number): FeedSlice;
  /** The newest message, also when it is no longer held. */
  readonly last: FeedEntry | undefined;
  /** From now on the type of each message is looked at, once, before it leaves the window. Without this nobody pays for it. */
  watchTypes(): void;
  /**
   * The newest message whose type passes, also when it is no longer held, since {@linkcode FeedView.watchTypes}. 1000 kinds and
   * 16 MiB are kept; the one that came longest ago gives way.
   */
  lastOf(passes: (type: string) => boolean): FeedEntry | undefined;
  /** The newest message of each of these types and each `target`, oldest first; see {@linkcode FeedView.lastOf}. */
  state(types: readonly string[]): readonly Value[];
  /** Is called when something was added or is missing, once for what came together. Returns what ends that. */
  listen(listener: () => void): () => void;
  /** Forgets what is too old by now, on the clock of `performance.now()`. */
  expire(now: number): void;
}
