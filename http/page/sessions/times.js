// Times and lengths for people: in the zone of whoever looks, with UTC on hover.

import { clockText, element } from "../dom.js";

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const dateText = (time) => DATE.format(time);

export const dateAndTimeText = (time) => DATE_AND_TIME.format(time);

/** The UTC of a time, to the millisecond. */
export const utcText = (time) => new Date(time).toISOString();

/** A `time` element; on hover it tells date, time and UTC. */
export function timeElement(time, text = clockText(time)) {
  const made = element("time", "time", text);
  made.dateTime = utcText(time);
  made.title = `${dateText(time)}, ${clockText(time)} (${
    utcText(time).replace("T", " ").replace("Z", " UTC")
  })`;
  return made;
}

const UNITS = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];

/** A length of time in its two largest units. */
export function lengthText(ms) {
  let rest = Math.max(0, Math.round(ms / 1000));
  const parts = [];
  for (const [unit, size] of UNITS) {
    const number = Math.floor(rest / size);
    rest -= number * size;
    if (number > 0 || (unit === "s" && parts.length === 0)) parts.push(`${number} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

/** The address of a moment of a session. It holds no token. */
export function linkTo(session, moment) {
  const at = moment === undefined
    ? ""
    : moment.seq === undefined
    ? `&time=${utcText(moment.time)}`
    : `&seq=${moment.seq}`;
  return `${location.origin}${location.pathname}#session=${session}${at}`;
}

/** What an address says. */
export function momentOfAddress() {
  const values = new URLSearchParams(location.hash.slice(1));
  const session = Number(values.get("session"));
  if (!Number.isInteger(session) || session < 1) return undefined;
  const seq = Number(values.get("seq"));
  if (Number.isInteger(seq) && seq > 0) return { session, moment: { seq } };
  const time = Date.parse(values.get("time") ?? "");
  return { session, moment: Number.isNaN(time) ? undefined : { time } };
}

/** The text of a moment as the gateway takes it. */
export const placeText = ({ seq, time }) => seq === undefined ? utcText(time) : String(seq);
