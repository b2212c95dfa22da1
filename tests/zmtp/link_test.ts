/** One connection's two loops, over a socket that is no socket. */
import assert from "node:assert/strict";
import { ConnectionError } from "../../base/errors.ts";
import { encodePing, encodePong, encodeReady, socketTypeMetadata } from "../../zmtp/command.ts";
import { encodeTextFrame } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { Block } from "../../zmtp/arena.ts";
import type { Connection } from "../../zmtp/connection.ts";
import { Link, type LinkClock, type LinkHandler } from "../../zmtp/link.ts";
import { NullMechanism } from "../../zmtp/null.ts";
import { Outbox } from "../../zmtp/outbox.ts";
import { ReadGate } from "../../zmtp/read_gate.ts";
import { concat, PURE } from "./core_test_support.ts";

/** A peer in memory: says what it is told, takes as much at once as it is told. */
class FakeConnection implements Connection {
  readonly remoteAddr = { hostname: "127.0.0.1", port: 1 };
  readonly written: number[] = [];
  isHalfClosed = false;
  refusesNoDelay = false;
  /** Bytes of each write at most; the writes fail when it runs out. */
  bites: number[] = [];
  readonly #incoming: Uint8Array[] = [];
  #waiting: PromiseWithResolvers<number | null> & { buffer: Uint8Array } | undefined;
  isClosed = false;

  say(bytes: Uint8Array): void {
    this.#incoming.push(bytes);
    this.#serve();
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.isClosed) return Promise.reject(new Deno.errors.BadResource("closed"));
    this.#waiting = { ...Promise.withResolvers<number | null>(), buffer };
    this.#serve();
    return this.#waiting?.promise ?? Promise.resolve(null);
  }

  write(bytes: Uint8Array): Promise<number> {
    const bite = this.bites.length === 0 ? bytes.length : Math.min(bytes.length, this.bites.shift()!);
    if (bite === 0) return Promise.reject(new Deno.errors.BrokenPipe("the peer is gone"));
    this.written.push(...bytes.subarray(0, bite));
    return Promise.resolve(bite);
  }

  /** Pieces that nobody has read. */
  get unread(): number {
    return this.#incoming.length;
  }

  closeWrite(): Promise<void> {
    this.isHalfClosed = true;
    return Promise.resolve();
  }

  setNoDelay(): void {
    if (this.refusesNoDelay) throw new Error("EINVAL");
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
    this.#waiting?.reject(new Deno.errors.Interrupted("closed"));
    this.#waiting = undefined;
  }

  #serve(): void {
    const waiting = this.#waiting;
    const next = this.#incoming.shift();
    if (waiting === undefined || next === undefined) {
      if (next !== undefined) this.#incoming.unshift(next);
      return;
    }
    waiting.buffer.set(next);
    waiting.resolve(next.length);
  }
}

/** Time stands still unless a test moves it. */
class FakeClock implements LinkClock {
  time = 0;
  now(): number {
    return this.time;
  }
  add(): void {}
  remove(): void {}
  expect(): void {}
}

function linkOver(conn: FakeConnection, gate?: ReadGate): {
  link: Link;
  outbox: Outbox;
  clock: FakeClock;
  ended: Error[];
  ready: Promise<void>;
  done: number[];
  sizes: number[];
} {
  const [ended, done, sizes]: [Error[], number[], number[]] = [[], [], []];
  const ready = Promise.withResolvers<void>();
  const handler: LinkHandler = {
    handleReady: () => ready.resolve(),
    handleWritten(messages, bytes) {
      done.push(messages);
      sizes.push(bytes);
    },
    handleEnd: (reason) => ended.push(reason),
  };
  const outbox = new Outbox({ messages: 10, bytes: 1000 });
  const clock = new FakeClock();
  const mechanism = new NullMechanism(() => socketTypeMetadata("PUSH"), false);
  const link = new Link(conn, { socketType: "PUSH", mechanism, gate }, outbox, handler, clock);
  return { link, outbox, clock, ended, ready: ready.promise, done, sizes };
}

const GREETED = concat(encodeGreeting("NULL"), encodeReady(socketTypeMetadata("PULL")));

function push(outbox: Outbox, text: string): Uint8Array {
  const frame = encodeTextFrame(text);
  outbox.push(frame, 0, frame.length, 1);
  return frame;
}

Deno.test("Link writes the rest when a write takes a part only", PURE, async () => {
  const conn = new FakeConnection();
  const { link, outbox, ready, done } = linkOver(conn);
  link.start();
  conn.say(GREETED);
  await ready;
  await link.drained();
  conn.written.length = 0;
  conn.bites = [1, 2, 3];
  const frame = push(outbox, "a message");

  link.wake();
  await link.drained();

  assert.deepEqual(Uint8Array.from(conn.written), frame);
  assert.deepEqual(done, [1]);
  link.abort();
  await link.gone;
});

