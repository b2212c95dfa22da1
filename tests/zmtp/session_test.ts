import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionError, HandshakeError, ProtocolError } from "../../base/errors.ts";
import { encodeCommand, encodePing, encodePong, encodeSubscription } from "../../zmtp/command.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import type { Mechanism } from "../../zmtp/mechanism.ts";
import type { SessionFault, SessionOptions } from "../../zmtp/session.ts";
import type { SocketType } from "../../zmtp/socket_type.ts";
import {
  allocatedBy,
  bytes,
  concat,
  cutAt,
  cuts,
  greeting,
  hex,
  latin1,
  openSession,
  PEER,
  PURE,
  ready,
  readySession,
  repeated,
  thrownBy,
  Wire,
} from "./core_test_support.ts";

const ROLES: readonly SocketType[] = ["PULL", "PUB", "PUSH", "SUB"];

/** A message of one frame. */
function message(text: string): Uint8Array {
  return encodeFrame(bytes(`'${text}'`), 0);
}

// The handshake

for (const [dialling, listening] of [["PUSH", "PULL"], ["SUB", "PUB"]] as const) {
  for (
    const [way, cut] of [["whole", undefined], [
      "byte by byte",
      (chunk: Uint8Array) => cutAt(chunk, chunk.keys()),
    ]] as const
  ) {
    Deno.test(`Session of a ${dialling} and Session of a ${listening} shake hands, ${way}`, PURE, () => {
      const [a, b] = [openSession(dialling), openSession(listening)];
      new Wire(a.session, b.session, cut).settle(5);
      assert.deepEqual([a.session.state, b.session.state], ["ready", "ready"]);
      assert.deepEqual([a.heard.take(), b.heard.take()], [[`ready ${listening} 3.1`], [
        `ready ${dialling} 3.1`,
      ]]);
      assert.deepEqual([a.session.deadline, b.session.deadline], [Infinity, Infinity]);
    });
  }
}

for (const our of ROLES) {
  for (const their of ROLES) {
    if (their === PEER[our]) continue;
    Deno.test(`Session of a ${our} refuses a ${their} and says so`, PURE, () => {
      const { session, heard } = openSession(our);
      const fault = session.receive(concat(greeting(), ready(their)), 0);
      assert(fault instanceof HandshakeError);
      assert.equal(fault.code, "socket-type-mismatch");
      assert.match(fault.message, new RegExp(`peer is a "${their}", a ${our} talks to ${PEER[our]}`));
      assert(latin1(session.takeOutput()!).endsWith("\x05ERROR\x13Invalid socket type"));
      assert.deepEqual(heard.lines, []);
      assert.equal(session.peer, undefined);
    });
  }
}

Deno.test("Session knows its peer from READY on, application metadata included", PURE, () => {
  const { session } = openSession("PULL");
  session.receive(concat(greeting(0), ready("PUSH", [["X-Name", bytes("'viewer'")]])), 0);
  assert.equal(session.peer?.socketType, "PUSH");
  assert.equal(session.peer.minor, 0);
  assert.equal(latin1(session.peer.metadata[1]![1]), "viewer");
});

Deno.test("Session refuses another mechanism when it has said its whole greeting", PURE, () => {
  const { session } = openSession("PULL");
  const fault = session.receive(greeting(1, "CURVE"), 0);
  assert(fault instanceof HandshakeError);
  assert.equal(fault.code, "mechanism-mismatch");
  assert.equal(fault.message, 'Cannot shake hands: peer uses mechanism "CURVE", we use NULL');
  assert.equal(session.takeOutput()!.length, 64);
});

