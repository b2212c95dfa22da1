/** CURVE with libzmq 4.3.5 at the other end in all four directions, and with peers that break each rule of it. */
import assert from "node:assert/strict";
import { MessageServer, type MessageServerOptions } from "../../broker.ts";
import { MessageClient, PassiveMessageClient } from "../../client.ts";
import { type ConnectionError, HandshakeError, type ProtocolError } from "../../base/errors.ts";
import { curveKeyPair } from "../../zmtp/mod.ts";
import {
  encodeCommand,
  encodeError,
  encodePing,
  encodeReady,
  socketTypeMetadata,
} from "../../zmtp/command.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { decodeZ85, encodeZ85 } from "../../zmtp/curve/z85.ts";
import {
  ascii,
  counter,
  library,
  LOW_ORDER_KEYS,
  message,
  RawCurveClient,
  RawCurveServer,
} from "../support/curve_peer.ts";
import { nextEvent, soon, until } from "../support/deadline.ts";
import {
  LibzmqPub,
  LibzmqPull,
  LibzmqPush,
  LibzmqSub,
  receive,
  receiveTexts,
  send,
  subscribed,
  zeromq,
} from "../support/libzmq.ts";
import { concat, RawPeer } from "../support/raw_peer.ts";
import { RawServer } from "../support/raw_server.ts";

const FAST = { reconnect: { minMs: 1, maxMs: 20 } } as const;
const KEYS = await curveKeyPair();
const SERVER_KEY = KEYS.publicKey;
const RAW_KEYS = { publicKey: decodeZ85(KEYS.publicKey)!, secretKey: decodeZ85(KEYS.secretKey)! };
const decoder = new TextDecoder();

async function curveServer(options: MessageServerOptions = {}): Promise<MessageServer> {
  const server = new MessageServer({ curve: KEYS, ...options });
  await server.ready;
  return server;
}

/** Options of a libzmq client of the server. */
function libzmqKeys(
  serverKey = SERVER_KEY,
): Record<"curveServerKey" | "curvePublicKey" | "curveSecretKey", string> {
  const { publicKey, secretKey } = zeromq.curveKeyPair();
  return { curveServerKey: serverKey, curvePublicKey: publicKey, curveSecretKey: secretKey };
}

/** A libzmq PUSH and a libzmq SUB of the server, and what shows that it is well. */
class HealthyPair implements Disposable {
  readonly push: LibzmqPush = new LibzmqPush(libzmqKeys());
  readonly sub: LibzmqSub = new LibzmqSub(libzmqKeys());
  #count = 0;

  static async join(server: MessageServer): Promise<HealthyPair> {
    const pair = new HealthyPair();
    pair.push.connect(server.receiveAddress);
    pair.sub.connect(server.broadcastAddress);
    pair.sub.subscribe("");
    await subscribed(server, 1);
    return pair;
  }

  async passesAMessage(): Promise<void> {
    const text = `{"type":"healthy","count":${++this.#count}}`;
    await send(this.push, text);
    assert.deepEqual(await receiveTexts(this.sub, 1), [text]);
  }

  [Symbol.dispose](): void {
    this.push.close();
    this.sub.close();
  }
}

// With libzmq, our side listening

Deno.test(`MessageServer under CURVE passes 5,000 messages of a libzmq PUSH on to a libzmq SUB in order`, async () => {
  await using server = await curveServer();
  using pair = await HealthyPair.join(server);
  const sending = (async () => {
    for (let i = 0; i < 5000; i++) await send(pair.push, `{"type":"n","i":${i}}`);
  })();
  const texts = await receiveTexts(pair.sub, 5000);
  await sending;
  assert.deepEqual(texts.map((text) => JSON.parse(text).i), Array.from({ length: 5000 }, (_, i) => i));
});

Deno.test(`MessageServer under CURVE passes 3,000,000 characters between libzmq peers untouched`, async () => {
  await using server = await curveServer();
  using pair = await HealthyPair.join(server);
  const text = `{"type":"x","x":"${"é".repeat(3_000_000)}"}`;
  await send(pair.push, text);
  assert.deepEqual(await receiveTexts(pair.sub, 1), [text]);
  await pair.passesAMessage();
});

