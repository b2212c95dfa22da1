/**
 * `/sessions` and `/sessions/{id}`: the list, and what is said of one session.
 *
 * @module
 */
import type { RecorderView } from "../../bus/recording.ts";
import { answer, json } from "../answers.ts";
import type { Later } from "../exit.ts";
import type { Gate } from "../gate.ts";
import { readMembers } from "../json_body.ts";
import { Problem } from "../problem.ts";
import type { Call } from "../route.ts";
import { archiveOf, placeOf } from "./place.ts";

/** Longest name of a session. */
export const MAX_NAME = 200;
/** Longest description of a session. */
export const MAX_DESCRIPTION = 10_000;
/** Longest text to search for. */
export const MAX_SEARCH = 1000;
/** Most sessions in one answer. */
export const MAX_SESSIONS = 200;
/** Sessions in one answer when `limit` is not given. */
export const DEFAULT_SESSIONS = 50;

/** `GET /sessions`: newest first. */
export async function listSessions(gate: Gate, { query }: Call): Promise<Response> {
  const page = await archiveOf(gate).sessions({
    text: query.shortText("q", MAX_SEARCH),
    ...query.times(),
    starred: query.flag("starred") || undefined,
    before: query.integer("cursor", 1, 999_999),
    limit: query.integer("limit", 1, MAX_SESSIONS) ?? DEFAULT_SESSIONS,
  });
  return json(JSON.stringify(page));
}

/** `POST /sessions`: ends the running session and begins another. */
export function beginSession(gate: Gate, call: Call): Later {
  const archive = archiveOf(gate);
  return readMembers(gate, call, async (members) => {
    const name = members.text("name", MAX_NAME);
    const session = await recorderOf(archive.recorder).split({ name });
    return json(JSON.stringify(session), 201, [[
      "location",
      `${gate.settings.prefix}/sessions/${session.id}`,
    ]]);
  });
}

/** Who records in this process. */
export function recorderOf(recorder: RecorderView | undefined): RecorderView {
  if (recorder !== undefined) return recorder;
  throw new Problem("not-recording", "Cannot do that: nothing is being recorded by this process");
}

/** `GET /sessions/{id}`. */
export async function oneSession(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  return json(JSON.stringify(await archive.session(session)));
}

/** `PATCH /sessions/{id}`: another name, another description, a star. */
export function changeSession(gate: Gate, call: Call): Later {
  const { archive, session } = placeOf(gate, call);
  return readMembers(gate, call, async (members) => {
    const name = members.text("name", MAX_NAME);
    const change = {
      name,
      description: members.text("description", MAX_DESCRIPTION),
      star: members.flag("star"),
    };
    if (name?.trim() === "") {
      throw new Problem("bad-body", "Cannot rename session: the name is empty", EMPTY_NAME);
    }
    if (Object.values(change).every((value) => value === undefined)) {
      throw new Problem(
        "bad-body",
        "Cannot change session: the body has no name, no description and no star",
      );
    }
    return json(JSON.stringify(await archive.changeSession(session, change)));
  });
}

const EMPTY_NAME = { fields: { member: "name" } } as const;

/** `DELETE /sessions/{id}`: for good. */
export async function deleteSession(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  await archive.deleteSession(session);
  return answer(null, 204, []);
}
