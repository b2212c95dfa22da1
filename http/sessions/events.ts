/**
 * `/sessions/{id}/events`: what people did, as applications logged it, with stars and pictures.
 *
 * @module
 */
import { answer, json } from "../answers.ts";
import type { Later } from "../exit.ts";
import type { Gate } from "../gate.ts";
import { readMembers } from "../json_body.ts";
import { Problem } from "../problem.ts";
import type { Call } from "../route.ts";
import { placeOf } from "./place.ts";
import { MAX_SEARCH } from "./sessions.ts";

/** Most events in one answer. */
export const MAX_EVENTS = 1000;
/** Events in one answer when `limit` is not given. */
export const DEFAULT_EVENTS = 200;

/** `GET …/events`: a page, oldest first, behind `since` or before `before`. */
export async function listEvents(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  const { query } = call;
  const after = query.sessionPlace("since", session);
  const before = query.sessionPlace("before", session);
  if (after !== undefined && before !== undefined) {
    throw new Problem("bad-parameter", "Cannot read parameter before: since is there as well", {
      fields: { parameter: "before" },
    });
  }
  const { events, next } = await archive.events(session, {
    ...(before === undefined ? { after: after ?? 0 } : { before }),
    limit: query.integer("limit", 1, MAX_EVENTS) ?? DEFAULT_EVENTS,
    text: query.shortText("q", MAX_SEARCH),
    instance: query.shortText("instance", MAX_SEARCH),
    application: query.shortText("application", MAX_SEARCH),
    starred: query.flag("starred") || undefined,
    ...query.times(),
  });
  const end = before === undefined ? events.at(-1)?.seq ?? after ?? 0 : events[0]?.seq ?? before;
  return json(JSON.stringify({ events, cursor: `s${session}.${next ?? end}`, more: next !== null }));
}

/** `PATCH …/events/{seq}`: with or without a star. */
export function starEvent(gate: Gate, call: Call): Later {
  const { archive, session, entry } = placeOf(gate, call);
  return readMembers(gate, call, async (members) => {
    const star = members.need("star", members.flag("star"));
    return json(JSON.stringify(await archive.starEvent(session, entry, star)));
  });
}

/** `GET …/events/{seq}/screenshot`. The archive gives a PNG or nothing, so nothing else that came over the bus is shown as an image. */
export async function screenshot(gate: Gate, call: Call): Promise<Response> {
  const { archive, session, entry } = placeOf(gate, call);
  const picture = await archive.picture(session, entry);
  return answer(new Uint8Array(picture), 200, [["content-type", "image/png"]]);
}
