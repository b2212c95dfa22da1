/**
 * The hub: one for each way into the bus. It wakes everyone who waits when messages come.
 *
 * Nobody is handed messages to queue: every waiting client has a position in the feed and is told to look again. So a message
 * is held once, however many wait, and one who is too slow loses messages only by a gap that is counted.
 *
 * @module
 */
import { Feed } from "../bus/feed.ts";
import type { FeedView } from "../bus/feed_view.ts";
import { makeEpoch } from "../bus/place.ts";
import type { BusPort } from "../bus/port.ts";
import type { WaitKind } from "./counters.ts";
import type { Cursor } from "./cursor.ts";
import { locate, type Standing } from "./lookup.ts";
import { unavailable } from "./problem.ts";
import { SharedBodies } from "./shared_bodies.ts";

/**
 * So many are served before the loop gets its turn. Measured at 5,000 waiting: the first is answered after 3 ms instead of
 * 48, and a POST meanwhile too; all are answered a tenth later, for readers that run on the other core slow the work down. Slices
 * of 50 to 1,000 made no difference to that.
 */
const SLICE = 250;
/** A burst of so many is handed out at once, so that it does not run out of the window before anyone has looked. */
const BURST = 256;
/** The same, as long as it is not known how much the window holds. */
const FIRST_BURST = 16;

/** Someone who waits for messages. */
export interface Waiter {
  /** Under what it is counted. */
  readonly kind: WaitKind;
  /** Through which gate it came. */
  readonly gate: object;
  /** Looks for messages after its position; must not wait. Says whether it did anything. */
  deliver(): boolean;
  /** {@linkcode deliver} threw: end it. */
  fail(error: unknown): void;
  /** The gateway stops: answer now. */
  drain(): void;
}

const hubs = new WeakMap<BusPort, Hub>();

/** The hub of a port: always the same one, so that all handlers of a port share the work. */
export function hubOf(port: BusPort | undefined): Hub {
  if (port === undefined) return new Hub(undefined);
  let hub = hubs.get(port);
  if (hub === undefined) hubs.set(port, hub = new Hub(port));
  return hub;
}

/** See the module. */
export class Hub {
  /** The way into the bus; `undefined` when there is none, and nothing ever comes. */
  readonly port: BusPort | undefined;
  /** What came from the bus. */
  readonly feed: FeedView;
  /** Bodies that many of those who wait want. */
  readonly bodies: SharedBodies;
  /** WebSockets that hear each other where there is no broker to send to. */
  readonly relays: Set<(text: string) => void> = new Set();
  readonly #waiters = new Set<Waiter>();
  readonly #fanOutListeners = new Set<(seconds: number) => void>();
  #stopListening: (() => void) | undefined;
  #attached = false;
  // Invariant: true from the moment a round is scheduled until its last slice is done.
  #isRunning = false;
  // Invariant: undefined outside of a slice.
  #sliceTime: number | undefined;
  // Invariant: every waiter has been told of what is there up to this position, or is being told right now.
  #announced = 0;

