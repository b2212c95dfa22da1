import assert from "node:assert/strict";
import { MemoryBudget } from "../../zmtp/memory_budget.ts";
import { coreTest } from "./core_test_support.ts";

coreTest("MemoryBudget.take() takes up to the limit and refuses above it", () => {
  const budget = new MemoryBudget(100);

  assert.equal(budget.take(60), true);
  assert.equal(budget.take(41), false);
  assert.equal(budget.take(40), true);
  assert.equal(budget.used, 100);
});

coreTest(
  "MemoryBudget.take() asks others to give something back, again and again, until there is enough",
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

coreTest("MemoryBudget.force() takes what is in use already, also above the limit", () => {
  const budget = new MemoryBudget(100);
  budget.take(90);

  budget.force(20);

  assert.equal(budget.used, 110);
});

coreTest("MemoryBudget.takeSpare() takes what is free and asks nobody to give anything back", () => {
  const budget = new MemoryBudget(100);
  budget.take(60);
  budget.onShortage(() => assert.fail("nobody has to give"));

  assert.equal(budget.takeSpare(41), false);
  assert.equal(budget.takeSpare(40), true);
});
