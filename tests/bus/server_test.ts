/** The broker, with raw peers and our clients around it. */
import assert from "node:assert/strict";
import { MessageServer, type Transport } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { ClosedError, ListenError, MessageError, OptionError } from "../../base/errors.ts";
import { encodeLegacySubscription, encodeSubscription } from "../../zmtp/command.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { nextEvent, soon, until } from "../support/deadline.ts";
import { isError } from "../support/errors.ts";
import { concat, RawPeer } from "../support/raw_peer.ts";

const bytes = new TextEncoder();
const everything = encodeSubscription({ subscribe: true, topic: new Uint8Array(0) });

/** A subscriber that the broker knows. */
async function subscriber(server: MessageServer, topic = ""): Promise<RawPeer> {
  const peer = await RawPeer.join(server.broadcastAddress, "SUB");
  const before = subscribers(server);
  await peer.write(encodeSubscription({ subscribe: true, topic: bytes.encode(topic) }));
  await until(() => subscribers(server) > before, "the subscription");
  return peer;
}

function subscribers(server: MessageServer): number {
  return server.stats().subscribers!.subscribers.filter(({ topics }) => topics > 0).length;
}

/** The first value that a condition gives. */
async function seen<T>(look: () => T | undefined): Promise<T> {
  let value: T | undefined;
  await until(() => (value = look()) !== undefined, "a value");
  return value!;
}

function message(text: string): Uint8Array {
  return encodeFrame(bytes.encode(text), 0);
}

Deno.test("MessageServer is bound to two ephemeral ports of 127.0.0.1 when the constructor returns", async () => {
  await using server = new MessageServer();

  assert.match(server.broadcastAddress, /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assert.match(server.receiveAddress, /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assert.notEqual(server.broadcastAddress, server.receiveAddress);
});

Deno.test("MessageServer takes the ports that it is told", async () => {
  const first = new MessageServer();
  const [broadcastPort, receivePort] = [portOf(first.broadcastAddress), portOf(first.receiveAddress)];
  await first.close();

  await using second = new MessageServer({ broadcastPort, receivePort });

  assert.equal(second.broadcastAddress, first.broadcastAddress);
  assert.equal(second.receiveAddress, first.receiveAddress);
});

Deno.test("MessageServer throws address-in-use for a used port and leaves nothing open", async () => {
  await using first = new MessageServer();
  const receivePort = portOf(first.receiveAddress);

  // The second bind fails, so the first one has to be undone; the sanitizers see it if it is not.
  assert.throws(() => new MessageServer({ receivePort }), isError(ListenError, "address-in-use"));
  await until(() => true);
});

Deno.test({
  name: "MessageServer throws permission-denied and names the flag when the sandbox does not let it listen",
  permissions: { net: false },
  fn: () => {
    assert.throws(() => new MessageServer(), (error) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.code, "permission-denied");
      assert.match(error.message, /--allow-net=127\.0\.0\.1/);
      return true;
    });
  },
});

for (
  const [what, options] of [
    ["a port that is no number", { broadcastPort: NaN }],
    ["a port above 65535", { receivePort: 65_536 }],
    ["a negative limit", { maxMessageBytes: -1 }],
    ["a queue that cannot hold one message", { subscriberQueue: { bytes: 1024 } }],
    ["a hostname beyond this machine", { hostname: "192.168.0.1" }],
    ["null as transport", { transport: null as unknown as Transport }],
    ["a transport that is none", { transport: { name: "carrier pigeon" } }],
  ] as const
) {
  Deno.test(`MessageServer refuses ${what} with bad-option`, () => {
    assert.throws(() => new MessageServer(options), isError(OptionError, "bad-option"));
  });
}