for (const size of [1, 200, 222, 223, 255, 256, 65_536]) {
  Deno.test(`MessageServer under CURVE passes ${size} characters between libzmq peers untouched`, async () => {
    await using server = await curveServer();
    using pair = await HealthyPair.join(server);
    const text = `{"type":"x","x":"${"é".repeat(size)}"}`;
    await send(pair.push, text);
    assert.deepEqual(await receiveTexts(pair.sub, 1), [text]);
  });
}

Deno.test("MessageServer under CURVE refuses a multipart message of libzmq and passes on what follows", async () => {
  await using server = await curveServer();
  using pair = await HealthyPair.join(server);
  await send(pair.push, ['{"type":"a"}', '{"type":"b"}']);
  await pair.passesAMessage();
  assert.deepEqual(server.stats().refused, { multipart: 1 });
});

Deno.test("MessageServer under CURVE gives a libzmq SUB with narrow topics only what matches", async () => {
  await using server = await curveServer();
  using sub = new LibzmqSub(libzmqKeys());
  sub.connect(server.broadcastAddress);
  sub.subscribe('{"type":"subject"', '{"type":"sample"');
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 2, "two topics");
  for (const type of ["subject", "log", "sample"]) {
    server.sendMessage({ type, subject: 1, sample: [] } as never);
  }
  const types = (await receiveTexts(sub, 2)).map((text) => JSON.parse(text).type);
  assert.deepEqual(types, ["subject", "sample"]);
  sub.unsubscribe('{"type":"subject"');
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "one topic");
});

Deno.test("MessageServer under CURVE answers libzmq's heartbeats, and libzmq stays connected", async () => {
  await using server = await curveServer();
  using sub = new LibzmqSub({ ...libzmqKeys(), heartbeatInterval: 20, heartbeatTimeout: 200 });
  sub.connect(server.broadcastAddress);
  sub.subscribe("");
  await subscribed(server, 1);
  // libzmq closes when nothing answers within 200 ms, and says PING each 20 ms.
  await assert.rejects(receive(sub, 500), /received nothing/);
  assert.equal(server.stats().subscribers!.accepted, 1);
  server.sendMessage({ type: "subject", subject: 1 });
  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"subject","subject":1}']);
});

Deno.test("MessageServer under CURVE is found again by libzmq and by our clients when it comes back", async () => {
  const first = await curveServer();
  const [broadcastPort, receivePort] = [first.broadcastAddress, first.receiveAddress].map((address) =>
    Number(address.split(":")[2])
  ) as [number, number];
  using pair = await HealthyPair.join(first);
  await using client = new PassiveMessageClient({
    serverBroadcast: first.broadcastAddress,
    curve: { serverKey: SERVER_KEY },
    ...FAST,
  });
  await soon(client.ready);
  const gone = nextEvent(client, "disconnect");
  await first.close();
  await gone;
  const back = nextEvent(client, "connect");
  await using second = await curveServer({ broadcastPort, receivePort });
  await back;
  // A libzmq SUB says its topics again only when its application asks for something.
  const heard = receiveTexts(pair.sub, 1);
  await subscribed(second, 2);
  await send(pair.push, '{"type":"again"}');
  assert.deepEqual(await heard, ['{"type":"again"}']);
});

// With libzmq, our side dialling

