/** The broker's side of one follower, and both sides together through a queue that is drained, cut and taken back at random. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Feed } from "../../bus/feed.ts";
import { FEED_PROPERTY, type FeedStart, feedTopic, parseFeedTopic } from "../../bus/feed_note.ts";
import { FeedReader } from "../../bus/feed_reader.ts";
import { FeedSender } from "../../bus/feed_sender.ts";
import { Follower } from "../../bus/follower.ts";
import { encodeTextFrame } from "../../zmtp/mod.ts";
import type { QueueLimit } from "../../zmtp/outbox.ts";
import { concat } from "../support/raw_peer.ts";
import { hear, SimulatedQueue } from "../support/simulated_queue.ts";

const permissions = "none";
const WIDE = { messages: 1000, bytes: 100_000 };
const TOKEN = "a-token-of-36-characters-or-any-such";

/** Bodies as texts, NUL left out. */
function texts(bodies: readonly Uint8Array[]): string[] {
  return bodies.map((body) => new TextDecoder().decode(body).replace("\0feed/1 ", ""));
}

function makeFeed(limit = WIDE): Feed {
  return new Feed({ epoch: "life", limit });
}

function follow(feed: Feed, start: FeedStart, limit: QueueLimit = WIDE, token?: string): SimulatedQueue {
  const queue = new SimulatedQueue(limit);
  queue.reader = new FeedReader(feed, queue, start, token, () => {});
  return queue;
}

/** Messages come in together: they are appended, and whoever follows hears of the piece. */
function add(
  feed: Feed,
  messages: readonly string[],
  queues: readonly SimulatedQueue[],
  sender?: FeedSender,
) {
  const bytes = concat(...messages.map((text) => encodeTextFrame(text)));
  const index = sender === undefined ? 0 : (sender.received += messages.length) - messages.length;
  const piece = feed.append(bytes, 0, bytes.length, messages.length, 1_000, 0, sender, index);
  for (const { reader } of queues) (reader as FeedReader).handlePiece(piece);
}

function numbered(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => `{"n":${first + i}}`);
}

const place = (seq: number, reason = "start") => `{"place":"life.${seq}","reason":"${reason}"}`;

Deno.test({
  name:
    "FeedReader begins with what came in the last so many milliseconds, and tells who asks when each message came",
  permissions,
  fn() {
    const feed = makeFeed();
    const append = (time: number, ...messages: string[]) => {
      const bytes = concat(...messages.map((text) => encodeTextFrame(text)));
      return feed.append(bytes, 0, bytes.length, messages.length, time, 0);
    };
    append(1_000, '{"n":1}');
    append(5_000, '{"n":2}', '{"n":3}');
    append(9_000, '{"n":4}');
    const queue = new SimulatedQueue(WIDE);
    const wish = parseFeedTopic(feedTopic("age 5000", true))!;
    assert.deepEqual(wish, { start: "age 5000", times: true });
    const reader = new FeedReader(feed, queue, wish.start, TOKEN, () => {}, { times: true, now: 10_000 });
    queue.reader = reader;
    reader.handlePiece(append(9_000, '{"n":5}'));
    reader.handlePiece(append(9_001, '{"n":6}'));
    const told = [place(1), '{"time":5000}', '{"n":2}', '{"n":3}', '{"time":9000}', '{"n":4}', '{"n":5}'];
    assert.deepEqual(texts(queue.drain()), [...told, '{"time":9001}', '{"n":6}']);
  },
});

Deno.test({
  name: "FeedReader tells where it begins first, then gives what comes",
  permissions,
  fn() {
    const feed = makeFeed();
    add(feed, numbered(1, 3), []);
    const queue = follow(feed, "now");
    add(feed, numbered(4, 5), [queue]);
    assert.deepEqual(texts(queue.drain()), [place(3), '{"n":4}', '{"n":5}']);
  },
});

for (
  const [what, start, first] of [
    ["everything that is held", "earliest", 3],
    ["what follows its place", { epoch: "life", seq: 4 }, 5],
    ["what follows a place that is no longer held, and where that begins", { epoch: "life", seq: 1 }, 3],
    ["everything that is held for a place of another life", { epoch: "other", seq: 4 }, 3],
    ["everything that is held for a place of the future", { epoch: "life", seq: 7 }, 3],
    ["nothing but news for the place of the newest message", { epoch: "life", seq: 6 }, 7],
  ] as const
) {
  Deno.test({
    name: `FeedReader gives ${what}`,
    permissions,
    fn() {
      const feed = makeFeed({ messages: 4, bytes: 1000 });
      add(feed, numbered(1, 6), []);
      const queue = follow(feed, start);
      add(feed, numbered(7, 7), [queue]);
      assert.deepEqual(texts(queue.drain()), [place(first - 1), ...numbered(first, 7)]);
    },
  });
}

