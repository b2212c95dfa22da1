import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FrameDecoder, type FrameHandler } from "../../zmtp/frame.ts";
import { MemoryBudget } from "../../base/memory_budget.ts";
import { concat, PURE } from "./core_test_support.ts";

const KIB = 1024;

/** A body whose bytes tell their place. */
function body(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

function collect(frames: Uint8Array[]): FrameHandler {
  return {
    handleFrame: (bytes, _start, bodyStart, end) => frames.push(bytes.slice(bodyStart, end)),
    handleSkippedFrame: () => assert.fail("no frame is above the limit"),
  };
}

/** Reads a stream as a link does: into the decoder's room where it offers one, and never more than `most` bytes at once. */
function readAll(decoder: FrameDecoder, stream: Uint8Array, most: () => number): number {
  let inPlace = 0;
  for (let at = 0; at < stream.length;) {
    const { room } = decoder;
    const size = Math.min(most(), room?.length ?? Infinity, stream.length - at);
    if (room === undefined) decoder.push(stream.slice(at, at + size));
    else {
      room.set(stream.subarray(at, at + size));
      decoder.filled(size);
      inPlace += size;
    }
    at += size;
  }
  return inPlace;
}

Deno.test("FrameDecoder.room takes most of a large frame, and the same frames come of it", PURE, () => {
  const bodies = [body(10), body(1000 * KIB), body(300), body(70 * KIB), body(256 * KIB), body(0)];
  const stream = concat(...bodies.map((bytes) => encodeFrame(bytes, 0)));
  const frames: Uint8Array[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: 2048 * KIB }, collect(frames));
  const inPlace = readAll(decoder, stream, () => 64 * KIB);
  assert.deepEqual(frames, bodies);
  assert(inPlace > 800 * KIB, `${inPlace} bytes were read in place`);
});

Deno.test("FrameDecoder.room gives the same frames however the stream is cut", PURE, () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 400 * KIB })), {
    maxLength: 5,
  });
  const reads = fc.array(fc.integer({ min: 1, max: 256 * KIB }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(sizes, reads, (sizes, reads) => {
      const bodies = sizes.map(body);
      const frames: Uint8Array[] = [];
      const decoder = new FrameDecoder({ maxMessageBytes: 2048 * KIB }, collect(frames));
      let turn = 0;
      // Some reads are a few bytes long, so that headers are cut as well.
      readAll(
        decoder,
        concat(...bodies.map((bytes) => encodeFrame(bytes, 0))),
        () => Math.max(1, reads[turn++ % reads.length]! >> (turn % 3 === 0 ? 12 : 0)),
      );
      assert.deepEqual(frames, bodies);
    }),
    { numRuns: 40 },
  );
});

Deno.test("FrameDecoder.room is refused where memory is short, and push then says so", PURE, () => {
  const memory = new MemoryBudget(200 * KIB);
  const decoder = new FrameDecoder({ maxMessageBytes: 2048 * KIB, memory }, collect([]));
  const stream = encodeFrame(body(1000 * KIB), 0);
  decoder.push(stream.slice(0, 64 * KIB));
  assert.throws(
    () => readAll(decoder, stream.slice(64 * KIB), () => 64 * KIB),
    { name: "ProtocolError", code: "memory-budget" },
  );
  assert(memory.used <= memory.limit);
});

Deno.test("FrameDecoder.room takes memory from nobody, push does", PURE, () => {
  const memory = new MemoryBudget(400 * KIB);
  assert(memory.take(300 * KIB));
  let reliefs = 0;
  memory.join({
    heldBytes: 300 * KIB,
    lastProgress: 0,
    giveWay: () => {
      memory.give(300 * KIB);
      return ++reliefs === 1;
    },
  });
  const decoder = new FrameDecoder({ maxMessageBytes: 2048 * KIB, memory }, collect([]));
  const stream = encodeFrame(body(1000 * KIB), 0);
  decoder.push(stream.slice(0, 64 * KIB));
  assert(decoder.room === undefined);
  assert.equal(reliefs, 0);
  decoder.push(stream.slice(64 * KIB, 65 * KIB));
  assert.equal(reliefs, 1);
  assert(decoder.room !== undefined);
});

Deno.test("FrameDecoder.room is not there for what is small, skipped or done", PURE, () => {
  const decoder = new FrameDecoder({ maxMessageBytes: 100 * KIB }, {
    handleFrame: () => {},
    handleSkippedFrame: () => {},
  });
  assert(decoder.room === undefined);
  decoder.push(encodeFrame(body(60 * KIB), 0).slice(0, 20));
  assert(decoder.room === undefined, "small");
  decoder.push(encodeFrame(body(60 * KIB), 0).slice(20));
  decoder.push(encodeFrame(body(200 * KIB), 0).slice(0, 20));
  assert(decoder.room === undefined, "skipped");
});
