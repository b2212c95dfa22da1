/** The clients, with our broker and with raw peers. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { GenericMessageClient, MessageClient, PassiveMessageClient } from "../../client.ts";
import {
  AddressError,
  ClosedError,
  ConnectionError,
  HandshakeError,
  MessageError,
  OptionError,
  QueueFullError,
} from "../../base/errors.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { nextEvent, soon, until } from "../support/deadline.ts";
import { isError } from "../support/errors.ts";
import { RawServer } from "../support/raw_server.ts";

const bytes = new TextEncoder();
const FAST = { reconnect: { minMs: 1, maxMs: 5 } } as const;

function addresses(server: MessageServer): { serverBroadcast: string; serverReceive: string } {
  return { serverBroadcast: server.broadcastAddress, serverReceive: server.receiveAddress };
}

function ports(
  { broadcastAddress, receiveAddress }: MessageServer,
): { broadcastPort: number; receivePort: number } {
  const port = (address: string) => Number(address.split(":").at(-1));
  return { broadcastPort: port(broadcastAddress), receivePort: port(receiveAddress) };
}

/** Addresses at which nobody listens, for a broker that comes later. */
async function freeAddresses(): Promise<
  {
    server: { broadcastPort: number; receivePort: number };
    client: { serverBroadcast: string; serverReceive: string };
  }
> {
  const server = new MessageServer();
  await server.close();
  return { server: ports(server), client: addresses(server) };
}

Deno.test("MessageClient.ready resolves when the broker has taken the subscription: the next message arrives", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient(addresses(server));
  const message = nextEvent(client, "message");

  await soon(client.ready);
  server.sendMessage({ type: "subject", subject: 119 });

  assert.deepEqual((await message).message, { type: "subject", subject: 119 });
});

Deno.test("MessageClient may be made before the broker is there", async () => {
  const { server: atPorts, client: at } = await freeAddresses();
  await using client = new MessageClient({ ...at, ...FAST });
  await nextEvent(client, "error");
  client.sendMessage({ type: "early" });

  await using server = new MessageServer(atPorts);
  await soon(client.ready);
  await soon(client.flush());

  await until(() => server.stats().received === 1, "the early message");
});

for (
  const address of [
    "tcp://127.0.0.1",
    "http://127.0.0.1:5555",
    "127.0.0.1:5555",
    "tcp://*:5555",
    "tcp://127.0.0.1:0",
  ]
) {
  Deno.test(`MessageClient refuses the address ${address} with invalid-address`, () => {
    assert.throws(
      () => new MessageClient({ serverReceive: address }),
      isError(AddressError, "invalid-address"),
    );
    assert.throws(
      () => new MessageClient({ serverBroadcast: "tcp://127.0.0.1:9", serverReceive: address, lingerMs: 0 }),
      isError(AddressError, "invalid-address"),
    );
  });
}

Deno.test("MessageClient without any address throws bad-option", () => {
  assert.throws(() => new MessageClient({}), isError(OptionError, "bad-option"));
});

const NO_MESSAGES: readonly [what: string, value: unknown, code: string][] = [
  ["a text", "hello", "not-an-object"],
  ["null", null, "not-an-object"],
  ["a list", [], "not-an-object"],
  ["an object without type", {}, "missing-type"],
  ["an object with a number as type", { type: 7 }, "missing-type"],
  ["an object with a bigint", { type: "a", value: 1n }, "not-json"],
  ["an object whose toJSON gives a text", { type: "a", toJSON: () => "a" }, "not-an-object"],
];
for (const [what, value, code] of NO_MESSAGES) {
  Deno.test(`MessageClient.sendMessage() throws ${code} for ${what}, and sends nothing`, async () => {
    await using server = new MessageServer();
    await using client = new MessageClient(addresses(server));

    assert.throws(() => client.sendMessage(value as never), isError(MessageError, code));

    assert.ok(new MessageError("not-json", "") instanceof TypeError);
    assert.equal(client.stats().sent, 0);
  });
}

