/** The feed: numbers, window, holes, places and the last of each kind, against a model that keeps everything. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Feed, type FeedOptions } from "../../bus/feed.ts";
import type { FeedSlice } from "../../bus/feed_view.ts";
import { MAX_SEQ, parsePlace } from "../../bus/place.ts";

const encoder = new TextEncoder();
const permissions = "none";

/** Texts as frames that lie together. */
function frames(...texts: readonly string[]): Uint8Array {
  const parts = texts.map((text) => {
    const body = encoder.encode(text);
    const header = body.length > 255
      ? [2, 0, 0, 0, 0, body.length >>> 24, body.length >>> 16, body.length >>> 8, body.length]
      : [0, body.length];
    return [...header, ...body];
  });
  return Uint8Array.from(parts.flat());
}

function makeFeed(options: Partial<FeedOptions> = {}): Feed {
  return new Feed({ limit: { messages: 100, bytes: 10_000 }, epoch: "life", ...options });
}

function add(feed: Feed, ...texts: readonly string[]): void {
  const bytes = frames(...texts);
  feed.append(bytes, 0, bytes.length, texts.length, 1_000, 0);
}

function texts({ entries }: FeedSlice): string[] {
  return entries.map(({ text }) => text);
}

/** Reads on from a position to the end, as every reader does. */
function readAll(
  feed: Feed,
  from: number,
  limit = Infinity,
): { heard: (string | null | number)[]; position: number } {
  const heard: (string | null | number)[] = [];
  let position = from;
  while (position < feed.position) {
    const slice = feed.after(position, limit);
    if (slice.missed !== 0) heard.push(slice.missed);
    heard.push(...texts(slice));
    assert(slice.position > position, "each read goes on");
    position = slice.position;
  }
  return { heard, position };
}

Deno.test({
  name: "Feed.append() gives the next numbers, and after() finds the messages behind a position",
  permissions,
  fn() {
    const feed = makeFeed();
    add(feed, "{}", '{"a":1}');
    add(feed, '{"b":"ü"}');
    assert.deepEqual([feed.seq, feed.position, feed.oldest, feed.place(3)], [3, 3, 1, "life.3"]);
    assert.deepEqual(texts(feed.after(0)), ["{}", '{"a":1}', '{"b":"ü"}']);
    assert.deepEqual(texts(feed.after(1, 1)), ['{"a":1}']);
    assert.deepEqual(feed.after(3), { entries: [], missed: 0, reason: undefined, position: 3 });
  },
});

Deno.test({
  name: "Feed.after() tells what is no longer held with its number",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 2, bytes: 1000 } });
    add(feed, "{}", "{}", "{}", '{"a":4}', '{"a":5}');
    const slice = feed.after(1);
    assert.deepEqual([texts(slice), slice.missed, slice.reason], [['{"a":4}', '{"a":5}'], 2, "expired"]);
    assert.equal(feed.last?.text, '{"a":5}');
  },
});

Deno.test({
  name: "Feed.after() tells a hole in its place, not before the messages in front of it",
  permissions,
  fn() {
    const feed = makeFeed();
    add(feed, "{}");
    feed.skip(7, "slow");
    add(feed, '{"a":9}');
    const first = feed.after(0);
    assert.deepEqual([texts(first), first.missed, first.position], [["{}"], 0, 1]);
    const second = feed.after(first.position);
    assert.deepEqual([texts(second), second.missed, second.reason], [['{"a":9}'], 7, "slow"]);
    assert.equal(feed.place(second.position), "life.9");
  },
});

Deno.test({
  name: "Feed.after() tells a hole at the end at once, and once",
  permissions,
  fn() {
    const feed = makeFeed();
    feed.skip(3, "slow");
    assert.deepEqual(feed.after(0), { entries: [], missed: 3, reason: "slow", position: 3 });
    feed.skip(null, "disconnected");
    const slice = feed.after(3);
    assert.deepEqual([slice.missed, slice.reason, slice.position], [null, "disconnected", 4]);
    assert.equal(feed.after(4).missed, 0);
  },
});

