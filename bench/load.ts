/**
 * The load generator: a process of its own, driven by lines of JSON. It knows nothing of what it puts load on but two
 * addresses and a process id, so it is the same for every peer.
 *
 * The load is flow-controlled: sender and subscribers are in this one process, and no more than a window of messages is
 * under way, so that nothing has to be dropped; what is missing all the same is counted.
 *
 * @module
 */
import { chunkOf, frameOf, messageText, narrowTopic, Wire } from "./wire.ts";
import { cpuSeconds } from "./process_stats.ts";

/** Connections to make. */
export interface ConnectRequest {
  readonly op: "connect";
  readonly name: string;
  readonly receive: string;
  readonly broadcast: string;
  readonly senders: number;
  readonly subscribers: number;
  readonly size: number;
  readonly narrow: boolean;
  /** The subscriber is not read but for its answers. */
  readonly forRoundTrips?: boolean;
  /** The broker's key, if it speaks CURVE only. */
  readonly serverKey?: string | undefined;
  /** Messages under way at most. @default 40_000, and 16 MiB */
  readonly window?: number;
}

/** One measurement of throughput and CPU. */
export interface RunRequest {
  readonly op: "run";
  readonly name: string;
  readonly pid: number;
  readonly warmupMs: number;
  readonly ms: number;
}

/** What it gave. */
export interface RunResult {
  /** Messages that arrived at all subscribers together, each second. */
  readonly deliveredPerSecond: number;
  /** Messages that the broker took, each second. */
  readonly relayedPerSecond: number;
  /** Microseconds of CPU of the broker's process for each message that it took. */
  readonly cpuMicroseconds: number;
  /** Share of one core that this process used. */
  readonly loadCores: number;
  /** Messages that never arrived, of all subscribers together. */
  readonly lost: number;
}

/** Round trips, alternating between brokers. */
export interface LatencyRequest {
  readonly op: "latency";
  readonly names: readonly string[];
  readonly rounds: number;
  readonly perRound: number;
}

/** Microseconds, by name, for each round: p50 and p99. */
export type LatencyResult = Readonly<Record<string, { readonly p50: number[]; readonly p99: number[] }>>;

/** One measurement with messages that were sealed beforehand, for CURVE: so many from each sender. */
export interface SealedRunRequest {
  readonly op: "run sealed";
  readonly name: string;
  readonly pid: number;
  readonly messages: number;
}

/** Connections that do nothing; subscribers that are `isStuck` never read what they get. */
export interface IdleRequest {
  readonly op: "idle";
  readonly name: string;
  readonly address: string;
  readonly role: "PUSH" | "SUB";
  readonly count: number;
  readonly isStuck: boolean;
}

/** A place to send to, or one that sends without end to whoever subscribes; answered by {@linkcode EndResult}. */
export interface EndRequest {
  readonly op: "sink" | "source";
  readonly name: string;
  readonly size: number;
}

/** Where it listens. */
export interface EndResult {
  readonly address: string;
}

/** What a sink has got by now; answered by {@linkcode CountResult}. */
export interface CountRequest {
  readonly op: "count";
  readonly name: string;
}

/** Messages, and the time in milliseconds. */
export interface CountResult {
  readonly count: number;
  readonly now: number;
}

/** Ends what has that name. */
export interface CloseRequest {
  readonly op: "close";
  readonly name: string;
}

/** What may be asked. */
export type LoadRequest =
  | ConnectRequest
  | RunRequest
  | SealedRunRequest
  | LatencyRequest
  | IdleRequest
  | EndRequest
  | CountRequest
  | CloseRequest;

/** Messages under way at most … */
const WINDOW_MESSAGES = 40_000;
/** … of so many bytes, but never fewer than two chunks. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** Silence after which what is missing counts as lost. */
const LOST_AFTER_MS = 1500;

class Target {
  readonly #request: ConnectRequest;
  readonly #senders: Wire[];
  readonly #subscribers: Wire[];
  /** Messages that each subscriber must have got of those that were sent. */
  #due = 0;
  #least = 0;
  #waiting: (() => void)[] = [];

