/**
 * Cursors as requests carry them: a place of the feed, a number of its present life, or a word.
 *
 * @module
 */
import { parsePlace } from "../bus/place.ts";

/** Where a client wants to go on. */
export type Cursor =
  | { readonly kind: "now" | "earliest" | "latest" }
  /** `epoch` is `undefined` for a bare number, which means the present epoch. */
  | { readonly kind: "at"; readonly epoch: string | undefined; readonly seq: number }
  /** A header that some other server or a proxy made: not ours, so nothing is known about what its owner has. */
  | { readonly kind: "foreign" };

/** No sign and no zero in front, as in a place: one number has one text. */
const NUMBER = /^(?:0|[1-9]\d{0,14})$/;

/** Reads a cursor; `undefined` when the text is none. */
export function parseCursor(text: string): Cursor | undefined {
  if (text === "now" || text === "earliest" || text === "latest") return { kind: text };
  if (NUMBER.test(text)) return { kind: "at", epoch: undefined, seq: Number(text) };
  const place = parsePlace(text);
  return place === undefined ? undefined : { kind: "at", ...place };
}

/** `-v` marks the form in which the message is a value; the cursor before it is the same. */
const ENTITY_TAG = /^(?:W\/)?"([^"]*?)(?:-v)?"$/;

/**
 * Reads the cursor out of `If-None-Match`. A tag that is not ours becomes a foreign cursor rather than an error: a client
 * that cannot get rid of a bad tag would be stuck for ever (slact/nchan#499).
 */
export function parseEntityTags(header: string): Cursor {
  for (const part of header.split(",")) {
    const place = parsePlace(ENTITY_TAG.exec(part.trim())?.[1] ?? "");
    if (place !== undefined) return { kind: "at", ...place };
  }
  return { kind: "foreign" };
}

/** Reads a `Last-Event-ID`. For the same reason one that is not ours becomes a foreign cursor. */
export function parseLastEventId(header: string): Cursor {
  return parseCursor(header) ?? { kind: "foreign" };
}