  constructor(port: BusPort | undefined) {
    this.port = port;
    this.feed = port?.feed ?? new Feed({ epoch: makeEpoch(), limit: { messages: 0, bytes: 0 } });
    this.feed.watchTypes();
    this.bodies = new SharedBodies(this.feed);
    port?.ready.then(() => this.#attached = this.isListening, () => {});
  }

  /** Can messages come at all? */
  get isListening(): boolean {
    return this.port?.serverBroadcast !== undefined;
  }

  /** Throws unless the broker was there at least once: without one there is nothing to poll, with a lost one there is the feed. */
  requireBroker(): void {
    this.#attached ||= this.isListening && (this.port!.isReceiving || this.feed.count > 0);
    if (this.#attached) return;
    throw unavailable("broker-unavailable", "Cannot answer: the broker has not been reached yet");
  }

  /** Throws unless messages can come, now or once the broker is there. */
  requireListening(): void {
    if (this.isListening) return;
    throw unavailable("broker-unavailable", "Cannot answer: this gateway has no broker to listen to");
  }

  /** Finds where a cursor leads. What is too old by now is no longer seen. */
  locate(cursor: Cursor): Standing {
    this.feed.expire(performance.now());
    return locate(this.feed, cursor);
  }

  /** The cursor of a position. */
  cursor(position: number): string {
    return this.feed.place(position);
  }

  /** The cursor of the oldest message that is held; of the newest one when none is. */
  get oldestCursor(): string {
    return oldestCursor(this.feed);
  }

  /** `performance.now()`; while a slice is served, when that began. */
  now(): number {
    return this.#sliceTime ?? performance.now();
  }

  /** Calls back after each fan-out with the time it took. */
  addFanOutListener(listener: (seconds: number) => void): void {
    this.#fanOutListeners.add(listener);
  }

  /** Counterpart of {@linkcode addFanOutListener}. */
  removeFanOutListener(listener: (seconds: number) => void): void {
    this.#fanOutListeners.delete(listener);
  }

  /** From now on the waiter is told when there is something new. */
  add(waiter: Waiter): void {
    if (this.#waiters.size === 0) {
      this.#announced = this.feed.position;
      this.#stopListening = this.feed.listen(this.#handleFeed);
    }
    this.#waiters.add(waiter);
  }

  /** No longer. Nothing of it stays here. Says whether it was told until now. */
  remove(waiter: Waiter): boolean {
    if (!this.#waiters.delete(waiter)) return false;
    // With nobody waiting, a message costs the gateway nothing at all.
    if (this.#waiters.size === 0) this.#stopListening?.();
    return true;
  }

  /** Those who came through a gate, who waits longest first. */
  waitersOf(gate: object): Waiter[] {
    return [...this.#waiters].filter((waiter) => waiter.gate === gate);
  }

  readonly #handleFeed = (): void => {
    if (!this.#isRunning) {
      this.#isRunning = true;
      this.bodies.keep();
      // Not at once: the messages of one read share one round, and a POST is answered before its message is handed out.
      setImmediate(this.#start);
    } else if (this.#waiters.size <= SLICE && this.#isBurst()) {
      this.#announced = this.feed.position;
      for (const waiter of [...this.#waiters]) this.#serve(waiter);
    }
  };

  #isBurst(): boolean {
    const burst = this.feed.position - this.#announced;
    const { messages } = this.feed.held;
    // While nothing was ever pushed out of the window, nobody knows how much it holds.
    if (this.feed.count === messages) return burst >= FIRST_BURST;
    // Otherwise it is full, and what comes next pushes out what nobody was told of.
    return burst >= BURST || burst * 2 > messages;
  }

  readonly #start = (): void => void this.#run();

  async #run(): Promise<void> {
    do {
      this.#announced = this.feed.position;
      const start = this.#sliceTime = performance.now();
      let served = 0;
      for (const waiter of [...this.#waiters]) {
        // It may have left while the loop had its turn.
        if (!this.#waiters.has(waiter) || !this.#serve(waiter)) continue;
        served += 1;
        if (served % SLICE !== 0) continue;
        this.#sliceTime = undefined;
        await new Promise<void>((resolve) => setImmediate(resolve));
        this.#sliceTime = performance.now();
      }
      this.#sliceTime = undefined;
      if (served > 0) {
        const seconds = (performance.now() - start) / 1000;
        for (const listener of this.#fanOutListeners) listener(seconds);
      }
    } while (this.feed.position > this.#announced && this.#waiters.size > 0);
    this.#isRunning = false;
    this.bodies.clear();
  }

  #serve(waiter: Waiter): boolean {
    try {
      return waiter.deliver();
    } catch (error) {
      // One that fails must not cost the others their message.
      waiter.fail(error);
      return true;
    }
  }
}

/** The cursor of the oldest message that is held; of the newest one when none is. */
export function oldestCursor(feed: FeedView): string {
  return feed.place(Math.min(feed.oldest, feed.position));
}

/** A copy in UTF-8. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

const encoder = new TextEncoder();
