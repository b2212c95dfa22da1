/**
 * A soak: senders and subscribers of every kind, visitors that come and go, one that is too slow, and hostile peers, all at one
 * broker for as long as wanted; and beside it a house with everything on (`soak_house.ts`). It prints what happened over time, and whether memory and sockets come back to where they
 * were and every message is accounted for.
 *
 * ```sh
 * deno task soak --minutes 20
 * ```
 *
 * @module
 */
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { GenericMessageClient, MessageClient } from "../client.ts";
import { ConnectionError, QueueFullError } from "../base/errors.ts";
import { LibzmqPush, LibzmqSub } from "../tests/support/libzmq.ts";
import { RawPeer } from "../tests/support/raw_peer.ts";
import { encodePong, encodeSubscription } from "../zmtp/command.ts";
import { encodeTextFrame, FrameDecoder } from "../zmtp/frame.ts";
import { FLAG_COMMAND } from "../zmtp/wire.ts";
import { Child } from "./child.ts";
import { memoryBytes } from "./process_stats.ts";
import type { SoakReport } from "./soak_broker.ts";
import { attack, ATTACKS, type Targets } from "./soak_hostile.ts";
import { house } from "./soak_house.ts";

/** How it is run. */
export interface SoakOptions {
  /** Seconds of load, without the time to begin and to settle. */
  readonly seconds: number;
  /** Beside it a house with everything on: see `soak_house.ts`. */
  readonly hasHouse: boolean;
  /** Takes the lines of the table as they come. */
  readonly print: (line: string) => void;
}

/** What came out. */
export interface SoakResult {
  /** Messages that honest senders sent. */
  readonly messages: number;
  /** Deliveries to subscribers that were there all the time. */
  readonly delivered: number;
  /** Messages that these subscribers lost because their queue was full, counted by the broker. */
  readonly dropped: number;
  /** Attacks. */
  readonly attacks: number;
  /** Visitors that came and left. */
  readonly visits: number;
  /** What is not as it should be, a sentence each. */
  readonly complaints: readonly string[];
}

/** What the broker remembers of its messages. */
const HISTORY_BYTES = 1024 * 1024;
/** The broker's limits, small enough that a slow subscriber meets them. */
const BROKER_OPTIONS = {
  maxMessageBytes: 256 * 1024,
  subscriberQueue: { messages: 5000, bytes: 1024 * 1024 },
  handshakeTimeoutMs: 2000,
  heartbeatMs: 0,
  // Full within the first seconds, so that it is no growth.
  history: { bytes: HISTORY_BYTES },
};
/** Each of the four senders sends so many messages in a turn. */
const PER_TURN = 5;
/** Milliseconds of a turn. */
const TURN_MS = 10;
/** What a message weighs beyond its number: small ones, and now and then a large one, so that a stalled socket fills. */
const SMALL = "x".repeat(60);
const LARGE = "x".repeat(16_000);
/** Visitors and attacks come so often. */
const VISIT_MS = 60;
/** What the garbage collector leaves, live objects only: code that was compiled late, counters by reason. */
const HEAP_SLACK_BYTES: number = 4 * 1024 * 1024;
/**
 * What the process may hold at the end beyond what it held when a quarter of the time was over. From the first minute on it
 * holds some 100 MiB of garbage between two collections, and the allocator gives back what it likes; a leak goes on growing.
 */
const RSS_SLACK_BYTES: number = 48 * 1024 * 1024;
/** What the broker counts as in use when nobody is there: what it remembers, and the block that the next messages would go into. */
const MEMORY_SLACK_BYTES: number = 2 * HISTORY_BYTES;
/** Everything that was sent has arrived or been counted after this time, or never will. */
const SETTLE_MS = 30_000;

