/**
 * Moments and times as requests write them. A moment of a session is the number of a message, `812` or `s3.812`, or a time.
 *
 * @module
 */
import type { Moment } from "../../bus/recording.ts";

/** ISO 8601; a time of day needs its zone, since the gateway may be in another one than the person. */
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;
const MILLISECONDS = /^\d{1,14}(?:\.\d{1,3})?$/;
const PLACE = /^(?:s([1-9]\d{0,14})\.)?(0|[1-9]\d{0,14})$/;

/** What a moment may be, for people. */
export const MOMENT_FORM =
  "a number of a message, such as s3.812 or 812, or a time such as 2026-01-31T10:00:00Z";
/** What a time may be, for people. */
export const TIME_FORM = "a time such as 2026-01-31T10:00:00Z, or milliseconds since 1970";

/** Milliseconds since 1970; undefined when the text is no time. */
export function parseTime(text: string): number | undefined {
  if (MILLISECONDS.test(text)) return Number(text);
  const time = TIME.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** The number in a place of this session; undefined when the text is none, or of another session. */
export function parseSessionPlace(text: string, session: number): number | undefined {
  const match = PLACE.exec(text);
  if (match === null || (match[1] !== undefined && Number(match[1]) !== session)) return undefined;
  return Number(match[2]);
}

/** Undefined when the text is no moment of this session. */
export function parseMoment(text: string, session: number): Moment | undefined {
  const seq = parseSessionPlace(text, session);
  if (seq !== undefined) return { seq };
  const time = TIME.test(text) ? parseTime(text) : undefined;
  return time === undefined ? undefined : { time };
}
