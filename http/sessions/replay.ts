/**
 * `/replay`: plays a session into the bus, one at a time.
 *
 * @module
 */
import type { ArchivePort, Replay, ReplayStatus } from "../../bus/recording.ts";
import { json } from "../answers.ts";
import type { Later } from "../exit.ts";
import type { Gate } from "../gate.ts";
import { type Members, readMembers } from "../json_body.ts";
import { Problem } from "../problem.ts";
import { requireSending, takeRate } from "../publish.ts";
import type { Call } from "../route.ts";
import { archiveOf } from "./place.ts";

/** Most messages that one step sends. */
export const MAX_STEP = 1000;
/** Most types that a replay names. */
const MAX_TYPES = 100;
const MAX_TYPE_LENGTH = 10_000;
const MAX_SESSION = 999_999_999_999_999;

/** Why a replay ended before its time. */
const failures = new WeakMap<Replay, string>();

/** `GET /replay`. */
export function replayStatus(gate: Gate): Response {
  const { replay } = archiveOf(gate);
  if (replay === undefined) throw new Problem("no-replay", "Cannot find a replay: none was begun");
  return json(statusJson(replay));
}

/** The status of a replay as JSON; `failed` says why it ended before its time. */
export function statusJson(replay: Replay): string {
  return JSON.stringify({ ...statusOf(replay.status()), failed: failures.get(replay) ?? null });
}

/** JSON knows no infinity: as fast as it goes is null. */
function statusOf(status: ReplayStatus): ReplayStatus {
  return { ...status, speed: status.speed === Infinity ? null : status.speed };
}

/** `POST /replay`: begins one. */
export function beginReplay(gate: Gate, call: Call): Later {
  const archive = archiveOf(gate);
  return readMembers(gate, call, async (members) => {
    const session = members.need("session", members.integer("session", 1, MAX_SESSION));
    const options = {
      from: members.moment("from", session),
      to: members.moment("to", session),
      speed: members.speed("speed"),
      only: members.texts("only", MAX_TYPES, MAX_TYPE_LENGTH),
      except: members.texts("except", MAX_TYPES, MAX_TYPE_LENGTH),
      nested: members.flag("nested"),
      maxGapMs: members.number("maxGapMs", 0, Number.MAX_SAFE_INTEGER),
      restore: members.flag("restore"),
      loop: members.flag("loop"),
      paused: members.flag("paused"),
    };
    refuseBackwards(members, session);
    takeRate(gate, call.remote, 1);
    const replay = await archive.play(session, requireSending(gate), withoutUndefined(options));
    replay.finished.catch((error: unknown) => {
      failures.set(replay, error instanceof Error ? error.message : String(error));
      gate.settings.log(`replay of session ${session} ended: ${failures.get(replay)}`);
    });
    return json(statusJson(replay), 201);
  });
}

/** What is known to be backwards before anything is read; the rest the archive knows. */
function refuseBackwards(members: Members, session: number): void {
  const [from, to] = [members.moment("from", session), members.moment("to", session)];
  const isBackwards = from !== undefined && to !== undefined &&
    ("seq" in from ? "seq" in to && from.seq > to.seq : "time" in to && from.time > to.time);
  if (isBackwards) {
    throw new Problem("bad-body", "Cannot read body: to is before from", { fields: { member: "to" } });
  }
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** `PATCH /replay`: pauses, goes on, faster or slower, elsewhere. */
export function changeReplay(gate: Gate, call: Call): Later {
  const archive = archiveOf(gate);
  return readMembers(gate, call, async (members) => {
    const replay = runningReplay(archive);
    const { session } = replay.status();
    const paused = members.flag("paused");
    const speed = members.speed("speed");
    const at = members.moment("at", session);
    if (paused === true) replay.pause();
    if (speed !== undefined) replay.speed = speed;
    if (at !== undefined) await replay.seek(at);
    if (paused === false) replay.resume();
    return json(statusJson(replay));
  });
}

/** `POST /replay/step`: sends the next messages now. */
export function stepReplay(gate: Gate, call: Call): Later {
  const archive = archiveOf(gate);
  return readMembers(gate, call, async (members) => {
    const replay = runningReplay(archive);
    const number = members.integer("messages", 1, MAX_STEP) ?? 1;
    takeRate(gate, call.remote, number);
    await replay.step(number);
    return json(statusJson(replay));
  });
}

/** `DELETE /replay`: ends it. */
export async function endReplay(gate: Gate): Promise<Response> {
  const replay = runningReplay(archiveOf(gate));
  await replay.stop();
  return json(statusJson(replay));
}

function runningReplay({ replay }: ArchivePort): Replay {
  if (replay !== undefined && replay.status().state !== "ended") return replay;
  throw new Problem("no-replay", "Cannot change replay: none goes on");
}