for (
  const name of [
    "broadcastPort",
    "receivePort",
    "maxMessageBytes",
    "maxConnections",
    "subscriberQueue.messages",
    "subscriberQueue.bytes",
    "maxPendingHandshakes",
    "maxPendingHandshakesPerAddress",
    "maxTopics",
    "maxTopicBytes",
    "history.messages",
    "history.bytes",
    "history.maxAgeMs",
    "memoryBudgetBytes",
    "handshakeTimeoutMs",
    "messageTimeoutMs",
    "heartbeatMs",
    "lingerMs",
  ]
) {
  Deno.test(`MessageServer refuses ${name} out of its range with bad-option`, () => {
    const [outer, inner] = name.split(".") as [string, string?];
    const values = [-1, 0.5, NaN, Infinity, "5", null];
    for (const value of name.endsWith("Ms") ? [...values, 2 ** 31] : values) {
      const options = { [outer]: inner === undefined ? value : { [inner]: value } };
      assert.throws(
        () => new MessageServer(options),
        (error) =>
          isError(OptionError, "bad-option")(error) && String(error).includes(`Cannot use ${name}: `),
      );
    }
  });
}

Deno.test("MessageServer refuses a memory budget below one message with bad-option", () => {
  assert.throws(
    () => new MessageServer({ memoryBudgetBytes: 1000, maxMessageBytes: 2000 }),
    /Cannot use memoryBudgetBytes: it is 1000, not a whole number from 2000 on/,
  );
});

Deno.test("MessageServer.addresses goes into a client as it is", async () => {
  await using server = new MessageServer();
  assert.deepEqual(server.addresses, {
    serverBroadcast: server.broadcastAddress,
    serverReceive: server.receiveAddress,
  });
  await using client = new PassiveMessageClient(server.addresses);
  await soon(client.ready);
  client.sendMessage({ type: "a" });
  assert.equal((await soon(client.waitForMessages(0))).entries[0]!.text, '{"type":"a"}');
});

Deno.test("MessageServer.on() hears accepted messages of one kind", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient(server.addresses);
  await soon(client.ready);
  const subject = Promise.withResolvers<number | string>();
  server.on("subject", (message) => subject.resolve(message.subject));

  client.sendMessage({ type: "mine" });
  client.sendMessage({ type: "subject", subject: 119 });

  assert.equal(await soon(subject.promise), 119);
});

Deno.test("MessageServer.sendMessage() throws too-large above maxMessageBytes, and sends nothing", async () => {
  await using server = new MessageServer({ maxMessageBytes: 100 });
  await using client = new PassiveMessageClient(server.addresses);
  await soon(client.ready);

  assert.throws(() => server.sendMessage({ type: "é".repeat(60) }), isError(MessageError, "too-large"));
  assert.throws(
    () => server.sendJsonMessage(`{"a":"${"x".repeat(93)}"}`),
    isError(MessageError, "too-large"),
  );
  server.sendJsonMessage(`{"a":"${"x".repeat(92)}"}`);

  assert.equal((await soon(client.waitForMessages(0))).entries[0]!.text.length, 100);
  assert.equal(server.stats().broadcast, 1);
});

Deno.test("MessageServer with localOnly: false demands allowAnonymous and says so", () => {
  assert.throws(() => new MessageServer({ localOnly: false }), (error) => {
    assert.ok(error instanceof OptionError);
    assert.equal(error.code, "anonymous-not-allowed");
    assert.match(error.message, /allowAnonymous: true/);
    return true;
  });
});

Deno.test("MessageServer with localOnly: false and allowAnonymous: true listens on all interfaces", async () => {
  await using server = new MessageServer({ localOnly: false, allowAnonymous: true });

  assert.match(server.broadcastAddress, /^tcp:\/\/0\.0\.0\.0:\d+$/);
});

Deno.test("MessageServer passes bytes on untouched: white space, order of keys, long form of a short body", async () => {
  await using server = new MessageServer();
  await using sub = await subscriber(server);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  const text = '\n { "z" : 1.0e0, "a":\t[ 12345678901234567890 ], "type" : "x", "a" : "\\u00e9é" } ';
  const body = bytes.encode(text);
  const long = concat(new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, body.length]), body);

  await push.write(long);

  assert.deepEqual(await sub.readBytes(long.length), long);
});