Deno.test({
  name: "FeedReader is as full as the window is behind it, but not before it was here once",
  permissions,
  fn() {
    const feed = makeFeed({ messages: 100, bytes: 100_000 });
    add(feed, numbered(1, 50), []);
    const queue = follow(feed, "earliest", { messages: 10, bytes: 1000 });
    assert.equal(queue.reader!.fill, 0);
    while (queue.drain().length > 0);
    add(feed, numbered(51, 75), [queue]);
    assert.equal(queue.reader!.fill, 15 / 100);
  },
});

Deno.test({
  name: "FeedReader tells of refusals as long as its queue has room",
  permissions,
  fn() {
    const feed = makeFeed();
    const queue = follow(feed, "now", { messages: 1, bytes: 1000 });
    const reader = queue.reader as FeedReader;
    reader.handleRefused(2, 3, 7);
    add(feed, numbered(1, 1), [queue]);
    reader.handleRefused(1, 3, 9); // It will never know.
    assert.deepEqual(texts(queue.drain()), [place(0), '{"refused":2,"link":3,"index":7}', '{"n":1}']);
  },
});

Deno.test({
  name: "FeedReader tells whose messages come next to the one whose they are, and to nobody else",
  permissions,
  fn() {
    const feed = makeFeed();
    const sender = FeedSender.of(`${TOKEN} 3`)!;
    add(feed, numbered(1, 2), [], sender);
    const own = follow(feed, "earliest", WIDE, TOKEN);
    const other = follow(feed, "earliest", WIDE, "another-token-of-another-program");
    add(feed, numbered(3, 3), [own, other]);
    add(feed, numbered(4, 4), [own, other], sender);
    assert.deepEqual(texts(own.drain()), [
      place(0),
      '{"own":2,"link":3,"index":0}',
      ...numbered(1, 3),
      '{"own":1,"link":3,"index":2}',
      '{"n":4}',
    ]);
    assert.deepEqual(texts(other.drain()), [place(0), ...numbered(1, 4)]);
  },
});

Deno.test({
  name: "FeedReader goes on after a piece of more messages than its queue holds",
  permissions,
  fn() {
    const feed = makeFeed();
    const queue = follow(feed, "now", { messages: 3, bytes: 1000 });
    queue.drain();
    add(feed, numbered(1, 10), [queue]);
    assert.deepEqual(texts(queue.drain()), numbered(1, 10));
    add(feed, numbered(11, 12), [queue]);
    assert.deepEqual(texts(queue.drain()), numbered(11, 12));
  },
});

Deno.test({
  name: "FeedReader without a window gives as many as its queue holds, and tells what it lost",
  permissions,
  fn() {
    const feed = makeFeed({ messages: 0, bytes: 0 });
    const queue = follow(feed, "now", { messages: 3, bytes: 1000 });
    queue.drain();
    add(feed, numbered(1, 10), [queue]);
    assert.equal(queue.reader!.lost, 7);
    assert.deepEqual(texts(queue.drain()), [...numbered(1, 3), place(10, "slow")]);
    assert.equal(queue.outbox.dropped, 7);
    add(feed, numbered(11, 12), [queue]);
    assert.deepEqual(texts(queue.drain()), numbered(11, 12));
  },
});

Deno.test({
  name: "FeedReader tells in its place what the window lost while the queue was full, and counts it",
  permissions,
  fn() {
    const feed = makeFeed({ messages: 4, bytes: 1000 });
    const queue = follow(feed, "now", { messages: 2, bytes: 1000 });
    add(feed, numbered(1, 2), [queue]);
    add(feed, numbered(3, 3), [queue]);
    add(feed, numbered(4, 10), [queue]);
    assert.deepEqual([queue.reader!.waiting, queue.reader!.lost], [4, 4]);
    assert.deepEqual(texts(queue.drain()), [
      place(0),
      ...numbered(1, 2),
      place(6, "slow"),
      ...numbered(7, 10),
    ]);
    assert.deepEqual([queue.outbox.dropped, queue.reader!.waiting, queue.reader!.lost], [4, 0, 0]);
  },
});

