/**
 * How clients are told of messages that they will never get.
 *
 * @module
 */
import type { FeedView } from "../bus/feed_view.ts";
import type { Cursor } from "./cursor.ts";
import { oldestCursor } from "./hub.ts";
import type { Found, Missing, MissingReason } from "./lookup.ts";
import { Problem } from "./problem.ts";

const EXPLANATIONS: Readonly<Record<MissingReason, string>> = {
  "expired": "they are no longer held",
  "slow": "the broker dropped them, for this gateway was too slow",
  "restarted": "the broker was restarted",
  "disconnected": "the connection to the broker was cut",
  "refused": "they were too large for this gateway, or no messages",
  "foreign-cursor": "the cursor is of another life of the broker, or of another one",
};

/** For headers: a number, or `unknown`. */
export function missedText(missed: number | null): string {
  return missed === null ? "unknown" : String(missed);
}

/** The members of a gap in a stream, without the braces. `cursor` is the place behind the gap. */
export function gapMembers({ missed, reason }: Missing, cursor: string, feed: FeedView): string {
  return `"missed":${missed},"reason":${JSON.stringify(reason)},"cursor":"${cursor}","oldest":"${
    oldestCursor(feed)
  }"`;
}

/** The cursor behind what is missing in front of the first message that was found. */
export function gapEnd({ entries, position }: Found, feed: FeedView): string {
  return feed.place(entries[0] === undefined ? position : entries[0].position - 1);
}

/** The answer to one who wants to know instead of going on. */
export function cursorExpired(
  { missed, reason = "expired" }: Missing,
  cursor: Cursor,
  feed: FeedView,
): Problem {
  const number = missed === null ? "nobody knows how many messages" : `${missed} messages`;
  const since = cursor.kind !== "at" ? {} : { since: `${cursor.epoch ?? feed.epoch}.${cursor.seq}` };
  return new Problem(
    "cursor-expired",
    `Cannot go on from there: ${number} after it cannot be had, ${EXPLANATIONS[reason]}`,
    {
      fields: { missed, reason, oldest: oldestCursor(feed), latest: feed.place(feed.position), ...since },
    },
  );
}
