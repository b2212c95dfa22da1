/** What waits for NATS, where the sites in sites_test.ts do not get. */
import assert from "node:assert/strict";
import { SendQueue } from "../../backbone/send_queue.ts";

const permissions = "none";
const LIMITS = { messages: 3, bytes: 1000, windowMessages: 10, windowBytes: 1000 };
const body = new Uint8Array(5);

function makeQueue(): SendQueue {
  return new SendQueue("000000000001", LIMITS, "lost");
}

Deno.test({
  name: "SendQueue brings each message home once, however often it comes back",
  permissions,
  fn() {
    const queue = makeQueue();
    queue.push("a", body, false);
    queue.next(100, []);
    queue.confirm(1, 1);
    queue.push("a", body, false);
    queue.next(100, []);
    const lost: number[] = [];
    assert.equal(queue.comeBack(1, lost), 1);
    assert.equal(queue.comeBack(1, lost), undefined);
    assert.equal(queue.comeBack(2, lost), 2);
    assert.equal(queue.comeBack(2, lost), undefined);
    assert.deepEqual(lost, []);
    assert.deepEqual([queue.isEmpty, queue.length, queue.bytes], [true, 0, 0]);
  },
});

Deno.test({
  name: "SendQueue of an island drops the oldest, and tells the others how many in their place",
  permissions,
  fn() {
    const queue = makeQueue();
    for (let i = 0; i < 5; i++) queue.push(`s${i}`, body, true);
    assert.deepEqual([queue.counts.dropped, queue.length], [2, 3]);
    const mark = queue.next(100, [])!;
    assert.deepEqual([mark.subject, mark.gone], ["lost", 2]);
    queue.confirm(1, 1);
    assert.deepEqual([queue.next(100, [])?.subject, queue.next(100, [])?.subject], ["s2", "s3"]);
  },
});
