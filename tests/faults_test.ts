/**
 * Processes that are killed and stopped at random moments while numbered messages flow. What can be shown each time: whoever is
 * alive goes on, nothing comes twice, each sender's order holds, and what is missing is one range of numbers around the fault, or
 * was counted.
 *
 * A moment that made a test fail can be had again: `FAULT_SEED=…`, the number is in the message.
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { Child } from "../bench/child.ts";
import type { SoakReport } from "../bench/soak_broker.ts";
import { MessageServer, type MessageServerOptions } from "../broker.ts";
import { encodePing, encodeSubscription } from "../zmtp/command.ts";
import { FrameDecoder } from "../zmtp/frame.ts";
import type { ListenerReport, SenderReport } from "./support/fault_child.ts";
import { type BrokerAddresses, HealthyPair } from "./support/healthy_pair.ts";
import { Program, ROOT } from "./support/program.ts";
import { concat, RawPeer } from "./support/raw_peer.ts";

const MIB = 1024 * 1024;
const SEED = Number(Deno.env.get("FAULT_SEED") ?? Math.floor(Math.random() * 2 ** 31));
const WHERE = `FAULT_SEED=${SEED}`;

/** Pauses of 100 to 500 ms, the same ones for the same seed. This is when the fault comes; nothing relies on how long it is. */
function moments(test: number): () => Promise<void> {
  let state = (SEED + test) % 0x7fff_ffff || 1;
  return async () => {
    state = (state * 48_271) % 0x7fff_ffff;
    await pause(100 + state % 400);
  };
}

/** A line for a child, and its answer. */
async function ask<Answer>(child: Program, line: string): Promise<Answer> {
  await child.say(`${line}\n`);
  const answer = await child.line();
  assert.ok(answer !== undefined, "the child is alive");
  return JSON.parse(answer);
}

/** Asks a child again and again until its answer is as wanted. */
async function askUntil<Answer>(
  child: Program,
  isWanted: (answer: Answer) => boolean,
  what: string,
): Promise<Answer> {
  const end = performance.now() + 20_000;
  while (true) {
    const answer = await ask<Answer>(child, "report");
    if (isWanted(answer)) return answer;
    if (performance.now() > end) {
      assert.fail(`waited in vain for ${what}; ${WHERE}; ${JSON.stringify(answer).slice(0, 2000)}`);
    }
    await pause(5);
  }
}

async function startBroker(options: MessageServerOptions = {}): Promise<Program & BrokerAddresses> {
  const program = new Program(["bench/soak_broker.ts", JSON.stringify(options)]);
  return Object.assign(program, JSON.parse((await program.line())!) as BrokerAddresses);
}

async function startChild(...args: string[]): Promise<Program> {
  const child = new Program(["tests/support/fault_child.ts", ...args]);
  assert.equal(await child.line(), '"ready"');
  return child;
}

