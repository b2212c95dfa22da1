/**
 * The rows of the bench: each starts what it needs, measures ours and the peer in turn, and ends what it started.
 *
 * @module
 */
import { measureLibzmqEnds } from "./ends.ts";
import { measureFlood } from "./flood.ts";
import { fileURLToPath } from "node:url";
import {
  type Broker,
  denoChild,
  LoadGenerator,
  nodeChild,
  startOriginal,
  startOurs,
  startOursOnLibzmq,
  startOursWithCurve,
  startPipe,
  startProxy,
  startProxyWithCurve,
} from "./child.ts";
import { measureBackbone } from "./backbone.ts";
import { measureRecordedMillion } from "./recorded_million.ts";
import { type Figure, figure } from "./figure.ts";
import type { ConnectRequest, CountResult, EndResult, LatencyResult, RunResult } from "./load.ts";
import { measurePauses } from "./pauses.ts";
import {
  measureLargeArchive,
  measureRecordingCalm,
  measureRecordingFile,
  measureRecordingFlood,
  measureReplay,
} from "./recording.ts";
import { cpuSeconds, memoryBytes, putOnProcessor } from "./process_stats.ts";
import { messageText } from "./wire.ts";

/** How long to look. */
export interface Effort {
  /** Times that each side is measured. */
  readonly rounds: number;
  /** Milliseconds of one measurement. */
  readonly ms: number;
  /** Milliseconds before it. */
  readonly warmupMs: number;
  /** Milliseconds before the first one: the compiler has to have seen everything. */
  readonly firstWarmupMs: number;
  /** Only what the bars need. */
  readonly isQuick: boolean;
}

/** Some rows that are measured together. */
export interface RowGroup {
  readonly name: string;
  /** Is it part of a quick run? */
  readonly isQuick: boolean;
  measure(effort: Effort): Promise<Figure[]>;
}

/** What the load on a broker looks like. */
interface Load {
  readonly size: number;
  readonly senders?: number;
  readonly subscribers?: number;
  readonly narrow?: boolean;
}

const PROXY = "zmq_proxy";

/** All rows, in the order of the table. */
export const ROW_GROUPS: readonly RowGroup[] = [
  relayRow("1to1-20B", { size: 20 }),
  relayRow("1to1-100B", { size: 100 }, true),
  relayRow("1to1-1kB", { size: 1000 }),
  relayRow("1to1-64kB", { size: 65_536 }),
  relayRow("1to1-1MB", { size: 1_000_000 }),
  relayRow("8to1-100B", { size: 100, senders: 8 }),
  relayRow("1to16-100B", { size: 100, subscribers: 16 }, true),
  relayRow("1to256-100B", { size: 100, subscribers: 256 }),
  relayRow("8to16-1kB", { size: 1000, senders: 8, subscribers: 16 }),
  relayRow("narrow-1to1-100B", { size: 100, narrow: true }),
  relayRow("narrow-1to16-100B", { size: 100, subscribers: 16, narrow: true }),
  { name: "original-100B", isQuick: true, measure: measureOriginal },
  { name: "round-trip", isQuick: true, measure: measureRoundTrip },
  clientRow("send", "text", true),
  clientRow("send", "object", false),
  clientRow("receive", "text", true),
  clientRow("receive", "object", false),
  { name: "curve-100B", isQuick: true, measure: measureCurve },
  { name: "libzmq-ends", isQuick: true, measure: measureLibzmqEnds },
  { name: "mixed-load", isQuick: false, measure: measurePauses },
  { name: "flood", isQuick: false, measure: measureFlood },
  { name: "resume-100k", isQuick: true, measure: measureResume },
  { name: "recording-file", isQuick: true, measure: measureRecordingFile },
  { name: "recording-flood", isQuick: false, measure: (effort) => measureRecordingFlood(effort, compare) },
  { name: "recorded-million", isQuick: false, measure: measureRecordedMillion },
  { name: "recording-calm", isQuick: false, measure: measureRecordingCalm },
  { name: "replay", isQuick: false, measure: measureReplay },
  { name: "archive-10M", isQuick: false, measure: measureLargeArchive },
  { name: "backbone", isQuick: false, measure: measureBackbone },
  { name: "start", isQuick: true, measure: measureStart },
  { name: "idle-subscriber", isQuick: true, measure: measureIdleSubscribers },
  { name: "stuck-subscriber", isQuick: false, measure: measureStuckSubscriber },
  { name: "ceiling", isQuick: true, measure: measureCeiling },
];