Deno.test({
  name: "Feed.place() tells every message that is held apart, of however many lives they are",
  permissions,
  fn() {
    const feed = makeFeed({ epoch: "l0" });
    for (let life = 0; life < 40; life++) {
      if (life > 0) feed.begin(`l${life}`, 0);
      add(feed, '{"n":1}', '{"n":2}');
    }
    const held: number[] = [];
    for (let at = feed.oldest - 1; at < feed.position;) {
      const slice = feed.after(at);
      held.push(...slice.entries.map(({ position }) => position));
      at = slice.position;
    }
    assert.equal(held.length, 80);
    for (const [i, position] of held.entries()) {
      assert.equal(feed.place(position), `l${Math.floor(i / 2)}.${1 + i % 2}`);
      assert.equal(feed.locate(parsePlace(feed.place(position))!).position, position);
    }
  },
});

Deno.test({
  name: "Feed.begin() forgets lives of which nothing is held",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 2, bytes: 10_000 }, epoch: "l0" });
    for (let life = 1; life < 40; life++) {
      add(feed, "{}");
      feed.begin(`l${life}`, 0);
    }
    assert.equal(feed.locate({ epoch: "l10", seq: 1 }).missed, null);
    assert.equal(feed.locate({ epoch: "l38", seq: 1 }).missed, 0);
  },
});

Deno.test({
  name: "Feed.begin() counts on in another life, and a place of the earlier one goes on there",
  permissions,
  fn() {
    const feed = makeFeed({ epoch: "one" });
    add(feed, '{"a":1}', '{"a":2}');
    feed.begin("two", 5);
    add(feed, '{"b":6}');
    assert.deepEqual([feed.epoch, feed.seq], ["two", 6]);
    const { position, missed } = feed.locate({ epoch: "one", seq: 1 });
    assert.equal(missed, 0);
    assert.deepEqual(readAll(feed, position).heard, ['{"a":2}', null, '{"b":6}']);
    // Somebody who heard more of that life elsewhere goes on at its end.
    assert.deepEqual(readAll(feed, feed.locate({ epoch: "one", seq: 99 }).position).heard, [null, '{"b":6}']);
    // In the new life numbers are exact again, those before we came included.
    assert.deepEqual(readAll(feed, feed.locate({ epoch: "two", seq: 2 }).position).heard, [3, '{"b":6}']);
  },
});

Deno.test({
  name: "Feed.join() keeps the places of those who waited for the broker",
  permissions,
  fn() {
    const feed = makeFeed({ epoch: "unknown" });
    const waiting = feed.position;
    const place = parsePlace(feed.place(waiting))!;
    feed.join("life", 1000);
    assert.deepEqual(feed.locate(place), { position: waiting, missed: 0 });
    add(feed, "{}");
    assert.deepEqual([feed.seq, feed.place(feed.position)], [1001, "life.1001"]);
    assert.deepEqual(readAll(feed, waiting).heard, ["{}"]);
    assert.deepEqual(readAll(feed, feed.locate(place).position).heard, ["{}"]);
    assert.deepEqual(readAll(feed, feed.locate({ epoch: "life", seq: 990 }).position).heard, [10, "{}"]);
  },
});

for (
  const [what, place] of [
    ["another epoch", { epoch: "other", seq: 2 }],
    ["the future", { epoch: "life", seq: 4 }],
    ["the far future", { epoch: "life", seq: 999_999_999_999_999 }],
    ["the future without an epoch", { epoch: undefined, seq: 4 }],
  ] as const
) {
  Deno.test({
    name: `Feed.locate() tells a place of ${what} as unknown and begins with the oldest message`,
    permissions,
    fn() {
      const feed = makeFeed({ limit: { messages: 2, bytes: 1000 } });
      add(feed, "{}", "{}", "{}");
      assert.deepEqual(feed.locate(place), { position: 1, missed: null });
    },
  });
}

for (
  const text of [
    "",
    "life",
    "life.",
    ".1",
    "life.01",
    "life.-1",
    "life.1.2",
    "LIFE.1",
    "life.1e3",
    "life.9999999999999999",
    " life.1",
    "life.NaN",
  ]
) {
  Deno.test({
    name: `parsePlace() takes ${JSON.stringify(text)} for no place`,
    permissions,
    fn() {
      assert.equal(parsePlace(text), undefined);
    },
  });
}

