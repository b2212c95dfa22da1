/**
 * `client.ts replay`: sends a recorded session again.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import { quote } from "../../base/quote.ts";
import { within } from "../../base/waits.ts";
import type { ReplayOptions } from "../../bus/recording.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import { KEY_FLAGS, keyOptions, needAddress, RECEIVE_FLAG } from "../client_flags.ts";
import type { Command } from "../command.ts";
import { durationFlag, ProgramError } from "../command_line.ts";
import { counted } from "../counted.ts";
import { complain, print } from "../log.ts";
import { playerKeys } from "../player_keys.ts";
import {
  fileAndSession,
  MOMENT_HELP,
  momentFlag,
  openToRead,
  sessionOf,
  shownLength,
} from "../session_arguments.ts";
import type { Stop } from "../stop.ts";
import { EXCEPT_FLAG, TYPE_FLAG, typesFlag } from "../type_flags.ts";

export const command: Command = {
  usage: "F [SESSION] --receive ADDRESS [options]",
  permission: "--allow-net=127.0.0.1 --allow-read=F",
  flags: {
    receive: RECEIVE_FLAG,
    speed: {
      type: "string",
      value: "N",
      help: "how often as fast as it was: 0.01 to 1000, or max; 1 by default",
    },
    from: { type: "string", value: "WHEN", help: `begin there: ${MOMENT_HELP}` },
    to: { type: "string", value: "WHEN", help: "end there, likewise" },
    type: TYPE_FLAG,
    except: {
      ...EXCEPT_FLAG,
      help:
        "all messages but those of this type; log,ready,reload by default, since they would mean\nsomething else now",
    },
    all: { type: "boolean", help: "everything that was recorded, earlier replays and those three included" },
    "max-gap": { type: "string", value: "SECONDS", help: "cut longer pauses to this" },
    restore: {
      type: "boolean",
      help: "first send what was valid where it begins: subject, sample, variables",
    },
    loop: { type: "boolean", help: "begin anew at the end" },
    paused: { type: "boolean", help: "begin paused, for the keys below" },
    wait: { type: "string", value: "SECONDS", help: "how long to wait for the broker; 5 by default" },
    ...KEY_FLAGS,
  },
  notes:
    `Without SESSION it is the latest one. Before and after it a message of the type replay is sent, so that other recorders
can tell. At a terminal: space holds on and goes on, right sends the next message, up and down change the speed, q ends.
With --allow-write=F it is noted in the session that it was replayed.`,
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  const { path, id } = fileAndSession(rest);
  const serverReceive = needAddress(values, "receive");
  const waitMs = durationFlag(values, "wait", "s", 1) ?? 5000;
  const kinds = kindsOf(values);
  const speed = speedFlag(values.speed);
  const maxGapMs = durationFlag(values, "max-gap", "s", 0);
  await using archive = await openToRead(path, true);
  const session = await sessionOf(archive, id);
  const [from, to] = [momentFlag(values, "from", session), momentFlag(values, "to", session)];
  await using client = new PassiveMessageClient({
    name: "client.ts replay",
    serverReceive,
    ...keyOptions(values),
    lingerMs: 0,
  });
  let trouble = "nobody answers";
  client.addEventListener("error", ({ message }) => trouble = message);
  if (!await within(client.ready, waitMs, stop.signal)) {
    if (stop.signal.aborted) return stop.code;
    throw new ProgramError(`Cannot replay: no broker within ${waitMs / 1000} s: ${trouble}`);
  }
  const player = await archive.play(session.id, client, {
    ...kinds,
    speed,
    from,
    to,
    maxGapMs,
    restore: values.restore === true,
    loop: values.loop === true,
    paused: values.paused === true,
    signal: stop.signal,
  });
  using _keys = playerKeys(player, () => void player.stop());
  const { sent, leftOut, late, missed } = await player.finished;
  await within(client.flush(), waitMs, stop.signal).catch((error: Error) => {
    throw new ProgramError(`Cannot replay: ${error.message}`);
  });
  const { lost } = client.stats();
  const about = [
    `replayed ${counted(sent, "message")} of session ${session.id}`,
    ...(leftOut > 0 ? [`${leftOut} left out`] : []),
    ...(missed > 0 ? [`${missed} are missing in the recording`] : []),
    ...(late > 0 ? [`${counted(late, "time")} more than a second late`] : []),
    ...(lost > 0 ? [`${lost} were cut by the end of a connection`] : []),
  ];
  print(about.join("; "));
  if (Deno.stderr.isTerminal()) {
    complain(`The session is ${shownLength((session.ended ?? Date.now()) - session.started)} long`);
  }
  if (stop.signal.aborted) return stop.code;
  return lost > 0 ? 1 : 0;
}

function kindsOf(values: FlagValues): Pick<ReplayOptions, "only" | "except" | "nested"> {
  const [only, except] = [typesFlag(values, "type")?.patterns, typesFlag(values, "except")?.patterns];
  if (values.all !== true) return { only, except };
  if (only !== undefined || except !== undefined) {
    throw new UsageError("Cannot use --all together with --type or --except");
  }
  return { except: [], nested: true };
}

function speedFlag(text: FlagValues[string]): number {
  if (text === undefined) return 1;
  const speed = text === "max" ? Infinity : /^\d+(\.\d+)?$/.test(String(text)) ? Number(text) : NaN;
  if (speed === Infinity || (speed >= 0.01 && speed <= 1000)) return speed;
  throw new UsageError(
    `Cannot use --speed ${quote(String(text))}: expected a number from 0.01 to 1000, or max`,
  );
}
