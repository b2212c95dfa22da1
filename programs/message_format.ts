/**
 * What `--format` says: how a message becomes a line, in the letters of `mosquitto_sub -F`. Pure.
 *
 * @module
 */
import { quote, visible } from "../base/quote.ts";
import { UsageError } from "./arguments.ts";
import { oneLine, type Shown } from "./message_line.ts";

/** What a letter stands for. */
const LETTERS: Readonly<Record<string, (shown: Shown, place: string | undefined) => string>> = {
  "%": () => "%",
  t: ({ type }) => type ?? "",
  p: ({ text }) => oneLine(text),
  I: ({ time }) => new Date(time).toISOString(),
  U: ({ time }) => (time / 1000).toFixed(3),
  l: ({ text }) => String(encoder.encode(text).length),
  n: (_, place) => place ?? "",
};

/** What `--help` says of it. */
export const FORMAT_HELP = `%t type, %p text, %I time, %U seconds since 1970, %l bytes, %n place,
%{subject} a member, %{a.b} a member of a member, %% a percent sign, \\t a tab`;

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", "\\": "\\" };

type Part = (shown: Shown, place: string | undefined, members: () => unknown) => string;

/** Reads a format; gives the lines of a message. */
export function messageFormat(format: string): (shown: Shown, place: string | undefined) => string[] {
  const parts: Part[] = [];
  const pattern = /%\{([^{}]*)\}|%(.?)|\\(.?)|[^%\\]+/gsu;
  for (const [all, member, letter, escape] of format.matchAll(pattern)) {
    if (member !== undefined) {
      const path = member.split(".");
      if (path.includes("")) throw bad(format, `${all} names no member`);
      parts.push((_shown, _place, members) => memberText(members(), path));
    } else if (letter !== undefined) {
      const make = Object.hasOwn(LETTERS, letter) ? LETTERS[letter]! : undefined;
      if (make === undefined) throw bad(format, `it has ${all}`);
      parts.push((shown, place) => visible(make(shown, place)));
    } else if (escape !== undefined) {
      const text = Object.hasOwn(ESCAPES, escape) ? ESCAPES[escape]! : undefined;
      if (text === undefined) throw bad(format, `it has ${all}`);
      parts.push(() => text);
    } else parts.push(() => all);
  }
  return (shown, place) => {
    let parsed: unknown;
    const members = () => parsed ??= JSON.parse(shown.text, keepNumber);
    return parts.map((part) => part(shown, place, members)).join("").split("\n");
  };
}

/** A text stands as it is, anything else as JSON, and what is not there is empty. */
function memberText(value: unknown, path: readonly string[]): string {
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return "";
    value = (value as Record<string, unknown>)[name];
  }
  return visible(typeof value === "string" ? value : JSON.stringify(value));
}

/** A number is printed with the digits that came. */
function keepNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const { rawJSON } = JSON as { rawJSON?: (text: string) => unknown };
  return typeof value === "number" && context?.source !== undefined && rawJSON !== undefined
    ? rawJSON(context.source)
    : value;
}

function bad(format: string, why: string): UsageError {
  const letters = FORMAT_HELP.replaceAll("\n", " ");
  return new UsageError(`Cannot use --format ${quote(format)}: ${why}, expected ${letters}`);
}

const encoder = new TextEncoder();
