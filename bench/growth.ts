/**
 * How cost grows with message size, senders, subscribers, connections and queue depth: tables and a picture for
 * docs/performance.md.
 *
 * @module
 */
import { hasNatsServer, NatsServer } from "../tests/support/nats_server.ts";
import { type Broker, denoChild, LoadGenerator, startOurs, startProgram, startProxy } from "./child.ts";
import { formatTable, short } from "./figure.ts";
import type { ConnectRequest, RunResult } from "./load.ts";
import { memoryBytes } from "./process_stats.ts";
import { drawPanels, type Panel } from "./plot.ts";
import { messageText } from "./wire.ts";

/** One series of measurements, with one thing changing. */
interface Series {
  readonly title: string;
  readonly xLabel: string;
  readonly values: readonly number[];
  /** What is measured at a value. */
  load(value: number): Partial<ConnectRequest>;
  /** Subscribers that are there as well and get nothing. */
  readonly isAboutIdlers?: boolean;
  /** CPU is told for each message that is delivered, not for each that comes in. */
  readonly isPerDelivery?: boolean;
  /** Our broker only, with these options. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Our broker only, as the program that records or is joined to NATS. */
  readonly with?: "archive" | "backbone";
}

const SERIES: readonly Series[] = [
  {
    title: "Message size",
    xLabel: "bytes",
    values: [20, 50, 100, 250, 1000, 4000, 16_000, 65_536, 262_144, 1_000_000, 4_000_000, 16_000_000],
    load: (size) => ({ size }),
  },
  {
    title: "Senders",
    xLabel: "senders, 100 B, 1 subscriber",
    values: [1, 2, 4, 8, 16, 64, 256],
    load: (senders) => ({ senders }),
  },
  {
    title: "Subscribers",
    xLabel: "subscribers, 100 B, 1 sender",
    values: [1, 2, 4, 8, 16, 64, 256, 1000],
    load: (subscribers) => ({ subscribers }),
    isPerDelivery: true,
  },
  {
    title: "Idle connections",
    xLabel: "senders that say nothing beside 100 B, 1 to 1",
    values: [1, 10, 100, 500, 1000, 2000],
    load: () => ({}),
    isAboutIdlers: true,
  },
  {
    title: "Queue depth",
    xLabel: "messages under way, 1 kB, 1 to 1",
    values: [500, 2000, 8000, 32_000, 64_000, 128_000],
    load: (window) => ({ size: 1000, window }),
    options: { subscriberQueue: { messages: 1_000_000, bytes: 1024 * 1024 * 1024 } },
  },
  {
    title: "Message size, recorded",
    xLabel: "bytes, into an archive",
    values: [100, 1000, 16_000, 65_536, 262_144, 1_000_000, 4_000_000],
    load: (size) => ({ size }),
    with: "archive",
  },
  {
    title: "Subscribers, recorded",
    xLabel: "subscribers, 100 B, into an archive",
    values: [1, 4, 16, 64, 256],
    load: (subscribers) => ({ subscribers }),
    isPerDelivery: true,
    with: "archive",
  },
  {
    title: "Message size, over NATS",
    xLabel: "bytes, one order for all sites",
    values: [100, 1000, 16_000, 65_536, 262_144, 1_000_000],
    load: (size) => ({ size, window: size > 100_000 ? 8 : 500 }),
    with: "backbone",
  },
  {
    title: "Subscribers, over NATS",
    xLabel: "subscribers, 100 B, one order for all sites",
    values: [1, 4, 16, 64, 256],
    load: (subscribers) => ({ subscribers, window: 500 }),
    isPerDelivery: true,
    with: "backbone",
  },
];

/** A measured value. */
interface Point {
  readonly x: number;
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
  readonly lost: number;
  readonly peakBytes: number;
}

/** The best of them counts: other programs on the machine only ever make it slower. */
const ROUNDS = 5;
/** Messages that a client missed, and a broker that holds all of them. */
const MISSED: readonly number[] = [1000, 10_000, 100_000, 1_000_000];
const RESUMED_OPTIONS = {
  history: { messages: 1_000_000, bytes: 256 * 1024 * 1024 },
  memoryBudgetBytes: 2 * 1024 * 1024 * 1024,
  subscriberQueue: { messages: 2_000_000, bytes: 1024 * 1024 * 1024 },
};
/** A server that takes messages of every size in the series. */
const NATS = 'jetstream { store_dir: "DIR" }\nmax_payload: 17MB';
const MEASURE_MS = 500;
const WARMUP_MS = 300;
const PICTURE = new URL("../docs/performance.svg", import.meta.url);
const DOCUMENT = new URL("../docs/performance.md", import.meta.url);
/** What the bench writes stands between these two lines; the words around it are a person's. */
const BEGIN = "<!-- measured: written by deno task bench --growth -->";
const END = "<!-- end of what was measured -->";

