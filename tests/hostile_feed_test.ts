/** The feed in bad company: subscribers that ask for what nobody should, brokers that tell what is not so, and those that never ask. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { FEED_PROPERTY, feedTopic, LINK_PROPERTY } from "../bus/feed_note.ts";
import { MAX_SEQ } from "../bus/place.ts";
import { MessageServer, type MessageServerOptions } from "../broker.ts";
import { MessageClient, PassiveMessageClient } from "../client.ts";
import {
  encodeCommand,
  encodeLegacySubscription,
  encodePing,
  encodeSubscription,
  type Metadata,
  parseCommand,
  parseMetadata,
} from "../zmtp/command.ts";
import { encodeFrame } from "../zmtp/frame.ts";
import { soon, until } from "./support/deadline.ts";
import { LibzmqSub, receiveTexts, subscribed } from "./support/libzmq.ts";
import { ROOT } from "./support/program.ts";
import { concat, hex, RawPeer } from "./support/raw_peer.ts";
import { RawServer } from "./support/raw_server.ts";
import { LineChild, pythonPath } from "./support/python.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const EVERYTHING = encodeSubscription({ subscribe: true, topic: new Uint8Array(0) });
const FAST = { reconnect: { minMs: 1, maxMs: 5 }, lingerMs: 0 } as const;

function subscribe(topic: Uint8Array | string): Uint8Array {
  return encodeSubscription({ subscribe: true, topic: typeof topic === "string" ? encode(topic) : topic });
}

function cancel(topic: Uint8Array | string): Uint8Array {
  return encodeSubscription({ subscribe: false, topic: typeof topic === "string" ? encode(topic) : topic });
}

function say(server: MessageServer, first: number, last: number): void {
  for (let n = first; n <= last; n++) server.sendMessage({ type: "n", n });
}

const text = (n: number) => `{"type":"n","n":${n}}`;

/** A raw SUB that has said all this, and whose words the broker has taken. */
async function subscriber(
  server: MessageServer,
  words: readonly Uint8Array[],
  socketType = "SUB",
  properties: Metadata = [],
): Promise<RawPeer> {
  const peer = await RawPeer.join(server.broadcastAddress, socketType, properties);
  await peer.write(concat(...words, encodePing(0)));
  assert.equal(await peer.readText(), "\x04PONG");
  return peer;
}

/** What comes, up to that message. */
async function heardUpTo(peer: RawPeer, last: string): Promise<string[]> {
  const heard: string[] = [];
  while (heard.at(-1) !== last) {
    const word = await peer.readText();
    assert.ok(word !== undefined, `it ended after ${heard.length} frames`);
    heard.push(word);
  }
  return heard;
}

/** A message passes to somebody else. */
async function isWell(server: MessageServer): Promise<void> {
  await using client = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
  await soon(client.ready);
  server.sendMessage({ type: "well" });
  await soon(client.waitForMessages(0));
}

// Subscribers of our broker.

for (
  const [what, topic] of [
    ["of the future", (epoch: string) => `\0feed/1 ${epoch}.1000000`],
    ["of another life", () => "\0feed/1 stranger.3"],
    ["of the largest number", (epoch: string) => `\0feed/1 ${epoch}.${MAX_SEQ}`],
  ] as const
) {
  Deno.test(`whoever asks for a place ${what} begins with the oldest message that is held, and is told where that is`, async () => {
    await using server = new MessageServer({ history: { messages: 2 } });
    say(server, 1, 5);
    await using peer = await subscriber(server, [subscribe(topic(server.feed.epoch))]);
    say(server, 6, 6);
    assert.deepEqual(await heardUpTo(peer, text(6)), [
      `\0feed/1 {"place":"${server.feed.epoch}.3","reason":"start"}`,
      ...[4, 5, 6].map(text),
    ]);
  });
}

