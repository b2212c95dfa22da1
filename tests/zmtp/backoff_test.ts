import assert from "node:assert/strict";
import { pauseBeforeDial } from "../../zmtp/backoff.ts";
import { PURE } from "./core_test_support.ts";

const LIMITS = { minMs: 100, maxMs: 5000 };

Deno.test("pauseBeforeDial() doubles the longest pause up to the maximum", PURE, () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 100].map((attempt) => pauseBeforeDial(attempt, LIMITS, 1));

  assert.deepEqual(longest, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
});

Deno.test("pauseBeforeDial() may be anywhere from the minimum on", PURE, () => {
  assert.equal(pauseBeforeDial(4, LIMITS, 0), 100);
  assert.equal(pauseBeforeDial(4, LIMITS, 0.5), 850);
});

Deno.test("pauseBeforeDial() is the minimum when that is the maximum too", PURE, () => {
  assert.equal(pauseBeforeDial(9, { minMs: 50, maxMs: 50 }, 0.7), 50);
});
