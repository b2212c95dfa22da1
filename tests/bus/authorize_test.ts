/** Who may join a broker: decisions, those that never come, and how many may be open at once. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { MessageServer, type MessageServerOptions } from "../../broker.ts";
import { MessageClient } from "../../client.ts";
import { OptionError } from "../../base/errors.ts";
import { encodeReady, socketTypeMetadata } from "../../zmtp/command.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import {
  allowKeys,
  type Authorize,
  type AuthorizeRequest,
  type AuthorizeVerdict,
  curveKeyPair,
} from "../../zmtp/mod.ts";
import { decodeZ85, encodeZ85 } from "../../zmtp/curve/z85.ts";
import { ascii, RawCurveClient } from "../support/curve_peer.ts";
import { soon, until } from "../support/deadline.ts";
import { LibzmqPush, LibzmqSub, receiveTexts, send, subscribed, zeromq } from "../support/libzmq.ts";
import { concat, RawPeer } from "../support/raw_peer.ts";

const KEYS = await curveKeyPair();
const SERVER_KEY = KEYS.publicKey;
const decoder = new TextDecoder();

async function openServer(options: MessageServerOptions): Promise<MessageServer> {
  const server = new MessageServer(options);
  await server.ready;
  return server;
}

/** Options of a libzmq client with these keys. */
function libzmqKeys({ publicKey, secretKey } = zeromq.curveKeyPair()): Record<string, string> {
  return { curveServerKey: SERVER_KEY, curvePublicKey: publicKey, curveSecretKey: secretKey };
}

/** A peer of the NULL mechanism that has said all it has to say before READY. */
async function knock(address: string, socketType: string, ...more: Uint8Array[]): Promise<RawPeer> {
  const peer = await RawPeer.connect(address);
  await peer.write(concat(encodeGreeting("NULL"), encodeReady(socketTypeMetadata(socketType)), ...more));
  await peer.readBytes(64);
  return peer;
}

/** Decisions that a test makes itself, one after the other. */
class Decisions {
  readonly requests: AuthorizeRequest[] = [];
  readonly #verdicts: ((verdict: AuthorizeVerdict) => void)[] = [];
  readonly authorize: Authorize = (request) => {
    this.requests.push(request);
    return new Promise((resolve) => this.#verdicts.push(resolve));
  };
  decide(verdict: AuthorizeVerdict): void {
    this.#verdicts.shift()!(verdict);
  }
  async asked(count = 1): Promise<void> {
    await until(() => this.requests.length >= count, `${count} requests`);
  }
}

// Allowed

Deno.test("authorize hears address, mechanism, key and role of a libzmq PUSH and SUB under CURVE, and lets them in", async () => {
  const requests: AuthorizeRequest[] = [];
  await using server = await openServer({
    curve: KEYS,
    authorize: (request) => {
      requests.push(request);
      return Promise.resolve(true);
    },
  });
  const [pushKeys, subKeys] = [zeromq.curveKeyPair(), zeromq.curveKeyPair()];
  using push = new LibzmqPush(libzmqKeys(pushKeys));
  using sub = new LibzmqSub(libzmqKeys(subKeys));
  push.connect(server.receiveAddress);
  sub.connect(server.broadcastAddress);
  sub.subscribe("");
  await subscribed(server, 1);
  await send(push, '{"type":"in"}');
  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"in"}']);
  const request = { address: "127.0.0.1", mechanism: "CURVE" };
  assert.deepEqual(requests.sort((a, b) => a.role.localeCompare(b.role)), [
    { ...request, publicKey: subKeys.publicKey, role: "listen" },
    { ...request, publicKey: pushKeys.publicKey, role: "send" },
  ]);
});

Deno.test("authorize is asked over NULL as well, where there are no keys", async () => {
  const requests: AuthorizeRequest[] = [];
  await using server = await openServer({ authorize: (request) => requests.push(request) > 0 });
  using push = new LibzmqPush();
  push.connect(server.receiveAddress);
  await send(push, '{"type":"in"}');
  await until(() => server.stats().received === 1, "the message");
  assert.deepEqual(requests, [
    { address: "127.0.0.1", mechanism: "NULL", publicKey: undefined, role: "send" },
  ]);
});

