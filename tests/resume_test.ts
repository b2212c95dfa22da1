/**
 * Lines that are cut, brokers that restart, processes that are stopped and killed: clients go on where they were, get each message
 * once and in order, know which are their own, and are told exactly what they cannot get.
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { MessageServer } from "../broker.ts";
import {
  type ClientOptions,
  type GapEvent,
  GenericMessageClient,
  MessageClient,
  PassiveMessageClient,
} from "../client.ts";
import { curveKeyPair } from "../zmtp/curve/keys.ts";
import { libzmq } from "../zmtp/libzmq/mod.ts";
import { nextEvent, soon, until } from "./support/deadline.ts";
import { startLibzmqBroker } from "./support/libzmq_broker.ts";
import { Program } from "./support/program.ts";
import { RawPeer } from "./support/raw_peer.ts";
import { Relay } from "./support/relay.ts";
import type { ResumeReport } from "./support/resume_child.ts";

const FAST = { reconnect: { minMs: 1, maxMs: 5 }, lingerMs: 0 } as const;
const SEED = Number(Deno.env.get("RESUME_SEED") ?? Math.floor(Math.random() * 2 ** 31));
const WHERE = `RESUME_SEED=${SEED}`;
const KEYS = await curveKeyPair();

/** Numbers below `max`, the same ones for the same seed. */
function makeRandom(test: number): (max: number) => number {
  let state = (SEED + test) % 0x7fff_ffff || 1;
  return (max) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % max;
  };
}