Deno.test(`PassiveMessageClient under CURVE hears a libzmq PUB that is a CURVE server`, async () => {
  using pub = new LibzmqPub({ curveServer: true, curveSecretKey: KEYS.secretKey });
  await pub.bind("tcp://127.0.0.1:*");
  await using client = new PassiveMessageClient({
    serverBroadcast: pub.lastEndpoint!,
    curve: { serverKey: SERVER_KEY },
    ...FAST,
  });
  await soon(client.ready);
  // A libzmq PUB answers PING before its application's thread has the topic: the first messages may still go to nobody.
  let sent = 0;
  while (client.getLastMessage()[0] === 0) {
    await send(pub, `{"type":"n","i":${sent++}}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (let i = 0; i < 100; i++) await send(pub, `{"type":"n","i":${sent++}}`);
  await until(() => JSON.parse(client.getLastMessage()[1]).i === sent - 1, "the last message");
  const numbers = client.messagesAfter(0).entries.map(({ text }) => JSON.parse(text).i);
  assert.deepEqual(numbers, Array.from(numbers, (_, i) => numbers[0] + i));
  assert(numbers.length > 100);
});

Deno.test(`MessageClient under CURVE sends to a libzmq PULL that is a CURVE server, short and long`, async () => {
  using pull = new LibzmqPull({ curveServer: true, curveSecretKey: KEYS.secretKey });
  await pull.bind("tcp://127.0.0.1:*");
  await using client = new MessageClient({
    serverReceive: pull.lastEndpoint!,
    curve: { serverKey: SERVER_KEY },
    ...FAST,
  });
  await soon(client.ready);
  const texts = [0, 100, 230, 300, 70_000, 2_000_000].map((size) => `{"type":"x","x":"${"y".repeat(size)}"}`);
  for (const text of texts) client.sendJsonMessage(text);
  assert.deepEqual(await receiveTexts(pull, texts.length), texts);
});

Deno.test("Our clients talk to our broker under CURVE, with keys of their own and with fresh ones", async () => {
  await using server = await curveServer();
  const addresses = { serverBroadcast: server.broadcastAddress, serverReceive: server.receiveAddress };
  assert.equal(server.publicKey, SERVER_KEY);
  await using a = new MessageClient({
    ...addresses,
    curve: { serverKey: SERVER_KEY, ...await curveKeyPair() },
  });
  await using b = new MessageClient({ ...addresses, curve: { serverKey: RAW_KEYS.publicKey } });
  await soon(Promise.all([a.ready, b.ready]));
  const heard = nextEvent(b, "message");
  a.sendMessage({ type: "subject", subject: 119 });
  assert.equal((await heard).text, '{"type":"subject","subject":119}');
});

// ZMTP 3.0

Deno.test("MessageServer under CURVE passes messages between peers that announce ZMTP 3.0", async () => {
  await using server = await curveServer();
  await using sub = await RawCurveClient.join(server.broadcastAddress, SERVER_KEY, "SUB", 0);
  await using push = await RawCurveClient.join(server.receiveAddress, SERVER_KEY, "PUSH", 0);
  await sub.peer.write(sub.message(3n, Uint8Array.of(1)));
  await subscribed(server, 1);
  await push.peer.write(push.message(3n, ascii('{"type":"old"}')));
  const frame = await sub.peer.readFrame();
  assert.equal(decoder.decode(sub.open(frame!.body)), '\x00{"type":"old"}');
  await sub.peer.write(sub.message(4n, Uint8Array.of(0)));
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 0, "no topic");
});

Deno.test("PassiveMessageClient under CURVE subscribes by a message at a PUB of ZMTP 3.0", async () => {
  using listener = new RawServer();
  await using client = new PassiveMessageClient({
    serverBroadcast: listener.address,
    curve: { serverKey: SERVER_KEY },
    ...FAST,
  });
  await using pub = await RawCurveServer.welcomeAs(listener, RAW_KEYS, "PUB", 0);
  const frame = await pub.peer.readFrame();
  assert.deepEqual([...pub.open(frame!.body)!], [0, 1]);
  await pub.peer.write(pub.message(2n, ascii('{"type":"old"}')));
  await until(() => client.getLastMessage()[0] === 1, "a message");
  assert.equal(client.getLastMessage()[1], '{"type":"old"}');
});

// Peers of our server that break a rule

interface Breach {
  readonly what: string;
  /** What `stats()` counts it as. */
  readonly code: ProtocolError["code"] | HandshakeError["code"];
  /** What the server says before it closes; only to those who have proven who they are. */
  readonly lastWords?: string;
  commit(client: RawCurveClient, server: MessageServer): Promise<void> | void;
}

/** A breach in one frame, said after the greetings. */
function opening(what: string, code: Breach["code"], frame: (client: RawCurveClient) => Uint8Array): Breach {
  return { what, code, commit: (client) => client.peer.write(frame(client)) };
}

/** A breach in one frame, said after WELCOME. */
function initiating(
  what: string,
  code: Breach["code"],
  frame: (client: RawCurveClient) => Uint8Array | Promise<Uint8Array>,
  lastWords?: string,
): Breach {
  return {
    what,
    code,
    ...(lastWords !== undefined && { lastWords }),
    commit: async (client) => {
      await client.greet();
      await client.peer.write(await frame(client));
    },
  };
}

/** A breach after READY. */
function talking(what: string, code: Breach["code"], frames: (client: RawCurveClient) => Uint8Array): Breach {
  return {
    what,
    code,
    commit: async (client) => {
      await client.greet();
      await client.peer.write(client.initiate());
      await client.peer.readFrame(); // READY
      await client.peer.write(frames(client));
    },
  };
}

const hello = ascii("hello");
const stranger = library.keyPair();

/** The body of a frame in another frame. */
function reframed(frame: Uint8Array, flags: number): Uint8Array {
  return encodeFrame(frame.subarray((frame[0]! & 2) === 0 ? 2 : 9), flags);
}

/** A frame with the long form of its size. */
function lengthened(frame: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(frame[0]! | 2, 0, 0, 0, 0, 0, 0, 0), frame.subarray(1));
}

const BREACHES: readonly Breach[] = [
  opening(
    "a READY of the NULL mechanism",
    "unexpected-before-ready",
    () => encodeReady(socketTypeMetadata("PUSH")),
  ),
  opening("a PING before HELLO", "unexpected-before-ready", () => encodePing(1000)),
  opening("a message before HELLO", "unexpected-before-ready", () => encodeFrame(hello, 0)),
  opening("an INITIATE before HELLO", "unexpected-before-ready", (client) => {
    client.serverTransientKey = stranger.publicKey;
    return client.initiate();
  }),
  opening("an ERROR", "refused-by-peer", () => encodeError("400")),
  opening("a HELLO without its last byte", "bad-command", (client) => {
    return encodeFrame(client.hello().subarray(2, -1), 4);
  }),
  opening(
    "a HELLO with one more byte",
    "bad-command",
    (client) => client.hello({ extra: Uint8Array.of(0) }),
  ),
  opening("a HELLO in a long frame", "bad-command", (client) => lengthened(client.hello())),
  opening("a HELLO in a message's frame", "unexpected-before-ready", (client) => reframed(client.hello(), 0)),
  opening(
    "a HELLO of version 2.0",
    "bad-command",
    (client) => client.hello({ version: Uint8Array.of(2, 0) }),
  ),
  opening(
    "a HELLO of version 1.1",
    "bad-command",
    (client) => client.hello({ version: Uint8Array.of(1, 1) }),
  ),
  opening("a HELLO whose padding is not zero", "bad-command", (client) => {
    return client.hello({ padding: new Uint8Array(72).fill(1) });
  }),
  opening("a HELLO whose box does not hold zeros", "bad-command", (client) => {
    return client.hello({ content: new Uint8Array(64).fill(1) });
  }),
  opening(
    "a HELLO for another server's key",
    "bad-crypto",
    (client) => client.hello({ serverKey: stranger.publicKey }),
  ),
  opening("a HELLO with another C' than the one of its box", "bad-crypto", (client) => {
    return client.hello({ publicKey: stranger.publicKey });
  }),
  ...LOW_ORDER_KEYS.map((publicKey) =>
    opening(`a HELLO with a C' of low order, ${publicKey.toHex().slice(0, 8)}`, "bad-crypto", (client) => {
      return client.hello({ publicKey });
    })
  ),
  initiating("HELLO twice", "unexpected-before-ready", (client) => client.hello()),
  initiating(
    "an INITIATE of 256 bytes",
    "bad-command",
    (client) => encodeFrame(client.initiate().subarray(9, 9 + 256), 4),
  ),
  initiating(
    "an INITIATE above 16 KiB",
    "bad-command",
    (client) => client.initiate({ extra: new Uint8Array(16 * 1024) }),
  ),
  initiating(
    "an INITIATE above 64 KiB",
    "frame-too-large",
    (client) => client.initiate({ extra: new Uint8Array(64 * 1024) }),
  ),
  initiating("an INITIATE with a changed cookie", "bad-crypto", (client) => {
    const cookie = client.cookie.slice();
    cookie[95]! ^= 1;
    return client.initiate({ cookie });
  }),
  initiating("an INITIATE with the nonce of HELLO", "bad-crypto", (client) => client.initiate({ nonce: 1n })),
  initiating("an INITIATE whose box is for another S'", "bad-crypto", (client) => {
    client.serverTransientKey = stranger.publicKey;
    return client.initiate();
  }),
  initiating("an INITIATE with one byte changed", "bad-crypto", (client) => {
    const frame = client.initiate();
    frame[frame.length - 1]! ^= 1;
    return frame;
  }),
  initiating("a vouch to S, as the RFC's text has it", "bad-crypto", (client) => {
    return client.initiate({ vouchTo: client.serverKey });
  }),
  initiating("a vouch for another C'", "bad-crypto", (client) => {
    return client.initiate({ vouchContent: concat(stranger.publicKey, client.serverKey) });
  }),
  initiating("a vouch for another server", "bad-crypto", (client) => {
    return client.initiate({ vouchContent: concat(client.transient.publicKey, stranger.publicKey) });
  }),
  initiating(
    "a C that is somebody else's",
    "bad-crypto",
    (client) => client.initiate({ publicKey: stranger.publicKey }),
  ),
  ...LOW_ORDER_KEYS.slice(0, 2).map((publicKey) =>
    initiating(`a C of low order, ${publicKey.toHex().slice(0, 8)}`, "bad-crypto", (client) => {
      return client.initiate({ publicKey });
    })
  ),
  initiating("metadata that end in the middle", "bad-metadata", (client) => {
    return client.initiate({ metadata: ascii("\x0bSocket-Type\0\0\0\x05PUSH") });
  }, "\x05ERROR\x10Invalid metadata"),
  initiating("no Socket-Type", "bad-metadata", (client) => {
    return client.initiate({ metadata: new Uint8Array(0) });
  }, "\x05ERROR\x10Invalid metadata"),
  initiating("the wrong socket type", "socket-type-mismatch", (client) => {
    return client.initiate({ socketType: "SUB" });
  }, "\x05ERROR\x13Invalid socket type"),
  {
    what: "HELLO and INITIATE of another connection, replayed",
    code: "bad-crypto",
    commit: async (client, server) => {
      await using other = await RawCurveClient.connect(server.receiveAddress, SERVER_KEY);
      await other.greet();
      const initiate = other.initiate();
      await other.peer.write(initiate);
      await other.peer.readFrame(); // READY
      await client.peer.write(other.hello());
      await client.peer.readFrame(); // WELCOME
      await client.peer.write(initiate);
    },
  },
  {
    what: "the cookie of another connection",
    code: "bad-crypto",
    commit: async (client, server) => {
      await using other = await RawCurveClient.connect(server.receiveAddress, SERVER_KEY);
      await other.greet();
      await client.greet();
      await client.peer.write(client.initiate({ cookie: other.cookie }));
    },
  },
  talking("a message in the clear", "bad-frame", () => encodeFrame(ascii('{"type":"clear"}'), 0)),
  talking("a PING in the clear", "bad-frame", () => encodePing(1000)),
  talking("a second READY in the clear", "bad-frame", () => encodeReady(socketTypeMetadata("PUSH"))),
  talking("a MESSAGE in a command's frame", "bad-frame", (client) => reframed(client.message(3n, hello), 4)),
  talking("a MESSAGE with MORE outside", "bad-frame", (client) => client.message(3n, hello, { outer: 1 })),
  talking(
    "a MESSAGE without a whole box",
    "bad-frame",
    () => encodeFrame(concat(ascii("\x07MESSAGE"), counter(3n)), 0),
  ),
  talking("inner flags 04", "bad-frame", (client) => client.message(3n, hello, { inner: 4 })),
  talking("a MESSAGE said twice", "bad-crypto", (client) => {
    const frame = client.message(3n, hello);
    return concat(frame, frame);
  }),
  talking("a nonce that falls", "bad-crypto", (client) => {
    return concat(client.message(5n, hello), client.message(4n, hello));
  }),
  talking("the nonce of INITIATE", "bad-crypto", (client) => client.message(2n, hello)),
  talking("anything behind the last nonce of all", "bad-crypto", (client) => {
    return concat(client.message(2n ** 64n - 1n, hello), client.message(0n, hello));
  }),
  talking("a MESSAGE of another key", "bad-crypto", () => {
    return message(library.random(32), "CurveZMQMESSAGEC", 3n, hello);
  }),
  talking("a MESSAGE as if it came from the server", "bad-crypto", (client) => {
    return message(client.key, "CurveZMQMESSAGES", 3n, hello);
  }),
];

