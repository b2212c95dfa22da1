/**
 * Recording and replay: how fast the file is written, beside a row for each message in SQLite and lines in a file; what it costs a broker;
 * how late a replay is; and how long a recording of ten million messages takes to be opened and searched.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { Archive, type Recorder } from "../archive/mod.ts";
import { MessageServer } from "../broker.ts";
import { Feed } from "../bus/feed.ts";
import { makeEpoch } from "../bus/place.ts";
import { PassiveMessageClient } from "../client.ts";
import { type Broker, LoadGenerator, startProgram } from "./child.ts";
import { type Figure, figure } from "./figure.ts";
import type { LatencyResult, RunResult } from "./load.ts";
import type { Effort } from "./rows.ts";
import { messageText } from "./wire.ts";

const encoder = new TextEncoder();

/** A folder of its own on the disk, not in memory. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ dir: new URL(".", import.meta.url).pathname, prefix: "tmp-" });
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Different texts of about a hundred bytes, as one read brings them: half of a kind that changes much, half random. */
function reads(count: number, first = 0): { readonly texts: string[]; readonly bytes: Uint8Array }[] {
  const found: { readonly texts: string[]; readonly bytes: Uint8Array }[] = [];
  for (let i = 0; i < count; i += 500) {
    const texts = Array.from({ length: Math.min(500, count - i) }, (_, j) => {
      const n = first + i + j;
      return n % 2 === 0
        ? `{"type":"cursor","x":${Math.random()},"y":${Math.random()},"n":${n},"view":"overview of all"}`
        : `{"type":"subject","subject":${
          n % 977
        },"by":"${crypto.randomUUID()}","note":"the same words each time"}`;
    });
    const parts = texts.map((text) => encoder.encode(text));
    const bytes = new Uint8Array(parts.reduce((size, { length }) => size + length + 2, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set([0, part.length], at);
      bytes.set(part, at + 2);
      at += part.length + 2;
    }
    found.push({ texts, bytes });
  }
  return found;
}

function feedOf(recorder: Recorder): Feed {
  return new Feed({ limit: { messages: 0, bytes: 0 }, epoch: makeEpoch(), recorder });
}

/** Gives reads to a recorder, as fast as the file is written: never more than half of its buffer waits. */
async function record(recorder: Recorder, feed: Feed, all: ReturnType<typeof reads>): Promise<void> {
  for (const { texts, bytes } of all) {
    feed.append(bytes, 0, bytes.length, texts.length, Date.now(), performance.now());
    if (recorder.stats().waitingBytes > 32 * 1024 * 1024) await recorder.flushed();
  }
  await recorder.flushed();
}

/** The row: ours beside two simpler ways, in turn. */
export async function measureRecordingFile({ rounds, isQuick }: Effort): Promise<Figure[]> {
  const count = isQuick ? 200_000 : 1_000_000;
  const [ours, rows, lines]: number[][] = [[], [], []];
  const sizes: number[] = [0, 0, 0];
  await inFolder(async (folder) => {
    for (let round = 0; round < Math.min(3, rounds); round++) {
      const all = reads(count);
      const timed = async (into: number[], path: string, which: number, work: () => Promise<void> | void) => {
        const began = performance.now();
        await work();
        into.push(count / (performance.now() - began) * 1000);
        sizes[which] = (await Deno.stat(path)).size / count;
      };
      const path = `${folder}/ours${round}.db`;
      await timed(ours!, path, 0, async () => {
        await using archive = await Archive.open(path);
        await using recorder = await archive.record();
        await record(recorder, feedOf(recorder), all);
      });
      await timed(rows!, `${folder}/rows${round}.db`, 1, () => writeRows(`${folder}/rows${round}.db`, all));
      await timed(lines!, `${folder}/lines${round}`, 2, () => writeLines(`${folder}/lines${round}`, all));
    }
  });
  const size = (which: number) => `${sizes[which]!.toFixed(0)} bytes a message`;
  const common = { unit: "/s", isMoreBetter: true, ours: ours! };
  return [
    figure({
      ...common,
      name: "recording-file-rows",
      what: `${count / 1e6} M messages of 100 B into a file, beside a row each`,
      peer: rows!,
      peerName: "SQLite",
      note: `ours ${size(0)}, rows ${size(1)}`,
    }),
    figure({
      ...common,
      name: "recording-file-lines",
      what: "the same, beside lines of text",
      peer: lines!,
      peerName: "NDJSON",
      note: `lines ${size(2)}; they can neither be searched nor checked`,
    }),
  ];
}

/** A row for each message, a thousand in a transaction. */
function writeRows(path: string, all: ReturnType<typeof reads>): void {
  const db = new DatabaseSync(path);
  db.exec("pragma journal_mode = wal; pragma synchronous = normal");
  db.exec("create table message(seq integer primary key, time integer, type text, text text)");
  const insert = db.prepare("insert into message(time, type, text) values (?, ?, ?)");
  for (let i = 0; i < all.length; i += 2) {
    db.exec("begin");
    for (const { texts } of all.slice(i, i + 2)) {
      for (const text of texts) {
        insert.run(Date.now(), text.startsWith('{"type":"c') ? "cursor" : "subject", text);
      }
    }
    db.exec("commit");
  }
  db.close();
}

function writeLines(path: string, all: ReturnType<typeof reads>): void {
  using file = Deno.openSync(path, { write: true, create: true });
  for (const { texts } of all) {
    const time = Date.now();
    file.writeSync(encoder.encode(texts.map((text) => `{"time":${time},"message":${text}}\n`).join("")));
  }
  file.syncDataSync();
}

/** A broker that records, or does not. */
async function startBroker(folder: string, isRecording: boolean, name: string): Promise<Broker> {
  const ports = ["--broadcast-port", "0", "--receive-port", "0"];
  if (!isRecording) return await startProgram(ports);
  const path = `${folder}/${name}.db`;
  return await startProgram([...ports, "--archive", path], [`--allow-read=${path}`, `--allow-write=${path}`]);
}

/** Measures brokers in turn, under the same load. */
export type Compare = (
  starts: readonly (() => Promise<Broker>)[],
  load: { readonly size: number },
  effort: Effort,
) => Promise<readonly (readonly RunResult[])[]>;

/** The row: full speed through a broker that records, beside one that does not. */
export async function measureRecordingFlood(effort: Effort, compare: Compare): Promise<Figure[]> {
  return await inFolder(async (folder) => {
    const starts = [true, false].map((isRecording) => () => startBroker(folder, isRecording, "flood"));
    const [recorded, plain] = await compare(starts, { size: 100 }, effort);
    await using archive = await Archive.open(`${folder}/flood.db`, { readOnly: true });
    const { messages, lost } = await archive.session(1);
    const common = { peerName: "without", note: `${messages} in the file, ${lost} lost to it` };
    return [
      figure({
        ...common,
        name: "recording-flood",
        what: "1 to 1, 100 B, at full speed, recorded",
        unit: "/s",
        ours: recorded!.map(({ relayedPerSecond }) => relayedPerSecond),
        peer: plain!.map(({ relayedPerSecond }) => relayedPerSecond),
        isMoreBetter: true,
      }),
      figure({
        ...common,
        name: "recording-flood-cpu",
        what: "the same, processor time",
        unit: " us",
        ours: recorded!.map(({ cpuMicroseconds }) => cpuMicroseconds),
        peer: plain!.map(({ cpuMicroseconds }) => cpuMicroseconds),
        isMoreBetter: false,
      }),
    ];
  });
}

/** The row: round trips while 20,000 messages a second pass, with and without an archive. */
export async function measureRecordingCalm({ rounds, isQuick }: Effort): Promise<Figure[]> {
  return await inFolder(async (folder) => {
    await using generator = new LoadGenerator();
    await using recording = await startBroker(folder, true, "calm");
    await using without = await startBroker(folder, false, "calm");
    await using stack = new AsyncDisposableStack();
    const clients: PassiveMessageClient[] = [];
    for (const [name, broker] of Object.entries({ recording, without })) {
      await generator.ask({
        op: "connect",
        name,
        receive: broker.receiveAddress,
        broadcast: broker.broadcastAddress,
        senders: 1,
        subscribers: 1,
        size: 100,
        narrow: false,
        serverKey: undefined,
        forRoundTrips: true,
      });
      clients.push(stack.use(new PassiveMessageClient({ serverReceive: broker.receiveAddress })));
    }
    await Promise.all(clients.map(({ ready }) => ready));
    const text = messageText(100);
    const timer = setInterval(() => {
      for (const client of clients) for (let i = 0; i < 200; i++) client.sendJsonMessage(text);
    }, 10);
    const result = await generator.ask<LatencyResult>({
      op: "latency",
      names: ["recording", "without"],
      rounds: Math.max(5, rounds),
      perRound: isQuick ? 500 : 2000,
    });
    clearInterval(timer);
    return (["p50", "p99"] as const).map((quantile) =>
      figure({
        name: `recording-calm-${quantile}`,
        what: `round trip at 20,000/s, recorded, ${quantile}`,
        unit: " us",
        ours: result["recording"]![quantile],
        peer: result["without"]![quantile],
        peerName: "without",
        isMoreBetter: false,
      })
    );
  });
}

/** The row: how late messages of a replay leave. */
export async function measureReplay({ isQuick }: Effort): Promise<Figure[]> {
  const seconds = isQuick ? 3 : 10;
  return await inFolder(async (folder) => {
    await using archive = await Archive.open(`${folder}/replay.db`);
    let session: number;
    {
      await using recorder = await archive.record();
      const feed = feedOf(recorder);
      const [time, start] = [Date.now(), performance.now()];
      for (let i = 0; i < 100 * seconds; i++) {
        const bytes = encoder.encode(`..{"type":"a","n":${i}}`);
        bytes.set([0, bytes.length - 2]);
        feed.append(bytes, 0, bytes.length, 1, time + 10 * i, start + 10 * i);
      }
      session = recorder.session;
    }
    await using server = new MessageServer();
    const late: number[] = [];
    let began = 0;
    server.addEventListener("message", ({ text }) => {
      const { n } = JSON.parse(text);
      if (n === 0) began = performance.now();
      else if (n !== undefined) late.push(performance.now() - began - 10 * n);
    });
    const player = await archive.play(session, server.local);
    await player.finished;
    const sorted = late.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!;
    const drift = (late.slice(-50).reduce((sum, ms) =>
      sum + ms, 0) - late.slice(0, 50).reduce((sum, ms) =>
        sum + ms, 0)) / 50;
    return ([["p50", 0.5], ["p99", 0.99]] as const).map(([name, share]) =>
      figure({
        name: `replay-${name}`,
        what: `a replay of ${seconds} s, how late, ${name}`,
        unit: " ms",
        ours: [at(share)],
        isMoreBetter: false,
        note: `drift ${drift.toFixed(2)} ms`,
      })
    );
  });
}

/** The row: ten million messages and two hundred thousand events, opened, searched, and gone through. */
export async function measureLargeArchive({ isQuick }: Effort): Promise<Figure[]> {
  const count = isQuick ? 1_000_000 : 10_000_000;
  return await inFolder(async (folder) => {
    const path = `${folder}/large.db`;
    {
      await using archive = await Archive.open(path);
      await using recorder = await archive.record();
      const feed = feedOf(recorder);
      const part = reads(100_000);
      for (let i = 0; i < count; i += 100_000) {
        await record(recorder, feed, part);
        await record(recorder, feed, [logs(i, 2000)]);
      }
    }
    const timed = async (work: () => Promise<unknown>) => {
      const began = performance.now();
      await work();
      return performance.now() - began;
    };
    let archive: Archive;
    const open = await timed(async () => {
      archive = await Archive.open(path, { readOnly: true });
      await archive.sessions();
    });
    await using opened = archive!;
    const { ended, started } = await opened.session(1);
    const several = async (work: (i: number) => Promise<unknown>) => {
      const times: number[] = [];
      for (let i = 0; i < 7; i++) times.push(await timed(() => work(i)));
      return times;
    };
    const search = await several((i) => opened.events(1, { text: `action rare${i}`, limit: 50 }));
    const seek = await several((i) =>
      opened.messages(1, { after: Math.floor(count * (i + 0.5) / 7), limit: 50 })
    );
    const seekTime = await several((i) =>
      opened.messages(1, { from: started + (ended! - started) * (i + 0.5) / 7, limit: 50 })
    );
    const plan = await several((i) => opened.stateAt(1, { seq: Math.floor(count * (i + 0.5) / 7) }));
    const row = (name: string, what: string, ours: readonly number[]) =>
      figure({
        name: `archive-10M-${name}`,
        what: `${count / 1e6} M messages: ${what}`,
        unit: " ms",
        ours,
        isMoreBetter: false,
      });
    return [
      row("open", "open, and list sessions", [open]),
      row("search", "search 200 k events", search),
      row("seek", "50 messages behind one", seek),
      row("seek-time", "50 messages from a time on", seekTime),
      row("plan", "what was valid at a moment", plan),
    ].map((figure, i) =>
      i === 0 ? { ...figure, note: `${(Deno.statSync(path).size / 1e6).toFixed(0)} MB` } : figure
    );
  });
}

function logs(first: number, count: number): ReturnType<typeof reads>[number] {
  const texts = Array.from({ length: count }, (_, i) => {
    const n = first + i;
    return `{"type":"log","action":"action rare${n % 1000} step ${n}","state":{"n":${n}},"pid":${
      n % 12
    },"application":"app${n % 6}","time":${n}}`;
  });
  const parts = texts.map((text) => encoder.encode(text));
  const bytes = new Uint8Array(parts.reduce((size, { length }) => size + length + 2, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set([0, part.length], at);
    bytes.set(part, at + 2);
    at += part.length + 2;
  }
  return { texts, bytes };
}
