/**
 * `client.ts send`: sends what stands on the command line or in stdin.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import { MessageError, QueueFullError } from "../../base/errors.ts";
import { explainJsonText } from "../../bus/intake.ts";
import { assertMessage } from "../../bus/messages.ts";
import { within } from "../../base/waits.ts";
import type { FlagValues } from "../arguments.ts";
import { KEY_FLAGS, keyOptions, needAddress, RECEIVE_FLAG } from "../client_flags.ts";
import type { Command } from "../command.ts";
import { integerFlag, ProgramError } from "../command_line.ts";
import { inputLines } from "../input_lines.ts";
import { complain } from "../log.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "--receive ADDRESS [options] [MESSAGE ...]",
  flags: {
    receive: RECEIVE_FLAG,
    wait: { type: "string", value: "SECONDS", help: "how long to wait for the broker; 5 by default" },
    ...KEY_FLAGS,
  },
  run,
};

async function run(values: FlagValues, texts: readonly string[], stop: Stop): Promise<number> {
  const serverReceive = needAddress(values, "receive");
  const waitMs = 1000 * (integerFlag(values, "wait", 1, 86_400) ?? 5);
  for (const text of texts) checkText(text);
  await using client = new PassiveMessageClient({
    name: "client.ts send",
    serverReceive,
    ...keyOptions(values),
    lingerMs: 0,
  });
  let trouble = "nobody answers";
  client.addEventListener("error", ({ message }) => trouble = message);
  let refused = 0;
  let isTyped = false;
  try {
    if (!await within(client.ready, waitMs, stop.signal)) {
      throw new ProgramError(`Cannot send: no broker within ${waitMs / 1000} s: ${trouble}`);
    }
    if (texts.length > 0) {
      for (const [index, text] of texts.entries()) {
        warnOfMessage(text, `message ${index + 1}`);
        await sendOne(client, text, stop.signal);
      }
    } else {
      for await (const { number, text, problem } of inputLines(stdin(stop.signal))) {
        if (text?.trim() === "") continue;
        try {
          if (text === undefined) throw new MessageError("not-utf8", `Cannot send message: ${problem}`);
          checkText(text);
          warnOfMessage(text, `line ${number}`);
          await sendOne(client, text, stop.signal);
        } catch (error) {
          if (!(error instanceof MessageError)) throw error;
          refused++;
          complain(`client.ts: line ${number}: ${error.message}`);
        }
      }
    }
    if (!await within(client.flush(), waitMs, stop.signal)) {
      const { queued } = client.stats();
      throw new ProgramError(
        `Cannot send: ${queued} messages could not be delivered within ${waitMs / 1000} s`,
      );
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    // Whoever types ends with Ctrl+C as well as with Ctrl+D.
    isTyped = texts.length === 0 && Deno.stdin.isTerminal();
    if (isTyped) await within(client.flush(), 1000).catch(() => {});
  }
  const { sent, written, lost } = client.stats();
  const isDone = isTyped ? written === sent : texts.length > 0 && written === texts.length;
  if (stop.signal.aborted && !isDone) {
    const all = texts.length > 0 ? ` of ${texts.length}` : "";
    complain(
      written === 0
        ? "client.ts: not sent: stopped before"
        : `client.ts: not all sent: stopped after ${written}${all} messages`,
    );
    return stop.code;
  }
  if (lost > 0) throw new ProgramError(`Cannot send: ${lost} messages were cut by the end of a connection`);
  return refused > 0 ? 1 : 0;
}

/** The bus takes every JSON object. */
function checkText(text: string): void {
  const error = explainJsonText(text);
  if (error !== undefined) throw error;
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

/** Throws the signal's reason when it is aborted: a line that is cut is no line. */
async function* stdin(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = Deno.stdin.readable.getReader();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => {});
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  for (let result; !(result = await Promise.race([reader.read(), stopped])).done;) yield result.value;
}
