/**
 * The clients as a program: listen and send from a terminal; `client.ts` loads it when it is run.
 *
 * @module
 */
import { type ClientOptions, PassiveMessageClient } from "../bus/clients.ts";
import { CURVE_CLIENT_FLAGS, curveClientOptions } from "./key_file.ts";
import { ConnectionError, HandshakeError, MessageError, QueueFullError } from "../base/errors.ts";
import { explainJsonText } from "../bus/json.ts";
import { assertMessage } from "../bus/messages.ts";
import {
  aborted,
  addressFlag,
  complain,
  type FlagValues,
  integerFlag,
  print,
  ProgramError,
  runProgram,
  untilSignal,
  UsageError,
} from "./command_line.ts";

const HELP = `Listens to and sends messages of the bus from a terminal.

USAGE
  deno run --allow-net=127.0.0.1 client.ts listen --broadcast ADDRESS [options]
  deno run --allow-net=127.0.0.1 client.ts send --receive ADDRESS [MESSAGE ...]
  deno run --allow-net=127.0.0.1 client.ts last --broadcast ADDRESS [options]

COMMANDS
  listen   print each message that comes, a line each
  send     send messages: JSON objects with a "type", as arguments or as lines of stdin
  last     listen for a while and print the newest message only

OPTIONS
  --broadcast ADDRESS  the broker's broadcast address, tcp://host:port, or only the port on this machine
  --receive ADDRESS    the broker's receive address, likewise
  --json               listen, last: print the messages as they are, for pipes
  --count N            listen: stop after N messages
  --wait SECONDS       send: how long to wait for the broker; last: how long to listen; 5 by default
  --server-key KEY     for a broker with keys: its public key
  --curve-secret-file F  for a broker that knows its clients by key: the file with your secret key
  --curve-library L    with --server-key: what encrypts, libsodium (the default) or noble, which is smaller
  -h, --help           print this text
  -V, --version        print the version`;

const COMMANDS: Readonly<Record<string, (values: FlagValues, rest: readonly string[]) => Promise<void>>> = {
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
      ...CURVE_CLIENT_FLAGS,
    },
    run: async (values, [command, ...rest]) => {
      if (command === undefined || !Object.hasOwn(COMMANDS, command)) {
        const found = command === undefined ? "it is missing" : `it is ${JSON.stringify(command)}`;
        throw new UsageError(`Cannot use command: ${found}, expected listen, send or last`);
      }
      try {
        await COMMANDS[command]!(values, rest);
      } catch (error) {
        if (!(error instanceof HandshakeError)) throw error;
        throw new ProgramError(`${error.message}; ${hintFor(error)}`, { cause: error });
      }
    },
  });
}

async function listen(values: FlagValues, rest: readonly string[]): Promise<void> {
  const serverBroadcast = needAddress(values, "broadcast", rest);
  const count = integerFlag(values, "count", 1, Number.MAX_SAFE_INTEGER) ?? Infinity;
  const interrupt = untilSignal();
  const done = new AbortController();
  try {
    await using client = new PassiveMessageClient({
      serverBroadcast,
      ...keys(values),
      history: { messages: 0 },
    });
    tellTrouble(client, done);
    client.addEventListener("connect", () => complain(`Listening at ${serverBroadcast}`));
    client.addEventListener("disconnect", ({ reason }) => complain(`${reason?.message}; trying again`));
    client.addEventListener(
      "messageerror",
      ({ error }) => complain(`refused (${error.code}): ${error.message}`),
    );
    client.addEventListener("message", ({ text }) => {
      if (client.count > count) return;
      print(values.json === true ? oneLine(text) : describe(text));
      if (client.count === count) done.abort();
    });
    await aborted(AbortSignal.any([interrupt.signal, done.signal]));
    throwReason(done.signal);
  } finally {
    interrupt.stop();
  }
}

async function send(values: FlagValues, messages: readonly string[]): Promise<void> {
  const serverReceive = needAddress(values, "receive", []);
  const waitMs = 1000 * (integerFlag(values, "wait", 1, 86_400) ?? 5);
  for (const text of messages) checkMessage(text);
  const interrupt = untilSignal();
  const done = new AbortController();
  try {
    await using client = new PassiveMessageClient({ serverReceive, ...keys(values), lingerMs: 0 });
    let trouble = "nobody answers";
    client.addEventListener("error", ({ message }) => trouble = message);
    const ready = within(client.ready, waitMs, [interrupt.signal, done.signal]);
    if (!await ready) {
      if (interrupt.signal.aborted) return;
      throw new ProgramError(`Cannot send: no broker within ${waitMs / 1000} s: ${trouble}`);
    }
    let refused = 0;
    if (messages.length > 0) {
      for (const text of messages) await sendOne(client, text, interrupt.signal);
    } else {
      let number = 0;
      for await (const line of linesOfStdin(interrupt.signal)) {
        number++;
        if (line.trim() === "") continue;
        try {
          checkMessage(line);
        } catch (error) {
          if (!(error instanceof MessageError)) throw error;
          refused++;
          complain(`client.ts: line ${number}: ${error.message}`);
          continue;
        }
        await sendOne(client, line, interrupt.signal);
      }
    }
    if (!await within(client.flush(), waitMs, [interrupt.signal]) && !interrupt.signal.aborted) {
      throw new ProgramError(
        `Cannot send: ${client.stats().queued} messages could not be delivered within ${waitMs / 1000} s`,
      );
    }
    const { lost } = client.stats();
    if (lost > 0) throw new ProgramError(`Cannot send: ${lost} messages were cut by the end of a connection`);
    if (refused > 0) Deno.exitCode = 1;
  } finally {
    interrupt.stop();
  }
}

