/**
 * Cursors: where a client stands in the stream of messages.
 *
 * A cursor is `<epoch>.<seq>`. The epoch is made at random when the gateway starts, so that a cursor of an earlier life is
 * recognised; the seq is the number of the last message that the client has. Finding the place is arithmetic, never a search:
 * a hub that searched its history for an id got stuck on ids that it never saw (dunglas/mercure#704).
 *
 * @module
 */

/** A place in the stream, as a client names it. */
export type Cursor =
  | { readonly kind: "now" | "earliest" | "latest" }
  /** `epoch` is `undefined` for a bare number, which means the present epoch. */
  | { readonly kind: "at"; readonly epoch: string | undefined; readonly seq: number }
  /** A header that some other server or a proxy made: not ours, so nothing is known about what its owner has. */
  | { readonly kind: "foreign" };

/** Eight letters and digits. They name a life of the gateway and are no secret. */
export function createEpoch(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join("");
}

/** The text of a cursor. */
export function formatCursor(epoch: string, seq: number): string {
  return `${epoch}.${seq}`;
}

const NUMBER = /^\d{1,15}$/;
const EPOCH_AND_NUMBER = /^([a-z0-9]{1,32})\.(\d{1,15})$/;

/** Reads a cursor; `undefined` when the text is none. */
export function parseCursor(text: string): Cursor | undefined {
  if (text === "now" || text === "earliest" || text === "latest") return { kind: text };
  if (NUMBER.test(text)) return { kind: "at", epoch: undefined, seq: Number(text) };
  const match = EPOCH_AND_NUMBER.exec(text);
  return match === null ? undefined : { kind: "at", epoch: match[1], seq: Number(match[2]) };
}

/** `-v` marks the form in which the message is a value; the cursor before it is the same. */
const ENTITY_TAG = /^(?:W\/)?"([^"]*?)(?:-v)?"$/;

/**
 * Reads the cursor out of `If-None-Match`. A tag that is not ours becomes a foreign cursor rather than an error: a client
 * that cannot get rid of a bad tag would be stuck for ever (slact/nchan#499).
 */
export function parseEntityTags(header: string): Cursor {
  for (const part of header.split(",")) {
    const inner = ENTITY_TAG.exec(part.trim())?.[1];
    const match = inner === undefined ? null : EPOCH_AND_NUMBER.exec(inner);
    if (match !== null) return { kind: "at", epoch: match[1], seq: Number(match[2]) };
  }
  return { kind: "foreign" };
}

/** Reads a `Last-Event-ID`. For the same reason one that is not ours becomes a foreign cursor. */
export function parseLastEventId(header: string): Cursor {
  return parseCursor(header) ?? { kind: "foreign" };
}
