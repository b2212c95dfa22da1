import assert from "node:assert/strict";
import { MemoryBudget, type MemoryHolder } from "../../base/memory_budget.ts";
import { PURE } from "../zmtp/core_test_support.ts";

Deno.test("MemoryBudget.take() takes up to the limit and refuses above it", PURE, () => {
  const budget = new MemoryBudget(100);

  assert.equal(budget.take(60), true);
  assert.equal(budget.take(41), false);
  assert.equal(budget.take(40), true);
  assert.equal(budget.used, 100);
});

/** Holds bytes of a budget since a time. */
class Holder implements MemoryHolder {
  readonly name: string;
  readonly #budget: MemoryBudget;
  heldBytes: number;
  lastProgress: number;
  isAble = true;

  constructor(budget: MemoryBudget, name: string, bytes: number, lastProgress: number) {
    this.name = name;
    this.#budget = budget;
    this.heldBytes = bytes;
    this.lastProgress = lastProgress;
    assert(budget.take(bytes));
    budget.join(this);
  }

  giveWay(): boolean {
    gaveWay.push(this.name);
    if (!this.isAble) return false;
    this.#budget.give(this.heldBytes);
    this.heldBytes = 0;
    return true;
  }
}

const gaveWay: string[] = [];

Deno.test(
  "MemoryBudget.take() lets holders give way, one after the other, until there is enough",
  PURE,
  () => {
    gaveWay.length = 0;
    const budget = new MemoryBudget(100);
    for (const [name, bytes] of [["a", 20], ["b", 50], ["c", 30]] as const) {
      new Holder(
        budget,
        name,
        bytes,
        0,
      );
    }

    assert.equal(budget.take(70), true);
    assert.deepEqual(gaveWay, ["b", "c"]);
    assert.equal(budget.used, 90);
  },
);

Deno.test(
  "MemoryBudget.take() lets give way who has held the most for the longest without getting on",
  PURE,
  () => {
    gaveWay.length = 0;
    const budget = new MemoryBudget(100);
    new Holder(budget, "large, in full swing", 60, 999);
    new Holder(budget, "small, silent", 10, 500);
    new Holder(budget, "tiny, silent for ever", 1, 0);
    budget.now = 1000;

    assert.equal(budget.take(30), true);
    assert.deepEqual(gaveWay, ["small, silent"]);
    assert.equal(budget.take(10), true);
    assert.deepEqual(gaveWay, ["small, silent", "tiny, silent for ever"]);
    assert.equal(budget.take(60), true);
    assert.deepEqual(gaveWay.at(-1), "large, in full swing");
  },
);

Deno.test(
  "MemoryBudget.take() never lets whoever asks give way, nor who has left, nor twice who cannot",
  PURE,
  () => {
    gaveWay.length = 0;
    const budget = new MemoryBudget(100);
    const asker = new Holder(budget, "asker", 60, 0);
    const unable = new Holder(budget, "unable", 20, 0);
    const gone = new Holder(budget, "gone", 20, 0);
    unable.isAble = false;
    budget.leave(gone);

    assert.equal(budget.take(10, asker), false);
    assert.deepEqual(gaveWay, ["unable"]);
    assert.equal(budget.used, 100);
  },
);

Deno.test("MemoryBudget keeps a reserve for small needs, for which nobody has to give way", PURE, () => {
  gaveWay.length = 0;
  const budget = new MemoryBudget(64_000_000);
  new Holder(budget, "silent", 60_000_000, 0);
  assert.equal(budget.takeSpare(3_000_000), true);
  assert.equal(budget.takeSpare(5000), false, "63 of 64 million are all for large needs");
  for (let i = 0; i < 1900; i++) assert.equal(budget.take(512), true);
  assert.deepEqual(gaveWay, []);
  assert.equal(budget.take(5000), true);
  assert.deepEqual(gaveWay, ["silent"]);
});

Deno.test("MemoryBudget gives read buffers an eighth of the limit, of what is free", PURE, () => {
  const budget = new MemoryBudget(64_000_000);
  assert.equal(budget.takeForReading(8_000_000), true);
  assert.equal(budget.takeForReading(1), false);
  budget.giveFromReading(8_000_000);
  assert.equal(budget.used, 0);
  assert.equal(budget.takeForReading(8_000_000), true);
  budget.giveFromReading(8_000_000);
  assert.equal(budget.take(62_000_000), true);
  assert.equal(budget.takeForReading(2_000_000), false);
});

Deno.test("MemoryBudget.force() takes what is in use already, also above the limit", PURE, () => {
  const budget = new MemoryBudget(100);
  budget.take(90);

  budget.force(20);

  assert.equal(budget.used, 110);
});

Deno.test("MemoryBudget.takeSpare() takes what is free and asks nobody to give anything back", PURE, () => {
  const budget = new MemoryBudget(100);
  budget.take(60);
  budget.join({ heldBytes: 60, lastProgress: 0, giveWay: () => assert.fail("nobody has to give") });

  assert.equal(budget.takeSpare(41), false);
  assert.equal(budget.takeSpare(40), true);
});