for (const { what, code, lastWords, commit } of BREACHES) {
  Deno.test(`MessageServer under CURVE closes on ${what}, says ${lastWords ? "why" : "nothing"}, serves others`, async () => {
    await using server = await curveServer();
    using pair = await HealthyPair.join(server);
    await using client = await RawCurveClient.connect(server.receiveAddress, SERVER_KEY);

    await commit(client, server);

    const frame = await client.peer.readFrame();
    assert.equal(frame && decoder.decode(frame.body), lastWords);
    assert.equal(await client.peer.readFrame(), undefined);
    assert.deepEqual(server.stats().senders!.faults, { [code]: 1 });
    await pair.passesAMessage();
  });
}

Deno.test("MessageServer under CURVE refuses a peer of the NULL mechanism, which sees why", async () => {
  await using server = await curveServer();
  using pair = await HealthyPair.join(server);
  await using peer = await RawPeer.connect(server.receiveAddress);
  await peer.write(encodeGreeting("NULL"));
  const greeting = await peer.readBytes(64);
  assert.equal(decoder.decode(greeting.subarray(12, 17)), "CURVE");
  assert.equal(greeting[32], 1);
  assert.equal(await peer.readFrame(), undefined);
  assert.deepEqual(server.stats().senders!.faults, { "mechanism-mismatch": 1 });
  await pair.passesAMessage();
});

