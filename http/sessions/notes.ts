/**
 * `/sessions/{id}/notes`: what people wrote about moments of a session.
 *
 * @module
 */
import { answer, json } from "../answers.ts";
import type { Later } from "../exit.ts";
import type { Gate } from "../gate.ts";
import { type Members, readMembers } from "../json_body.ts";
import { Problem } from "../problem.ts";
import type { Call } from "../route.ts";
import { placeOf } from "./place.ts";

/** Longest note. */
export const MAX_NOTE = 10_000;

/** `GET …/notes`: all of them, by the moment that they are about. */
export async function listNotes(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  return json(JSON.stringify({ notes: await archive.notes(session) }));
}

/** `POST …/notes`: a new one. */
export function addNote(gate: Gate, call: Call): Later {
  const { archive, session } = placeOf(gate, call);
  return readMembers(gate, call, async (members) => {
    const moment = members.need("at", members.moment("at", session));
    const note = await archive.addNote(session, moment, textOf(members));
    return json(JSON.stringify(note), 201, [[
      "location",
      `${gate.settings.prefix}/sessions/${session}/notes/${note.id}`,
    ]]);
  });
}

/** `PATCH …/notes/{note}`: another text. */
export function changeNote(gate: Gate, call: Call): Later {
  const { archive, session, entry } = placeOf(gate, call);
  return readMembers(
    gate,
    call,
    async (members) => json(JSON.stringify(await archive.changeNote(session, entry, textOf(members)))),
  );
}

/** `DELETE …/notes/{note}`. */
export async function deleteNote(gate: Gate, call: Call): Promise<Response> {
  const { archive, session, entry } = placeOf(gate, call);
  await archive.deleteNote(session, entry);
  return answer(null, 204, []);
}

function textOf(members: Members): string {
  const text = members.need("text", members.text("text", MAX_NOTE));
  if (text.trim() !== "") return text;
  throw new Problem("bad-body", "Cannot write note: its text is empty", { fields: { member: "text" } });
}