Deno.test({
  name: "Feed.expire() forgets what is too old by a clock that never goes back",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 100, bytes: 10_000, maxAgeMs: 50 } });
    const bytes = frames("{}");
    feed.append(bytes, 0, bytes.length, 1, 5_000, 0);
    feed.append(bytes, 0, bytes.length, 1, 4_000, 40); // the wall clock was put back
    feed.expire(51);
    assert.equal(feed.oldest, 2);
    feed.expire(91);
    assert.deepEqual([feed.oldest, feed.held], [3, { messages: 0, bytes: 0 }]);
    assert.equal(feed.last?.time, 4_000);
  },
});

Deno.test({
  name: "Feed.lastOf() and state() give messages that can be read when they have left the window",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 100, bytes: 500_000 } });
    feed.watchTypes();
    const padding = "x".repeat(10_000);
    const addMany = (type: string) => {
      for (let n = 0; n < 100; n++) add(feed, `{"type":"${type}","n":${n},"p":"${padding}"}`);
    };
    addMany("sample");
    addMany("subject");
    const entries = [feed.lastOf((type) => type === "subject"), feed.state(["subject"])[0]?.entry];
    addMany("other");
    for (const entry of entries) assert.equal(entry?.text, `{"type":"subject","n":99,"p":"${padding}"}`);
  },
});

Deno.test({
  name: "Feed.lastOf() knows the last of a type long after it has left the window",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 3, bytes: 1000 } });
    feed.watchTypes();
    add(feed, '{"type":"subject","subject":1}', '{"type":"subject","subject":2}');
    for (let i = 0; i < 2000; i++) add(feed, `{"type":"other","n":${i}}`);
    assert.equal(feed.lastOf((type) => type === "subject")?.text, '{"type":"subject","subject":2}');
    assert.equal(feed.lastOf((type) => type === "other")?.text, '{"type":"other","n":1999}');
  },
});

Deno.test({
  name:
    "Feed.state() gives the last of each type and target, both spellings of visualization as one, and no log",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 2, bytes: 1000 } });
    feed.watchTypes();
    add(
      feed,
      '{"type":"sample","sample":[1]}',
      '{"type":"sample","sample":[2],"target":7}',
      '{"type":"Visualization","source":"a"}',
      '{"type":"visualization","source":"b"}',
      '{"type":"log","action":"x"}',
      '{"type":"sample","sample":[3]}',
    );
    const state = feed.state(["sample", "visualization", "log"]);
    assert.deepEqual(
      state.map(({ type, target, entry }) => [type, target, entry.position]),
      [["sample", "7", 2], ["visualization", undefined, 4], ["sample", undefined, 6]],
    );
  },
});

Deno.test({
  name: "Feed.state() is bounded: a thousand targets, the oldest gives way",
  permissions,
  fn() {
    const feed = makeFeed();
    feed.watchTypes();
    for (let i = 0; i < 1500; i++) add(feed, `{"type":"sample","target":${i}}`);
    const state = feed.state(["sample"]);
    assert.deepEqual([state.length, state[0]?.target, state.at(-1)?.target], [1000, "500", "1499"]);
  },
});

Deno.test({
  name: "Feed.listen() calls back once for what was told together, until it is stopped",
  permissions,
  fn() {
    const feed = makeFeed();
    let calls = 0;
    const stop = feed.listen(() => calls++);
    add(feed, "{}", "{}");
    add(feed, "{}");
    feed.tell();
    stop();
    feed.tell();
    assert.equal(calls, 1);
  },
});

/** What happens to a feed. */
type Step =
  | { readonly what: "add"; readonly sizes: readonly number[]; readonly tick: number }
  | { readonly what: "skip"; readonly missed: number | null }
  | { readonly what: "begin"; readonly seq: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant("add" as const),
      sizes: fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 }),
      tick: fc.integer({ min: 0, max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("skip" as const), missed: fc.option(fc.nat(9)) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("begin" as const), seq: fc.nat(20) }) },
);

/** Everything that ever happened, by position: a text, or what is missing there. */
class Model {
  readonly log: {
    readonly position: number;
    readonly text?: string;
    readonly size: number;
    readonly now: number;
    readonly unknown?: boolean;
  }[] = [];
  position = 0;
  now = 0;
  number = 0;

  message(size: number): string {
    const text = `{"n":${this.number++},"x":"${"x".repeat(size)}"}`;
    this.log.push({
      position: ++this.position,
      text,
      size: text.length + (text.length > 255 ? 9 : 2),
      now: this.now,
    });
    return text;
  }

  missing(count: number, unknown: boolean): void {
    for (let i = 0; i < count; i++) {
      this.log.push({ position: ++this.position, size: 0, now: this.now, unknown });
    }
  }