Deno.test("Session says what its mechanism says, and the peer's words are the mechanism's", PURE, () => {
  const said: string[] = [];
  const mechanism: Mechanism = {
    name: "TEST",
    asServer: true,
    start: () => bytes("04 06 05 'HELLO'"),
    handleCommand({ name, data }) {
      said.push(`${name} ${latin1(data)}`);
      return name === "WELCOME"
        ? { send: bytes("04 03 02 'OK'") }
        : { metadata: [["Socket-Type", bytes("'PUSH'")]] };
    },
    accept: () => undefined,
  };
  const { session, heard } = openSession("PULL", { mechanism });
  assert.equal(session.takeOutput()![32], 1);
  session.receive(greeting(1, "TEST"), 0);
  assert.equal(hex(session.takeOutput()!), hex(bytes("04 06 05 'HELLO'")));
  session.receive(encodeCommand("WELCOME", bytes("'w'")), 0);
  assert.equal(hex(session.takeOutput()!), hex(bytes("04 03 02 'OK'")));
  session.receive(encodeCommand("READY", bytes("'r'")), 0);
  assert.deepEqual(said, ["WELCOME w", "READY r"]);
  assert.deepEqual(heard.lines, ["ready PUSH 3.1"]);
  assert.equal(session.hasOutput, false);
});

Deno.test("Session dies of the peer's ERROR with the peer's reason, made printable", PURE, () => {
  const { session } = openSession("PUSH");
  session.receive(greeting(), 0);
  const fault = session.receive(bytes("04 0d 05 'ERROR' 06 'no' 0a 1b '!' 07"), 0);
  assert(fault instanceof HandshakeError);
  assert.equal(fault.code, "refused-by-peer");
  assert.equal(fault.message, 'Cannot shake hands: the peer answered ERROR "no\\n\\u001b!\\u0007"');
});

Deno.test("Session ignores and counts ERROR and READY that come after READY", PURE, () => {
  const { session, heard } = readySession("PULL");
  assert.equal(session.receive(concat(bytes("04 0a 05 'ERROR' 03 '400'"), ready("PUSH")), 0), undefined);
  assert.equal(session.state, "ready");
  assert.equal(heard.noise, 2);
});

Deno.test(
  "Session finds a message behind READY in the same chunk, and says its own READY first",
  PURE,
  () => {
    const { session, heard } = openSession("PULL");
    session.receive(concat(greeting(), ready("PUSH"), message("early")), 0);
    assert.deepEqual(heard.lines, ["ready PUSH 3.1", "message early"]);
    assert.equal(hex(session.takeOutput()!.subarray(64)), hex(ready("PULL")));
  },
);

Deno.test("Session with any cut of a conversation hears the same", PURE, () => {
  const stream = concat(
    greeting(),
    ready("PUSH"),
    message("one"),
    bytes("01 01 'a' 04 07 04 'PING' 00 00 00 01 'b'"),
    encodeFrame(repeated(0x78, 300), 0),
    encodeCommand("FOO"),
    encodeFrame(repeated(0x79, 20), 1),
    encodeFrame(bytes("'z'"), 0),
    message("end"),
  );
  const limits = { maxMessageBytes: 10 };
  for (const [cut, chunks] of cuts(stream)) {
    const { session, heard } = openSession("PULL", limits);
    for (const chunk of chunks) session.receive(chunk, 0);
    assert.deepEqual(heard.lines, [
      "ready PUSH 3.1",
      "message one",
      "unfit multipart, 2 bytes, 2 parts",
      "unfit too-large, 300 bytes, 1 parts",
      "unfit too-large, 21 bytes, 2 parts",
      "message end",
    ], cut);
    assert.equal(
      hex(session.takeOutput()!),
      hex(concat(greeting(), ready("PULL"), encodePong(bytes("")))),
      cut,
    );
    assert.equal(heard.noise, 1);
  }
});

// Deadlines of the handshake

Deno.test("Session dies at its handshake's deadline, not before", PURE, () => {
  const { session } = openSession("PULL", { handshakeTimeoutMs: 500 }, 1000);
  assert.equal(session.deadline, 1500);
  assert.equal(session.tick(1499), undefined);
  const fault = session.tick(1500);
  assert(fault instanceof HandshakeError);
  assert.equal(fault.code, "handshake-timeout");
  assert.equal(fault.message, "Cannot finish handshake: state is greeting after 500 ms");
  assert.equal(session.deadline, Infinity);
});