type Start = () => Promise<Broker>;

/** Measures two brokers, or one, in turn. Which of them is first changes from round to round. */
async function compare(
  starts: readonly Start[],
  load: Load,
  effort: Effort,
): Promise<RunResult[][]> {
  await using generator = new LoadGenerator();
  await using stack = new AsyncDisposableStack();
  const brokers: Broker[] = [];
  for (const [i, start] of starts.entries()) {
    const broker = stack.use(await start());
    brokers.push(broker);
    await generator.ask(connectRequest(`${i}`, broker, load));
  }
  const results: RunResult[][] = starts.map(() => []);
  for (let round = -1; round < effort.rounds; round++) {
    const order = round % 2 === 0 ? [...brokers.keys()] : [...brokers.keys()].reverse();
    for (const i of order) {
      const result = await generator.ask<RunResult>({
        op: "run",
        name: `${i}`,
        pid: brokers[i]!.pid,
        warmupMs: round < 0 ? effort.firstWarmupMs : effort.warmupMs,
        ms: round < 0 ? 1 : effort.ms,
      });
      if (round >= 0) results[i]!.push(result);
    }
  }
  return results;
}

function connectRequest(name: string, broker: Broker, load: Load): ConnectRequest {
  return {
    op: "connect",
    name,
    receive: broker.receiveAddress,
    broadcast: broker.broadcastAddress,
    senders: load.senders ?? 1,
    subscribers: load.subscribers ?? 1,
    size: load.size,
    narrow: load.narrow ?? false,
    serverKey: broker.publicKey,
  };
}

function relayRow(name: string, load: Load, isQuick = false): RowGroup {
  return {
    name,
    isQuick,
    measure: async (effort) => {
      const starts = [() => startOurs(), startProxy, ...(effort.isQuick ? [] : [startOursOnLibzmq])];
      const [ours, peer, libzmq] = await compare(starts, load, effort);
      return relayFigures(name, describe(load), { ours: ours!, peer: peer!, peerName: PROXY, libzmq });
    },
  };
}

function relayFigures(
  name: string,
  what: string,
  { ours, peer, peerName, libzmq }: {
    ours: RunResult[];
    peer: RunResult[];
    peerName: string;
    libzmq?: RunResult[] | undefined;
  },
): Figure[] {
  const note = lossNote(ours, peer, libzmq);
  return [
    figure({
      name,
      what: `${what}, delivered`,
      unit: "/s",
      ours: ours.map(({ deliveredPerSecond }) => deliveredPerSecond),
      peer: peer.map(({ deliveredPerSecond }) => deliveredPerSecond),
      peerName,
      libzmq: libzmq?.map(({ deliveredPerSecond }) => deliveredPerSecond),
      isMoreBetter: true,
      note,
    }),
    figure({
      name: `${name}-cpu`,
      what: `${what}, CPU a message`,
      unit: " us",
      ours: ours.map(({ cpuMicroseconds }) => cpuMicroseconds),
      peer: peer.map(({ cpuMicroseconds }) => cpuMicroseconds),
      peerName,
      libzmq: libzmq?.map(({ cpuMicroseconds }) => cpuMicroseconds),
      isMoreBetter: false,
      note,
    }),
  ];
}

function describe({ size, senders = 1, subscribers = 1, narrow = false }: Load): string {
  const bytes = size >= 1_000_000 ? "1 MB" : size >= 65_536 ? "64 KiB" : `${size} B`;
  return `${bytes}, ${senders} to ${subscribers}${narrow ? ", every other one matches a topic" : ""}`;
}

function lossNote(
  ours: readonly RunResult[],
  peer: readonly RunResult[],
  libzmq: readonly RunResult[] = [],
): string {
  const lost = (results: readonly RunResult[]) => results.reduce((sum, result) => sum + result.lost, 0);
  const parts = [];
  if (lost(ours) > 0) parts.push(`ours lost ${lost(ours)} messages`);
  if (lost(peer) > 0) parts.push(`the peer lost ${lost(peer)} messages`);
  if (lost(libzmq) > 0) parts.push(`ours on libzmq lost ${lost(libzmq)} messages`);
  return parts.join(", ");
}

