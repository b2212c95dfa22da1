/** The pure parts one by one: the receiver's rule, what waits, and how long local people wait. */
import assert from "node:assert/strict";
import { Patience } from "../../backbone/patience.ts";
import { MAX_SENDERS, Receiver } from "../../backbone/receiver.ts";
import { SendQueue } from "../../backbone/send_queue.ts";

const PURE = { permissions: "none" } as const;

function id(n: number): string {
  return n.toString(36).padStart(12, "0");
}

const A = id(1);

Deno.test(
  "Receiver takes exactly the next number with stream, and whatever is newer with local",
  PURE,
  () => {
    const take = (receiver: Receiver, numbers: number[]) =>
      numbers.map((number) => receiver.take({ instance: A, number }, 0));
    const stream = new Receiver("stream");
    assert.deepEqual(take(stream, [5, 6, 8, 9, 7, 8, 6]), [
      "pass",
      "pass",
      "out-of-turn",
      "out-of-turn",
      "pass",
      "pass",
      "repeat",
    ]);
    assert.deepEqual(stream.counts, { received: 4, repeats: 1, outOfTurn: 2, missed: 0 });
    const local = new Receiver("local");
    assert.deepEqual(take(local, [5, 6, 8, 7, 12]), ["pass", "pass", "pass", "repeat", "pass"]);
    assert.deepEqual(local.counts, { received: 4, repeats: 1, outOfTurn: 0, missed: 4 });
  },
);

Deno.test("Receiver counts what a sender says is gone, and does not pass that on as a message", PURE, () => {
  const receiver = new Receiver("stream");
  receiver.take({ instance: A, number: 1 }, 0);
  assert.equal(receiver.take({ instance: A, number: 2 }, 0, 7), "pass");
  assert.equal(receiver.take({ instance: A, number: 3 }, 0), "pass");
  assert.deepEqual(receiver.counts, { received: 2, repeats: 0, outOfTurn: 0, missed: 7 });
});

Deno.test("After a hole in the stream Receiver waits for nobody, and counts what is missing", PURE, () => {
  const receiver = new Receiver("stream");
  receiver.take({ instance: A, number: 1 }, 0);
  receiver.handleHole();
  assert.equal(receiver.take({ instance: A, number: 1 }, 0), "repeat");
  assert.equal(receiver.take({ instance: A, number: 5 }, 0), "pass");
  assert.equal(receiver.take({ instance: A, number: 7 }, 0), "out-of-turn");
  assert.equal(receiver.counts.missed, 3);
});

Deno.test("Receiver forgets those that were heard longest ago when there are too many", PURE, () => {
  const receiver = new Receiver("stream");
  for (let n = 1; n <= MAX_SENDERS; n++) receiver.take({ instance: id(n), number: 1 }, 0);
  receiver.take({ instance: A, number: 2 }, 0);
  receiver.take({ instance: id(MAX_SENDERS + 1), number: 1 }, 0);
  assert.equal(receiver.sites(0, 10_000).length, MAX_SENDERS / 2 + 1);
  assert.equal(receiver.take({ instance: A, number: 2 }, 0), "repeat");
});

function queue(limits: { messages?: number; windowMessages?: number } = {}): SendQueue {
  return new SendQueue(
    A,
    { messages: 100, bytes: 1e9, windowMessages: 10, windowBytes: 1e9, ...limits },
    "lost",
  );
}

/** Wire numbers of what goes out now. */
function out(q: SendQueue, maxBytes = Infinity, given: number[] = []): number[] {
  const numbers: number[] = [];
  while (q.next(maxBytes, given) !== undefined) numbers.push(q.lastWireNumber);
  return numbers;
}

const BODY = new Uint8Array(10);