/** What a client hears, as numbers, and its gaps in their places. */
function listen(client: MessageClient | PassiveMessageClient | GenericMessageClient): (number | string)[] {
  const heard: (number | string)[] = [];
  client.addEventListener("message", ({ text }) => void heard.push(JSON.parse(text).n));
  client.addEventListener("gap", ({ missed, reason }) => void heard.push(`${missed} ${reason}`));
  return heard;
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function say(server: MessageServer, first: number, last: number, pad = ""): void {
  for (const n of numbers(first, last)) server.sendMessage({ type: "n", n, pad });
}

function isAt(client: { readonly place: string | undefined }, server: MessageServer): Promise<void> {
  return until(() => client.place === server.feed.place(server.feed.position), "the newest place");
}

function portsOf({ broadcastAddress, receiveAddress }: MessageServer) {
  const port = (address: string) => Number(address.split(":").at(-1));
  return { broadcastPort: port(broadcastAddress), receivePort: port(receiveAddress) };
}

/**
 * Messages from before the client, from while its line is cut after `offset` bytes, and from after it. Returns the bytes that came
 * over the first line.
 */
async function cutAt(offset: number, curve: boolean, sizes: readonly number[]): Promise<boolean> {
  await using server = new MessageServer(curve ? { curve: KEYS } : {});
  await server.ready;
  await using relay = new Relay(server.broadcastAddress);
  relay.cutNext({ down: offset });
  const third = Math.ceil(sizes.length / 3);
  let n = 0;
  const next = (count: number) => {
    for (const size of sizes.slice(n, n + count)) {
      server.sendMessage({ type: "n", n: ++n, pad: "x".repeat(size) });
    }
  };
  next(third);
  await using client = new PassiveMessageClient({
    serverBroadcast: relay.address,
    since: "earliest",
    ...FAST,
    ...(curve && { curve: { serverKey: KEYS.publicKey } }),
  });
  client.addEventListener("error", () => {}); // a handshake may be cut as well
  const heard = listen(client);
  let isReady = false;
  client.addEventListener("connect", () => isReady = true, { once: true });
  await until(() => isReady || relay.cuts > 0, "the client or the cut");
  next(third);
  await until(() => relay.cuts > 0 || heard.length === n, "the cut or the messages");
  const wasCut = relay.cuts > 0;
  next(sizes.length - n);
  await isAt(client, server);
  assert.deepEqual(heard, numbers(1, sizes.length), `cut after ${offset} bytes; ${WHERE}`);
  assert.deepEqual([client.count, client.stats().missed, client.stats().gaps], [sizes.length, 0, 0]);
  const { entries, missed } = client.messagesAfter(0);
  assert.deepEqual([entries.map(({ count }) => count), missed], [numbers(1, sizes.length), 0]);
  assert.equal(server.stats().subscribers!.dropped, 0);
  return wasCut;
}

for (const curve of [false, true]) {
  const how = curve ? " under CURVE" : "";

  Deno.test(`a client goes on where it was, whichever byte of a stream of small messages its line is cut after${how}`, async () => {
    const sizes = [0, 1, 2, 3, 200, 250, 4, 5, 6];
    // With CURVE an offset within a box says no more than its neighbours; the handshake and each frame are met all the same.
    const step = curve ? 7 : 1;
    let offset = 0;
    for (let wasCut = true; wasCut; offset += 16 * step) {
      const offsets = Array.from({ length: 16 }, (_, i) => offset + i * step);
      wasCut = (await Promise.all(offsets.map((offset) => cutAt(offset, curve, sizes)))).every(Boolean);
    }
    assert.ok(offset > 500, `${offset} bytes`);
  });

  Deno.test(`a client goes on where it was, cut at random bytes of large messages${how}`, async () => {
    const random = makeRandom(curve ? 2 : 1);
    for (let i = 0; i < 12; i++) {
      const sizes = Array.from({ length: 6 }, () => 65_536 + random(1_048_576 - 65_536));
      await cutAt(random(sizes[0]! + sizes[1]!), curve, sizes);
    }
  });
}

Deno.test("MessageClient hears equal messages of others and none of its own, whichever byte its line is cut after", async () => {
  for (let offset = 1;; offset += 3) {
    await using server = new MessageServer();
    await using relay = new Relay(server.broadcastAddress);
    relay.cutNext({ down: offset });
    const serverReceive = server.receiveAddress;
    await using other = new MessageClient({ serverReceive, ...FAST });
    await using client = new MessageClient({ serverBroadcast: relay.address, serverReceive, ...FAST });
    client.addEventListener("error", () => {});
    const heard = listen(client);
    await Promise.all([soon(client.ready), soon(other.ready)]);
    const { cuts } = relay;
    for (const n of numbers(1, 5)) {
      client.sendMessage({ type: "n", n });
      other.sendMessage({ type: "n", n });
    }
    await until(() => server.feed.position === 10, "all messages");
    await isAt(client, server);
    assert.deepEqual(heard, numbers(1, 5), `cut after ${offset} bytes`);
    // Had it been cut before, we would have gone on with a line that lasts.
    if (cuts === 0 && relay.cuts === 0) break;
  }
});

Deno.test("three kinds of clients go on behind the same cut, in the order of the bus", async () => {
  await using server = new MessageServer();
  await using relay = new Relay(server.broadcastAddress);
  const options = { serverBroadcast: relay.address, serverReceive: server.receiveAddress, ...FAST };
  const handled: number[] = [];
  await using generic = new GenericMessageClient(
    { handleNewMessage: (message) => void handled.push((message as unknown as { n: number }).n) },
    options,
  );
  await using one = new MessageClient(options);
  await using two = new MessageClient(options);
  const heard = [listen(generic), listen(one), listen(two)];
  await soon(Promise.all([generic.ready, one.ready, two.ready]));
  for (let round = 0; round < 20; round++) {
    one.sendMessage({ type: "n", n: 1 });
    two.sendMessage({ type: "n", n: 2 });
    generic.sendMessage({ type: "n", n: 3 });
    if (round % 5 === 2) relay.cutNow();
    await until(() => server.feed.position === 3 * (round + 1), "the broker");
  }
  await Promise.all([generic, one, two].map((client) => isAt(client, server)));
  const all = server.feed.after(0).entries.map(({ text }) => JSON.parse(text).n);
  assert.deepEqual(heard, [all, all.filter((n) => n !== 1), all.filter((n) => n !== 2)]);
  assert.deepEqual(handled, all);
});

Deno.test("a client that was away for longer than the window is told the exact number that it missed", async () => {
  await using server = new MessageServer({ history: { messages: 5 } });
  await using relay = new Relay(server.broadcastAddress);
  await using client = new PassiveMessageClient({ serverBroadcast: relay.address, ...FAST });
  client.addEventListener("error", () => {});
  const heard = listen(client);
  await soon(client.ready);
  say(server, 1, 3);
  await until(() => client.count === 3, "three messages");
  relay.isClosed = true;
  const gone = nextEvent(client, "disconnect");
  relay.cutNow();
  await gone;
  say(server, 4, 30);
  relay.isClosed = false;
  await isAt(client, server);
  assert.deepEqual(heard, [1, 2, 3, "22 expired", ...numbers(26, 30)]);
  assert.deepEqual([client.stats().missed, client.stats().gaps, client.count], [22, 1, 8]);
  // Its own count goes on, and the broker's numbers have the hole.
  assert.deepEqual(client.messagesAfter(3).entries.map(({ count }) => count), [4, 5, 6, 7, 8]);
  assert.deepEqual([client.feed.seq, client.feed.epoch], [30, server.feed.epoch]);
  const gap = client.feed.after(3);
  assert.deepEqual([gap.missed, gap.reason, gap.entries.length], [22, "expired", 5]);
});

Deno.test("a client goes on in the next life of its broker, behind a gap of unknown size", async () => {
  const first = new MessageServer();
  const ports = portsOf(first);
  await using client = new PassiveMessageClient({ ...first.addresses, ...FAST });
  client.addEventListener("error", () => {});
  const heard = listen(client);
  await soon(client.ready);
  say(first, 1, 3);
  await isAt(client, first);
  const { place } = client;
  await first.close();
  await using second = new MessageServer(ports);
  say(second, 4, 5);
  await isAt(client, second);
  assert.deepEqual(heard, [1, 2, 3, "null restarted", 4, 5]);
  assert.notEqual(client.place!.split(".")[0], place!.split(".")[0]);
  assert.deepEqual([client.stats().missed, client.stats().gaps, client.count], [0, 1, 5]);
  assert.deepEqual(client.messagesAfter(0).entries.map(({ count }) => count), [1, 2, 3, 4, 5]);
  assert.equal(client.feed.place(client.feed.position), client.place);
});

for (
  const [what, since, expected] of [
    ["everything that is held", "earliest", [3, 4, 5, 6]],
    ["what comes from now on", "now", [6]],
    ["what follows a place", "4", [5, 6]],
    ["what follows a place that is no longer held", "1", ["1 expired", 3, 4, 5, 6]],
    ["a place of the future", "100", ["null restarted", 3, 4, 5, 6]],
    ["a place of another life", "stranger.3", ["null restarted", 3, 4, 5, 6]],
  ] as const
) {
  Deno.test(`a client that begins with ${what} gets just that`, async () => {
    await using server = new MessageServer({ history: { messages: 3 } });
    say(server, 1, 5);
    const start = /^\d/.test(since) ? `${server.feed.epoch}.${since}` : since;
    await using client = new GenericMessageClient({ handleNewMessage() {} }, {
      serverBroadcast: server.broadcastAddress,
      since: start,
    });
    const heard = listen(client);
    await soon(client.ready);
    say(server, 6, 6);
    await isAt(client, server);
    // The window held 3, 4 and 5 when it came.
    assert.deepEqual(heard, expected);
  });
}

for (const since of [2, 100]) {
  Deno.test(`PassiveMessageClient's feed has the broker's places when it begins at number ${since} of 5`, async () => {
    await using server = new MessageServer();
    say(server, 1, 5);
    await using client = new PassiveMessageClient({
      serverBroadcast: server.broadcastAddress,
      since: `${server.feed.epoch}.${since}`,
    });
    await soon(client.ready);
    say(server, 6, 6);
    await isAt(client, server);
    assert.equal(client.feed.place(client.feed.position), client.place);
    const { entries } = client.messagesAfter(0);
    assert.equal(entries.length, since === 2 ? 4 : 6);
    for (const { text } of entries) assert.equal(JSON.parse(text).type, "n");
  });
}

Deno.test("a client goes on while its line stalls in the middle of a message", async () => {
  await using server = new MessageServer({ heartbeatMs: 0 });
  await using relay = new Relay(server.broadcastAddress);
  await using client = new PassiveMessageClient({
    serverBroadcast: relay.address,
    heartbeatMs: 50,
    ...FAST,
  });
  client.addEventListener("error", () => {});
  const heard = listen(client);
  await soon(client.ready);
  say(server, 1, 2);
  await isAt(client, server);
  relay.stall();
  say(server, 3, 6, "x".repeat(50_000));
  await nextEvent(client, "disconnect"); // its heartbeat finds the line dead
  say(server, 7, 8);
  relay.resume();
  await isAt(client, server);
  assert.deepEqual(heard, numbers(1, 8));
});

Deno.test("a client that takes small messages only still goes on where it was", async () => {
  await using server = new MessageServer();
  await using relay = new Relay(server.broadcastAddress);
  await using client = new PassiveMessageClient({
    serverBroadcast: relay.address,
    maxMessageBytes: 30,
    since: "earliest",
    ...FAST,
  });
  const heard = listen(client);
  say(server, 1, 2);
  await isAt(client, server);
  relay.cutNow();
  say(server, 3, 3, "x".repeat(100));
  say(server, 4, 4);
  await isAt(client, server);
  assert.deepEqual(heard, [1, 2, 4]);
  assert.deepEqual(client.stats().refused, { "too-large": 1 });
  assert.equal(client.feed.after(2).missed, 1);
});

Deno.test("whoever comes back gets nothing that is older than the window may be", async () => {
  await using server = new MessageServer({ history: { maxAgeMs: 300 } });
  say(server, 1, 3);
  const sent = performance.now();
  await until(() => performance.now() > sent + 310, "their age");
  await using client = new PassiveMessageClient({
    serverBroadcast: server.broadcastAddress,
    since: "earliest",
  });
  const heard = listen(client);
  await soon(client.ready);
  say(server, 4, 4);
  await isAt(client, server);
  assert.deepEqual(heard, [4]);
});

for (const curve of [false, true]) {
  Deno.test(
    `six clients whose lines are cut and stalled at random get everything once, or a gap of the exact size${
      curve ? ", under CURVE" : ""
    }`,
    async () => {
      const random = makeRandom(curve ? 4 : 3);
      await using server = new MessageServer({
        maxMessageBytes: 100_000,
        history: { messages: 1000, bytes: 400_000 },
        subscriberQueue: { messages: 300, bytes: 500_000 },
        memoryBudgetBytes: 1_500_000,
        lingerMs: 0,
        ...(curve && { curve: KEYS }),
      });
      await server.ready;
      const { feed } = server;
      /** By place; the window forgets it. */
      const truth = new Map<string, string>();
      let known = 0;
      const stop = feed.listen(() => {
        for (let slice; (slice = feed.after(known)).position > known; known = slice.position) {
          for (const { position, text } of slice.entries) truth.set(feed.place(position), text);
        }
      });
      await using stack = new AsyncDisposableStack();
      const relays: Relay[] = [];
      const makeRelay = (address: string) => relays[relays.push(stack.use(new Relay(address))) - 1]!.address;
      const clients = numbers(0, 5).map((me) => {
        const options: ClientOptions = {
          serverBroadcast: makeRelay(server.broadcastAddress),
          serverReceive: makeRelay(server.receiveAddress),
          ...FAST,
          ...(curve && { curve: { serverKey: KEYS.publicKey } }),
        };
        const client = stack.use(
          me % 2 === 0 ? new MessageClient(options) : new PassiveMessageClient(options),
        );
        client.addEventListener("error", () => {});
        client.addEventListener("message", ({ text, message }) => {
          assert.equal(text, truth.get(client.place!) ?? text, WHERE);
          const { who } = message as unknown as { who: number };
          assert.ok(me % 2 === 1 || who !== me, `${me} hears itself; ${WHERE}`);
        });
        return client;
      });
      await soon(Promise.all(clients.map(({ ready }) => ready)));
      assert.equal(feed.position, 0);
      for (let step = 0; step < 300; step++) {
        clients.forEach((client, who) => {
          for (let i = random(5); i > 0; i--) {
            const pad = "x".repeat(random(15) === 0 ? random(90_000) : random(200));
            client.sendJsonMessage(JSON.stringify({ type: "n", who, pad }));
          }
        });
        server.pause = random(40) === 0;
        const relay = relays[random(relays.length)]!;
        const what = random(10);
        if (what === 0) relay.cutNow();
        if (what === 1) {
          relay.cutNext({ down: random(200_000) });
          relay.cutNow();
        }
        if (what === 2) relay.stall();
        if (what >= 7) relay.resume();
        await pause(random(6));
      }
      server.pause = false;
      for (const relay of relays) relay.resume();
      await until(() => clients.every((client) => client.stats().queued === 0), "all messages");
      // What the broker reads last may come a little later.
      const isWhole = (client: (typeof clients)[number]) => {
        const { received, missed } = client.stats();
        return client.place === feed.place(feed.position) && received + missed === feed.position;
      };
      await until(() => clients.every(isWhole), `all messages, or their gaps; ${WHERE}`);
      stop();
      for (const client of clients) assert.deepEqual(client.stats().refused, {});
      assert.ok(feed.position > 1000, `${feed.position} messages`);
    },
  );
}

// Whose a message is, A9 and F11.

Deno.test("MessageClient hears an equal message of somebody else after its own one was ignored by a paused broker", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient({ ...server.addresses, ...FAST });
  await using other = new MessageClient({ ...server.addresses, ...FAST });
  const heard = listen(client);
  await soon(Promise.all([client.ready, other.ready]));
  server.pause = true;
  client.sendMessage({ type: "n", n: 1 });
  await until(() => server.stats().ignored === 1, "the message");
  server.pause = false;
  other.sendMessage({ type: "n", n: 1 });
  client.sendMessage({ type: "n", n: 2 });
  other.sendMessage({ type: "n", n: 3 });
  await until(() => server.feed.position === 3, "the broker");
  await isAt(client, server);
  assert.deepEqual(heard, [1, 3]);
});

