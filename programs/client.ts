/**
 * The clients as a program: listen and send from a terminal; `client.ts` loads it when it is run.
 *
 * @module
 */
import { type ClientOptions, PassiveMessageClient } from "../bus/clients.ts";
import { CURVE_CLIENT_FLAGS, CURVE_CLIENT_HELP, curveClientOptions } from "./key_file.ts";
import { MessageError, QueueFullError } from "../base/errors.ts";
import { explainJsonText } from "../bus/intake.ts";
import { assertMessage } from "../bus/messages.ts";
import { quote } from "../base/quote.ts";
import { within } from "../base/waits.ts";
import {
  addressFlag,
  type FlagValues,
  integerFlag,
  ProgramError,
  runProgram,
  UsageError,
} from "./command_line.ts";
import { gapText, tellTrouble, withHint } from "./client_notes.ts";
import { inputLines } from "./input_lines.ts";
import { complain, print, startStamps, untilReaderGone } from "./log.ts";
import { aborted, type Stop } from "./stop.ts";

const HELP = `Listens to and sends messages of the bus from a terminal.

USAGE
  deno run --allow-net=127.0.0.1 client.ts listen --broadcast ADDRESS [options]
  deno run --allow-net=127.0.0.1 client.ts send --receive ADDRESS [MESSAGE ...]
  deno run --allow-net=127.0.0.1 client.ts last --broadcast ADDRESS [options]

COMMANDS
  listen   print each message that comes, a line each
  send     send messages: JSON objects, as arguments or as lines of stdin
  last     listen for a while and print the newest message only

OPTIONS
  --broadcast ADDRESS  the broker's broadcast address, tcp://host:port, or only the port on this machine
  --receive ADDRESS    the broker's receive address, likewise
  --json               listen, last: print the messages as they are, for pipes
  --count N            listen: stop after N messages
  --since earliest     listen: begin with all that the broker still holds
  --heartbeat SECONDS  listen: how often to make sure that the broker is still there; 15 by default, 0 for never
  --wait SECONDS       send: how long to wait for the broker; last: how long to listen; 5 by default
${CURVE_CLIENT_HELP}
  -h, --help           print this text
  -V, --version        print the version`;

type Command = (values: FlagValues, rest: readonly string[], stop: Stop) => Promise<number | void>;

const COMMANDS: Readonly<Record<string, Command>> = {
  listen,
  send,
  last,
};

/** Runs `listen`, `send` or `last`. */
export function runClient(): Promise<void> {
  return runProgram({
    name: "client.ts",
    help: HELP,
    flags: {
      broadcast: { type: "string" },
      receive: { type: "string" },
      json: { type: "boolean" },
      count: { type: "string" },
      wait: { type: "string" },
      heartbeat: { type: "string" },
      since: { type: "string" },
      ...CURVE_CLIENT_FLAGS,
    },
    run: async (values, [command, ...rest], stop) => {
      if (command === undefined || !Object.hasOwn(COMMANDS, command)) {
        const found = command === undefined ? "it is missing" : `it is ${quote(command)}`;
        throw new UsageError(`Cannot use command: ${found}, expected listen, send or last`);
      }
      try {
        return await COMMANDS[command]!(values, rest, stop);
      } catch (error) {
        throw withHint(error);
      }
    },
  });
}

async function listen(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  const serverBroadcast = needAddress(values, "broadcast", rest);
  const count = integerFlag(values, "count", 1, Number.MAX_SAFE_INTEGER) ?? Infinity;
  const heartbeatMs = 1000 * (integerFlag(values, "heartbeat", 0, 86_400) ?? 15);
  const done = new AbortController();
  await using client = new PassiveMessageClient({
    name: "client.ts listen",
    serverBroadcast,
    heartbeatMs,
    ...(typeof values.since === "string" ? { since: values.since } : {}),
    ...keys(values),
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

async function send(values: FlagValues, texts: readonly string[], stop: Stop): Promise<number> {
  const serverReceive = needAddress(values, "receive", []);
  const waitMs = 1000 * (integerFlag(values, "wait", 1, 86_400) ?? 5);
  for (const text of texts) checkText(text);
  await using client = new PassiveMessageClient({
    name: "client.ts send",
    serverReceive,
    ...keys(values),
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

async function last(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  const serverBroadcast = needAddress(values, "broadcast", rest);
  const seconds = integerFlag(values, "wait", 1, 86_400) ?? 5;
  const done = new AbortController();
  await using client = new PassiveMessageClient({
    name: "client.ts last",
    serverBroadcast,
    ...keys(values),
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

function throwReason({ reason }: AbortSignal): void {
  if (reason instanceof Error && !(reason instanceof DOMException)) throw reason;
}

function needAddress(values: FlagValues, name: "broadcast" | "receive", rest: readonly string[]): string {
  if (rest.length > 0) {
    throw new UsageError(`Cannot use argument ${quote(rest[0]!)}: expected options only`);
  }
  const address = addressFlag(values, name);
  if (address === undefined) throw new UsageError(`Cannot connect: --${name} is missing`);
  return address;
}

function keys(values: FlagValues): Pick<ClientOptions, "curve"> {
  const curve = curveClientOptions(values);
  return curve === undefined ? {} : { curve };
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

/** A line break or a tab outside of a JSON text's strings is white space, so it may be a space. */
function oneLine(text: string): string {
  return text.replace(/\r\n|[\r\n\t]/g, " ");
}

function describe(text: string): string {
  const { type } = JSON.parse(text);
  const time = new Date().toTimeString().slice(0, 8);
  return `${time}  ${typeof type === "string" ? type : "(no type)"}  ${oneLine(text)}`;
}

/** Throws the signal's reason when it is aborted: a line that is cut is no line. */
async function* stdin(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = Deno.stdin.readable.getReader();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => {});
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  for (let result; !(result = await Promise.race([reader.read(), stopped])).done;) yield result.value;
}
