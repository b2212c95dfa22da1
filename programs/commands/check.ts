/**
 * `client.ts check`: is a recording whole?
 *
 * @module
 */
import { checkArchive, repairArchive } from "../../archive/mod.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { counted } from "../counted.ts";
import { complain, print } from "../log.ts";
import { Progress } from "../progress.ts";
import { fileAndSession } from "../session_arguments.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "F [--repair NEW]",
  permission: "--allow-read=F",
  flags: {
    repair: {
      type: "string",
      value: "NEW",
      help:
        "copy everything that can be read into a new file: add NEW to --allow-read, and\n--allow-write=NEW",
    },
  },
  notes: `Reads all of F and changes nothing in it. The exit code is 1 when something is damaged.`,
  run,
};

async function run({ repair }: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  const { path, id } = fileAndSession(rest);
  if (id !== undefined) throw new UsageError("Cannot check: expected a file and no session");
  using progress = new Progress("messages");
  const options = { signal: stop.signal, handleProgress: (count: number) => progress.tell(count) };
  try {
    if (typeof repair === "string") {
      const { sessions, messages, lost } = await repairArchive(path, repair, options);
      print(
        `${repair} has ${counted(sessions, "session")} with ${counted(messages, "message")}; ${
          lost === 0 ? "nothing was lost" : `${counted(lost, "message")} could not be read`
        }`,
      );
      return 0;
    }
    const { sessions, messages, faults } = await checkArchive(path, options);
    for (const fault of faults) complain(`client.ts: ${fault}`);
    if (faults.length === 0) {
      print(`${path} is whole: ${counted(sessions, "session")}, ${counted(messages, "message")}`);
      return 0;
    }
    complain(`client.ts: ${path} is damaged; client.ts check ${path} --repair NEW copies what is good`);
    return 1;
  } catch (error) {
    if (stop.signal.aborted) return stop.code;
    throw error;
  }
}
