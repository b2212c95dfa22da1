/**
 * The one check of every option that is a number.
 *
 * @module
 */
import { OptionError } from "./errors.ts";

/** What a number may be, and what it is when it is left out. */
export interface NumberRule {
  /** When it is left out; none where that means something of its own. */
  readonly default?: number;
  /** The smallest one. */
  readonly min: number;
  /** The largest one. @default what a timer can wait for a name that ends in `Ms`, else Number.MAX_SAFE_INTEGER */
  readonly max?: number;
  /** May it have a fraction? @default false */
  readonly isFraction?: boolean;
}

/** Rules by the option's name; a dot leads into an object: `sendQueue.bytes`. */
export type NumberRules = Readonly<Record<string, NumberRule>>;

/** The number that is there after the check. */
export type NumberBy<Rule extends NumberRule> = Rule extends { readonly default: number } ? number
  : number | undefined;

/** The numbers by the names of their rules. */
export type Numbers<Rules extends NumberRules> = { readonly [Name in keyof Rules]: NumberBy<Rules[Name]> };

/** Milliseconds that a timer can wait at most: 24 days. A longer one would fire at once. */
export const MAX_TIMEOUT_MS = 0x7fff_ffff;

/**
 * Takes all numbers out of options, each checked, and the default for what is left out.
 *
 * @throws {OptionError} `bad-option`, for a number out of its range and for what is no number: a text, null, NaN, Infinity.
 */
export function readNumbers<Rules extends NumberRules>(rules: Rules, options: object): Numbers<Rules> {
  return Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [name, checkNumber(name, optionAt(options, name), rule)]),
  ) as Numbers<Rules>;
}

/**
 * One number, or its default when it is undefined.
 *
 * @throws {OptionError} `bad-option`: anything else.
 */
export function checkNumber(name: string, value: number, rule: NumberRule): number;
export function checkNumber<Rule extends NumberRule>(
  name: string,
  value: unknown,
  rule: Rule,
): NumberBy<Rule>;
export function checkNumber(name: string, value: unknown, rule: NumberRule): number | undefined {
  if (value === undefined) return rule.default;
  const isTime = name.endsWith("Ms");
  const { min, max = isTime ? MAX_TIMEOUT_MS : Number.MAX_SAFE_INTEGER, isFraction = false } = rule;
  const isNumber = typeof value === "number" &&
    (isFraction ? Number.isFinite(value) : Number.isInteger(value));
  if (isNumber && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  throw new OptionError(
    "bad-option",
    `Cannot use ${name}: it is ${shown(value)}, not a ${isFraction ? "" : "whole "}number ${range}`,
  );
}

/** What stands at `outer.inner` or at `name`. */
function optionAt(options: object, path: string): unknown {
  const [outer, inner] = path.split(".") as [string, string?];
  const value = (options as Readonly<Record<string, unknown>>)[outer];
  if (inner === undefined || value === undefined) return value;
  if (typeof value !== "object" || value === null) {
    throw new OptionError("bad-option", `Cannot use ${outer}: it is ${shown(value)}, not an object`);
  }
  return (value as Readonly<Record<string, unknown>>)[inner];
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