Deno.test("Session gives a handshake ten seconds unless told otherwise", PURE, () => {
  assert.equal(openSession("SUB").session.deadline, 10_000);
});

Deno.test("Session does not let a byte now and then put off the deadline", PURE, () => {
  const { session } = openSession("PULL", { handshakeTimeoutMs: 1000 });
  const stream = concat(greeting(), ready("PUSH"));
  for (const [i, chunk] of cutAt(stream, stream.keys()).slice(0, -1).entries()) {
    session.receive(chunk, i * 10);
    assert.equal(session.deadline, 1000);
  }
  assert.equal(session.tick(999), undefined);
  assert.equal(session.tick(1000)?.code, "handshake-timeout");
});

Deno.test("Session says nothing when the handshake times out: the peer shall come back", PURE, () => {
  const { session } = openSession("PULL", { handshakeTimeoutMs: 1000 });
  session.takeOutput();
  session.receive(greeting(), 0);
  session.tick(1000);
  assert.equal(session.takeOutput(), undefined);
});

Deno.test("Session has no deadline left when the handshake is over", PURE, () => {
  const { session } = readySession("PULL", { handshakeTimeoutMs: 1000 });
  assert.equal(session.deadline, Infinity);
  assert.equal(session.tick(1e9), undefined);
});

// Heartbeats

Deno.test("Session says PING each interval, traffic or not", PURE, () => {
  const { session } = readySession("SUB", { heartbeatMs: 1000 });
  assert.equal(session.deadline, 1000);
  for (let now = 1000; now < 10_000; now += 1000) {
    session.receive(message("traffic"), now - 1);
    assert.equal(session.hasOutput, false);
    assert.equal(session.tick(now), undefined);
    assert.equal(hex(session.takeOutput()!), hex(encodePing(2000)), `at ${now}`);
  }
});

Deno.test("Session says PING with a ttl of two intervals, never above 655", PURE, () => {
  for (
    const [heartbeatMs, ttl] of [[1000, "0014"], [50, "0001"], [32_750, "028f"], [3_600_000, "028f"]] as const
  ) {
    const { session } = readySession("PUSH", { heartbeatMs });
    session.tick(heartbeatMs);
    assert.equal(hex(session.takeOutput()!.subarray(-2)), ttl, `${heartbeatMs} ms`);
  }
});

Deno.test("Session dies when the peer is silent for an interval after a PING", PURE, () => {
  const { session } = readySession("PUSH", { heartbeatMs: 200 });
  session.tick(200);
  assert.equal(session.deadline, 400);
  assert.equal(session.tick(399), undefined);
  const fault = session.tick(400);
  assert(fault instanceof ConnectionError);
  assert.equal(fault.code, "heartbeat-timeout");
});

Deno.test("Session takes any byte for a sign of life, not only whole frames", PURE, () => {
  // libzmq cuts a large frame on a slow line here (#2709).
  const { session, heard } = readySession("PULL", { heartbeatMs: 100 });
  const frame = encodeFrame(repeated(0x61, 400), 0);
  let now = 0;
  for (const chunk of cutAt(frame, frame.keys())) {
    session.tick(now += 50);
    assert.equal(session.receive(chunk, now += 40), undefined);
  }
  assert.equal(heard.lines.length, 1);
});

Deno.test(
  "Session takes bytes that are read in place for a sign of life too, and their message when it is whole",
  PURE,
  () => {
    const { session, heard } = readySession("PULL", { heartbeatMs: 100 });
    const frame = encodeFrame(repeated(0x61, 600_000), 0);
    let [now, at, inPlace] = [0, 0, 0];
    while (at < frame.length) {
      session.tick(now += 50);
      const { room } = session;
      const size = Math.min(20_000, room?.length ?? Infinity, frame.length - at);
      const chunk = frame.subarray(at, at + size);
      room?.set(chunk);
      const fault = room === undefined ? session.receive(chunk, now += 40) : session.filled(size, now += 40);
      assert.equal(fault, undefined);
      if (room !== undefined) inPlace += size;
      at += size;
    }
    assert.equal(heard.lines.length, 1);
    assert(inPlace > 400_000, `${inPlace} bytes were read in place`);
  },
);

