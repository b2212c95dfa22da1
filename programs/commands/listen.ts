/**
 * `client.ts listen`: prints what comes.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import type { FlagValues } from "../arguments.ts";
import { BROADCAST_FLAG, KEY_FLAGS, keyOptions, needAddress, refuseRest } from "../client_flags.ts";
import { gapText, tellTrouble, throwReason } from "../client_notes.ts";
import type { Command } from "../command.ts";
import { integerFlag } from "../command_line.ts";
import { complain, print, startStamps, untilReaderGone } from "../log.ts";
import { describe, oneLine } from "../message_line.ts";
import { aborted, type Stop } from "../stop.ts";

export const command: Command = {
  usage: "--broadcast ADDRESS [options]",
  flags: {
    broadcast: BROADCAST_FLAG,
    json: { type: "boolean", help: "print the messages as they are, for pipes" },
    count: { type: "string", value: "N", help: "stop after N messages" },
    since: { type: "string", value: "earliest", help: "begin with all that the broker still holds" },
    heartbeat: {
      type: "string",
      value: "SECONDS",
      help: "how often to make sure that the broker is still there; 15 by default, 0 for never",
    },
    ...KEY_FLAGS,
  },
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  refuseRest(rest);
  const serverBroadcast = needAddress(values, "broadcast");
  const count = integerFlag(values, "count", 1, Number.MAX_SAFE_INTEGER) ?? Infinity;
  const heartbeatMs = 1000 * (integerFlag(values, "heartbeat", 0, 86_400) ?? 15);
  const done = new AbortController();
  await using client = new PassiveMessageClient({
    name: "client.ts listen",
    serverBroadcast,
    heartbeatMs,
    ...(typeof values.since === "string" ? { since: values.since } : {}),
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
  let printed = 0;
  client.addEventListener("message", ({ text }) => {
    if (printed === count) return;
    print(values.json === true ? oneLine(text) : describe(text));
    if (++printed === count) done.abort();
  });
  await aborted(AbortSignal.any([stop.signal, done.signal, untilReaderGone()]));
  throwReason(done.signal);
  return stop.signal.aborted && count !== Infinity && printed < count ? stop.code : 0;
}
