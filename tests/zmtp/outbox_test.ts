import assert from "node:assert/strict";
import fc from "fast-check";
import { Block } from "../../zmtp/arena.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { MemoryBudget } from "../../base/memory_budget.ts";
import { Outbox, type QueueLimit } from "../../zmtp/outbox.ts";
import { bytes, concat, hex, PURE } from "./core_test_support.ts";

/** Three messages of 3, 4 and 5 bytes. */
const THREE = bytes("00 01 'a' 00 02 'bc' 00 03 'def'");

/** An outbox that has room for everything. */
function roomy(): Outbox {
  return new Outbox({ messages: 100, bytes: 1000 });
}

Deno.test("Outbox.take() gives what was pushed, in order", PURE, () => {
  const outbox = roomy();
  assert.equal(outbox.push(THREE, 0, 3, 1), 0);
  assert.equal(outbox.push(bytes("00 01 'x'"), 0, 3, 1), 0);
  assert.equal(hex(outbox.take()!), "000161");
  assert.equal(outbox.written(), 1);
  assert.equal(hex(outbox.take()!), "000178");
  assert.equal(outbox.written(), 1);
  assert.equal(outbox.take(), undefined);
});

Deno.test("Outbox.take() gives references, not copies", PURE, () => {
  const outbox = roomy();
  outbox.push(THREE, 3, 7, 1);
  const taken = outbox.take()!;
  assert.equal(taken.buffer, THREE.buffer);
  assert.equal(taken.byteOffset, 3);
});

Deno.test("Outbox.take() joins ranges that touch into one write of at most 64 KiB", PURE, () => {
  const outbox = new Outbox({ messages: 1000, bytes: 1_000_000 });
  const frame = encodeFrame(new Uint8Array(1015), 0); // 1024 bytes
  const block = concat(...Array.from({ length: 100 }, () => frame));
  for (let at = 0; at < block.length; at += 1024) outbox.push(block, at, at + 1024, 1);
  assert.equal(outbox.take()!.length, 64 * 1024);
  assert.equal(outbox.written(), 64);
  assert.equal(outbox.take()!.length, 36 * 1024);
});

Deno.test("Outbox counts what is being written until it is written", PURE, () => {
  const outbox = new Outbox({ messages: 3, bytes: 100 });
  outbox.push(THREE, 0, 12, 3);
  outbox.take();
  assert.equal(outbox.isEmpty, true);
  assert.deepEqual([outbox.messages, outbox.bytes, outbox.hasRoom(1)], [3, 12, false]);
  outbox.written();
  assert.deepEqual([outbox.messages, outbox.bytes, outbox.hasRoom(1)], [0, 0, true]);
});

Deno.test("Outbox.push() takes the first messages that fit and drops the others", PURE, () => {
  const outbox = new Outbox({ messages: 2, bytes: 100 });
  assert.equal(outbox.push(THREE, 0, 12, 3), 1);
  assert.equal(hex(outbox.take()!), "000161" + "00026263");
  assert.equal(outbox.dropped, 1);
});

Deno.test("Outbox.push() keeps its limit of bytes, headers included", PURE, () => {
  const outbox = new Outbox({ messages: 100, bytes: 7 });
  assert.equal(outbox.hasRoom(7), true);
  assert.equal(outbox.hasRoom(8), false);
  assert.equal(outbox.push(THREE, 0, 12, 3), 1);
  assert.equal(outbox.bytes, 7);
});

Deno.test(
  "Outbox.push() drops from the moment it is full until it is half empty, as a libzmq PUB does",
  PURE,
  () => {
    const outbox = new Outbox({ messages: 4, bytes: 1000 });
    const push = () => outbox.push(bytes("00 01 'a'"), 0, 3, 1);
    for (let i = 0; i < 4; i++) assert.equal(push(), 0);
    assert.equal(push(), 1);
    outbox.take();
    outbox.written();
    assert.equal(push(), 1, "three of four wait");
    outbox.take();
    outbox.written();
    assert.equal(push(), 0, "two of four wait");
    assert.equal(outbox.dropped, 2);
  },
);