async function last(values: FlagValues, rest: readonly string[]): Promise<void> {
  const serverBroadcast = needAddress(values, "broadcast", rest);
  const seconds = integerFlag(values, "wait", 1, 86_400) ?? 5;
  const interrupt = untilSignal();
  const done = new AbortController();
  try {
    await using client = new PassiveMessageClient({
      serverBroadcast,
      ...keys(values),
      history: { messages: 0 },
    });
    tellTrouble(client, done);
    const timer = setTimeout(() => done.abort(), 1000 * seconds);
    await aborted(AbortSignal.any([interrupt.signal, done.signal]));
    clearTimeout(timer);
    throwReason(done.signal);
    const [count, text] = client.getLastMessage();
    if (count === 0) throw new ProgramError(`Cannot print the last message: none came within ${seconds} s`);
    print(values.json === true ? oneLine(text) : describe(text));
  } finally {
    interrupt.stop();
  }
}

/** Trying again is of no use when the sandbox forbids it or the broker refuses us: then the program ends. */
function tellTrouble(client: PassiveMessageClient, done: AbortController): void {
  let told = "";
  client.addEventListener("error", ({ error, message }) => {
    if (isHopeless(error)) return; // `ready` rejects with it.
    if (message !== told) complain(`${message}; trying again`);
    told = message;
  });
  client.ready.catch((error) => done.abort(error));
}

/** What the person who typed the command can do. */
function hintFor({ code, message }: HandshakeError): string {
  if (code === "mechanism-mismatch") return "give --server-key exactly when the broker has a public key";
  if (/ERROR "[345]00"/.test(message)) return "the broker does not allow your key, see --curve-secret-file";
  return "is this the broker's other address?"; // By far the most frequent reason: the two look alike.
}

function isHopeless(error: unknown): boolean {
  return error instanceof HandshakeError ||
    (error instanceof ConnectionError && error.code === "permission-denied");
}

function throwReason({ reason }: AbortSignal): void {
  if (reason instanceof Error && !(reason instanceof DOMException)) throw reason;
}

function needAddress(values: FlagValues, name: "broadcast" | "receive", rest: readonly string[]): string {
  if (rest.length > 0) {
    throw new UsageError(`Cannot use argument ${JSON.stringify(rest[0])}: expected options only`);
  }
  const address = addressFlag(values, name);
  if (address === undefined) throw new UsageError(`Cannot connect: --${name} is missing`);
  return address;
}

function keys(values: FlagValues): Pick<ClientOptions, "curve"> {
  const curve = curveClientOptions(values);
  return curve === undefined ? {} : { curve };
}

function checkMessage(text: string): void {
  const error = explainJsonText(text);
  if (error !== undefined) throw error;
  assertMessage(JSON.parse(text));
}

/** When the queue is full the sender waits: a file may be longer than the queue. */
async function sendOne(client: PassiveMessageClient, text: string, signal: AbortSignal): Promise<void> {
  try {
    client.sendJsonMessage(text);
  } catch (error) {
    if (!(error instanceof QueueFullError)) throw error;
    await client.flush({ signal });
    client.sendJsonMessage(text);
  }
}

/** A line break outside of a JSON text's strings is white space, so it may be a space. */
function oneLine(text: string): string {
  return text.replaceAll(/\r\n|[\r\n]/g, " ");
}

function describe(text: string): string {
  const { type } = JSON.parse(text);
  const time = new Date().toTimeString().slice(0, 8);
  return `${time}  ${typeof type === "string" ? type : "(no type)"}  ${oneLine(text)}`;
}

/** Did it resolve in time? Rejects as the promise does. */
async function within(promise: Promise<void>, ms: number, signals: readonly AbortSignal[]): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const give = () => resolve(false);
  const timer = setTimeout(give, ms);
  for (const signal of signals) signal.addEventListener("abort", give);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener("abort", give);
  }
}

async function* linesOfStdin(signal: AbortSignal): AsyncGenerator<string> {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).getReader();
  signal.addEventListener("abort", () => void lines.cancel().catch(() => {}), { once: true });
  let rest = "";
  for (let result; !(result = await lines.read()).done;) {
    const parts = (rest + result.value).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest !== "") yield rest;
}
