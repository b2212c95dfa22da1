// deno-lint-ignore-file no-console -- it is a program
/**
 * The gateway beside bare `Deno.serve` prototypes of the same, in one run on one machine: requests per second, and the time
 * until one message has reached thousands that wait. Ratios count; the absolute figures are those of the machine and the hour.
 *
 * `deno run -A bench/http.ts [--quick] [--json] [--only TEXT]`; `--only` takes the rows whose name holds the text.
 */
import { parseArgs } from "node:util";
import { MessageServer } from "../broker.ts";
import { load, requestOnce, roundTrips, Waiter } from "./http_load.ts";
import type { PostOrder } from "./http_poster.ts";
import { Pinned } from "./pinned.ts";

const MESSAGE = '{"type":"subject","subject":119}';
const FORM = `message=${encodeURIComponent(MESSAGE)}`;

interface Figure {
  readonly what: string;
  readonly unit: string;
  /** Of each round. */
  readonly ours: readonly number[];
  /** In the same rounds. */
  readonly bare: readonly number[];
  /** Ours to bare in the same round; the median. */
  readonly ratio: number;
  readonly bar: string;
  readonly holds: boolean;
}

/** A server in a process of its own. */
class Server implements AsyncDisposable {
  readonly port: number;
  readonly #process: Deno.ChildProcess;

