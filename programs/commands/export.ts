/**
 * `client.ts export`: a recording as lines of text.
 *
 * @module
 */
import type { FlagValues } from "../arguments.ts";
import type { Command } from "../command.ts";
import { ProgramError } from "../command_line.ts";
import { Progress } from "../progress.ts";
import { fileAndSession, openToRead } from "../session_arguments.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "F [SESSION] [options] > lines.ndjson",
  permission: "--allow-read=F",
  flags: {
    json: {
      type: "boolean",
      help: 'print {"seq","time","message"} for each, and {"gap"} where some are missing',
    },
  },
  notes:
    `A line for each message, its text exactly as it came; a line break between its members becomes a space. Without
SESSION all sessions, one after the other. client.ts import reads both forms.`,
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  const { path, id } = fileAndSession(rest);
  await using archive = await openToRead(path);
  using progress = new Progress("bytes");
  const asJson = values.json === true;
  let written = 0;
  for (const session of id === undefined ? await allSessions(archive) : [(await archive.session(id)).id]) {
    for await (const bytes of archive.export(session, { asJson })) {
      if (stop.signal.aborted) return stop.code;
      if (!await write(bytes)) return 0;
      progress.tell(written += bytes.length);
    }
  }
  return 0;
}

/** Oldest first. */
async function allSessions(archive: Awaited<ReturnType<typeof openToRead>>): Promise<number[]> {
  const ids: number[] = [];
  let before: number | undefined;
  while (true) {
    const { sessions, next } = await archive.sessions({ before, limit: 500 });
    ids.push(...sessions.map(({ id }) => id));
    if (next === null) return ids.reverse();
    before = next;
  }
}

/** Says whether anyone still reads. Straight to stdout: what has to be whole waits for whoever reads it. */
async function write(bytes: Uint8Array): Promise<boolean> {
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await Deno.stdout.write(rest));
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.BrokenPipe) return false;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ProgramError(`Cannot write to stdout: ${why}`, { cause });
  }
}