Deno.test("MessageServer under CURVE lets those in who have its key, while strangers flood the handshake", async () => {
  await using server = await curveServer();
  const stop = new AbortController();
  const wrong = encodeZ85(stranger.publicKey);
  const flood = Array.from({ length: 50 }, async () => {
    while (!stop.signal.aborted) {
      await using client = await RawCurveClient.connect(server.receiveAddress, wrong);
      await client.peer.write(client.hello()).catch(() => {});
      await client.peer.ended();
    }
  });
  try {
    await until(() => (server.stats().senders!.faults["bad-crypto"] ?? 0) > 500, "the flood", 30_000);
    for (let i = 0; i < 3; i++) {
      await using client = new MessageClient({
        serverReceive: server.receiveAddress,
        curve: { serverKey: SERVER_KEY },
      });
      const failures: unknown[] = [];
      client.addEventListener("error", ({ error }) => failures.push(error));
      await soon(client.ready, "its turn");
      assert.deepEqual(failures, [], "it comes in at its first attempt");
    }
  } finally {
    stop.abort();
    await Promise.all(flood);
  }
});

Deno.test("MessageServer under CURVE turns a libzmq client with the wrong server key away, again and again", async () => {
  await using server = await curveServer();
  using push = new LibzmqPush({ ...libzmqKeys(encodeZ85(stranger.publicKey)), reconnectInterval: 1 });
  push.connect(server.receiveAddress);
  await until(() => (server.stats().senders!.faults["bad-crypto"] ?? 0) >= 3, "three attempts");
  assert.equal(server.stats().senders!.accepted, 0);
});