/** One broker, two senders, two subscribers, a process each; messages flow when it is made. */
async function startBus(options: MessageServerOptions = {}): Promise<Bus> {
  const stack = new AsyncDisposableStack();
  const broker = stack.use(await startBroker(options));
  const [x, y] = await Promise.all([0, 1].map(() => startChild("listen", broker.broadcastAddress)));
  stack.use(x!);
  stack.use(y!);
  const [a, b] = await Promise.all(["a", "b"].map((name) => startChild("send", broker.receiveAddress, name)));
  stack.use(a!);
  stack.use(b!);
  return { broker, a: a!, b: b!, x: x!, y: y!, stack, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

interface Bus extends AsyncDisposable {
  readonly broker: Program & BrokerAddresses;
  readonly a: Program;
  readonly b: Program;
  readonly x: Program;
  readonly y: Program;
  readonly stack: AsyncDisposableStack;
}

function stop(sender: Program): Promise<SenderReport> {
  return ask<SenderReport>(sender, "stop");
}

/** Waits until the last message of a sender has come. */
function heardAll(listener: Program, sender: string, number: number): Promise<ListenerReport> {
  return askUntil<ListenerReport>(
    listener,
    ({ runs }) => lastOf(runs[sender]) >= number,
    `message ${number} of ${sender}`,
  );
}

function lastOf(runs: ListenerReport["runs"][string] | undefined): number {
  return runs?.at(-1)?.[1] ?? 0;
}

function count(report: ListenerReport): number {
  return Object.values(report.runs).flat().reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** The other side has ended the connection. */
function isCut(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.UnexpectedEof;
}

function brokerReport(broker: Program): Promise<SoakReport["stats"]> {
  return ask<SoakReport>(broker, "report").then(({ stats }) => stats);
}

Deno.test("kill -9 of a sender: what it had written arrives, in order and once, and the other sender loses nothing", async () => {
  const moment = moments(1);
  await using bus = await startBus();
  await moment();
  const { written } = await ask<SenderReport>(bus.a, "report");
  bus.a.kill("SIGKILL");
  await bus.a.ended();
  await moment();

  const { sent } = await stop(bus.b);
  await askUntil<SoakReport>(
    bus.broker,
    ({ stats }) => stats.senders!.connections === 1,
    "the end of one sender",
  );
  const { broadcast, refused, subscribers } = await brokerReport(bus.broker);
  const fromA = broadcast - sent;
  for (const listener of [bus.x, bus.y]) {
    await heardAll(listener, "a", fromA);
    const { runs, wrong } = await heardAll(listener, "b", sent);
    assert.deepEqual(runs, { a: [[1, fromA]], b: [[1, sent]] }, WHERE);
    assert.equal(wrong, 0, WHERE);
  }
  assert.ok(fromA >= written, `${written} were written, ${fromA} came; ${WHERE}`);
  assert.deepEqual([refused, subscribers!.dropped], [{}, 0]);
});

for (const who of ["a", "broker"] as const) {
  Deno.test(`SIGSTOP and SIGCONT of ${who === "a" ? "a sender" : "the broker"}: nothing is lost`, async () => {
    const moment = moments(who === "a" ? 2 : 3);
    await using bus = await startBus();
    await moment();
    bus[who].kill("SIGSTOP");
    await moment();
    bus[who].kill("SIGCONT");
    await moment();

    const [a, b] = [await stop(bus.a), await stop(bus.b)];
    for (const listener of [bus.x, bus.y]) {
      await heardAll(listener, "a", a.sent);
      const { runs, wrong } = await heardAll(listener, "b", b.sent);
      assert.deepEqual(runs, { a: [[1, a.sent]], b: [[1, b.sent]] }, WHERE);
      assert.equal(wrong, 0, WHERE);
    }
    const { broadcast, subscribers } = await brokerReport(bus.broker);
    assert.equal(broadcast, a.sent + b.sent);
    assert.deepEqual([subscribers!.dropped, a.lost + b.lost], [0, 0]);
  });
}

Deno.test("kill -9 of a subscriber: the other one loses nothing, and a new one joins without a gap", async () => {
  const moment = moments(4);
  await using bus = await startBus();
  await moment();
  bus.x.kill("SIGKILL");
  await bus.x.ended();
  await moment();
  await using x = await startChild("listen", bus.broker.broadcastAddress);
  await moment();

  const [a, b] = [await stop(bus.a), await stop(bus.b)];
  await heardAll(bus.y, "a", a.sent);
  const heard = await heardAll(bus.y, "b", b.sent);
  assert.deepEqual(heard, { runs: { a: [[1, a.sent]], b: [[1, b.sent]] }, wrong: 0 }, WHERE);
  await heardAll(x, "a", a.sent);
  const { runs, wrong } = await heardAll(x, "b", b.sent);
  assert.deepEqual([runs["a"]!.length, runs["b"]!.length, wrong], [1, 1, 0], WHERE);
  const { broadcast, subscribers } = await brokerReport(bus.broker);
  assert.equal(broadcast, a.sent + b.sent);
  assert.equal(subscribers!.dropped, 0);
});

Deno.test("SIGSTOP of a subscriber: what it misses is what was counted against it, and the other one loses nothing", async () => {
  const moment = moments(5);
  await using bus = await startBus({
    maxMessageBytes: 1024,
    // A second of what both senders send: so long the machine may let the healthy one wait.
    subscriberQueue: { messages: 5000, bytes: 8 * MIB },
    history: { messages: 5000 },
  });
  // What the operating systems holds for a stopped process, some megabytes, has to be filled before anything is dropped.
  const pad = "x".repeat(900);
  await using filler = await RawPeer.join(bus.broker.receiveAddress, "PUSH");
  let fillers = 0;
  await moment();
  bus.x.kill("SIGSTOP");
  for (let dropped = 0; dropped < 1000;) {
    for (let i = 0; i < 200; i++) {
      await filler.send(JSON.stringify({ name: "filler", number: ++fillers, pad }));
    }
    // The healthy one must not be overrun by the filler.
    await heardAll(bus.y, "filler", fillers);
    ({ dropped } = (await brokerReport(bus.broker)).subscribers!);
  }
  await moment();
  bus.x.kill("SIGCONT");
  // It takes what waits, and then everything again.
  await askUntil<SoakReport>(
    bus.broker,
    ({ stats }) => stats.subscribers!.subscribers.every(({ queuedMessages }) => queuedMessages < 100),
    "the queue",
  );
  await moment();

  const [a, b] = [await stop(bus.a), await stop(bus.b)];
  await heardAll(bus.y, "filler", fillers);
  await heardAll(bus.y, "a", a.sent);
  const healthy = await heardAll(bus.y, "b", b.sent);
  assert.deepEqual(healthy, {
    runs: { a: [[1, a.sent]], b: [[1, b.sent]], filler: [[1, fillers]] },
    wrong: 0,
  }, WHERE);
  await heardAll(bus.x, "a", a.sent);
  const stopped = await heardAll(bus.x, "b", b.sent);
  const { broadcast, subscribers } = await brokerReport(bus.broker);
  assert.equal(broadcast, a.sent + b.sent + fillers);
  assert.equal(stopped.wrong, 0, WHERE);
  assert.equal(count(stopped) + subscribers!.dropped, broadcast, WHERE);
});

Deno.test("kill -9 of the broker and its return on the same ports: everyone goes on, and each misses one range of numbers", async () => {
  const moment = moments(6);
  await using bus = await startBus();
  await moment();
  bus.broker.kill("SIGKILL");
  await bus.broker.ended();
  await moment();
  const port = (address: string) => Number(address.split(":").at(-1));
  await using second = await startBroker({
    broadcastPort: port(bus.broker.broadcastAddress),
    receivePort: port(bus.broker.receiveAddress),
  });
  for (const sender of [bus.a, bus.b]) {
    await askUntil<SenderReport>(sender, ({ connects }) => connects.length === 2, "a sender's return");
  }
  await askUntil<SoakReport>(
    second,
    ({ stats }) => stats.subscribers!.subscribers.filter(({ topics }) => topics > 0).length === 2,
    "both subscribers' return",
  );
  await moment();

  const reports = { a: await stop(bus.a), b: await stop(bus.b) };
  let toSecond = 0;
  for (const [name, { sent, written, lost, connects }] of Object.entries(reports)) {
    // All of its numbers went, in order, into the first connection, then into the second; one at most was cut.
    assert.deepEqual([connects[0], written + lost], [0, sent], WHERE);
    assert.ok(lost <= 1, WHERE);
    const toFirst = connects[1]!;
    toSecond += sent - toFirst;
    for (const listener of [bus.x, bus.y]) {
      const { runs, wrong } = await heardAll(listener, name, sent);
      const [before, after, ...more] = runs[name]!;
      assert.deepEqual([wrong, more], [0, []], WHERE);
      assert.equal(before![0], 1, WHERE);
      // From the first broker, then from the second: what is between was on its way when the first died, or was passed on
      // by the second before the subscriber was back.
      if (after === undefined) continue;
      assert.ok(
        before![1] <= toFirst && after[0] > toFirst && after[1] === sent,
        `${JSON.stringify(runs)} ${toFirst} ${WHERE}`,
      );
    }
  }
  const { received, broadcast, subscribers } = await brokerReport(second);
  assert.deepEqual([received, broadcast, subscribers!.dropped], [toSecond, toSecond, 0], WHERE);
});

Deno.test("a subscriber process that is stopped is found by heartbeat, comes back by itself, and misses nothing", async () => {
  await using broker = await startBroker({ heartbeatMs: 100 });
  await using x = await startChild("listen", broker.broadcastAddress);
  await using a = await startChild("send", broker.receiveAddress, "a");
  await askUntil<ListenerReport>(x, (report) => count(report) > 0, "a message");

  x.kill("SIGSTOP");
  await askUntil<SoakReport>(
    broker,
    ({ stats }) =>
      stats.subscribers!.faults["heartbeat-timeout"]! >= 1 && stats.subscribers!.connections === 0,
    "the end of the half-open connection",
  );
  x.kill("SIGCONT");

  // On a busy machine a heartbeat may be missed once more.
  await askUntil<SoakReport>(
    broker,
    ({ stats }) => stats.subscribers!.subscribers.some(({ topics }) => topics > 0),
    "its return",
  );
  const { sent } = await stop(a);
  const { runs, wrong } = await heardAll(x, "a", sent);
  assert.equal(wrong, 0);
  assert.equal(runs["a"]!.length, 1, `nothing is missing in between: ${JSON.stringify(runs)}`);
});

Deno.test("a broker without file descriptors serves those whom it has, and everyone again when some leave", async () => {
  await using broker = new Child("sh", [
    "-c",
    'ulimit -n 64; exec "$0" "$@"',
    Deno.execPath(),
    ...["run", "--allow-net=127.0.0.1", "--no-prompt", `${ROOT}/bench/soak_broker.ts`],
  ]);
  const addresses = await broker.read() as BrokerAddresses;
  const failedAccepts = async () => (await broker.ask("report") as SoakReport).stats.senders!.failedAccepts;
  using pair = await HealthyPair.join(addresses);
  const { hostname, port } = new URL(addresses.receiveAddress.replace("tcp:", "http:"));
  {
    using crowd = new DisposableStack();
    for (let i = 0; i < 100; i++) crowd.use(await Deno.connect({ hostname, port: Number(port) }));
    while (await failedAccepts() === 0) await pause(10);
    await pair.pass();
  }
  using newcomers = await HealthyPair.join(addresses);
  await newcomers.pass();
  await pair.pass();
});

Deno.test("a subscriber that reads a byte at a time gets whole messages in order, and loses what is counted", async () => {
  await using server = new MessageServer({
    maxMessageBytes: MIB,
    subscriberQueue: { bytes: 2 * MIB },
    lingerMs: 0,
  });
  await using slow = await RawPeer.join(server.broadcastAddress, "SUB");
  await slow.write(concat(encodeSubscription({ subscribe: true, topic: new Uint8Array(0) }), encodePing(0)));
  assert.equal(await slow.readText(), "\x04PONG");
  const numbers: number[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: MIB }, {
    handleFrame: (bytes, start, bodyStart, end) => {
      const isPing = bytes[start] === 0x04;
      if (!isPing) numbers.push(JSON.parse(new TextDecoder().decode(bytes.subarray(bodyStart, end))).number);
    },
    handleSkippedFrame: () => assert.fail("a frame is too large"),
  });
  const pad = "x".repeat(20_000);
  let number = 0;
  const state = () => server.stats().subscribers!.subscribers[0]!;
  const byte = new Uint8Array(1);
  // Each byte that it reads costs it another ten messages: far more than a byte in a second would.
  for (let i = 0; i < 200 || state().dropped === 0; i++) {
    for (let k = 0; k < 10; k++) server.sendMessage({ type: "n", number: ++number, pad });
    assert.equal(await slow.conn.read(byte), 1);
    decoder.push(byte);
    assert.ok(state().queuedBytes <= 2 * MIB);
  }
  const buffer = new Uint8Array(64 * 1024);
  const { dropped } = state();
  while (numbers.length < number - dropped) {
    const size = await slow.conn.read(buffer);
    assert.ok(size !== null);
    decoder.push(buffer.slice(0, size));
  }
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), "in order, and none twice");
  assert.equal(numbers.length + dropped, server.stats().broadcast);
  assert.equal(state().queuedMessages, 0);
});

