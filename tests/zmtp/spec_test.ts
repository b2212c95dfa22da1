/**
 * What the wire protocol demands, a test for each rule and for each row of the tables that concern PULL and PUB, which
 * listen, and PUSH and SUB, which dial. The numbers are those of the reference from which the engine was written: 0 the
 * twelve rules that cost others the most time, 1 greeting, 2 frames and commands, 3 semantics, 5 corner cases, 6 hostile
 * inputs. Bytes marked "captured" are libzmq's own, 4.3.4 and 4.3.5.
 */
import assert from "node:assert/strict";
import { HandshakeError, ProtocolError } from "../../base/errors.ts";
import {
  encodeCommand,
  encodeLegacySubscription,
  encodeMetadata,
  encodePing,
  encodeSubscription,
} from "../../zmtp/command.ts";
import { formatEndpoint, parseBindEndpoint, parseEndpoint } from "../../zmtp/endpoint.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { Outbox } from "../../zmtp/outbox.ts";
import type { Session, SessionOptions } from "../../zmtp/session.ts";
import type { SocketType } from "../../zmtp/socket_type.ts";
import { Subscriptions } from "../../zmtp/subscriptions.ts";
import {
  bytes,
  concat,
  cutAt,
  greeting,
  hex,
  isListening,
  latin1,
  openSession,
  PEER,
  PURE,
  ready,
  readySession,
  type Recorder,
  repeated,
  thrownBy,
} from "./core_test_support.ts";

const ROLES: readonly SocketType[] = ["PULL", "PUB", "PUSH", "SUB"];

/** What becomes of bytes: the code of the fault, or what was heard of them. */
function outcome(session: Session, heard: Recorder, said: Uint8Array): string | string[] {
  const fault = session.receive(said, 0);
  return fault?.code ?? heard.take();
}

/** What a session that has shaken hands makes of bytes. */
function afterReady(
  role: SocketType,
  said: Uint8Array,
  options: Partial<SessionOptions> & { minor?: number } = {},
): string | string[] {
  const { session, heard } = readySession(role, options);
  return outcome(session, heard, said);
}

/** What a session that waits for READY makes of bytes. */
function beforeReady(role: SocketType, said: Uint8Array): string | string[] {
  const { session, heard } = openSession(role);
  session.receive(greeting(), 0);
  return outcome(session, heard, said);
}

/** Last words of a session to a peer that it refuses: the bytes behind the greeting. */
function lastWords(role: SocketType, said: Uint8Array): string {
  const { session } = openSession(role);
  const fault = session.receive(said, 0);
  assert.notEqual(fault, undefined);
  return latin1(session.takeOutput()!.subarray(64));
}

const SUBSCRIBE_A = encodeSubscription({ subscribe: true, topic: bytes("'a'") });
const CANCEL_A = encodeSubscription({ subscribe: false, topic: bytes("'a'") });

// 0. The twelve rules

for (const role of ROLES) {
  Deno.test(`Rule 1: send the greeting at once, never wait for the peer (${role})`, PURE, () => {
    const { session } = openSession(role);
    assert.equal(hex(session.takeOutput()!), hex(greeting()));
  });

  Deno.test(`Rule 2: behind READY nothing is said before the peer's READY is in (${role})`, PURE, () => {
    const { session, heard } = openSession(role, { heartbeatMs: 10 });
    heard.onLine = () => session.ping(); // The first moment at which the owner may say something.
    session.receive(greeting(), 0);
    session.tick(50);
    const ours = isListening(role) ? greeting() : concat(greeting(), ready(role));
    assert.equal(hex(session.takeOutput()!), hex(ours));
    session.receive(ready(PEER[role]), 60);
    const rest = isListening(role) ? concat(ready(role), encodePing(20)) : encodePing(20);
    assert.equal(hex(session.takeOutput()!), hex(rest));
  });
}

Deno.test("Rule 2: what comes behind the peer's READY in the same write is taken all the same", PURE, () => {
  const { session, heard } = openSession("PUB");
  session.receive(concat(greeting(), ready("SUB"), SUBSCRIBE_A, encodePing(0)), 0);
  assert.deepEqual(heard.lines, ["ready SUB 3.1", "subscribe a"]);
});

Deno.test("Rule 3: what may pass is refused without a word, so that a libzmq client comes back", PURE, () => {
  const { session } = openSession("PULL");
  session.takeOutput();
  session.receive(greeting(), 0);
  assert.equal(session.tick(10_000)?.code, "handshake-timeout");
  assert.equal(session.hasOutput, false);
});

Deno.test("Rule 3: what will not pass is refused by ERROR, so that a libzmq client gives up", PURE, () => {
  assert.equal(
    lastWords("PULL", concat(greeting(), ready("SUB"))),
    "\x04\x1a\x05ERROR\x13Invalid socket type",
  );
});

Deno.test(
  "Rule 4: subscriptions are a set per connection: subscribe, subscribe, cancel leaves none",
  PURE,
  () => {
    const { session, heard } = readySession("PUB");
    const topics = new Subscriptions();
    heard.handleSubscription = ({ subscribe, topic }) => subscribe ? topics.add(topic) : topics.remove(topic);
    session.receive(concat(SUBSCRIBE_A, SUBSCRIBE_A, CANCEL_A), 0);
    assert.equal(topics.count, 0);
  },
);

for (const minor of [0, 1]) {
  Deno.test(`Rule 5: both forms of subscription are taken from a peer of 3.${minor}`, PURE, () => {
    assert.deepEqual(
      afterReady("PUB", concat(SUBSCRIBE_A, CANCEL_A, bytes("00 02 01 'b' 00 02 00 'b'")), { minor }),
      ["subscribe a", "cancel a", "subscribe b", "cancel b"],
    );
  });
}

