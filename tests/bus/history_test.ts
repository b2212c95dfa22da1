import assert from "node:assert/strict";
import fc from "fast-check";
import { History, HistoryEntry } from "../../bus/history.ts";

/** A history with messages "1", "2" … of one byte each. */
function withMessages(count: number, limit = { messages: 1000, bytes: 1000 }): History {
  const history = new History(limit);
  for (let i = 1; i <= count; i++) history.add(String(i), 1, 1000 + i);
  return history;
}

/** Texts and number of missed messages after a count. */
function after(history: History, count: number, limit?: number): [texts: string[], missed: number] {
  const { entries, missed } = history.after(count, limit);
  return [entries.map(({ text }) => text), missed];
}

Deno.test("History is empty at first", () => {
  const history = new History({ messages: 10, bytes: 10 });
  assert.deepEqual([history.count, history.oldest, history.bytes], [0, 1, 0]);
  assert.deepEqual(after(history, 0), [[], 0]);
});

Deno.test("History.after() gives what came after a count, the oldest first", () => {
  const history = withMessages(5);
  assert.deepEqual(after(history, 0), [["1", "2", "3", "4", "5"], 0]);
  assert.deepEqual(after(history, 3), [["4", "5"], 0]);
  assert.deepEqual(after(history, 5), [[], 0]);
  assert.deepEqual(after(history, 1, 2), [["2", "3"], 0]);
  assert.deepEqual(after(history, 1, 0), [[], 0]);
});

Deno.test("History.after() knows nothing of counts that are still to come, and starts at the first for those below 0", () => {
  assert.deepEqual(after(withMessages(5), 99), [[], 0]);
  assert.deepEqual(after(withMessages(2), -7), [["1", "2"], 0]);
});

Deno.test("History.after() says how many messages are no longer held", () => {
  const history = withMessages(10, { messages: 3, bytes: 1000 });
  assert.equal(history.oldest, 8);
  assert.deepEqual(after(history, 0), [["8", "9", "10"], 7]);
  assert.deepEqual(after(history, 5), [["8", "9", "10"], 2]);
  assert.deepEqual(after(history, 7), [["8", "9", "10"], 0]);
});

Deno.test("History holds no more bytes than its limit, and lets the oldest go first", () => {
  const history = new History({ messages: 100, bytes: 10 });
  history.add("a", 6, 0);
  history.add("b", 4, 0);
  assert.deepEqual([history.oldest, history.bytes], [1, 10]);
  history.add("c", 1, 0);
  assert.deepEqual([history.oldest, history.bytes], [2, 5]);
});

Deno.test("History counts a message that is larger than all it may hold, and holds nothing then", () => {
  const history = withMessages(2, { messages: 100, bytes: 10 });
  history.add("large", 11, 0);
  assert.deepEqual([history.count, history.oldest, history.bytes], [3, 4, 0]);
  assert.deepEqual(after(history, 0), [[], 3]);
});

Deno.test("HistoryEntry has the number, the text and the time of its message", () => {
  const { entries } = withMessages(2).after(1);
  assert.deepEqual(entries.map(({ count, text, time }) => ({ count, text, time })), [{
    count: 2,
    text: "2",
    time: 1002,
  }]);
});

Deno.test("HistoryEntry.type is the message's type when that is a text", () => {
  for (
    const [text, type] of [
      ['{"type":"subject"}', "subject"],
      ['{"type":""}', ""],
      ['{"type":5}', undefined],
      ['{"type":null}', undefined],
      ["{}", undefined],
    ] as const
  ) {
    const entry = new HistoryEntry(1, text, 0);
    assert.equal(entry.type, type);
    assert.equal(entry.type, type, "asked again");
  }
});

Deno.test("History equals a naive list, within any limit", () => {
  fc.assert(
    fc.property(
      fc.record({ messages: fc.nat(20), bytes: fc.nat(60) }),
      fc.array(fc.nat(12), { maxLength: 60, size: "max" }),
      fc.integer({ min: -3, max: 70 }),
      fc.option(fc.nat(30), { nil: undefined }),
      (limit, sizes, asked, most) => {
        const history = new History(limit);
        let held: { count: number; size: number }[] = [];
        for (const [i, size] of sizes.entries()) {
          history.add(`${i + 1}`, size, i);
          held.push({ count: i + 1, size });
          const bytes = () => held.reduce((sum, { size }) => sum + size, 0);
          while (held.length > limit.messages || bytes() > limit.bytes) held = held.slice(1);
          assert.equal(history.count, i + 1);
          assert.equal(history.oldest, held[0]?.count ?? i + 2);
          assert.equal(history.bytes, bytes());
        }
        const wanted = held.filter(({ count }) => count > asked);
        const { entries, missed } = history.after(asked, most);
        assert.deepEqual(entries.map(({ count }) => count), wanted.slice(0, most).map(({ count }) => count));
        const firstWanted = Math.max(asked, 0) + 1;
        const firstHeld = held[0]?.count ?? sizes.length + 1;
        assert.equal(missed, Math.max(0, firstHeld - firstWanted));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("History.expire() forgets what is older than maxAgeMs, and after() counts it as missed", () => {
  const history = new History({ messages: 100, bytes: 1000, maxAgeMs: 50 });
  for (const time of [0, 10, 20, 60]) history.add(`{"at":${time}}`, 10, time);
  assert.equal(history.oldest, 2, "60 - 0 is too old");

  history.expire(71);

  assert.equal(history.oldest, 4);
  assert.equal(history.bytes, 10);
  assert.equal(history.after(0).missed, 3);
  assert.deepEqual(history.after(0).entries.map(({ count }) => count), [4]);
});
