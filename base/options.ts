/**
 * Checks that options of different parts share.
 *
 * @module
 */
import { OptionError } from "./errors.ts";

/**
 * A whole number within its range.
 *
 * @throws {OptionError} `bad-option`: anything else.
 */
export function checkInteger(
  name: string,
  value: number,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  throw new OptionError(
    "bad-option",
    `Cannot use ${name}: it is ${String(value)}, not a whole number ${range}`,
  );
}

/** Milliseconds that a timer can wait at most: 24 days. */
export const MAX_TIMEOUT_MS = 0x7fff_ffff;