async function measureOriginal(effort: Effort): Promise<Figure[]> {
  const [ours, peer] = await compare([() => startOurs(), startOriginal], { size: 100 }, effort) as [
    RunResult[],
    RunResult[],
  ];
  return relayFigures("original-100B", "100 B, 1 to 1", {
    ours,
    peer,
    peerName: "receive-parse-send loop, zeromq.js",
  });
}

/** The same load through a relay that looks at nothing: what generator, sockets and Deno can do together. */
async function measureCeiling(effort: Effort): Promise<Figure[]> {
  const figures: Figure[] = [];
  const loads = [{ size: 100 }, { size: 1000 }, { size: 65_536 }, { size: 100, subscribers: 16 }];
  for (const load of effort.isQuick ? loads.slice(0, 1) : loads) {
    const [ours, pipe] = await compare([() => startOurs(), startPipe], load, {
      ...effort,
      rounds: Math.min(3, effort.rounds),
    }) as [RunResult[], RunResult[]];
    figures.push(figure({
      name: `ceiling-${load.size}B-1to${load.subscribers ?? 1}`,
      what: `${describe(load)}, delivered, by a pipe that looks at nothing`,
      unit: "/s",
      ours: ours.map(({ deliveredPerSecond }) => deliveredPerSecond),
      peer: pipe.map(({ deliveredPerSecond }) => deliveredPerSecond),
      peerName: "pipe",
      isMoreBetter: true,
      note: `the load generator used ${
        median(ours.map(({ loadCores }) => loadCores)).toFixed(2)
      } cores, with the pipe ${median(pipe.map(({ loadCores }) => loadCores)).toFixed(2)}`,
    }));
  }
  return figures;
}

/**
 * Once with everything on one processor, where only work counts, and once with the brokers on another one than who waits for them, which has
 * to be woken for each message. Left alone, a system puts them there or there as it likes, each broker by itself: so the ratio was
 * anything from 0.35 to 1.1, in steps.
 */
async function measureRoundTrip(effort: Effort): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [name, where, [ofLoad, ofBrokers]] of PLACEMENTS) {
    await using generator = new LoadGenerator();
    await using ours = await startOurs();
    await using proxy = await startProxy();
    const brokers = { ours, proxy };
    for (const [name, broker] of Object.entries(brokers)) {
      await generator.ask({ ...connectRequest(name, broker, { size: 100 }), forRoundTrips: true });
      await putOnProcessor(broker.pid, ofBrokers);
    }
    const isPut = await putOnProcessor(generator.pid, ofLoad);
    const result = await generator.ask<LatencyResult>({
      op: "latency",
      names: Object.keys(brokers),
      rounds: Math.max(7, effort.rounds),
      perRound: effort.isQuick ? 500 : 2000,
    });
    for (const quantile of ["p50", "p99"] as const) {
      figures.push(figure({
        name: `${name}-${quantile}`,
        what: `round trip of 100 B${isPut ? where : ""}, ${quantile}`,
        unit: " us",
        ours: result["ours"]![quantile],
        peer: result["proxy"]![quantile],
        peerName: PROXY,
        isMoreBetter: false,
      }));
    }
    if (!isPut) break; // Where everything is, is not ours to say.
  }
  return figures;
}

/** Processors for the load generator and for the brokers. */
const PLACEMENTS = [
  ["round-trip", ", all on one processor", [1, 1]],
  ["round-trip-apart", ", brokers on a processor of their own", [0, 1]],
] as const;

/** Messages of one round, sealed beforehand: what the generator can prepare in a second or two. */
const SEALED_MESSAGES = 150_000;

async function measureCurve(effort: Effort): Promise<Figure[]> {
  await using generator = new LoadGenerator();
  await using ours = await startOursWithCurve();
  await using proxy = await startProxyWithCurve();
  const brokers = [ours, proxy];
  for (const [i, broker] of brokers.entries()) {
    await generator.ask(connectRequest(`${i}`, broker, { size: 100 }));
  }
  const results: RunResult[][] = brokers.map(() => []);
  for (let round = -1; round < effort.rounds; round++) {
    for (const [i, { pid }] of brokers.entries()) {
      const result = await generator.ask<RunResult>({
        op: "run sealed",
        name: `${i}`,
        pid,
        messages: effort.isQuick ? SEALED_MESSAGES / 3 : SEALED_MESSAGES,
      });
      if (round >= 0) results[i]!.push(result);
    }
  }
  return relayFigures("curve-100B", "CURVE, 100 B, 1 to 1", {
    ours: results[0]!,
    peer: results[1]!,
    peerName: `${PROXY} with CURVE`,
  });
}

