/**
 * `client.ts goto`: sends the applications back to a moment of a session.
 *
 * @module
 */
import { quote, visible } from "../../base/quote.ts";
import { within } from "../../base/waits.ts";
import { PassiveMessageClient } from "../../bus/clients.ts";
import type { GoTo, GoToResult, Moment, Plan, SessionInfo } from "../../bus/recording.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import { KEY_FLAGS, keyOptions, needAddress, RECEIVE_FLAG } from "../client_flags.ts";
import type { Command } from "../command.ts";
import { durationFlag, ProgramError } from "../command_line.ts";
import { print } from "../log.ts";
import {
  fileAndSession,
  MOMENT_HELP,
  momentFlag,
  openToRead,
  sessionOf,
  shownTime,
} from "../session_arguments.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "F [SESSION] --at WHEN [--receive ADDRESS --send]",
  permission: "--allow-net=127.0.0.1 --allow-read=F",
  flags: {
    at: { type: "string", value: "WHEN", help: `the moment: ${MOMENT_HELP}` },
    send: { type: "boolean", help: "send it; without this the plan is printed, and nothing is sent" },
    receive: RECEIVE_FLAG,
    instance: {
      type: "string",
      multiple: true,
      value: "ID",
      help: "only this instance, as the plan shows it; may be repeated",
    },
    value: {
      type: "string",
      multiple: true,
      value: "KEY",
      help: "only this value, as the plan shows it; may be repeated",
    },
    json: { type: "boolean", help: "print the plan, or what became of it, as JSON" },
    wait: { type: "string", value: "SECONDS", help: "how long to wait for the broker; 5 by default" },
    ...KEY_FLAGS,
  },
  notes:
    `For each instance its last log message with a state before the moment is sent as reload, and before that what was
valid then: subject, sample, variables. That the applications act on it nobody can know. Without SESSION it is the latest one.`,
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  const { path, id } = fileAndSession(rest);
  if (values.at === undefined) throw new UsageError("Cannot go back: --at WHEN is missing");
  const waitMs = durationFlag(values, "wait", "s", 1) ?? 5000;
  const isSent = values.send === true;
  const serverReceive = isSent ? needAddress(values, "receive") : undefined;
  await using archive = await openToRead(path, isSent);
  const session = await sessionOf(archive, id);
  const moment = momentFlag(values, "at", session)!;
  const plan = await archive.stateAt(session.id, moment);
  const what = chosen(plan, values);
  const asJson = values.json === true;
  if (serverReceive === undefined) {
    if (asJson) print(JSON.stringify(plan));
    else for (const line of planLines(session, plan, what)) print(line);
    return 0;
  }
  await using client = new PassiveMessageClient({
    name: "client.ts goto",
    serverReceive,
    ...keyOptions(values),
    lingerMs: 0,
  });
  let trouble = "nobody answers";
  client.addEventListener("error", ({ message }) => trouble = message);
  if (!await within(client.ready, waitMs, stop.signal)) {
    if (stop.signal.aborted) return stop.code;
    throw new ProgramError(`Cannot go back: no broker within ${waitMs / 1000} s: ${trouble}`);
  }
  const at: Moment = { seq: plan.seq };
  const result = await archive.goTo(session.id, at, client, what);
  if (!await within(client.flush(), waitMs, stop.signal)) {
    throw new ProgramError(`Cannot go back: not all could be delivered within ${waitMs / 1000} s`);
  }
  if (asJson) print(JSON.stringify(result));
  else for (const line of resultLines(result)) print(line);
  return result.sent.length === 0 ? 1 : 0;
}

function chosen(plan: Plan, values: FlagValues): GoTo {
  const instances = values.instance as string[] | undefined;
  const keys = values.value as string[] | undefined;
  const known = plan.instances.map(({ instance }) => instance);
  const unknownInstance = instances?.find((instance) =>
    !known.includes(instance) && !known.includes(JSON.stringify(instance))
  );
  if (unknownInstance !== undefined) {
    throw new UsageError(`Cannot use --instance ${quote(unknownInstance)}: the plan has no such instance`);
  }
  const unknownKey = keys?.find((key) => !plan.values.some((value) => value.key === key));
  if (unknownKey !== undefined) {
    throw new UsageError(`Cannot use --value ${quote(unknownKey)}: the plan has no such value`);
  }
  // Whoever chooses some of one kind means none of the other.
  const hasChoice = instances !== undefined || keys !== undefined;
  return hasChoice
    ? {
      instances: (instances ?? []).map((instance) =>
        known.includes(instance) ? instance : JSON.stringify(instance)
      ),
      values: keys ?? [],
    }
    : {};
}

function planLines({ id, name }: SessionInfo, { seq, time, values, instances }: Plan, what: GoTo): string[] {
  const isChosen = (list: readonly string[] | undefined, key: string) =>
    list === undefined || list.includes(key);
  return [
    `session ${id} ${quote(name)}, after message #${seq}, ${shownTime(time)}`,
    "",
    ...values.map(({ key, seq, text }) =>
      `${isChosen(what.values, key) ? "send" : "keep"}    ${visible(key)}  #${seq}  ${
        visible(text.slice(0, 200))
      }`
    ),
    ...instances.map(({ instance, application, seq, time, action, restorable, reason }) =>
      visible(
        `${
          !restorable ? "cannot" : isChosen(what.instances, instance) ? "reload" : "keep  "
        }  ${instance}  ${application}  #${seq}  ${shownTime(time).slice(11)}  ${action}${
          reason === null ? "" : `  (${REASONS[reason]})`
        }`,
      )
    ),
    ...(values.length + instances.length === 0 ? ["nothing was valid then"] : []),
    "",
    "Nothing was sent; --send sends it.",
  ];
}

const REASONS = {
  "no-state": "it told no state",
  "too-large": "its state is larger than 16 MiB",
  "damaged": "that part of the file is damaged",
} as const;

function resultLines({ sent, skipped }: GoToResult): string[] {
  return [
    ...sent.map(({ type, instance, seq }) =>
      visible(`sent     ${type}${instance === null ? "" : ` to ${instance}`}  #${seq}`)
    ),
    ...skipped.map(({ instance, reason }) => visible(`skipped  ${instance}: ${reason}`)),
    ...(sent.length + skipped.length === 0 ? ["there was nothing to send"] : []),
  ];
}
