import assert from "node:assert/strict";
import { MemoryBudget } from "../../zmtp/memory_budget.ts";
import { PURE } from "./core_test_support.ts";

Deno.test("MemoryBudget.take() takes up to the limit and refuses above it", PURE, () => {
  const budget = new MemoryBudget(100);

  assert.equal(budget.take(60), true);
  assert.equal(budget.take(41), false);
  assert.equal(budget.take(40), true);
  assert.equal(budget.used, 100);
});

Deno.test(
  "MemoryBudget.take() asks others to give something back, again and again, until there is enough",
  PURE,
  () => {
    const budget = new MemoryBudget(100);
    const others = [50, 30, 20];
    budget.take(100);
    budget.onShortage(() => {
      const bytes = others.shift();
      if (bytes !== undefined) budget.give(bytes);
      return bytes !== undefined;
    });

    assert.equal(budget.take(70), true);
    assert.deepEqual(others, [20]);
    assert.equal(budget.used, 90);
  },
);

Deno.test("MemoryBudget.force() takes what is in use already, also above the limit", PURE, () => {
  const budget = new MemoryBudget(100);
  budget.take(90);

  budget.force(20);

  assert.equal(budget.used, 110);
});

Deno.test("MemoryBudget.takeSpare() takes what is free and asks nobody to give anything back", PURE, () => {
  const budget = new MemoryBudget(100);
  budget.take(60);
  budget.onShortage(() => assert.fail("nobody has to give"));

  assert.equal(budget.takeSpare(41), false);
  assert.equal(budget.takeSpare(40), true);
});