function clientRow(what: "send" | "receive", kind: "text" | "object", isQuick: boolean): RowGroup {
  const name = `client-${what}-${kind}`;
  return { name, isQuick, measure: (effort) => measureClient(name, [what, kind], effort) };
}

async function measureClient(
  name: string,
  [what, kind]: readonly ["send" | "receive", "text" | "object"],
  effort: Effort,
): Promise<Figure[]> {
  await using generator = new LoadGenerator();
  const rates: number[][] = [[], []];
  const cpu: number[][] = [[], []];
  // One at a time, each at a broker of its own that takes, or gives, as fast as it can.
  for (let round = 0; round < effort.rounds; round++) {
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const { address } = await generator.ask<EndResult>({
        op: what === "send" ? "sink" : "source",
        name: "end",
        size: 100,
      });
      const args = [what, kind, address, messageText(100)];
      await using child = i === 0
        ? denoChild("client_child.ts", args)
        : await nodeChild("zmq_client.mjs", args);
      await child.read();
      const count = () =>
        what === "send"
          ? generator.ask<CountResult>({ op: "count", name: "end" })
          : child.ask({}) as Promise<CountResult>;
      await pause(effort.warmupMs + 0.5 * effort.firstWarmupMs);
      const [before, cpuBefore] = [await count(), cpuSeconds(child.pid)];
      await pause(effort.ms);
      const [after, cpuAfter] = [await count(), cpuSeconds(child.pid)];
      const messages = after.count - before.count;
      rates[i]!.push(messages / (after.now - before.now) * 1000);
      cpu[i]!.push((cpuAfter - cpuBefore) * 1e6 / messages);
      await generator.ask({ op: "close", name: "end" });
    }
  }
  const common = { peerName: "zeromq.js, Node" };
  return [
    figure({
      ...common,
      name,
      what: `client, 100 B, ${what} ${kind}s`,
      unit: "/s",
      ours: rates[0]!,
      peer: rates[1]!,
      isMoreBetter: true,
    }),
    figure({
      ...common,
      name: `${name}-cpu`,
      what: `client, 100 B, ${what} ${kind}s, CPU a message`,
      unit: " us",
      ours: cpu[0]!,
      peer: cpu[1]!,
      isMoreBetter: false,
    }),
  ];
}

/** As many as a broker holds, unless told otherwise. */
const HELD_MESSAGES = 100_000;

async function measureResume(effort: Effort): Promise<Figure[]> {
  await using broker = await startOurs();
  await using child = denoChild("resume_child.ts", [
    broker.broadcastAddress,
    broker.receiveAddress,
    `${HELD_MESSAGES}`,
    messageText(100),
  ]);
  await child.read();
  const ours: number[] = [];
  for (let round = -1; round < Math.max(5, effort.rounds); round++) {
    const { ms } = await child.ask({}) as { ms: number };
    if (round >= 0) ours.push(ms);
  }
  return [figure({
    name: "resume-100k",
    what: "a client comes back and gets 100,000 missed messages of 100 B",
    unit: " ms",
    ours,
    isMoreBetter: false,
  })];
}

