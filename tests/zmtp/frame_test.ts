import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../base/errors.ts";
import {
  encodeFrame,
  encodeTextFrame,
  frameBodyStart,
  FrameDecoder,
  frameEnd,
  frameHeaderSize,
  type FrameLimits,
  writeFrameHeader,
} from "../../zmtp/frame.ts";
import { MemoryBudget } from "../../base/memory_budget.ts";
import { FIRST_ALLOCATION_BYTES } from "../../zmtp/wire.ts";
import {
  allocatedBy,
  bytes,
  concat,
  cutAt,
  cuts,
  hex,
  PURE,
  repeated,
  thrownBy,
} from "./core_test_support.ts";

const MIB = 1024 * 1024;

/** What a decoder finds in chunks: a line for each frame, and a last one for the error. */
function decode(
  chunks: readonly Uint8Array[],
  limits: FrameLimits = { maxMessageBytes: MIB },
  commandsOnly = false,
): string[] {
  const found: string[] = [];
  const decoder = new FrameDecoder(limits, {
    handleFrame: (bytes, start, bodyStart, end) =>
      found.push(`${hex(bytes.subarray(start, start + 1))} ${hex(bytes.subarray(bodyStart, end))}`),
    handleSkippedFrame: (flags, size) => found.push(`skipped ${flags} ${size}`),
  });
  decoder.commandsOnly = commandsOnly;
  try {
    for (const chunk of chunks) decoder.push(chunk);
  } catch (error) {
    assert(error instanceof ProtocolError, String(error));
    found.push(error.code);
  }
  return found;
}

/** One case, in each cut of the stream, alone and with bytes behind it. */
function decodes(
  title: string,
  stream: Uint8Array,
  expected: readonly string[],
  limits?: FrameLimits,
  commandsOnly?: boolean,
): Deno.TestDefinition {
  return {
    name: `FrameDecoder.push() ${title}`,
    ...PURE,
    fn: () => {
      for (const [cut, chunks] of cuts(stream)) {
        assert.deepEqual(decode(chunks, limits, commandsOnly), expected, cut);
      }
      if (commandsOnly) return;
      const isDead = /^[a-z-]+$/.test(expected.at(-1) ?? "");
      const withNext = concat(stream, bytes("00 02 'ok'"));
      for (const [cut, chunks] of cuts(withNext)) {
        assert.deepEqual(
          decode(chunks, limits),
          isDead ? expected : [...expected, "00 6f6b"],
          `${cut}, more behind`,
        );
      }
    },
  };
}

const SHORT = bytes("00 03 'abc'");
const LONG = concat(bytes("02 00 00 00 00 00 00 01 00"), repeated(0x79, 256));

Deno.test(decodes("finds nothing in nothing", bytes(""), []));
Deno.test(decodes("finds a short message", SHORT, ["00 616263"]));
Deno.test(decodes("finds an empty message", bytes("00 00"), ["00 "]));
Deno.test(decodes("finds a long message", LONG, [`02 ${"79".repeat(256)}`]));
Deno.test(
  decodes("takes the long form of a small body", bytes("02 00 00 00 00 00 00 00 02 'hi'"), ["02 6869"]),
);
Deno.test(decodes("takes the long form of an empty body", bytes("02 00 00 00 00 00 00 00 00"), ["02 "]));
Deno.test(
  decodes("finds the parts of a message", bytes("01 01 'a' 01 00 00 01 'b'"), ["01 61", "01 ", "00 62"]),
);
Deno.test(decodes("finds a command", bytes("04 05 04 'PING'"), ["04 0450494e47"]));
Deno.test(decodes("finds a long command", concat(bytes("06 00 00 00 00 00 00 01 00"), repeated(0x41, 256)), [
  `06 ${"41".repeat(256)}`,
]));
Deno.test(decodes("finds frames of all kinds in a row", concat(SHORT, bytes("04 02 01 'X'"), LONG, SHORT), [
  "00 616263",
  "04 0158",
  `02 ${"79".repeat(256)}`,
  "00 616263",
]));
for (const flags of ["05", "07"]) {
  Deno.test(decodes(`refuses a command with MORE, ${flags}`, bytes(`${flags} 01 00 00 00 00 00 00 00 00`), [
    "bad-frame",
  ]));
}
for (const flags of ["08", "0f", "10", "20", "40", "80", "f8", "ff"]) {
  Deno.test(decodes(`refuses reserved bits, ${flags}`, bytes(`${flags} 01 00`), ["bad-frame"]));
}
Deno.test(decodes("refuses an empty command", bytes("04 00 04 04"), ["bad-frame"]));
Deno.test(
  decodes("hands over what came before the fault", concat(SHORT, bytes("ff")), ["00 616263", "bad-frame"]),
);