Deno.test("allowKeys() lets in who has proven to own one of the keys, as text or bytes, and denies others for good", async () => {
  const [sender, listener, stranger] = [zeromq.curveKeyPair(), zeromq.curveKeyPair(), zeromq.curveKeyPair()];
  await using server = await openServer({
    curve: KEYS,
    authorize: allowKeys([sender.publicKey, decodeZ85(listener.publicKey)!]),
  });
  using push = new LibzmqPush(libzmqKeys(sender));
  using sub = new LibzmqSub(libzmqKeys(listener));
  sub.connect(server.broadcastAddress);
  sub.subscribe("");
  await subscribed(server, 1);
  push.connect(server.receiveAddress);
  await using client = new MessageClient({
    serverReceive: server.receiveAddress,
    curve: { serverKey: SERVER_KEY, ...stranger },
  });
  await assert.rejects(soon(client.ready), { name: "HandshakeError", code: "refused-by-peer" });
  await send(push, '{"type":"in"}');
  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"in"}']);
  assert.deepEqual(server.stats().senders!.faults, { denied: 1 });
});

Deno.test("allowKeys() denies everyone over NULL, where nobody proves anything", async () => {
  await using server = await openServer({ authorize: allowKeys([SERVER_KEY]) });
  await using client = new MessageClient({ serverReceive: server.receiveAddress });
  await assert.rejects(soon(client.ready), { code: "refused-by-peer" });
});

Deno.test("allowKeys() throws bad-option for what is no key, and says which", () => {
  assert.throws(() => allowKeys([SERVER_KEY, "no key"]), (error) => {
    assert(error instanceof OptionError);
    assert.match(error.message, /allowKeys\[1\]/);
    return true;
  });
});

Deno.test("MessageServer throws bad-option for an authorize that is no function", () => {
  assert.throws(() => new MessageServer({ authorize: [SERVER_KEY] as never }), {
    name: "OptionError",
    code: "bad-option",
  });
});

// Denied

for (const curve of [KEYS, undefined]) {
  const over = curve ? "CURVE" : "NULL";

  Deno.test(`authorize false over ${over}: ERROR 400, and a libzmq client never asks again`, async () => {
    let asked = 0;
    await using server = await openServer({
      ...(curve && { curve }),
      authorize: ({ role }) => role === "listen" || ++asked < 0,
    });
    using push = new LibzmqPush({ ...(curve && libzmqKeys()), reconnectInterval: 1 });
    push.connect(server.receiveAddress);
    await until(() => server.stats().senders!.faults.denied === 1, "the denial");
    await until(() => server.stats().senders!.connections === 0, "the end of the connection");
    // A libzmq client that tries again does so within 1 ms; this one connects ten times meanwhile.
    for (let i = 0; i < 10; i++) {
      using sub = new LibzmqSub(curve && libzmqKeys());
      sub.connect(server.broadcastAddress);
      sub.subscribe("");
      await until(() => server.stats().subscribers!.accepted > i, "another connection");
    }
    assert.equal(asked, 1);
  });

  Deno.test(`authorize "temporary" over ${over}: closed without a word, and a libzmq client asks until it is let in`, async () => {
    let asked = 0;
    await using server = await openServer({
      ...(curve && { curve }),
      authorize: () => ++asked < 4 ? "temporary" : true,
    });
    using push = new LibzmqPush({ ...(curve && libzmqKeys()), reconnectInterval: 1 });
    push.connect(server.receiveAddress);
    await send(push, '{"type":"in at last"}');
    await until(() => server.stats().received === 1, "the message");
    assert.deepEqual(server.stats().senders!.faults, { "temporarily-denied": 3 });
  });

  Deno.test(`authorize that throws or rejects over ${over}: closed without a word, asked again, nothing escapes`, async () => {
    let asked = 0;
    await using server = await openServer({
      ...(curve && { curve }),
      authorize: () => {
        if (++asked === 1) throw new Error("no database");
        if (asked === 2) return Promise.reject(new Error("no database"));
        return asked === 3 ? undefined as never : asked > 4 || "yes" as never;
      },
    });
    using push = new LibzmqPush({ ...(curve && libzmqKeys()), reconnectInterval: 1 });
    push.connect(server.receiveAddress);
    await send(push, '{"type":"in at last"}');
    await until(() => server.stats().received === 1, "the message");
    assert.deepEqual(server.stats().senders!.faults, { "authorize-failed": 4 });
  });

  Deno.test(`authorize that never decides over ${over}: closed at the deadline of the handshake without a word`, async () => {
    let asked = 0;
    await using server = await openServer({
      ...(curve && { curve }),
      handshakeTimeoutMs: 300,
      authorize: () => ++asked === 1 ? new Promise<never>(() => {}) : true,
    });
    const peer = curve
      ? (await undecidedCurvePeer(server.receiveAddress)).peer
      : await knock(server.receiveAddress, "PUSH");
    assert.equal(await peer.readFrame(), undefined);
    peer.close();
    assert.deepEqual(server.stats().senders!.faults, { "handshake-timeout": 1 });
    using push = new LibzmqPush(curve && libzmqKeys());
    push.connect(server.receiveAddress);
    await send(push, '{"type":"healthy"}');
    await until(() => server.stats().received === 1, "the message");
  });
}