const NO_TEXTS: readonly [what: string, text: string, code: string][] = [
  ["text that is no JSON", "hello", "not-json"],
  ["a JSON list", "[]", "not-an-object"],
  ["a lone surrogate", '{"a":"\ud800"}', "not-utf8"],
];
for (const [what, text, code] of NO_TEXTS) {
  Deno.test(`MessageClient.sendJsonMessage() throws ${code} for ${what}`, async () => {
    await using server = new MessageServer();
    await using client = new MessageClient(addresses(server));

    assert.throws(() => client.sendJsonMessage(text), isError(MessageError, code));
  });
}

Deno.test("MessageClient.sendJsonMessage() sends the text as it is", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient(addresses(server));
  await soon(client.ready);

  client.sendJsonMessage('{ "id": 12345678901234567890,\n "é": "\\u00e9" }');

  const { entries: [entry] } = await soon(client.waitForMessages(0));
  assert.equal(entry!.text, '{ "id": 12345678901234567890,\n "é": "\\u00e9" }');
});

Deno.test("MessageClient.sendMessage() throws too-large above maxMessageBytes", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient({ ...addresses(server), maxMessageBytes: 100 });

  assert.throws(() => client.sendMessage({ type: "é".repeat(60) }), isError(MessageError, "too-large"));
});

const BAD_NUMBERS = [-1, 0.5, NaN, Infinity, "5", null];

for (
  const name of [
    "maxMessageBytes",
    "handshakeTimeoutMs",
    "heartbeatMs",
    "lingerMs",
    "sendQueue.messages",
    "sendQueue.bytes",
    "reconnect.minMs",
    "reconnect.maxMs",
    "history.messages",
    "history.bytes",
    "history.maxAgeMs",
  ]
) {
  Deno.test(`PassiveMessageClient refuses ${name} out of its range with bad-option`, () => {
    const [outer, inner] = name.split(".") as [string, string?];
    for (const value of name.endsWith("Ms") ? [...BAD_NUMBERS, 2 ** 31] : BAD_NUMBERS) {
      const options = { [outer]: inner === undefined ? value : { [inner]: value } };
      assert.throws(
        () => new PassiveMessageClient({ serverReceive: "tcp://127.0.0.1:9", ...options }),
        (error) =>
          isError(OptionError, "bad-option")(error) && String(error).includes(`Cannot use ${name}: `),
      );
    }
  });
}

Deno.test("MessageClient.close() refuses a lingerMs that is no time, and can still be closed", async () => {
  await using client = new MessageClient({ serverReceive: "tcp://127.0.0.1:9", ...FAST });

  for (const lingerMs of [NaN, Infinity, -1, 2 ** 31]) {
    assert.throws(() => client.close({ lingerMs }), isError(OptionError, "bad-option"));
  }
});

Deno.test("PassiveMessageClient forgets nothing for its age with history.maxAgeMs 0", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient({ ...server.addresses, history: { maxAgeMs: 0 } });
  await soon(client.ready);
  for (let i = 0; i < 3; i++) server.sendMessage({ type: "n", i });
  await soon(client.waitForMessages(2));

  assert.equal(client.messagesAfter(0).entries.length, 3);
});

Deno.test("PassiveMessageClient refuses to look up a count that is none", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient(server.addresses);

  for (const count of [NaN, -1]) {
    assert.throws(() => client.messagesAfter(count), RangeError);
    await assert.rejects(client.waitForMessages(count), RangeError);
  }
  assert.throws(() => client.messagesAfter(0, NaN), RangeError);
});

Deno.test("MessageClient.sendMessage() throws bad-option without serverReceive", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient({ serverBroadcast: server.broadcastAddress });

  assert.throws(() => client.sendMessage({ type: "a" }), isError(OptionError, "bad-option"));
});

Deno.test("MessageClient.sendMessage() throws queue-full when away for long, and loses nothing that was taken", async () => {
  const { server: atPorts, client: at } = await freeAddresses();
  await using client = new MessageClient({ ...at, ...FAST, sendQueue: { messages: 3 } });
  for (let i = 0; i < 3; i++) client.sendMessage({ type: "n", i });

  assert.throws(() => client.sendMessage({ type: "n", i: 3 }), isError(QueueFullError, "queue-full"));

  await using server = new MessageServer(atPorts);
  const seen: unknown[] = [];
  server.addEventListener("message", ({ message }) => seen.push((message as { i?: number }).i));
  await soon(client.flush());
  await until(() => seen.length === 3, "three messages");
  assert.deepEqual(seen, [0, 1, 2]);
});