Deno.test("MessageClient hears an equal message of somebody else after its own one was refused for its size", async () => {
  await using server = new MessageServer({ maxMessageBytes: 100 });
  await using client = new MessageClient({ ...server.addresses, ...FAST });
  const heard = listen(client);
  await soon(client.ready);
  const large = { type: "n", n: 1, pad: "x".repeat(100) };
  client.sendMessage(large);
  await until(() => server.stats().refused["too-large"] === 1, "the refusal");
  client.sendMessage({ type: "n", n: 2 });
  server.sendMessage({ type: "n", n: 2 });
  await until(() => server.feed.position === 2, "the broker");
  await isAt(client, server);
  assert.deepEqual(heard, [2]);
});

Deno.test("MessageClient hears an equal message of somebody else after its own one was lost on the way", async () => {
  await using server = new MessageServer();
  await using relay = new Relay(server.receiveAddress);
  // Greeting and READY go through, and the first bytes of a large message: more than the system takes of it at once.
  relay.cutNext({ up: 500 });
  const { serverBroadcast } = server.addresses;
  await using client = new MessageClient({ serverBroadcast, serverReceive: relay.address, ...FAST });
  await using other = new MessageClient({ ...server.addresses, ...FAST });
  client.addEventListener("error", () => {});
  const heard = listen(client);
  await soon(Promise.all([client.ready, other.ready]));
  const large = { type: "n", n: 1, pad: "x".repeat(16_000_000) };
  client.sendMessage(large);
  await until(() => client.stats().lost === 1, "the loss");
  other.sendMessage(large);
  client.sendMessage({ type: "n", n: 2 });
  await until(() => server.feed.position === 2, "the broker");
  await isAt(client, server);
  assert.deepEqual(heard, [1]);
});