async function measureStart(effort: Effort): Promise<Figure[]> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/empty.ts`, "export {};\n");
  const source = fileURLToPath(new URL("../broker.ts", import.meta.url));
  const bundle = ["bundle", "--quiet", "--code-splitting", `--outdir=${folder}`, source];
  const { success } = await new Deno.Command(Deno.execPath(), { args: bundle, stderr: "null" }).output();
  const programs = [
    { name: "start", what: "start of the broker", path: source },
    ...(success ? [{ name: "start-bundled", what: "the same, bundled", path: `${folder}/broker.js` }] : []),
  ].map((program) => ({ ...program, ours: [] as number[] }));
  const empty: number[] = [];
  const runs = (effort.isQuick ? 3 : 5) * effort.rounds;
  for (let run = -2; run < runs; run++) {
    const times = [];
    for (const { path } of programs) times.push(await timeOfStart(path));
    const emptyStart = performance.now();
    await new Deno.Command(Deno.execPath(), { args: ["run", `${folder}/empty.ts`], stdin: "null" }).output();
    const ended = performance.now() - emptyStart;
    if (run < 0) continue; // The caches have to be warm.
    for (const [i, ms] of times.entries()) programs[i]!.ours.push(ms);
    empty.push(ended);
  }
  await Deno.remove(folder, { recursive: true });
  return programs.map(({ name, what, ours }) =>
    figure({
      name,
      what: `${what}, until it has printed its addresses`,
      unit: " ms",
      ours,
      peer: empty,
      peerName: "empty module, until it has ended",
      isMoreBetter: false,
    })
  );
}

/** Milliseconds until a broker has printed its addresses. */
async function timeOfStart(path: string): Promise<number> {
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net=127.0.0.1", "--no-prompt", path],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  await untilPrinted(child.stdout, ["broadcast address", "receive address"]);
  const started = performance.now() - start;
  child.kill("SIGTERM");
  await child.status;
  return started;
}

/** Resolves when all the texts have come. */
async function untilPrinted(
  output: ReadableStream<Uint8Array<ArrayBuffer>>,
  texts: readonly string[],
): Promise<void> {
  let printed = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    printed += text;
    if (texts.every((wanted) => printed.includes(wanted))) return;
  }
  throw new Error(`the broker ended; it had printed ${JSON.stringify(printed)}`);
}

const IDLE_SUBSCRIBERS = 1000;

async function measureIdleSubscribers(): Promise<Figure[]> {
  await using generator = new LoadGenerator();
  const each: number[][] = [];
  for (const start of [() => startOurs(), startProxy]) {
    await using broker = await start();
    const connect = (name: string, count: number) =>
      generator.ask({
        op: "idle",
        name,
        address: broker.broadcastAddress,
        role: "SUB",
        count,
        isStuck: false,
      });
    await connect("first", 20);
    await pause(500);
    const before = memoryBytes(broker.pid).now;
    await connect("idle", IDLE_SUBSCRIBERS);
    await pause(1500);
    each.push([(memoryBytes(broker.pid).now - before) / IDLE_SUBSCRIBERS / 1024]);
    await generator.ask({ op: "close", name: "idle" });
    await generator.ask({ op: "close", name: "first" });
  }
  return [figure({
    name: "idle-subscriber",
    what: `memory of an idle subscriber, one of ${IDLE_SUBSCRIBERS}`,
    unit: " kB",
    ours: each[0]!,
    peer: each[1]!,
    peerName: PROXY,
    isMoreBetter: false,
  })];
}

async function measureStuckSubscriber(effort: Effort): Promise<Figure[]> {
  await using generator = new LoadGenerator();
  await using broker = await startOurs();
  const load = { size: 1000 };
  await generator.ask(connectRequest("live", broker, load));
  const run = (ms: number) =>
    generator.ask<RunResult>({ op: "run", name: "live", pid: broker.pid, warmupMs: 0, ms });
  await run(effort.ms);
  const before = memoryBytes(broker.pid).peak;
  await generator.ask({
    op: "idle",
    name: "stuck",
    address: broker.broadcastAddress,
    role: "SUB",
    count: 1,
    isStuck: true,
  });
  const first = await run(2 * effort.ms);
  const once = memoryBytes(broker.pid).peak;
  const second = await run(6 * effort.ms);
  const later = memoryBytes(broker.pid).peak;
  const note = first.lost + second.lost > 0 ? `the other one lost ${first.lost + second.lost} messages` : "";
  return [
    figure({
      name: "stuck-subscriber",
      what: "memory because of a subscriber that never reads, 1 kB messages, queue of 64 MiB",
      unit: " MB",
      ours: [(later - before) / 1e6],
      isMoreBetter: false,
      note,
    }),
    figure({
      name: "stuck-subscriber-growth",
      what: "the same after four times the load, to what it was after the first part",
      unit: "",
      ours: [later / once],
      isMoreBetter: false,
      note,
    }),
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
