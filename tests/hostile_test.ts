/**
 * Hostile peers: each test sends bytes that no honest peer sends, says what becomes of their sender and where it is counted,
 * and then a healthy libzmq pair, which was there all the time, passes a message.
 *
 * The broker's options are small where waiting for the real limit would only cost time.
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { MessageServer, type MessageServerOptions } from "../broker.ts";
import {
  encodeCommand,
  encodeError,
  encodePing,
  encodeReady,
  encodeSubscription,
  type Metadata,
  socketTypeMetadata,
} from "../zmtp/command.ts";
import { encodeFrame } from "../zmtp/frame.ts";
import { encodeGreeting } from "../zmtp/greeting.ts";
import {
  MAX_COMMAND_BYTES,
  MAX_NOISE_PER_SECOND,
  MAX_PARTS,
  MAX_TOPIC_BYTES,
  MAX_TOPICS,
} from "../zmtp/wire.ts";
import { soon, until } from "./support/deadline.ts";
import { HealthyPair } from "./support/healthy_pair.ts";
import { concat, hex, RawPeer } from "./support/raw_peer.ts";

/** The two addresses, by what honest peers do there. */
type Side = "senders" | "subscribers";

const BOTH: readonly Side[] = ["senders", "subscribers"];
/** Who is right at each address. */
const HONEST = { senders: "PUSH", subscribers: "SUB" } as const;
const MIB = 1024 * 1024;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const everything = encodeSubscription({ subscribe: true, topic: new Uint8Array(0) });
const ping = encodePing(0);
const GREETING = encodeGreeting("NULL");

function ready(side: Side): Uint8Array {
  return encodeReady(socketTypeMetadata(HONEST[side]));
}

/** What a test has at hand. */
interface Stage {
  readonly server: MessageServer;
  readonly side: Side;
  /** The address of that side. */
  readonly address: string;
  /** Connections of that side that ended for a fault since the attack began, by its code. */
  faults(): Readonly<Record<string, number>>;
}

/** A test at one address: a broker, a healthy pair, the attack, and the pair again. */
function hostile(
  side: Side,
  name: string,
  attack: (stage: Stage) => Promise<void>,
  options: MessageServerOptions = {},
): Deno.TestDefinition {
  return {
    name: `MessageServer.${side}: ${name}; a healthy libzmq pair goes on`,
    fn: async () => {
      await using server = new MessageServer({ lingerMs: 0, ...options });
      using pair = await HealthyPair.join(server);
      const address = side === "senders" ? server.receiveAddress : server.broadcastAddress;
      // On a busy machine an honest handshake may have come too late, and again.
      const before = { ...server.stats()[side]!.faults };
      const faults = () => {
        const counts = Object.entries(server.stats()[side]!.faults)
          .map(([code, count]) => [code, count - (before[code] ?? 0)] as const);
        return Object.fromEntries(counts.filter(([, count]) => count > 0));
      };
      await attack({ server, side, address, faults });
      await pair.pass();
    },
  };
}

/** The same for what one peer writes before its handshake is over: it is closed, and the fault is counted. */
function closedBefore(
  side: Side,
  what: string,
  bytes: Uint8Array,
  code: string,
  says?: string,
): Deno.TestDefinition {
  return hostile(side, `${what} is closed as ${code}`, async ({ address, faults }) => {
    await using peer = await RawPeer.connect(address);
    await peer.write(bytes);
    // Our whole greeting comes in any case, so that an honest peer can see what does not fit.
    assert.deepEqual(await peer.readBytes(64), GREETING);
    if (says !== undefined) {
      assert.deepEqual((await peer.readFrame())!.body, encodeError(says).subarray(2));
    }
    assert.equal(await peer.readFrame(), undefined);
    assert.deepEqual(faults(), { [code]: 1 });
  });
}

/** The same for what a peer writes after its handshake. */
function closedAfter(side: Side, what: string, bytes: Uint8Array, code: string): Deno.TestDefinition {
  return hostile(side, `${what} is closed as ${code}`, async ({ address, faults }) => {
    await using peer = await RawPeer.join(address, HONEST[side]);
    await writeUntilClosed(peer, bytes);
    await peer.ended();
    assert.deepEqual(faults(), { [code]: 1 });
  });
}

/** The same for what is read and has no effect but to be counted: a PING behind it is answered. */
function ignored(side: Side, what: string, bytes: Uint8Array, counted = 1): Deno.TestDefinition {
  return hostile(side, `${what} is ignored`, async ({ server, address, faults }) => {
    await using peer = await RawPeer.join(address, HONEST[side]);
    const before = server.stats();
    await peer.write(concat(bytes, ping));
    await pong(peer);
    assert.deepEqual(faults(), {});
    const expected = { ...before, [side]: { ...before[side], meaninglessFrames: counted } };
    assert.deepEqual(server.stats(), expected, "nothing else has changed");
  });
}

