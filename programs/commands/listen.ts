/**
 * `client.ts listen`: prints what comes.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import {
  BROADCAST_FLAG,
  HEARTBEAT_FLAG,
  heartbeatOf,
  KEY_FLAGS,
  keyOptions,
  needAddress,
  refuseRest,
} from "../client_flags.ts";
import { gapText, tellTrouble, throwReason } from "../client_notes.ts";
import type { Command } from "../command.ts";
import { durationFlag, integerFlag } from "../command_line.ts";
import { complain, print, printClean, startStamps, untilReaderGone } from "../log.ts";
import { FORMAT_HELP, messageFormat } from "../message_format.ts";
import { MessageLines, oneLine, prettyLines, type Shown } from "../message_line.ts";
import { aborted, type Stop } from "../stop.ts";
import { lookOfStdout } from "../terminal.ts";
import { EXCEPT_FLAG, TYPE_FLAG, typeTest } from "../type_flags.ts";

export const command: Command = {
  usage: "[options]",
  flags: {
    broadcast: BROADCAST_FLAG,
    type: TYPE_FLAG,
    except: EXCEPT_FLAG,
    since: {
      type: "string",
      value: "WHEN",
      help: "begin with what came before: in the last 10m (s, m, h, d), everything that the broker\n" +
        "still holds (earliest), the newest message (latest), or what follows a place (%n of --format)",
    },
    count: { type: "string", value: "N", help: "stop after N messages" },
    timeout: {
      type: "string",
      value: "SECONDS",
      help: "stop after so long; with --count it is a failure then, exit code 1",
    },
    pretty: { type: "boolean", help: "print each message over several lines, indented" },
    json: { type: "boolean", help: "print the messages as they are, a line each, for pipes" },
    format: { type: "string", value: "FORMAT", help: `print what it says: ${FORMAT_HELP}` },
    heartbeat: HEARTBEAT_FLAG,
    ...KEY_FLAGS,
  },
  notes:
    `On a terminal there are colours, and a message is cut to one line; a pipe or a file gets all of it.`,
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  refuseRest(rest, "type");
  const serverBroadcast = needAddress(values, "broadcast");
  const count = integerFlag(values, "count", 1, Number.MAX_SAFE_INTEGER) ?? Infinity;
  const heartbeatMs = heartbeatOf(values);
  const timeoutMs = durationFlag(values, "timeout", "s", 1);
  const { since } = values;
  const wants = typeTest(values);
  const show = shower(values);
  const done = new AbortController();
  await using client = new PassiveMessageClient({
    name: "client.ts listen",
    serverBroadcast,
    heartbeatMs,
    times: true,
    ...(typeof since === "string" ? { since } : {}),
    ...keyOptions(values),
    history: { messages: 0 },
  });
  client.ready.catch((error) => done.abort(error));
  const tell = (line: string) => {
    if (client.stats().received > 0 || client.isReceiving) startStamps();
    complain(line);
  };
  tellTrouble(client, tell);
  client.addEventListener("connect", () => tell(`Listening at ${serverBroadcast}`));
  client.addEventListener("messageerror", ({ error }) => tell(`refused (${error.code}): ${error.message}`));
  client.addEventListener("gap", ({ missed, reason }) => tell(gapText(missed, reason)));
  let isPlaceKnown = since === undefined || since === "now";
  const tellNoPlace = () => {
    if (isPlaceKnown) return;
    isPlaceKnown = true;
    if (client.place === undefined) {
      tell("this broker cannot tell what came before: it does not number messages");
    }
  };
  client.ready.then(tellNoPlace, () => {});
  let printed = 0;
  client.addEventListener("message", (event) => {
    if (printed === count) return;
    const type = () => typeOf(event.message);
    if (wants !== undefined && !wants(type())) return;
    show(event.text, type, event.time, client.place);
    if (++printed === count) done.abort();
  });
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => done.abort(), timeoutMs);
  await aborted(AbortSignal.any([stop.signal, done.signal, untilReaderGone()]));
  clearTimeout(timer);
  throwReason(done.signal);
  if (printed > 0) tellNoPlace(); // A message may come in the same turn as the end of the handshake.
  if (Deno.stderr.isTerminal() && client.place !== undefined && stop.signal.aborted) {
    complain(`Go on from here with --since ${client.place}`);
  }
  if (count === Infinity || printed === count) return 0;
  if (stop.signal.aborted) return stop.code;
  if (!done.signal.aborted) return 0; // Whoever reads the output has enough.
  complain(`client.ts: ${printed} of ${count} messages came within ${timeoutMs! / 1000} s`);
  return 1;
}

function typeOf({ type }: { readonly type: unknown }): string | undefined {
  return typeof type === "string" ? type : undefined;
}

/** Prints a message; nobody parses it who does not need its type. */
type Show = (text: string, type: () => string | undefined, time: number, place: string | undefined) => void;

function shower({ json, pretty, format }: FlagValues): Show {
  if (typeof format === "string") {
    if (json === true || pretty === true) {
      throw new UsageError(`Cannot use --format and --${json === true ? "json" : "pretty"} together`);
    }
    const lines = messageFormat(format);
    return (text, type, time, place) => {
      for (const line of lines({ text, type: type(), time }, place)) printClean(line);
    };
  }
  if (json === true && pretty === true) {
    return (text) => {
      for (const line of prettyLines(text, lookOfStdout())) printClean(line);
    };
  }
  if (json === true) return (text) => print(oneLine(text));
  const messages = new MessageLines();
  return (text, type, time) => {
    const shown: Shown = { text, type: type(), time };
    for (const line of messages.lines(shown, lookOfStdout(), pretty === true)) printClean(line);
  };
}