  private constructor(process: Deno.ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  static async start(...args: readonly string[]): Promise<Server> {
    const script = new URL("./http_servers.ts", import.meta.url).pathname;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-net=127.0.0.1", "--allow-sys", script, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = process.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    return new Server(process, Number(new TextDecoder().decode(value)));
  }

  /** Of its process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Processor time so far, in seconds; `undefined` where the system does not tell. */
  cpuSeconds(): number | undefined {
    try {
      const fields = Deno.readTextFileSync(`/proc/${this.#process.pid}/stat`).split(") ")[1]!.split(" ");
      return (Number(fields[11]) + Number(fields[12])) / 100;
    } catch {
      return undefined;
    }
  }

  /** Resident memory in bytes; `undefined` where the system does not tell. */
  residentBytes(): number | undefined {
    try {
      const status = Deno.readTextFileSync(`/proc/${this.#process.pid}/status`);
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#process.stdout.cancel();
  }
}

const get = (port: number, path: string, ...headers: readonly string[]): string =>
  [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers, "", ""].join("\r\n");

const post = (port: number, path: string): string =>
  [
    `POST ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Content-Type: application/x-www-form-urlencoded",
    `Content-Length: ${FORM.length}`,
    "",
    FORM,
  ].join("\r\n");

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string", default: "" },
  },
});
const figures: Figure[] = [];
const memory: { readonly what: string; readonly ours: number; readonly bare: number }[] = [];

const poster = new Worker(import.meta.resolve("./http_poster.ts"), { type: "module" });
await using broker = new MessageServer();
const addresses = [broker.broadcastAddress, broker.receiveAddress];

const getLast = (port: number): string => get(port, "/messages");
await requests("GET last value", "constant", getLast, { bar: 0.65 });
await requests("GET, the constant with the same headers", "constantWithHeaders", getLast);
// No browser, no curl and no fetch() sends a request before it has its last answer. With four at once the network costs less and
// a header more, so this is what is left of the ratio where nothing but headers is in the way.
await requests("GET last value, 4 at once on each connection", "constant", getLast, { depth: 4 });
// A prototype that leaves the body unread is no partner: Deno closes the connection after each of its answers.
const postForm = (port: number): string => post(port, "/messages");
await requests("POST form", "reader", postForm, { bar: 0.65 });
await requests("POST, a reader with the same headers", "readerWithHeaders", postForm);

await latency(
  "POST with confirm, in the process of the broker",
  "local",
  (port) => post(port, "/messages?confirm=1"),
);
await latency("POST with confirm, beside the broker", "gateway", (port) => post(port, "/messages?confirm=1"));

const UPGRADE = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const getLongPoll = (port: number): string => get(port, "/messages/longpoll");
const SAME_ANSWER = "long-polls, beside a prototype with the same answer";
/** So many wait where the bars are held against. */
const MANY = 5000;
const FAN_OUT_BARS: Readonly<Record<string, number>> = {
  "long-polls": 1.3,
  "event streams": 1.15,
  "WebSockets": 1.1,
};
for (const number of flags.quick ? [1000] : [1000, MANY]) {
  await fanOut("long-polls", "longPoll", number, getLongPoll, true);
  await fanOut(SAME_ANSWER, "longPollWithHeaders", number, getLongPoll, true);
  await fanOut("event streams", "stream", number, (port) => get(port, "/messages/stream"), false);
  await fanOut("WebSockets", "webSocket", number, (port) => get(port, "/messages/ws", ...UPGRADE), false);
}

poster.terminate();
if (flags.json) console.log(JSON.stringify({ deno: Deno.version.deno, figures, memory }));
else print();

/**
 * Requests per second over 64 connections. The two take turns, so that a slow moment of the machine meets both. The processor time
 * of a request has no load generator in it, so the bar is held against that as well.
 */
async function requests(
  what: string,
  bareKind: string,
  request: (port: number) => string,
  { bar, depth = 1 }: { readonly bar?: number; readonly depth?: number } = {},
): Promise<void> {
  if (!what.includes(flags.only)) return;
  await using ours = await Server.start("gateway", ...addresses);
  await using bare = await Server.start(bareKind);
  await requestOnce(ours.port, post(ours.port, "/messages"));
  const rounds = flags.quick ? 3 : 7;
  const shape = { connections: 64 / depth, depth, seconds: flags.quick ? 0.5 : 1 };
  const rates: Record<"ours" | "bare", number[]> = { ours: [], bare: [] };
  const micros: Record<"ours" | "bare", number[]> = { ours: [], bare: [] };
  const ceilings: Record<"ours" | "bare", number[]> = { ours: [], bare: [] };
  for (let round = -1; round < rounds; round += 1) {
    for (const [name, server] of [["ours", ours], ["bare", bare]] as const) {
      const before = server.cpuSeconds();
      const { requests, requestsPerSecond, ceiling } = await load(server.port, request(server.port), shape);
      const after = server.cpuSeconds();
      // The first round is for the compiler to warm up.
      if (round < 0) continue;
      rates[name].push(requestsPerSecond);
      ceilings[name].push(ceiling);
      if (before !== undefined && after !== undefined) micros[name].push((after - before) / requests * 1e6);
    }
  }
  const least = bar === undefined ? undefined : [">=", bar] as const;
  const most = bar === undefined ? undefined : ["<=", Number((1 / bar).toFixed(2))] as const;
  add(what, "requests/s", rates, least);
  add(`${what}, what the load generator can do`, "requests/s", ceilings);
  if (micros.ours.length > 0) {
    add(`${what}, processor time`, "µs/request", micros, most);
  }
}

/** Median time of one request after the other on one connection, beside a prototype that reads the body; all on one processor. */
async function latency(
  what: string,
  kind: "local" | "gateway",
  request: (port: number) => string,
): Promise<void> {
  if (!what.includes(flags.only)) return;
  await using ours = await Server.start(kind, ...addresses);
  await using bare = await Server.start("reader");
  const times: Record<"ours" | "bare", number[]> = { ours: [], bare: [] };
  using _ = Pinned.together(Deno.pid, ours.pid, bare.pid);
  for (let round = -1; round < (flags.quick ? 3 : 7); round += 1) {
    for (const [name, server] of [["ours", ours], ["bare", bare]] as const) {
      const all = await roundTrips(server.port, request(server.port), 2000);
      // The first round is for the compiler to warm up.
      if (round >= 0) times[name].push(median(all));
    }
  }
  add(what, "ms", times, kind === "local" ? ["<=", 0.1, "ms"] : undefined);
}

/** Time from sending a POST until all who wait have its message; and until the POST is answered. */
async function fanOut(
  what: string,
  bareKind: string,
  number: number,
  request: (port: number) => string,
  asksAgain: boolean,
): Promise<void> {
  if (!what.includes(flags.only)) return;
  await using ours = await Server.start("gateway", ...addresses);
  await using bare = await Server.start(bareKind);
  const servers = { ours, bare };
  const all: Record<"ours" | "bare", number[]> = { ours: [], bare: [] };
  const acknowledged: Record<"ours" | "bare", number[]> = { ours: [], bare: [] };
  const bytes: Record<"ours" | "bare", number> = { ours: NaN, bare: NaN };
  const waiters: Record<"ours" | "bare", Waiter[]> = { ours: [], bare: [] };
  const again: Record<"ours" | "bare", Uint8Array> = { ours: new Uint8Array(), bare: new Uint8Array() };
  for (const name of ["ours", "bare"] as const) {
    const server = servers[name];
    const before = server.residentBytes();
    waiters[name] = await Waiter.openMany(server.port, number, request(server.port));
    await untilWaiting(server, number, name === "ours");
    const after = server.residentBytes();
    if (before !== undefined && after !== undefined) bytes[name] = (after - before) / number;
    again[name] = new TextEncoder().encode(request(server.port));
  }
  const mark = new TextEncoder().encode(asksAgain ? "119}" : '"subject":119}');
  const rounds = flags.quick ? 5 : 11;
  for (let round = -2; round < rounds; round += 1) {
    for (const name of ["ours", "bare"] as const) {
      const server = servers[name];
      const start = performance.now();
      const received = Promise.all(waiters[name].map((waiter) => waiter.receive(mark)));
      const answered = postFromThread(server.port);
      await Promise.all([received, answered]);
      // The first two rounds are for the compiler to warm up.
      if (round >= 0) {
        all[name].push(performance.now() - start);
        acknowledged[name].push(await answered);
      }
      if (!asksAgain) continue;
      for (const waiter of waiters[name]) await waiter.ask(again[name]);
      await untilWaiting(server, number, name === "ours");
    }
  }
  for (const waiter of [...waiters.ours, ...waiters.bare]) waiter[Symbol.dispose]();
  const title = `one message to ${number.toLocaleString("en")} ${what}`;
  const hasBar = number === MANY && what !== SAME_ANSWER;
  add(title, "ms", all, hasBar ? ["<=", FAN_OUT_BARS[what]!] : undefined);
  if (what === SAME_ANSWER) return;
  add(`${title}: POST answered`, "ms", acknowledged, hasBar ? ["<=", 10, "ms"] : undefined);
  memory.push({ what: `${number.toLocaleString("en")} ${what}`, ours: bytes.ours, bare: bytes.bare });
}

/** Milliseconds until the POST is answered. */
function postFromThread(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    poster.onmessage = ({ data }) => resolve(data);
    poster.onerror = ({ message }) => reject(new Error(message));
    const order: PostOrder = { port, request: post(port, "/messages") };
    poster.postMessage(order);
  });
}

async function untilWaiting(server: Server, number: number, isGateway: boolean): Promise<void> {
  const path = isGateway ? "/messages/subscribers" : "/waiting";
  const deadline = performance.now() + 30_000;
  while (true) {
    const answer = await requestOnce(server.port, get(server.port, path, "Connection: close"));
    const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
    const numbers = [...body.matchAll(/\d+/g)].map(Number);
    if (numbers.reduce((sum, next) => sum + next, 0) >= number) return;
    if (performance.now() > deadline) throw new Error(`Not all began to wait: ${body}`);
  }
}

/** A bar in a unit is one for our own figure, otherwise for the ratio. */
function add(
  what: string,
  unit: string,
  { ours, bare }: Readonly<Record<"ours" | "bare", readonly number[]>>,
  bar?: readonly [sign: "<=" | ">=", value: number, unit?: string],
): void {
  const ratio = median(ours.map((figure, round) => figure / bare[round]!));
  const measured = bar?.[2] === undefined ? ratio : median(ours);
  const holds = bar === undefined || (bar[0] === "<=" ? measured <= bar[1] : measured >= bar[1]);
  figures.push({ what, unit, ours, bare, ratio, bar: bar?.join(" ") ?? "", holds });
}

function print(): void {
  const show = (number: number) =>
    number >= 1000 ? Math.round(number).toLocaleString("en") : number.toFixed(number < 1 ? 3 : 1);
  const rows = figures.map(({ what, unit, ours, bare, ratio, bar, holds }) => [
    what,
    show(median(ours)),
    show(median(bare)),
    unit,
    ratio.toFixed(2),
    bar,
    bar === "" ? "" : holds ? "yes" : "NO",
  ]);
  const table = [["", "ours", "bare", "", "ratio", "bar", "holds"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table) {
    console.log(
      row.map((cell, column) =>
        column === 0 || column === 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
      ).join("  "),
    );
  }
  console.log("\nMemory for each of them that waits:");
  for (const { what, ours, bare } of memory) {
    console.log(`  ${what}: ${(ours / 1000).toFixed(0)} kB, bare ${(bare / 1000).toFixed(0)} kB`);
  }
}