/** Writes for as long as the other side takes it. Returns how many bytes it took. */
async function writeUntilClosed(peer: RawPeer, bytes: Uint8Array): Promise<number> {
  let at = 0;
  try {
    while (at < bytes.length) at += await soon(peer.conn.write(bytes.subarray(at)), "the peer to read");
  } catch (error) {
    const isClosed = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset;
    if (!isClosed) throw error;
  }
  return at;
}

/** Writes what the operating system takes at once: the other end may never read it. */
async function writeWhatFits(conn: Deno.TcpConn, bytes: Uint8Array, ms: number): Promise<void> {
  const writing = (async () => {
    for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
  })();
  const done = new AbortController();
  const enough = pause(ms, undefined, { signal: done.signal }).catch(() => {});
  await Promise.race([writing.catch(() => {}), enough]);
  done.abort();
  await enough;
}

/** The next frame is a PONG with that context. */
async function pong(peer: RawPeer, context = ""): Promise<void> {
  assert.equal(await peer.readText(), `\x04PONG${context}`);
}

function repeat(bytes: Uint8Array, times: number): Uint8Array {
  const whole = new Uint8Array(bytes.length * times);
  for (let i = 0; i < times; i++) whole.set(bytes, i * bytes.length);
  return whole;
}

/**
 * How many bytes of memory more are held at most while something runs. Counted is what this thread of the process holds, garbage
 * included: other tests run beside it.
 */
async function growth(action: () => Promise<void>): Promise<number> {
  const held = () => {
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  const before = held();
  let most = before;
  const timer = setInterval(() => most = Math.max(most, held()), 5);
  try {
    await action();
  } finally {
    clearInterval(timer);
  }
  return Math.max(most, held()) - before;
}

// ---- Before the greeting is over: browsers, scanners, old versions.

for (const side of BOTH) {
  Deno.test(
    closedBefore(side, "an HTTP GET", bytes("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), "bad-greeting"),
  );
  Deno.test(
    closedBefore(
      side,
      "an HTTP POST with a message in it",
      bytes('POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n{"type":"a"}'),
      "bad-greeting",
    ),
  );
  Deno.test(
    closedBefore(side, "a TLS ClientHello", hex("1603010200010001fc0303" + "5a".repeat(100)), "bad-greeting"),
  );
  Deno.test(closedBefore(side, "SSH", bytes("SSH-2.0-OpenSSH_9.2\r\n"), "bad-greeting"));
  Deno.test(closedBefore(side, "one byte 00", hex("00"), "bad-greeting"));
  Deno.test(closedBefore(side, "bytes without sense", hex("7fe19c0044d2a1b35e6f70"), "bad-greeting"));
  Deno.test(closedBefore(side, "ZMTP 1.0 without identity", hex("0100"), "bad-greeting"));
  Deno.test(closedBefore(side, "ZMTP 1.0 with a long identity", hex("ff00000000000000ff00"), "bad-greeting"));
  Deno.test(closedBefore(side, "ZMTP revision 0", hex("ff00000000000000017f00"), "bad-greeting"));
  Deno.test(closedBefore(side, "ZMTP 2.0 (libzmq 3.x)", hex("ff00000000000000017f0102"), "bad-greeting"));
  Deno.test(closedBefore(side, "ZMTP revision 2", hex("ff00000000000000017f0202"), "bad-greeting"));
}
for (const mechanism of ["PLAIN", "CURVE", "null", "NULL\0X", ""]) {
  for (const side of BOTH) {
    Deno.test(
      closedBefore(
        side,
        `mechanism ${JSON.stringify(mechanism)}`,
        encodeGreeting(mechanism),
        "mechanism-mismatch",
      ),
    );
  }
}

Deno.test(
  hostile(
    "subscribers",
    "a peer without version, which libzmq would give everything unasked, gets nothing",
    async ({ server, address }) => {
      await using peer = await RawPeer.connect(address);
      await peer.write(hex("0100"));
      server.sendMessage({ type: "secret" });
      assert.deepEqual(await peer.readBytes(65), GREETING);
    },
  ),
);

for (const side of BOTH) {
  Deno.test(
    hostile(side, "a peer that says nothing is closed at the deadline", async ({ address, faults }) => {
      await using peer = await RawPeer.connect(address);
      await peer.ended();
      assert.deepEqual(faults(), { "handshake-timeout": 1 });
    }, { handshakeTimeoutMs: 100 }),
  );
}

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a peer that stops in the middle of a message is closed, one that is silent between two is not",
      async ({ side, address, faults }) => {
        await using silent = await RawPeer.join(address, HONEST[side]);
        await using peer = await RawPeer.join(address, HONEST[side]);
        await peer.write(hex("00057b"));
        await peer.ended();
        assert.deepEqual(faults(), { "message-timeout": 1 });
        await silent.write(ping);
        await pong(silent);
      },
      { messageTimeoutMs: 100 },
    ),
  );
}