  private constructor(request: ConnectRequest, senders: Wire[], subscribers: Wire[]) {
    this.#request = request;
    this.#senders = senders;
    this.#subscribers = subscribers;
  }

  static async connect(request: ConnectRequest): Promise<Target> {
    const subscribers: Wire[] = [];
    for (let i = 0; i < request.subscribers; i++) {
      const wire = await Wire.dial(request.broadcast, "SUB", request.serverKey);
      await wire.subscribe(request.narrow ? narrowTopic(request.size) : "");
      subscribers.push(wire);
    }
    const senders: Wire[] = [];
    for (let i = 0; i < request.senders; i++) {
      senders.push(await Wire.dial(request.receive, "PUSH", request.serverKey));
    }
    const target = new Target(request, senders, subscribers);
    for (const wire of senders) void wire.count();
    return target;
  }

  /** Counts on all subscribers; a libzmq broker does not say when it has taken a subscription, so messages probe it. */
  async listen(): Promise<void> {
    for (const wire of this.#subscribers) void wire.count();
    const probe = frameOf(messageText(this.#request.size));
    while (this.#subscribers.some((wire) => wire.received === 0)) {
      for (const wire of this.#senders) await wire.write(wire.seal(probe));
      await pause(20);
    }
    await this.#settle();
    for (const wire of this.#subscribers) wire.onMessages = () => this.#advance();
  }

  /** For round trips: the one subscriber is read by `next`. */
  async probeOne(): Promise<void> {
    const [sender, subscriber] = [this.#senders[0]!, this.#subscribers[0]!];
    const probe = frameOf(messageText(this.#request.size));
    const arrived = subscriber.next();
    let isHere = false;
    void arrived.then(() => isHere = true);
    let sent = 0;
    while (!isHere) {
      await sender.write(probe);
      sent++;
      await pause(20);
    }
    // Probes that come late would be taken for answers.
    await pause(50);
    const rest = Promise.race([
      (async () => {
        while (subscriber.received < sent) await subscriber.next();
      })(),
      pause(200),
    ]);
    await rest;
  }

  async roundTrip(frame: Uint8Array): Promise<number> {
    const start = performance.now();
    await this.#senders[0]!.write(frame);
    await this.#subscribers[0]!.next();
    return (performance.now() - start) * 1000;
  }

  async run({ pid, warmupMs, ms }: RunRequest): Promise<RunResult> {
    const { size, narrow } = this.#request;
    const window = this.#window;
    // All senders together must not put more under way than the window, however many they are.
    const chunk = chunkOf(size, narrow, window / (2 * this.#senders.length));
    const dueOfChunk = narrow ? chunk.messages / 2 : chunk.messages;
    const base = this.#subscribers.map((wire) => wire.received);
    const startLeast = Math.min(...base);
    this.#due = this.#least = startLeast;
    let isOver = false;
    const send = async (wire: Wire) => {
      while (!isOver) {
        if (this.#due + dueOfChunk - this.#least > window) {
          // What came while nobody waited has not been looked at.
          this.#least = this.#leastReceived();
          if (this.#due + dueOfChunk - this.#least > window) {
            await new Promise<void>((resolve) => this.#waiting.push(resolve));
          }
          continue;
        }
        this.#due += dueOfChunk;
        await wire.write(chunk.bytes);
      }
    };
    const sending = Promise.all(this.#senders.map(send));
    await pause(warmupMs);
    const before = this.#snapshot(pid);
    await pause(ms);
    const after = this.#snapshot(pid);
    isOver = true;
    this.#wake();
    await sending;
    await this.#settle(() =>
      this.#subscribers.every((wire, i) => wire.received - base[i]! >= this.#due - startLeast)
    );
    const due = this.#due - startLeast;
    const lost = this.#subscribers.reduce(
      (sum, wire, i) => sum + Math.max(0, due - (wire.received - base[i]!)),
      0,
    );
    const seconds = (after.now - before.now) / 1000;
    const delivered = after.received - before.received;
    const relayed = delivered / this.#subscribers.length * (chunk.messages / dueOfChunk);
    return {
      deliveredPerSecond: delivered / seconds,
      relayedPerSecond: relayed / seconds,
      cpuMicroseconds: (after.cpu - before.cpu) * 1e6 / relayed,
      loadCores: (after.ownCpu - before.ownCpu) / seconds,
      lost,
    };
  }

  async runSealed({ pid, messages }: SealedRunRequest): Promise<RunResult> {
    const chunk = chunkOf(this.#request.size, false);
    const chunks = Math.ceil(messages / chunk.messages);
    const sealed = this.#senders.map((wire) => Array.from({ length: chunks }, () => wire.seal(chunk.bytes)));
    const window = Math.max(this.#window, 2 * chunk.messages);
    const base = this.#subscribers.map((wire) => wire.received);
    const startLeast = Math.min(...base);
    this.#due = this.#least = startLeast;
    const before = this.#snapshot(pid);
    await Promise.all(this.#senders.map(async (wire, i) => {
      for (const bytes of sealed[i]!) {
        while (this.#due + chunk.messages - this.#least > window) {
          this.#least = this.#leastReceived();
          if (this.#due + chunk.messages - this.#least <= window) break;
          await new Promise<void>((resolve) => this.#waiting.push(resolve));
        }
        this.#due += chunk.messages;
        await wire.write(bytes);
      }
    }));
    const due = this.#due - startLeast;
    const missing = () =>
      this.#subscribers.reduce((sum, wire, i) => sum + due - (wire.received - base[i]!), 0);
    while (this.#least < this.#due) {
      const more = await Promise.race([
        new Promise<true>((resolve) => this.#waiting.push(() => resolve(true))),
        pause(LOST_AFTER_MS).then(() => false),
      ]);
      if (!more) break;
    }
    const after = this.#snapshot(pid);
    const seconds = (after.now - before.now) / 1000;
    const delivered = after.received - before.received;
    const relayed = delivered / this.#subscribers.length;
    return {
      deliveredPerSecond: delivered / seconds,
      relayedPerSecond: relayed / seconds,
      cpuMicroseconds: (after.cpu - before.cpu) * 1e6 / relayed,
      loadCores: (after.ownCpu - before.ownCpu) / seconds,
      lost: missing(),
    };
  }

  get #window(): number {
    const { size, senders, window = Math.min(WINDOW_MESSAGES, Math.floor(WINDOW_BYTES / size)) } =
      this.#request;
    return Math.max(4 * senders, window);
  }

  close(): void {
    for (const wire of [...this.#senders, ...this.#subscribers]) wire[Symbol.dispose]();
  }

  #snapshot(pid: number) {
    const received = this.#subscribers.reduce((sum, wire) => sum + wire.received, 0);
    return { now: performance.now(), received, cpu: cpuSeconds(pid), ownCpu: cpuSeconds(Deno.pid) };
  }

  #advance(): void {
    if (this.#waiting.length === 0) return;
    const least = this.#leastReceived();
    if (least === this.#least) return;
    this.#least = least;
    this.#wake();
  }

  /** What the slowest subscriber has. */
  #leastReceived(): number {
    let least = Infinity;
    for (const wire of this.#subscribers) if (wire.received < least) least = wire.received;
    return least;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Waits until everything is there, or nothing has come for a while. */
  async #settle(isDone: () => boolean = () => false): Promise<void> {
    let [seen, since] = [-1, performance.now()];
    const patience = isDone() ? 0 : this.#due === 0 ? 100 : LOST_AFTER_MS;
    while (!isDone()) {
      const now = this.#subscribers.reduce((sum, wire) => sum + wire.received, 0);
      if (now !== seen) [seen, since] = [now, performance.now()];
      else if (performance.now() - since > patience) return;
      await pause(10);
    }
  }
}

/** Connections that do nothing. */
class Idlers {
  readonly #wires: Wire[] = [];

  static async connect({ address, role, count, isStuck }: IdleRequest): Promise<Idlers> {
    const idlers = new Idlers();
    for (let i = 0; i < count; i++) {
      const wire = await Wire.dial(address, role);
      if (role === "SUB") await wire.subscribe("");
      if (!isStuck) void wire.count();
      idlers.#wires.push(wire);
    }
    return idlers;
  }

  close(): void {
    for (const wire of this.#wires) wire[Symbol.dispose]();
  }
}

/** What clients are measured against: it takes all that they send, or sends as fast as they take it. */
class End {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #wires: Wire[] = [];

  constructor({ op, size }: EndRequest) {
    void this.#accept(op, size);
  }

  get address(): string {
    return `tcp://127.0.0.1:${this.#listener.addr.port}`;
  }

  get received(): number {
    return this.#wires.reduce((sum, wire) => sum + wire.received, 0);
  }

  close(): void {
    this.#listener.close();
    for (const wire of this.#wires) wire[Symbol.dispose]();
  }

  async #accept(op: "sink" | "source", size: number): Promise<void> {
    for await (const conn of this.#listener) {
      const wire = await Wire.accept(conn, op === "sink" ? "PULL" : "PUB");
      this.#wires.push(wire);
      void wire.count();
      if (op === "source") void this.#send(wire, size).catch(() => {});
    }
  }

  async #send(wire: Wire, size: number): Promise<void> {
    const chunk = chunkOf(size, false);
    while (true) await wire.write(chunk.bytes);
  }
}

const targets = new Map<string, Target>();
const others = new Map<string, Idlers | End>();

async function answer(request: LoadRequest): Promise<unknown> {
  switch (request.op) {
    case "connect": {
      const target = await Target.connect(request);
      targets.set(request.name, target);
      if (request.forRoundTrips === true) await target.probeOne();
      else await target.listen();
      return {};
    }
    case "run":
      return await targets.get(request.name)!.run(request);
    case "run sealed":
      return await targets.get(request.name)!.runSealed(request);
    case "latency":
      return await measureLatency(request);
    case "idle":
      others.set(request.name, await Idlers.connect(request));
      return {};
    case "sink":
    case "source": {
      const end = new End(request);
      others.set(request.name, end);
      return { address: end.address };
    }
    case "count":
      return { count: (others.get(request.name) as End).received, now: performance.now() };
    case "close":
      targets.get(request.name)?.close();
      targets.delete(request.name);
      others.get(request.name)?.close();
      others.delete(request.name);
      return {};
  }
}

/** V8 goes on compiling for so many: until then one in a hundred takes up to twice as long. */
const WARM_ROUND_TRIPS = 20_000;

async function measureLatency({ names, rounds, perRound }: LatencyRequest): Promise<LatencyResult> {
  const frame = frameOf(messageText(100));
  const result: Record<string, { p50: number[]; p99: number[] }> = {};
  for (const name of names) result[name] = { p50: [], p99: [] };
  for (let round = -1; round < rounds; round++) {
    const samples = new Map(names.map((name) => [name, [] as number[]]));
    const count = round < 0 ? WARM_ROUND_TRIPS : perRound;
    // In blocks of ten, so that a slow moment of the machine hits all alike.
    for (let i = 0; i < count; i += 10) {
      for (const name of names) {
        for (let k = 0; k < 10; k++) samples.get(name)!.push(await targets.get(name)!.roundTrip(frame));
      }
    }
    if (round < 0) continue; // That was the warm-up.
    for (const [name, times] of samples) {
      times.sort((a, b) => a - b);
      result[name]!.p50.push(times[Math.floor(times.length * 0.5)]!);
      result[name]!.p99.push(times[Math.floor(times.length * 0.99)]!);
    }
  }
  return result;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) {
  const encoder = new TextEncoder();
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const request: LoadRequest = JSON.parse(line);
      let result: unknown;
      try {
        result = await answer(request);
      } catch (error) {
        result = { error: error instanceof Error ? error.stack : String(error) };
      }
      await Deno.stdout.write(encoder.encode(`${JSON.stringify(result)}\n`));
    }
  }
  Deno.exit(0);
}
