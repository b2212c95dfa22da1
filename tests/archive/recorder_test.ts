/** The recorder against a file that is slow, full, gone or dead: whatever happens, each message is in a block or in a gap. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { ArchiveError, type KnownRow, Recorder, type RecordOptions, type Row } from "../../archive/mod.ts";
import { walkBlock } from "../../archive/worker/block.js";
import type { Feed } from "../../bus/feed.ts";
import { add, feedOf, frames } from "./support/files.ts";

/** Takes rows, and writes them when the test says so. */
class FakeFile {
  readonly rows: (Row & { readonly bytes?: Uint8Array; readonly size?: number })[] = [];
  /** Rows that were handed over and are not written. */
  readonly waiting: FakeFile["rows"] = [];
  readonly recorder: Recorder;
  readonly feed: Feed;
  isAlive = true;
  session = 1;

  constructor(options: RecordOptions = {}) {
    const file = {
      tell: (row: Row) => {
        if (this.isAlive) this.waiting.push(row as FakeFile["rows"][number]);
        return this.isAlive;
      },
      begin: () => Promise.resolve(++this.session),
      end: () => {
        if (!this.isAlive) return Promise.reject(new ArchiveError("failed", "it died"));
        this.write(Infinity);
        return Promise.resolve(0);
      },
      reopen: (asked: readonly KnownRow[]) => {
        this.isAlive = true;
        return Promise.resolve(
          asked.map(({ what, first, t0 }) =>
            this.rows.some((row) => row.what === what && (row.first ?? row.after) === first && row.t0 === t0)
          ),
        );
      },
      info: () => Promise.reject(new Error("not asked for")),
      release: () => Promise.resolve(),
    };
    const start = { session: 1, last: undefined, lastWasClean: true, past: undefined, fileBytes: 0 };
    this.recorder = new Recorder(file, start, options);
    this.feed = feedOf(this.recorder);
  }

  /** The disk has taken so many rows. */
  write(count: number): void {
    for (const row of this.waiting.splice(0, count)) {
      this.rows.push(row);
      this.recorder.storageHandler.handleWritten(Number(row.count ?? 0), row.size ?? 0, undefined);
    }
  }

  /** The Worker dies; it may have written some without saying so. */
  die(written: number): void {
    this.isAlive = false;
    for (const [i, row] of this.waiting.splice(0).entries()) {
      if (i < written) this.rows.push({ ...row, bytes: row.bytes?.slice() as Uint8Array });
      // As if it had been transferred.
      if (row.bytes !== undefined) {
        structuredClone(row.bytes.buffer, { transfer: [row.bytes.buffer as ArrayBuffer] });
      }
    }
    this.recorder.storageHandler.handleEnd("it died");
  }

  /** Everything that is in the file, in its order: numbers of messages, and gaps. */
  contents(): (number | { readonly missed: number | null; readonly reason: unknown })[] {
    return this.rows.flatMap((row): ReturnType<FakeFile["contents"]> => {
      if (row.what === "life") return [];
      if (row.what === "gap") return [{ missed: row.missed as number | null, reason: row.reason }];
      const found: number[] = [];
      const bytes = row.bytes!.subarray(0, row.size);
      walkBlock(bytes, { first: Number(row.first), count: Number(row.count), t0: row.t0 }, (
        _seq: number,
        _time: number,
        start: number,
        end: number,
      ) => void found.push(JSON.parse(new TextDecoder().decode(bytes.subarray(start, end))).n));
      return found;
    });
  }
}

function numbered(from: number, count: number, size = 0): string[] {
  return Array.from({ length: count }, (_, i) => `{"n":${from + i},"x":"${"x".repeat(size)}"}`);
}

/** Messages that are counted as missing. */
function missing(contents: ReturnType<FakeFile["contents"]>): number {
  return contents.reduce<number>((sum, item) => sum + (typeof item === "number" ? 0 : item.missed ?? 0), 0);
}

Deno.test("A recorder hands over a block when it is full, and what waits after a quarter of a second", async () => {
  const file = new FakeFile();
  add(file.feed, ...numbered(1, 10));
  assert.equal(file.waiting.length, 0);
  while (file.waiting.length === 0) await pause(10);
  assert.equal(file.waiting[0]!.count, 10);
  for (let i = 0; i < 6; i++) add(file.feed, ...numbered(11 + 100 * i, 100, 1000));
  assert.equal(file.waiting.length, 3, "two more of 256 KiB are full");
  await file.recorder.end();
  assert.deepEqual(file.contents(), numbered(1, 610).map((_, i) => i + 1));
});

