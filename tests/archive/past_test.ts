/** A feed that goes on from what was recorded: what each place leads to. */
import assert from "node:assert/strict";
import { Feed } from "../../bus/feed.ts";
import type { FeedPast, FeedRecorder } from "../../bus/feed_store.ts";
import { add, frames } from "./support/files.ts";

const permissions = "none";

function feedWith(past: FeedPast, epoch: string, seq = 0): Feed {
  const recorder: FeedRecorder = {
    past,
    isExcluding: false,
    exclude: (work) => work(),
    handlePiece: () => {},
    handleGap: () => {},
    handleLife: () => {},
  };
  return new Feed({ limit: { messages: 100, bytes: 10_000 }, epoch, seq, recorder });
}

function piece(epoch: string, seq: number, ...texts: readonly string[]) {
  const bytes = frames(...texts);
  return { epoch, seq, bytes, start: 0, end: bytes.length, messages: texts.length, time: 5 };
}

/** Everything behind a place, gaps as what is missing. */
function behind(feed: Feed, epoch: string, seq: number): (string | number | null)[] {
  const found: (string | number | null)[] = [];
  let { position } = feed.locate({ epoch, seq });
  while (position < feed.position) {
    const slice = feed.after(position);
    if (slice.missed !== 0) found.push(slice.missed);
    found.push(...slice.entries.map(({ text }) => text));
    position = slice.position;
  }
  return found;
}

Deno.test({
  name: "Behind a goodbye the numbers go on, and nothing is missing",
  permissions,
  fn() {
    const past = {
      epoch: "a",
      seq: 2,
      isExact: true,
      clock: 0,
      pieces: [piece("a", 1, '{"n":1}', '{"n":2}')],
    };
    const feed = feedWith(past, "a", 2);
    add(feed, '{"n":3}');
    assert.equal(feed.place(feed.position), "a.3");
    assert.deepEqual(behind(feed, "a", 1), ['{"n":2}', '{"n":3}']);
    assert.deepEqual([feed.count, feed.gaps.told], [1, 0], "what was before is none of this run's");
  },
});

Deno.test({
  name:
    "Behind a crash, one gap of unknown size stands between the lives; what the file lost is missing in its place",
  permissions,
  fn() {
    const pieces = [piece("a", 1, '{"n":1}'), piece("a", 5, '{"n":5}'), piece("b", 1, '{"n":"b"}')];
    const feed = feedWith({ epoch: "b", seq: 1, isExact: false, clock: 0, pieces }, "c");
    add(feed, '{"n":"c"}');
    assert.equal(feed.place(feed.position), "c.1");
    assert.deepEqual(behind(feed, "a", 0), ['{"n":1}', 3, '{"n":5}', null, '{"n":"b"}', null, '{"n":"c"}']);
    assert.deepEqual(behind(feed, "b", 1), [null, '{"n":"c"}']);
    // It heard more than the file has.
    assert.deepEqual(behind(feed, "b", 77), [null, '{"n":"c"}']);
    assert.deepEqual(behind(feed, "a", 99), [null, '{"n":"b"}', null, '{"n":"c"}']);
  },
});

Deno.test({
  name:
    "A life of which nothing came to the file, and a stranger's, go on behind the past: nothing comes twice",
  permissions,
  fn() {
    const empty = { ...piece("b", 1), end: 0 };
    const pieces = [piece("a", 1, '{"n":1}', '{"n":2}'), empty];
    const feed = feedWith({ epoch: "b", seq: 0, isExact: false, clock: 0, pieces }, "c");
    add(feed, '{"n":"c"}');
    assert.deepEqual(behind(feed, "b", 300), [null, '{"n":"c"}']);
    assert.equal(feed.locate({ epoch: "x", seq: 1 }).missed, null);
    assert.deepEqual(behind(feed, "x", 1), ['{"n":"c"}']);
  },
});