/** Measures everything and writes both files. */
export async function measureGrowth(tell: (line: string) => void): Promise<void> {
  const tables: string[] = [];
  const panels: Panel[] = [];
  for (const series of SERIES) {
    tell(`measuring ${series.title.toLowerCase()}`);
    if (series.with === "backbone" && !hasNatsServer) {
      tell("left out: there is no nats-server");
      continue;
    }
    const ours = await measure(series, () => startOursWith(series));
    const isAlone = series.options !== undefined || series.with !== undefined;
    const proxy = isAlone ? undefined : await measure(series, startProxy);
    tables.push(tableOf(series, ours, proxy));
    const curve = (name: string, points: readonly Point[], value: (point: Point) => number) => ({
      name,
      points: points.map((point) => [point.x, value(point)] as const),
    });
    const both = (value: (point: Point) => number) => [
      curve("ours", ours, value),
      ...(proxy === undefined ? [] : [curve("zmq_proxy", proxy, value)]),
    ];
    const { title, xLabel } = series;
    panels.push(
      { title, xLabel, yLabel: "messages delivered each second", curves: both(({ perSecond }) => perSecond) },
      {
        title,
        xLabel,
        yLabel: `us of CPU for a message ${series.isPerDelivery === true ? "delivered" : "relayed"}`,
        curves: both(({ cpuMicroseconds }) => cpuMicroseconds),
      },
    );
  }
  tell("measuring what was missed");
  const resumed = await measureResumed();
  tables.push(resumedTable(resumed));
  panels.push({
    title: "What was missed",
    xLabel: "messages of 100 B that were missed",
    yLabel: "ms until a client has all of them",
    curves: [{ name: "ours", points: resumed }],
  });
  await Deno.writeTextFile(PICTURE, drawPanels(panels, 2));
  const text = await Deno.readTextFile(DOCUMENT);
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new TypeError(`docs/performance.md lacks the line ${BEGIN}`);
  const head = text.slice(0, begin + BEGIN.length);
  await Deno.writeTextFile(DOCUMENT, `${head}\n\n${tables.join("\n\n")}\n\n${text.slice(end)}`);
}

async function startOursWith({ options = {}, with: part }: Series): Promise<Broker> {
  if (part === undefined) return await startOurs(options);
  await using stack = new AsyncDisposableStack();
  const ports = ["--broadcast-port", "0", "--receive-port", "0"];
  let broker: Broker;
  if (part === "archive") {
    const folder = await Deno.makeTempDir({ dir: new URL(".", import.meta.url).pathname, prefix: "tmp-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const path = `${folder}/growth.db`;
    broker = await startProgram([...ports, "--archive", path], [
      `--allow-read=${path}`,
      `--allow-write=${path}`,
    ]);
  } else {
    const { url } = stack.use(await NatsServer.start({ config: NATS }));
    broker = await startProgram([...ports, "--backbone", url, "--bus", "growth", "--site", "here"]);
  }
  stack.use(broker);
  const rest = stack.move();
  return { ...broker, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

async function measure(series: Series, start: () => Promise<Broker>): Promise<Point[]> {
  const points: Point[] = [];
  for (const x of series.values) {
    await using generator = new LoadGenerator();
    await using broker = await start();
    if (series.isAboutIdlers === true) {
      await generator.ask({
        op: "idle",
        name: "idle",
        address: broker.receiveAddress,
        role: "PUSH",
        count: x,
        isStuck: false,
      });
    }
    await generator.ask({
      op: "connect",
      name: "load",
      receive: broker.receiveAddress,
      broadcast: broker.broadcastAddress,
      senders: 1,
      subscribers: 1,
      size: 100,
      narrow: false,
      ...series.load(x),
    });
    const results: RunResult[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const warmupMs = round === 0 ? 3 * WARMUP_MS : WARMUP_MS;
      results.push(
        await generator.ask<RunResult>({
          op: "run",
          name: "load",
          pid: broker.pid,
          warmupMs,
          ms: MEASURE_MS,
        }),
      );
    }
    const cpu = Math.min(...results.map(({ cpuMicroseconds }) => cpuMicroseconds));
    points.push({
      x,
      perSecond: Math.max(...results.map(({ deliveredPerSecond }) => deliveredPerSecond)),
      cpuMicroseconds: series.isPerDelivery === true ? cpu / x : cpu,
      lost: results.reduce((sum, { lost }) => sum + lost, 0),
      peakBytes: memoryBytes(broker.pid).peak,
    });
  }
  return points;
}

/** How long it takes a client that comes back to get what it missed: the best of some rounds, in milliseconds. */
async function measureResumed(): Promise<(readonly [missed: number, ms: number])[]> {
  const points: (readonly [number, number])[] = [];
  for (const missed of MISSED) {
    await using broker = await startOurs(RESUMED_OPTIONS);
    await using child = denoChild("resume_child.ts", [
      broker.broadcastAddress,
      broker.receiveAddress,
      `${missed}`,
      messageText(100),
    ]);
    await child.read();
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push((await child.ask({}) as { ms: number }).ms);
    points.push([missed, Math.min(...rounds)]);
  }
  return points;
}

function resumedTable(points: readonly (readonly [number, number])[]): string {
  const rows = points.map((
    [missed, ms],
  ) => [`${missed}`, ms.toPrecision(3), (1000 * ms / missed).toPrecision(3)]);
  const head = ["messages of 100 B that were missed", "ms until a client has them", "us a message"];
  return `### What was missed\n\n\`\`\`text\n${formatTable(head, rows)}\n\`\`\``;
}

function tableOf(series: Series, ours: readonly Point[], proxy: readonly Point[] | undefined): string {
  const cpu = series.isPerDelivery === true ? "CPU us a delivery" : "CPU us a message";
  const head = [series.xLabel, "ours /s", cpu, "peak MB", "lost"];
  if (proxy !== undefined) head.push("zmq_proxy /s", cpu, "lost");
  const rows = ours.map((point, i) => {
    const row = [
      `${point.x}`,
      short(point.perSecond),
      point.cpuMicroseconds.toPrecision(3),
      `${Math.round(point.peakBytes / 1e6)}`,
      `${point.lost}`,
    ];
    const other = proxy?.[i];
    if (other !== undefined) {
      row.push(short(other.perSecond), other.cpuMicroseconds.toPrecision(3), `${other.lost}`);
    }
    return row;
  });
  return `### ${series.title}\n\n\`\`\`text\n${formatTable(head, rows)}\n\`\`\``;
}