Deno.test("Behind by more than its buffer, a recorder loses new messages until half of it is free, and counts them in one gap", async () => {
  const file = new FakeFile({ maxWaitingBytes: 100_000 });
  for (let n = 1; n <= 200; n++) add(file.feed, ...numbered(n, 1, 1000));
  const { recorded, lost, waitingBytes } = file.recorder.stats();
  assert(waitingBytes <= 100_000);
  assert.deepEqual(lost, { behind: 200 - recorded });
  file.write(Infinity);
  add(file.feed, ...numbered(201, 3));
  await file.recorder.end();
  const contents = file.contents();
  assert.deepEqual(
    contents,
    [
      ...numbered(1, recorded).map((_, i) => i + 1),
      { missed: 200 - recorded, reason: "behind" },
      201,
      202,
      203,
    ].slice(0, contents.length),
  );
  assert.equal(contents.length, recorded + 4);
});

Deno.test("What is lost while the disk is full is told as that", async () => {
  const file = new FakeFile({ maxWaitingBytes: 10_000 });
  const told: string[] = [];
  file.recorder.handleTrouble = (state) => told.push(state);
  file.recorder.handleLoss = (reason) => told.push(`lost: ${reason}`);
  file.recorder.storageHandler.handleState("full", "database or disk is full");
  for (let n = 1; n <= 20; n++) add(file.feed, ...numbered(n, 1, 1000));
  assert.equal(file.recorder.stats().state, "full");
  assert.equal(file.recorder.stats().trouble, "database or disk is full");
  file.recorder.storageHandler.handleState("recording", "");
  file.write(Infinity);
  await file.recorder.end();
  assert.deepEqual(told, ["full", "lost: full", "recording"]);
  const contents = file.contents();
  assert.equal(contents.filter((item) => typeof item === "number").length + missing(contents), 20);
  assert.deepEqual(Object.keys(file.recorder.stats().lost), ["full"]);
});

Deno.test("A gap of the feed is a gap of the session, in its place", async () => {
  const file = new FakeFile();
  add(file.feed, ...numbered(1, 2));
  file.feed.skip(5, "slow");
  add(file.feed, ...numbered(8, 1));
  file.feed.begin("other", 100);
  add(file.feed, ...numbered(9, 1));
  await file.recorder.end();
  assert.deepEqual(file.contents(), [1, 2, { missed: 5, reason: "slow" }, 8, {
    missed: null,
    reason: "restarted",
  }, 9]);
  assert.equal(file.recorder.place, "other.101");
});

Deno.test("Messages of chosen types only are recorded; the others are counted, and are no gap", async () => {
  for (const options of [{ only: ["a", "b*"] }, { except: ["c", "d*"] }]) {
    const file = new FakeFile(options);
    add(
      file.feed,
      '{"type":"a","n":1}',
      '{"type":"c","n":2}',
      '{"type":"bee","n":3}',
      '{"type":"dog","n":4}',
    );
    await file.recorder.end();
    assert.deepEqual(file.contents(), [1, 3]);
    assert.equal(file.recorder.stats().leftOut.type, 2);
  }
});

Deno.test("A pause, and what a replay of ours adds, are left out, and are no gap", async () => {
  const file = new FakeFile();
  add(file.feed, ...numbered(1, 1));
  file.recorder.pause = true;
  add(file.feed, ...numbered(2, 1));
  file.recorder.pause = false;
  file.recorder.exclude(() => add(file.feed, ...numbered(3, 1)));
  add(file.feed, ...numbered(4, 1));
  await file.recorder.end();
  assert.deepEqual(file.contents(), [1, 4]);
  const { leftOut, received, recorded } = file.recorder.stats();
  assert.deepEqual([leftOut.paused, leftOut.replay, received, recorded], [1, 1, 4, 2]);
});

Deno.test("A Worker that dies takes its blocks with it: they are a gap, unless they had been written", async () => {
  const file = new FakeFile();
  for (let i = 0; i < 3; i++) {
    add(file.feed, ...numbered(1 + 10 * i, 10));
    void file.recorder.flushed();
  }
  file.write(1);
  file.die(1);
  add(file.feed, ...numbered(31, 10));
  while (file.recorder.stats().state === "failed") await pause(20);
  void file.recorder.flushed();
  file.write(Infinity);
  assert.equal(file.recorder.stats().waitingBytes, 0, "what went with the Worker does not wait any more");
  await file.recorder.end();
  const contents = file.contents();
  assert.deepEqual(contents.filter((item) => typeof item !== "number"), [{ missed: 10, reason: "failed" }]);
  assert.deepEqual(
    contents.filter((item) => typeof item === "number").sort((a, b) => a - b),
    [...numbered(1, 20).keys(), ...numbered(1, 10).map((_, i) => 30 + i)].map((i) => i + 1),
  );
});

