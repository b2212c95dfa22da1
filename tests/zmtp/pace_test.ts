/** Who is waited for, against readers of every pace. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BusPace, Pace } from "../../zmtp/pace.ts";
import { PURE } from "./core_test_support.ts";

const SLOWEST = { messages: 10_000, bytes: 10_000_000 };

Deno.test("Pace waits for a reader from a quarter of a queue on, until the queue is low", PURE, () => {
  const pace = new Pace(SLOWEST);
  pace.look(0.24, 0);
  assert.equal(pace.isWaitedFor, false);
  pace.look(0.25, 0);
  assert.equal(pace.isWaitedFor, true);
  pace.look(0.2, 1);
  assert.equal(pace.isWaitedFor, true);
  pace.look(0.1875, 2);
  assert.equal(pace.isWaitedFor, false);
});

Deno.test(
  "Pace waits a tenth of a second for a reader that has stopped, and no more until it has taken enough for that time",
  PURE,
  () => {
    const pace = new Pace(SLOWEST);
    let now = 0;
    for (pace.look(0.6, now); pace.isWaitedFor; pace.look(0.6, now)) now = pace.deadline;
    assert.equal(now, 100);
    assert.equal(pace.waitedMs, 100);
    pace.look(1, 5000);
    assert.equal(pace.isWaitedFor, false);
    pace.take(50_000, 0, 6000);
    pace.look(0.3, 6000);
    pace.look(0.6, 6001);
    assert.equal(pace.isWaitedFor, true);
  },
);

Deno.test(
  "Pace does not wait again and again for a reader with a small queue, which is low at once",
  PURE,
  () => {
    const pace = new Pace(SLOWEST);
    let now = 0;
    for (let i = 0; i < 500; i++) {
      pace.look(1, now);
      // Time is looked at every 10 ms at best; then the reader takes one message, all that its queue can hold.
      now += 10;
      pace.take(1, 0, now);
      pace.look(0, now);
    }
    // A tenth of a second, 50 ms that 500 messages earned, and one look too late.
    assert.ok(pace.waitedMs <= 160, `it was waited for ${pace.waitedMs} ms`);
  },
);

Deno.test("Pace waits for nobody when the slowest reader is 0", PURE, () => {
  const pace = new Pace({ messages: 0, bytes: 0 });
  pace.look(1, 0);
  assert.equal(pace.isWaitedFor, false);
  assert.equal(pace.deadline, Infinity);
});

Deno.test("Pace takes bytes for messages where those are large, but never adds both up", PURE, () => {
  for (
    const [messages, bytes, isKept] of [[0, 110_000, true], [110, 0, true], [60, 60_000, false]] as const
  ) {
    const pace = new Pace(SLOWEST);
    pace.look(0.6, 0);
    for (let now = 10; now <= 1000; now += 10) {
      pace.take(messages, bytes, now);
      pace.look(0.6, now);
    }
    assert.equal(pace.waitedMs === 1000, isKept, `${messages} messages, ${bytes} bytes in 10 ms`);
  }
});

Deno.test("Pace does not count the time in which this process stood still against a reader", PURE, () => {
  const pace = new Pace(SLOWEST);
  pace.look(0.6, 0);
  pace.look(0.6, 60_000);
  assert.equal(pace.isWaitedFor, true);
});

/** What a reader does in a piece of time. */
const step = fc.record({
  ms: fc.integer({ min: 1, max: 20 }),
  messages: fc.integer({ min: 0, max: 600 }),
  fill: fc.double({ min: 0, max: 1, noNaN: true }),
});

Deno.test(
  "Pace never waits longer than a tenth of a second and what the slowest reader would have needed",
  PURE,
  () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
        const pace = new Pace(SLOWEST);
        let [now, waited, taken] = [0, 0, 0];
        for (const { ms, messages, fill } of steps) {
          pace.look(fill, now);
          const wasWaitedFor = pace.isWaitedFor;
          now += ms;
          if (wasWaitedFor) waited += ms;
          taken += messages;
          pace.take(messages, 0, now);
          // A step is what an owner may be late by.
          assert(waited <= 100 + taken / 10 + 20, `${waited} ms for ${taken} messages`);
        }
      }),
      { numRuns: 500 },
    );
  },
);

Deno.test(
  "Pace never gives up a reader that takes what the slowest reader takes, in each tenth of a second",
  PURE,
  () => {
    const kept = fc.array(
      fc.record({ ms: fc.integer({ min: 1, max: 20 }), extra: fc.integer({ min: 0, max: 50 }) }),
      {
        maxLength: 300,
        size: "max",
      },
    );
    fc.assert(
      fc.property(kept, (steps) => {
        const pace = new Pace(SLOWEST);
        pace.look(0.6, 0);
        let now = 0;
        for (const { ms, extra } of steps) {
          now += ms;
          pace.take(10 * ms + extra, 0, now);
          pace.look(0.6, now);
          assert.equal(pace.isWaitedFor, true);
        }
      }),
      { numRuns: 500 },
    );
  },
);

Deno.test(
  "Pace waits half a second for a reader that kept up and then takes nothing for a while",
  PURE,
  () => {
    const pace = new Pace(SLOWEST);
    let now = 0;
    pace.look(0.3, now);
    pace.take(100_000, 0, now);
    for (pace.look(0.3, now); pace.isWaitedFor; pace.look(0.3, now)) now = pace.deadline;
    assert.equal(now, 500);
  },
);

/** All readers in a while: is anybody behind, and how many messages pass where nothing waits? */
const busy = fc.record({
  ms: fc.integer({ min: 1, max: 20 }),
  isAnybodyBehind: fc.boolean(),
  messages: fc.integer({ min: 0, max: 3000 }),
});

Deno.test(
  "BusPace never waits longer than a second and what the slowest reader would have needed for what passed",
  PURE,
  () => {
    fc.assert(
      fc.property(fc.array(busy, { maxLength: 500, size: "max" }), (steps) => {
        const pace = new BusPace(SLOWEST);
        let [now, waited, passed] = [0, 0, 0];
        for (const { ms, isAnybodyBehind, messages } of steps) {
          pace.look(isAnybodyBehind, now);
          now += ms;
          if (pace.isWaiting) waited += ms;
          else {
            passed += messages;
            pace.pass(messages, 0);
          }
          // A step is what an owner may be late by.
          assert(waited <= 1000 + passed / 10 + 20, `${waited} ms while ${passed} messages passed`);
        }
      }),
      { numRuns: 500 },
    );
  },
);

Deno.test(
  "BusPace lets as much pass as the slowest reader takes in a second when it has waited for a second",
  PURE,
  () => {
    const pace = new BusPace(SLOWEST);
    let now = 0;
    for (pace.look(true, now); pace.isWaiting; pace.look(true, now)) now += 10;
    assert.equal(now, 1000);
    let passed = 0;
    for (; !pace.isWaiting; pace.look(true, ++now)) {
      pace.pass(100, 0);
      passed += 100;
    }
    assert.equal(passed, 10_000);
    assert.equal(pace.waitedMs, 1000);
  },
);