// Servers of our clients that break a rule

interface Betrayal {
  readonly what: string;
  readonly code: ProtocolError["code"] | HandshakeError["code"];
  commit(server: RawCurveServer): Promise<void>;
}

/** Instead of WELCOME. */
function welcoming(
  what: string,
  code: Betrayal["code"],
  frame: (server: RawCurveServer) => Uint8Array,
): Betrayal {
  return { what, code, commit: (server) => server.peer.write(frame(server)) };
}

/** Instead of READY. */
function readying(
  what: string,
  code: Betrayal["code"],
  frame: (server: RawCurveServer) => Uint8Array,
): Betrayal {
  return {
    what,
    code,
    commit: async (server) => {
      await server.peer.write(server.welcome());
      await server.takeInitiate();
      await server.peer.write(frame(server));
    },
  };
}

const BETRAYALS: readonly Betrayal[] = [
  welcoming(
    "a READY in place of WELCOME",
    "unexpected-before-ready",
    () => encodeReady(socketTypeMetadata("PUB")),
  ),
  welcoming("a message in place of WELCOME", "unexpected-before-ready", () => encodeFrame(hello, 0)),
  welcoming(
    "a WELCOME with one more byte",
    "bad-command",
    (server) => server.welcome({ extra: Uint8Array.of(0) }),
  ),
  welcoming("a WELCOME without its last byte", "bad-command", (server) => {
    return encodeFrame(server.welcome().subarray(2, -1), 4);
  }),
  welcoming("a WELCOME by another server", "wrong-server-key", (server) => {
    return server.welcome({ secretKey: stranger.secretKey });
  }),
  welcoming(
    "an S' of low order",
    "bad-crypto",
    (server) => server.welcome({ publicKey: LOW_ORDER_KEYS[1]! }),
  ),
  welcoming("an ERROR in the clear in place of WELCOME", "refused-by-peer", () => encodeError("400")),
  readying("an ERROR in the clear in place of READY", "refused-by-peer", () => encodeError("400")),
  readying("a READY in the clear", "bad-command", () => encodeCommand("READY", new Uint8Array(23))),
  readying(
    "a READY of another key",
    "wrong-server-key",
    (server) => server.ready({ key: library.random(32) }),
  ),
  readying(
    "a READY with broken metadata",
    "bad-metadata",
    (server) => server.ready({ metadata: ascii("\x0bSocket") }),
  ),
  readying(
    "a READY of the wrong socket type",
    "socket-type-mismatch",
    (server) => server.ready({ socketType: "PULL" }),
  ),
  readying("WELCOME twice", "unexpected-before-ready", (server) => server.welcome()),
];

