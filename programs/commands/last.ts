/**
 * `client.ts last`: the newest message of the bus.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import type { FlagValues } from "../arguments.ts";
import { BROADCAST_FLAG, KEY_FLAGS, keyOptions, needAddress, refuseRest } from "../client_flags.ts";
import { tellTrouble, throwReason } from "../client_notes.ts";
import type { Command } from "../command.ts";
import { durationFlag, ProgramError } from "../command_line.ts";
import { complain, print, printClean, untilReaderGone } from "../log.ts";
import { MessageLines, oneLine } from "../message_line.ts";
import { aborted, type Stop } from "../stop.ts";
import { lookOfStdout } from "../terminal.ts";

export const command: Command = {
  usage: "[options]",
  flags: {
    broadcast: BROADCAST_FLAG,
    json: { type: "boolean", help: "print the message as it is, for pipes" },
    wait: {
      type: "string",
      value: "SECONDS",
      help: "how long to wait for one when there is none yet; 5 by default",
    },
    ...KEY_FLAGS,
  },
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  refuseRest(rest);
  const serverBroadcast = needAddress(values, "broadcast");
  const waitMs = durationFlag(values, "wait", "s", 1) ?? 5000;
  const done = new AbortController();
  await using client = new PassiveMessageClient({
    name: "client.ts last",
    times: true,
    since: "latest",
    serverBroadcast,
    ...keyOptions(values),
    history: { messages: 0 },
  });
  client.ready.catch((error) => done.abort(error));
  tellTrouble(client, complain);
  const timer = setTimeout(() => done.abort(), waitMs);
  client.addEventListener("message", () => done.abort());
  await aborted(AbortSignal.any([stop.signal, done.signal, untilReaderGone()]));
  clearTimeout(timer);
  throwReason(done.signal);
  const { last } = client.feed;
  if (last !== undefined) {
    if (values.json === true) print(oneLine(last.text));
    else for (const line of new MessageLines().lines(last, lookOfStdout())) printClean(line);
  }
  if (stop.signal.aborted) return stop.code;
  if (last === undefined) {
    throw new ProgramError(
      `Cannot print the last message: there is none, and none came within ${waitMs / 1000} s`,
    );
  }
  return 0;
}
