import assert from "node:assert/strict";
import { type CuttableSocket, MemoryWatch } from "../../http/memory_watch.ts";

const MIB = 2 ** 20;

/** A process with so much unknown memory, and sockets by name. */
function world() {
  const state = { rss: 50 * MIB, bytes: 0, clients: 0 };
  const cut: string[] = [];
  const told: [number, number][] = [];
  const watch = new MemoryWatch(
    100 * MIB,
    () => ({ bytes: state.bytes, clients: state.clients }),
    (...args) => told.push(args),
    () => ({ rss: state.rss, heapTotal: 10 * MIB, external: 5 * MIB }),
  );
  const socket = (name: string, isLingering = false): CuttableSocket => {
    const it = { isLingering, cut: () => void cut.push(name) };
    watch.add(it);
    return it;
  };
  return { state, cut, told, watch, socket };
}

Deno.test(
  "MemoryWatch.look() cuts nobody while the process grows by what is known",
  { permissions: "none" },
  () => {
    const { state, cut, watch, socket } = world();
    const only = socket("a");
    state.rss += 500 * MIB;
    state.bytes = 300 * MIB;
    state.clients = 6400; // 200 MiB
    watch.look();
    assert.deepEqual(cut, []);
    watch.delete(only);
  },
);

Deno.test("MemoryWatch.look() cuts whoever lingers, then the youngest, a quarter at a time", {
  permissions: "none",
}, () => {
  const { state, cut, told, watch, socket } = world();
  for (let i = 0; i < 40; i++) socket(`${i}`, i === 3);
  state.rss += 101 * MIB;
  watch.look();
  assert.deepEqual(cut, ["3", "39", "38", "37", "36", "35", "34", "33", "32", "31"]);
  assert.deepEqual(told, [[10, 101 * MIB]]);
  assert.equal(watch.cut, 10);
  state.rss -= 10 * MIB;
  watch.look();
  assert.equal(cut.length, 10, "and no more as soon as it is less");
  state.rss += 20 * MIB;
  while (watch.cut < 40) watch.look();
});

Deno.test("MemoryWatch.look() does not cut for ever where the system gets nothing back", {
  permissions: "none",
}, () => {
  const { state, cut, watch, socket } = world();
  socket("a");
  state.rss += 200 * MIB;
  watch.look();
  assert.deepEqual(cut, ["a"]);
  const next = socket("b");
  watch.look();
  assert.deepEqual(cut, ["a"]);
  watch.delete(next);
});
