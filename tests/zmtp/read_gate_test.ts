import assert from "node:assert/strict";
import { ReadGate } from "../../zmtp/read_gate.ts";
import { PURE } from "./core_test_support.ts";

/** A sender that does its turns when the gate lets it. */
async function sender(
  gate: ReadGate,
  name: string,
  turns: number,
  log: string[],
  after: () => void,
): Promise<void> {
  const who = { name };
  for (let i = 0; i < turns; i++) {
    if (!gate.isOpen) await gate.enter(who);
    log.push(name);
    after();
    gate.leave(who);
    await Promise.resolve();
  }
}

Deno.test("ReadGate lets everyone through while it is open", PURE, () => {
  const gate = new ReadGate();
  assert.equal(gate.isOpen, true);
  gate.close();
  assert.equal(gate.isOpen, false);
  gate.open();
  assert.equal(gate.isOpen, true);
});

Deno.test(
  "ReadGate lets nobody through while it is closed, and one after the other in their order when it opens",
  PURE,
  async () => {
    const gate = new ReadGate();
    const log: string[] = [];
    gate.close();
    const all = ["a", "b", "c"].map((name) => sender(gate, name, 1, log, () => {}));
    await Promise.resolve();
    assert.deepEqual(log, []);
    gate.open();
    await Promise.all(all);
    assert.deepEqual(log, ["a", "b", "c"]);
  },
);

Deno.test(
  "ReadGate lets the next one in when that one whose turn it is leaves, and no sooner",
  PURE,
  async () => {
    const gate = new ReadGate();
    const log: string[] = [];
    const [a, b, c] = [{}, {}, {}];
    for (const [name, who] of [["a", a], ["b", b], ["c", c]] as const) {
      void gate.enter(who).then(() => log.push(name));
    }
    const settle = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));
    await settle();
    assert.deepEqual(log, ["a"]);
    gate.leave(b); // It wants no turn any more, and its promise resolves.
    await settle();
    assert.deepEqual(log, ["a", "b"]);
    gate.leave(a);
    await settle();
    assert.deepEqual(log, ["a", "b", "c"]);
  },
);

Deno.test(
  "ReadGate gives each sender its turn, however fast another one is, when there is room for one only",
  PURE,
  async () => {
    const gate = new ReadGate();
    const log: string[] = [];
    gate.close();
    // Each turn fills the room; somebody takes it some time later.
    const after = () => {
      gate.close();
      queueMicrotask(() => queueMicrotask(() => gate.open()));
    };
    const all = [
      sender(gate, "fast", 30, log, after),
      ...["b", "c", "d"].map((name) => sender(gate, name, 10, log, after)),
    ];
    gate.open();
    await Promise.all(all);
    const first = log.slice(0, 40);
    for (const name of ["fast", "b", "c", "d"]) {
      assert.equal(
        first.filter((who) => who === name).length,
        10,
        first.join(""),
      );
    }
  },
);

Deno.test(
  "ReadGate.leave() ends the wait of one who wants no turn any more, and keeps nobody else waiting",
  PURE,
  async () => {
    const gate = new ReadGate();
    const [a, b] = [{}, {}];
    gate.close();
    const waits = [gate.enter(a), gate.enter(b)];
    gate.leave(a);
    await waits[0];
    gate.open();
    await waits[1];
    assert.equal(gate.isOpen, false);
    gate.leave(b);
    assert.equal(gate.isOpen, true);
  },
);

Deno.test("ReadGate is closed as long as there is one reason for it", PURE, () => {
  const gate = new ReadGate();
  gate.close("one");
  gate.close("two");
  gate.open("one");
  assert.equal(gate.isOpen, false);
  gate.open("two");
  assert.equal(gate.isOpen, true);
});
