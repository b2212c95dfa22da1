/**
 * `client.ts record`: keeps what is broadcast in a file.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import { beginRecording, sizeFlag } from "../archive_flag.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import {
  BROADCAST_FLAG,
  HEARTBEAT_FLAG,
  heartbeatOf,
  KEY_FLAGS,
  keyOptions,
  needAddress,
  RECEIVE_FLAG,
} from "../client_flags.ts";
import { gapText, tellTrouble, throwReason } from "../client_notes.ts";
import type { Command } from "../command.ts";
import { integerFlag } from "../command_line.ts";
import { counted } from "../counted.ts";
import { complain, print, startStamps } from "../log.ts";
import { fileAndSession } from "../session_arguments.ts";
import { aborted, type Stop } from "../stop.ts";
import { EXCEPT_FLAG, TYPE_FLAG, typesFlag } from "../type_flags.ts";

export const command: Command = {
  usage: "F [options]",
  permission: "--allow-net=127.0.0.1 --allow-read=F --allow-write=F",
  flags: {
    broadcast: BROADCAST_FLAG,
    receive: {
      ...RECEIVE_FLAG,
      help: "accepted, so that both addresses can be given; recording sends nothing",
    },
    name: { type: "string", value: "N", help: "what the session is called; the date and time by default" },
    type: TYPE_FLAG,
    except: EXCEPT_FLAG,
    since: {
      type: "string",
      value: "WHEN",
      help: "now; last, where the last session of the file ends; earliest, all that the broker still\n" +
        "holds; or a place. By default it is last when that session ended without a goodbye",
    },
    "max-size": {
      type: "string",
      value: "SIZE",
      help: "the file does not become larger, such as 2G; what comes then is lost to it, and counted",
    },
    "keep-days": {
      type: "string",
      value: "N",
      help: "delete sessions for good that ended longer ago, but for those with a star",
    },
    heartbeat: HEARTBEAT_FLAG,
    ...KEY_FLAGS,
  },
  notes:
    `Each run is a session. What came while the connection was cut is fetched from the broker, as far as it still
holds it; what is missing is told in the file. A file has one recorder at a time.`,
  isService: true,
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<void> {
  const { path, id } = fileAndSession(rest);
  if (id !== undefined) throw new UsageError("Cannot record: expected a file and no session");
  const serverBroadcast = needAddress(values, "broadcast");
  const heartbeatMs = heartbeatOf(values);
  const keepDays = integerFlag(values, "keep-days", 1, 36_500);
  const { name, since, "max-size": size } = values;
  const maxBytes = typeof size === "string" ? sizeFlag("max-size", size) : undefined;
  const done = new AbortController();
  const [only, except] = [typesFlag(values, "type")?.patterns, typesFlag(values, "except")?.patterns];
  const options = {
    program: "client.ts record",
    broker: serverBroadcast,
    ...(typeof name === "string" ? { name } : {}),
    only,
    except,
    past: { messages: 0, bytes: 0 },
  };
  await using recording = await beginRecording(path, maxBytes, options, complain);
  const { archive, recorder } = recording;
  const forget = () => deleteOld(archive, keepDays).catch((error: Error) => complain(error.message));
  const timer = keepDays === undefined ? undefined : setInterval(forget, 3_600_000);
  await using client = new PassiveMessageClient({
    name: "client.ts record",
    serverBroadcast,
    heartbeatMs,
    times: true,
    since: sinceOf(since, recorder),
    recorder,
    history: { messages: 0 },
    ...keyOptions(values),
  });
  client.ready.catch((error) => done.abort(error));
  tellTrouble(client, complain);
  client.addEventListener(
    "messageerror",
    ({ error }) => complain(`refused (${error.code}): ${error.message}`),
  );
  client.addEventListener("gap", ({ missed, reason }) => complain(gapText(missed, reason)));
  let isTold = false;
  client.addEventListener("connect", () => {
    if (!isTold) print(`Recording ${serverBroadcast} into ${path}, session ${recorder.session}`);
    isTold = true;
    startStamps();
  });
  if (keepDays !== undefined) await forget();
  await aborted(AbortSignal.any([stop.signal, done.signal]));
  clearInterval(timer);
  await client.close();
  await recorder.end();
  throwReason(done.signal);
  const { onDisk, lost } = recorder.stats();
  const missing = Object.values(lost).reduce((sum, count) => sum + count, 0);
  print(
    `Session ${recorder.session}: ${counted(onDisk, "message")}${
      missing === 0 ? "" : `; ${missing} are missing`
    }`,
  );
}

/** After a goodbye nothing is expected from before; after a crash, what came in between. */
function sinceOf(
  since: FlagValues[string],
  { place, lastWasClean }: { readonly place: string | undefined; readonly lastWasClean: boolean },
): string {
  if (since === "last") return place ?? "now";
  if (typeof since === "string") return since;
  return lastWasClean ? "now" : place ?? "now";
}

async function deleteOld(
  archive: Awaited<ReturnType<typeof beginRecording>>["archive"],
  days: number | undefined,
): Promise<void> {
  if (days === undefined) return;
  const limit = Date.now() - days * 86_400_000;
  let before: number | undefined;
  while (true) {
    const { sessions, next } = await archive.sessions({ to: limit, before, limit: 100 });
    for (const { id, ended, star } of sessions) {
      if (ended !== null && ended < limit && !star) await archive.deleteSession(id);
    }
    if (next === null) return;
    before = next;
  }
}
