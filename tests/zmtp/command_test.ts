import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../base/errors.ts";
import {
  encodeCommand,
  encodeError,
  encodeLegacySubscription,
  encodeMetadata,
  encodePing,
  encodePong,
  encodeReady,
  encodeSubscription,
  type Metadata,
  parseCommand,
  parseError,
  parseLegacySubscription,
  parseMetadata,
  parsePing,
  socketTypeMetadata,
  socketTypeOf,
} from "../../zmtp/command.ts";
import { frameBodyStart } from "../../zmtp/frame.ts";
import { bytes, concat, hex, latin1, PURE, repeated, thrownBy } from "./core_test_support.ts";

/** The body of a frame. */
function bodyOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(frameBodyStart(frame, 0));
}

// The bytes that were captured from libzmq 4.3.4 and 4.3.5.
const CAPTURED: readonly (readonly [what: string, ours: Uint8Array, theirs: string])[] = [
  [
    "READY of a PULL",
    encodeReady(socketTypeMetadata("PULL")),
    "041a 05 5245414459 0b 536f636b65742d54797065 00000004 50554c4c",
  ],
  [
    "READY of a PUSH",
    encodeReady(socketTypeMetadata("PUSH")),
    "041a 05 5245414459 0b 536f636b65742d54797065 00000004 50555348",
  ],
  [
    "READY of a PUB",
    encodeReady(socketTypeMetadata("PUB")),
    "0419 05 5245414459 0b 536f636b65742d54797065 00000003 505542",
  ],
  [
    "READY of a SUB",
    encodeReady(socketTypeMetadata("SUB")),
    "0419 05 5245414459 0b 536f636b65742d54797065 00000003 535542",
  ],
  ['SUBSCRIBE ""', encodeSubscription({ subscribe: true, topic: bytes("") }), "040a 09535542534352494245"],
  [
    'SUBSCRIBE "ab"',
    encodeSubscription({ subscribe: true, topic: bytes("'ab'") }),
    "040c 09535542534352494245 6162",
  ],
  [
    'CANCEL "ab"',
    encodeSubscription({ subscribe: false, topic: bytes("'ab'") }),
    "0409 0643414e43454c 6162",
  ],
  ['subscribe "" of 3.0', encodeLegacySubscription({ subscribe: true, topic: bytes("") }), "0001 01"],
  [
    'subscribe "ab" of 3.0',
    encodeLegacySubscription({ subscribe: true, topic: bytes("'ab'") }),
    "0003 016162",
  ],
  [
    'cancel "ab" of 3.0',
    encodeLegacySubscription({ subscribe: false, topic: bytes("'ab'") }),
    "0003 006162",
  ],
  ["PING with a ttl of 1000 ms", encodePing(1000), "0407 0450494e47 000a"],
  ['PONG to "ctx!"', encodePong(bytes("'ctx!'")), "0409 04504f4e47 63747821"],
  ["ERROR 400", encodeError("400"), "040a 054552524f52 03 343030"],
];
for (const [what, ours, theirs] of CAPTURED) {
  Deno.test(
    `A command is encoded as libzmq does it: ${what}`,
    PURE,
    () => assert.equal(hex(ours), theirs.replaceAll(" ", "")),
  );
}

Deno.test(
  "encodeSubscription() writes LONG for a topic of 246 bytes and more, which libzmq 4.3.4 forgets",
  PURE,
  () => {
    assert.equal(
      hex(encodeSubscription({ subscribe: true, topic: repeated(1, 245) }).subarray(0, 2)),
      "04ff",
    );
    assert.equal(
      hex(encodeSubscription({ subscribe: true, topic: repeated(1, 246) }).subarray(0, 9)),
      "060000000000000100",
    );
  },
);

Deno.test(
  "encodeLegacySubscription() writes LONG for a topic of 255 bytes, which every libzmq forgets",
  PURE,
  () => {
    assert.equal(
      hex(encodeLegacySubscription({ subscribe: true, topic: repeated(1, 255) }).subarray(0, 10)),
      "02000000000000010001",
    );
  },
);

Deno.test("parseCommand() reads what encodeCommand() wrote", PURE, () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z]{1,255}$/), fc.uint8Array({ maxLength: 600 }), (name, data) => {
      const command = parseCommand(bodyOf(encodeCommand(name, data)));
      assert.equal(command.name, name);
      assert.equal(hex(command.data), hex(data));
    }),
  );
});

for (
  const [what, body] of [
    ["an empty body", ""],
    ["an empty name", "00"],
    ["an empty name with data behind", "00 'PING'"],
    ["a name longer than the body", "05 'PING'"],
    ["nothing but a length", "01"],
  ] as const
) {
  Deno.test(`parseCommand() refuses ${what}`, PURE, () => {
    const error = thrownBy(() => parseCommand(bytes(body)));
    assert(error instanceof ProtocolError);
    assert.equal(error.code, "bad-command");
  });
}

Deno.test("parseCommand() keeps case, since it matters", PURE, () => {
  assert.equal(parseCommand(bytes("09 'subscribe' 'a'")).name, "subscribe");
});

