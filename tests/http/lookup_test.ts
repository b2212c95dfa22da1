/** Where a cursor leads, and what lies behind it. */
import assert from "node:assert/strict";
import { Feed } from "../../bus/feed.ts";
import { find, joinMissing, locate, NOTHING_MISSING } from "../../http/lookup.ts";
import { TypeFilter } from "../../http/type_filter.ts";
import { encodeTextFrame } from "../../zmtp/mod.ts";

const permissions = "none";

function makeFeed(messages = 100): Feed {
  return new Feed({ epoch: "life", limit: { messages, bytes: 100_000 } });
}

function add(feed: Feed, ...texts: readonly string[]): void {
  for (const text of texts) {
    const bytes = encodeTextFrame(text);
    feed.append(bytes, 0, bytes.length, 1, 1_000, 0);
  }
}

Deno.test({
  name: "find() gives as many messages as fit, at least one, and goes on with the next one",
  permissions,
  fn() {
    const feed = makeFeed();
    const text = (n: number) => `{"n":${n},"pad":"${"x".repeat(50)}"}`;
    add(feed, text(1), text(2), text(3));
    for (const maxLength of [1, text(1).length, 2 * text(1).length - 1]) {
      const { entries, position } = find(feed, 0, undefined, 10, maxLength);
      assert.deepEqual([entries.length, position], [1, 1]);
    }
    const { entries, position } = find(feed, 1, undefined, 10, 2 * text(1).length);
    assert.deepEqual([entries.map((entry) => entry.text), position], [[text(2), text(3)], 3]);
    assert.deepEqual(find(feed, 0, undefined, 2, 1000).entries.length, 2);
  },
});

Deno.test({
  name: "find() stops in front of a gap behind the first message, and tells it next",
  permissions,
  fn() {
    const feed = makeFeed();
    add(feed, '{"type":"a"}');
    feed.skip(2, "slow");
    add(feed, '{"type":"b"}');
    const filter = TypeFilter.parse(["b"]) as TypeFilter;
    assert.deepEqual([find(feed, 0, undefined, 9, 999).position, find(feed, 0, undefined, 9, 999).missed], [
      1,
      0,
    ]);
    const next = find(feed, 1, undefined, 9, 999);
    assert.deepEqual([next.position, next.missed, next.reason], [4, 2, "slow"]);
    const filtered = find(feed, 0, filter, 9, 999);
    assert.deepEqual([filtered.entries.length, filtered.missed, filtered.reason], [1, 2, "slow"]);
  },
});

Deno.test({
  name: "joinMissing() adds what is known, and does not hide that nobody knows",
  permissions,
  fn() {
    const [slow, expired] = [{ missed: 2, reason: "slow" }, { missed: 3, reason: "expired" }] as const;
    const unknown = { missed: null, reason: "restarted" } as const;
    assert.deepEqual(joinMissing(slow, expired), { missed: 5, reason: "expired" });
    assert.deepEqual(joinMissing(slow, NOTHING_MISSING), slow);
    assert.deepEqual(joinMissing(NOTHING_MISSING, slow), slow);
    assert.deepEqual(joinMissing(slow, unknown), unknown);
    assert.deepEqual(joinMissing(unknown, slow), unknown);
  },
});

Deno.test({
  name: "locate() begins with the newest message for `latest`, and behind it when it is not held",
  permissions,
  fn() {
    const [held, forgotten] = [makeFeed(), makeFeed(0)];
    for (const feed of [held, forgotten]) add(feed, "{}", "{}");
    assert.equal(locate(held, { kind: "latest" }).position, 1);
    assert.equal(locate(forgotten, { kind: "latest" }).position, 2);
  },
});

Deno.test({
  name: "TypeFilter lets no message without a type through, whatever its patterns are",
  permissions,
  fn() {
    const feed = makeFeed();
    add(feed, '{"type":"a"}', '{"kind":"a"}', '{"type":1}');
    const filter = TypeFilter.parse(["*"]) as TypeFilter;
    assert.deepEqual(find(feed, 0, filter, 9, 999).entries.map(({ text }) => text), ['{"type":"a"}']);
  },
});

Deno.test({
  name: "TypeFilter.parse() takes a hundred patterns, and no more",
  permissions,
  fn() {
    const patterns = (count: number) =>
      Array.from({ length: count }, (_, i) => `kind${i}${i % 2 ? "*" : ""}`).join();
    assert.ok(TypeFilter.parse([patterns(100)]) instanceof TypeFilter);
    assert.equal(TypeFilter.parse([patterns(101)]), "more than 100 types");
  },
});