  /** Positions of what a window of these limits holds. */
  held({ messages, bytes, maxAgeMs = Infinity }: FeedOptions["limit"]): Set<number> {
    const held = new Set<number>();
    let total = 0;
    for (const { text, position, size, now } of this.log.toReversed()) {
      if (text === undefined) continue;
      total += size;
      if (held.size === messages || total > bytes || this.now - now > maxAgeMs) break;
      held.add(position);
    }
    return held;
  }
}

Deno.test({
  name: "a Feed is what a list of everything says, whatever happens to it and wherever it is read from",
  permissions,
  fn() {
    const limits = fc.record({
      messages: fc.integer({ min: 0, max: 20 }),
      bytes: fc.integer({ min: 10, max: 2000 }),
      maxAgeMs: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        limits,
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (limit, steps, batch, asked) => {
          const feed = makeFeed({ limit });
          const model = new Model();
          let lives = 0;
          if (asked) feed.watchTypes();
          for (const event of steps) {
            switch (event.what) {
              case "add": {
                model.now += event.tick;
                const bytes = frames(...event.sizes.map((size) => model.message(size)));
                const noise = 7;
                const chunk = new Uint8Array(bytes.length + noise);
                chunk.set(bytes, noise);
                feed.append(chunk, noise, chunk.length, event.sizes.length, model.now, model.now);
                chunk.fill(0xff); // the read buffer is used again
                break;
              }
              case "skip":
                feed.skip(event.missed, "slow");
                model.missing(event.missed ?? 1, event.missed === null);
                break;
              case "begin":
                feed.begin(`life${++lives}`, event.seq);
                model.missing(1, true);
                model.missing(event.seq, false);
            }
          }
          feed.expire(model.now);
          const held = model.held(limit);
          assert.equal(feed.position, model.position);
          assert.equal(feed.held.messages, held.size);
          assert.equal(feed.oldest, held.size === 0 ? model.position + 1 : Math.min(...held));
          assert.equal(feed.last?.text, model.log.findLast(({ text }) => text !== undefined)?.text);
          for (let from = 0; from <= model.position; from++) {
            const expected: (string | number | null)[] = [];
            let missed: number | null = 0;
            const flush = () => {
              if (missed !== 0) expected.push(missed);
              missed = 0;
            };
            for (const { position, text, unknown } of model.log.slice(from)) {
              if (text !== undefined && held.has(position)) {
                flush();
                expected.push(text);
              } else missed = missed === null || unknown ? null : missed + 1;
            }
            flush();
            assert.deepEqual(readAll(feed, from, batch), { heard: expected, position: model.position });
            // A place leads back to where it was taken.
            const place = parsePlace(feed.place(from))!;
            if (lives < 15) assert.deepEqual(readAll(feed, feed.locate(place).position).heard, expected);
          }
        },
      ),
      { numRuns: 300 },
    );
  },
});

Deno.test({
  name: "Feed counts on however large the holes are that a broker tells",
  permissions,
  fn() {
    const feed = makeFeed();
    for (let life = 0; life < 20; life++) {
      for (let i = 0; i < 20; i++) feed.skip(MAX_SEQ, "slow");
      feed.begin(`life${life}`, MAX_SEQ);
    }
    const before = feed.position;
    add(feed, "{}", '{"a":1}');
    assert.equal(feed.position, before + 2);
    assert.ok(Number.isSafeInteger(feed.position));
    assert.deepEqual(texts(feed.after(before)), ["{}", '{"a":1}']);
    assert.deepEqual(readAll(feed, 0).heard, [null, "{}", '{"a":1}']);
    assert.equal(feed.seq, MAX_SEQ + 2);
  },
});

for (
  const [how, read] of [
    ["after()", (feed: Feed) => feed.after(0).entries[0]!],
    ["last", (feed: Feed) => feed.last!],
    ["lastOf()", (feed: Feed) => feed.lastOf((type) => type === "kind 0")!],
  ] as const
) {
  Deno.test({
    name:
      `FeedEntry of ${how} has its text whenever it is asked for, also when the window has let go of its bytes`,
    permissions,
    fn() {
      const feed = makeFeed({ limit: { messages: 1, bytes: 1_000_000 } });
      if (how === "lastOf()") feed.watchTypes();
      const text = (i: number) => JSON.stringify({ type: `kind ${i}`, pad: "x".repeat(60_000) });
      add(feed, text(0));
      const entry = read(feed);
      for (let i = 1; i < 5; i++) add(feed, text(i));
      assert.equal(feed.oldest, 5);
      assert.equal(entry.text, text(0));
    },
  });
}

