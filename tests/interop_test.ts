/** The broker and the clients with libzmq 4.3.5 itself at the other end of the wire, in both directions. */
import assert from "node:assert/strict";
import { MessageServer } from "../broker.ts";
import { MessageClient, PassiveMessageClient } from "../client.ts";
import { soon, until } from "./support/deadline.ts";
import {
  LibzmqPub,
  LibzmqPull,
  LibzmqPush,
  LibzmqSub,
  receive,
  receiveTexts,
  send,
  subscribed,
} from "./support/libzmq.ts";
import { NodeProgram } from "./support/node_zeromq.ts";

const FAST = { reconnect: { minMs: 1, maxMs: 20 } } as const;

function addresses(server: MessageServer): { serverBroadcast: string; serverReceive: string } {
  return { serverBroadcast: server.broadcastAddress, serverReceive: server.receiveAddress };
}

/** A libzmq SUB at our broker, subscribed. */
async function libzmqSub(server: MessageServer, topics: readonly string[] = [""]): Promise<LibzmqSub> {
  const before = server.stats().subscribers!.subscribers.filter(({ topics }) => topics > 0).length;
  const sub = new LibzmqSub();
  sub.connect(server.broadcastAddress);
  sub.subscribe(...topics);
  await subscribed(server, before + 1);
  return sub;
}

function libzmqPush(server: MessageServer): LibzmqPush {
  const push = new LibzmqPush();
  push.connect(server.receiveAddress);
  return push;
}

Deno.test("MessageServer passes messages of a libzmq PUSH on to a libzmq SUB", async () => {
  await using server = new MessageServer();
  using sub = await libzmqSub(server);
  using push = libzmqPush(server);

  await send(push, '{"type":"subject","subject":119}');

  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"subject","subject":119}']);
});

Deno.test("MessageServer passes 10,000 messages of a libzmq PUSH on to a libzmq SUB in order", async () => {
  await using server = new MessageServer();
  using sub = await libzmqSub(server);
  using push = libzmqPush(server);

  const sending = (async () => {
    for (let i = 0; i < 10_000; i++) await send(push, `{"type":"n","i":${i}}`);
  })();
  const texts = await receiveTexts(sub, 10_000);
  await sending;

  assert.deepEqual(texts.map((text) => JSON.parse(text).i), Array.from({ length: 10_000 }, (_, i) => i));
});

Deno.test("MessageServer passes a message of 3 MB between libzmq peers untouched", async () => {
  await using server = new MessageServer();
  using sub = await libzmqSub(server);
  using push = libzmqPush(server);
  const text = `{"type":"log","screenshot":"${"A".repeat(3_000_000)}"}`;

  await send(push, text);

  assert.deepEqual(await receiveTexts(sub, 1), [text]);
});

Deno.test("MessageServer refuses a multipart message of libzmq and passes on what follows", async () => {
  await using server = new MessageServer();
  using sub = await libzmqSub(server);
  using push = libzmqPush(server);

  await send(push, ['{"type":"a"}', '{"type":"b"}']);
  await send(push, '{"type":"c"}');

  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"c"}']);
  assert.deepEqual(server.stats().refused, { multipart: 1 });
});

Deno.test("MessageServer gives a libzmq SUB with prefix topics only what matches", async () => {
  await using server = new MessageServer();
  using sub = await libzmqSub(server, ['{"type":"a"', '{"type":"c']);

  for (const type of ["a", "b", "cc", "d", "a"]) server.sendMessage({ type });

  assert.deepEqual(await receiveTexts(sub, 3), ['{"type":"a"}', '{"type":"cc"}', '{"type":"a"}']);
});

Deno.test("MessageServer takes libzmq's topics as a set: subscribed twice, unsubscribed twice is unsubscribed", async () => {
  await using server = new MessageServer();
  using sub = await libzmqSub(server, ['{"type":"a"']);
  const topics = () => server.stats().subscribers!.subscribers[0]?.topics;
  sub.subscribe('{"type":"a"', '{"type":"b"');
  await until(() => topics() === 2, "two topics");

  sub.unsubscribe('{"type":"a"', '{"type":"a"');
  await until(() => topics() === 1, "CANCEL");
  server.sendMessage({ type: "a" });
  server.sendMessage({ type: "b" });

  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"b"}']);
});

