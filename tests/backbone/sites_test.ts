/** Sites over one stream in virtual time: every site decides alike, and each message is heard once at home. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { runSites } from "./sites.ts";

const PURE = { permissions: "none" } as const;

Deno.test(
  "Sites decide alike whatever is lost, cut, late or away, and hear each of their own messages once",
  PURE,
  () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          sites: fc.integer({ min: 1, max: 6 }),
          messages: fc.integer({ min: 1, max: 300 }),
          ms: fc.constantFrom(100, 2000, 8000),
          refused: fc.constantFrom(0, 0.02, 0.3),
          unconfirmed: fc.constantFrom(0, 0.02, 0.3),
          delayMs: fc.constantFrom(0, 5, 200),
          cuts: fc.nat(6),
          outages: fc.nat(3),
          restarts: fc.nat(3),
          holdMs: fc.constantFrom(0, 300, 1000, Infinity),
          window: fc.constantFrom(1, 8, 1024),
        }),
        (options) => void runSites(options),
      ),
      { numRuns: 300 },
    );
  },
);

Deno.test(
  "A stream that loses what it had confirmed silences nobody for good, and no message is heard twice",
  PURE,
  () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          sites: fc.integer({ min: 1, max: 5 }),
          messages: fc.integer({ min: 1, max: 400 }),
          ms: fc.constantFrom(500, 4000),
          refused: fc.constantFrom(0, 0.02),
          unconfirmed: fc.constantFrom(0, 0.02),
          delayMs: fc.constantFrom(0, 5, 200),
          cuts: fc.nat(4),
          outages: fc.nat(2),
          losses: fc.integer({ min: 1, max: 4 }),
          lossMessages: fc.constantFrom(1, 10, 300),
          restarts: fc.nat(2),
          holdMs: fc.constantFrom(0, 300, 1000),
          window: fc.constantFrom(1, 8, 1024),
        }),
        (options) => void runSites(options),
      ),
      { numRuns: 300 },
    );
  },
);

Deno.test(
  "An island's queue is bounded: the oldest give way, are counted, and the others hear how many",
  PURE,
  () => {
    const { longestQueue, dropped } = runSites({
      seed: 7,
      sites: 3,
      messages: 3000,
      ms: 10_000,
      cuts: 20,
      cutMs: 6000,
      queue: 50,
      holdMs: 100,
    });
    assert.ok(longestQueue <= 50, `${longestQueue} messages waited`);
    assert.ok(dropped > 0, "the test does not fill a queue");
  },
);

Deno.test("The same seed is the same world", PURE, () => {
  const options = { seed: 5, sites: 5, messages: 500, ms: 3000, cuts: 5, outages: 1, restarts: 2 };
  assert.deepEqual(runSites(options), runSites(options));
});