/** Runs a soak. */
export async function soak({ seconds, hasHouse, print }: SoakOptions): Promise<SoakResult> {
  const folder = dirname(fileURLToPath(import.meta.url));
  const args = ["run", "--allow-net=127.0.0.1", "--no-prompt", "--v8-flags=--expose-gc"];
  await using child = new Child(Deno.execPath(), [
    ...args,
    join(folder, "soak_broker.ts"),
    JSON.stringify(BROKER_OPTIONS),
  ]);
  const targets = await child.read() as Targets;
  const broker = new Broker(child, targets);
  const sockets = broker.sockets();
  print(HEADER);
  // The first round brings code, caches and buffers to where they stay.
  const warmUp = new Round(broker, print);
  const first = await warmUp.run(Math.min(10, Math.max(1, seconds / 5)));
  const before = await broker.settled();
  const round = new Round(broker, print);
  const inside = hasHouse ? house(seconds, print) : undefined;
  const result = await round.run(seconds);
  const after = await broker.settled();
  const complaints = [...first.complaints, ...result.complaints, ...(await inside)?.complaints ?? []];
  const left = after.stats.senders!.connections + after.stats.subscribers!.connections;
  if (left > 0) complaints.push(`the broker believes in ${left} connections when nobody is there`);
  if (broker.sockets() !== sockets) {
    complaints.push(`${broker.sockets()} sockets are open, there were ${sockets}`);
  }
  if (after.heapBytes > before.heapBytes + HEAP_SLACK_BYTES) {
    complaints.push(`the heap holds ${mib(after.heapBytes)} MiB, it held ${mib(before.heapBytes)}`);
  }
  if (after.bufferBytes > before.bufferBytes + HEAP_SLACK_BYTES) {
    complaints.push(`buffers hold ${mib(after.bufferBytes)} MiB, they held ${mib(before.bufferBytes)}`);
  }
  if (after.rssBytes > round.rssBytes + RSS_SLACK_BYTES) {
    complaints.push(
      `the process holds ${mib(after.rssBytes)} MiB, it held ${mib(round.rssBytes)} early under load`,
    );
  }
  const { usedBytes } = after.stats.memory!;
  if (usedBytes < 0 || usedBytes > MEMORY_SLACK_BYTES) {
    complaints.push(`the broker counts ${usedBytes} bytes in use when nobody is there`);
  }
  print("");
  print(
    `memory before  heap ${mib(before.heapBytes)}  buffers ${mib(before.bufferBytes)}  rss ${
      mib(before.rssBytes)
    } MiB`,
  );
  print(
    `memory after   heap ${mib(after.heapBytes)}  buffers ${mib(after.bufferBytes)}  rss ${
      mib(after.rssBytes)
    } MiB`,
  );
  print(`counted memory ${usedBytes} bytes in use when nobody is there`);
  print(`sockets        ${sockets} before, ${broker.sockets()} after`);
  print(`refused        ${JSON.stringify(after.stats.refused)}`);
  print(`faults         senders ${JSON.stringify(after.stats.senders!.faults)}`);
  print(`               subscribers ${JSON.stringify(after.stats.subscribers!.faults)}`);
  print(
    `accounted      ${result.messages} messages to ${SUBSCRIBERS} subscribers: ${result.delivered} delivered, ` +
      `${result.dropped} dropped and counted, ${result.unaccounted} unaccounted`,
  );
  for (const complaint of complaints) print(`WRONG: ${complaint}`);
  print(complaints.length === 0 ? "verdict: good" : "verdict: BAD");
  return { ...result, complaints };
}

/** The broker's process. */
class Broker {
  readonly targets: Targets;
  readonly #child: Child;
  #asking: Promise<unknown> = Promise.resolve();

  constructor(child: Child, targets: Targets) {
    this.#child = child;
    this.targets = targets;
  }

  /** Its counters and memory; questions wait for each other. */
  report(): Promise<SoakReport & { readonly rssBytes: number }> {
    const answer = this.#asking.then(async () => {
      const report = await this.#child.ask({}) as SoakReport;
      return { ...report, rssBytes: memoryBytes(this.#child.pid).now };
    });
    this.#asking = answer.catch(() => {});
    return answer;
  }