Deno.test({
  name: "Feed.lastOf() has the text of every kind, also of those that the window has let go of",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 1, bytes: 1_000_000 } });
    feed.watchTypes();
    const text = (i: number) => JSON.stringify({ type: `kind ${i}`, pad: "x".repeat(60_000) });
    for (let i = 0; i < 5; i++) add(feed, text(i));
    for (let i = 0; i < 5; i++) assert.equal(feed.lastOf((type) => type === `kind ${i}`)!.text, text(i));
  },
});

Deno.test({
  name: "Feed.before() finds the first message of a time, wherever the window begins and pieces are cut",
  permissions,
  fn() {
    const step = fc.record({
      messages: fc.integer({ min: 1, max: 5 }),
      after: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 1, max: 30 }), fc.nat(60), (steps, held, asked) => {
        const feed = makeFeed({ limit: { messages: held, bytes: 10_000 } });
        const times: number[] = [];
        let time = 0;
        for (const { messages, after } of steps) {
          time += after;
          const bytes = frames(...Array.from({ length: messages }, () => "{}"));
          feed.append(bytes, 0, bytes.length, messages, time, 0);
          for (let i = 0; i < messages; i++) times.push(time);
        }
        const first = times.findIndex((time, i) => time >= asked && i + 1 >= feed.oldest);
        assert.equal(feed.before(asked), first < 0 ? feed.position : first);
      }),
    );
  },
});

Deno.test({
  name: "Feed.gaps counts every hole, and the messages of those of known size",
  permissions,
  fn() {
    const feed = makeFeed();
    feed.skip(3, "slow");
    feed.skip(null, "disconnected");
    feed.skip(0, "slow");
    assert.deepEqual(feed.gaps, { told: 2, missed: 3 });
  },
});

Deno.test({
  name: "Feed.gapBetween() gives a hole's own reason only for what lies within it",
  permissions,
  fn() {
    const feed = makeFeed({ limit: { messages: 1, bytes: 1000 } });
    add(feed, "{}");
    feed.skip(2, "slow"); // 2 and 3
    add(feed, "{}", "{}");
    assert.deepEqual(feed.gapBetween(1, 3), { missed: 2, reason: "slow" });
    assert.deepEqual(feed.gapBetween(2, 3), { missed: 1, reason: "slow" });
    assert.deepEqual(feed.gapBetween(0, 4), { missed: 4, reason: "expired" });
    assert.deepEqual(feed.gapBetween(3, 4), { missed: 1, reason: "expired" });
  },
});

Deno.test({
  name:
    "Feed remembers a thousand holes, and of older ones no more than that nobody knows how many are missing",
  permissions,
  fn() {
    const feed = makeFeed();
    feed.skip(null, "disconnected"); // 1
    add(feed, "{}");
    feed.skip(2, "slow"); // 3 and 4
    add(feed, "{}");
    for (let i = 0; i < 999; i++) {
      feed.skip(1, "slow");
      add(feed, "{}");
    }
    // The first one is forgotten, but that it was there.
    assert.deepEqual(feed.gapBetween(0, 1), { missed: null, reason: "expired" });
    assert.deepEqual(feed.gapBetween(2, 4), { missed: 2, reason: "slow" });
    feed.skip(1, "slow");
    assert.deepEqual(feed.gapBetween(2, 4), { missed: 2, reason: "expired" });
  },
});

Deno.test({
  name: "Feed keeps apart what different connections sent in the same moment",
  permissions,
  fn() {
    const feed = makeFeed();
    const bytes = frames("{}", "{}");
    const half = bytes.length / 2;
    const [one, two] = [{ token: "a", link: 1 }, { token: "b", link: 1 }];
    feed.append(bytes, 0, half, 1, 1_000, 0, one, 0);
    feed.append(bytes, half, bytes.length, 1, 1_000, 0, two, 1);
    assert.equal(feed.pieceAfter(0)!.sender, one);
    assert.equal(feed.pieceAfter(0)!.messages, 1);
    assert.equal(feed.pieceAfter(1)!.sender, two);
  },
});
