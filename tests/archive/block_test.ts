/** Blocks: what goes in comes out, and what is damaged is told. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BlockWriter } from "../../archive/block_writer.ts";
import { joinBlocks, walkBlock } from "../../archive/worker/block.js";
import { frames } from "./support/files.ts";

const permissions = "none";
const decoder = new TextDecoder();

interface Head {
  readonly first: number;
  readonly count: number;
  readonly t0: number;
}
type Read = readonly [seq: number, time: number, text: string];

function write(reads: readonly { readonly time: number; readonly texts: readonly string[] }[]): {
  readonly bytes: Uint8Array;
  readonly head: Head;
  readonly t1: number;
} {
  const size = reads.reduce((sum, { texts }) => sum + BlockWriter.sizeFor(frames(...texts).length), 0);
  const writer = new BlockWriter(new Uint8Array(size), reads[0]!.time);
  for (const { time, texts } of reads) {
    const bytes = frames(...texts);
    writer.add(bytes, 0, bytes.length, texts.length, time);
  }
  return {
    bytes: writer.bytes.subarray(0, writer.size),
    head: { first: 1, count: writer.count, t0: writer.from },
    t1: writer.until,
  };
}

function readAll(bytes: Uint8Array, head: Head): Read[] {
  const found: Read[] = [];
  walkBlock(bytes, head, (seq: number, time: number, start: number, end: number) => {
    found.push([seq, time, decoder.decode(bytes.subarray(start, end))]);
  });
  return found;
}

Deno.test({
  name:
    "A block gives back its messages with number and time: empty objects, short and long ones, one of 16 MiB",
  permissions,
  fn() {
    const long = `{"a":"${"x".repeat(300)}"}`;
    const huge = `{"a":"${"y".repeat(16 * 1024 * 1024)}"}`;
    const { bytes, head } = write([
      { time: 1_700_000_000_000_000, texts: ["{}", long] },
      { time: 1_700_000_000_000_127, texts: ['{"a":1}'] },
      { time: 1_700_000_000_000_255, texts: [huge] },
    ]);
    assert.deepEqual(readAll(bytes, head), [
      [1, 1_700_000_000_000_000, "{}"],
      [2, 1_700_000_000_000_000, long],
      [3, 1_700_000_000_000_127, '{"a":1}'],
      [4, 1_700_000_000_000_255, huge],
    ]);
  },
});

Deno.test({
  name: "Pauses and numbers at the borders of a varint survive",
  permissions,
  fn() {
    const borders = [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 86_400_000_000, 2 ** 45];
    let time = 1;
    const reads = borders.map((pause) => ({ time: time += pause, texts: ["{}"] }));
    const { bytes, head } = write([{ time: 1, texts: new Array(20_000).fill("{}") }, ...reads]);
    assert.deepEqual(
      readAll(bytes, head).slice(20_000).map(([, time]) => time),
      reads.map(({ time }) => time),
    );
  },
});

Deno.test({
  name: "walkBlock() ends when its visitor says so",
  permissions,
  fn() {
    const { bytes, head } = write([{ time: 1, texts: ["{}", "{}", "{}"] }]);
    const seen: number[] = [];
    walkBlock(bytes, head, (seq: number) => {
      seen.push(seq);
      return seq === 2;
    });
    assert.deepEqual(seen, [1, 2]);
  },
});

Deno.test({
  name: "Two blocks joined are the block that has the messages of both",
  permissions,
  fn() {
    const reads = fc.array(
      fc.record({
        pause: fc.integer({ min: 0, max: 100_000 }),
        texts: fc.array(fc.json({ maxDepth: 1 }), { minLength: 1, maxLength: 200 }),
      }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(fc.property(reads, reads, (a, b) => {
      let time = 1000;
      const timed = (list: typeof a) => list.map(({ pause, texts }) => ({ time: time += pause, texts }));
      const [before, after] = [write(timed(a)), write(timed(b))];
      const joined = joinBlocks(before, { ...after, t0: after.head.t0 });
      const count = before.head.count + after.head.count;
      assert.deepEqual(readAll(joined, { ...before.head, count }), [
        ...readAll(before.bytes, before.head),
        ...readAll(after.bytes, { ...after.head, first: before.head.count + 1 }),
      ]);
    }));
  },
});

Deno.test({
  name: "A block with flipped or missing bytes gives messages or the code damaged, nothing else, and ends",
  permissions,
  fn() {
    const { bytes, head } = write([
      { time: 10, texts: ["{}", '{"a":1}', `{"b":"${"x".repeat(400)}"}`] },
      { time: 500, texts: ['{"c":[1,2,3]}'] },
    ]);
    const change = fc.record({
      flips: fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
      end: fc.nat(bytes.length),
    });
    fc.assert(
      fc.property(change, ({ flips, end }) => {
        const broken = bytes.slice(0, end);
        for (const [at, mask] of flips) if (at < end) broken[at]! ^= mask;
        try {
          assert(readAll(broken, head).length <= head.count);
        } catch (error) {
          assert.equal((error as { archiveCode?: string }).archiveCode, "damaged");
        }
      }),
      { numRuns: 2000 },
    );
  },
});

Deno.test({
  name: "A block that was cut, or has more or fewer messages than it says, is damaged",
  permissions,
  fn() {
    const { bytes, head } = write([{ time: 10, texts: ["{}", '{"a":1}'] }]);
    const damaged = { archiveCode: "damaged" };
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => readAll(bytes.subarray(0, end), head), damaged);
    }
    assert.throws(() => readAll(bytes, { ...head, count: 1 }), damaged);
    assert.throws(() => readAll(bytes, { ...head, count: 3 }), damaged);
  },
});

Deno.test({
  name: "BlockWriter has room for what needs no more than is left, its two numbers included",
  permissions,
  fn() {
    const writer = new BlockWriter(new Uint8Array(BlockWriter.sizeFor(84)), 1);
    assert.equal(writer.hasRoomFor(84), true);
    assert.equal(writer.hasRoomFor(85), false);
  },
});

Deno.test({
  name: "A block with more messages than it says gives back none of them",
  permissions,
  fn() {
    const { bytes, head } = write([{ time: 1, texts: ["{}", '{"a":1}'] }]);
    const seen: number[] = [];
    assert.throws(
      () => walkBlock(bytes, { ...head, count: 1 }, (seq: number) => void seen.push(seq)),
      { archiveCode: "damaged" },
    );
    assert.deepEqual(seen, []);
  },
});

Deno.test({
  name: "A number of more bytes than any of ours is damage",
  permissions,
  fn() {
    const one = [0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
    const bytes = Uint8Array.of(...one, 0, 0, 2, 0x7b, 0x7d);
    assert.throws(() => walkBlock(bytes, { first: 1, count: 1, t0: 0 }, () => {}), {
      archiveCode: "damaged",
    });
  },
});