for (
  const [minor, form, subscribe, cancel] of [
    [0, "message", "00 02 01 'a'", "00 02 00 'a'"],
    [1, "command", "04 0b 09 'SUBSCRIBE' 'a'", "04 08 06 'CANCEL' 'a'"],
    [7, "command", "04 0b 09 'SUBSCRIBE' 'a'", "04 08 06 'CANCEL' 'a'"],
  ] as const
) {
  Deno.test(`Rule 6: a peer of 3.${minor} is sent its subscription as a ${form}`, PURE, () => {
    const { session } = readySession("SUB", { minor });
    session.changeSubscription({ subscribe: true, topic: bytes("'a'") });
    assert.equal(hex(session.takeOutput()!), hex(bytes(subscribe)));
    session.changeSubscription({ subscribe: false, topic: bytes("'a'") });
    assert.equal(hex(session.takeOutput()!), hex(bytes(cancel)));
  });
}

for (const asServer of [0, 1, 255]) {
  Deno.test(`Rule 7: the as-server byte is not looked at (${asServer})`, PURE, () => {
    const bytes = greeting();
    bytes[32] = asServer;
    const { session } = openSession("PULL");
    session.receive(concat(bytes, ready("PUSH")), 0);
    assert.equal(session.state, "ready");
  });
}

// Rule 8 is CURVE's: see curve_test.ts.

for (const role of ROLES) {
  for (const minor of [0, 1]) {
    Deno.test(`Rule 9: PING is answered on any connection (${role}, 3.${minor})`, PURE, () => {
      const { session } = readySession(role, { minor });
      session.receive(bytes("04 09 04 'PING' 00 00 'hi'"), 0);
      assert.equal(hex(session.takeOutput()!), hex(bytes("04 07 04 'PONG' 'hi'")));
    });
  }
}

Deno.test("Rule 9: PING is answered between the frames of a multipart message", PURE, () => {
  const { session, heard } = readySession("PULL");
  session.receive(bytes("01 01 'a' 04 07 04 'PING' 00 00"), 0);
  assert.equal(hex(session.takeOutput()!), hex(bytes("04 05 04 'PONG'")));
  session.receive(bytes("00 01 'b'"), 0);
  assert.deepEqual(heard.lines, ["unfit multipart, 2 bytes, 2 parts"]);
});

Deno.test("Rule 10: no PING with a ttl above 655, which libzmq takes for milliseconds", PURE, () => {
  for (const heartbeatMs of [32_750, 32_800, 60_000, 1e9]) {
    const { session } = readySession("SUB", { heartbeatMs });
    session.tick(heartbeatMs);
    const ping = session.takeOutput()!;
    assert(ping.at(-2)! * 256 + ping.at(-1)! <= 655, `${heartbeatMs} ms`);
  }
});

for (
  const [what, said] of [
    ["ZMTP 1.0", "01 00"],
    ["ZMTP 1.0 with a long identity", "ff 00 00 00 00 00 00 00 05 00"],
    ["ZMTP 2.0", "ff 00 00 00 00 00 00 00 01 7f 01 08 00 00"],
    ["HTTP", "'GET / HTTP/1.1' 0d 0a"],
  ] as const
) {
  Deno.test(`Rule 11: ${what} is refused, on the address of senders and on that of subscribers`, PURE, () => {
    for (const role of ["PULL", "PUB"] as const) {
      const { session, heard } = openSession(role);
      assert.equal(outcome(session, heard, bytes(said)), "bad-greeting");
      // What such a peer sends on is no message, and nothing is said to it.
      assert.equal(outcome(session, heard, bytes("00 01 'x'")), "bad-greeting");
      assert.equal(session.takeOutput()!.length, 64);
    }
  });
}

Deno.test("Rule 12: a message has a limit of frames and of bytes, all frames together", PURE, () => {
  assert.equal(afterReady("PULL", repeated(1, 3 * 1025)), "frame-too-large"); // 01 01 01 | 01 01 01 …
  const { session } = readySession("PULL", { maxMessageBytes: 10 });
  const body = new Uint8Array(128 * 1024 * 1024);
  for (let i = 0; i < 8; i++) {
    session.receive(bytes("03 00 00 00 00 08 00 00 00"), 0);
    session.receive(body, 0);
  }
  assert.equal(session.receive(bytes("01 01 'x'"), 0)?.code, "frame-too-large");
});

Deno.test("Rule 12: a connection has a limit of topics", PURE, () => {
  const { session, heard } = readySession("PUB");
  const topics = new Subscriptions();
  heard.handleSubscription = ({ topic }) => topics.add(topic);
  for (let i = 0; i < 10_000; i++) {
    const topic = Uint8Array.of(i >> 8, i & 255);
    assert.equal(session.receive(encodeSubscription({ subscribe: true, topic }), 0), undefined);
  }
  assert.equal(session.receive(SUBSCRIBE_A, 0)?.code, "too-many-topics");
});

// 1. Greeting

Deno.test("1.1 our greeting is the captured one of libzmq, byte by byte", PURE, () => {
  const captured = "ff00000000000000017f03014e554c4c" + "00".repeat(48);
  assert.equal(hex(openSession("PULL").session.takeOutput()!), captured);
});

