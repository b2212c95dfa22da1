/**
 * Where a client begins, as a text.
 *
 * @module
 */
import { parseDuration } from "../base/duration.ts";
import { OptionError } from "../base/errors.ts";
import type { ClientStart } from "./follower.ts";
import { parsePlace } from "./place.ts";

/** Where a client begins. */
export function startOf(since: string = "now"): ClientStart {
  if (since === "now" || since === "earliest" || since === "latest") return since;
  const ageMs = parseDuration(since);
  const start = ageMs === undefined ? parsePlace(since) : `age ${ageMs}` as const;
  if (start !== undefined) return start;
  throw new OptionError(
    "bad-option",
    `Cannot use since: it is ${
      JSON.stringify(since)
    }, expected now, latest, earliest, a duration such as 10m, or a place`,
  );
}