Deno.test("what the operating system had taken when a connection breaks counts as written, and only asking tells that it is gone", async () => {
  await using server = new MessageServer();
  await using relay = new Relay(server.receiveAddress);
  // Greeting and READY go through, and the first bytes of the message.
  relay.cutNext({ up: 500 });
  const { serverBroadcast } = server.addresses;
  await using client = new PassiveMessageClient({ serverBroadcast, serverReceive: relay.address, ...FAST });
  client.addEventListener("error", () => {});
  await soon(client.ready);
  const first = client.publish([JSON.stringify({ type: "n", n: 1, pad: "x".repeat(2000) })]);
  const asking = new AbortController();
  const told = first.told(asking.signal);
  await soon(client.flush(), "a flush that knows of no loss");
  await soon(relay.hasCut());
  assert.equal(await client.publish(['{"type":"n","n":2}']).told(AbortSignal.timeout(10_000)), 1);
  const { written, lost } = client.stats();
  assert.deepEqual({ written, lost, position: server.feed.position }, { written: 2, lost: 0, position: 1 });
  asking.abort();
  assert.equal(await told, undefined);
});

// Other processes.

async function startListener(options: ClientOptions & { readonly keep?: string }): Promise<Program> {
  const program = new Program(["tests/support/resume_child.ts", JSON.stringify(options)], {
    permission: "-A",
  });
  assert.equal(await program.line(), '"ready"');
  return program;
}

