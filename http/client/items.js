// What comes from a gateway, as items: a message `{ text, time, place, seq }`, or a gap `{ missed, reason, place }`. A place is
// `<epoch>.<number>`.

import { memberOf, partsAfter } from "./json_parts.js";

const HEAD = '{"seq":';
const HEAD_END = ',"message":';

/** The item of a message with its place, as JSON; undefined when it is something else. */
export function messageItem(frame) {
  const at = frame.startsWith(HEAD) ? frame.indexOf(HEAD_END) : -1;
  if (at < 0) return undefined;
  // The text as it is on the bus: JSON.parse would round large numbers.
  const { seq, cursor, time } = JSON.parse(`${frame.slice(0, at)}}`);
  return { text: frame.slice(at + HEAD_END.length, -1), time, place: cursor ?? undefined, seq };
}

export const isGap = (item) => item.text === undefined;

/** An answer of `/messages/history`. */
export function parseHistory(body) {
  const list = memberOf(body, "messages");
  const { cursor, oldest, latest, missed, more } = JSON.parse(
    body.slice(body.lastIndexOf('],"cursor":')).replace("],", "{"),
  );
  const items = [];
  for (let at = list === "[]" ? undefined : 0; at !== undefined;) {
    const { parts, next } = partsAfter(list, at, 1000);
    for (const { start, end } of parts) items.push(messageItem(list.slice(start, end)));
    at = next;
  }
  return { items, cursor, oldest, latest, missed, hasMore: more };
}

/** Life and number of a place. */
export function placeParts(place) {
  const dot = place.lastIndexOf(".");
  return [place.slice(0, dot), Number(place.slice(dot + 1))];
}

/** Is the place `a` in the same life as `b`, and not behind it? */
export function isAtOrBefore(a, b) {
  const [[life, number], [otherLife, otherNumber]] = [placeParts(a), placeParts(b)];
  return life === otherLife && number <= otherNumber;
}

/** Behind which place so many of the newest messages are. */
export function placeBeforeLast({ oldest, latest }, number) {
  const [epoch, newest] = placeParts(latest);
  const [oldestEpoch, oldestNumber] = placeParts(oldest);
  const first = newest - number;
  const isHeld = epoch !== oldestEpoch || first > oldestNumber;
  return first > 0 && isHeld ? `${epoch}.${first}` : "earliest";
}
