/**
 * Bodies that are JSON objects, read strictly: a known member with a bad value is refused by name, unknown ones do not matter.
 *
 * @module
 */
import { quote } from "../base/quote.ts";
import type { Moment } from "../bus/recording.ts";
import { readBody } from "./body.ts";
import type { Later } from "./exit.ts";
import { decodeUtf8 } from "./form.ts";
import type { Gate } from "./gate.ts";
import { Problem } from "./problem.ts";
import type { Call } from "./route.ts";
import { MOMENT_FORM, parseMoment } from "./sessions/moment.ts";

const JSON_TYPE = /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json$/;

/** Reads the body and hands its members to `use`, whose answer it settles with. No body is an empty object. */
export function readMembers(
  gate: Gate,
  call: Call,
  use: (members: Members) => Response | Promise<Response>,
): Later {
  const type = call.request.headers.get("content-type");
  const mediaType = (type ?? "").split(";", 1)[0]!.trim().toLowerCase();
  // A body of any other type is what a foreign page could send without asking.
  if (type !== null && !JSON_TYPE.test(mediaType)) {
    throw new Problem("unsupported-media-type", `Cannot take body: its type is ${quote(mediaType, 60)}`, {
      headers: { "accept-post": "application/json", "accept-patch": "application/json" },
    });
  }
  return readBody(gate, call, (body) => {
    if (type === null && body.byteLength > 0) {
      throw new Problem("unsupported-media-type", "Cannot take body: it has no type", {
        headers: { "accept-post": "application/json", "accept-patch": "application/json" },
      });
    }
    return use(new Members(body.byteLength === 0 ? {} : objectOf(body)));
  });
}

function objectOf(body: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(body));
  } catch {
    throw new Problem("bad-body", "Cannot read body: it is not JSON in UTF-8");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new Problem("bad-body", "Cannot read body: it is JSON but no object");
}

/** The members of a body. */
export class Members {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  #value(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  /** A text that is not longer than `max` characters. */
  text(name: string, max: number): string | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") return bad(name, "a text");
    if (value.length > max) return bad(name, `a text of ${max} characters at most`);
    // SQLite and JSON would make different texts of half a character.
    return value.isWellFormed() ? value : bad(name, "a text without lone surrogates");
  }

  /** True or false. */
  flag(name: string): boolean | undefined {
    const value = this.#value(name);
    return value === undefined || typeof value === "boolean" ? value : bad(name, "true or false");
  }

  /** A number in a range. */
  number(name: string, min: number, max: number): number | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    const isOne = typeof value === "number" && value >= min && value <= max;
    return isOne ? value : bad(name, `a number from ${min} to ${max}`);
  }

  /** A whole number in a range. */
  integer(name: string, min: number, max: number): number | undefined {
    const value = this.number(name, min, max);
    return value === undefined || Number.isInteger(value) ? value : bad(name, "a whole number");
  }

  /** A list of texts. */
  texts(name: string, maxTexts: number, maxLength: number): readonly string[] | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    const isOne = Array.isArray(value) && value.length <= maxTexts &&
      value.every((text) => typeof text === "string" && text.length <= maxLength);
    return isOne
      ? value
      : bad(name, `a list of ${maxTexts} texts at most, each of ${maxLength} characters at most`);
  }

  /** A moment of a session: a number, or a text. */
  moment(name: string, session: number): Moment | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    const text = typeof value === "number" ? String(value) : value;
    return (typeof text === "string" ? parseMoment(text, session) : undefined) ?? bad(name, MOMENT_FORM);
  }

  /** The speed of a replay: a number, or "max" for as fast as it goes. */
  speed(name: string): number | undefined {
    if (this.#value(name) === "max") return Infinity;
    return this.number(name, 0.01, 1000);
  }

  /** The member, or a refusal that says that it is missing. */
  need<T>(name: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new Problem("bad-body", `Cannot read body: it has no ${name}`, { fields: { member: name } });
  }
}

function bad(member: string, expected: string): never {
  throw new Problem("bad-body", `Cannot read body: ${member} is not ${expected}`, { fields: { member } });
}