async function reportOf(program: Program): Promise<ResumeReport> {
  await program.say("report\n");
  const line = await program.line();
  assert.ok(line !== undefined, "the child is alive");
  return JSON.parse(line);
}

async function reportAt(program: Program, place: string): Promise<ResumeReport> {
  const end = performance.now() + 20_000;
  while (true) {
    const report = await reportOf(program);
    if (report.place === place) return report;
    assert.ok(performance.now() < end, `waited in vain for ${place}: ${JSON.stringify(report)}`);
    await pause(5);
  }
}

Deno.test("a process that is stopped for longer than the window goes on behind a gap of the exact number", async () => {
  await using server = new MessageServer({
    maxMessageBytes: 100_000,
    subscriberQueue: { messages: 50, bytes: 1_000_000 },
    history: { messages: 50 },
  });
  await using child = await startListener({ serverBroadcast: server.broadcastAddress });
  say(server, 1, 10);
  child.kill("SIGSTOP");
  // What the operating system takes for it, some megabytes, has to be filled first.
  let last = 10;
  const state = () => server.stats().subscribers!.subscribers[0]!;
  while (state().dropped < 500) {
    say(server, last + 1, last + 20, "x".repeat(20_000));
    last += 20;
    await pause(0);
  }
  child.kill("SIGCONT");
  const { runs, missed, gaps, wrong } = await reportAt(child, server.feed.place(server.feed.position));
  assert.equal(wrong, 0);
  const heard = runs.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  assert.equal(heard + missed, last);
  assert.ok(missed >= 500);
  assert.deepEqual(gaps, runs.slice(1).map(([first], i) => first - runs[i]![1] - 1));
  assert.equal(state().dropped, missed);
});