const REFUSALS: readonly [what: string, body: Uint8Array, reason: string][] = [
  ["text that is no JSON", bytes.encode("hello"), "not-json"],
  ["an empty message", new Uint8Array(0), "not-json"],
  ["a JSON number", bytes.encode("42"), "not-an-object"],
  ["a JSON list", bytes.encode('[{"type":"a"}]'), "not-an-object"],
  ["null", bytes.encode("null"), "not-an-object"],
  ["bytes that are no UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "not-utf8"],
  ["a byte order mark", bytes.encode('\ufeff{"type":"a"}'), "not-json"],
];
for (const [what, body, reason] of REFUSALS) {
  Deno.test(`MessageServer refuses ${what}, counts it, tells it, and keeps the sender's connection`, async () => {
    await using server = new MessageServer();
    await using sub = await subscriber(server);
    await using push = await RawPeer.join(server.receiveAddress, "PUSH");
    const told = nextEvent(server, "messageerror");

    await push.write(concat(encodeFrame(body, 0), message('{"type":"after"}')));

    assert.equal(await sub.readText(), '{"type":"after"}');
    assert.equal((await told).reason, reason);
    assert.deepEqual(server.stats().refused, { [reason]: 1 });
    assert.equal(server.stats().received, 2);
    assert.equal(server.stats().broadcast, 1);
  });
}

Deno.test("MessageServer refuses a message of several frames, and nothing else is lost", async () => {
  await using server = new MessageServer();
  await using sub = await subscriber(server);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");

  await push.write(concat(
    message('{"type":"before"}'),
    encodeFrame(bytes.encode('{"type":"a"}'), 1),
    encodeFrame(bytes.encode('{"type":"b"}'), 0),
    message('{"type":"after"}'),
  ));

  assert.deepEqual([await sub.readText(), await sub.readText()], ['{"type":"before"}', '{"type":"after"}']);
  assert.deepEqual(server.stats().refused, { multipart: 1 });
});

Deno.test("MessageServer skips a message of 17 MB while it streams in, and nothing else is lost", async () => {
  await using server = new MessageServer();
  await using sub = await subscriber(server);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  const large = bytes.encode(`{"type":"large","data":"${"x".repeat(17_000_000)}"}`);

  await push.write(concat(message('{"type":"before"}'), encodeFrame(large, 0), message('{"type":"after"}')));

  assert.deepEqual([await sub.readText(), await sub.readText()], ['{"type":"before"}', '{"type":"after"}']);
  assert.deepEqual(server.stats().refused, { "too-large": 1 });
});

Deno.test("MessageServer closes a connection that announces an absurd size, and counts the fault", async () => {
  await using server = new MessageServer();
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");

  await push.write(new Uint8Array([2, 0, 0, 1, 0, 0, 0, 0, 0]));

  await push.ended();
  assert.deepEqual(server.stats().senders!.faults, { "frame-too-large": 1 });
});

Deno.test("MessageServer.pause reads, counts and ignores what comes in", async () => {
  await using server = new MessageServer();
  await using sub = await subscriber(server);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");

  server.pause = true;
  await push.write(concat(message('{"type":"a"}'), message("no JSON")));
  await until(() => server.stats().ignored === 2, "two ignored messages");
  server.pause = false;
  await push.send('{"type":"b"}');

  assert.equal(await sub.readText(), '{"type":"b"}');
  assert.deepEqual(server.stats().refused, {});
});

Deno.test("MessageServer.sendMessage() broadcasts, also while paused, and no message event tells of it", async () => {
  await using server = new MessageServer();
  await using sub = await subscriber(server);
  let events = 0;
  server.addEventListener("message", () => events++);

  server.pause = true;
  server.sendMessage({ type: "subject", subject: 119 });

  assert.equal(await sub.readText(), '{"type":"subject","subject":119}');
  assert.equal(events, 0);
});

Deno.test("MessageServer.sendMessage() throws missing-type for an object without type", async () => {
  await using server = new MessageServer();

  assert.throws(() => server.sendMessage({} as never), isError(MessageError, "missing-type"));
});

Deno.test("MessageServer.sendMessage() throws ClosedError after close", async () => {
  const server = new MessageServer();
  await server.close();

  assert.throws(() => server.sendMessage({ type: "a" }), isError(ClosedError, "closed"));
});

Deno.test("MessageServer.sendMessage() within a message listener goes out behind the message that caused it", async () => {
  await using server = new MessageServer();
  await using sub = await subscriber(server);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  server.addEventListener("message", ({ message }) => server.sendMessage({ type: `re: ${message.type}` }));

  await push.write(concat(message('{"type":"a"}'), message('{"type":"b"}')));

  const texts = [];
  for (let i = 0; i < 4; i++) texts.push(await sub.readText());
  assert.deepEqual(texts, ['{"type":"a"}', '{"type":"re: a"}', '{"type":"b"}', '{"type":"re: b"}']);
});

Deno.test("MessageServer tells accepted messages with their text and, parsed, as message", async () => {
  await using server = new MessageServer();
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  const told = new Promise<[string, unknown]>((resolve) =>
    server.addEventListener("message", ({ text, message }) => resolve([text, message]))
  );

  await push.send('{ "type":"a", "id": 12345678901234567890 }');

  const [text, parsed] = await soon(told);
  assert.equal(text, '{ "type":"a", "id": 12345678901234567890 }');
  assert.equal((parsed as { type: string }).type, "a");
});

Deno.test("MessageServer keeps each sender's order, in any cut of the stream", async () => {
  await using server = new MessageServer();
  await using sub = await subscriber(server);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  const texts = Array.from({ length: 300 }, (_, i) => `{"type":"n","i":${i},"pad":"${"x".repeat(i)}"}`);
  const stream = concat(...texts.map(message));

  const sending = (async () => {
    for (let at = 0; at < stream.length;) {
      const size = Math.min(stream.length - at, 1 + Math.floor(Math.random() * 700));
      await push.write(stream.subarray(at, at + size));
      at += size;
    }
  })();

  for (const text of texts) assert.equal(await sub.readText(), text);
  await sending;
});

Deno.test("MessageServer gives a subscriber with narrow topics only what matches, once each", async () => {
  await using server = new MessageServer();
  await using narrow = await subscriber(server, '{"type":"a"');
  await narrow.write(encodeSubscription({ subscribe: true, topic: bytes.encode('{"type":"') }));
  await narrow.write(encodeSubscription({ subscribe: false, topic: bytes.encode('{"type":"') }));
  await narrow.write(encodeLegacySubscription({ subscribe: true, topic: bytes.encode('{"type":"c"') }));
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 2, "two topics");
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");

  await push.write(concat(...["a", "b", "c", "a"].map((type, i) => message(`{"type":"${type}","i":${i}}`))));

  const texts = [await narrow.readText(), await narrow.readText(), await narrow.readText()];
  assert.deepEqual(texts, ['{"type":"a","i":0}', '{"type":"c","i":2}', '{"type":"a","i":3}']);
});

