/**
 * A session over time, what was valid at a moment of it, and the way back to there.
 *
 * @module
 */
import { json } from "../answers.ts";
import type { Later } from "../exit.ts";
import type { Gate } from "../gate.ts";
import { readMembers } from "../json_body.ts";
import { Problem } from "../problem.ts";
import { requireSending, takeRate } from "../publish.ts";
import type { Call } from "../route.ts";
import { placeOf } from "./place.ts";

/** Most parts of a timeline. */
export const MAX_BUCKETS = 1000;
/** Parts of a timeline when `buckets` is not given. */
export const DEFAULT_BUCKETS = 200;
/** Most instances, and most values, that one request names. */
const MAX_NAMED = 1000;
/** Longest name of an instance or of a value. */
const MAX_KEY = 10_000;

/** `GET …/timeline`: counts by kind, events, gaps, and what was done with the session. */
export async function timeline(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  const buckets = call.query.integer("buckets", 1, MAX_BUCKETS) ?? DEFAULT_BUCKETS;
  return json(JSON.stringify(await archive.timeline(session, buckets)));
}

/** `GET …/state?at=`: the plan of a way back. Nothing is sent. */
export async function stateAt(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  const at = call.query.moment("at", session);
  if (at === undefined) {
    throw new Problem("bad-parameter", "Cannot find a moment: the query has no at", {
      fields: { parameter: "at" },
    });
  }
  return json(JSON.stringify(await archive.stateAt(session, at)));
}

/** `POST …/goto`: sends the chosen parts of the plan. */
export function goTo(gate: Gate, call: Call): Later {
  const { archive, session } = placeOf(gate, call);
  return readMembers(gate, call, async (members) => {
    const at = members.need("at", members.moment("at", session));
    const what = {
      instances: members.texts("instances", MAX_NAMED, MAX_KEY),
      values: members.texts("values", MAX_NAMED, MAX_KEY),
    };
    takeRate(gate, call.remote, 1);
    return json(JSON.stringify(await archive.goTo(session, at, requireSending(gate), what)), 202);
  });
}