for (const [what, start] of [["greeting", 0], ["READY", 64]] as const) {
  for (const side of BOTH) {
    Deno.test(
      hostile(
        side,
        `a ${what} that comes byte by byte is closed at the deadline, which no byte puts off`,
        async ({ side, address, faults }) => {
          const words = concat(GREETING, ready(side));
          await using peer = await RawPeer.connect(address);
          await peer.write(words.subarray(0, start));
          let hasEnded = false;
          const ended = peer.ended().then(() => hasEnded = true);
          ended.catch(() => {}); // It is waited for below, unless the test fails before.
          // 25 bytes need a second, more than the handshake may take.
          for (let at = start; at < start + 25 && !hasEnded; at++) {
            await writeUntilClosed(peer, words.subarray(at, at + 1));
            await pause(40);
          }
          assert.ok(hasEnded, "the end comes while it still talks");
          await ended;
          assert.deepEqual(faults(), { "handshake-timeout": 1 });
        },
        { handshakeTimeoutMs: 200 },
      ),
    );
  }
}

for (const side of BOTH) {
  Deno.test(hostile(side, "1,500 silent connections keep nobody out", async ({ server, side, address }) => {
    const { hostname, port } = new URL(address.replace("tcp:", "http:"));
    using silent = new DisposableStack();
    await Promise.all(Array.from({ length: 1500 }, async () => {
      silent.use(await Deno.connect({ hostname, port: Number(port) }));
    }));
    using newcomers = await HealthyPair.join(server);
    await newcomers.pass();
    assert.ok(server.stats()[side]!.pendingHandshakes <= 1024);
  }));
}

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a client that connects and leaves 1,000 times costs nobody anything",
      async ({ server, side, address }) => {
        const { hostname, port } = new URL(address.replace("tcp:", "http:"));
        for (let i = 0; i < 1000; i += 20) {
          await Promise.all(Array.from({ length: 20 }, async () => {
            (await Deno.connect({ hostname, port: Number(port) })).close();
          }));
        }
        await until(() => server.stats()[side]!.connections === 1, "the end of all but the healthy one");
      },
    ),
  );
}

// ---- Between greeting and READY.

const MESSAGE = encodeFrame(bytes('{"type":"early"}'), 0);
const UNEXPECTED: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ["a message", MESSAGE],
  ["PING", ping],
  ["SUBSCRIBE", everything],
  ["an unknown command", encodeCommand("FOO")],
  ["READY as a message", encodeFrame(ready("senders").subarray(2), 0)],
  ["HELLO of CURVE", encodeCommand("HELLO", new Uint8Array(194))],
];
for (const [what, bytes] of UNEXPECTED) {
  for (const side of BOTH) {
    Deno.test(closedBefore(side, `${what} before READY`, concat(GREETING, bytes), "unexpected-before-ready"));
  }
}
for (const side of BOTH) {
  Deno.test(
    closedBefore(side, "ERROR instead of READY", concat(GREETING, encodeError("400")), "refused-by-peer"),
  );
  Deno.test(
    closedBefore(
      side,
      "READY with MORE",
      concat(GREETING, encodeFrame(ready(side).subarray(2), 0x05)),
      "bad-frame",
    ),
  );
  Deno.test(
    closedBefore(
      side,
      "a READY of 1 MB",
      concat(GREETING, encodeReady([...socketTypeMetadata(HONEST[side]), ["X-A", new Uint8Array(MIB)]]))
        .subarray(0, 64 + 9),
      "frame-too-large",
    ),
  );
  Deno.test(hostile(side, "a READY of 60 kB is taken", async ({ side, address }) => {
    const metadata: Metadata = [...socketTypeMetadata(HONEST[side]), ["X-A", new Uint8Array(60_000)]];
    await using peer = await RawPeer.connect(address);
    await peer.write(concat(GREETING, encodeReady(metadata)));
    await peer.readBytes(64);
    assert.match((await peer.readText())!, /READY/);
  }));
}

