/**
 * A message as a person reads it: a line with its time, its type and its text.
 *
 * @module
 */
import { visible } from "../base/quote.ts";
import { jsonLines } from "./json_lines.ts";
import { colored, type Look, shortened } from "./terminal.ts";

/** What is known of a message. */
export interface Shown {
  /** Its JSON text. */
  readonly text: string;
  /** Its type, if it has one. */
  readonly type: string | undefined;
  /** When it came, in milliseconds since 1970. */
  readonly time: number;
}

/** A line break or a tab outside of a JSON text's strings is white space, so it may be a space. */
export function oneLine(text: string): string {
  return text.trim().replace(/\r\n|[\r\n\t]/g, " ");
}

/** Writes messages for people, line by line; what acts on a terminal is escaped already. */
export class MessageLines {
  /** Types so far were not longer: the texts stand below each other. */
  #typeWidth = MIN_TYPE;

  /** The lines of a message: one, or several with `isPretty`. */
  lines({ text, type = "(no type)", time }: Shown, look: Look, isPretty = false): string[] {
    const shownTime = timeText(time);
    const shownType = visible(type);
    const { columns } = look;
    if (isPretty) {
      const head = `${colored(shownTime, "time", look)}  ${colored(shownType, "type", look)}`;
      return [head, ...jsonLines(text, look).map((line) => visibleButColors(line, look))];
    }
    if (columns === undefined) return [`${shownTime}  ${shownType}  ${visible(oneLine(text))}`];
    this.#typeWidth = Math.min(MAX_TYPE, Math.max(this.#typeWidth, shownType.length));
    const type_ = shortened(shownType, MAX_TYPE).padEnd(this.#typeWidth);
    const room = Math.max(MIN_TEXT, columns - shownTime.length - this.#typeWidth - 4);
    // Not more than can be seen is looked at: it may be megabytes.
    const beginning = visible(oneLine(text.length > 4 * room ? text.slice(0, 4 * room) : text));
    const shown = shortened(beginning, room);
    return [`${colored(shownTime, "time", look)}  ${colored(type_, "type", look)}  ${shown}`];
  }
}

/** The lines of a JSON text without a head. */
export function prettyLines(text: string, look: Look): string[] {
  return jsonLines(text, look).map((line) => visibleButColors(line, look));
}

/** The time of the day here, and the day where that is not today. */
function timeText(time: number): string {
  const date = new Date(time);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === new Date().toDateString()) return clock;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** Our own colours act on a terminal, nothing else does. */
function visibleButColors(line: string, { colors }: Look): string {
  if (!colors) return visible(line);
  // deno-lint-ignore no-control-regex -- what `colored` writes
  return line.split(/(\x1b\[\d*m)/).map((part, i) => i % 2 === 1 ? part : visible(part)).join("");
}

const MIN_TYPE = 7;
const MAX_TYPE = 20;
const MIN_TEXT = 20;