Deno.test({
  name: "FeedReader does not count what was gone before it came",
  permissions,
  fn() {
    const feed = makeFeed({ messages: 4, bytes: 1000 });
    add(feed, numbered(1, 10), []);
    const queue = follow(feed, { epoch: "life", seq: 2 });
    assert.deepEqual(texts(queue.drain()), [place(6), ...numbered(7, 10)]);
    assert.equal(queue.outbox.dropped, 0);
  },
});

Deno.test({
  name: "FeedReader gives again what was taken back, says where that is, and whose",
  permissions,
  fn() {
    const feed = makeFeed();
    const queue = follow(feed, "now", WIDE, TOKEN);
    const sender = FeedSender.of(`${TOKEN} 1`)!;
    add(feed, numbered(1, 2), [queue], sender);
    queue.beginWrite(); // the note
    queue.giveWay();
    assert.deepEqual(texts(queue.endWrite()), [place(0)]);
    assert.deepEqual(texts(queue.drain()), [
      place(0, "slow"),
      '{"own":2,"link":1,"index":0}',
      ...numbered(1, 2),
    ]);
    assert.equal(queue.outbox.dropped, 0);
  },
});

Deno.test({
  name: "FeedReader holds no more than its queue allows, however far behind it is",
  permissions,
  fn() {
    const feed = makeFeed({ messages: 100_000, bytes: 10_000_000 });
    for (let i = 0; i < 100; i++) add(feed, numbered(1, 1000), []);
    const queue = follow(feed, "earliest", { messages: 100_000, bytes: 10_000_000 });
    assert.ok(queue.bytes < 512 * 1024, `${queue.bytes}`);
    assert.equal(queue.drain().length, 100_001);
  },
});

// Both sides together.

/** What happens next. */
type Step =
  /** Messages come in: whose, and which of them are refused. */
  | { readonly what: "send"; readonly who: number; readonly good: readonly boolean[]; readonly size: number }
  /** A write begins, or the one under way ends. */
  | { readonly what: "write" }
  | { readonly what: "drain" }
  | { readonly what: "giveWay" }
  /** The connection breaks after so many bytes of what is being written; it is back, or it takes a while. */
  | { readonly what: "cut"; readonly after: number }
  | { readonly what: "connect" }
  /** The next connection of one of our senders. */
  | { readonly what: "link"; readonly who: number }
  /** The broker is gone, and another one has its ports: does that one number? */
  | { readonly what: "restart"; readonly numbers: boolean };

const nat = (max: number) => fc.nat({ max });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant("send" as const),
      who: nat(3),
      good: fc.array(fc.integer({ min: 0, max: 9 }).map((n) => n > 0), { minLength: 1, maxLength: 12 }),
      size: fc.oneof(nat(20), nat(300)),
    }),
  },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("write" as const) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("drain" as const) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("giveWay" as const) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("cut" as const), after: nat(2000) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant("connect" as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("link" as const), who: nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant("restart" as const),
      numbers: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
    }),
  },
);

/** One life of a broker: what it passed on, all of it. */
interface Life {
  readonly epoch: string;
  readonly numbers: boolean;
  readonly feed: Feed;
  readonly log: { readonly own: string | undefined }[];
}

/** Broker, follower, and everything between them; knows what should have been heard. */
class World {
  readonly #window: QueueLimit;
  readonly #limit: QueueLimit;
  readonly #follower: Follower;
  readonly #lives: Life[] = [];
  /** Two are ours: the first two. */
  readonly #senders: FeedSender[] = [];
  readonly #links = [0, 0, 0, 0];
  /** Own messages that were refused, and were not told yet. */
  readonly #refused: Set<string> = new Set();
  #queue: SimulatedQueue | undefined;
  /** Where we are: in which life, and behind which of its messages; undefined before the first word. */
  #at: { life: number; seq: number } | undefined;
  /** Gaps since the last message, until the next one shows whether they are right. */
  #missed: number | null = 0;
  heard = 0;