Deno.test(
  "Link says how far it got when a write fails, so that the outbox can put the rest back",
  PURE,
  async () => {
    const conn = new FakeConnection();
    const { link, outbox, ready, ended } = linkOver(conn);
    link.start();
    conn.say(GREETED);
    await ready;
    await link.drained();
    conn.bites = [5, 0];
    push(outbox, "a message");

    link.wake();
    await link.gone;

    assert.equal(link.writtenBytes, 5);
    assert.deepEqual(outbox.putBack(link.writtenBytes), { written: 0, lost: 1 });
    assert.equal(ended.length, 1);
    assert.ok(ended[0] instanceof ConnectionError && ended[0].code === "connection-lost");
  },
);

Deno.test("Link tells how many bytes it wrote, also when their block is freed with it", PURE, async () => {
  const conn = new FakeConnection();
  const { link, outbox, ready, sizes } = linkOver(conn);
  link.start();
  conn.say(GREETED);
  await ready;
  await link.drained();
  const frame = encodeTextFrame("a message");
  const size = frame.length;
  const block = new Block(frame, undefined, true);
  outbox.push(frame, 0, size, 1, block);
  block.release();

  link.wake();
  await link.drained();

  assert.deepEqual(sizes, [size]);
  link.abort();
  await link.gone;
});

Deno.test("Link ends politely: the peer hears the end, and what it still says is dropped", PURE, async () => {
  const conn = new FakeConnection();
  const { link, ready, clock, ended } = linkOver(conn);
  link.start();
  conn.say(GREETED);
  await ready;

  link.leave();
  await link.drained();
  await Promise.resolve();
  assert.equal(conn.isHalfClosed, true);
  assert.equal(conn.isClosed, false);
  clock.time = 2000;
  link.tick(clock.time);
  await link.gone;

  assert.equal(conn.isClosed, true);
  assert.equal(ended.length, 1);
});

Deno.test("Link that has ended takes no turn at the gate, and keeps nobody else from one", PURE, async () => {
  const conn = new FakeConnection();
  const gate = new ReadGate();
  const { link, ready } = linkOver(conn, gate);
  link.start();
  conn.say(GREETED);
  await ready;
  gate.close();
  link.leave();
  await link.drained();
  await Promise.resolve();
  // Its peer has not heard of it yet.
  conn.say(encodeTextFrame("{}"));
  for (let i = 0; i < 10; i++) await Promise.resolve();

  gate.open();
  await gate.enter({});

  link.abort();
  await link.gone;
});

Deno.test(
  "Link over a connection that was reset before it began ends, and nothing else does",
  PURE,
  async () => {
    const conn = new FakeConnection();
    conn.refusesNoDelay = true;
    const { link, ended } = linkOver(conn);

    link.start();
    await link.gone;

    assert.equal(conn.isClosed, true);
    assert.ok(ended[0] instanceof ConnectionError && ended[0].code === "connection-lost");
  },
);

Deno.test("Link ends at the deadline of its handshake", PURE, async () => {
  const conn = new FakeConnection();
  const { link, clock, ended } = linkOver(conn);
  link.start();

  clock.time = 10_000;
  link.tick(clock.time);
  clock.time = 12_000;
  link.tick(clock.time);
  await link.gone;

  assert.match(ended[0]!.message, /handshake/);
});

for (const pings of [true, false]) {
  Deno.test(
    pings
      ? "Link tells a peer with heartbeats that we are there, while what it said waits in front of the gate"
      : "Link says nothing to a held peer without heartbeats: what the operating systems hold of a gone one would be destroyed",
    PURE,
    async () => {
      const conn = new FakeConnection();
      const gate = new ReadGate();
      const { link, ready, clock } = linkOver(conn, gate);
      link.start();
      conn.say(pings ? concat(GREETED, encodePing(1000)) : GREETED);
      await ready;
      await settled();
      gate.close();
      conn.say(encodeTextFrame("held"));
      await settled();
      conn.written.length = 0;

      clock.time = 1000;
      link.tick(clock.time);
      await settled();

      assert.deepEqual(
        Uint8Array.from(conn.written),
        pings ? encodePong(new Uint8Array(0)) : new Uint8Array(0),
      );
      link.abort();
      await link.gone;
    },
  );
}

Deno.test("Link that ends while the gate is closed reads on to the peer's end", PURE, async () => {
  const conn = new FakeConnection();
  const gate = new ReadGate();
  const { link, ready } = linkOver(conn, gate);
  link.start();
  conn.say(GREETED);
  await ready;
  await settled();
  gate.close();
  conn.say(encodeTextFrame("held"));
  await settled();

  link.leave();
  await settled();
  conn.say(encodeTextFrame("dropped"));
  await settled();
  conn.say(encodeTextFrame("dropped, too"));
  await settled();

  assert.equal(conn.unread, 0);
  link.abort();
  await link.gone;
});

/** Everything that can go on without the peer has gone on. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