/** A PUSH under CURVE that has said INITIATE. */
async function undecidedCurvePeer(address: string): Promise<RawCurveClient> {
  const client = await RawCurveClient.connect(address, SERVER_KEY);
  await client.greet();
  await client.peer.write(client.initiate());
  return client;
}

Deno.test("authorize false says ERROR 400 byte by byte as libzmq does", async () => {
  await using server = await openServer({ curve: KEYS, authorize: () => false });
  await using client = await undecidedCurvePeer(server.receiveAddress);
  const frame = await client.peer.readFrame();
  assert.deepEqual([frame!.flags, decoder.decode(frame!.body)], [4, "\x05ERROR\x03400"]);
  assert.equal(await client.peer.readFrame(), undefined);
});

Deno.test("authorize is not asked about a peer that has not proven its key", async () => {
  let asked = 0;
  await using server = await openServer({ curve: KEYS, authorize: () => ++asked > 0 });
  await using client = await RawCurveClient.connect(server.receiveAddress, SERVER_KEY);
  await client.greet();
  await client.peer.write(client.initiate({ publicKey: decodeZ85(SERVER_KEY)! }));
  assert.equal(await client.peer.readFrame(), undefined);
  assert.equal(asked, 0);
});

// Undecided

Deno.test("A subscriber gets nothing while it is undecided, and all from then on", async () => {
  const decisions = new Decisions();
  await using server = await openServer({ authorize: decisions.authorize });
  await using peer = await knock(server.broadcastAddress, "SUB", encodeFrame(Uint8Array.of(1), 0));
  await decisions.asked();
  server.sendMessage({ type: "subject", subject: "too early" });
  assert.deepEqual(server.stats().subscribers!.subscribers, []);
  decisions.decide(true);
  await subscribed(server, 1);
  server.sendMessage({ type: "subject", subject: "in time" });
  await peer.readFrame(); // READY
  assert.equal(await peer.readText(), '{"type":"subject","subject":"in time"}');
});

Deno.test("What an undecided sender said early is taken in order when it is let in", async () => {
  const decisions = new Decisions();
  await using server = await openServer({ authorize: decisions.authorize });
  const texts: string[] = [];
  server.addEventListener("message", (event) => texts.push(event.text));
  const early = [1, 2].map((i) => encodeFrame(ascii(`{"type":"early","i":${i}}`), 0));
  await using peer = await knock(server.receiveAddress, "PUSH", ...early);
  await decisions.asked();
  assert.equal(server.stats().received, 0);
  decisions.decide(true);
  await peer.readFrame(); // READY
  await peer.send('{"type":"late"}');
  await until(() => texts.length === 3, "three messages");
  assert.deepEqual(texts, ['{"type":"early","i":1}', '{"type":"early","i":2}', '{"type":"late"}']);
});

Deno.test("What an undecided sender said early is dropped when it is denied", async () => {
  const decisions = new Decisions();
  await using server = await openServer({ authorize: decisions.authorize });
  await using peer = await knock(server.receiveAddress, "PUSH", encodeFrame(ascii('{"type":"early"}'), 0));
  await decisions.asked();
  decisions.decide(false);
  assert.equal(await peer.readText(), "\x05ERROR\x03400");
  assert.equal(server.stats().received, 0);
});

Deno.test("An undecided sender is not read: what it floods stays in its own socket", async () => {
  const decisions = new Decisions();
  await using server = await openServer({ authorize: decisions.authorize, lingerMs: 0 });
  await using peer = await knock(server.receiveAddress, "PUSH");
  await decisions.asked();
  const flood = new Uint8Array(64 * 1024);
  let written = 0;
  let stalled = false;
  const flooding = (async () => {
    while (!stalled) written += await peer.conn.write(flood);
  })().catch(() => {});
  // The kernel's two buffers take some megabytes; then nothing moves any more.
  for (let before = -1; before !== written;) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  stalled = true;
  assert(written > 0);
  assert.equal(server.stats().senders!.connections, 1);
  decisions.decide(false);
  await until(() => server.stats().senders!.faults.denied === 1, "the denial");
  peer.close();
  await flooding;
});

Deno.test("A decision that comes after the peer has gone is nobody's", async () => {
  const decisions = new Decisions();
  await using server = await openServer({ authorize: decisions.authorize });
  const peer = await knock(server.receiveAddress, "PUSH");
  await decisions.asked();
  peer.close();
  decisions.decide(true);
  await until(() => server.stats().senders!.connections === 0, "the end of the connection");
  await using next = await knock(server.receiveAddress, "PUSH");
  await decisions.asked(2);
  decisions.decide(true);
  assert.match((await next.readText())!, /READY/);
});

