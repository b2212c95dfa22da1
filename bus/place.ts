/**
 * Places: what a broker calls a message, the same for everyone: `<epoch>.<seq>`.
 *
 * The epoch is random, one for each life of a broker, so that a place of an earlier life is recognised. It names a life and is no
 * secret. The number of the last message that somebody has is all that is needed to go on behind it: finding that is
 * arithmetic, never a search.
 *
 * @module
 */

/** A place in the stream of a broker. */
export interface Place {
  /** The life of the broker. */
  readonly epoch: string;
  /** The number of the message in that life: 1, 2, 3 …; 0 is in front of the first. */
  readonly seq: number;
}

/** The largest number: thirty years at a million messages a second. */
export const MAX_SEQ = 999_999_999_999_999;

/** A fresh epoch: twelve letters and digits. */
export function makeEpoch(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join("");
}

/** The text of a place. */
export function formatPlace(epoch: string, seq: number): string {
  return `${epoch}.${seq}`;
}

/** Reads the text of a place; undefined when it is none. One place has one text: no sign, no zero in front. */
export function parsePlace(text: string): Place | undefined {
  const match = PLACE.exec(text);
  return match === null ? undefined : { epoch: match[1]!, seq: Number(match[2]) };
}

const PLACE = /^([a-z0-9]{1,32})\.(0|[1-9]\d{0,14})$/;