const SMALL = { maxMessageBytes: 4, maxSkippedBytes: 1000, maxCommandBytes: 6 };
Deno.test(decodes("takes a message of just the limit", bytes("00 04 'abcd'"), ["00 61626364"], SMALL));
Deno.test(
  decodes("skips a message above the limit and goes on", bytes("00 05 'abcde'"), ["skipped 0 5"], SMALL),
);
Deno.test(decodes("skips a part above the limit", bytes("01 05 'abcde'"), ["skipped 1 5"], SMALL));
Deno.test(
  decodes(
    "skips long messages above the limit",
    concat(LONG, LONG),
    ["skipped 2 256", "skipped 2 256"],
    SMALL,
  ),
);
Deno.test(decodes("refuses a message that is too large to skip", bytes("02 00 00 00 00 00 00 03 e9"), [
  "frame-too-large",
], SMALL));
Deno.test(
  decodes("takes a command of just the limit", bytes("04 06 01 'X' 00 01 02 03"), ["04 015800010203"], SMALL),
);
Deno.test(decodes("refuses a command above its limit", bytes("04 07 01 'X'"), ["frame-too-large"], SMALL));
for (
  const size of [
    "80 00 00 00 00 00 00 00",
    "ff ff ff ff ff ff ff ff",
    "00 00 01 00 00 00 00 00",
    "00 00 00 02 00 00 00 00",
  ]
) {
  Deno.test(decodes(`refuses the size ${size} when it is read`, bytes(`02 ${size}`), ["frame-too-large"]));
  Deno.test(decodes(`refuses a command of the size ${size}`, bytes(`06 ${size}`), ["frame-too-large"]));
}

Deno.test(
  decodes(
    "refuses a message's first byte while only commands may come",
    bytes("00"),
    ["unexpected-before-ready"],
    SMALL,
    true,
  ),
);
Deno.test(decodes(
  "refuses a long message's first byte while only commands may come",
  bytes("02 ff"),
  [
    "unexpected-before-ready",
  ],
  SMALL,
  true,
));
Deno.test(
  decodes("takes a command while only commands may come", bytes("04 02 01 'X'"), ["04 0158"], SMALL, true),
);

// libzmq 4.3.3 and 4.3.4 (Debian 12) forget LONG in the frame of a SUBSCRIBE or CANCEL of 256 bytes and more (#4367).
for (const [name, from] of [["SUBSCRIBE", 246], ["CANCEL", 249]] as const) {
  for (let topic = from; topic <= 255; topic++) {
    const body = concat(
      bytes(`${name.length.toString(16).padStart(2, "0")} '${name}'`),
      repeated(0x74, topic),
    );
    const stream = concat(bytes("04 00 00 00 00 00 00 01"), Uint8Array.of(body.length & 0xff), body);
    Deno.test(
      decodes(`understands libzmq 4.3.4's broken ${name} of ${topic} bytes`, stream, [`04 ${hex(body)}`]),
    );
  }
}
Deno.test(
  decodes(
    "refuses an empty command in front of another size than libzmq 4.3.4's",
    bytes("04 00 00 00 00 00 00 02 04"),
    [
      "bad-frame",
    ],
  ),
);
Deno.test(
  decodes(
    "refuses an empty command in front of another name",
    bytes("04 00 00 00 00 00 00 01 04 09 'UNSUBSCRI'"),
    [
      "bad-frame",
    ],
  ),
);
Deno.test(
  decodes(
    "refuses an empty command in front of a message",
    bytes("04 00 00 00 00 00 00 01 10 09 'SUBSCRIBE'"),
    [
      "bad-frame",
    ],
  ),
);

Deno.test("FrameDecoder.push() refuses a wrong byte of the flags before the next one comes", PURE, () => {
  for (const first of ["05", "07", "08", "ff"]) {
    assert.deepEqual(decode([bytes(first)]), ["bad-frame"], first);
  }
});

Deno.test("FrameDecoder.push() leaves the bytes of each frame as they are until it returns", PURE, () => {
  // The broker passes on what one read brought when the read is over, not frame by frame.
  const frames: Uint8Array[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: MIB }, {
    handleFrame: (bytes, start, _bodyStart, end) => frames.push(bytes.subarray(start, end)),
    handleSkippedFrame() {},
  });
  decoder.push(bytes("00 03 'ab'"));
  decoder.push(bytes("'c' 00 03 'xy'"));
  assert.deepEqual(frames.map(hex), ["0003616263"]);
});