Deno.test("MessageServer lets a subscriber that never reads lose messages, that one only, and counts the loss", async () => {
  await using server = new MessageServer({ subscriberQueue: { messages: 100 }, lingerMs: 0 });
  await using stuck = await subscriber(server);
  await using healthy = await subscriber(server);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  const pad = "x".repeat(60_000);
  const count = 400;

  for (let i = 0; i < count; i++) {
    await push.send(`{"type":"n","i":${i},"pad":"${pad}"}`);
    assert.equal(JSON.parse((await healthy.readText())!).i, i);
  }

  const { subscribers: [first, second], dropped } = server.stats().subscribers!;
  assert.ok(first!.dropped > 0, "the stuck one lost messages");
  assert.ok(first!.queuedMessages <= 100, "its queue is bounded");
  assert.equal(second!.dropped, 0, "the healthy one lost nothing");
  assert.equal(dropped, first!.dropped);
  // What the stuck one got is the first messages without a gap, and nothing is unaccounted for.
  await server.close();
  stuck.close();
});

Deno.test("MessageServer answers PING behind SUBSCRIBE in order, so that a PONG means subscribed", async () => {
  await using server = new MessageServer();
  await using peer = await RawPeer.join(server.broadcastAddress, "SUB");

  await peer.write(concat(everything, new Uint8Array([4, 7, 4, 0x50, 0x49, 0x4e, 0x47, 0, 0])));
  const pong = await peer.readFrame();

  assert.deepEqual(pong!.body, new Uint8Array([4, 0x50, 0x4f, 0x4e, 0x47]));
  assert.equal(server.stats().subscribers!.subscribers[0]!.topics, 1);
});