Deno.test("Session is kept by PONG, and tells of it", PURE, () => {
  const { session, heard } = readySession("SUB", { heartbeatMs: 100 });
  for (let now = 100; now < 1000; now += 100) {
    assert.equal(session.tick(now), undefined);
    session.receive(encodePong(bytes("")), now + 99);
  }
  assert.equal(heard.take().length, 9);
});

Deno.test("Session without heartbeats says no PING of itself, and ttl 0 when asked to", PURE, () => {
  const { session } = readySession("SUB");
  assert.equal(session.tick(1e9), undefined);
  assert.equal(session.hasOutput, false);
  session.ping();
  assert.equal(hex(session.takeOutput()!), hex(bytes("04 07 04 'PING' 00 00")));
});

Deno.test("Session says no PING before READY", PURE, () => {
  const { session } = openSession("PUSH", { heartbeatMs: 10 });
  session.takeOutput();
  assert.equal(session.tick(100), undefined);
  assert.equal(session.hasOutput, false);
});

Deno.test("Session obeys the ttl of the peer's PING", PURE, () => {
  const { session } = readySession("PULL");
  session.receive(bytes("04 07 04 'PING' 00 05"), 1000);
  assert.equal(session.deadline, 1500);
  assert.equal(session.tick(1499), undefined);
  assert.equal(session.tick(1500)?.code, "heartbeat-timeout");
});

Deno.test("Session grants a silent peer 100 ms at least, and counts a ttl above 655 right", PURE, () => {
  const { session } = readySession("PULL");
  session.receive(bytes("04 07 04 'PING' 00 01"), 0);
  assert.equal(session.deadline, 100);
  session.receive(bytes("04 07 04 'PING' 02 90"), 0);
  assert.equal(session.deadline, 65_600);
  session.receive(bytes("04 07 04 'PING' ff ff"), 0);
  assert.equal(session.deadline, 6_553_500);
});

Deno.test("Session forgets the ttl with the next byte", PURE, () => {
  const { session } = readySession("PULL");
  session.receive(bytes("04 07 04 'PING' 00 01"), 0);
  session.receive(bytes("00"), 99);
  assert.equal(session.deadline, Infinity);
});

Deno.test("Session of each side keeps the other alive over a silent wire", PURE, () => {
  const options: Partial<SessionOptions> = { heartbeatMs: 100 };
  const [a, b] = [openSession("SUB", options), openSession("PUB", options)];
  const wire = new Wire(a.session, b.session);
  for (let now = 0; now <= 5000; now += 50) {
    assert.deepEqual([a.session.tick(now), b.session.tick(now)], [undefined, undefined]);
    wire.settle(now);
  }
  assert.equal(a.heard.take().filter((line) => line === "pong").length, 50);
});

// PING and PONG

Deno.test("Session answers PING with its context, in every role", PURE, () => {
  for (const role of ROLES) {
    const { session } = readySession(role);
    session.receive(encodePing(0, bytes("'ctx!'")), 0);
    assert.equal(hex(session.takeOutput()!), hex(bytes("04 09 04 'PONG' 'ctx!'")), role);
  }
});

Deno.test("Session answers a flood of PINGs once, the last one", PURE, () => {
  const { session } = readySession("PULL");
  for (let i = 0; i < 10_000; i++) session.receive(encodePing(0, bytes(i === 9999 ? "'last'" : "'x'")), 0);
  assert.equal(hex(session.takeOutput()!), hex(encodePong(bytes("'last'"))));
  assert.equal(session.hasOutput, false);
});

Deno.test("Session keeps a PONG's context when the bytes it came in are overwritten", PURE, () => {
  const { session } = readySession("PULL");
  const chunk = encodePing(0, bytes("'ctx'"));
  session.receive(chunk, 0);
  chunk.fill(0);
  assert.equal(latin1(session.takeOutput()!.subarray(-3)), "ctx");
});

// Messages

