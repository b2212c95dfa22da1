/**
 * `client.ts last`: the newest message of a while.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import type { FlagValues } from "../arguments.ts";
import { BROADCAST_FLAG, KEY_FLAGS, keyOptions, needAddress, refuseRest } from "../client_flags.ts";
import { tellTrouble, throwReason } from "../client_notes.ts";
import type { Command } from "../command.ts";
import { integerFlag, ProgramError } from "../command_line.ts";
import { complain, print, untilReaderGone } from "../log.ts";
import { describe, oneLine } from "../message_line.ts";
import { aborted, type Stop } from "../stop.ts";

export const command: Command = {
  usage: "--broadcast ADDRESS [options]",
  flags: {
    broadcast: BROADCAST_FLAG,
    json: { type: "boolean", help: "print the message as it is, for pipes" },
    wait: { type: "string", value: "SECONDS", help: "how long to listen; 5 by default" },
    ...KEY_FLAGS,
  },
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  refuseRest(rest);
  const serverBroadcast = needAddress(values, "broadcast");
  const seconds = integerFlag(values, "wait", 1, 86_400) ?? 5;
  const done = new AbortController();
  await using client = new PassiveMessageClient({
    name: "client.ts last",
    serverBroadcast,
    ...keyOptions(values),
    history: { messages: 0 },
  });
  client.ready.catch((error) => done.abort(error));
  tellTrouble(client, complain);
  const timer = setTimeout(() => done.abort(), 1000 * seconds);
  await aborted(AbortSignal.any([stop.signal, done.signal, untilReaderGone()]));
  clearTimeout(timer);
  throwReason(done.signal);
  const [count, text] = client.getLastMessage();
  if (count > 0) print(values.json === true ? oneLine(text) : describe(text));
  if (stop.signal.aborted) return stop.code;
  if (count === 0) throw new ProgramError(`Cannot print the last message: none came within ${seconds} s`);
  return 0;
}