Deno.test("MessageServer closes a connection that is silent longer than handshakeTimeoutMs, and serves others", async () => {
  await using server = new MessageServer({ handshakeTimeoutMs: 500 });
  await using silent = await RawPeer.connect(server.receiveAddress);

  await silent.ended();

  assert.deepEqual(server.stats().senders!.faults, { "handshake-timeout": 1 });
  await using sub = await subscriber(server);
  server.sendMessage({ type: "a" });
  assert.equal(await sub.readText(), '{"type":"a"}');
});

Deno.test("MessageServer closes connections above maxConnections and counts them", async () => {
  await using server = new MessageServer({ maxConnections: 1 });
  await using _first = await RawPeer.join(server.receiveAddress, "PUSH");

  await using second = await RawPeer.connect(server.receiveAddress);
  await second.ended();

  assert.equal(server.stats().senders!.refusedConnections, 1);
});

Deno.test("MessageServer tells a SUB at the receive address by ERROR that it is wrong there", async () => {
  await using server = new MessageServer();
  await using peer = await RawPeer.connect(server.receiveAddress);
  await peer.write(concat(
    new Uint8Array([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]),
    bytes.encode("NULL"),
    new Uint8Array(48),
    bytes.encode("\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"),
  ));

  await peer.readBytes(64);

  assert.equal(await peer.readText(), "\x05ERROR\x13Invalid socket type");
  await peer.ended();
});