Deno.test(
  "SendQueue sends one message alone, then a window, and all of it again in this way after a failure",
  PURE,
  () => {
    const q = queue();
    for (let i = 0; i < 15; i++) q.push("t", BODY, false);
    assert.deepEqual(out(q), [1]);
    assert.equal(q.confirm(1, 1), true);
    assert.deepEqual(out(q), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.equal(q.confirm(1, 2), true);
    q.fail(1);
    assert.deepEqual(out(q), [3]);
    assert.equal(q.confirm(1, 3), false, "a confirmation of an earlier round");
    q.fail(1); // So is this.
    assert.deepEqual(out(q), []);
    assert.equal(q.confirm(2, 3), true);
    assert.deepEqual(out(q), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    assert.equal(q.confirm(2, 5), false, "one is missing in front of it");
    assert.deepEqual(out(q), [4]);
    assert.equal(q.counts.goBacks, 2);
  },
);

Deno.test(
  "SendQueue gives home what came back, each once, and what an island has brought home never again",
  PURE,
  () => {
    const q = queue();
    for (let i = 0; i < 4; i++) q.push("t", BODY, false);
    out(q);
    q.confirm(1, 1);
    out(q);
    const lost: number[] = [];
    assert.equal(q.comeBack(1, lost), 1);
    assert.deepEqual(q.bringHome().map(({ number }) => number), [2, 3, 4]);
    assert.equal(q.push("t", BODY, true), 5);
    out(q);
    for (let n = 2; n <= 5; n++) assert.equal(q.comeBack(n, lost), undefined);
    assert.equal(q.push("t", BODY, false), 6);
    assert.deepEqual(out(q), [6]);
    assert.equal(q.comeBack(6, lost), 6);
    assert.deepEqual(lost, []);
    assert.equal(q.isEmpty, true);
    assert.equal(q.length, 0);
    assert.equal(q.bytes, 0);
  },
);

Deno.test("SendQueue says in its place how many messages will never come", PURE, () => {
  const q = queue({ messages: 3 });
  for (let i = 0; i < 5; i++) q.push("t", BODY, true);
  assert.equal(q.counts.dropped, 2);
  const mark = q.next(Infinity, [])!;
  assert.equal(mark.gone, 2);
  assert.equal(mark.subject, "lost");
  assert.match(new TextDecoder().decode(mark.headers), /Bus-Gone: 2\r\n/);
  q.confirm(1, 1);
  assert.deepEqual(out(q), [2, 3, 4]);
  for (const n of [2, 3, 4]) q.confirm(1, n);
  assert.deepEqual({ ...q.counts }, {
    sent: 5,
    confirmed: 3,
    resent: 0,
    dropped: 2,
    tooLarge: 0,
    forbidden: 0,
    goBacks: 0,
    queued: 0,
  });
});

Deno.test("SendQueue puts a mark in the place of a message that is forbidden or too large", PURE, () => {
  const q = queue();
  q.push("t", BODY, false);
  out(q);
  q.confirm(1, 1);
  q.push("bad", BODY, false);
  q.push("t", new Uint8Array(50), false);
  q.push("t", BODY, false);
  out(q);
  assert.equal(q.firstSubject, "bad");
  assert.equal(q.forbidFirst(), 2);
  assert.equal(q.next(Infinity, [])!.gone, 1);
  q.confirm(2, 2);
  assert.deepEqual(out(q), [3, 4]);
  q.confirmUpTo(4);
  const lost: number[] = [];
  for (const [wire, number] of [[1, 1], [2, undefined], [3, 3], [4, 4]] as const) {
    assert.equal(q.comeBack(wire, lost), number);
  }
  assert.deepEqual(lost, []);
  const given: number[] = [];
  q.push("t", new Uint8Array(50), false);
  q.push("t", BODY, false);
  assert.deepEqual(out(q, 20, given), [5, 6]);
  assert.deepEqual(given, [5]);
  q.confirmUpTo(6);
  const { sent, confirmed, queued, dropped, tooLarge, forbidden } = q.counts;
  assert.equal(sent, confirmed + queued + dropped + tooLarge + forbidden);
  assert.equal(q.comeBack(5, lost), undefined);
  assert.equal(q.comeBack(6, lost), 6);
  assert.equal(q.away, 0);
});

Deno.test(
  "Patience ends after holdMs away, or when nothing comes back, and returns with a proof",
  PURE,
  () => {
    const well = { isWell: true, isWaiting: false, isEmpty: true };
    const away = { isWell: false, isWaiting: false, isEmpty: true };
    const patience = new Patience(1000, 0);
    assert.equal(patience.look(999, away), undefined);
    assert.equal(patience.look(1000, away), "island");
    assert.equal(patience.look(1100, well), "back");
    assert.equal(patience.look(2000, { ...well, isWaiting: true }), undefined);
    patience.handleBack(2500);
    assert.equal(patience.look(3400, { ...well, isWaiting: true }), undefined);
    assert.equal(patience.look(3500, { ...well, isWaiting: true }), "island");
    assert.equal(patience.look(3600, { ...well, isEmpty: false }), undefined, "nothing has come back");
    patience.handleBack(3700);
    assert.equal(patience.look(3800, { ...well, isEmpty: false }), "back");
    const endless = new Patience(Infinity, 0);
    assert.equal(endless.look(1e12, away), undefined);
  },
);
