/** How many senders the receiver's rule remembers. Whatever else it does, the sites in sites_test.ts try. */
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