for (
  const [what, topic] of [
    ["NUL alone", "\0"],
    ["another version", "\0feed/2 earliest"],
    ["nothing to begin with", "\0feed/1 "],
    ["no place", "\0feed/1 yesterday"],
    ["a number of 16 digits", "\0feed/1 life.1000000000000000"],
    ["a zero in front", "\0feed/1 life.01"],
    ["4096 bytes", `\0feed/1 ${"x".repeat(4088)}`],
  ] as const
) {
  Deno.test(`a topic of ${what} is like any other: no message begins so, and nothing is told`, async () => {
    await using server = new MessageServer();
    say(server, 1, 3);
    await using peer = await subscriber(server, [subscribe(topic), subscribe('{"type":"n"')]);
    assert.equal(server.stats().subscribers!.subscribers[0]!.topics, 2);
    say(server, 4, 5);
    assert.deepEqual(await heardUpTo(peer, text(5)), [4, 5].map(text));
  });
}

Deno.test("ten thousand resumes on one connection are served, and the last one is good; a hundred thousand cost the broker a queue", async () => {
  await using server = new MessageServer();
  say(server, 1, 3);
  await using peer = await RawPeer.join(server.broadcastAddress, "SUB");
  const { epoch } = server.feed;
  const flood = concat(
    ...Array.from({ length: 1000 }, (_, i) => subscribe(`\0feed/1 ${epoch}.${i % 4}`)),
  );
  const queued = () => server.stats().subscribers!.subscribers[0]!.queuedBytes;
  let most = 0;
  for (let i = 0; i < 10; i++) {
    await peer.write(flood);
    most = Math.max(most, queued());
  }
  await isWell(server);
  assert.ok(most < 1024 * 1024, `${most} bytes waited`);
  await peer.write(concat(subscribe(`\0feed/1 ${epoch}.2`), encodePing(0)));
  // It reads all that it asked for, which is told and given again each time.
  const heard = await heardUpTo(peer, "\x04PONG");
  server.sendMessage({ type: "end" });
  heard.push(...await heardUpTo(peer, '{"type":"end"}'));
  const place = heard.lastIndexOf(`\0feed/1 {"place":"${epoch}.2","reason":"start"}`);
  assert.deepEqual(
    heard.slice(place + 1).filter((word) => word !== "\x04PONG"),
    [text(3), '{"type":"well"}', '{"type":"end"}'],
  );
  // Of more it is read slowly, and it does not read: the broker has nothing to do for it.
  const writing = peer.write(concat(...Array.from({ length: 90 }, () => flood))).catch(() => {});
  await isWell(server);
  assert.ok(queued() < 1024 * 1024, `${queued()} bytes wait`);
  peer.close();
  await writing;
});

const python = await pythonPath("socket");

Deno.test({
  name: `two hundred followers that ask for a whole window at once and do not read cost a place each${
    python === undefined ? " (ignored: no Python on this machine)" : ""
  }`,
  ignore: python === undefined,
  fn: async () => {
    await using server = new MessageServer();
    const pad = "x".repeat(1000);
    for (let n = 0; n < 16_000; n++) server.sendMessage({ type: "n", n, pad });
    server.sendMessage({ type: "the-end" });
    const before = { memory: server.stats().memory!.usedBytes, rss: Deno.memoryUsage().rss };
    // The kernel holds some 2 MB for each of them. A thousand would use up all that it has for TCP, and then it loses packets.
    await using crowd = new LineChild(python!, [
      join(ROOT, "tests", "support", "crowd.py"),
      server.broadcastAddress,
      "200",
    ]);
    assert.equal(await crowd.line(), "ready");
    const { subscribers } = server.stats().subscribers!;
    assert.equal(subscribers.length, 200);
    assert.ok(subscribers.every(({ queuedBytes }) => queuedBytes < 512 * 1024));
    // The window is held once for all of them.
    assert.ok(server.stats().memory!.usedBytes - before.memory < 32 * 1024 * 1024);
    const grown = Deno.memoryUsage().rss - before.rss;
    assert.ok(grown < 200 * 1024 * 1024, `${grown} bytes more`);
    await isWell(server);
    await crowd.say("read 1");
    assert.equal(await crowd.line(), "done");
    assert.equal(server.stats().subscribers!.dropped, 0);
  },
});