for (
  const [what, at, value] of [
    ["padding", 1, 0xaa],
    ["padding", 8, 0x00],
    ["byte 9 with only bit 0 set", 9, 0x01],
    ["filler", 33, 0x55],
    ["filler", 63, 0xff],
  ] as const
) {
  Deno.test(`1.1 ${what} (byte ${at}) is not looked at`, PURE, () => {
    const bytes = greeting();
    bytes[at] = value;
    const { session } = openSession("PULL");
    assert.equal(session.receive(bytes, 0), undefined);
    assert.equal(session.state, "handshake");
  });
}

Deno.test(
  "1.2 a greeting as libzmq writes it, in pieces of 10, 1 and 53 bytes, is enough for READY",
  PURE,
  () => {
    const { session } = openSession("PUSH");
    session.takeOutput();
    const [signature, major, rest] = cutAt(greeting(), [10, 11]) as [Uint8Array, Uint8Array, Uint8Array];
    session.receive(signature, 0);
    session.receive(major, 0);
    assert.equal(session.hasOutput, false);
    session.receive(rest, 0);
    assert.equal(hex(session.takeOutput()!), hex(ready("PUSH")));
  },
);

for (const [what, size] of [["byte by byte", 1], ["in pieces of 7", 7], ["at once", 1000]] as const) {
  Deno.test(`1.2 greeting and READY may come ${what} (also 5.3)`, PURE, () => {
    const { session, heard } = openSession("PULL");
    const stream = concat(greeting(), ready("PUSH"));
    for (let at = 0; at < stream.length; at += size) session.receive(stream.slice(at, at + size), 0);
    assert.deepEqual(heard.lines, ["ready PUSH 3.1"]);
  });
}

for (
  const [major, minor, talked] of [[3, 0, 0], [3, 1, 1], [3, 2, 1], [3, 255, 1], [4, 0, 1], [4, 9, 1], [
    255,
    0,
    1,
  ]] as const
) {
  Deno.test(`1.3 a peer that announces ${major}.${minor} is talked to as 3.${talked}`, PURE, () => {
    const bytes = greeting();
    bytes.set([major, minor], 10);
    const { session } = openSession("PULL");
    session.receive(concat(bytes, ready("PUSH")), 0);
    assert.equal(session.peer?.minor, talked);
  });
}

for (
  const [what, start, text] of [
    ["GET", "'GET / HTTP/1.1'", "HTTP"],
    ["POST", "'POST /x HTTP/1.1'", "HTTP"],
    ["HEAD", "'HEAD / HTTP/1.1'", "HTTP"],
    ["OPTIONS", "'OPTIONS / HTTP'", "HTTP"],
    ["TLS", "16 03 01 02 00 01 00 01", "TLS"],
    ["SSH", "'SSH-2.0-x'", "SSH"],
    ["ZMTP 1.0", "01 00", "ZMTP 1.0"],
    ["ZMTP 1.0 with a long identity", "ff 00 00 00 00 00 00 00 01 7e", "ZMTP 1.0, needs libzmq >= 4.0"],
    ["ZMTP 2.0 of libzmq 3.x", "ff 00 00 00 00 00 00 00 01 7f 01", "ZMTP 2.0, needs libzmq >= 4.0"],
    ["revision 0", "ff 00 00 00 00 00 00 00 01 7f 00", "ZMTP revision 0, needs libzmq >= 4.0"],
    ["revision 2", "ff 00 00 00 00 00 00 00 01 7f 02", "ZMTP revision 2, needs libzmq >= 4.0"],
    ["anything else", "'hello' 0a", '"hello\\n", not ZMTP 3'],
  ] as const
) {
  Deno.test(`1.4 ${what} is refused and called by its name`, PURE, () => {
    const { session } = openSession("PULL");
    const fault = session.receive(bytes(start), 0);
    assert(fault instanceof ProtocolError);
    assert.equal(fault.code, "bad-greeting");
    assert(fault.message.includes(`speaks ${text}`), fault.message);
  });
}

for (const mechanism of ["null", "NULL\0X", "PLAIN", "CURVE", "", "XNULL"]) {
  Deno.test(
    `1.4 the mechanism ${JSON.stringify(mechanism)} is refused by NULL, after the whole greeting`,
    PURE,
    () => {
      const { session } = openSession("PULL");
      const fault = session.receive(greeting(1, mechanism), 0);
      assert(fault instanceof HandshakeError);
      assert.equal(fault.code, "mechanism-mismatch");
      assert.equal(session.takeOutput()!.length, 64, "the greeting, no ERROR");
    },
  );
}

// 2.1 Frames

const ROWS_2_1: readonly (readonly [row: string, said: Uint8Array, outcome: string | string[]])[] = [
  ["a body of 255 bytes in a short frame", encodeFrame(repeated(0x61, 255), 0), [
    `message ${"a".repeat(255)}`,
  ]],
  ["a body of 256 bytes in a long frame", encodeFrame(repeated(0x61, 256), 0), [
    `message ${"a".repeat(256)}`,
  ]],
  ["the long form of a small body is taken", bytes("02 00 00 00 00 00 00 00 01 'a'"), ["message a"]],
  ["reserved bits are an error", bytes("f8 01 'a'"), "bad-frame"],
  ["COMMAND and MORE together are an error", bytes("05 05 04 'PING'"), "bad-frame"],
  [
    "COMMAND, MORE and LONG together are an error",
    bytes("07 00 00 00 00 00 00 00 05 04 'PING'"),
    "bad-frame",
  ],
  ["a size with bit 63 is an error", bytes("02 80 00 00 00 00 00 00 00"), "frame-too-large"],
  ["the size 2^64-1 is an error", bytes("02 ff ff ff ff ff ff ff ff"), "frame-too-large"],
  ["the size 2^40 is an error", bytes("02 00 00 01 00 00 00 00 00"), "frame-too-large"],
  ["the size 2^33 is an error", bytes("02 00 00 00 02 00 00 00 00"), "frame-too-large"],
  [
    "a command between the frames of a multipart message does not part it",
    bytes("01 01 'a' 04 04 03 'FOO' 00 01 'b'"),
    ["unfit multipart, 2 bytes, 2 parts"],
  ],
  ["an empty message is a message", bytes("00 00"), ["message "]],
  ["an empty frame is a part", bytes("01 00 00 00"), ["unfit multipart, 0 bytes, 2 parts"]],
  ["an empty command is an error", bytes("04 00 00 01"), "bad-frame"],
  ["a name longer than the body is an error", bytes("04 04 09 'PIN'"), "bad-command"],
  ["an empty name is an error", bytes("04 01 00"), "bad-command"],
];
for (const [row, said, expected] of ROWS_2_1) {
  Deno.test(`2.1 ${row}`, PURE, () => assert.deepEqual(afterReady("PULL", said), expected));
}