Deno.test("MessageClient.sendMessage() throws closed after close", async () => {
  await using server = new MessageServer();
  const client = new MessageClient(addresses(server));
  await client.close();

  assert.throws(() => client.sendMessage({ type: "a" }), isError(ClosedError, "closed"));
});

Deno.test("MessageClient.flush() rejects with the signal's reason when it is aborted", async () => {
  const { client: at } = await freeAddresses();
  await using client = new MessageClient({ ...at, lingerMs: 0 });
  client.sendMessage({ type: "a" });
  const stop = new AbortController();

  const flushing = client.flush({ signal: stop.signal });
  stop.abort(new Error("enough"));

  await assert.rejects(flushing, /enough/);
});

Deno.test("MessageClient.close() counts what could not be sent as lost", async () => {
  const { client: at } = await freeAddresses();
  const client = new MessageClient({ ...at, lingerMs: 10 });
  client.sendMessage({ type: "a" });

  await soon(client.close());

  const { queued, lost } = client.stats();
  assert.deepEqual({ queued, lost }, { queued: 0, lost: 1 });
});

Deno.test("MessageClient.close() sends what waits first, also by connecting", async () => {
  await using server = new MessageServer();
  const client = new MessageClient(addresses(server));
  for (let i = 0; i < 1000; i++) client.sendMessage({ type: "n", i });

  await soon(client.close());

  await until(() => server.stats().received === 1000, "1000 messages");
  assert.equal(client.stats().queued, 0);
});

Deno.test("MessageClient closes when its signal is aborted, and its loops end", async () => {
  await using server = new MessageServer();
  const stop = new AbortController();
  const client = new MessageClient({ ...addresses(server), signal: stop.signal });
  await soon(client.ready);
  const loop = (async () => {
    for await (const _ of client);
  })();

  stop.abort();

  await soon(loop);
  await client.close();
});

Deno.test("MessageClient.ready rejects with closed when it is closed before the broker came", async () => {
  const { client: at } = await freeAddresses();
  const client = new MessageClient(at);
  await client.close();

  await assert.rejects(client.ready, isError(ClosedError, "closed"));
});

Deno.test("MessageClient.ready rejects with refused-by-peer when the two addresses are swapped", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient({
    serverBroadcast: server.receiveAddress,
    serverReceive: server.broadcastAddress,
  });

  await assert.rejects(soon(client.ready), isError(HandshakeError, "refused-by-peer"));
});

Deno.test("MessageClient.ready rejects with mechanism-mismatch when the broker wants keys", async () => {
  using broker = new RawServer();
  await using client = new MessageClient({ serverReceive: broker.address });
  await using peer = await broker.accept();
  await peer.write(encodeGreeting("CURVE"));

  await assert.rejects(soon(client.ready), isError(HandshakeError, "mechanism-mismatch"));
});

Deno.test({
  name:
    "MessageClient.ready rejects with permission-denied and names the flag when the sandbox forbids to connect",
  permissions: { net: false },
  fn: async () => {
    await using client = new MessageClient({ serverReceive: "tcp://127.0.0.1:9" });

    await assert.rejects(soon(client.ready), (error) => {
      assert.match((error as Error).message, /--allow-net=127\.0\.0\.1/);
      return isError(ConnectionError, "permission-denied")(error);
    });
  },
});