  /** The same when everybody has left. */
  async settled(): Promise<SoakReport & { readonly rssBytes: number }> {
    const end = performance.now() + SETTLE_MS;
    let report = await this.report();
    const isQuiet = () => report.stats.senders!.connections + report.stats.subscribers!.connections === 0;
    while (!isQuiet() && performance.now() < end) {
      await pause(50);
      report = await this.report();
    }
    return report;
  }

  /** TCP sockets that the process has open; Deno has others of its own, which come when they are first needed. */
  sockets(): number {
    const folder = `/proc/${this.#child.pid}`;
    const rows = ["tcp", "tcp6"].flatMap((name) =>
      Deno.readTextFileSync(`${folder}/net/${name}`).split("\n")
    );
    const inodes = new Set(rows.map((row) => row.trim().split(/\s+/)[9]));
    let count = 0;
    for (const { name } of Deno.readDirSync(`${folder}/fd`)) {
      try {
        const [, inode] = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`${folder}/fd/${name}`)) ?? [];
        if (inode !== undefined && inodes.has(inode)) count++;
      } catch {
        // Closed in the meantime.
      }
    }
    return count;
  }
}

/** What one subscriber got, by sender. */
class Ledger {
  received = 0;
  /** Messages out of order, or that came twice. */
  wrong = 0;
  readonly #last: Map<string, number> = new Map();

  /** Takes a message's text. */
  take(text: string): void {
    const [, sender, number] = NUMBERED.exec(text) ?? [];
    if (sender === undefined) {
      this.wrong++;
      return;
    }
    this.received++;
    if (Number(number) <= (this.#last.get(sender) ?? 0)) this.wrong++;
    this.#last.set(sender, Number(number));
  }
}

const NUMBERED = /^\{"type":"soak","sender":"([^"]+)","number":(\d+),/;
/** The topic of the subscriber that wants one sender only. */
const NARROW = '{"type":"soak","sender":"raw"';
/** Subscribers that are there for a whole round: two of ours, three raw ones, libzmq. */
const SUBSCRIBERS = 6;
const HEADER = [
  "   time",
  " messages",
  " delivered",
  " dropped",
  "discarded",
  " refused",
  "  faults",
  "visits",
  "attacks",
  "sockets",
  "heap MiB",
  "buffers",
  "rss MiB",
].join("  ");

/** One time of load, from the first peer that joins to the last that leaves. */
class Round {
  readonly #broker: Broker;
  readonly #print: (line: string) => void;
  readonly #ledgers: Ledger[] = [];
  /** Messages of each honest sender that are on their way for good. */
  readonly #sent: Map<string, number> = new Map();
  readonly #complaints: string[] = [];
  #visits = 0;
  #attacks = 0;
  #start: SoakReport | undefined;
  /** The most that the process held in the first quarter of the time. */
  rssBytes = 0;

  constructor(broker: Broker, print: (line: string) => void) {
    this.#broker = broker;
    this.#print = print;
  }