Deno.test("FrameDecoder.push() hands over a frame that lies in one chunk where it lies", PURE, () => {
  const chunk = concat(SHORT, SHORT);
  const places: unknown[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: MIB }, {
    handleFrame: (bytes, start, bodyStart, end) => places.push([bytes === chunk, start, bodyStart, end]),
    handleSkippedFrame() {},
  });
  decoder.push(chunk);
  assert.deepEqual(places, [[true, 0, 2, 5], [true, 5, 7, 10]]);
});

Deno.test("FrameDecoder.push() allocates for what has come, not for what is announced", PURE, () => {
  const announced = bytes("02 00 00 00 00 01 00 00 00"); // 16 MiB
  const decoder = new FrameDecoder({ maxMessageBytes: 16 * MIB }, {
    handleFrame() {},
    handleSkippedFrame() {},
  });
  assert(allocatedBy(() => decoder.push(concat(announced, bytes("00")))) <= 2 * FIRST_ALLOCATION_BYTES);
  const chunk = new Uint8Array(FIRST_ALLOCATION_BYTES);
  let came = 10;
  for (let i = 0; i < 200; i++) {
    const allocated = allocatedBy(() => decoder.push(chunk));
    came += chunk.length;
    assert(allocated <= 4 * came + FIRST_ALLOCATION_BYTES, `${allocated} bytes after ${came} came`);
  }
});

Deno.test("FrameDecoder.push() stores nothing of a message that it skips", PURE, () => {
  const decoder = new FrameDecoder({ maxMessageBytes: 10 }, { handleFrame() {}, handleSkippedFrame() {} });
  decoder.push(bytes("02 00 00 00 00 10 00 00 00")); // 256 MiB
  const chunk = new Uint8Array(64 * 1024);
  assert.equal(
    allocatedBy(() => {
      for (let i = 0; i < 4096; i++) decoder.push(chunk);
    }),
    0,
  );
});

Deno.test("FrameDecoder gives back what a frame in pieces used, handed over or forgotten", PURE, () => {
  const memory = new MemoryBudget(1_000_000);
  const decoder = new FrameDecoder({ maxMessageBytes: 100_000, memory }, {
    handleFrame() {},
    handleSkippedFrame() {},
  });
  const frame = encodeFrame(repeated(1, 50_000), 0);
  for (const end of [() => decoder.push(frame.subarray(20_000)), () => decoder.forget()]) {
    decoder.push(frame.subarray(0, 20_000));
    assert(memory.used >= 20_000, `${memory.used} bytes`);
    end();
    assert.equal(memory.used, 0);
  }
});

Deno.test("FrameDecoder.room is refused where memory is short, and nothing is taken for it", PURE, () => {
  const memory = new MemoryBudget(1_000_000);
  const decoder = new FrameDecoder({ maxMessageBytes: 1_000_000, memory }, {
    handleFrame() {},
    handleSkippedFrame() {},
  });
  const frame = encodeFrame(repeated(1, 500_000), 0);
  decoder.push(frame.subarray(0, 1000));
  // All that was allocated for it is in use.
  decoder.push(frame.subarray(1000, decoder.heldBytes));
  while (memory.takeSpare(4096));
  const { used } = memory;
  assert(decoder.room === undefined);
  assert.equal(memory.used, used);
  memory.give(900_000);
  assert(decoder.room !== undefined);
});

Deno.test("FrameDecoder.push() with any cut of valid frames finds the same frames", PURE, () => {
  const frame = fc.record({
    flags: fc.constantFrom(0, 1, 2, 3, 4, 6),
    body: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.uint8Array({ minLength: 250, maxLength: 700 }),
    ),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(3000)), (frames, places) => {
      const stream = concat(...frames.map(({ flags, body }) => encodeFrame(body, flags & ~2)));
      const expected = frames.map(({ flags, body }) =>
        `${hex(Uint8Array.of((flags & ~2) | (body.length > 255 ? 2 : 0)))} ${hex(body)}`
      );
      assert.deepEqual(decode(cutAt(stream, places)), expected);
    }),
  );
});