Deno.test("MessageClient survives the broker's death and return: sends what waited, hears what is new", async () => {
  const first = new MessageServer();
  await using client = new MessageClient({ ...addresses(first), ...FAST });
  await soon(client.ready);
  const [gone, alsoGone] = [nextEvent(client, "disconnect"), new Set<string>()];
  client.addEventListener("disconnect", ({ endpoint }) => alsoGone.add(endpoint));
  await first.close();
  await gone;
  await until(() => alsoGone.size === 2, "both ends");
  client.sendMessage({ type: "while away" });

  await using second = new MessageServer(ports(first));
  await until(() => client.isReceiving && client.isSending, "both connections");
  await until(() => second.stats().received === 1, "the message that waited");
  const message = nextEvent(client, "message");
  second.sendMessage({ type: "new" });

  assert.equal((await message).message.type, "new");
});

Deno.test("MessageClient does not send a message twice that the end of a connection has cut, and counts it", async () => {
  using broker = new RawServer();
  await using client = new MessageClient({
    serverReceive: broker.address,
    ...FAST,
    sendQueue: { messages: 10 },
  });
  const first = await broker.welcome("PULL");
  await soon(client.ready);
  // More than the loopback's buffers hold, so that the end comes in the middle of a message.
  const pad = "x".repeat(6_000_000);
  for (let i = 0; i < 5; i++) client.sendMessage({ type: "n", i, pad });
  await first.readBytes(100_000);
  first.close();

  await using second = await broker.welcome("PULL");
  for (let i = 1; i < 5; i++) assert.equal(JSON.parse((await second.readText())!).i, i);

  assert.equal(client.stats().lost, 1);
});

/** More than the loopback's buffers hold, so that the end of a connection comes in the middle of a message. */
const LARGE = "x".repeat(6_000_000);

Deno.test("MessageClient.flush() rejects with messages-lost when the end of a connection has cut one, once", async () => {
  using broker = new RawServer();
  await using client = new MessageClient({ serverReceive: broker.address, ...FAST });
  const first = await broker.welcome("PULL");
  await soon(client.ready);
  for (let i = 0; i < 3; i++) client.sendMessage({ type: "n", i, LARGE });
  const flushed = assert.rejects(client.flush(), (error) => {
    assert.match((error as Error).message, /^Cannot flush: 1 message was cut/);
    return isError(ConnectionError, "messages-lost")(error);
  });
  await first.readBytes(100_000);
  first.close();

  await using second = await broker.welcome("PULL");
  for (let i = 1; i < 3; i++) await second.readText();

  await soon(flushed);
  await soon(client.flush());
  const { sent, written, lost } = client.stats();
  assert.deepEqual({ sent, written, lost }, { sent: 3, written: 2, lost: 1 });
});

Deno.test("MessageClient.close() goes on sending when one message was cut", async () => {
  using broker = new RawServer();
  const client = new MessageClient({ serverReceive: broker.address, ...FAST, lingerMs: 10_000 });
  const first = await broker.welcome("PULL");
  await soon(client.ready);
  for (let i = 0; i < 3; i++) client.sendMessage({ type: "n", i, LARGE });
  const closed = client.close();
  await first.readBytes(100_000);
  first.close();

  await using second = await broker.welcome("PULL");
  for (let i = 1; i < 3; i++) assert.equal(JSON.parse((await second.readText())!).i, i);

  await soon(closed);
  const { written, lost, queued } = client.stats();
  assert.deepEqual({ written, lost, queued }, { written: 2, lost: 1, queued: 0 });
});

Deno.test("MessageClient.drained() tells who found the queue full when there is room again", async () => {
  using broker = new RawServer();
  await using client = new MessageClient({
    serverReceive: broker.address,
    ...FAST,
    sendQueue: { messages: 4 },
  });
  const send = () => client.sendMessage({ type: "n", LARGE });
  for (let i = 0; i < 4; i++) send();
  assert.throws(send, isError(QueueFullError, "queue-full"));
  const drained = client.drained();

  await using peer = await broker.welcome("PULL");
  for (let i = 0; i < 2; i++) await peer.readText();
  await soon(drained, "room");

  send();
  send();
  for (let i = 0; i < 4; i++) await peer.readText();
});