  constructor(window: QueueLimit, limit: QueueLimit, start: FeedStart) {
    this.#window = window;
    this.#limit = limit;
    this.restart(true);
    for (let who = 0; who < 4; who++) this.link(who);
    if (typeof start !== "string") {
      // A place of the first life, which may be of its future, or of a stranger.
      this.#at = { life: start.epoch === "life1" ? 0 : -1, seq: start.seq };
    }
    this.#follower = new Follower(start, {
      handleJoin: (epoch, seq) => {
        assert.equal(this.#at, undefined, "joined twice");
        this.#at = { life: this.#indexOf(epoch), seq };
      },
      handleGap: (missed) => {
        assert.notEqual(missed, 0);
        this.#missed = missed === null || this.#missed === null ? null : this.#missed + missed;
      },
      handleLife: (epoch, seq) => {
        assert.equal(this.#missed, null, "another life begins with a gap");
        this.#missed = 0;
        this.#at = epoch === undefined
          ? { life: this.#lives.length - 1, seq: -1 }
          : { life: this.#indexOf(epoch), seq };
      },
      handleRefused: (messages, link, index) => {
        for (let i = 0; i < messages; i++) {
          assert.ok(this.#refused.delete(`${link}/${index + i}`), `${link}/${index + i} was not refused`);
        }
      },
    });
  }

  step(event: Step): void {
    switch (event.what) {
      case "send":
        return this.send(event.who, event.good, event.size);
      case "write":
        // Every other one begins, so that much may happen while it is under way.
        if (this.#queue === undefined) return;
        if (this.#isWriting) this.#hear(this.#queue.endWrite());
        this.#isWriting = !this.#isWriting && this.#queue.beginWrite();
        return;
      case "drain":
        return this.drain();
      case "giveWay":
        if (this.#queue?.reader !== undefined) this.#queue.giveWay();
        return;
      case "cut":
        return this.cut(event.after);
      case "connect":
        return this.connect();
      case "link":
        return this.link(event.who);
      case "restart":
        return this.restart(event.numbers);
    }
  }

  #isWriting = false;

  send(who: number, good: readonly boolean[], size: number): void {
    const life = this.#life;
    const sender = life.numbers ? this.#senders[who]! : undefined;
    const isOurs = who < 2;
    // Frames that lie together are a piece, as in the broker.
    let run: string[] = [];
    let first = 0;
    const pass = () => {
      if (run.length === 0) return;
      const bytes = concat(...run.map((text) => encodeTextFrame(text)));
      const messages = run.length;
      const piece = life.feed.append(bytes, 0, bytes.length, messages, 1, 0, sender, first);
      const reader = this.#queue?.reader as FeedReader | undefined;
      if (reader !== undefined) reader.handlePiece(piece);
      else this.#queue?.outbox.push(bytes, 0, bytes.length, messages);
      run = [];
    };
    for (const isGood of good) {
      const index = sender === undefined ? 0 : sender.received++;
      if (!isGood) {
        pass();
        sender?.handleRefused(index);
        if (sender !== undefined && isOurs) this.#refused.add(`${sender.link}/${index}`);
        continue;
      }
      if (run.length === 0) first = index;
      life.log.push({ own: sender !== undefined && isOurs ? `${sender.link}/${index}` : undefined });
      run.push(`${this.#lives.length - 1} ${life.log.length} ${"x".repeat(size)}`);
    }
    pass();
    const reader = this.#queue?.reader as FeedReader | undefined;
    if (sender === undefined) return;
    for (const { index, messages } of sender.takeRefused()) {
      if (isOurs) reader?.handleRefused(messages, sender.link, index);
    }
  }

  link(who: number): void {
    // Numbers of connections are the client's own: no two of its senders share one here.
    const link = 10 * ++this.#links[who]! + who;
    const token = who < 2 ? TOKEN : `the-token-of-stranger-number-${who}`;
    this.#senders[who] = FeedSender.of(`${token} ${link}`)!;
  }

  connect(): void {
    if (this.#queue !== undefined) return;
    const { feed, numbers, log } = this.#life;
    const queue = this.#queue = new SimulatedQueue(this.#limit);
    const hasSaid = numbers ? feed.place(feed.position) : undefined;
    const topics = this.#follower.handleConnect((name) => name === FEED_PROPERTY ? hasSaid : undefined);
    assert.equal(topics.length, numbers ? 1 : 0);
    if (numbers) {
      queue.reader = new FeedReader(feed, queue, parseFeedTopic(topics[0]!)!.start, TOKEN, () => {});
    } else {
      // What it passes on from now on comes, unless its queue is full: of that it tells nothing.
      this.#at = { life: this.#lives.length - 1, seq: -log.length - 1 };
    }
  }

  cut(after: number): void {
    if (this.#queue === undefined) return;
    if (this.#isWriting || this.#queue.beginWrite()) this.#hear(this.#queue.endWrite(after));
    this.#isWriting = false;
    this.#queue.reader?.handleGone();
    this.#queue.outbox.clear();
    this.#queue = undefined;
    this.#follower.handleDisconnect();
  }

  restart(numbers: boolean): void {
    if (this.#lives.length > 0) this.cut(0);
    const epoch = `life${this.#lives.length + 1}`;
    this.#lives.push({ epoch, numbers, log: [], feed: new Feed({ epoch, limit: this.#window }) });
    for (let who = 0; who < this.#senders.length; who++) this.link(who);
  }

  drain(): void {
    if (this.#queue === undefined) return;
    if (this.#isWriting) this.#hear(this.#queue.endWrite());
    this.#isWriting = false;
    this.#hear(this.#queue.drain());
  }

  /** Everything was written: nothing may be missing that was not told. */
  finish(): void {
    this.connect();
    this.drain();
    const { numbers, feed, log, epoch } = this.#life;
    if (!numbers) return assert.equal(this.#follower.place, undefined);
    assert.equal(this.#follower.place, feed.place(feed.position));
    assert.equal(this.#follower.isFollowing, true);
    this.#expect(this.#lives.length - 1, log.length + 1);
    assert.equal(this.#at!.seq, log.length, `all of ${epoch} was heard or told`);
    assert.equal((this.#queue!.reader as FeedReader).waiting, 0);
  }

  get #life(): Life {
    return this.#lives[this.#lives.length - 1]!;
  }

  #indexOf(epoch: string): number {
    const life = this.#lives.findIndex((life) => life.epoch === epoch);
    assert.ok(life >= 0, epoch);
    return life;
  }

  #hear(bodies: readonly Uint8Array[]): void {
    hear(this.#follower, bodies, (text, own) => {
      const [life, seq] = text.split(" ").map(Number) as [number, number];
      this.heard++;
      const { numbers, log, epoch } = this.#lives[life]!;
      this.#expect(life, seq);
      this.#at = { life, seq };
      assert.equal(this.#follower.place, numbers ? `${epoch}.${seq}` : undefined);
      const expected = log[seq - 1]!.own;
      assert.equal(own === undefined ? undefined : `${own.link}/${own.index}`, expected, `own ${text}`);
    });
  }

  /** The next message is this one: what lies in between was told, exactly. */
  #expect(life: number, seq: number): void {
    const [missed, at] = [this.#missed, this.#at!];
    this.#missed = 0;
    assert.equal(life, at.life);
    // A broker without numbers may have dropped something at any time.
    if (!this.#lives[life]!.numbers) {
      return assert.ok(seq > (at.seq < 0 ? -at.seq - 1 : at.seq), `${seq} behind ${at.seq}`);
    }
    assert.ok(missed !== null, "of a broker that numbers, no gap is unknown but that of another life");
    assert.equal(seq, at.seq + missed + 1, `after ${at.seq}, ${missed} missed`);
    this.#at = { life, seq: seq - 1 };
  }
}

Deno.test({
  name:
    "FeedReader and Follower: each message once and in order, or in a gap of the exact size, whatever is cut, taken back, refused or restarted",
  permissions,
  fn() {
    const limit = (messages: number, bytes: number) =>
      fc.record({
        messages: fc.integer({ min: messages, max: 60 }),
        bytes: fc.integer({ min: bytes, max: 6000 }),
      });
    const start: fc.Arbitrary<FeedStart> = fc.oneof(
      fc.constantFrom("now" as const, "earliest" as const, "age 1" as const),
      fc.record({ epoch: fc.constantFrom("life1", "stranger"), seq: nat(5) }),
    );
    let heard = 0;
    fc.assert(
      fc.property(
        limit(0, 0),
        limit(1, 400),
        start,
        fc.array(step, { maxLength: 150, size: "max" }),
        (window, queue, start, steps) => {
          const world = new World(window, queue, start);
          for (const step of steps) world.step(step);
          world.finish();
          heard += world.heard;
        },
      ),
      { numRuns: 600 },
    );
    assert.ok(heard > 10_000, `${heard} messages were heard`);
  },
});