Deno.test("kill -9 of a process that kept its place: in its next life it goes on behind it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const keep = `${folder}/heard`;
    await using server = new MessageServer();
    let last = 0;
    const flow = setInterval(() => say(server, ++last, last), 1);
    try {
      let since: string | undefined = "earliest";
      for (let life = 0; life < 3; life++) {
        await using child = await startListener({
          serverBroadcast: server.broadcastAddress,
          keep,
          ...(since !== undefined && { since }),
        });
        const before = server.feed.position;
        await until(() => server.feed.position > before + 50, "messages");
        child.kill("SIGKILL");
        await child.ended();
        since = (await Deno.readTextFile(keep)).trim().split("\n").at(-1)!.split(" ")[1];
      }
      const lines = (await Deno.readTextFile(keep)).trim().split("\n");
      const heard = lines.map((line) => Number(line.split(" ")[0]));
      assert.deepEqual(heard, numbers(1, heard.length));
      assert.ok(heard.length > 100, `${heard.length} messages`);
    } finally {
      clearInterval(flow);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a client process that is stopped for 6 s between sending and reading still does not hear itself, by number or by text", async () => {
  await using server = new MessageServer();
  await using libzmqServer = new MessageServer({ transport: libzmq });
  await using proxy = await startLibzmqBroker();
  await using stack = new AsyncDisposableStack();
  const all: { readonly relay: Relay; readonly child: Program; readonly address: string }[] = [];
  for (const addresses of [server.addresses, libzmqServer.addresses, proxy.addresses]) {
    const relay = stack.use(new Relay(addresses.serverBroadcast));
    const child = stack.use(await startListener({ ...addresses, serverBroadcast: relay.address }));
    all.push({ relay, child, address: addresses.serverReceive });
  }
  for (const { relay, child } of all) {
    relay.stall();
    await child.say("send 1\n");
    assert.equal(await child.line(), '"sent"');
    child.kill("SIGSTOP");
    relay.resume();
  }
  await pause(6000);
  for (const { child, address } of all) {
    child.kill("SIGCONT");
    await using other = await RawPeer.join(address, "PUSH");
    await other.send('{"type":"n","n":2}');
    let report: ResumeReport;
    do report = await reportOf(child); while (report.runs.length === 0);
    assert.deepEqual([report.runs, report.wrong], [[[2, 2]], 0], address);
  }
});

