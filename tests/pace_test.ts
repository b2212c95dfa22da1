/**
 * Senders at full speed, subscribers that read and subscribers that do not, each a real process: whoever reads gets every message, in
 * order, and whoever does not holds nobody up.
 */
import assert from "node:assert/strict";
import type { SoakReport } from "../bench/soak_broker.ts";
import type { MessageServerOptions } from "../mod.ts";
import { MessageClient, MessageServer, PassiveMessageClient, QueueFullError } from "../mod.ts";
import { serveGateway } from "../http.ts";
import { curveKeyPair } from "../zmtp/curve/keys.ts";
import { until } from "./support/deadline.ts";
import type { BrokerAddresses } from "./support/healthy_pair.ts";
import {
  type Heard,
  type PaceOptions,
  PacePeer,
  PYTHON,
  type Sent,
  stuckSubscriber,
} from "./support/pace_peers.ts";
import { Program } from "./support/program.ts";

const COUNT = 300_000;

/** A broker as a process of its own. */
class Broker implements AsyncDisposable {
  readonly #program: Program;
  readonly broadcastAddress: string;
  readonly receiveAddress: string;

  private constructor(program: Program, { broadcastAddress, receiveAddress }: BrokerAddresses) {
    this.#program = program;
    this.broadcastAddress = broadcastAddress;
    this.receiveAddress = receiveAddress;
  }

  static async start(options: MessageServerOptions = {}): Promise<Broker> {
    const program = new Program(["bench/soak_broker.ts", JSON.stringify(options)]);
    return new Broker(program, JSON.parse((await program.line())!));
  }

  async stats(): Promise<SoakReport["stats"]> {
    await this.#program.say("report\n");
    return JSON.parse((await this.#program.line())!).stats;
  }

  /** Waits until so many have subscribed. */
  async subscribed(count: number): Promise<void> {
    let subscribers: readonly { readonly topics: number }[] = [];
    while (subscribers.filter(({ topics }) => topics > 0).length < count) {
      ({ subscribers } = (await this.stats()).subscribers!);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

/** One sender's messages, and all that the good subscribers hear of them. */
interface Flood {
  readonly language: "python" | "node";
  readonly listeners: readonly PaceOptions[];
  readonly sender?: PaceOptions;
  readonly senders?: number;
  /** Others that have subscribed already. */
  readonly others?: number;
}

async function flood(
  broker: Broker,
  { language, listeners, sender = {}, senders = 1, others = 0 }: Flood,
): Promise<{ readonly heard: readonly Heard[]; readonly sent: readonly Sent[] }> {
  await using stack = new AsyncDisposableStack();
  const start = async (role: "send" | "listen", options: PaceOptions) => {
    const address = role === "send" ? broker.receiveAddress : broker.broadcastAddress;
    return stack.use(await PacePeer.start(language, role, address, options));
  };
  const subscribers = await Promise.all(
    listeners.map((options) => start("listen", { senders, ...options })),
  );
  await broker.subscribed(subscribers.length + others);
  const pushers = await Promise.all(
    Array.from({ length: senders }, (_, i) => start("send", { name: `${i}`, count: COUNT, ...sender })),
  );
  for (const pusher of pushers) await pusher.begin();
  try {
    const heard = await Promise.all(subscribers.map((subscriber) => subscriber.report<Heard>()));
    const sent = await Promise.all(pushers.map((pusher) => pusher.report<Sent>()));
    return { heard, sent };
  } catch (error) {
    throw new Error(`The end was not heard: ${JSON.stringify(await broker.stats())}`, { cause: error });
  }
}

const ALL: Heard = { count: COUNT, gaps: 0, wrong: 0 };

for (const language of ["python", "node"] as const) {
  for (const hwm of [null, 0]) {
    Deno.test({
      name: `pace: ${language} subscribers get every message of a sender at full speed, high-water marks ${
        hwm === null ? "as they are" : "off"
      }, a stopped one beside them`,
      ignore: language === "python" && PYTHON === undefined,
      fn: async () => {
        await using broker = await Broker.start();
        await using stopped = await PacePeer.start(language, "listen", broker.broadcastAddress);
        await broker.subscribed(1);
        stopped.kill("SIGSTOP");
        const { heard } = await flood(broker, {
          language,
          sender: { hwm },
          listeners: [{ hwm }, { hwm, sleepy: true }],
          others: 1,
        });
        assert.deepEqual(heard, [ALL, ALL]);
      },
    });
  }
}

Deno.test({
  name: "pace: beside fifty subscribers that read nothing or a byte a second good ones get everything",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using broker = await Broker.start();
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 50; i++) {
      stack.use(await stuckSubscriber(broker.broadcastAddress, i % 2 === 0 ? undefined : 1000));
    }
    const { heard } = await flood(broker, { language: "python", listeners: [{}, {}], others: 50 });
    assert.deepEqual(heard, [ALL, ALL]);
    const { subscribers } = (await broker.stats()).subscribers!;
    for (const { dropped } of subscribers) assert(dropped > 0);
  },
});

Deno.test({
  name: "pace: several senders at full speed get through whole and in order",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using broker = await Broker.start();
    const sender = { count: COUNT / 4 };
    const { heard } = await flood(broker, {
      language: "python",
      senders: 4,
      sender,
      listeners: [{ sleepy: true }],
    });
    assert.deepEqual(heard, [ALL]);
  },
});

Deno.test({
  name: "pace: a sender that must not block sees EAGAIN while it is held, and what it could send comes whole",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using broker = await Broker.start();
    const { heard, sent } = await flood(broker, {
      language: "python",
      sender: { nonblocking: true },
      listeners: [{ sleepy: true }],
    });
    assert.deepEqual(heard, [ALL]);
    assert(sent[0]!.refused > 0);
  },
});

Deno.test({
  name: "pace: under CURVE, too, subscribers get every message",
  ignore: PYTHON === undefined,
  fn: async () => {
    const curve = await curveKeyPair();
    await using broker = await Broker.start({ curve });
    const count = COUNT / 3;
    const { heard } = await flood(broker, {
      language: "python",
      sender: { serverKey: curve.publicKey, count },
      listeners: [{ serverKey: curve.publicKey }, { serverKey: curve.publicKey, sleepy: true }],
    });
    const all = { count, gaps: 0, wrong: 0 };
    assert.deepEqual(heard, [all, all]);
  },
});

Deno.test({
  name: "pace: a subscriber with a narrow topic is waited for by what it gets, not by what passes",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using broker = await Broker.start();
    const types = `${"a".repeat(19)}b`;
    const topics = ['{"type":"b"', '{"type":"end"'];
    const { heard } = await flood(broker, {
      language: "python",
      sender: { types },
      // It takes far fewer than pass, but what it gets is less than a quarter of its queue.
      listeners: [{ topics, step: types.length, napMs: 20 }],
    });
    assert.deepEqual(heard, [{ ...ALL, count: COUNT / types.length }]);
    assert.equal((await broker.stats()).subscribers!.waitedMs, 0);
  },
});