Deno.test("2.1 a command above the limit is an error as soon as its header is read", PURE, () => {
  assert.equal(afterReady("PUB", bytes("06 00 00 00 00 00 01 00 01")), "frame-too-large");
});

// 2.2 Commands, captured

for (
  const [role, captured] of [
    ["PULL", "041a 05 5245414459 0b 536f636b65742d54797065 00000004 50554c4c"],
    ["PUSH", "041a 05 5245414459 0b 536f636b65742d54797065 00000004 50555348"],
    ["PUB", "0419 05 5245414459 0b 536f636b65742d54797065 00000003 505542"],
    ["SUB", "0419 05 5245414459 0b 536f636b65742d54797065 00000003 535542"],
  ] as const
) {
  Deno.test(`2.2 READY of a ${role} is the captured one`, PURE, () => {
    const { session } = openSession(role);
    session.receive(concat(greeting(), ready(PEER[role])), 0);
    assert.equal(hex(session.takeOutput()!.subarray(64)), captured.replaceAll(" ", ""));
  });
}

for (
  const [what, role, captured, expected] of [
    ['SUBSCRIBE ""', "PUB", "04 0a 09 53 55 42 53 43 52 49 42 45", ["subscribe "]],
    ['SUBSCRIBE "ab"', "PUB", "04 0c 09 53 55 42 53 43 52 49 42 45 61 62", ["subscribe ab"]],
    ['CANCEL "ab"', "PUB", "04 09 06 43 41 4e 43 45 4c 61 62", ["cancel ab"]],
    ['the 3.0 form of subscribe ""', "PUB", "00 01 01", ["subscribe "]],
    ['the 3.0 form of subscribe "ab"', "PUB", "00 03 01 61 62", ["subscribe ab"]],
    ['the 3.0 form of cancel "ab"', "PUB", "00 03 00 61 62", ["cancel ab"]],
    ["PONG", "SUB", "04 09 04 50 4f 4e 47 63 74 78 21", ["pong"]],
    ["ERROR after READY", "SUB", "04 0a 05 45 52 52 4f 52 03 34 30 30", []],
    ["a multipart message", "PULL", "01 01 61 01 00 00 01 62", ["unfit multipart, 2 bytes, 3 parts"]],
    ["JOIN of RADIO and DISH", "PUB", "04 06 04 4a 4f 49 4e 67", []],
    ["LEAVE of RADIO and DISH", "PUB", "04 07 05 4c 45 41 56 45 67", []],
    ["a name in lower case", "PUB", "04 0b 09 73 75 62 73 63 72 69 62 65 61", []],
  ] as const
) {
  Deno.test(
    `2.2 ${what} is understood as captured`,
    PURE,
    () => assert.deepEqual(afterReady(role, bytes(captured)), expected),
  );
}

Deno.test("2.2 PING as libzmq says it, ttl 1000 ms and no context, is obeyed and answered", PURE, () => {
  const { session } = readySession("PULL");
  session.receive(bytes("04 07 04 50 49 4e 47 00 0a"), 0);
  assert.equal(session.deadline, 1000);
  assert.equal(hex(session.takeOutput()!), "040504504f4e47");
});

Deno.test('2.2 PONG to "ctx!" is the captured one', PURE, () => {
  const { session } = readySession("PULL");
  session.receive(bytes("04 0b 04 'PING' 00 00 'ctx!'"), 0);
  assert.equal(hex(session.takeOutput()!), "040904504f4e4763747821");
});

Deno.test("2.2 a PING's context comes back cut to 16 bytes", PURE, () => {
  const { session } = readySession("PULL");
  session.receive(bytes("04 1b 04 'PING' 00 00 '0123456789abcdefXXXX'"), 0);
  assert.equal(latin1(session.takeOutput()!), "\x04\x15\x04PONG0123456789abcdef");
});

// 2.3 Metadata of READY

const property = (name: string, value: string) => encodeMetadata([[name, bytes(`'${value}'`)]]);
const READY_TAKEN: readonly (readonly [row: string, metadata: Uint8Array])[] = [
  ["Socket-Type in lower case", property("socket-type", "PUSH")],
  ["Socket-Type in upper case", property("SOCKET-TYPE", "PUSH")],
  ["an Identity", concat(property("Socket-Type", "PUSH"), property("Identity", "me"))],
  ["an empty Identity", concat(property("Identity", ""), property("Socket-Type", "PUSH"))],
  ["a Resource", concat(property("Socket-Type", "PUSH"), property("Resource", "x"))],
  ["application metadata", concat(property("X-Key", "value"), property("Socket-Type", "PUSH"))],
  ["an unknown name", concat(property("Socket-Type", "PUSH"), property("Foo", "bar"))],
  [
    "an unknown name twice",
    concat(property("Foo", ""), property("Socket-Type", "PUSH"), property("Foo", "")),
  ],
  [
    "60 KiB of application metadata",
    concat(property("Socket-Type", "PUSH"), property("X-Large", "x".repeat(60 * 1024))),
  ],
];
for (const [row, metadata] of READY_TAKEN) {
  Deno.test(`2.3 ${row} is taken`, PURE, () => {
    assert.deepEqual(beforeReady("PULL", encodeCommand("READY", metadata)), ["ready PUSH 3.1"]);
  });
}