Deno.test("Outbox with room for nothing drops everything", PURE, () => {
  const outbox = new Outbox({ messages: 0, bytes: 0 });
  assert.equal(outbox.push(THREE, 0, 12, 3), 3);
  assert.equal(outbox.isEmpty, true);
});

for (
  const [offset, written, lost, left] of [
    [0, 0, 0, "000161" + "00026263" + "0003646566"],
    [1, 0, 1, "00026263" + "0003646566"],
    [3, 1, 0, "00026263" + "0003646566"],
    [4, 1, 1, "0003646566"],
    [7, 2, 0, "0003646566"],
    [11, 2, 1, ""],
    [12, 3, 0, ""],
  ] as const
) {
  Deno.test(`Outbox.putBack(${offset}) keeps what was not begun, and loses what was cut`, PURE, () => {
    const outbox = roomy();
    outbox.push(THREE, 0, 12, 3);
    outbox.take();
    assert.deepEqual(outbox.putBack(offset), { written, lost });
    assert.equal(outbox.messages, 3 - written - lost);
    assert.equal(hex(outbox.take() ?? bytes("")), left);
  });
}

Deno.test("Outbox.putBack() puts in front of what was pushed meanwhile", PURE, () => {
  const outbox = roomy();
  outbox.push(THREE, 0, 12, 3);
  outbox.take();
  outbox.push(bytes("00 01 'x'"), 0, 3, 1);
  outbox.putBack(3);
  assert.equal(hex(outbox.take()!), "00026263" + "0003646566");
  outbox.written();
  assert.equal(hex(outbox.take()!), "000178");
});

Deno.test("Outbox.putBack() has nothing to do when nothing was taken", PURE, () => {
  assert.deepEqual(roomy().putBack(0), { written: 0, lost: 0 });
});

Deno.test("Outbox.clear() forgets everything and says how much it was", PURE, () => {
  const outbox = roomy();
  outbox.push(THREE, 0, 12, 3);
  outbox.take();
  outbox.push(THREE, 0, 12, 3);
  assert.equal(outbox.clear(), 6);
  assert.deepEqual([outbox.messages, outbox.bytes, outbox.take()], [0, 0, undefined]);
});

Deno.test("Outbox.written() counts nothing of what was cleared while it was being written", PURE, () => {
  const outbox = roomy();
  outbox.push(THREE, 0, 12, 3);
  outbox.take();
  outbox.clear();
  assert.equal(outbox.written(), 0);
  assert.deepEqual([outbox.messages, outbox.bytes], [0, 0]);
});

/** A block that only an outbox holds, and the memory that it counts against. */
function held(): { outbox: Outbox; memory: MemoryBudget; block: Block } {
  const [outbox, memory] = [roomy(), new MemoryBudget(100)];
  const block = new Block(THREE.slice(), memory, true);
  outbox.push(block.bytes, 0, 12, 3, block);
  block.release();
  return { outbox, memory, block };
}

Deno.test("Outbox holds the block of what waits until it is written", PURE, () => {
  const { outbox, memory } = held();
  assert.equal(memory.used, 12);
  assert.equal(hex(outbox.take()!), hex(THREE));
  assert.equal(memory.used, 12);
  outbox.written();
  assert.equal(memory.used, 0);
});

Deno.test("Outbox.clear() leaves alone what is being written, and counts it no more", PURE, () => {
  const { outbox, memory } = held();
  const taken = outbox.take()!;
  outbox.clear();
  assert.equal(memory.used, 0);
  assert.equal(hex(taken), hex(THREE));
});

for (const drop of ["dropAll", "takeBackAll", "clear"] as const) {
  Deno.test(`Outbox.${drop}() gives back all that waits`, PURE, () => {
    const { outbox, memory } = held();
    assert.equal(outbox[drop](), 3);
    assert.deepEqual([outbox.messages, outbox.bytes, memory.used], [0, 0, 0]);
  });
}

Deno.test("Outbox.push() that just fills it drops nothing afterwards but what does not fit", PURE, () => {
  const outbox = new Outbox({ messages: 100, bytes: 12 });
  assert.equal(outbox.push(THREE, 0, 3, 1), 0);
  assert.equal(outbox.push(THREE, 3, 12, 2), 0);
  outbox.take();
  outbox.putBack(3); // Nine bytes of twelve are left.
  assert.equal(outbox.push(THREE, 0, 3, 1), 0);
});

