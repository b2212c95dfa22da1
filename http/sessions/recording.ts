/**
 * `/recording`: what is being recorded right now, and the switch that pauses it.
 *
 * @module
 */
import { json } from "../answers.ts";
import type { Later } from "../exit.ts";
import type { Gate } from "../gate.ts";
import { readMembers } from "../json_body.ts";
import type { Call } from "../route.ts";
import { archiveOf } from "./place.ts";
import { statusJson } from "./replay.ts";
import { recorderOf } from "./sessions.ts";

/** `GET /recording`: who writes to the archive, and what is replayed from it: all that a page asks for again and again. */
export function recording(gate: Gate): Response {
  const { path, recorder, replay } = archiveOf(gate);
  const view = recorder === undefined
    ? "null"
    : JSON.stringify({ ...recorder.stats(), paused: recorder.pause });
  const played = replay === undefined ? "null" : statusJson(replay);
  return json(`{"path":${JSON.stringify(path)},"recorder":${view},"replay":${played}}`);
}

/** `PATCH /recording`: pauses the recorder, or lets it go on. */
export function changeRecording(gate: Gate, call: Call): Later {
  const archive = archiveOf(gate);
  return readMembers(gate, call, (members) => {
    recorderOf(archive.recorder).pause = members.need("paused", members.flag("paused"));
    return recording(gate);
  });
}