const socketType = property("Socket-Type", "PUSH");
const READY_REFUSED: readonly (readonly [row: string, metadata: Uint8Array, code: string])[] = [
  ["no Socket-Type", bytes(""), "bad-metadata"],
  ["no Socket-Type but others", property("Identity", "me"), "bad-metadata"],
  ["the value push", property("Socket-Type", "push"), "socket-type-mismatch"],
  [
    "the value PUSH with a NUL",
    concat(bytes("0b 'Socket-Type' 00 00 00 05 'PUSH' 00")),
    "socket-type-mismatch",
  ],
  ["an empty value", property("Socket-Type", ""), "socket-type-mismatch"],
  ["Socket-Type twice", concat(socketType, socketType), "bad-metadata"],
  [
    "Socket-Type twice, spelt differently",
    concat(socketType, property("socket-type", "PUSH")),
    "bad-metadata",
  ],
  ["one trailing byte", concat(socketType, bytes("01")), "bad-metadata"],
  ["a property that is cut", concat(socketType, bytes("03 'Foo' 00 00 00 02 'x'")), "bad-metadata"],
  ["a name of no bytes", concat(socketType, bytes("00 00 00 00 00")), "bad-metadata"],
  [
    "a value of 2^32-1 bytes at the very end",
    concat(socketType, bytes("03 'Foo' ff ff ff ff")),
    "bad-metadata",
  ],
];
for (const [row, metadata, code] of READY_REFUSED) {
  Deno.test(`2.3 ${row} is refused by ERROR`, PURE, () => {
    assert.equal(beforeReady("PULL", encodeCommand("READY", metadata)), code);
    const reason = code === "bad-metadata" ? "Invalid metadata" : "Invalid socket type";
    assert(lastWords("PULL", concat(greeting(), encodeCommand("READY", metadata))).endsWith(reason));
  });
}

Deno.test("2.3 a READY of a megabyte is refused when its header is read", PURE, () => {
  assert.equal(beforeReady("PULL", bytes("06 00 00 00 00 00 10 00 00")), "frame-too-large");
});

for (
  const [row, frame, expected] of [
    ["04", ready("PUSH"), ["ready PUSH 3.1"]],
    ["06, the long form", concat(bytes("06 00 00 00 00 00 00 00 1a"), ready("PUSH").slice(2)), [
      "ready PUSH 3.1",
    ]],
    ["00, as a message", concat(bytes("00"), ready("PUSH").slice(1)), "unexpected-before-ready"],
    [
      "02, as a long message",
      concat(bytes("02 00 00 00 00 00 00 00 1a"), ready("PUSH").slice(2)),
      "unexpected-before-ready",
    ],
    ["05, with MORE", concat(bytes("05"), ready("PUSH").slice(1)), "bad-frame"],
  ] as const
) {
  Deno.test(
    `2.3 READY with the flags ${row}`,
    PURE,
    () => assert.deepEqual(beforeReady("PULL", frame), expected),
  );
}

for (
  const [what, said] of [
    ["PING", encodePing(0)],
    ["an unknown command", encodeCommand("FOO")],
    ["SUBSCRIBE", SUBSCRIBE_A],
    ["a message", bytes("00 01 'a'")],
    ["the first byte of a message", bytes("00")],
  ] as const
) {
  Deno.test(`2.3 ${what} before READY closes`, PURE, () => {
    for (const role of ROLES) assert.equal(beforeReady(role, said), "unexpected-before-ready", role);
  });
}

Deno.test(
  "2.3 a second READY is ignored",
  PURE,
  () => assert.deepEqual(afterReady("PULL", ready("PUSH")), []),
);
Deno.test(
  "2.3 an unknown command after READY is ignored",
  PURE,
  () => assert.deepEqual(afterReady("PULL", encodeCommand("FOO")), []),
);

for (const role of ROLES) {
  const types = [
    "PAIR",
    "PUB",
    "SUB",
    "REQ",
    "REP",
    "DEALER",
    "ROUTER",
    "PULL",
    "PUSH",
    "XPUB",
    "XSUB",
    "SERVER",
    "CLIENT",
    "",
  ];
  const taken = { PULL: ["PUSH"], PUSH: ["PULL"], PUB: ["SUB", "XSUB"], SUB: ["PUB", "XPUB"] }[role];
  for (const type of types) {
    const isTaken = taken.includes(type);
    Deno.test(
      `2.3 a ${role} ${isTaken ? "takes" : "refuses"} a peer of type ${type || "nothing"}`,
      PURE,
      () => {
        assert.deepEqual(
          beforeReady(role, ready(type)),
          isTaken ? [`ready ${type} 3.1`] : "socket-type-mismatch",
        );
      },
    );
  }
}

// 2.4 How to refuse