Deno.test("2,000 connections at once are all served, and leave nothing behind", async () => {
  await using broker = await startBroker();
  {
    await using peers = new AsyncDisposableStack();
    // On a busy machine a handshake may take so long that the broker gives its place to another: like any client, it dials again.
    const join = async (address: string, type: string): Promise<RawPeer> => {
      while (true) {
        const peer = await RawPeer.connect(address);
        try {
          await peer.shakeHands(type);
          return peers.use(peer);
        } catch (error) {
          peer.close();
          if (!isCut(error)) throw error;
          cut++;
        }
      }
    };
    let cut = 0;
    const [subs, pushes] = await Promise.all([
      Promise.all(Array.from({ length: 1000 }, () => join(broker.broadcastAddress, "SUB"))),
      Promise.all(Array.from({ length: 1000 }, () => join(broker.receiveAddress, "PUSH"))),
    ]);
    const subscribe = encodeSubscription({ subscribe: true, topic: new Uint8Array(0) });
    await Promise.all(subs.map(async (sub) => {
      await sub.write(concat(subscribe, encodePing(0)));
      assert.equal(await sub.readText(), "\x04PONG");
    }));
    await pushes[999]!.send('{"type":"last"}');
    const texts = await Promise.all(subs.map((sub) => sub.readText()));
    assert.deepEqual(new Set(texts), new Set(['{"type":"last"}']));
    const { senders, subscribers } = await brokerReport(broker);
    assert.deepEqual([senders!.accepted, subscribers!.accepted], [1000, 1000]);
    const { refusedHandshakes } = senders!;
    assert.equal(refusedHandshakes + subscribers!.refusedHandshakes, cut, "nobody else was cut");
  }
  await askUntil<SoakReport>(
    broker,
    ({ stats }) => stats.senders!.connections + stats.subscribers!.connections === 0,
    "the end of all connections",
  );
  using pair = await HealthyPair.join(broker);
  await pair.pass();
});
