import assert from "node:assert/strict";
import { MemoryBudget } from "../../base/memory_budget.ts";
import { freeBuffer, giveReadBuffer, takeReadBuffer } from "../../zmtp/read_buffers.ts";
import { PURE } from "./core_test_support.ts";

Deno.test("takeReadBuffer() counts what it gives, and refuses where memory is short", PURE, () => {
  const memory = new MemoryBudget(800_000);
  const buffer = takeReadBuffer(100_000, memory)!;
  assert.equal(buffer.length, 100_000);
  assert.equal(memory.used, 100_000);
  assert.equal(takeReadBuffer(32_768, memory), undefined, "an eighth of the memory is in read buffers");
  giveReadBuffer(buffer, memory);
  assert.equal(memory.used, 0);
});

Deno.test("takeReadBuffer() gives the buffer that was given back last", PURE, () => {
  const buffer = takeReadBuffer(12_345, undefined)!;
  giveReadBuffer(buffer, undefined);
  assert.equal(takeReadBuffer(12_345, undefined), buffer);
});

Deno.test("giveReadBuffer() frees at once what nobody will need so soon", PURE, () => {
  const buffers = Array.from({ length: 10 }, () => takeReadBuffer(1_000_000, undefined)!);
  for (const buffer of buffers) giveReadBuffer(buffer, undefined);
  const kept = buffers.filter(({ length }) => length > 0).length;
  assert(kept >= 1 && kept <= 4, `${kept} are kept`);
});

Deno.test("freeBuffer() empties all views, and may be called twice", PURE, () => {
  const bytes = new Uint8Array(10);
  const view = bytes.subarray(2, 5);
  freeBuffer(bytes);
  freeBuffer(bytes);
  assert.deepEqual([bytes.length, view.length], [0, 0]);
});
