/**
 * `client.ts send`: sends what stands on the command line, in a file or in stdin.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import { MessageError, QueueFullError } from "../../base/errors.ts";
import { assertMessage } from "../../bus/messages.ts";
import { pause, within } from "../../base/waits.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import { KEY_FLAGS, keyOptions, needAddress, RECEIVE_FLAG } from "../client_flags.ts";
import { isRefused } from "../client_notes.ts";
import type { Command } from "../command.ts";
import { durationFlag, integerFlag, ProgramError } from "../command_line.ts";
import { counted } from "../counted.ts";
import { complain, print } from "../log.ts";
import { messagesOf } from "../message_arguments.ts";
import { type InputMessage, readMessages } from "../message_input.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "[options] [MESSAGE ... | FIELD ...]",
  flags: {
    receive: RECEIVE_FLAG,
    file: {
      type: "string",
      value: "F",
      help: "send the message that this file holds (with --allow-read=F); - for all of stdin",
    },
    lines: { type: "boolean", help: "with --file: each line of it is a message" },
    repeat: { type: "string", value: "N", help: "send everything N times" },
    every: { type: "string", value: "MS", help: "so long between two messages: milliseconds, or 1s, 5m" },
    quiet: { type: "boolean", short: "q", help: "do not print how many were sent" },
    wait: { type: "string", value: "SECONDS", help: "how long to wait for the broker; 5 by default" },
    ...KEY_FLAGS,
  },
  notes:
    `A MESSAGE is a JSON object. FIELDs make one message together: name=TEXT, or name:=JSON for anything but a text:

  client.ts send type=subject subject:=119
  client.ts send '{"type":"subject","subject":119}'

Without both, each line of stdin is a message.`,
  run,
};

async function run(values: FlagValues, args: readonly string[], stop: Stop): Promise<number> {
  const serverReceive = needAddress(values, "receive");
  const waitMs = durationFlag(values, "wait", "s", 1) ?? 5000;
  const everyMs = durationFlag(values, "every", "ms", 0) ?? 0;
  const repeat = integerFlag(values, "repeat", 1, 1_000_000_000) ?? 1;
  const texts = args.length === 0 ? undefined : messagesOf(args);
  const input = inputOf(values, texts !== undefined);
  if (repeat > 1 && texts === undefined && (input === undefined || input.file === "-")) {
    throw new UsageError("Cannot use --repeat: stdin can be read once only; give a message or --file");
  }
  const total = texts === undefined ? undefined : texts.length * repeat;
  const first = input === undefined ? undefined : await readMessages(input, stop.signal);
  await using client = new PassiveMessageClient({
    name: "client.ts send",
    serverReceive,
    ...keyOptions(values),
    lingerMs: 0,
  });
  let trouble = "nobody answers";
  client.addEventListener("error", ({ error, message }) => {
    trouble = isRefused(error) ? `${message}; is a broker running there?` : message;
  });
  let refused = 0;
  let isTyped = false;
  try {
    if (!await within(client.ready, waitMs, stop.signal)) {
      throw new ProgramError(`Cannot send: no broker within ${waitMs / 1000} s: ${trouble}`);
    }
    let isFirst = true;
    const send = async ({ text, where }: InputMessage) => {
      if (!isFirst && everyMs > 0) await pause(everyMs, stop.signal);
      warnOfMessage(text, where);
      await sendOne(client, text, stop.signal);
      isFirst = false;
    };
    for (let round = 1; round <= repeat; round++) {
      if (texts !== undefined) {
        for (const [i, text] of texts.entries()) await send({ text, where: `message ${i + 1}` });
        continue;
      }
      const messages = round === 1 ? first! : await readMessages(input!, stop.signal);
      for await (const message of messages) {
        if ("problem" in message) {
          refused++;
          complain(`client.ts: ${message.where}: ${message.problem}`);
        } else await send(message);
      }
    }
    if (!await within(client.flush(), waitMs, stop.signal)) {
      const { queued } = client.stats();
      throw new ProgramError(
        `Cannot send: ${counted(queued, "message")} could not be delivered within ${waitMs / 1000} s`,
      );
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    // Whoever types ends with Ctrl+C as well as with Ctrl+D.
    isTyped = texts === undefined && Deno.stdin.isTerminal();
    if (isTyped) await within(client.flush(), 1000).catch(() => {});
  }
  const { sent, written, lost } = client.stats();
  const isDone = isTyped ? written === sent : total !== undefined && written === total;
  if (stop.signal.aborted && !isDone) {
    complain(
      written === 0
        ? "client.ts: not sent: stopped before"
        : `client.ts: not all sent: stopped after ${written}${
          total === undefined ? "" : ` of ${total}`
        } messages`,
    );
    return stop.code;
  }
  if (lost > 0) {
    throw new ProgramError(`Cannot send: ${counted(lost, "message")} cut by the end of a connection`);
  }
  if (values.quiet !== true) print(`sent ${written}`);
  return refused > 0 ? 1 : 0;
}

/** Where the messages are read from; undefined where they stand on the command line. */
function inputOf(
  { file, lines }: FlagValues,
  hasTexts: boolean,
): { readonly file: string; readonly lines: boolean } | undefined {
  if (file === undefined) {
    if (lines === true && hasTexts) throw new UsageError("Cannot use --lines: it goes with --file or stdin");
    return hasTexts ? undefined : { file: "-", lines: true };
  }
  if (hasTexts) throw new UsageError("Cannot use --file: the command line has messages already");
  return { file: file as string, lines: lines === true };
}

let warnings = 0;

/** Most applications look at `type` first, and at the fields that go with it: a slip there is a message that nobody hears. */
function warnOfMessage(text: string, where: string): void {
  if (warnings > MAX_WARNINGS) return;
  try {
    assertMessage(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    const why = error.message.replace(/^[^:]*: /, "");
    warnings++;
    complain(
      warnings > MAX_WARNINGS
        ? "client.ts: warning: no more warnings of this kind"
        : `client.ts: warning: ${where} is sent all the same: ${why}`,
    );
  }
}

const MAX_WARNINGS = 10;

/** When the queue is full the sender waits: a file may be longer than the queue. */
async function sendOne(client: PassiveMessageClient, text: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    client.sendJsonMessage(text);
  } catch (error) {
    if (!(error instanceof QueueFullError)) throw error;
    await client.drained({ signal });
    client.sendJsonMessage(text);
  }
}