for (
  const socketType of ["PULL", "PUB", "REQ", "PAIR", "push", "PUSH\0", "sub", "SUB ", "", "x".repeat(5000)]
) {
  for (const side of BOTH) {
    Deno.test(
      closedBefore(
        side,
        `a peer of the type ${JSON.stringify(socketType).slice(0, 20)}`,
        concat(GREETING, encodeReady(socketTypeMetadata(socketType))),
        "socket-type-mismatch",
        "Invalid socket type",
      ),
    );
  }
}
Deno.test(
  closedBefore(
    "senders",
    "a SUB at the receive address",
    concat(GREETING, ready("subscribers")),
    "socket-type-mismatch",
    "Invalid socket type",
  ),
);
Deno.test(
  closedBefore(
    "subscribers",
    "a PUSH at the broadcast address",
    concat(GREETING, ready("senders")),
    "socket-type-mismatch",
    "Invalid socket type",
  ),
);

const METADATA: readonly (readonly [what: string, metadata: (right: Uint8Array) => Uint8Array])[] = [
  ["no Socket-Type", () => new Uint8Array(0)],
  ["Socket-Type twice", (right) => concat(right, right)],
  ["a byte behind its properties", (right) => concat(right, hex("00"))],
  ["half a property", (right) => right.subarray(0, right.length - 2)],
  ["a property without name", (right) => concat(right, hex("00 00000001 61"))],
  ["a property of 2^32-1 bytes", (right) => concat(right, hex("0158 ffffffff"))],
];
for (const [what, metadata] of METADATA) {
  for (const side of BOTH) {
    Deno.test(
      closedBefore(
        side,
        `READY with ${what}`,
        concat(GREETING, encodeCommand("READY", metadata(ready(side).subarray(2 + 6)))),
        "bad-metadata",
        "Invalid metadata",
      ),
    );
  }
}

Deno.test(
  hostile(
    "senders",
    "a message pipelined behind READY is taken, which libzmq refuses",
    async ({ server, address }) => {
      await using peer = await RawPeer.connect(address);
      const before = server.stats().received;
      await peer.write(concat(GREETING, ready("senders"), MESSAGE));
      await until(() => server.stats().received === before + 1, "the message");
    },
  ),
);

// ---- Frames that nobody may send.

// More bytes have to follow: libzmq 4.3.4's broken SUBSCRIBE begins like this.
for (const side of BOTH) {
  Deno.test(closedAfter(side, "an empty command", concat(hex("0400"), ping), "bad-frame"));
  Deno.test(closedAfter(side, "a command whose name is longer than it", hex("0404 09464f4f"), "bad-command"));
  Deno.test(closedAfter(side, "a command with a name of no bytes", hex("0402 0050"), "bad-command"));
  Deno.test(closedAfter(side, "a command with MORE", hex("0504 03464f4f"), "bad-frame"));
}
for (const flags of ["08", "10", "20", "40", "80", "f8"]) {
  for (const side of BOTH) {
    Deno.test(
      closedAfter(side, `a frame with the reserved flags ${flags}`, hex(`${flags}027b7d`), "bad-frame"),
    );
  }
}
for (
  const [what, size] of [
    ["2^30 + 1", "0000000040000001"],
    ["2^33", "0000000200000000"],
    ["2^40", "0000010000000000"],
    ["2^63", "8000000000000000"],
    ["2^64 - 1", "ffffffffffffffff"],
  ] as const
) {
  for (const side of BOTH) {
    Deno.test(closedAfter(side, `a message of ${what} bytes`, hex(`02${size}`), "frame-too-large"));
    Deno.test(closedAfter(side, `a command of ${what} bytes`, hex(`06${size}`), "frame-too-large"));
  }
}
for (const side of BOTH) {
  Deno.test(
    closedAfter(
      side,
      "a command of 64 kB",
      encodeCommand("FOO", new Uint8Array(MAX_COMMAND_BYTES)),
      "frame-too-large",
    ),
  );
  Deno.test(closedAfter(side, "PING without ttl", encodeCommand("PING"), "bad-command"));
}

// ---- Noise: what has no meaning here is ignored, but not for ever.

for (const side of BOTH) {
  Deno.test(ignored(side, "READY after the handshake", ready("senders")));
  Deno.test(ignored(side, "ERROR after the handshake", encodeError("400")));
  Deno.test(ignored(side, "an unknown command", encodeCommand("FOO", bytes("bar"))));
  Deno.test(ignored(side, "JOIN", encodeCommand("JOIN", bytes("group"))));
  Deno.test(ignored(side, "a command in lower case", encodeCommand("subscribe")));
  Deno.test(ignored(side, "a PONG that nobody asked for", encodeCommand("PONG", bytes("x".repeat(1000))), 0));
}
Deno.test(ignored("senders", "SUBSCRIBE", everything));
Deno.test(ignored("senders", "CANCEL", encodeSubscription({ subscribe: false, topic: bytes("a") })));
Deno.test(
  ignored(
    "subscribers",
    "CANCEL of an unknown topic",
    encodeSubscription({ subscribe: false, topic: bytes("a") }),
    0,
  ),
);
Deno.test(ignored("subscribers", "a message", encodeFrame(bytes('{"type":"a"}'), 0)));
Deno.test(ignored("subscribers", "an empty message", hex("0000")));
Deno.test(ignored("subscribers", "a message of several frames", hex("0101 61 0001 62")));