Deno.test("an XSUB that subscribes to a feed topic gets messages only: it stands for others, to whom it would pass notes on", async () => {
  await using server = new MessageServer();
  say(server, 1, 2);
  await using peer = await subscriber(server, [subscribe(feedTopic("earliest")), EVERYTHING], "XSUB");
  say(server, 3, 4);
  assert.deepEqual(await heardUpTo(peer, text(4)), [3, 4].map(text));
});

Deno.test("a SUB with narrow topics that asks for the feed gets all of it, and its topics again when it asks no more", async () => {
  await using server = new MessageServer();
  const topic = feedTopic("now");
  await using peer = await subscriber(server, [subscribe('{"type":"a"'), subscribe(topic)]);
  server.sendMessage({ type: "b" });
  server.sendMessage({ type: "a" });
  assert.deepEqual((await heardUpTo(peer, '{"type":"a"}')).slice(1), ['{"type":"b"}', '{"type":"a"}']);
  await peer.write(concat(cancel(topic), encodePing(0)));
  assert.equal(await peer.readText(), "\x04PONG");
  server.sendMessage({ type: "b" });
  server.sendMessage({ type: "a" });
  assert.deepEqual(await heardUpTo(peer, '{"type":"a"}'), ['{"type":"a"}']);
});

Deno.test("a SUB of ZMTP 3.0, which says its topics as messages, may ask as well", async () => {
  await using server = new MessageServer();
  say(server, 1, 2);
  await using peer = await RawPeer.join(server.broadcastAddress, "SUB");
  await peer.write(encodeLegacySubscription({ subscribe: true, topic: feedTopic("earliest") }));
  assert.deepEqual((await heardUpTo(peer, text(2))).slice(1), [1, 2].map(text));
});

Deno.test("a subscriber that never asks gets READY with one property more, and nothing but messages behind it", async () => {
  await using server = new MessageServer();
  say(server, 1, 1);
  await using peer = await RawPeer.join(server.broadcastAddress, "SUB");
  const metadata = parseMetadata(parseCommand(peer.ready!.body).data)
    .map(([name, value]) => [name, new TextDecoder().decode(value)]);
  assert.deepEqual(metadata, [["Socket-Type", "PUB"], [FEED_PROPERTY, `${server.feed.epoch}.1`]]);
  await peer.write(concat(EVERYTHING, encodePing(0)));
  const pong = hex("0405 04504f4e47");
  assert.deepEqual(await peer.readBytes(pong.length), pong);
  say(server, 2, 3);
  const frames = concat(...[2, 3].map((n) => encodeFrame(encode(text(n)), 0)));
  assert.deepEqual(await peer.readBytes(frames.length), frames);
});

Deno.test("a libzmq SUB that never asks hears messages only, beside a follower of the same broker", async () => {
  await using server = new MessageServer();
  using sub = new LibzmqSub();
  sub.connect(server.broadcastAddress);
  sub.subscribe("");
  await subscribed(server, 1);
  await using client = new MessageClient(server.addresses);
  await soon(client.ready);
  client.sendMessage({ type: "n", n: 1 });
  await until(() => server.feed.position === 1, "the message");
  server.sendMessage({ type: "n", n: 2 });
  assert.deepEqual(await receiveTexts(sub, 2), [1, 2].map(text));
});

const withZmq = await pythonPath("zmq");
const FORWARDER = `
import sys, zmq
context = zmq.Context()
front, back = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
front.connect(sys.argv[1])
print(back.bind_to_random_port("tcp://127.0.0.1"), flush=True)
zmq.proxy(front, back)
`;