for (const size of [245, 246, 255, 256]) {
  Deno.test(`MessageServer takes a libzmq topic of ${size} bytes`, async () => {
    await using server = new MessageServer();
    const type = "t".repeat(size - 9);
    using sub = await libzmqSub(server, [`{"type":"${type}`]);

    server.sendMessage({ type: "other" });
    server.sendMessage({ type });

    assert.deepEqual(await receiveTexts(sub, 1), [JSON.stringify({ type })]);
  });
}

Deno.test("MessageServer hears a libzmq PUSH and is heard by a libzmq SUB again after it came back", async () => {
  const first = new MessageServer();
  using sub = await libzmqSub(first);
  using push = libzmqPush(first);
  await send(push, '{"type":"before"}');
  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"before"}']);
  const port = (address: string) => Number(address.split(":").at(-1));
  await first.close();

  await using second = new MessageServer({
    broadcastPort: port(first.broadcastAddress),
    receivePort: port(first.receiveAddress),
  });
  // A libzmq SUB says its topics again only when its application calls into it.
  const received = receive(sub);
  await subscribed(second, 1);
  await send(push, '{"type":"after"}');

  assert.deepEqual(await received, ['{"type":"after"}']);
});

Deno.test("MessageServer answers libzmq's heartbeats, and libzmq stays connected", async () => {
  await using server = new MessageServer();
  using push = new LibzmqPush({ heartbeatInterval: 20, heartbeatTimeout: 1000, heartbeatTimeToLive: 3000 });
  push.connect(server.receiveAddress);
  await send(push, '{"type":"a"}');
  const end = performance.now() + 1500;

  await until(() => performance.now() > end, "75 heartbeats, and longer than one may stay without an answer");
  await send(push, '{"type":"b"}');
  await until(() => server.stats().received === 2, "the second message");

  assert.equal(server.stats().senders!.accepted, 1, "one connection all the time");
});

const PUSH_AT = `
import * as zeromq from "zeromq";
const push = new zeromq.Push({ linger: 0, reconnectInterval: 20 });
push.connect(process.argv[2]);
setTimeout(() => {}, 60_000);
`;

Deno.test("a libzmq PUSH that dials the broadcast address is told by ERROR, and gives up for ever", async () => {
  await using server = new MessageServer();
  await using _push = await NodeProgram.start(PUSH_AT, [server.broadcastAddress]);
  const faults = () => server.stats().subscribers!.faults["socket-type-mismatch"] ?? 0;
  await until(() => faults() === 1, "the refusal");
  const end = performance.now() + 500;

  await until(() => performance.now() > end, "the time of 20 attempts");

  assert.equal(faults(), 1);
});

Deno.test("a libzmq PUSH that is closed without a word comes back", async () => {
  let asked = 0;
  await using server = new MessageServer({
    authorize: () => {
      asked++;
      return "temporary";
    },
  });
  await using _push = await NodeProgram.start(PUSH_AT, [server.receiveAddress]);

  await until(() => asked >= 3, "three attempts");
});

/** A libzmq broker of the plainest kind: PULL and PUB, forwarded by a loop that never waits in libzmq. */
async function libzmqBroker(): Promise<
  AsyncDisposable & { serverBroadcast: string; serverReceive: string }