Deno.test("Session hands over messages where they lie: the frame in the very chunk", PURE, () => {
  const chunk = concat(message("a"), message("b"));
  const places: unknown[] = [];
  const { session, heard } = readySession("PULL");
  heard.handleMessage = (bytes, start, bodyStart, end) =>
    places.push([bytes === chunk, start, bodyStart, end]);
  session.receive(chunk, 0);
  assert.deepEqual(places, [[true, 0, 2, 3], [true, 3, 5, 6]]);
});

Deno.test(
  "Session counts the frames and bytes of a multipart message, and tells of it with the last",
  PURE,
  () => {
    const { session, heard } = readySession("PULL");
    session.receive(bytes("01 02 'ab' 01 00 01 01 'c'"), 0);
    assert.deepEqual(heard.lines, []);
    session.receive(bytes("00 03 'def' 00 01 'x'"), 0);
    assert.deepEqual(heard.lines, ["unfit multipart, 6 bytes, 4 parts", "message x"]);
  },
);

Deno.test("Session skips a message above the limit and goes on", PURE, () => {
  const { session, heard } = readySession("PULL", { maxMessageBytes: 3 });
  session.receive(concat(message("abcd"), message("abc")), 0);
  assert.deepEqual(heard.lines, ["unfit too-large, 4 bytes, 1 parts", "message abc"]);
});

Deno.test("Session calls a multipart message too large when one of its frames is", PURE, () => {
  const { session, heard } = readySession("SUB", { maxMessageBytes: 3 });
  session.receive(bytes("01 01 'a' 01 04 'abcd' 00 01 'b' 01 01 'c' 00 01 'd'"), 0);
  assert.deepEqual(heard.lines, ["unfit too-large, 6 bytes, 3 parts", "unfit multipart, 2 bytes, 2 parts"]);
});

Deno.test("Session takes a message of 16 MiB unless told otherwise, and skips a larger one", PURE, () => {
  const { session, heard } = readySession("PULL");
  heard.handleMessage = (_bytes, _start, bodyStart, end) => heard.lines.push(`message of ${end - bodyStart}`);
  const size = 16 * 1024 * 1024;
  session.receive(encodeFrame(new Uint8Array(size), 0), 0);
  session.receive(encodeFrame(new Uint8Array(size + 1), 0), 0);
  assert.deepEqual(heard.lines, [`message of ${size}`, `unfit too-large, ${size + 1} bytes, 1 parts`]);
});

Deno.test("Session refuses the 1025th frame of a message", PURE, () => {
  const { session } = readySession("PULL");
  for (let i = 0; i < 1024; i++) assert.equal(session.receive(bytes("01 00"), 0), undefined);
  const fault = session.receive(bytes("01 00"), 0);
  assert(fault instanceof ProtocolError);
  assert.equal(fault.code, "frame-too-large");
});

Deno.test(
  "Session refuses a message of more than a gigabyte in frames of any size, and stores none of it",
  PURE,
  () => {
    const { session } = readySession("PULL", { maxMessageBytes: 1000 });
    const header = bytes("03 00 00 00 00 10 00 00 00"); // 256 MiB, MORE
    const body = new Uint8Array(64 * 1024 * 1024);
    const allocated = allocatedBy(() => {
      for (let frame = 0; frame < 4; frame++) {
        session.receive(header, 0);
        for (let i = 0; i < 4; i++) session.receive(body, 0);
      }
    });
    assert.equal(session.state, "ready");
    assert(allocated < 10_000, `${allocated} bytes`);
    assert.equal(session.receive(bytes("01 01 'x'"), 0)?.code, "frame-too-large");
  },
);

Deno.test(
  "Session of a PUSH or PUB drops and counts messages, large ones and multipart ones too",
  PURE,
  () => {
    for (const role of ["PUSH", "PUB"] as const) {
      const { session, heard } = readySession(role, { maxMessageBytes: 3 });
      session.receive(
        concat(message("x"), message("large"), bytes("01 01 'a' 00 01 'b'"), bytes("00 00")),
        0,
      );
      assert.equal(heard.noise, 4, role);
      assert.deepEqual(heard.lines, []);
    }
  },
);

