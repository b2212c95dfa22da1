/**
 * `client.ts import`: lines of messages as a session.
 *
 * @module
 */
import { type ImportedMessage, importSession } from "../../archive/mod.ts";
import { quote } from "../../base/quote.ts";
import { explainJsonText } from "../../bus/intake.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { ProgramError } from "../command_line.ts";
import { counted } from "../counted.ts";
import { inputLines } from "../input_lines.ts";
import { complain, print } from "../log.ts";
import { Progress } from "../progress.ts";
import { fileAndSession } from "../session_arguments.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "F [options] < lines.ndjson",
  permission: "--allow-read=F --allow-write=F",
  flags: {
    name: {
      type: "string",
      value: "N",
      help: "what the session is called; the time of its first message by default",
    },
  },
  notes:
    `Reads what client.ts export prints. With --json there, messages keep their times, gaps are kept, and each session is
one here; without, all of it is one session of this moment. F is made if there is none.`,
  run,
};

/** Bad lines that are told one by one. */
const MAX_TOLD = 10;

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  if (rest.length > 1) {
    throw new UsageError(
      `Cannot use argument ${quote(rest[1]!)}: the lines come from stdin; add < before their file`,
    );
  }
  const { path } = fileAndSession(rest);
  if (Deno.stdin.isTerminal()) complain("A message a line; Ctrl+D ends");
  using progress = new Progress("messages");
  const source = new Source(stop.signal, (count) => progress.tell(count));
  const { name } = values;
  const options = { program: "client.ts import", ...(typeof name === "string" ? { name } : {}) };
  let sessions = 0;
  try {
    do {
      const made = await importSession(path, source.session(), options);
      if (made === undefined) continue;
      sessions++;
      print(`session ${made.session}: ${counted(made.messages, "message")}`);
    } while (!source.isOver);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    complain("client.ts: stopped before the end; what was read so far is in the file");
    return stop.code;
  }
  if (source.bad > 0) {
    throw new ProgramError(`${source.bad} of ${source.count} lines are no messages and were left out`);
  }
  if (sessions === 0) throw new ProgramError("Cannot import: there was no message");
  return 0;
}

/** The lines of stdin, as messages of one session after the other. */
class Source {
  count = 0;
  bad = 0;
  isOver = false;
  readonly #signal: AbortSignal;
  readonly #tell: (count: number) => void;
  readonly #lines = inputLines(Deno.stdin.readable, MAX_BYTES);
  #next: Line | undefined;

  constructor(signal: AbortSignal, tell: (count: number) => void) {
    this.#signal = signal;
    this.#tell = tell;
  }

  /** Ends with the session: numbers that begin anew begin another one. */
  async *session(): AsyncGenerator<ImportedMessage> {
    let seq = 0;
    while (true) {
      const line = this.#next ?? await this.#read();
      this.#next = undefined;
      if (line === undefined) {
        this.isOver = true;
        return;
      }
      if (line.seq !== undefined && line.seq <= seq) {
        this.#next = line;
        return;
      }
      seq = line.seq ?? seq;
      yield line.message;
    }
  }

  async #read(): Promise<Line | undefined> {
    while (true) {
      this.#signal.throwIfAborted();
      const { value, done } = await this.#lines.next();
      if (done) return undefined;
      const { number, text, problem } = value;
      if (text?.trim() === "") continue;
      this.#tell(++this.count);
      const line = text === undefined ? problem! : parseLine(text);
      if (typeof line !== "string") return line;
      if (++this.bad <= MAX_TOLD) complain(`client.ts: line ${number}: ${line}`);
    }
  }
}

/** What a line holds. */
interface Line {
  readonly seq: number | undefined;
  readonly message: ImportedMessage;
}

/** The form of `client.ts export --json`: the text of the message is taken out as it is. */
const EXPORTED = /^\{"seq":(\d{1,15}),"time":(\d{1,15}(?:\.\d{1,6})?),"message":(?=\{)/;

function parseLine(text: string): Line | string {
  const exported = EXPORTED.exec(text);
  if (exported !== null && text.endsWith("}}")) {
    const inner = text.slice(exported[0].length, -1);
    const wrong = explainJsonText(inner);
    if (wrong !== undefined) return wrong.message;
    return { seq: Number(exported[1]), message: { text: inner, time: Number(exported[2]) } };
  }
  const wrong = explainJsonText(text);
  if (wrong !== undefined) return wrong.message;
  if (text.startsWith('{"gap":{')) {
    const { gap: { missed, reason, from } } = JSON.parse(text);
    const time = typeof from === "number" ? from : undefined;
    return {
      seq: undefined,
      message: {
        ...(time === undefined ? {} : { time }),
        missed: typeof missed === "number" ? missed : null,
        reason: String(reason),
      },
    };
  }
  return { seq: undefined, message: { text } };
}

/** A message of the bus, and what stands around it. */
const MAX_BYTES = 1024 * 1024 * 1024;