const NOISE: readonly (readonly [what: string, frame: Uint8Array, sides: readonly Side[]])[] = [
  ["unknown commands", encodeCommand("FOO"), BOTH],
  ["READY", ready("senders"), BOTH],
  ["ERROR", encodeError("500"), BOTH],
  ["SUBSCRIBE", everything, ["senders"]],
  ["messages", encodeFrame(bytes('{"type":"a"}'), 0), ["subscribers"]],
];
for (const [what, frame, sides] of NOISE) {
  for (const side of sides) {
    Deno.test(
      closedAfter(side, `a flood of ${what}`, repeat(frame, 10 * MAX_NOISE_PER_SECOND), "too-much-noise"),
    );
  }
}

for (const side of BOTH) {
  Deno.test(hostile(side, "PONGs without end are ignored", async ({ side, address, faults }) => {
    await using peer = await RawPeer.join(address, HONEST[side]);
    await peer.write(concat(repeat(encodeCommand("PONG"), 100_000), ping));
    await pong(peer);
    assert.deepEqual(faults(), {});
  }));
}

// ---- Messages that are none.

Deno.test(
  hostile(
    "senders",
    "refused messages without end cost their sender nothing but the count",
    async ({ server, address }) => {
      await using peer = await RawPeer.join(address, "PUSH");
      await peer.write(concat(repeat(encodeFrame(hex("ff00"), 0), 100_000), ping));
      await pong(peer);
      assert.deepEqual(server.stats().refused, { "not-utf8": 100_000 });
    },
  ),
);

Deno.test(
  hostile(
    "senders",
    "a message above maxMessageBytes is skipped and counted",
    async ({ server, address, faults }) => {
      await using peer = await RawPeer.join(address, "PUSH");
      await peer.write(concat(encodeFrame(new Uint8Array(100 * 1024), 0), ping));
      await pong(peer);
      assert.deepEqual(server.stats().refused, { "too-large": 1 });
      assert.deepEqual(faults(), {});
    },
    { maxMessageBytes: 64 * 1024 },
  ),
);

for (const side of BOTH) {
  Deno.test(
    closedAfter(
      side,
      "a message of empty frames without end",
      repeat(hex("0100"), 100_000),
      "frame-too-large",
    ),
  );
}

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a message of 256 kB frames without end is closed, and nothing of it is kept",
      async ({ side, address, faults }) => {
        const frame = encodeFrame(new Uint8Array(256 * 1024), 0x01);
        const grown = await growth(async () => {
          await using peer = await RawPeer.join(address, HONEST[side]);
          for (let i = 0; i < 2 * MAX_PARTS; i++) {
            if (await writeUntilClosed(peer, frame) < frame.length) break;
          }
          await peer.ended();
        });
        assert.deepEqual(faults(), { "frame-too-large": 1 });
        assert.ok(grown < 96 * MIB, `256 MiB came, memory grew by ${grown / MIB} MiB`);
      },
    ),
  );
}

Deno.test(
  hostile(
    "senders",
    "a message whose last frame never comes is dropped with its connection",
    async ({ server, address }) => {
      const before = server.stats();
      {
        await using peer = await RawPeer.join(address, "PUSH");
        await peer.write(concat(hex("0102 7b7d 0102 7b7d"), ping));
        await pong(peer);
      }
      await until(() => server.stats().senders!.connections === 1, "the end of the connection");
      assert.equal(server.stats().received, before.received);
      assert.equal(server.stats().broadcast, before.broadcast);
    },
  ),
);

for (const side of BOTH) {
  Deno.test(
    hostile(side, "half a frame is dropped with its connection", async ({ server, side, address }) => {
      const before = server.stats().received;
      {
        await using peer = await RawPeer.join(address, HONEST[side]);
        await peer.write(concat(ping, hex("00 ff 7b 22")));
        await pong(peer);
      }
      await until(() => server.stats()[side]!.connections === 1, "the end of the connection");
      assert.equal(server.stats().received, before);
    }),
  );
}