  async run(
    seconds: number,
  ): Promise<Omit<SoakResult, "complaints"> & { unaccounted: number; complaints: string[] }> {
    const { receiveAddress, broadcastAddress } = this.#broker.targets;
    this.#start = await this.#broker.report();
    await using peers = new AsyncDisposableStack();
    const stop = new AbortController();

    const ours = [0, 1].map(() => {
      const ledger = this.#ledger();
      const handler = { handleNewMessage: () => {}, handleJsonMessage: (text: string) => ledger.take(text) };
      return peers.use(new GenericMessageClient(handler, { serverBroadcast: broadcastAddress }));
    });
    await Promise.all(ours.map((client) => client.ready));
    peers.use(await RawSubscriber.join(broadcastAddress, "", this.#ledger()));
    const slow = peers.use(await RawSubscriber.join(broadcastAddress, "", this.#ledger()));
    const narrow = peers.use(await RawSubscriber.join(broadcastAddress, NARROW, this.#ledger()));
    const libzmq = peers.use(new LibzmqSubscriber(broadcastAddress, this.#ledger()));
    await this.#until((stats) =>
      stats.subscribers!.subscribers.filter(({ topics }) => topics > 0).length === SUBSCRIBERS
    );

    const senders = [
      this.#ourSender("ours-1", peers.use(new MessageClient({ serverReceive: receiveAddress })), stop.signal),
      this.#ourSender("ours-2", peers.use(new MessageClient({ serverReceive: receiveAddress })), stop.signal),
      this.#rawSender("raw", peers.use(await RawPeer.join(receiveAddress, "PUSH")), stop.signal),
      this.#libzmqSender("libzmq", peers.use(libzmqPush(receiveAddress)), stop.signal),
    ];
    const others = [
      this.#stall(slow, stop.signal),
      this.#guests(stop.signal),
      this.#watch(seconds, stop.signal),
    ];
    const timer = setTimeout(() => stop.abort(), 1000 * seconds);
    try {
      await Promise.all([...senders, ...others]);
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
    return await this.#account(narrow, libzmq);
  }

  #ledger(): Ledger {
    const ledger = new Ledger();
    this.#ledgers.push(ledger);
    return ledger;
  }

  get #messages(): number {
    return this.#sent.values().reduce((sum, count) => sum + count, 0);
  }

  get #delivered(): number {
    return this.#ledgers.reduce((sum, { received }) => sum + received, 0);
  }

  /** Gives the next messages of a sender to `send`, until it is told to stop. */
  async #send(
    sender: string,
    signal: AbortSignal,
    send: (texts: string[]) => Promise<number>,
  ): Promise<void> {
    let number = 0;
    while (!signal.aborted) {
      const texts = Array.from({ length: PER_TURN }, (_, i) => textOf(sender, number + i + 1));
      number += await send(texts);
      this.#sent.set(sender, number);
      await pause(TURN_MS);
    }
  }

  async #ourSender(sender: string, client: MessageClient, signal: AbortSignal): Promise<void> {
    await client.ready;
    await this.#send(sender, signal, (texts) => {
      let sent = 0;
      try {
        for (const text of texts) {
          client.sendJsonMessage(text);
          sent++;
        }
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
      }
      return Promise.resolve(sent);
    });
    await client.flush().catch((error) => {
      if (!(error instanceof ConnectionError)) throw error; // What was lost is told below.
    });
    const { lost, queued } = client.stats();
    if (lost + queued > 0) this.#complaints.push(`${sender} lost ${lost} and kept ${queued} messages`);
  }

  #rawSender(sender: string, peer: RawPeer, signal: AbortSignal): Promise<void> {
    return this.#send(sender, signal, async (texts) => {
      for (const text of texts) await peer.write(encodeTextFrame(text));
      return texts.length;
    });
  }

  #libzmqSender(sender: string, push: LibzmqPush, signal: AbortSignal): Promise<void> {
    return this.#send(sender, signal, async (texts) => {
      let sent = 0;
      try {
        for (const text of texts) {
          await push.send(text);
          sent++;
        }
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
      }
      return sent;
    });
  }

  /** Lets a subscriber stop reading for some seconds, again and again. */
  async #stall(subscriber: RawSubscriber, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      subscriber.isStalled = true;
      await pauseUnless(signal, 3000 + 4000 * Math.random());
      subscriber.isStalled = false;
      await pauseUnless(signal, 1000);
    }
  }

  /** Lets visitors and hostile peers come, several at a time. */
  async #guests(signal: AbortSignal): Promise<void> {
    const present = new Set<Promise<void>>();
    const names = Object.keys(ATTACKS);
    for (let i = 0; !signal.aborted; i++) {
      const guest = i % 3 === 0
        ? this.#visitingSender(`visitor-${i}`)
        : i % 3 === 1
        ? this.#visitingSubscriber()
        : this.#attack(names[Math.floor(i / 3) % names.length]!);
      const told = guest
        .catch((error) => void this.#complaints.push(`a guest failed: ${describe(error)}`))
        .finally(() => present.delete(told));
      present.add(told);
      await pause(VISIT_MS);
    }
    await Promise.all(present);
  }

  async #visitingSender(sender: string): Promise<void> {
    await using client = new MessageClient({ serverReceive: this.#broker.targets.receiveAddress });
    await client.ready;
    const count = 1 + Math.floor(50 * Math.random());
    for (let number = 1; number <= count; number++) client.sendJsonMessage(textOf(sender, number));
    await client.flush();
    this.#sent.set(sender, count);
    this.#visits++;
  }

  /** Half of them leave with messages unread, which resets the connection. */
  async #visitingSubscriber(): Promise<void> {
    const ledger = new Ledger();
    await using subscriber = await RawSubscriber.join(this.#broker.targets.broadcastAddress, "", ledger);
    await pause(500 * Math.random());
    subscriber.isStalled = Math.random() < 0.5;
    await pause(100 * Math.random());
    if (ledger.wrong > 0) this.#complaints.push(`a visitor got ${ledger.wrong} messages in a wrong order`);
    this.#visits++;
  }

  async #attack(name: string): Promise<void> {
    await attack(name, this.#broker.targets);
    this.#attacks++;
  }

  /** Prints a line of the table now and then, at most each minute. */
  async #watch(seconds: number, signal: AbortSignal): Promise<void> {
    const start = performance.now();
    while (!signal.aborted) {
      await pauseUnless(signal, Math.min(60_000, Math.max(1000, 50 * seconds)));
      const now = (performance.now() - start) / 1000;
      const rssBytes = await this.#row(now);
      if (this.rssBytes === 0 || now <= seconds / 4) this.rssBytes = Math.max(this.rssBytes, rssBytes);
    }
  }

  async #row(seconds: number): Promise<number> {
    const { stats, heapBytes, bufferBytes, rssBytes } = await this.#broker.report();
    const faults = sum(stats.senders!.faults) + sum(stats.subscribers!.faults);
    const columns: [string | number, number][] = [
      [`${seconds.toFixed(0)} s`, 7],
      [this.#messages, 9],
      [this.#delivered, 10],
      [stats.subscribers!.dropped, 8],
      [stats.subscribers!.discarded, 9],
      [sum(stats.refused), 8],
      [faults, 8],
      [this.#visits, 6],
      [this.#attacks, 7],
      [this.#broker.sockets(), 7],
      [mib(heapBytes), 8],
      [mib(bufferBytes), 7],
      [mib(rssBytes), 7],
    ];
    this.#print(columns.map(([value, width]) => String(value).padStart(width)).join("  "));
    return rssBytes;
  }

  /** Waits until everything that was sent has arrived or is counted, and says what does not add up. */
  async #account(
    narrow: RawSubscriber,
    libzmq: LibzmqSubscriber,
  ): Promise<Omit<SoakResult, "complaints"> & { unaccounted: number; complaints: string[] }> {
    const messages = this.#messages;
    const wanted = (SUBSCRIBERS - 1) * messages + (this.#sent.get("raw") ?? 0);
    const droppedBy = ({ subscribers }: SoakReport["stats"]) =>
      subscribers!.subscribers.reduce((count, { dropped }) => count + dropped, 0);
    const stats = await this.#until((now) =>
      now.broadcast - this.#start!.stats.broadcast >= messages &&
      now.subscribers!.subscribers.length === SUBSCRIBERS &&
      this.#delivered + droppedBy(now) >= wanted
    );
    const dropped = droppedBy(stats);
    const accepted = stats.broadcast - this.#start!.stats.broadcast;
    if (accepted !== messages) this.#complaints.push(`${messages} messages were sent, ${accepted} broadcast`);
    const unaccounted = wanted - this.#delivered - dropped;
    if (unaccounted !== 0) this.#complaints.push(`${unaccounted} deliveries are unaccounted for`);
    const wrong = this.#ledgers.reduce((count, ledger) => count + ledger.wrong, 0);
    if (wrong !== 0) this.#complaints.push(`${wrong} messages came twice or in a wrong order`);
    for (const error of [narrow.error, libzmq.error]) {
      if (error !== undefined) this.#complaints.push(`a subscriber failed: ${describe(error)}`);
    }
    return {
      messages,
      delivered: this.#delivered,
      dropped,
      attacks: this.#attacks,
      visits: this.#visits,
      unaccounted,
      complaints: this.#complaints,
    };
  }

  async #until(condition: (stats: SoakReport["stats"]) => boolean): Promise<SoakReport["stats"]> {
    const end = performance.now() + SETTLE_MS;
    let { stats } = await this.#broker.report();
    while (!condition(stats) && performance.now() < end) {
      await pause(20);
      ({ stats } = await this.#broker.report());
    }
    return stats;
  }
}

/** A subscriber made of a socket, that can stop reading. */
class RawSubscriber implements AsyncDisposable {
  isStalled = false;
  /** Why it stopped before it was told to. */
  error: unknown;
  readonly #peer: RawPeer;
  readonly #ledger: Ledger;
  readonly #reading: Promise<void>;
  #isClosed = false;

  private constructor(peer: RawPeer, ledger: Ledger) {
    this.#peer = peer;
    this.#ledger = ledger;
    this.#reading = this.#read().catch((error) => void (this.error = this.#isClosed ? undefined : error));
  }

  static async join(address: string, topic: string, ledger: Ledger): Promise<RawSubscriber> {
    const peer = await RawPeer.join(address, "SUB");
    await peer.write(encodeSubscription({ subscribe: true, topic: new TextEncoder().encode(topic) }));
    return new RawSubscriber(peer, ledger);
  }

  async #read(): Promise<void> {
    const text = new TextDecoder();
    const decoder = new FrameDecoder({ maxMessageBytes: BROKER_OPTIONS.maxMessageBytes }, {
      handleFrame: (bytes, start, bodyStart, end) => {
        const body = bytes.subarray(bodyStart, end);
        if ((bytes[start]! & FLAG_COMMAND) === 0) return this.#ledger.take(text.decode(body));
        // A PING: how the broker sees that we keep the pace. Its context comes behind name and TTL.
        void this.#peer.write(encodePong(body.slice(7))).catch(() => {});
      },
      handleSkippedFrame: () => this.#ledger.wrong++,
    });
    const buffer = new Uint8Array(64 * 1024);
    while (!this.#isClosed) {
      if (this.isStalled) {
        await pause(10);
        continue;
      }
      const size = await this.#peer.conn.read(buffer);
      if (size === null) throw new Error("the broker closed the connection");
      decoder.push(buffer.subarray(0, size));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#peer.close();
    await this.#reading;
  }
}

/** A subscriber of libzmq's. */
class LibzmqSubscriber implements AsyncDisposable {
  /** Why it stopped before it was told to. */
  error: unknown;
  readonly #sub = new LibzmqSub();
  readonly #running: Promise<void>;
  #isClosed = false;

  constructor(address: string, ledger: Ledger) {
    this.#sub.connect(address);
    this.#sub.subscribe("");
    this.#running = this.#run(ledger).catch((error) => void (this.error = error));
  }

  async #run(ledger: Ledger): Promise<void> {
    while (!this.#isClosed) {
      try {
        for (const part of await this.#sub.receive()) ledger.take(part.toString());
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        await pause(1);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    this.#sub.close();
  }
}

function libzmqPush(address: string): LibzmqPush {
  const push = new LibzmqPush();
  push.connect(address);
  return push;
}

function textOf(sender: string, number: number): string {
  return JSON.stringify({ type: "soak", sender, number, pad: number % 7 === 0 ? LARGE : SMALL });
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? String(error) : `${error} (${error.cause})`;
}

async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => {});
}

if (import.meta.main) {
  const { values } = parseArgs({ args: Deno.args, options: { minutes: { type: "string", default: "1" } } });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) {
    await Deno.stderr.write(new TextEncoder().encode("soak: --minutes has to be a number above 0\n"));
    Deno.exit(2);
  }
  const encoder = new TextEncoder();
  const { complaints } = await soak({
    seconds: 60 * minutes,
    hasHouse: true,
    print: (line) => void Deno.stdout.writeSync(encoder.encode(`${line}\n`)),
  });
  // libzmq's threads would keep the process alive for a while.
  Deno.exit(complaints.length === 0 ? 0 : 1);
}