Deno.test({
  name: "pace: a sender with heartbeats of half a second is not cut while it is held for longer",
  ignore: PYTHON === undefined,
  fn: async () => {
    await using broker = await Broker.start({
      heartbeatMs: 500,
      slowestReader: 1000,
      subscriberQueue: { messages: 4000 },
    });
    const count = 20_000;
    // It keeps the pace, and takes more than two seconds for what the senders have said at once.
    const { heard } = await flood(broker, {
      language: "python",
      // Gone while it is held, it would be told all the same that we are there, and that destroys what it has said.
      sender: { heartbeat: 500, count, size: 1000, stays: true },
      listeners: [{ napMs: 40, hwm: 10 }],
    });
    assert.deepEqual(heard, [{ count, gaps: 0, wrong: 0 }]);
    const stats = await broker.stats();
    assert.equal(stats.senders!.accepted, 1);
    assert.deepEqual(stats.senders!.faults, {});
    assert(stats.subscribers!.waitedMs > 0);
  },
});

Deno.test("pace: our clients are told that their queue is full, and wait for room or for its end", async () => {
  await using broker = await Broker.start();
  await using listener = new PassiveMessageClient({ serverBroadcast: broker.broadcastAddress });
  let heard = 0;
  listener.addEventListener("message", () => void heard++);
  await using client = new MessageClient({ serverReceive: broker.receiveAddress });
  await Promise.all([listener.ready, client.ready]);
  let full = 0;
  for (let number = 0; number < COUNT; number++) {
    try {
      client.sendMessage({ type: "n", number });
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      full++;
      number--;
      await client.drained();
    }
  }
  await client.flush();
  await until(() => heard === COUNT, `all messages, ${heard} so far`, 30_000);
  assert(full > 0);
  assert.equal(listener.stats().gaps, 0);
});

Deno.test("pace: HTTP readers have their places, and one that does not read makes nobody wait", async () => {
  await using server = new MessageServer();
  await using gateway = serveGateway(server, { port: 0, log: () => {} });
  await using listener = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
  let heard = 0;
  listener.addEventListener("message", () => void heard++);
  await using client = new MessageClient({ serverReceive: server.receiveAddress });
  await Promise.all([listener.ready, client.ready]);
  using reader = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(gateway.url).port) });
  await reader.write(new TextEncoder().encode("GET /messages/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
  const head = new Uint8Array(1000);
  await reader.read(head);
  const count = COUNT / 3;
  const pad = "x".repeat(60);
  for (let number = 0; number < count; number++) {
    if (number % 5000 === 0) await client.drained();
    client.sendMessage({ type: "n", number, pad });
  }
  await client.flush();
  await until(() => heard === count, `all messages, ${heard} so far`, 30_000);
  for (const { dropped } of server.stats().subscribers!.subscribers) assert.equal(dropped, 0);
});