for (const side of BOTH) {
  Deno.test(
    hostile(side, "an announced size costs no memory until its bytes come", async ({ side, address }) => {
      const grown = await growth(async () => {
        await using stack = new AsyncDisposableStack();
        for (let i = 0; i < 50; i++) {
          const peer = stack.use(await RawPeer.join(address, HONEST[side]));
          await peer.write(concat(ping, hex("02 0000000001000000"), new Uint8Array(1000)));
          await pong(peer);
        }
      });
      assert.ok(grown < 48 * MIB, `50 times 16 MiB were announced, memory grew by ${grown / MIB} MiB`);
    }),
  );
}

Deno.test(
  hostile(
    "subscribers",
    "a subscriber's messages of 15 MB cost no memory: they mean nothing here",
    async ({ server, address, faults }) => {
      const large = concat(encodeFrame(new Uint8Array(15 * MIB), 0), ping);
      const before = server.stats();
      const grown = await growth(async () => {
        await using stack = new AsyncDisposableStack();
        for (let i = 0; i < 10; i++) {
          const peer = stack.use(await RawPeer.join(address, "SUB"));
          await peer.write(large);
          await pong(peer);
          await peer.write(large.subarray(0, 14 * MIB));
        }
      });
      assert.ok(grown < 96 * MIB, `300 MiB came, memory grew by ${grown / MIB} MiB`);
      assert.deepEqual(faults(), {});
      assert.equal(server.stats().received, before.received);
    },
  ),
);

// ---- Ends.

Deno.test(
  hostile(
    "senders",
    "data with an end of stream behind it is delivered, then the connection ends",
    async ({ server, address }) => {
      const before = server.stats().broadcast;
      await using peer = await RawPeer.join(address, "PUSH");
      await peer.write(repeat(MESSAGE, 1000));
      await peer.conn.closeWrite();
      await peer.ended();
      assert.equal(server.stats().broadcast, before + 1000);
    },
  ),
);

Deno.test(
  hostile(
    "subscribers",
    "an end of stream behind SUBSCRIBE ends the connection",
    async ({ server, address }) => {
      await using peer = await RawPeer.join(address, "SUB");
      await peer.write(everything);
      await peer.conn.closeWrite();
      await peer.ended();
      await until(() => server.stats().subscribers!.connections === 1, "the end of the connection");
    },
  ),
);

/** What the peer has said when it resets the connection. It never reads, so that its end is a reset, not an end of stream. */
const RESETS: readonly (readonly [state: string, words: (side: Side) => Uint8Array, fault?: string])[] = [
  ["before its greeting", () => new Uint8Array(0)],
  // So do programs of ZMTP 2, and somebody should see it.
  ["in its greeting", () => GREETING.subarray(0, 30), "hung-up"],
  ["before READY", () => GREETING],
  ["in READY", (side) => concat(GREETING, ready(side).subarray(0, 10))],
  ["after READY", (side) => concat(GREETING, ready(side))],
  ["in a frame's header", (side) => concat(GREETING, ready(side), hex("02 0000"))],
  ["in a frame", (side) => concat(GREETING, ready(side), hex("00 ff 7b"))],
  ["in a message of several frames", (side) => concat(GREETING, ready(side), hex("01 01 61"))],
  ["in a PING", (side) => concat(GREETING, ready(side), ping.subarray(0, 5))],
  ["behind a PING", (side) => concat(GREETING, ready(side), ping)],
];
for (const [state, words, fault] of RESETS) {
  for (const side of BOTH) {
    Deno.test(
      hostile(
        side,
        `a reset ${state} ${
          fault === undefined ? "is no fault" : `is counted as ${fault}`
        } and leaves nothing behind`,
        async ({ server, side, address, faults }) => {
          for (let i = 0; i < 20; i++) {
            const peer = await RawPeer.connect(address);
            await peer.write(words(side));
            // The rest of the greeting that comes stays unread, which turns the close into a reset.
            await peer.conn.read(new Uint8Array(1));
            peer.close();
          }
          await until(() => server.stats()[side]!.connections === 1, "the end of all connections");
          assert.deepEqual(faults(), fault === undefined ? {} : { [fault]: 20 });
        },
      ),
    );
  }
}