Deno.test("MessageClient.on() hears messages of one kind, until it is stopped", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient(server.addresses);
  await soon(client.ready);
  const heard: (number | string)[] = [];
  const all: string[] = [];
  const stop = client.on("subject", ({ subject }) => {
    heard.push(subject);
    if (heard.length === 2) stop();
  });
  client.on("*", ({ type }) => all.push(type));

  for (const subject of [1, 2, 3]) server.sendMessage({ type: "subject", subject });
  server.sendMessage({ type: "mine" });
  await until(() => all.length === 4, "all messages");

  assert.deepEqual(heard, [1, 2]);
  assert.deepEqual(all, ["subject", "subject", "subject", "mine"]);
});

Deno.test("MessageClient.on() hears both spellings of visualization by the one without a capital, and no message without type", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient<{ readonly type: "zoom"; readonly factor: number }>(
    server.addresses,
  );
  await soon(client.ready);
  const sources: string[] = [];
  const factors: number[] = [];
  client.on("visualization", ({ source }) => sources.push(source));
  client.on("zoom", ({ factor }) => factors.push(factor));
  client.on("undefined", () => assert.fail("there is no such type"));

  server.sendJsonMessage("{}");
  server.sendMessage({ type: "Visualization", source: "a", scenario: {} });
  server.sendMessage({ type: "visualization", source: "b", scenario: {} });
  server.sendMessage({ type: "zoom", factor: 2 });
  await until(() => factors.length === 1, "all messages");

  assert.deepEqual(sources, ["a", "b"]);
  assert.deepEqual(factors, [2]);
});

Deno.test("MessageClient says SUBSCRIBE as a message to a publisher of ZMTP 3.0, and asks for no PONG", async () => {
  using broker = new RawServer();
  await using client = new MessageClient({ serverBroadcast: broker.address });
  await using publisher = await broker.welcome("PUB", 0);

  assert.deepEqual(await publisher.readFrame(), { flags: 0, body: new Uint8Array([1]) });
  await soon(client.ready);
});

Deno.test("MessageClient tells by messageerror of a foreign publisher's message that is none", async () => {
  using broker = new RawServer();
  await using client = new MessageClient({ serverBroadcast: broker.address });
  await using publisher = await broker.welcome("XPUB", 0);
  await soon(client.ready);
  const [error, message] = [nextEvent(client, "messageerror"), nextEvent(client, "message")];

  await publisher.send("hello");
  await publisher.write(encodeFrame(bytes.encode('{"type":"a"}'), 1));
  await publisher.write(encodeFrame(bytes.encode("second frame"), 0));
  await publisher.send('{"type":"b"}');

  assert.equal((await error).reason, "not-json");
  assert.equal((await message).message.type, "b");
  assert.deepEqual(client.stats().refused, { "not-json": 1, multipart: 1 });
});

Deno.test("MessageClient finds out by heartbeat that a broker hangs, and connects again", async () => {
  using broker = new RawServer();
  await using client = new MessageClient({ serverReceive: broker.address, ...FAST, heartbeatMs: 20 });
  await using _hanging = await broker.welcome("PULL");

  const { reason } = await nextEvent(client, "disconnect");

  isError(ConnectionError, "heartbeat-timeout")(reason);
  await using _again = await broker.accept();
});

Deno.test("MessageClient does not hear its own message, but an equal one of somebody else", async () => {
  await using server = new MessageServer();
  await using ours = new MessageClient(addresses(server));
  await using theirs = new MessageClient(addresses(server));
  await Promise.all([ours.ready, theirs.ready]);
  const heard: string[] = [];
  ours.addEventListener("message", ({ text }) => heard.push(text));

  ours.sendMessage({ type: "same" });
  await until(() => server.stats().broadcast === 1, "our message");
  theirs.sendMessage({ type: "same" });
  theirs.sendMessage({ type: "end" });
  await until(() => heard.at(-1) === '{"type":"end"}', "the end");

  assert.deepEqual(heard, ['{"type":"same"}', '{"type":"end"}']);
});

Deno.test("MessageClient gives every message to each of several for await loops", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient(addresses(server));
  await soon(client.ready);
  const collect = async () => {
    const seen = [];
    for await (const message of client) if (seen.push(message.type) === 3) return seen;
    return seen;
  };

  const loops = [collect(), collect()];
  for (const type of ["a", "b", "c"]) server.sendMessage({ type });

  assert.deepEqual(await soon(Promise.all(loops)), [["a", "b", "c"], ["a", "b", "c"]]);
});