Deno.test({
  name: `a client of ours behind a libzmq forwarder follows nobody, and its neighbours there hear no note${
    withZmq === undefined ? " (ignored: no Python with pyzmq on this machine)" : ""
  }`,
  ignore: withZmq === undefined,
  fn: async () => {
    await using server = new MessageServer();
    await using forwarder = new LineChild(withZmq!, ["-c", FORWARDER, server.broadcastAddress]);
    const serverBroadcast = `tcp://127.0.0.1:${await forwarder.line()}`;
    using plain = new LibzmqSub();
    plain.connect(serverBroadcast);
    // A neighbour that asks for the feed itself: the forwarder passes that on as its own wish.
    plain.subscribe("", "\0feed/1 earliest");
    await using client = new PassiveMessageClient({ serverBroadcast, ...FAST });
    await soon(client.ready);
    let n = 0;
    const flow = setInterval(() => say(server, ++n, n), 5);
    try {
      const [first, ...more] = await receiveTexts(plain, 20);
      const at = JSON.parse(first!).n;
      assert.deepEqual(more, Array.from({ length: 19 }, (_, i) => text(at + 1 + i)));
      await until(() => client.count > 5, "messages");
    } finally {
      clearInterval(flow);
    }
    assert.deepEqual([client.place, client.stats().refused, client.stats().missed], [undefined, {}, 0]);
  },
});

for (
  const [what, link] of [
    ["too short", "abc 1"],
    ["too long", `${"x".repeat(65)} 1`],
    ["not ASCII", "übermäßig-lange-kennung 1"],
    ["with a number of 16 digits", `${"x".repeat(20)} 1000000000000000`],
    ["with NUL", `${"x".repeat(20)}\0 1`],
    ["empty", ""],
  ] as const
) {
  Deno.test(`X-Link that is ${what} makes a stranger: its messages pass, and nobody is told that they are its own`, async () => {
    await using server = new MessageServer();
    const properties: Metadata = [[LINK_PROPERTY, encode(link)]];
    await using sub = await subscriber(server, [subscribe(feedTopic("now"))], "SUB", properties);
    await using push = await RawPeer.join(server.receiveAddress, "PUSH", properties);
    await push.send("no json");
    await push.send(text(1));
    assert.deepEqual((await heardUpTo(sub, text(1))).slice(1), [text(1)]);
  });
}

Deno.test("X-Link of bytes that are no UTF-8 makes a stranger", async () => {
  await using server = new MessageServer();
  const properties: Metadata = [[LINK_PROPERTY, hex("ff".repeat(20))]];
  await using sub = await subscriber(server, [subscribe(feedTopic("now"))], "SUB", properties);
  await using push = await RawPeer.join(server.receiveAddress, "PUSH", properties);
  await push.send(text(1));
  assert.deepEqual((await heardUpTo(sub, text(1))).slice(1), [text(1)]);
});

Deno.test("nobody else hears whose a message is, nor what would let him claim it", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient(server.addresses);
  await using spy = await subscriber(server, [subscribe(feedTopic("now"))], "SUB", [
    [LINK_PROPERTY, encode("00000000-0000-0000-0000-000000000000")],
  ]);
  await soon(client.ready);
  client.sendMessage({ type: "n", n: 1 });
  const heard = await heardUpTo(spy, text(1));
  assert.deepEqual(heard.slice(1), [text(1)]);
  assert.ok(!/[0-9a-f]{8}-[0-9a-f]{4}-/.test(JSON.stringify([heard, server.stats()])));
});