// ---- Heartbeats.

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a flood of PINGs is answered in few PONGs, the last one included",
      async ({ side, address }) => {
        await using peer = await RawPeer.join(address, HONEST[side]);
        const flood = repeat(encodePing(0, bytes("old")), 50_000);
        const writing = peer.write(concat(flood, encodePing(0, bytes("last"))));
        let count = 1;
        while (await peer.readText() !== "\x04PONGlast") count++;
        await writing;
        assert.ok(count < 10_000, `${count} PONGs`);
      },
    ),
  );
}

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a flood of PINGs of a peer that never reads costs no memory",
      async ({ server, side, address }) => {
        const flood = repeat(encodePing(0, bytes("0123456789abcdef")), 100_000);
        await using peer = await RawPeer.join(address, HONEST[side]);
        const grown = await growth(async () => {
          // 2.5 MB each. Our PONGs fill what the operating system holds for the peer; then they have nowhere to go.
          for (let i = 0; i < 20; i++) await writeWhatFits(peer.conn, flood, 500);
        });
        assert.ok(grown < 48 * MIB, `memory grew by ${grown / MIB} MiB`);
        assert.equal(server.stats()[side]!.connections, 2, "it is still there");
      },
    ),
  );
}

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a PING that asks for 100 ms and then silence is closed as heartbeat-timeout",
      async ({ side, address, faults }) => {
        await using peer = await RawPeer.join(address, HONEST[side]);
        await peer.write(encodePing(100));
        await peer.ended();
        assert.deepEqual(faults(), { "heartbeat-timeout": 1 });
      },
    ),
  );
}

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a PING with the largest ttl does not overflow into a short one",
      async ({ side, address, faults }) => {
        await using peer = await RawPeer.join(address, HONEST[side]);
        await peer.write(encodeCommand("PING", hex("ffff")));
        await pong(peer);
        await peer.write(encodeCommand("PING", hex("0290")));
        await pong(peer);
        await pause(200); // 656 tenths of a second are 64 ms to libzmq.
        await peer.write(ping);
        await pong(peer);
        assert.deepEqual(faults(), {});
      },
    ),
  );
}

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "a peer that never answers our PING is closed as heartbeat-timeout",
      async ({ side, address, faults }) => {
        await using peer = await RawPeer.join(address, HONEST[side]);
        await soon(peer.ended(), "the end");
        assert.deepEqual(faults(), { "heartbeat-timeout": 1 });
      },
      { heartbeatMs: 1000 },
    ),
  );
}

// ---- Subscribers that cost too much.

for (const form of ["command", "message"] as const) {
  const subscribe = (topic: Uint8Array) =>
    form === "command"
      ? encodeSubscription({ subscribe: true, topic })
      : encodeFrame(concat(hex("01"), topic), 0);
  Deno.test(
    closedAfter(
      "subscribers",
      `SUBSCRIBE, as a ${form}, to a topic of 5 kB`,
      subscribe(new Uint8Array(5000)),
      "too-many-topics",
    ),
  );
  Deno.test(
    closedAfter(
      "subscribers",
      `SUBSCRIBE, as a ${form}, to ${MAX_TOPICS + 1} topics`,
      concat(...Array.from({ length: MAX_TOPICS + 1 }, (_, i) => subscribe(bytes(`topic ${i}`)))),
      "too-many-topics",
    ),
  );
  Deno.test(
    closedAfter(
      "subscribers",
      `SUBSCRIBE, as a ${form}, to topics of 5 MB together`,
      concat(...Array.from({ length: 1280 }, (_, i) => {
        const topic = new Uint8Array(MAX_TOPIC_BYTES);
        topic.set(bytes(`topic ${i}`));
        return subscribe(topic);
      })),
      "too-many-topics",
    ),
  );
}

Deno.test(
  hostile(
    "subscribers",
    `SUBSCRIBE to ${MAX_TOPICS} topics is taken, and nobody else notices`,
    async ({ server, address }) => {
      await using peer = await RawPeer.join(address, "SUB");
      await peer.write(concat(
        ...Array.from(
          { length: MAX_TOPICS },
          (_, i) => encodeSubscription({ subscribe: true, topic: bytes(`{"type":"${i}"`) }),
        ),
        ping,
      ));
      await pong(peer);
      // What each of them costs is counted in subscriptions_test.ts.
      for (let i = 0; i < 10_000; i++) server.sendMessage({ type: `not ${i}` });
      server.sendMessage({ type: "9999" });
      assert.equal(await peer.readText(), '{"type":"9999"}');
    },
  ),
);

Deno.test(
  hostile(
    "subscribers",
    "SUBSCRIBE and CANCEL in turn leave nothing behind",
    async ({ server, address }) => {
      const turn = concat(everything, encodeSubscription({ subscribe: false, topic: new Uint8Array(0) }));
      await using peer = await RawPeer.join(address, "SUB");
      const grown = await growth(async () => {
        await peer.write(concat(repeat(turn, 10_000), ping));
        await pong(peer);
      });
      const { subscribers } = server.stats().subscribers!;
      assert.deepEqual(subscribers.map(({ topics }) => topics).sort(), [0, 1]);
      assert.ok(grown < 64 * MIB, `memory grew by ${grown / MIB} MiB`);
    },
  ),
);