for (const { what, code, commit } of BETRAYALS) {
  Deno.test(`PassiveMessageClient under CURVE closes on ${what} and reports ${code}`, async () => {
    using listener = new RawServer();
    await using client = new PassiveMessageClient({
      serverBroadcast: listener.address,
      curve: { serverKey: SERVER_KEY },
    });
    await using server = await RawCurveServer.accept(listener, RAW_KEYS);
    const failure = nextEvent(client, "error");

    await commit(server);

    const { error } = await failure;
    assert.equal(error.code, code);
    await server.peer.ended();
    assert.equal(client.isReceiving, false);
    // Trying again is of no use where both sides are right; ready says so at once.
    if (error instanceof HandshakeError) await assert.rejects(soon(client.ready), { code });
  });
}

const LIES: readonly (readonly [what: string, frame: (server: RawCurveServer) => Uint8Array])[] = [
  ["a message in the clear", () => encodeFrame(ascii('{"type":"lie"}'), 0)],
  [
    "a message of another key",
    () => message(library.random(32), "CurveZMQMESSAGES", 3n, ascii('{"type":"lie"}')),
  ],
  [
    "a message of the client's own",
    (server) => message(server.key, "CurveZMQMESSAGEC", 9n, ascii('{"type":"lie"}')),
  ],
  ["a message with the nonce of READY", (server) => server.message(1n, ascii('{"type":"lie"}'))],
  ["a message said twice", (server) => server.message(2n, ascii('{"type":"truth"}'))],
];

for (const [what, frame] of LIES) {
  Deno.test(`PassiveMessageClient under CURVE closes on ${what} and does not deliver it`, async () => {
    using listener = new RawServer();
    await using client = new PassiveMessageClient({
      serverBroadcast: listener.address,
      curve: { serverKey: SERVER_KEY },
      ...FAST,
    });
    await using server = await RawCurveServer.welcomeAs(listener, RAW_KEYS, "PUB");
    await server.peer.write(server.message(2n, ascii('{"type":"truth"}')));
    await server.peer.write(frame(server));
    await server.peer.ended();
    assert.deepEqual(client.getLastMessage(), [1, '{"type":"truth"}']);
  });
}

Deno.test("MessageClient with the wrong server key hears what may be wrong, and does not give up", async () => {
  await using server = await curveServer();
  await using client = new MessageClient({
    serverReceive: server.receiveAddress,
    curve: { serverKey: stranger.publicKey },
    ...FAST,
  });
  const { error } = await nextEvent(client, "error");
  assert.equal((error as ConnectionError).code, "hung-up");
  assert.match(error.message, /in the middle of the handshake; is serverKey really its key/);
  await until(() => (server.stats().senders!.faults["bad-crypto"] ?? 0) >= 2, "another attempt");
});

Deno.test("MessageClient rejects ready for a server key of low order", async () => {
  using listener = new RawServer();
  await using client = new MessageClient({
    serverReceive: listener.address,
    curve: { serverKey: LOW_ORDER_KEYS[0]! },
  });
  await assert.rejects(soon(client.ready), { name: "OptionError", code: "bad-option" });
});

Deno.test("MessageClient without curve at a broker with it rejects ready with mechanism-mismatch", async () => {
  await using server = await curveServer();
  await using client = new MessageClient({ serverReceive: server.receiveAddress });
  await assert.rejects(soon(client.ready), { name: "HandshakeError", code: "mechanism-mismatch" });
});