// Noise

Deno.test("Session forgives a hundred frames a second that mean nothing, and no more", PURE, () => {
  const { session, heard } = readySession("PULL");
  const noise = encodeCommand("FOO");
  for (let now = 0; now < 5000; now += 10) assert.equal(session.receive(noise, now), undefined, `at ${now}`);
  assert.equal(heard.noise, 500);
  for (let i = 0; i < 100; i++) assert.equal(session.receive(noise, 10_000), undefined, `${i}`);
  const fault = session.receive(noise, 10_000);
  assert(fault instanceof ProtocolError);
  assert.equal(fault.code, "too-much-noise");
});

Deno.test("Session takes subscriptions that are none of its business for noise", PURE, () => {
  for (const role of ["PULL", "PUSH", "SUB"] as const) {
    const { session, heard } = readySession(role);
    session.receive(encodeSubscription({ subscribe: true, topic: bytes("'a'") }), 0);
    session.receive(encodeSubscription({ subscribe: false, topic: bytes("'a'") }), 0);
    assert.equal(heard.noise, 2, role);
    assert.deepEqual(heard.lines, []);
  }
});

// Death

Deno.test(
  "Session stays dead after a fault: it hears nothing, waits for nothing, and tells the same fault",
  PURE,
  () => {
    const { session, heard } = readySession("PULL", { heartbeatMs: 100 });
    const fault = session.receive(bytes("ff"), 0);
    assert.equal(fault?.code, "bad-frame");
    assert.equal(session.state, "dead");
    assert.equal(session.receive(message("late"), 0), fault);
    assert.equal(session.tick(1e9), fault);
    assert.equal(session.deadline, Infinity);
    assert.deepEqual(heard.lines, []);
  },
);

Deno.test("Session hands over what came before a fault in the same chunk", PURE, () => {
  const { session, heard } = readySession("PULL");
  session.receive(concat(message("good"), bytes("ff")), 0);
  assert.deepEqual(heard.lines, ["message good"]);
});

Deno.test("Session dies of a ProtocolError of its handler's, for example of too many topics", PURE, () => {
  const { session, heard } = readySession("PUB");
  heard.handleSubscription = () => {
    throw new ProtocolError("too-many-topics", "enough");
  };
  assert.equal(session.receive(bytes("00 01 01"), 0)?.code, "too-many-topics");
});

Deno.test("Session passes on any other error of its handler's: that is no fault of the peer", PURE, () => {
  const { session, heard } = readySession("PULL");
  heard.handleMessage = () => {
    throw new RangeError("ours");
  };
  assert.equal(thrownBy(() => session.receive(message("x"), 0)).message, "ours");
});

// Any peer

/** What a peer might send: honest things, twisted ones, and noise. */
const words = fc.oneof(
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      message("hello"),
      bytes("01 01 'a'"),
      bytes("00 00"),
      bytes("00 03 01 'ab'"),
      encodePing(100, bytes("'c'")),
      encodePong(bytes("")),
      encodeCommand("FOO", bytes("'x'")),
      encodeSubscription({ subscribe: true, topic: bytes("'t'") }),
      bytes("04 00 00 00 00 00 00 01 04 09 'SUBSC'"),
      bytes("02 00 00 00 00 00 00 01 2c"),
      bytes("04 0a 05 'ERROR' 03 '400'"),
    ),
  },
  { weight: 2, arbitrary: fc.constantFrom(...ROLES).map((role) => ready(role)) },
);
const start = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
  { weight: 2, arbitrary: fc.constant(greeting()) },
  { weight: 4, arbitrary: fc.constantFrom(...ROLES).map((role) => concat(greeting(), ready(role))) },
);