/** What an outbox promises, done naively: a frame for each entry. */
class NaiveOutbox {
  waiting: Uint8Array[] = [];
  writing: Uint8Array[] = [];
  dropped = 0;
  #isDropping = false;
  readonly #limit: QueueLimit;

  constructor(limit: QueueLimit) {
    this.#limit = limit;
  }

  get messages(): number {
    return this.waiting.length + this.writing.length;
  }

  get bytes(): number {
    return concat(...this.waiting, ...this.writing).length;
  }

  push(frames: readonly Uint8Array[]): number {
    const { messages, bytes } = this.#limit;
    if (this.messages <= messages / 2 && this.bytes <= bytes / 2) this.#isDropping = false;
    let dropped = 0;
    for (const frame of frames) {
      const fits = this.messages + 1 <= messages && this.bytes + frame.length <= bytes;
      if (!fits) this.#isDropping = true;
      if (this.#isDropping) dropped++;
      else this.waiting.push(frame);
    }
    this.dropped += dropped;
    return dropped;
  }

  /** Something was taken: it must be whole frames, the first ones. */
  take(taken: Uint8Array | undefined): void {
    if (taken === undefined) return assert.equal(this.waiting.length, 0);
    while (concat(...this.writing).length < taken.length) this.writing.push(this.waiting.shift()!);
    assert.equal(hex(taken), hex(concat(...this.writing)));
  }

  putBack(offset: number): { written: number; lost: number } {
    const result = { written: 0, lost: 0 };
    for (let at = 0; this.writing.length > 0 && at < offset;) {
      at += this.writing.shift()!.length;
      if (at <= offset) result.written++;
      else result.lost++;
    }
    this.waiting.unshift(...this.writing.splice(0));
    return result;
  }
}

Deno.test("Outbox equals a naive queue: never above its limit, in order, nothing uncounted", PURE, () => {
  const size = fc.oneof(fc.nat(10), fc.integer({ min: 240, max: 300 }));
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ push: fc.array(size, { minLength: 1, maxLength: 6 }), touching: fc.boolean() }),
    },
    { weight: 3, arbitrary: fc.constant("take" as const) },
    { weight: 1, arbitrary: fc.record({ breakAt: fc.double({ min: 0, max: 1, noNaN: true }) }) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  );
  const limit = fc.record({ messages: fc.nat(12), bytes: fc.nat(1500) });
  fc.assert(
    fc.property(limit, fc.array(step, { maxLength: 60, size: "max" }), (limit, steps) => {
      const outbox = new Outbox(limit);
      const model = new NaiveOutbox(limit);
      let block = new Uint8Array(40_000);
      let at = 0;
      let number = 0;
      for (const step of steps) {
        if (step === "take") {
          if (model.writing.length > 0) assert.equal(outbox.written(), model.writing.splice(0).length);
          model.take(outbox.take());
        } else if (step === "clear") {
          assert.equal(outbox.clear(), model.messages);
          model.waiting = [];
          model.writing = [];
        } else if ("push" in step) {
          const frames = step.push.map((size) => encodeFrame(new Uint8Array(size).fill(++number), 0));
          // Another block, at the same place: it does not touch.
          if (!step.touching || at > 30_000) block = new Uint8Array(40_000);
          if (at > 30_000) at = 5;
          const start = at;
          for (const frame of frames) {
            block.set(frame, at);
            at += frame.length;
          }
          assert.equal(outbox.push(block, start, at, frames.length), model.push(frames));
        } else {
          const offset = Math.round(step.breakAt * concat(...model.writing).length);
          assert.deepEqual(outbox.putBack(offset), model.putBack(offset));
        }
        assert.deepEqual(
          [outbox.messages, outbox.bytes, outbox.dropped, outbox.isEmpty],
          [model.messages, model.bytes, model.dropped, model.waiting.length === 0],
        );
        assert(outbox.messages <= limit.messages && outbox.bytes <= limit.bytes);
      }
    }),
    { numRuns: 500 },
  );
});
