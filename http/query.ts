/**
 * The query parameters, read strictly: unknown ones do not matter, a known one with a bad value is refused by name.
 *
 * @module
 */
import type { Moment } from "../bus/recording.ts";
import { type Cursor, parseCursor } from "./cursor.ts";
import { Problem } from "./problem.ts";
import { MOMENT_FORM, parseMoment, parseSessionPlace, parseTime, TIME_FORM } from "./sessions/moment.ts";
import { TypeFilter } from "./type_filter.ts";

const SECONDS = /^\d{1,4}(?:\.\d{1,3})?$/;
const INTEGER = /^\d{1,6}$/;

/** The query of one request. */
export class Query {
  static readonly #empty = new Query("");
  readonly #parameters: URLSearchParams | undefined;

  private constructor(text: string) {
    this.#parameters = text === "" ? undefined : new URLSearchParams(text);
  }

  /** The query of a URL. Most requests have none, and then nothing is parsed. */
  static of(url: string): Query {
    const mark = url.indexOf("?");
    if (mark < 0) return Query.#empty;
    const hash = url.indexOf("#", mark);
    return new Query(url.slice(mark + 1, hash < 0 ? undefined : hash));
  }

  /** The value as it is. */
  text(name: string): string | undefined {
    return this.#parameters?.get(name) ?? undefined;
  }

  /** A cursor, in the first of these parameters that is there. */
  cursor(...names: readonly string[]): Cursor | undefined {
    for (const name of names) {
      const value = this.text(name);
      if (value !== undefined) {
        return parseCursor(value) ??
          bad(name, value, "a cursor, a number, or one of now, earliest and latest");
      }
    }
    return undefined;
  }

  /** A time in seconds; answers in milliseconds. */
  milliseconds(name: string, min: number, max: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const seconds = SECONDS.test(value) ? Number(value) : NaN;
    return seconds >= min && seconds <= max ? seconds * 1000 : bad(name, value, `${min} to ${max} seconds`);
  }

  /** A whole number. */
  integer(name: string, min: number, max: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = INTEGER.test(value) ? Number(value) : NaN;
    return number >= min && number <= max ? number : bad(name, value, `a whole number from ${min} to ${max}`);
  }

  /** `1` or `true`, `0` or `false`; `false` when it is missing. */
  flag(name: string): boolean {
    const value = this.text(name);
    if (value === undefined || value === "0" || value === "false") return false;
    return value === "1" || value === "true" || bad(name, value, "1 or 0");
  }

  /** A text that is not longer than `max` characters. */
  shortText(name: string, max: number): string | undefined {
    const value = this.text(name);
    if (value === undefined || value.length <= max) return value;
    return bad(name, value, `a text of ${max} characters at most`);
  }

  /** A moment of time; answers in milliseconds since 1970. */
  time(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : parseTime(value) ?? bad(name, value, TIME_FORM);
  }

  /** `from` and `to`, which is not before it. */
  times(): { readonly from: number | undefined; readonly to: number | undefined } {
    const [from, to] = [this.time("from"), this.time("to")];
    if (from !== undefined && to !== undefined && from > to) bad("to", this.text("to")!, "after from");
    return { from, to };
  }

  /** The number of a message of a session, by itself or as in `s3.812`. */
  sessionPlace(name: string, session: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    return parseSessionPlace(value, session) ??
      bad(name, value, `a place of this session, such as s${session}.812`);
  }

  /** A moment of a session. */
  moment(name: string, session: number): Moment | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : parseMoment(value, session) ?? bad(name, value, MOMENT_FORM);
  }

  /** One of a few words. */
  choice<T extends string>(name: string, words: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    return words.find((word) => word === value) ?? bad(name, value, words.join(" or "));
  }

  /** The `type` parameters as whole types, of kinds that have a state; `undefined` when there are none. */
  stateTypes(): readonly string[] | undefined {
    const filter = this.typeFilter();
    if (filter === undefined) return undefined;
    if (filter.types === undefined) bad("type", "*", "whole types: a state has no pattern");
    const event = filter.types.find((type) => type === "log" || type === "ready" || type === "reload");
    if (event !== undefined) {
      bad("type", event, "a kind with a state: it tells what happened, see the history");
    }
    // Both spellings are one kind.
    return filter.types.map((type) => type === "Visualization" ? "visualization" : type);
  }

  /** The `type` parameters; `undefined` lets every message through. */
  typeFilter(): TypeFilter | undefined {
    if (this.#parameters === undefined) return undefined;
    const filter = TypeFilter.parse(this.#parameters.getAll("type"));
    if (typeof filter !== "string") return filter;
    throw new Problem("bad-parameter", `Cannot read parameter type: it holds ${filter}`, {
      fields: { parameter: "type" },
    });
  }
}

function bad(parameter: string, value: string, expected: string): never {
  const shown = JSON.stringify(value.slice(0, 60));
  throw new Problem("bad-parameter", `Cannot read parameter ${parameter}: it is ${shown}, not ${expected}`, {
    fields: { parameter },
  });
}