> {
  const pull = new LibzmqPull();
  const pub = new LibzmqPub({ sendHighWaterMark: 0 });
  await pull.bind("tcp://127.0.0.1:*");
  await pub.bind("tcp://127.0.0.1:*");
  let isRunning = true;
  const running = (async () => {
    while (isRunning) {
      try {
        await pub.send(await pull.receive());
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  })();
  return {
    serverBroadcast: pub.lastEndpoint!,
    serverReceive: pull.lastEndpoint!,
    async [Symbol.asyncDispose]() {
      isRunning = false;
      await running;
      pull.close();
      pub.close();
    },
  };
}

/** With libzmq a PONG does not mean that the PUB has seen SUBSCRIBE: messages are repeated until the first is heard. */
async function heard(sender: PassiveMessageClient, listener: PassiveMessageClient): Promise<void> {
  const before = listener.count;
  while (listener.count === before) {
    sender.sendMessage({ type: "hello" });
    await listener.waitForMessages(before, { signal: AbortSignal.timeout(20) }).catch(() => {});
  }
}

Deno.test("Our clients pass 10,000 messages in order through a libzmq broker (PULL and PUB)", async () => {
  await using broker = await libzmqBroker();
  await using sender = new PassiveMessageClient({ ...broker, ...FAST, history: { messages: 100 } });
  await using listener = new PassiveMessageClient({ ...broker, ...FAST, history: { messages: 20_000 } });
  await soon(Promise.all([sender.ready, listener.ready]));
  await soon(heard(sender, listener));

  for (let i = 0; i < 10_000; i++) {
    sender.sendMessage({ type: "n", i });
    if (i % 1000 === 999) await soon(sender.flush());
  }
  const numbers = () =>
    listener.messagesAfter(0).entries.filter(({ type }) => type === "n").map(({ text }) =>
      JSON.parse(text).i
    );
  await until(
    () => listener.messagesAfter(listener.count - 1).entries[0]?.text === '{"type":"n","i":9999}',
    "the last",
    20_000,
  );

  assert.deepEqual(numbers(), Array.from({ length: 10_000 }, (_, i) => i));
});

Deno.test("Our clients pass messages of 3 MB through a libzmq broker, and do not hear their own", async () => {
  await using broker = await libzmqBroker();
  await using probe = new PassiveMessageClient({ ...broker, ...FAST });
  await using listener = new PassiveMessageClient({ ...broker, ...FAST });
  await using sender = new MessageClient({ ...broker, ...FAST });
  await soon(Promise.all([sender.ready, listener.ready, probe.ready]));
  await soon(heard(probe, listener));
  const own: string[] = [];
  sender.addEventListener("message", ({ message }) => own.push(message.type));
  const before = listener.count;
  const data = "x".repeat(3_000_000);

  sender.sendMessage({ type: "large", data });
  await until(() => listener.getLastMessage()[1].length > 3_000_000, "3 MB");

  assert.ok(listener.count > before);
  assert.deepEqual(JSON.parse(listener.getLastMessage()[1]), { type: "large", data });
  assert.ok(!own.includes("large"));
});

const PROXY = `
import * as zeromq from "zeromq";
const proxy = new zeromq.Proxy(new zeromq.Pull(), new zeromq.Publisher({ sendHighWaterMark: 0 }));
await proxy.frontEnd.bind("tcp://127.0.0.1:*");
await proxy.backEnd.bind("tcp://127.0.0.1:*");
console.log(JSON.stringify({ serverReceive: proxy.frontEnd.lastEndpoint, serverBroadcast: proxy.backEnd.lastEndpoint }));
await proxy.run();
`;

Deno.test("Our clients pass 10,000 messages in order through zmq_proxy", async () => {
  await using program = await NodeProgram.start(PROXY);
  const at = JSON.parse((await soon(program.line()))!);
  await using sender = new PassiveMessageClient({ ...at, ...FAST, history: { messages: 100 } });
  await using listener = new PassiveMessageClient({ ...at, ...FAST, history: { messages: 20_000 } });
  await soon(Promise.all([sender.ready, listener.ready]));
  await soon(heard(sender, listener));

  for (let i = 0; i < 10_000; i++) sender.sendMessage({ type: "n", i });
  await until(() => listener.getLastMessage()[1] === '{"type":"n","i":9999}', "the last one", 20_000);

  const numbers = listener.messagesAfter(0).entries.filter(({ type }) => type === "n")
    .map(({ text }) => JSON.parse(text).i);
  assert.deepEqual(numbers, Array.from({ length: 10_000 }, (_, i) => i));
});

const SENDER = `
import * as zeromq from "zeromq";
const push = new zeromq.Push({ linger: 0 });
push.connect(process.argv[2]);
for (let i = 0;; i++) {
  await push.send(JSON.stringify({ type: "n", i, pad: "x".repeat(1000) }));
  if (i === 100) console.log("sending");
}
`;

Deno.test("MessageServer outlives kill -9 of a libzmq sender in the middle of its messages", async () => {
  await using server = new MessageServer();
  await using listener = new PassiveMessageClient({ ...addresses(server), history: { messages: 1 } });
  await soon(listener.ready);
  let next = 0;
  listener.addEventListener("message", ({ message }) => {
    const { type, i }: { type: string; i?: number } = message;
    if (type === "n") assert.equal(i, next++);
  });
  const sender = await NodeProgram.start(SENDER, [server.receiveAddress]);
  assert.equal(await soon(sender.line()), "sending");
  await until(() => listener.count > 100, "messages in flow");

  sender.kill("SIGKILL");
  await sender[Symbol.asyncDispose]();
  await until(() => server.stats().senders!.connections === 1, "the end of the sender's connection");
  server.sendMessage({ type: "still here" });
  await until(() => listener.getLastMessage()[1] === '{"type":"still here"}', "the next message");

  assert.deepEqual(server.stats().refused, {}, "a message that was cut is dropped, not passed on");
});

const LISTENER = `
import * as zeromq from "zeromq";
const sub = new zeromq.Subscriber();
sub.connect(process.argv[2]);
sub.subscribe("");
let count = 0;
for await (const [message] of sub) if (++count === 100) console.log("listening");
`;

Deno.test("MessageServer outlives kill -9 of a libzmq subscriber in the middle of its messages", async () => {
  await using server = new MessageServer();
  await using healthy = new PassiveMessageClient({ ...addresses(server), history: { messages: 1 } });
  await soon(healthy.ready);
  const subscriber = await NodeProgram.start(LISTENER, [server.broadcastAddress]);
  await subscribed(server, 2);
  let sent = 0;
  const flow = setInterval(() => {
    for (let i = 0; i < 50; i++) server.sendMessage({ type: "n", i: sent++, pad: "x".repeat(1000) });
  }, 1);
  try {
    assert.equal(await soon(subscriber.line()), "listening");
    subscriber.kill("SIGKILL");
    await subscriber[Symbol.asyncDispose]();
    await until(
      () => server.stats().subscribers!.connections === 1,
      "the end of the subscriber's connection",
    );
  } finally {
    clearInterval(flow);
  }
  await until(() => healthy.count === sent, "every message at the healthy one");

  assert.equal(server.stats().subscribers!.subscribers[0]!.dropped, 0);
});

Deno.test("Our clients survive kill -9 of a libzmq broker and its return on the same ports", async () => {
  const first = await NodeProgram.start(PROXY);
  const at = JSON.parse((await soon(first.line()))!);
  await using sender = new PassiveMessageClient({ ...at, ...FAST });
  await using listener = new PassiveMessageClient({ ...at, ...FAST });
  await soon(Promise.all([sender.ready, listener.ready]));
  await soon(heard(sender, listener));

  first.kill("SIGKILL");
  await first[Symbol.asyncDispose]();
  await until(() => !listener.isReceiving && !sender.isSending, "the end of both connections");
  const again = PROXY.replace('frontEnd.bind("tcp://127.0.0.1:*")', `frontEnd.bind("${at.serverReceive}")`)
    .replace('backEnd.bind("tcp://127.0.0.1:*")', `backEnd.bind("${at.serverBroadcast}")`);
  await using second = await NodeProgram.start(again);
  await soon(second.line());
  await until(() => listener.isReceiving && sender.isSending, "both connections again");

  await soon(heard(sender, listener));
});
