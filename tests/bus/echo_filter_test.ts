import assert from "node:assert/strict";
import fc from "fast-check";
import { Fifo } from "../../base/fifo.ts";
import { EchoFilter, TICK_MS } from "../../bus/echo_filter.ts";

/** A filter with messages that have left at a time; their numbers are 1, 2, 3 … */
function withSent(texts: readonly string[]): EchoFilter {
  const filter = new EchoFilter();
  for (const [i, text] of texts.entries()) filter.add(i + 1, text);
  filter.left(texts.length);
  return filter;
}

/** Time passes in which this process runs. */
function pass(filter: EchoFilter, ms: number): void {
  for (let left = ms; left > 0; left -= TICK_MS) filter.tick(Math.min(left, TICK_MS));
}

Deno.test("EchoFilter.take() recognises each message that was sent once", () => {
  const filter = withSent(["a"]);
  assert.equal(filter.take("a"), true);
  assert.equal(filter.take("a"), false);
});

Deno.test("EchoFilter.take() recognises a message as often as it was sent", () => {
  const filter = withSent(["a", "a"]);
  assert.deepEqual([1, 2, 3].map(() => filter.take("a")), [true, true, false]);
});

Deno.test("EchoFilter.take() never takes messages of others for an echo", () => {
  const filter = withSent(["a"]);
  assert.equal(filter.take("b"), false);
  assert.equal(filter.take(""), false);
  assert.equal(filter.take("a"), true);
});

Deno.test("EchoFilter.take() does not mind the order in which echoes come", () => {
  const filter = withSent(["a", "b", "c"]);
  assert.deepEqual(["c", "a", "b", "b"].map((text) => filter.take(text)), [true, true, true, false]);
  assert.equal(filter.waitedFor, 0);
});

Deno.test("EchoFilter waits for 5 s from the moment when the message has left", () => {
  for (const [ms, isKnown] of [[4999, true], [5000, false]] as const) {
    const filter = withSent(["a"]);
    pass(filter, ms);
    assert.equal(filter.take("a"), isKnown);
  }
});

Deno.test("EchoFilter does not count the time in which the process stood still", () => {
  const filter = withSent(["a"]);
  filter.tick(60_000);
  assert.equal(filter.take("a"), true);
});

Deno.test("EchoFilter waits as long as it takes for a message that has not left yet", () => {
  const filter = new EchoFilter();
  filter.add(1, "a");
  pass(filter, 100_000);
  assert.equal(filter.take("b"), false);
  filter.left(1);
  pass(filter, 4999);
  assert.equal(filter.take("a"), true);
});

Deno.test("EchoFilter.left() starts the clock of the messages up to that number only", () => {
  const filter = new EchoFilter();
  for (const [i, text] of ["a", "b", "c"].entries()) filter.add(i + 1, text);
  filter.left(2);
  pass(filter, 4000);
  filter.left(3);
  pass(filter, 1000);
  assert.deepEqual(["a", "b", "c"].map((text) => filter.take(text)), [false, false, true]);
});

Deno.test("EchoFilter hears an echo that comes before it is told that the message has left", () => {
  const filter = new EchoFilter();
  filter.add(1, "a");
  filter.add(2, "b");
  assert.equal(filter.take("a"), true);
  filter.left(2);
  pass(filter, 4999);
  assert.equal(filter.take("b"), true);
});

Deno.test("EchoFilter forgets a message whose echo never came", () => {
  const filter = withSent(["lost", "b"]);
  assert.equal(filter.waitedFor, 2);
  pass(filter, 5000);
  assert.equal(filter.waitedFor, 0);
  assert.equal(filter.forgotten, 0);
});

Deno.test("EchoFilter waits for 100,000 messages at most, and counts those that it forgets for that", () => {
  const filter = new EchoFilter();
  for (let i = 1; i <= 100_002; i++) filter.add(i, `${i}`);
  assert.deepEqual([filter.waitedFor, filter.forgotten], [100_000, 2]);
  assert.deepEqual(["1", "2", "3"].map((text) => filter.take(text)), [false, false, true]);
});

Deno.test("EchoFilter does not count as forgotten what is back", () => {
  const filter = new EchoFilter();
  for (let i = 1; i <= 100_000; i++) filter.add(i, `${i}`);
  filter.take("2");
  for (let i = 100_001; i <= 100_003; i++) filter.add(i, `${i}`);
  // 1 and 3 are forgotten; 2 is back.
  assert.deepEqual([filter.waitedFor, filter.forgotten], [100_000, 2]);
});

Deno.test("EchoFilter holds at most 64 Mi characters of texts, and counts what it forgets for that", () => {
  const filter = new EchoFilter();
  const text = "x".repeat(16 * 1024 * 1024);
  for (let i = 1; i <= 5; i++) filter.add(i, `${text}${i}`);
  assert.deepEqual([filter.waitedFor, filter.forgotten], [3, 2]);
  assert.equal(filter.take(`${text}2`), false);
  assert.equal(filter.take(`${text}3`), true);
});

Deno.test("EchoFilter has ten times the work with ten times as many equal messages, not a hundred times", () => {
  /** How often it looks into its queues. */
  const steps = (count: number) => {
    let steps = 0;
    const { prototype } = Fifo;
    const kept = Object.getOwnPropertyDescriptors(prototype);
    const counted = <F extends (...given: never[]) => unknown>(method: F) =>
      function (this: unknown, ...given: Parameters<F>) {
        steps++;
        return method.apply(this, given);
      };
    for (const name of ["at", "push", "shift"] as const) {
      Object.defineProperty(prototype, name, { ...kept[name], value: counted(kept[name].value!) });
    }
    Object.defineProperty(prototype, "first", { ...kept.first, get: counted(kept.first.get!) });
    try {
      const filter = withSent(new Array(count).fill("same"));
      for (let i = 0; i < count; i++) assert.equal(filter.take("same"), true);
    } finally {
      Object.defineProperties(prototype, kept);
    }
    return steps;
  };
  const few = steps(10_000);
  assert(few >= 40_000, `only ${few} steps were counted`);
  assert(steps(100_000) <= 11 * few);
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
          filter.left(left);
          for (const entry of list) if (entry.number <= left) entry.until = Math.min(entry.until, now + 5000);
        } else if ("wait" in step) {
          now += step.wait;
          pass(filter, step.wait);
          list = list.filter(({ until }) => until > now);
        } else {
          const index = list.findIndex(({ text }) => text === step.take);
          if (index >= 0) list.splice(index, 1);
          assert.equal(filter.take(step.take), index >= 0);
          assert.equal(filter.waitedFor, list.length);
        }
      }
    }),
    { numRuns: 1000 },
  );
});