Deno.test("followers whose queues memory was short for get it all in the end, or are told what not", async () => {
  const options: MessageServerOptions = {
    maxMessageBytes: 100_000,
    memoryBudgetBytes: 2_000_000,
    subscriberQueue: { bytes: 1_500_000 },
  };
  await using server = new MessageServer(options);
  await using stack = new AsyncDisposableStack();
  const stuck: RawPeer[] = [];
  for (let i = 0; i < 4; i++) {
    stuck.push(stack.use(await subscriber(server, [i < 2 ? subscribe(feedTopic("now")) : EVERYTHING])));
  }
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  const pad = "x".repeat(30_000);
  for (let n = 1; n <= 500; n++) await push.send(JSON.stringify({ type: "n", n, pad }));
  await until(() => server.stats().received === 500, "all messages");
  await push.send('{"type":"end"}');
  // Followers, and those that never asked, for whom nothing can be told.
  for (const peer of stuck.slice(0, 2)) {
    let [at, heard] = [0, 0];
    for (const word of await heardUpTo(peer, '{"type":"end"}')) {
      const place = /"place":"\w+\.(\d+)"/.exec(word);
      if (place !== null) {
        assert.ok(Number(place[1]) >= at, word);
        at = Number(place[1]);
        continue;
      }
      at++;
      heard++;
      const { n } = JSON.parse(word);
      if (n !== undefined) assert.equal(n, at);
    }
    assert.equal(at, 501);
    assert.ok(heard > 16, `${heard} messages`);
  }
});

// Brokers of our clients.

/** A broker that says it numbers, as far as the client's subscription. */
async function numbering(server: RawServer, place = "life.0"): Promise<RawPeer> {
  const peer = await server.welcome("PUB", 1, [[FEED_PROPERTY, encode(place)]]);
  assert.ok((await peer.readText())!.startsWith("\x09SUBSCRIBE\0feed/1 "));
  assert.equal(await peer.readText(), "\x09SUBSCRIBE");
  for (let i = 0; i < 2; i++) {
    assert.ok(new TextDecoder().decode((await peer.readFrame())!.body).startsWith("\x04PING"));
    await peer.write(encodeCommand("PONG"));
  }
  return peer;
}

const note = (json: string) => encodeFrame(encode(`\0feed/1 ${json}`), 0);
const place = (seq: number, epoch = "life") => note(`{"place":"${epoch}.${seq}","reason":"start"}`);
const message = (n: number) => encodeFrame(encode(text(n)), 0);

/** What a client of each kind hears from a broker that says these things, and then is honest. */
async function heardOf(words: readonly Uint8Array[]) {
  using server = new RawServer();
  await using client = new PassiveMessageClient({ serverBroadcast: server.address, ...FAST });
  const gaps: (number | null)[] = [];
  client.addEventListener("gap", ({ missed }) => void gaps.push(missed));
  {
    await using peer = await numbering(server);
    await peer.write(concat(...words, message(-1)));
    await until(() => client.getLastMessage()[1] === text(-1) || client.stats().received > 0, "its words");
    // All of it was read when the answer to a PING comes.
    await peer.write(encodePing(0));
    while ((await peer.readText()) !== "\x04PONG");
  }
  await using honest = await numbering(server, "other.5");
  await honest.write(concat(place(5, "other"), message(6)));
  await until(() => client.getLastMessage()[1] === text(6), "the honest broker's message");
  assert.equal(client.place, "other.6");
  const heard = client.messagesAfter(0).entries.map(({ text }) => JSON.parse(text).n);
  return { heard, gaps, refused: client.stats().refused, missed: client.stats().missed };
}

Deno.test("a client counts notes that are none as refused, and goes on", async () => {
  const words = ["{", "[]", "null", '{"place":"x"}', '{"own":-1,"link":0,"index":0}'].map(note);
  const { heard, refused } = await heardOf([place(0), ...words, message(1)]);
  assert.deepEqual(heard, [1, -1, 6]);
  assert.deepEqual(refused, { "not-json": 5 });
});

Deno.test("a client delivers nothing twice when the broker goes back to a place that it had", async () => {
  const { heard, refused, gaps } = await heardOf([
    place(0),
    ...[1, 2, 3].map(message),
    place(0),
    ...[1, 2, 3, 4].map(message),
    place(2),
    ...[3, 4].map(message),
  ]);
  assert.deepEqual(heard, [1, 2, 3, 4, -1, 6]);
  assert.deepEqual(refused, { repeated: 5 });
  assert.deepEqual(gaps, [null]);
});