Deno.test("2.4 a wrong socket type: ERROR", PURE, () => {
  assert(lastWords("PUB", concat(greeting(), ready("PUSH"))).endsWith("\x05ERROR\x13Invalid socket type"));
});
Deno.test("2.4 bad metadata: ERROR", PURE, () => {
  assert(
    lastWords("PUB", concat(greeting(), ready("SUB", [["Socket-Type", bytes("")]]))).endsWith(
      "\x05ERROR\x10Invalid metadata",
    ),
  );
});
Deno.test("2.4 another mechanism: the whole greeting, nothing else", PURE, () => {
  assert.equal(lastWords("PULL", greeting(1, "PLAIN")), "");
});
for (
  const [what, said] of [
    ["a frame with reserved bits", bytes("ff")],
    ["a message before READY", bytes("00 01 'a'")],
    ["a command that does not parse", bytes("04 01 00")],
    ["an unknown command", encodeCommand("HELLO")],
    ["a frame that is too large", bytes("06 ff ff ff ff ff ff ff ff")],
  ] as const
) {
  Deno.test(`2.4 a protocol violation, ${what}: not a word`, PURE, () => {
    assert.equal(lastWords("PULL", concat(greeting(), said)), "");
  });
}
for (const role of ["PUSH", "SUB"] as const) {
  Deno.test(
    `2.4 a ${role} that is refused by ERROR knows the reason, and that it is the peer's`,
    PURE,
    () => {
      const { session } = openSession(role);
      session.receive(greeting(), 0);
      const fault = session.receive(bytes("04 0a 05 'ERROR' 03 '400'"), 0);
      assert(fault instanceof HandshakeError);
      assert.equal(fault.code, "refused-by-peer");
      assert.match(fault.message, /"400"/);
    },
  );
}

// 3.2 PUB and SUB

/** The topics of a PUB's connection after a peer said this. */
function topicsAfter(said: Uint8Array): Subscriptions {
  const { session, heard } = readySession("PUB");
  const topics = new Subscriptions();
  heard.handleSubscription = ({ subscribe, topic }) => subscribe ? topics.add(topic) : topics.remove(topic);
  assert.equal(session.receive(said, 0), undefined);
  return topics;
}

for (
  const [statement, topics, body, matches] of [
    ["a message matches if it starts with a topic, bytewise", ["'ab'"], "'abc'", true],
    ["a message that has the topic elsewhere does not match", ["'ab'"], "'cab'", false],
    ["a message that is the topic matches", ["'ab'"], "'ab'", true],
    ["a message shorter than the topic does not match (also 5.18)", ["'ab'"], "'a'", false],
    ["the empty topic matches all", [""], "'x'", true],
    ["the empty topic matches the empty message", [""], "", true],
    ["topics are binary", ["ff 00"], "ff 00 'x'", true],
    ["one of several topics is enough", ["'x'", "'y'", "'ab'"], "'abc'", true],
    ["without a topic nothing matches", [], "'a'", false],
  ] as const
) {
  Deno.test(`3.2 ${statement}`, PURE, () => {
    const said = concat(
      ...topics.map((topic) => encodeSubscription({ subscribe: true, topic: bytes(topic) })),
    );
    const message = bytes(body);
    assert.equal(topicsAfter(said).matches(message, 0, message.length), matches);
  });
}

for (
  const [statement, said, count] of [
    ["SUBSCRIBE a, SUBSCRIBE a, CANCEL a: no longer subscribed (also 5.19)", [
      SUBSCRIBE_A,
      SUBSCRIBE_A,
      CANCEL_A,
    ], 0],
    ["CANCEL of an unknown topic is ignored (also 5.20)", [CANCEL_A, SUBSCRIBE_A], 1],
    ["both forms mixed: command, then message", [SUBSCRIBE_A, bytes("00 02 00 'a'")], 0],
    ["both forms mixed: message, then command", [bytes("00 02 01 'a'"), CANCEL_A], 0],
    ["a subscription as a part of a multipart message is none", [bytes("01 02 01 'a' 00 01 01")], 0],
    ["any other message of a subscriber is dropped", [bytes("00 01 'x' 00 00 00 02 02 'a'")], 0],
    ["an unknown command of a subscriber is dropped", [encodeCommand("FOO", bytes("'a'"))], 0],
  ] as const
) {
  Deno.test(`3.2 ${statement}`, PURE, () => assert.equal(topicsAfter(concat(...said)).count, count));
}