// Brokers without numbers.

for (
  const [what, start] of [
    ["zmq_proxy", () => startLibzmqBroker()],
    ["MessageServer over libzmq", () => {
      const server = new MessageServer({ transport: libzmq });
      return Promise.resolve({
        addresses: server.addresses,
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      });
    }],
  ] as const
) {
  Deno.test(`a client of ${what} tells a gap of unknown size after a cut, and knows its own messages by their text`, async () => {
    await using broker = await start();
    await using relay = new Relay(broker.addresses.serverBroadcast);
    const { serverReceive } = broker.addresses;
    await using client = new MessageClient({ serverBroadcast: relay.address, serverReceive, ...FAST });
    await using passive = new PassiveMessageClient({ serverBroadcast: relay.address, ...FAST });
    await using other = new MessageClient({ serverReceive, ...FAST });
    const heard = [listen(client), listen(passive)];
    const gaps: GapEvent[] = [];
    passive.addEventListener("gap", (event) => void gaps.push(event));
    await soon(Promise.all([client.ready, passive.ready, other.ready]));
    const both = async () => {
      const connected = [client, passive].map((client) => nextEvent(client, "connect"));
      relay.cutNow();
      await Promise.all(connected);
    };
    client.sendMessage({ type: "n", n: 1 });
    await until(() => passive.count === 1, "the first message");
    await both();
    client.sendMessage({ type: "n", n: 2 });
    other.sendMessage({ type: "n", n: 3 });
    await until(() => heard[0]!.includes(3) && passive.count === 3, "the others");
    assert.deepEqual(heard[0], ["null disconnected", 3]);
    assert.deepEqual(heard[1]!.slice(0, 2), [1, "null disconnected"]);
    assert.deepEqual([client.place, passive.place], [undefined, undefined]);
    assert.deepEqual([gaps.length, passive.stats().gaps, passive.stats().missed], [1, 1, 0]);
    assert.equal(passive.feed.after(1).missed, null);
    assert.deepEqual(passive.messagesAfter(0).entries.map(({ count }) => count), [1, 2, 3]);
  });
}

Deno.test("a client over libzmq tells a gap of unknown size after a cut, also with our broker", async () => {
  await using server = new MessageServer();
  await using relay = new Relay(server.broadcastAddress);
  await using client = new PassiveMessageClient({
    serverBroadcast: relay.address,
    transport: libzmq,
    ...FAST,
  });
  client.addEventListener("error", () => {});
  await soon(client.ready);
  const again = nextEvent(client, "connect");
  const gap = nextEvent(client, "gap");
  relay.cutNow();
  assert.deepEqual([(await gap).missed, (await gap).reason], [null, "disconnected"]);
  await again;
  assert.equal(client.place, undefined);
});