for (const role of ROLES) {
  Deno.test(
    `Session of a ${role} with any bytes hears something or dies of one fault, the same for any cut`,
    PURE,
    () => {
      fc.assert(
        fc.property(
          start,
          fc.array(words, { maxLength: 15 }),
          fc.array(fc.nat(400)),
          (start, words, places) => {
            const stream = concat(start, ...words);
            const outcomes = [[stream], cutAt(stream, places), cutAt(stream, stream.keys())].map((chunks) => {
              const { session, heard } = openSession(role, { maxMessageBytes: 50 });
              let fault = undefined as SessionFault | undefined;
              const allocated = allocatedBy(() => {
                for (const chunk of chunks) fault = session.receive(chunk, 0) ?? fault;
              });
              assert(
                fault === undefined || fault instanceof ProtocolError || fault instanceof HandshakeError,
              );
              assert.equal(session.state === "dead", fault !== undefined);
              assert(allocated <= 70_000 + 1000 * stream.length, `${allocated} bytes for ${stream.length}`);
              return { fault: fault?.code, lines: heard.lines, output: hex(session.takeOutput()!) };
            });
            assert.deepEqual(outcomes[1], outcomes[0]);
            assert.deepEqual(outcomes[2], outcomes[0]);
          },
        ),
        { numRuns: 300 },
      );
    },
  );
}

// Peers about whom somebody decides

for (
  const [decision, code] of [
    ["deny", "denied"],
    ["temporary", "temporarily-denied"],
    ["failed", "authorize-failed"],
  ] as const
) {
  Deno.test(`Session does not take an undecided peer that is decided on as ${decision}`, PURE, () => {
    const { session, heard } = openSession("PULL", { decides: true });
    session.receive(concat(greeting(), ready("PUSH"), message("early")), 0);
    assert.equal(session.state, "undecided");
    assert.equal(session.decide(decision, 0)?.code, code);
    assert.equal(session.state, "dead");
    assert.deepEqual(heard.lines, []);
  });
}

// Messages that have begun

Deno.test(
  "Session dies of a message of which nothing more comes for messageTimeoutMs, and of no other silence",
  PURE,
  () => {
    const begun: readonly (readonly [string, Uint8Array])[] = [
      ["a header", bytes("00")],
      ["a frame", bytes("00 05 'ab'")],
      ["a frame to be skipped", concat(bytes("02 00 00 00 00 00 00 10 00"), repeated(0x78, 9))],
      ["a part", bytes("01 01 'a'")],
    ];
    for (const [what, start] of begun) {
      const { session } = readySession("PULL", { messageTimeoutMs: 500, maxMessageBytes: 100 });
      assert.equal(session.tick(1_000_000), undefined);
      session.receive(start, 1_000_000);
      assert.equal(session.deadline, 1_000_500, what);
      assert.equal(session.tick(1_000_499), undefined, what);
      assert.equal(session.tick(1_000_500)?.code, "message-timeout", what);
    }
  },
);

Deno.test(
  "Session gives a message that has begun its time anew with each byte, and none when it is whole",
  PURE,
  () => {
    const { session, heard } = readySession("PULL", { messageTimeoutMs: 500 });
    for (const [i, byte] of [...bytes("00 03 'ab'")].entries()) session.receive(Uint8Array.of(byte), 400 * i);
    assert.equal(session.deadline, 3 * 400 + 500);
    session.receive(bytes("'c'"), 1500);
    assert.deepEqual(heard.lines, ["message abc"]);
    assert.equal(session.deadline, Infinity);
  },
);

Deno.test("Session without messageTimeoutMs waits for the rest of a message for ever", PURE, () => {
  const { session } = readySession("PULL");
  session.receive(bytes("00 03 'a'"), 0);
  assert.equal(session.deadline, Infinity);
});

Deno.test("Session says when its peer spoke last, which signs of life are not", PURE, () => {
  const { session } = readySession("PULL", {}, 5);
  assert.deepEqual([session.hasSpoken, session.spokeAt], [false, 5]);
  session.receive(concat(encodePing(1000), encodePong(bytes("'x'"))), 10);
  assert.deepEqual([session.hasSpoken, session.spokeAt], [false, 5]);
  session.receive(concat(encodePing(1000), message("hello")), 20);
  assert.deepEqual([session.hasSpoken, session.spokeAt], [true, 20]);
});
