import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, encodeTextFrame } from "../../zmtp/frame.ts";
import { Block } from "../../zmtp/arena.ts";
import { MemoryBudget } from "../../base/memory_budget.ts";
import { Outbox } from "../../zmtp/outbox.ts";
import { Subscriptions } from "../../zmtp/subscriptions.ts";
import { TopicGroup } from "../../zmtp/topic_group.ts";
import { concat, PURE } from "./core_test_support.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function topics(...texts: readonly string[]): Subscriptions {
  const subscriptions = new Subscriptions();
  for (const text of texts) subscriptions.add(encoder.encode(text));
  return subscriptions;
}

/** The bodies of all that waits, in order. */
function drain(outbox: Outbox): string[] {
  const texts: string[] = [];
  for (let bytes; (bytes = outbox.take()) !== undefined; outbox.written()) {
    for (let at = 0; at < bytes.length; at += 2 + bytes[at + 1]!) {
      texts.push(decoder.decode(bytes.subarray(at + 2, at + 2 + bytes[at + 1]!)));
    }
  }
  return texts;
}

Deno.test(
  "TopicGroup gives every member the same matching messages in order, whatever the mixture",
  PURE,
  () => {
    fc.assert(fc.property(fc.array(fc.stringMatching(/^[ab]{0,3}$/), { maxLength: 40 }), (texts) => {
      const group = new TopicGroup("a", undefined);
      const outboxes = [1, 2].map(() => new Outbox({ messages: 1000, bytes: 100_000 }));
      const stream = concat(...texts.map(encodeTextFrame));

      group.select(topics("a"), stream, 0, stream.length);
      for (const outbox of outboxes) group.pushTo(outbox);
      group.letGo();
      stream.fill(0xff);

      const expected = texts.filter((text) => text.startsWith("a"));
      for (const outbox of outboxes) assert.deepEqual(drain(outbox), expected);
    }));
  },
);

Deno.test(
  "TopicGroup gives its memory back when all that it selected is written and nobody is left",
  PURE,
  () => {
    const memory = new MemoryBudget(1_000_000);
    const group = new TopicGroup("a", memory);
    const outbox = new Outbox({ messages: 1000, bytes: 1_000_000 });
    const stream = concat(
      ...Array.from({ length: 500 }, (_, i) => encodeTextFrame(`a${"x".repeat(200)}${i}`)),
    );
    group.select(topics("a"), stream, 0, stream.length);
    group.pushTo(outbox);
    group.letGo();
    assert.ok(memory.used >= stream.length);

    assert.equal(drain(outbox).length, 500);
    group.release();

    assert.equal(memory.used, 0);
  },
);

Deno.test("TopicGroup lets go of a large message, and leaves it to those who hold it", PURE, () => {
  const group = new TopicGroup("a", undefined);
  const outbox = new Outbox({ messages: 1000, bytes: 1_000_000 });
  const [first, second] = ["a", "ab"].map((text) => {
    const frame = encodeFrame(encoder.encode(text.padEnd(300_000, "x")), 0);
    return new Block(frame, undefined, true);
  }) as [Block, Block];
  for (const block of [first, second]) {
    group.select(topics("a"), block.bytes, 0, block.bytes.length, block);
    group.pushTo(outbox);
    group.letGo();
    assert.equal(outbox.take()!.length, 300_009);
    outbox.written();
  }
  group.release();

  assert.deepEqual([first, second].map(({ bytes }) => bytes.length), [300_009, 300_009]);
  first.release();
  assert.deepEqual([first, second].map(({ bytes }) => bytes.length), [0, 300_009]);
});

Deno.test("Subscriptions.signature() is equal exactly for equal small sets", PURE, () => {
  const sets = fc.uniqueArray(fc.stringMatching(/^[ab;,0-9]{0,4}$/), { maxLength: 6 });
  fc.assert(fc.property(sets, sets, (one, other) => {
    const isEqual = one.length === other.length && one.every((topic) => other.includes(topic));
    assert.equal(topics(...one).signature() === topics(...other.toReversed()).signature(), isEqual);
  }));
});

Deno.test("Subscriptions.signature() is undefined for a set that is large", PURE, () => {
  assert.equal(topics(...Array.from({ length: 17 }, (_, i) => `topic ${i}`)).signature(), undefined);
  assert.equal(topics("x".repeat(1025)).signature(), undefined);
  assert.notEqual(topics("x".repeat(1000)).signature(), undefined);
});