// Without cryptography

const BOTH = `
  import { curveKeyPair, MessageClient, MessageServer } from ${
  JSON.stringify(import.meta.resolve("../../mod.ts"))
};
  const keys = await curveKeyPair();
  const server = new MessageServer({ curve: keys });
  const address = { serverReceive: server.receiveAddress };
  const client = new MessageClient({ ...address, curve: { serverKey: keys.publicKey } });
  const outcome = (ready) => ready.then(() => "ready", ({ name, code, message }) => name + " " + code + " " + message);
  console.log(await outcome(server.ready));
  console.log(await outcome(client.ready));
`;

const AND_DIAL = `
  const plain = new MessageClient({ ...address, reconnect: { minMs: 1 } });
  plain.addEventListener("error", async ({ error }) => {
    console.log(error.code);
    await Promise.all([plain, client, server].map((each) => each.close()));
  }, { once: true });
`;

/** Runs a program under the permission that the README names. */
async function run(source: string, ...flags: string[]): Promise<{ stdout: string; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--allow-net=127.0.0.1", ...flags, "-"],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(source));
  await input.close();
  const { stdout, stderr } = await soon(child.output(), "the end of the program", 60_000);
  return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test(`MessageServer and MessageClient reject ready with crypto-unavailable where npm is out of reach`, async () => {
  const { stdout, stderr } = await run(BOTH + AND_DIAL, "--no-npm");
  const [served, joined, dialled] = stdout.trim().split("\n");
  for (const outcome of [served!, joined!]) {
    assert(outcome.startsWith("HandshakeError crypto-unavailable "), stderr);
    assert(outcome.includes(`"deno cache npm:libsodium-wrappers@`), outcome);
  }
  // Nobody listens any more, which who dials can see.
  assert.equal(dialled, "connect-failed");
  assert.equal(stderr, "");
});

Deno.test(`CURVE needs no more permission than --allow-net=127.0.0.1`, async () => {
  const { stdout } = await run(`${BOTH} await client.close(); await server.close();`);
  assert.equal(stdout, "ready\nready\n");
});

// Cut connections

Deno.test("MessageClient under CURVE puts back what was not begun when its connection is cut: in order, all but the cut one, none twice", async () => {
  using listener = new RawServer();
  await using client = new MessageClient({
    serverReceive: listener.address,
    curve: { serverKey: SERVER_KEY },
    sendQueue: { messages: 1_000_000 },
    ...FAST,
  });
  const total = 60_000;
  const numberOf = (server: RawCurveServer, body: Uint8Array): number =>
    JSON.parse(decoder.decode(server.open(body)!.subarray(1))).i;
  const first = await RawCurveServer.welcomeAs(listener, RAW_KEYS, "PULL");
  await soon(client.ready);
  const filler = "x".repeat(300);
  for (let i = 0; i < total; i++) client.sendJsonMessage(`{"type":"n","i":${i},"filler":"${filler}"}`);
  // Our side says that it ends, and reads: what the client gets rid of until it knows comes all in, the last message cut.
  const heard: number[] = [];
  await first.peer.conn.closeWrite();
  for (let frame; (frame = await first.peer.readFrame()) !== undefined;) {
    heard.push(numberOf(first, frame.body));
  }
  first.peer.close();

  await using second = await RawCurveServer.welcomeAs(listener, RAW_KEYS, "PULL");
  const start = numberOf(second, (await second.peer.readFrame())!.body);
  for (let next = start + 1; next < total; next++) {
    assert.equal(numberOf(second, (await second.peer.readFrame())!.body), next);
  }
  const flushed = await soon(client.flush().then(() => 0, ({ code }) => code));
  const { sent, written, lost, queued } = client.stats();
  assert.equal(flushed, lost === 0 ? 0 : "messages-lost");
  assert.deepEqual(heard, Array.from({ length: heard.length }, (_, i) => i));
  assert(heard.length < total, "the connection was cut in the middle");
  // Exactly what was cut in the middle is missing, and exactly that is counted.
  assert.deepEqual({ start, sent, written, queued }, {
    start: heard.length + lost,
    sent: total,
    written: total - lost,
    queued: 0,
  });
  assert(lost <= 1);
});