Deno.test("MessageClient counts what a for await loop loses that falls too far behind", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient(addresses(server));
  await soon(client.ready);
  const loop = client[Symbol.asyncIterator]();

  for (let i = 0; i < 10_005; i++) server.sendMessage({ type: "n", i });
  await until(() => client.stats().received === 10_005, "all messages");

  assert.equal(client.stats().dropped, 5);
  assert.deepEqual((await loop.next()).value, { type: "n", i: 0 });
  await loop.return!();
});

Deno.test("PassiveMessageClient.getLastMessage() is [0, ''] before the first message", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient(addresses(server));

  assert.deepEqual(client.getLastMessage(), [0, ""]);
});

Deno.test("PassiveMessageClient counts its own messages too, in the order of the bus", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient(addresses(server));
  await soon(client.ready);

  client.sendMessage({ type: "own" });
  await soon(client.waitForMessages(0));
  server.sendMessage({ type: "other" });
  await soon(client.waitForMessages(1));

  assert.deepEqual(client.getLastMessage(), [2, '{"type":"other"}']);
  assert.deepEqual(client.messagesAfter(0).entries.map(({ count, type }) => [count, type]), [[1, "own"], [
    2,
    "other",
  ]]);
});

Deno.test("PassiveMessageClient.messagesAfter() says exactly how many are no longer remembered", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient({ ...addresses(server), history: { messages: 3 } });
  await soon(client.ready);
  for (let i = 1; i <= 10; i++) server.sendMessage({ type: "n", i });
  await until(() => client.count === 10, "ten messages");

  const { entries, missed } = client.messagesAfter(2);

  assert.equal(missed, 5);
  assert.deepEqual(entries.map(({ count }) => count), [8, 9, 10]);
});

Deno.test("PassiveMessageClient.waitForMessages() rejects when its signal is aborted, or the client closed", async () => {
  await using server = new MessageServer();
  const client = new PassiveMessageClient(addresses(server));
  const stop = new AbortController();
  const [first, second] = [client.waitForMessages(0, { signal: stop.signal }), client.waitForMessages(0)];
  const rejected = [assert.rejects(first, /enough/), assert.rejects(second, isError(ClosedError, "closed"))];

  stop.abort(new Error("enough"));
  await client.close();

  await soon(Promise.all(rejected));
});

Deno.test("GenericMessageClient calls both methods of its handler, its own messages included", async () => {
  await using server = new MessageServer();
  const calls: unknown[] = [];
  const handler = {
    handleNewMessage: (message: unknown) => calls.push(message),
    handleJsonMessage: (text: string) => calls.push(text),
  };
  await using client = new GenericMessageClient(handler, addresses(server));
  await soon(client.ready);

  client.sendMessage({ type: "own" });
  await until(() => calls.length === 2, "two calls");

  assert.deepEqual(calls, [{ type: "own" }, '{"type":"own"}']);
});

Deno.test("GenericMessageClient reports a handler that throws or rejects, and goes on", async () => {
  await using server = new MessageServer();
  const errors: string[] = [];
  let calls = 0;
  const handler = {
    handleNewMessage: (): unknown => {
      calls++;
      if (calls === 1) throw new Error("thrown");
      return calls === 2 ? Promise.reject(new Error("rejected")) : undefined;
    },
  };
  await using client = new GenericMessageClient(handler as never, addresses(server));
  client.addEventListener("error", ({ message }) => errors.push(message));
  await soon(client.ready);

  for (const type of ["a", "b", "c"]) server.sendMessage({ type });
  await until(() => calls === 3 && errors.length === 2, "three calls");

  assert.deepEqual(errors, ["thrown", "rejected"]);
});

Deno.test("GenericMessageClient refuses a handler without handleNewMessage", () => {
  assert.throws(
    () => new GenericMessageClient({} as never, { serverReceive: "tcp://127.0.0.1:9" }),
    isError(OptionError, "bad-option"),
  );
});
