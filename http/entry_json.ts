/**
 * A message as JSON, with its place in the feed; its text stands in it as it came.
 *
 * @module
 */
import type { FeedEntry } from "../bus/feed_entry.ts";

/** The number in a cursor: `1841` of `k3f9x2ab.1841`. */
export function seqText(cursor: string): string {
  return cursor.slice(cursor.indexOf(".") + 1);
}

/** See the module. */
export function entryJson(entry: FeedEntry, cursor: string): string {
  return `{"seq":${seqText(cursor)},"cursor":"${cursor}","time":${entry.time},"message":${entry.text}}`;
}