Deno.test("MessageServer.close() does not wait for a decision", async () => {
  const decisions = new Decisions();
  const server = await openServer({ authorize: decisions.authorize });
  await using peer = await knock(server.receiveAddress, "PUSH");
  await decisions.asked();
  const closing = server.close();
  await peer.ended();
  peer.close();
  await soon(closing);
});

// Limits

Deno.test("Handshakes under way are limited for each address: more are closed and counted, and there is room again", async () => {
  const decisions = new Decisions();
  await using server = await openServer({
    authorize: decisions.authorize,
    maxPendingHandshakesPerAddress: 3,
  });
  const peers: RawPeer[] = [];
  for (let i = 0; i < 3; i++) peers.push(await knock(server.receiveAddress, "PUSH"));
  await decisions.asked(3);
  await using excess = await RawPeer.connect(server.receiveAddress);
  await excess.ended();
  const { pendingHandshakes, refusedHandshakes, refusedConnections } = server.stats().senders!;
  assert.deepEqual({ pendingHandshakes, refusedHandshakes, refusedConnections }, {
    pendingHandshakes: 3,
    refusedHandshakes: 1,
    refusedConnections: 0,
  });
  decisions.decide(true);
  await until(() => server.stats().senders!.pendingHandshakes === 2, "room");
  await using next = await knock(server.receiveAddress, "PUSH");
  await decisions.asked(4);
  for (let i = 0; i < 3; i++) decisions.decide(true);
  assert.match((await next.readText())!, /READY/);
  assert.equal(server.stats().senders!.pendingHandshakes, 0);
  for (const peer of peers) peer.close();
});

Deno.test("Handshakes under way are limited in all, silent ones too, and those who are in go on", async () => {
  await using server = await openServer({ maxPendingHandshakes: 2, handshakeTimeoutMs: 300 });
  await using sender = await RawPeer.join(server.receiveAddress, "PUSH");
  const silent = [await RawPeer.connect(server.receiveAddress), await RawPeer.connect(server.receiveAddress)];
  await until(() => server.stats().senders!.pendingHandshakes === 2, "two handshakes");
  await using excess = await RawPeer.connect(server.receiveAddress);
  await excess.ended();
  await sender.send('{"type":"healthy"}');
  await until(() => server.stats().received === 1, "the message");
  await until(() => server.stats().senders!.pendingHandshakes === 0, "the deadline");
  using push = new LibzmqPush();
  push.connect(server.receiveAddress);
  await send(push, '{"type":"healthy"}');
  await until(() => server.stats().received === 2, "the message");
  for (const peer of silent) peer.close();
});

// Beyond this machine

Deno.test("MessageServer with localOnly: false takes curve in place of allowAnonymous, and says so without either", async () => {
  assert.throws(() => new MessageServer({ localOnly: false }), (error) => {
    assert(error instanceof OptionError);
    assert.equal(error.code, "anonymous-not-allowed");
    assert.match(error.message, /curve/);
    assert.match(error.message, /allowAnonymous: true/);
    return true;
  });
  await using server = await openServer({ localOnly: false, curve: KEYS });
  assert.match(server.broadcastAddress, /^tcp:\/\/0\.0\.0\.0:/);
});

Deno.test("MessageServer throws bad-option for keys that are none, and shows none", () => {
  const secretKey = KEYS.secretKey.slice(1);
  assert.throws(() => new MessageServer({ curve: { secretKey } }), (error) => {
    assert(error instanceof OptionError);
    assert(!error.message.includes(secretKey));
    return true;
  });
  assert.throws(
    () => new MessageServer({ curve: { ...KEYS, publicKey: encodeZ85(new Uint8Array(32)) } }),
    OptionError,
  );
});

Deno.test("MessageServer evicts nobody whom a slow authorize has not decided about: newcomers wait", async () => {
  const decided = Promise.withResolvers<void>();
  let asked = 0;
  await using server = new MessageServer({
    maxPendingHandshakes: 4,
    authorize: async () => {
      asked++;
      await decided.promise;
      return true;
    },
  });
  const joining = Array.from({ length: 8 }, () => RawPeer.join(server.receiveAddress, "PUSH"));
  await until(() => asked === 4, "four undecided ones");
  // It is five seconds later: longer than anyone may take who has not done its part. Newcomers are looked at every 10 ms.
  using clock = new DisposableStack();
  const { now } = performance;
  clock.defer(() => performance.now = now);
  performance.now = () => now.call(performance) + 5000;
  await pause(100);

  decided.resolve();

  for (const peer of await Promise.all(joining)) peer.close();
  assert.equal(server.stats().senders!.refusedHandshakes, 0);
  assert.equal(server.stats().senders!.accepted, 8);
});