Deno.test("parseCommand() with garbage gives a command or one ProtocolError", PURE, () => {
  fc.assert(
    fc.property(fc.uint8Array(), (body) => {
      try {
        const { name, data } = parseCommand(body);
        assert.equal(1 + name.length + data.length, body.length);
      } catch (error) {
        assert(error instanceof ProtocolError);
      }
    }),
  );
});

const metadata = fc.array(
  fc.tuple(fc.stringMatching(/^[A-Za-z0-9_.+-]{1,30}$/), fc.uint8Array({ maxLength: 300 })),
  { maxLength: 10 },
);

Deno.test("parseMetadata() reads what encodeMetadata() wrote", PURE, () => {
  fc.assert(fc.property(metadata, (properties: Metadata) => {
    const parsed = parseMetadata(encodeMetadata(properties));
    assert.deepEqual(
      parsed.map(([name, value]) => [name, hex(value)]),
      properties.map(([name, value]) => [name, hex(value)]),
    );
  }));
});

Deno.test("parseMetadata() refuses each property that is cut", PURE, () => {
  const whole = encodeMetadata([["Socket-Type", bytes("'PUSH'")]]);
  assert.deepEqual(parseMetadata(bytes("")), []);
  for (let size = 1; size < whole.length; size++) {
    assert.equal(
      thrownBy(() => parseMetadata(whole.subarray(0, size))).code,
      "bad-metadata",
      `${size} bytes`,
    );
  }
});

Deno.test("parseMetadata() reads within its bytes, wherever they lie", PURE, () => {
  const whole = concat(bytes("ff ff ff"), encodeMetadata([["A", bytes("'b'")]]), bytes("ff ff ff"));
  const parsed = parseMetadata(whole.subarray(3, whole.length - 3));
  assert.deepEqual(parsed.map(([name, value]) => [name, latin1(value)]), [["A", "b"]]);
});

Deno.test("parseMetadata() keeps its values when the bytes are overwritten", PURE, () => {
  const whole = encodeMetadata([["A", bytes("'b'")]]);
  const [[, value]] = parseMetadata(whole) as [[string, Uint8Array]];
  whole.fill(0);
  assert.equal(latin1(value), "b");
});

Deno.test("parseMetadata() with garbage gives properties or one ProtocolError", PURE, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        assert.equal(hex(encodeMetadata(parseMetadata(bytes))), hex(bytes));
      } catch (error) {
        assert(error instanceof ProtocolError);
        assert.equal(error.code, "bad-metadata");
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("socketTypeOf() compares names without regard to case and leaves values as they are", PURE, () => {
  assert.equal(socketTypeOf([["sOCKET-tYPE", bytes("'push' 00")]]), "push\0");
});

Deno.test("encodeError() cuts a reason to what its length can say", PURE, () => {
  const frame = encodeError("x".repeat(300));
  assert.equal(parseError(parseCommand(bodyOf(frame)).data).length, 255);
});

Deno.test("parseError() reads what encodeError() wrote", PURE, () => {
  assert.equal(parseError(parseCommand(bodyOf(encodeError("Invalid metadata"))).data), "Invalid metadata");
});

Deno.test("parseError() makes do with what is there when the length is wrong", PURE, () => {
  assert.equal(parseError(bytes("")), "");
  assert.equal(parseError(bytes("09 'abc'")), "abc");
  assert.equal(parseError(bytes("01 'abc'")), "a");
});

Deno.test("parseLegacySubscription() tells subscriptions from other messages", PURE, () => {
  assert.deepEqual(parseLegacySubscription(bytes("01")), { subscribe: true, topic: bytes("") });
  assert.deepEqual(parseLegacySubscription(bytes("00 'a'")), { subscribe: false, topic: bytes("'a'") });
  for (const other of ["", "02", "'a'", "ff 00"]) {
    assert.equal(parseLegacySubscription(bytes(other)), undefined);
  }
});

Deno.test("encodePing() never says a ttl above 655, which libzmq takes for milliseconds", PURE, () => {
  assert.equal(hex(encodePing(65_500).subarray(-2)), "028f");
  for (const ttlMs of [65_600, 1e9, Infinity]) {
    assert.equal(hex(encodePing(ttlMs).subarray(-2)), "028f", `${ttlMs}`);
  }
});

Deno.test("encodePing() rounds up, so that a short ttl does not become none", PURE, () => {
  assert.equal(hex(encodePing(1).subarray(-2)), "0001");
  assert.equal(hex(encodePing(101).subarray(-2)), "0002");
  assert.equal(hex(encodePing(0).subarray(-2)), "0000");
});

Deno.test("parsePing() reads ttl and context, and cuts the context to 16 bytes", PURE, () => {
  assert.deepEqual(parsePing(bytes("00 0a 'ctx!'")), { ttlMs: 1000, context: bytes("'ctx!'") });
  assert.equal(parsePing(bytes("ff ff")).ttlMs, 6_553_500);
  assert.equal(latin1(parsePing(bytes("00 00 '0123456789abcdefXYZ'")).context), "0123456789abcdef");
});

Deno.test("parsePing() refuses a PING without ttl", PURE, () => {
  for (const data of ["", "00"]) assert.equal(thrownBy(() => parsePing(bytes(data))).code, "bad-command");
});