Deno.test("a client survives holes beyond every number, and its counts stay whole", async () => {
  const { heard, gaps } = await heardOf([
    place(0),
    ...Array.from({ length: 50 }, (_, i) => [place(MAX_SEQ - 1, `life${i}`), message(i)]).flat(),
    ...Array.from(
      { length: 50 },
      (_, i) => [place(0, `more${i}`), place(MAX_SEQ - 2, `more${i}`), message(i)],
    )
      .flat(),
  ]);
  assert.equal(heard.length, 102);
  assert.equal(gaps.length, 151);
});

Deno.test("a client survives a hundred thousand notes", async () => {
  const many = concat(
    ...Array.from({ length: 10_000 }, (_, i) =>
      concat(
        place(i),
        note(`{"own":1000000000,"link":1,"index":${i}}`),
        note(`{"refused":999999999999999,"link":${i % 3},"index":0}`),
        note("{}"),
        place(i, `life${i}`),
        place(i + 1),
        note(`{"own":0,"link":1,"index":0}`),
        note(`{"own":1,"link":99,"index":9}`),
        note(`{"refused":1,"link":1,"index":0}`),
        place(i + 1),
      )),
  );
  const { heard, refused } = await heardOf([place(0), many]);
  assert.deepEqual(heard, [-1, 6]);
  assert.deepEqual(refused, { "not-json": 10_000 });
});

Deno.test("a client takes a broker that promises places and tells none for one that does not number", async () => {
  using server = new RawServer();
  await using client = new PassiveMessageClient({ serverBroadcast: server.address, ...FAST });
  const gaps: (number | null)[] = [];
  client.addEventListener("gap", ({ missed }) => void gaps.push(missed));
  for (let round = 1; round <= 2; round++) {
    await using peer = await numbering(server);
    await peer.write(message(round));
    await until(() => client.count === round, "the message");
    assert.equal(client.place, undefined);
  }
  assert.deepEqual(gaps, [null]);
});

Deno.test("MessageClient of a broker that calls everything its own hears nothing of that one, and all of the next", async () => {
  using server = new RawServer();
  await using client = new MessageClient({ serverBroadcast: server.address, ...FAST });
  const heard: number[] = [];
  client.addEventListener("message", ({ text }) => void heard.push(JSON.parse(text).n));
  {
    await using peer = await numbering(server);
    await peer.write(concat(place(0), note('{"own":1000000000,"link":1,"index":0}'), message(1), message(2)));
    await until(() => client.stats().received === 2, "the messages");
  }
  await using honest = await numbering(server);
  await honest.write(concat(place(2), message(3)));
  await until(() => heard.length > 0, "a message");
  assert.deepEqual(heard, [3]);
});

Deno.test("receipts of a client end with what a broker tells, however many messages it names", async () => {
  using server = new RawServer();
  using receiver = new RawServer();
  await using client = new PassiveMessageClient({
    serverBroadcast: server.address,
    serverReceive: receiver.address,
    ...FAST,
  });
  const [peer, puller] = await Promise.all([numbering(server), receiver.welcome("PULL")]);
  await using _stack = new AsyncDisposableStack();
  _stack.use(peer);
  _stack.use(puller);
  await peer.write(place(0));
  await until(() => client.place === "life.0", "the place");
  await soon(client.ready);
  const signal = AbortSignal.timeout(60_000);
  const told = client.publish([text(1)]).told(signal);
  await peer.write(note('{"refused":999999999999999,"link":1,"index":0}'));
  assert.equal(await soon(told), undefined);
  const second = client.publish([text(2)]).told(signal);
  await peer.write(concat(note('{"own":1,"link":1,"index":1}'), message(2)));
  assert.equal(await soon(second), client.feed.position);
});