/** Bytes that look like frames often enough to get past the first. */
const garbage = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(
      bytes("00 01 'a'"),
      bytes("01 00"),
      bytes("04 05 04 'PING'"),
      bytes("04 00 00 00 00 00 00 01 04 09 'SUBSC'"),
      bytes("02 00 00 00 00 00 00"),
      bytes("02 00 00 00 00 00 00 00 07"),
      bytes("06 00 00 00 00 00 00 00 03 02 'XY'"),
    ),
  ),
  { maxLength: 12 },
).map((parts) => concat(...parts));

Deno.test(
  "FrameDecoder.push() with any cut of garbage finds the same frames and the same ProtocolError, if any",
  PURE,
  () => {
    fc.assert(
      fc.property(garbage, fc.array(fc.nat(200)), (stream, places) => {
        const whole = decode([stream], SMALL);
        assert.deepEqual(decode(cutAt(stream, places), SMALL), whole);
        assert.deepEqual(decode(cutAt(stream, stream.keys()), SMALL), whole);
      }),
      { numRuns: 1000 },
    );
  },
);

Deno.test("FrameDecoder.push() with garbage allocates no more than came and a constant", PURE, () => {
  fc.assert(
    fc.property(garbage, (stream) => {
      const chunks = cutAt(stream, stream.keys());
      assert(allocatedBy(() => void decode(chunks)) <= 64 * 1024 + 512 * stream.length);
    }),
  );
});

Deno.test("encodeFrame() uses LONG from 256 bytes on, as libzmq does", PURE, () => {
  assert.equal(hex(encodeFrame(repeated(1, 255), 0).subarray(0, 3)), "00ff01");
  assert.equal(hex(encodeFrame(repeated(1, 256), 0).subarray(0, 10)), "02000000000000010001");
  assert.equal(hex(encodeFrame(repeated(1, 256), 4).subarray(0, 10)), "06000000000000010001");
});

Deno.test("encodeTextFrame() encodes UTF-8", PURE, () => {
  assert.equal(hex(encodeTextFrame("é€😀")), "0009c3a9e282acf09f9880");
});

Deno.test("encodeTextFrame() gives each text bytes of its own, whatever its size", PURE, () => {
  const texts = Array.from({ length: 2000 }, (_, i) => `${"é€😀a"[i % 5] ?? "b"}`.repeat(i % 400));
  const frames = texts.map(encodeTextFrame);
  const encoder = new TextEncoder();
  texts.forEach((text, i) =>
    assert.deepEqual(frames[i], encodeFrame(encoder.encode(text.toWellFormed()), 0))
  );
});

Deno.test("writeFrameHeader() writes sizes above 2^32", PURE, () => {
  const header = new Uint8Array(9);
  writeFrameHeader(header, 0, 0, 0x12_3456_789a);
  assert.equal(hex(header), "02000000123456789a");
});

Deno.test("frameEnd() and frameBodyStart() find what encodeFrame() wrote", PURE, () => {
  for (const size of [0, 1, 255, 256, 70_000]) {
    const frame = concat(bytes("ff"), encodeFrame(repeated(7, size), 0));
    assert.equal(frameEnd(frame, 1), frame.length);
    assert.equal(frameBodyStart(frame, 1), 1 + frameHeaderSize(size));
  }
});

Deno.test("FrameDecoder's error says the size and the limit", PURE, () => {
  const decoder = new FrameDecoder({ maxMessageBytes: 5, maxSkippedBytes: 9 }, {
    handleFrame() {},
    handleSkippedFrame() {},
  });
  const error = thrownBy(() => decoder.push(bytes("00 0a")));
  assert.equal(error.message, "Cannot decode frame: body is 10 bytes, limit is 9");
});

Deno.test(
  "FrameDecoder.push() with skipsParts keeps nothing of a frame with MORE that comes in pieces",
  PURE,
  () => {
    const seen: string[] = [];
    const decoder = new FrameDecoder({ maxMessageBytes: 1_000_000, skipsParts: true }, {
      handleFrame: (_bytes, _start, bodyStart, end) => seen.push(`frame of ${end - bodyStart}`),
      handleSkippedFrame: (flags, size) => seen.push(`skipped ${size}, flags ${flags}`),
    });
    const part = encodeFrame(new Uint8Array(500_000), 0x01);
    const last = encodeFrame(new Uint8Array(3), 0);

    const allocated = allocatedBy(() => {
      for (let at = 0; at < part.length; at += 1000) decoder.push(part.subarray(at, at + 1000));
    });
    decoder.push(last);

    assert.deepEqual(seen, ["skipped 500000, flags 3", "frame of 3"]);
    assert(allocated < 10_000, `${allocated} bytes`);
  },
);
