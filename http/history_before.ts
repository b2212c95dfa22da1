/**
 * `GET …/history?before=<cursor>`: the newest messages in front of a cursor, for whoever pages back.
 *
 * @module
 */
import type { FeedEntry } from "../bus/feed_entry.ts";
import type { FeedView } from "../bus/feed_view.ts";
import { json } from "./answers.ts";
import type { Cursor } from "./cursor.ts";
import { entryJson, seqText } from "./entry_json.ts";
import type { Gate } from "./gate.ts";
import { joinMissing, type Missing, NOTHING_MISSING } from "./lookup.ts";
import { missedText } from "./missing.ts";
import type { TypeFilter } from "./type_filter.ts";

/** So many messages are looked through at once. */
const PAGE = 256;

/** Messages in front of a position, oldest first, and what is missing between them. */
interface Earlier extends Missing {
  readonly entries: readonly FeedEntry[];
  /** Everything from here on was looked at. */
  readonly from: number;
}

/** See the module. */
export function historyBefore(
  gate: Gate,
  cursor: Cursor,
  limit: number,
  filter: TypeFilter | undefined,
  maxLength: number,
): Response {
  const { hub, counters } = gate;
  const { feed } = hub;
  const standing = hub.locate(cursor);
  const isNewest = cursor.kind === "now" || cursor.kind === "latest";
  const end = isNewest ? feed.position + 1 : cursor.kind === "earliest" ? feed.oldest : standing.position;
  const { entries, from, ...inside } = findBefore(feed, end, filter, limit, maxLength);
  const { missed } = joinMissing(standing, inside);
  const latest = feed.place(feed.position);
  const last = entries.at(-1);
  const messages = entries.map((entry) => entryJson(entry, feed.place(entry.position)));
  const body = `{"messages":[${messages.join(",")}],` +
    `"cursor":"${last === undefined ? hub.oldestCursor : feed.place(last.position)}",` +
    `"oldest":"${hub.oldestCursor}","latest":"${latest}",` +
    `"missed":${missed},"more":${from > feed.oldest},"before":"${
      feed.place(Math.min(from, feed.position))
    }"}`;
  counters.countSent("history", entries.length, body.length);
  return json(body, 200, [
    ["message-count", seqText(latest)],
    ...missed === 0 ? [] : [["message-missed", missedText(missed)] as const],
  ]);
}

/** Looks for messages in front of a position, the newest first, as many as fit; a single longer one still does. */
function findBefore(
  feed: FeedView,
  end: number,
  filter: TypeFilter | undefined,
  maxMessages: number,
  maxLength: number,
): Earlier {
  const found: FeedEntry[] = [];
  let missing: Missing = NOTHING_MISSING;
  let length = 0;
  let from = end;
  while (from > feed.oldest && found.length < maxMessages) {
    const start = Math.max(feed.oldest, from - PAGE);
    const { entries, missing: hole } = between(feed, start, from);
    for (const entry of entries.toReversed()) {
      if (filter === undefined || filter.matches(entry)) {
        length += entry.body.length;
        const isFull = found.length === maxMessages || (found.length > 0 && length > maxLength);
        if (isFull) return { entries: found.toReversed(), from, ...missing };
        found.push(entry);
      }
      from = entry.position;
    }
    from = start;
    missing = joinMissing(hole, missing);
  }
  return { entries: found.toReversed(), from, ...missing };
}

/** The messages from one position up to another, and what is missing behind the first of them. */
function between(
  feed: FeedView,
  start: number,
  end: number,
): { readonly entries: readonly FeedEntry[]; readonly missing: Missing } {
  const entries: FeedEntry[] = [];
  let missing: Missing = NOTHING_MISSING;
  let position = start - 1;
  while (position < end - 1) {
    const slice = feed.after(position, end - 1 - position);
    if (slice.position <= position) break;
    missing = joinMissing(missing, slice);
    for (const entry of slice.entries) if (entry.position < end) entries.push(entry);
    position = slice.position;
  }
  return { entries, missing };
}