Deno.test("Whatever the disk does, each message is in a block or in a gap, and in its order", async () => {
  const step = fc.oneof(
    fc.record({
      what: fc.constant("add" as const),
      count: fc.integer({ min: 1, max: 20 }),
      size: fc.constantFrom(0, 50, 3000),
    }),
    fc.record({ what: fc.constant("write" as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ what: fc.constant("flush" as const) }),
    fc.record({ what: fc.constant("state" as const), state: fc.constantFrom("recording", "full", "failed") }),
    fc.record({ what: fc.constant("skip" as const), count: fc.integer({ min: 1, max: 5 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const file = new FakeFile({ maxWaitingBytes: 20_000 });
      let [n, skipped] = [0, 0];
      for (const one of steps) {
        if (one.what === "add") {
          add(file.feed, ...numbered(n + 1, one.count, one.size));
          n += one.count;
        }
        if (one.what === "write") file.write(one.count);
        if (one.what === "flush") void file.recorder.flushed();
        if (one.what === "state") file.recorder.storageHandler.handleState(one.state as "full", "");
        if (one.what === "skip") {
          file.feed.skip(one.count, "slow");
          skipped += one.count;
        }
        const { received, recorded, lost } = file.recorder.stats();
        const { slow = 0, ...own } = lost;
        assert.equal(slow, skipped);
        assert.equal(received, recorded + Object.values(own).reduce((sum, count) => sum + count, 0));
      }
      await file.recorder.end();
      let at = 0;
      for (const item of file.contents()) {
        if (typeof item === "number") {
          assert.equal(item, at + 1);
          at = item;
        } else if (item.reason !== "slow") at += item.missed!;
      }
      assert.equal(at, n);
      assert.equal(missing(file.contents()) - skipped, n - file.recorder.stats().recorded);
    }),
    { numRuns: 300 },
  );
});

Deno.test("Times of messages rise, and are those that a broker tells of what came while nobody recorded", async () => {
  const file = new FakeFile();
  const bytes = frames('{"n":1}');
  const hour = Date.now() - 3_600_000;
  file.feed.append(bytes, 0, bytes.length, 1, hour, performance.now());
  file.feed.append(bytes, 0, bytes.length, 1, hour - 5, performance.now());
  const before = Date.now() - 1;
  add(file.feed, '{"n":2}');
  await file.recorder.end();
  const [block] = file.rows;
  const times: number[] = [];
  walkBlock(block!.bytes!.subarray(0, block!.size), { first: 1, count: 3, t0: block!.t0 }, (
    _seq: number,
    time: number,
  ) => void times.push(time / 1000));
  assert.deepEqual(times.slice(0, 2), [hour, hour]);
  assert(times[2]! >= before);
});

Deno.test("A recorder that loses messages goes on when half of its buffer is free, and no sooner", async () => {
  const file = new FakeFile({ maxWaitingBytes: 100_000 });
  for (let n = 1; n <= 100; n++) {
    add(file.feed, ...numbered(n, 1, 1000));
    void file.recorder.flushed(); // A block each.
  }
  const { recorded } = file.recorder.stats();
  file.write(Math.floor(recorded / 2) - 5);
  add(file.feed, ...numbered(101, 1));
  assert.equal(file.recorder.stats().recorded, recorded, "more than half waits");
  file.write(10);
  add(file.feed, ...numbered(102, 1));
  assert.equal(file.recorder.stats().recorded, recorded + 1);
  await file.recorder.end();
  assert.equal(missing(file.contents()), 101 - recorded);
});

Deno.test("A block holds only messages that follow each other, so that each has its number in its life", async () => {
  const file = new FakeFile();
  add(file.feed, ...numbered(1, 2));
  file.recorder.pause = true;
  add(file.feed, ...numbered(3, 1));
  file.recorder.pause = false;
  add(file.feed, ...numbered(4, 2));
  await file.recorder.end();
  assert.deepEqual(file.rows.map(({ number, count }) => [number, count]), [[1, 2], [4, 2]]);
});

Deno.test("A gap that was written is not written again when the Worker dies once more before it says so", async () => {
  const file = new FakeFile();
  add(file.feed, ...numbered(1, 3));
  void file.recorder.flushed();
  file.die(0);
  while (file.recorder.stats().state === "failed") await pause(20);
  add(file.feed, ...numbered(4, 3));
  void file.recorder.flushed();
  file.die(1); // The gap is in the file.
  while (file.recorder.stats().state === "failed") await pause(20);
  await file.recorder.end();
  assert.deepEqual(file.contents(), [{ missed: 3, reason: "failed" }, { missed: 3, reason: "failed" }]);
});

Deno.test("A recorder that ends while its Worker is dead counts what was on its way as lost, and nothing waits any more", async () => {
  const file = new FakeFile();
  add(file.feed, ...numbered(1, 3));
  void file.recorder.flushed();
  file.die(0);
  add(file.feed, ...numbered(4, 2));
  await file.recorder.end();
  const { lost, recorded, onDisk, waitingBytes, state } = file.recorder.stats();
  assert.deepEqual({ lost, recorded, onDisk, waitingBytes, state }, {
    lost: { failed: 5 },
    recorded: 5,
    onDisk: 0,
    waitingBytes: 0,
    state: "ended",
  });
});
