/**
 * Finding messages in the feed: where a cursor leads, and what lies behind it.
 *
 * @module
 */
import type { GapReason } from "../bus/events.ts";
import type { FeedView } from "../bus/feed_view.ts";
import type { FeedEntry } from "../bus/feed_entry.ts";
import type { Cursor } from "./cursor.ts";
import type { TypeFilter } from "./type_filter.ts";

/** So many messages are looked through at once for a filter. */
const PAGE = 256;

/** Why messages are missing: the feed knows, or the cursor says nothing to it. */
export type MissingReason = GapReason | "foreign-cursor";

/** Messages that somebody will never get. */
export interface Missing {
  /** How many; `null` when nobody can know. */
  readonly missed: number | null;
  /** Why; `undefined` when none is missing. */
  readonly reason: MissingReason | undefined;
}

/** Where a client stands, and what it has lost up to there. */
export interface Standing extends Missing {
  /** It has the messages up to this position, or will never get them. */
  readonly position: number;
}

/** What was found after a position; what is missing is missing in front of the first message. */
export interface Found extends Standing {
  /** The messages that passed the filter, oldest first. */
  readonly entries: readonly FeedEntry[];
}

/** Nothing is missing. */
export const NOTHING_MISSING: Missing = { missed: 0, reason: undefined };

/** Two gaps with no message between them. */
export function joinMissing(first: Missing, second: Missing): Missing {
  if (second.missed === 0) return first;
  if (first.missed === 0) return second;
  const missed = first.missed === null || second.missed === null ? null : first.missed + second.missed;
  // A gap of unknown size is the worse one.
  return { missed, reason: first.missed === null ? first.reason : second.reason };
}

/** Finds where a cursor leads. */
export function locate(feed: FeedView, cursor: Cursor): Standing {
  switch (cursor.kind) {
    case "now":
      return { ...NOTHING_MISSING, position: feed.position };
    case "earliest":
      return { ...NOTHING_MISSING, position: feed.oldest - 1 };
    case "latest": {
      const last = feed.last?.position ?? 0;
      return { ...NOTHING_MISSING, position: last >= feed.oldest ? last - 1 : feed.position };
    }
    case "foreign":
      return { position: feed.oldest - 1, missed: null, reason: "foreign-cursor" };
    case "at": {
      const { position, missed } = feed.locate(cursor);
      return { position, missed, reason: missed === 0 ? undefined : "foreign-cursor" };
    }
  }
}

/**
 * Looks for messages after a position, up to the next gap behind the first of them. `position` of the answer lies behind
 * everything that was looked at. `maxLength` is in bytes; a single longer message still fits.
 */
export function find(
  feed: FeedView,
  after: number,
  filter: TypeFilter | undefined,
  maxMessages: number,
  maxLength: number,
): Found {
  const entries: FeedEntry[] = [];
  let position = after;
  let missing = NOTHING_MISSING;
  let length = 0;
  while (position < feed.position) {
    const limit = filter === undefined ? Math.min(PAGE, maxMessages - entries.length) : PAGE;
    const slice = feed.after(position, limit);
    // A gap is told in its place, so what lies behind it waits for the next look.
    if (slice.missed !== 0 && entries.length > 0) break;
    missing = joinMissing(missing, slice);
    if (slice.entries.length === 0) {
      position = slice.position;
      continue;
    }
    for (const entry of slice.entries) {
      const passes = filter === undefined || filter.matches(entry);
      if (passes && entries.length > 0 && length + entry.body.length > maxLength) {
        return { entries, position, ...missing };
      }
      position = entry.position;
      if (!passes) continue;
      length += entry.body.length;
      if (entries.push(entry) === maxMessages) return { entries, position, ...missing };
    }
  }
  return { entries, position, ...missing };
}