Deno.test(
  hostile(
    "subscribers",
    "SUBSCRIBE and CANCEL in turn without end are read slowly, and messages pass meanwhile",
    async ({ server, address }) => {
      const turn = concat(everything, encodeSubscription({ subscribe: false, topic: new Uint8Array(0) }));
      await using peer = await RawPeer.join(address, "SUB");
      let isWritten = false;
      const writing = peer.write(repeat(turn, 1_000_000)).then(() => isWritten = true, () => {});
      await until(() => server.stats().subscribers!.connections === 2, "the peer");
      using pair = await HealthyPair.join(server);
      for (let i = 0; i < 1000; i++) await pair.pass();
      assert.equal(isWritten, false);
      peer.close();
      await writing;
    },
  ),
);

Deno.test(
  hostile(
    "subscribers",
    "a subscriber that never reads but sends heartbeats loses what its queue cannot hold",
    async ({ server, address, faults }) => {
      const state = () => server.stats().subscribers!.subscribers;
      const healthy = () => state().find((subscriber) => subscriber.address === known)!;
      const known = state()[0]!.address;
      await using peer = await RawPeer.join(address, "SUB");
      await peer.write(concat(everything, ping));
      await pong(peer);
      const pad = "x".repeat(100_000);
      const grown = await growth(async () => {
        for (let i = 0; i < 500; i++) {
          server.sendMessage({ type: "n", pad });
          if (i % 10 !== 0) continue;
          await peer.write(ping);
          await until(() => healthy().queuedMessages === 0, "the healthy one");
        }
      });
      const stuck = state().find((subscriber) => subscriber.address !== known)!;
      assert.ok(stuck.dropped > 0, "it lost messages");
      assert.equal(healthy().dropped, 0, "and nobody else did");
      assert.ok(stuck.queuedBytes <= 4 * MIB);
      assert.ok(grown < 128 * MIB, `memory grew by ${grown / MIB} MiB`);
      assert.deepEqual(faults(), {});
    },
    { maxMessageBytes: MIB, subscriberQueue: { bytes: 4 * MIB } },
  ),
);

Deno.test(
  hostile(
    "subscribers",
    "subscribers above maxConnections are closed and counted",
    async ({ server, side, address }) => {
      await using stack = new AsyncDisposableStack();
      for (let i = 0; i < 9; i++) {
        const peer = stack.use(await RawPeer.join(address, HONEST[side]));
        await peer.write(concat(everything, ping));
        await pong(peer);
      }
      for (let i = 0; i < 5; i++) {
        const peer = stack.use(await RawPeer.connect(address));
        await peer.ended();
      }
      assert.equal(server.stats()[side]!.refusedConnections, 5);
    },
    { maxConnections: 10 },
  ),
);

for (const side of BOTH) {
  Deno.test(
    hostile(
      side,
      "of maxConnections one that has never said anything gives way to a newcomer, and is counted",
      async ({ server, address, faults }) => {
        await using stack = new AsyncDisposableStack();
        for (let i = 0; i < 9; i++) stack.use(await RawPeer.join(address, HONEST[side]));
        using newcomers = await HealthyPair.join(server);
        await newcomers.pass();
        assert.deepEqual(faults(), { "no-room": 1 });
      },
      { maxConnections: 10 },
    ),
  );
}

Deno.test(
  hostile(
    "senders",
    "of maxConnections the one that has been silent longest gives way to a newcomer",
    async ({ server, address, faults }) => {
      await using stack = new AsyncDisposableStack();
      const peers: RawPeer[] = [];
      for (let i = 0; i < 9; i++) {
        const peer = stack.use(await RawPeer.join(address, "PUSH"));
        await peer.send('{"type":"hello"}');
        peers.push(peer);
      }
      await until(() => server.stats().received >= 9, "all messages");
      const silent = peers[4]!;
      let isSilentGone = false;
      const ended = silent.ended().then(() => isSilentGone = true);
      ended.catch(() => {}); // It is waited for below, unless the test fails before.
      const others = peers.filter((peer) => peer !== silent);
      const talk = setInterval(() => {
        for (const peer of others) peer.send('{"type":"hello"}').catch(() => {});
      }, 100);
      try {
        using pair = await HealthyPair.join(server);
        await pair.pass();
        // The pair that was there all the time was silent, too.
        await until(() => isSilentGone || (faults()["no-room"] ?? 0) > 1, "the end of the silent one");
        await ended;
      } finally {
        clearInterval(talk);
      }
    },
    { maxConnections: 10 },
  ),
);
