import assert from "node:assert/strict";
import fc from "fast-check";
import { Fifo } from "../../base/fifo.ts";
import { soon } from "../support/deadline.ts";

Deno.test("Fifo gives its items in the order in which they were added", () => {
  const fifo = new Fifo<number>();
  for (let i = 0; i < 5000; i++) fifo.push(i);
  for (let i = 0; i < 5000; i++) assert.equal(fifo.shift(), i);
  assert.equal(fifo.shift(), undefined);
  assert.equal(fifo.length, 0);
});

Deno.test("Fifo.unshift() puts an item in front of all others", () => {
  const fifo = new Fifo<string>();
  fifo.push("b");
  fifo.unshift("a");
  assert.equal(fifo.shift(), "a");
  fifo.unshift("A");
  assert.deepEqual(fifo.slice(0, 9), ["A", "b"]);
});

Deno.test("Fifo holds on to no item that was taken", async () => {
  const fifo = new Fifo<object>();
  const { promise, resolve } = Promise.withResolvers<void>();
  const registry = new FinalizationRegistry<void>(() => resolve());
  (() => {
    const item = {};
    registry.register(item, undefined);
    fifo.push(item);
    fifo.push({});
    fifo.shift();
  })();
  const timer = setInterval(() => new Array(1_000_000).fill({}), 1); // makes garbage until it is collected
  await soon(promise, "the garbage collector").finally(() => clearInterval(timer));
  assert.equal(fifo.length, 1);
});

Deno.test("Fifo equals a plain array, whatever is done to it", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ push: fc.nat(300) }) },
    { weight: 4, arbitrary: fc.record({ shift: fc.nat(300) }) },
    { weight: 1, arbitrary: fc.constant("unshift" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80, size: "max" }),
      fc.nat(50),
      fc.nat(50),
      (steps, from, count) => {
        const fifo = new Fifo<number>();
        let array: number[] = [];
        let next = 0;
        for (const step of steps) {
          if (step === "clear") {
            fifo.clear();
            array = [];
          } else if (step === "unshift") {
            fifo.unshift(++next);
            array.unshift(next);
          } else if ("push" in step) {
            for (let i = 0; i < 10 * step.push; i++) {
              fifo.push(++next);
              array.push(next);
            }
          } else {
            for (let i = 0; i < 10 * step.shift; i++) assert.equal(fifo.shift(), array.shift());
          }
          assert.equal(fifo.length, array.length);
          assert.equal(fifo.first, array[0]);
          assert.equal(fifo.last, array.at(-1));
          assert.equal(fifo.at(from), array[from]);
          assert.deepEqual(fifo.slice(from, count), array.slice(from, from + count));
        }
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("Fifo.shift() moves each item once at most, however long it is", () => {
  const fifo = new Fifo<number>();
  for (let i = 0; i < 300_000; i++) fifo.push(i);
  let moved = 0;
  const { slice } = Array.prototype;
  using methods = new DisposableStack();
  for (const name of ["shift", "splice", "unshift"] as const) {
    methods.adopt(Array.prototype[name], (method) => Object.assign(Array.prototype, { [name]: method }));
    Object.assign(Array.prototype, { [name]: () => assert.fail(`${name}() moves all items`) });
  }
  methods.defer(() => Object.assign(Array.prototype, { slice }));
  Array.prototype.slice = function (...range) {
    const items = slice.apply(this, range);
    moved += items.length;
    return items;
  };
  while (fifo.shift() !== undefined);
  methods.dispose();
  assert(moved <= 300_000, `${moved} items were moved`);
});
