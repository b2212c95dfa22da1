/** The receiver's rule, where the sites in sites_test.ts do not get: holes of the stream, marks, more senders than are remembered. */
import assert from "node:assert/strict";
import { MAX_SENDERS, Receiver } from "../../backbone/receiver.ts";

const permissions = "none";
const origin = (sender: number, number: number) => ({
  instance: sender.toString(36).padStart(12, "0"),
  number,
});

Deno.test({
  name: "Receiver remembers so many senders, and forgets those that it heard longest ago",
  permissions,
  fn() {
    const receiver = new Receiver("stream");
    for (let sender = 0; sender < MAX_SENDERS; sender++) receiver.take(origin(sender, 1), sender);
    receiver.take(origin(0, 2), MAX_SENDERS);
    receiver.take(origin(MAX_SENDERS, 1), MAX_SENDERS);
    assert.ok(receiver.sites(MAX_SENDERS, Infinity).length <= MAX_SENDERS);
    // Those that it heard last are known: what came before is a repeat, and what is out of turn waits.
    assert.equal(receiver.take(origin(0, 2), MAX_SENDERS), "repeat");
    assert.equal(receiver.take(origin(MAX_SENDERS - 1, 3), MAX_SENDERS), "out-of-turn");
    assert.equal(receiver.take(origin(MAX_SENDERS, 1), MAX_SENDERS), "repeat");
    // One of the first ones begins anew.
    assert.equal(receiver.take(origin(1, 9), MAX_SENDERS), "pass");
  },
});

Deno.test({
  name: "Receiver waits for nobody behind a hole of the stream, once for each sender",
  permissions,
  fn() {
    const receiver = new Receiver("stream");
    receiver.take(origin(1, 1), 0);
    assert.equal(receiver.take(origin(1, 5), 0), "out-of-turn");
    receiver.handleHole();
    assert.equal(receiver.take(origin(1, 5), 0), "pass");
    assert.equal(receiver.take(origin(1, 7), 0), "out-of-turn");
    assert.deepEqual(receiver.counts, { received: 2, repeats: 0, outOfTurn: 2, missed: 3 });
  },
});

Deno.test({
  name: "Receiver waits for nothing that was confirmed: it is lost, and counted",
  permissions,
  fn() {
    const receiver = new Receiver("stream");
    receiver.take({ ...origin(1, 1), confirmed: 0 }, 0);
    assert.equal(receiver.take({ ...origin(1, 5), confirmed: 1 }, 0), "out-of-turn");
    assert.equal(receiver.take({ ...origin(1, 6), confirmed: 2 }, 0), "pass");
    assert.equal(receiver.take({ ...origin(1, 7), confirmed: 2 }, 0), "pass");
    assert.equal(receiver.take({ ...origin(1, 9), confirmed: 7 }, 0), "out-of-turn");
    assert.deepEqual(receiver.counts, { received: 3, repeats: 0, outOfTurn: 2, missed: 4 });
  },
});

Deno.test({
  name: "Receiver does not become loose for its own site, whose messages would then count as confirmed",
  permissions,
  fn() {
    const receiver = new Receiver("stream");
    for (const sender of [1, 2]) receiver.take(origin(sender, 1), 0);
    receiver.handleHole(origin(1, 1).instance);
    assert.equal(receiver.take(origin(1, 3), 0), "out-of-turn");
    assert.equal(receiver.take(origin(2, 3), 0), "pass");
  },
});

Deno.test({
  name: "Receiver misses nothing between the last messages of each type that it begins with",
  permissions,
  fn() {
    const receiver = new Receiver("stream");
    assert.deepEqual([2, 9, 4].map((number) => receiver.replay(origin(1, number), 0)), [
      "pass",
      "pass",
      "repeat",
    ]);
    assert.equal(receiver.take(origin(1, 10), 0), "pass");
    assert.deepEqual(receiver.counts, { received: 3, repeats: 1, outOfTurn: 0, missed: 0 });
  },
});

Deno.test({
  name: "Receiver counts what a mark says will never come",
  permissions,
  fn() {
    const receiver = new Receiver("stream");
    receiver.take(origin(1, 1), 0);
    assert.equal(receiver.take(origin(1, 2), 0, 4), "pass");
    assert.deepEqual(receiver.counts, { received: 1, repeats: 0, outOfTurn: 0, missed: 4 });
  },
});