Deno.test(
  "3.2 a full queue drops new messages, whole ones, and takes messages again when it is half empty",
  PURE,
  () => {
    const outbox = new Outbox({ messages: 10, bytes: 1e6 });
    const push = (count: number) =>
      Array.from({ length: count }, () => outbox.push(bytes("00 01 'a'"), 0, 3, 1));
    assert.deepEqual(push(12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    for (let i = 0; i < 4; i++) assert.equal(outbox.take() && outbox.written(), 1);
    assert.deepEqual(push(2), [1, 1], "six of ten wait");
    assert.equal(outbox.take() && outbox.written(), 1);
    assert.deepEqual(push(6), [0, 0, 0, 0, 0, 1], "five of ten wait");
  },
);

Deno.test("3.2 a SUB hears a PUB's messages in the order of the wire", PURE, () => {
  assert.deepEqual(afterReady("SUB", bytes("00 01 'a' 00 01 'b' 00 01 'c'")), [
    "message a",
    "message b",
    "message c",
  ]);
});

// 3.3 PULL and PUSH

Deno.test("3.3 a PULL drops SUBSCRIBE and CANCEL, which libzmq hands to the application", PURE, () => {
  assert.deepEqual(afterReady("PULL", concat(SUBSCRIBE_A, CANCEL_A)), []);
});
Deno.test("3.3 a PULL takes a message that looks like a subscription", PURE, () => {
  assert.deepEqual(afterReady("PULL", bytes("00 02 01 'a'")), ["message \x01a"]);
});
Deno.test("3.3 a PULL hears nothing of a multipart message that is not whole", PURE, () => {
  assert.deepEqual(afterReady("PULL", bytes("01 01 'a' 01 01 'b'")), []);
});
Deno.test("3.3 a PUSH reads and drops what a PULL sends, and counts it", PURE, () => {
  const { session, heard } = readySession("PUSH");
  assert.deepEqual(outcome(session, heard, bytes("00 01 'a' 01 01 'b' 00 01 'c'")), []);
  assert.equal(heard.noise, 2);
});

// 3.9 Endpoints

for (
  const [text, hostname, port, again] of [
    ["tcp://127.0.0.1:*", "127.0.0.1", 0, "tcp://127.0.0.1:0"],
    ["tcp://127.0.0.1:0", "127.0.0.1", 0, "tcp://127.0.0.1:0"],
    ["tcp://*:*", "0.0.0.0", 0, "tcp://0.0.0.0:0"],
    ["tcp://[::1]:*", "::1", 0, "tcp://[::1]:0"],
    ["tcp://localhost:*", "127.0.0.1", 0, "tcp://127.0.0.1:0"],
    ["tcp://127.0.0.1:5555", "127.0.0.1", 5555, "tcp://127.0.0.1:5555"],
  ] as const
) {
  Deno.test(`3.9 listen on ${text}`, PURE, () => {
    const endpoint = parseBindEndpoint(text);
    assert.deepEqual(endpoint, { hostname, port });
    assert.equal(formatEndpoint(endpoint), again);
  });
}

for (
  const text of [
    "tcp://127.0.0.1",
    "tcp://127.0.0.1:",
    "tcp://127.0.0.1:abc",
    "tcp://127.0.0.1:99999",
    "tcp://127.0.0.1:-1",
    "tcp://127.0.0.1:80x80",
    "foo://127.0.0.1:80",
    "TCP://127.0.0.1:80",
    "tcp://192.168.1.1:0;127.0.0.1:5555",
  ]
) {
  Deno.test(`3.9 ${text} is an error, to listen and to dial`, PURE, () => {
    assert.equal(thrownBy(() => parseBindEndpoint(text)).code, "invalid-address");
    assert.equal(thrownBy(() => parseEndpoint(text)).code, "invalid-address");
  });
}

for (const text of ["tcp://*:5555", "tcp://localhost:*", "tcp://localhost:0"]) {
  Deno.test(`3.9 ${text} is an error to dial`, PURE, () => {
    assert.equal(thrownBy(() => parseEndpoint(text)).code, "invalid-address");
  });
}

Deno.test("3.9 an unknown host is no error: it is looked up at each dial", PURE, () => {
  assert.deepEqual(parseEndpoint("tcp://no.such.host.example:5555"), {
    hostname: "no.such.host.example",
    port: 5555,
  });
});
Deno.test(
  "3.9 the last colon parts an IPv6 address from its port, one pair of brackets is taken off",
  PURE,
  () => {
    assert.deepEqual(parseEndpoint("tcp://[2001:db8::1]:5555"), { hostname: "2001:db8::1", port: 5555 });
    assert.throws(() => parseEndpoint("tcp://[[::1]]:5555"));
  },
);

// 5. Corner cases

for (const [name, from] of [["SUBSCRIBE", 246], ["CANCEL", 249]] as const) {
  for (let size = from; size <= 255; size++) {
    Deno.test(
      `5.1 a ${name} of libzmq 4.3.4 with a topic of ${size} bytes, its LONG flag forgotten, is understood`,
      PURE,
      () => {
        const topic = repeated(0x74, size);
        const broken = encodeCommand(name, topic);
        assert.equal(broken[0], 0x06);
        broken[0] = 0x04;
        const stream = concat(broken, bytes("00 01 01")); // What follows is not misread.
        const expected = [`${name.toLowerCase()} ${latin1(topic)}`, "subscribe "];
        assert.deepEqual(afterReady("PUB", stream), expected);
        const { session, heard } = readySession("PUB");
        for (const byte of stream) session.receive(Uint8Array.of(byte), 0);
        assert.deepEqual(heard.lines, expected, "byte by byte");
      },
    );
  }
}

Deno.test(
  "5.2 a topic of 255 bytes for a peer of 3.0 goes out as a long frame, which libzmq gets wrong",
  PURE,
  () => {
    const { session } = readySession("SUB", { minor: 0 });
    session.changeSubscription({ subscribe: true, topic: repeated(0x74, 255) });
    const output = session.takeOutput()!;
    assert.equal(hex(output.subarray(0, 10)), "02000000000000010001");
    assert.deepEqual(afterReady("PUB", output), [`subscribe ${"t".repeat(255)}`]);
  },
);

Deno.test("5.4 nobody is a peer before READY: no message of a stranger is heard", PURE, () => {
  assert.equal(beforeReady("PULL", bytes("00 05 'hello'")), "unexpected-before-ready");
});

for (const said of ["04 05 04 'PING'", "04 06 04 'PING' 00"]) {
  Deno.test(`5.10 a PING without a whole ttl closes (${said})`, PURE, () => {
    assert.equal(afterReady("PULL", bytes(said)), "bad-command");
  });
}
Deno.test("5.10 a PONG's context is not trusted: it is not looked at", PURE, () => {
  assert.deepEqual(afterReady("SUB", bytes("04 25 04 'PONG' '0123456789abcdef0123456789abcdef'")), ["pong"]);
});

Deno.test("5.11 a large frame that comes slowly does not let the heartbeat time out", PURE, () => {
  const { session, heard } = readySession("PULL", { heartbeatMs: 100 });
  const frame = encodeFrame(repeated(0x61, 1000), 0);
  for (let i = 0; i < frame.length; i++) {
    assert.equal(session.tick(50 * i), undefined, `at ${50 * i}`);
    session.receive(frame.slice(i, i + 1), 50 * i);
  }
  assert.equal(heard.lines.length, 1);
});

for (
  const [what, command] of [["PING", encodePing(0)], ["PONG", encodeCommand("PONG")], [
    "FOO",
    encodeCommand("FOO"),
  ]] as const
) {
  Deno.test(`5.12 ${what} between the frames of a multipart message leaves it whole`, PURE, () => {
    const said = concat(
      bytes("01 01 'a'"),
      command,
      bytes("01 01 'b'"),
      command,
      bytes("00 01 'c'"),
      bytes("00 01 'd'"),
    );
    const heard = afterReady("PULL", said) as string[];
    assert.deepEqual(heard.filter((line) => line !== "pong"), [
      "unfit multipart, 3 bytes, 3 parts",
      "message d",
    ]);
  });
}

Deno.test("5.13 a peer of 3.0 is sent no command of its own accord", PURE, () => {
  const { session } = readySession("SUB", { minor: 0 });
  session.changeSubscription({ subscribe: true, topic: bytes("") });
  assert.equal(session.takeOutput()![0]! & 0x04, 0);
  assert.equal(session.tick(1e9), undefined);
  assert.equal(session.hasOutput, false, "no PING without heartbeats");
});

Deno.test("5.24 a handshake that times out says how far it came", PURE, () => {
  const { session } = openSession("PULL");
  session.receive(greeting(), 0);
  assert.equal(session.tick(10_000)?.message, "Cannot finish handshake: state is handshake after 10000 ms");
});

Deno.test("5.34 our property is spelt exactly Socket-Type", PURE, () => {
  assert(latin1(ready("PULL")).includes("\x0bSocket-Type"));
});

Deno.test("5.35 a PUB takes an XSUB, which subscribes by messages on 3.1, too", PURE, () => {
  const { session, heard } = readySession("PUB", { peer: "XSUB" });
  session.receive(encodeLegacySubscription({ subscribe: true, topic: bytes("'a'") }), 0);
  assert.deepEqual(heard.lines, ["subscribe a"]);
});
Deno.test("5.35 a SUB takes an XPUB, and its welcome message is a message", PURE, () => {
  const { session, heard } = openSession("SUB");
  session.receive(concat(greeting(), ready("XPUB"), bytes("00 07 'welcome'")), 0);
  assert.deepEqual(heard.lines, ["ready XPUB 3.1", "message welcome"]);
});

// 6. Hostile inputs

for (
  const [input, role, said, code] of [
    ["one byte 00", "PULL", bytes("00"), "bad-greeting"],
    ["ff and an even 10th byte", "PULL", bytes("ff 00 00 00 00 00 00 00 01 00"), "bad-greeting"],
    ["revision 0", "PUB", bytes("ff 00 00 00 00 00 00 00 01 7f 00"), "bad-greeting"],
    [
      "an ERROR from a client",
      "PULL",
      concat(greeting(), bytes("04 0a 05 'ERROR' 03 '400'")),
      "refused-by-peer",
    ],
    [
      "endless MORE frames",
      "PULL",
      concat(greeting(), ready("PUSH"), repeated(1, 3 * 1025)),
      "frame-too-large",
    ],
    [
      "empty MORE frames in masses",
      "PULL",
      concat(greeting(), ready("PUSH"), ...Array.from({ length: 1025 }, () => bytes("01 00"))),
      "frame-too-large",
    ],
    [
      "101 unknown commands in a second",
      "PUB",
      concat(greeting(), ready("SUB"), ...Array.from({ length: 101 }, () => encodeCommand("FOO"))),
      "too-much-noise",
    ],
    [
      "a flood of data from a SUB",
      "PUB",
      concat(greeting(), ready("SUB"), ...Array.from({ length: 101 }, () => bytes("00 01 'x'"))),
      "too-much-noise",
    ],
    [
      "a flood of data to a PUSH",
      "PUSH",
      concat(greeting(), ready("PULL"), ...Array.from({ length: 101 }, () => bytes("00 01 'x'"))),
      "too-much-noise",
    ],
  ] as const
) {
  Deno.test(`6 ${input}: closed`, PURE, () => {
    const { session, heard } = openSession(role);
    assert.equal(outcome(session, heard, said), code);
  });
}

Deno.test("6 connect and send nothing, or a byte now and then: closed at the deadline", PURE, () => {
  for (const isDribbling of [false, true]) {
    const { session } = openSession("PULL");
    for (let now = 0; now < 10_000; now += 200) {
      if (isDribbling) session.receive(greeting().slice(now / 200, now / 200 + 1), now);
      assert.equal(session.tick(now), undefined);
    }
    assert.equal(session.tick(10_000)?.code, "handshake-timeout");
  }
});

Deno.test("6 PING flood: one PONG waits, however many PINGs came", PURE, () => {
  const { session } = readySession("PULL");
  for (let i = 0; i < 1000; i++) session.receive(encodePing(0), 0);
  assert.equal(session.takeOutput()!.length, 7);
});

Deno.test("6 PING ttl 1 and then silence: closed after 100 ms as asked", PURE, () => {
  const { session } = readySession("PULL");
  session.receive(encodePing(100), 0);
  assert.equal(session.tick(99), undefined);
  assert.equal(session.tick(100)?.code, "heartbeat-timeout");
});
