import assert from "node:assert/strict";
import fc from "fast-check";
import { EchoFilter } from "../../bus/echo_filter.ts";

/** A filter with messages that have left at a time; their numbers are 1, 2, 3 … */
function withSent(texts: readonly string[], leftAt = 0): EchoFilter {
  const filter = new EchoFilter();
  for (const [i, text] of texts.entries()) filter.add(i + 1, text);
  filter.left(texts.length, leftAt);
  return filter;
}

Deno.test("EchoFilter.take() recognises each message that was sent once", () => {
  const filter = withSent(["a"]);
  assert.equal(filter.take("a", 1), true);
  assert.equal(filter.take("a", 1), false);
});

Deno.test("EchoFilter.take() recognises a message as often as it was sent", () => {
  const filter = withSent(["a", "a"]);
  assert.deepEqual([1, 2, 3].map((now) => filter.take("a", now)), [true, true, false]);
});

Deno.test("EchoFilter.take() never takes messages of others for an echo", () => {
  const filter = withSent(["a"]);
  assert.equal(filter.take("b", 1), false);
  assert.equal(filter.take("", 1), false);
  assert.equal(filter.take("a", 1), true);
});

Deno.test("EchoFilter.take() does not mind the order in which echoes come", () => {
  const filter = withSent(["a", "b", "c"]);
  assert.deepEqual(["c", "a", "b", "b"].map((text) => filter.take(text, 1)), [true, true, true, false]);
  assert.equal(filter.waitedFor, 0);
});

Deno.test("EchoFilter waits for 5 s from the moment when the message has left", () => {
  assert.equal(withSent(["a"], 1000).take("a", 5999), true);
  assert.equal(withSent(["a"], 1000).take("a", 6000), false);
});

Deno.test("EchoFilter waits as long as it takes for a message that has not left yet", () => {
  const filter = new EchoFilter();
  filter.add(1, "a");
  assert.equal(filter.take("b", 1e9), false);
  filter.left(1, 1e9);
  assert.equal(filter.take("a", 1e9 + 4999), true);
});

Deno.test("EchoFilter.left() starts the clock of the messages up to that number only", () => {
  const filter = new EchoFilter();
  for (const [i, text] of ["a", "b", "c"].entries()) filter.add(i + 1, text);
  filter.left(2, 0);
  filter.left(3, 4000);
  assert.deepEqual(["a", "b", "c"].map((text) => filter.take(text, 5000)), [false, false, true]);
});

Deno.test("EchoFilter hears an echo that comes before it is told that the message has left", () => {
  const filter = new EchoFilter();
  filter.add(1, "a");
  filter.add(2, "b");
  assert.equal(filter.take("a", 0), true);
  filter.left(2, 10);
  assert.equal(filter.take("b", 5009), true);
});

Deno.test("EchoFilter forgets a message whose echo never came", () => {
  const filter = withSent(["lost", "b"], 0);
  assert.equal(filter.waitedFor, 2);
  filter.take("x", 5000);
  assert.equal(filter.waitedFor, 0);
  assert.equal(filter.forgotten, 0);
});

Deno.test("EchoFilter waits for 100,000 messages at most, and counts those that it forgets for that", () => {
  const filter = new EchoFilter();
  for (let i = 1; i <= 100_002; i++) filter.add(i, `${i}`);
  assert.deepEqual([filter.waitedFor, filter.forgotten], [100_000, 2]);
  assert.deepEqual(["1", "2", "3"].map((text) => filter.take(text, 0)), [false, false, true]);
});

Deno.test("EchoFilter does not count as forgotten what is back", () => {
  const filter = new EchoFilter();
  for (let i = 1; i <= 100_000; i++) filter.add(i, `${i}`);
  filter.take("2", 0);
  for (let i = 100_001; i <= 100_003; i++) filter.add(i, `${i}`);
  // 1 and 3 are forgotten; 2 is back.
  assert.deepEqual([filter.waitedFor, filter.forgotten], [100_000, 2]);
});

Deno.test("EchoFilter holds at most 64 Mi characters of texts, and counts what it forgets for that", () => {
  const filter = new EchoFilter();
  const text = "x".repeat(16 * 1024 * 1024);
  for (let i = 1; i <= 5; i++) filter.add(i, `${text}${i}`);
  assert.deepEqual([filter.waitedFor, filter.forgotten], [3, 2]);
  assert.equal(filter.take(`${text}2`, 0), false);
  assert.equal(filter.take(`${text}3`, 0), true);
});

Deno.test("EchoFilter takes ten times as long for ten times as many equal messages, not a hundred times", () => {
  const fastest = (count: number) =>
    Math.min(...[1, 2, 3, 4, 5].map(() => {
      const start = performance.now();
      const filter = withSent(new Array(count).fill("same"));
      for (let i = 0; i < count; i++) assert.equal(filter.take("same", 1), true);
      return performance.now() - start;
    }));
  const few = fastest(10_000);
  const many = fastest(100_000);
  assert(many < 50 * few, `${few} ms and ${many} ms`);
});

Deno.test("EchoFilter equals a naive list of what is waited for", () => {
  const text = fc.constantFrom("a", "b", "c", "d");
  const step = fc.oneof(
    fc.record({ add: text }),
    fc.record({ left: fc.nat(5) }),
    fc.record({ take: text }),
    fc.record({ wait: fc.nat(3000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
      const filter = new EchoFilter();
      let list: { number: number; text: string; until: number }[] = [];
      let [now, added, left] = [0, 0, 0];
      for (const step of steps) {
        if ("add" in step) {
          filter.add(++added, step.add);
          list.push({ number: added, text: step.add, until: Infinity });
        } else if ("left" in step) {
          left = Math.min(added, left + step.left);
          filter.left(left, now);
          for (const entry of list) if (entry.number <= left) entry.until = Math.min(entry.until, now + 5000);
        } else if ("wait" in step) {
          now += step.wait;
        } else {
          list = list.filter(({ until }) => until > now);
          const index = list.findIndex(({ text }) => text === step.take);
          if (index >= 0) list.splice(index, 1);
          assert.equal(filter.take(step.take, now), index >= 0);
          assert.equal(filter.waitedFor, list.length);
        }
      }
    }),
    { numRuns: 1000 },
  );
});