Deno.test("MessageServer turns a browser away at once", async () => {
  await using server = new MessageServer();
  await using browser = await RawPeer.connect(server.receiveAddress);

  await browser.write(bytes.encode("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));

  await browser.ended();
  await until(() => server.stats().senders!.faults["bad-greeting"] === 1, "the fault");
});

Deno.test("MessageServer closes a subscriber with too many topics, or one too long, and counts the fault", async () => {
  await using server = new MessageServer({ maxTopics: 2, maxTopicBytes: 10 });
  const topic = (text: string) => encodeSubscription({ subscribe: true, topic: bytes.encode(text) });
  await using many = await RawPeer.join(server.broadcastAddress, "SUB");
  await using long = await RawPeer.join(server.broadcastAddress, "SUB");

  await many.write(concat(topic("a"), topic("b"), topic("c")));
  await long.write(topic("12345678901"));

  await Promise.all([many.ended(), long.ended()]);
  assert.deepEqual(server.stats().subscribers!.faults, { "too-many-topics": 2 });
});

const MIB = 1024 * 1024;

Deno.test("MessageServer short of memory closes the connection that stopped in a large message, not the one that asks", async () => {
  await using server = new MessageServer({ maxMessageBytes: 4 * MIB, memoryBudgetBytes: 6 * MIB });
  await using sub = await subscriber(server);
  await using first = await RawPeer.join(server.receiveAddress, "PUSH");
  await using second = await RawPeer.join(server.receiveAddress, "PUSH");
  const large = message(`{"type":"large","data":"${"x".repeat(4 * MIB - 100)}"}`);

  // Both hold back their last byte; the broker can keep one of the two.
  await first.write(large.subarray(0, large.length - 1));
  await until(() => server.stats().memory!.usedBytes >= 4 * MIB - 100, "the first message but for its end");
  await second.write(large.subarray(0, large.length - 1));
  await first.ended();
  await second.write(large.subarray(large.length - 1));

  assert.equal((await sub.readText())!.length, large.length - 9);
  assert.deepEqual(server.stats().senders!.faults, { "memory-budget": 1 });
});

Deno.test("MessageServer short of memory takes it from the subscriber with the longest queue, and counts the loss", async () => {
  await using server = new MessageServer({
    maxMessageBytes: MIB,
    memoryBudgetBytes: 8 * MIB,
    subscriberQueue: { bytes: 1024 * MIB },
    lingerMs: 0,
  });
  await using _stuck = await subscriber(server);
  await using healthy = await subscriber(server);
  const pad = "x".repeat(500_000);

  for (let i = 0; i < 60; i++) {
    server.sendMessage({ type: "n", i, pad });
    assert.equal(JSON.parse((await healthy.readText())!).i, i);
    assert.ok(server.stats().memory!.usedBytes <= 9 * MIB, "bounded by the budget and one message");
  }

  const { subscribers: [stuck, other] } = server.stats().subscribers!;
  assert.ok(stuck!.dropped! > 0);
  assert.equal(other!.dropped, 0);
});

Deno.test("MessageServer gives all memory back when everybody has gone", async () => {
  await using server = new MessageServer({ lingerMs: 0, history: { messages: 0 } });
  const sub = await subscriber(server, '{"type":"n"');
  const everything = await subscriber(server);
  const push = await RawPeer.join(server.receiveAddress, "PUSH");
  const pad = "x".repeat(100_000);
  for (let i = 0; i < 100; i++) server.sendMessage({ type: "n", pad });
  await push.write(message(`{"type":"n","pad":"${pad}"}`).subarray(0, 50_000));
  await until(() => server.stats().memory!.usedBytes > 5_000_000, "queues");

  for (const peer of [sub, everything, push]) peer.close();
  await until(
    () => server.stats().subscribers!.connections + server.stats().senders!.connections === 0,
    "the end of all",
  );

  // One block stays for what comes next.
  assert.ok(server.stats().memory!.usedBytes <= 200_000, String(server.stats().memory!.usedBytes));
});

Deno.test("MessageServer counts frames that mean nothing, of subscribers and of senders", async () => {
  await using server = new MessageServer();
  await using sub = await RawPeer.join(server.broadcastAddress, "SUB");
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");

  await sub.send('{"type":"data at the wrong address"}');
  await push.write(everything);
  const { senders, subscribers } = await seen(() => {
    const { senders, subscribers } = server.stats();
    return senders!.meaninglessFrames + subscribers!.meaninglessFrames === 2 ? server.stats() : undefined;
  });

  assert.equal(senders!.meaninglessFrames, 1);
  assert.equal(subscribers!.meaninglessFrames, 1);
});

Deno.test("MessageServer.close() lets a subscriber take what waits for it", async () => {
  const server = new MessageServer({ lingerMs: 10_000 });
  await using sub = await subscriber(server);
  const pad = "x".repeat(100_000);
  for (let i = 0; i < 100; i++) server.sendMessage({ type: "n", i, pad });

  const closing = server.close();

  for (let i = 0; i < 100; i++) assert.equal(JSON.parse((await sub.readText())!).i, i);
  assert.equal(await sub.readText(), undefined);
  await closing;
});

Deno.test("MessageServer.close() does not wait longer than lingerMs for a subscriber that never reads", async () => {
  const server = new MessageServer({ lingerMs: 20 });
  await using _stuck = await subscriber(server);
  const pad = "x".repeat(1_000_000);
  for (let i = 0; i < 20; i++) server.sendMessage({ type: "n", pad });

  await soon(server.close());

  assert.ok(server.stats().subscribers!.discarded > 0);
});

Deno.test("MessageServer closes when its signal is aborted", async () => {
  const stop = new AbortController();
  const server = new MessageServer({ signal: stop.signal });
  await using sub = await subscriber(server);

  stop.abort();

  await sub.ended();
  await server.close();
});

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}
