/**
 * The hub: one for each bus client. It wakes everyone who waits when messages come, and makes each body once for all that
 * want the same.
 *
 * Nobody is handed messages to queue: every waiting client has a place in the client's history (`seq`) and is told to look
 * again. So a message is held once, however many wait, and one who is too slow loses messages only by a gap that is counted.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { WaitKind } from "./counters.ts";
import type { GatewayClient, GatewayEntry } from "./gateway_client.ts";
import { createEpoch, type Cursor, formatCursor } from "./cursor.ts";
import { unavailable } from "./problem.ts";
import type { TypeFilter } from "./type_filter.ts";

/**
 * So many are served before the loop gets its turn. Measured at 5,000 waiting: the first is answered after 3 ms instead of
 * 48, and a POST meanwhile too; all are answered a tenth later, for readers that run on the other core slow the work down. Slices
 * of 50 to 1,000 made no difference to that.
 */
const SLICE = 250;
/** A burst of so many is handed out at once, so that it does not run out of the history before anyone has looked. */
const BURST = 256;
/** The same, as long as it is not known how much the history holds. */
const FIRST_BURST = 16;
/** So many messages are looked through at once for a filter. */
const PAGE = 256;
/** Most bodies that one round of a fan-out keeps: one for each place, filter and form among those who wait. */
const MAX_BODIES = 1000;

/** Someone who waits for messages. */
export interface Waiter {
  /** Under what it is counted. */
  readonly kind: WaitKind;
  /** Through which gate it came. */
  readonly gate: object;
  /** Looks for messages after its place; must not wait. Says whether it did anything. */
  deliver(): boolean;
  /** {@linkcode deliver} threw: end it. */
  fail(error: unknown): void;
  /** The gate stops: answer now. */
  drain(): void;
}

/** Where a client stands and what it has lost already. */
export interface Place {
  /** It has the messages up to this number, or will never get them. */
  readonly seq: number;
  /** How many it will never get; `null` when nobody can know. */
  readonly missed: number | null;
}

/** What was found after a place. */
export interface Found extends Place {
  /** The messages that passed the filter, oldest first. */
  readonly entries: readonly GatewayEntry[];
}

/** A body that many want. */
export interface Rendered<T> extends Found {
  /** What the format made of the messages; `undefined` when there are none and nothing is missing. */
  readonly body: T | undefined;
}

/** How messages become a body. There is one object for each kind of body: it is the key under which bodies are shared. */
export interface Format<T> {
  /** Most messages in one body. */
  readonly maxMessages: number;
  /** Most UTF-16 units of text in one body; a single longer message still fits. */
  readonly maxLength: number;
  /** Makes the body. */
  render(found: Found, hub: Hub): T;
}

/** What the last one who asked got. */
interface LastBody {
  readonly after: number;
  readonly filter: TypeFilter | undefined;
  readonly format: Format<unknown>;
  readonly rendered: Rendered<unknown>;
}

const hubs = new WeakMap<GatewayClient, Hub>();

/** The hub of a client: always the same one, so that all handlers of a client share the epoch and the work. */
export function hubOf(client: GatewayClient): Hub {
  let hub = hubs.get(client);
  if (hub === undefined) hubs.set(client, hub = new Hub(client));
  return hub;
}

/** See the module. */
export class Hub {
  /** Names this life of the hub in its cursors. */
  readonly epoch: string = createEpoch();
  /** Where messages come from. */
  readonly client: GatewayClient;
  /** WebSockets that hear each other where there is no broker to send to. */
  readonly relays: Set<(text: string) => void> = new Set();
  readonly #waiters = new Set<Waiter>();
  readonly #bodies = new Map<Format<unknown>, Map<string, Map<number, Rendered<unknown>>>>();
  readonly #fanOutListeners = new Set<(seconds: number) => void>();
  #bodyCount = 0;
  #lastBody: LastBody | undefined;
  #attached = false;
  // Invariant: true from the moment a round is scheduled until its last slice is done.
  #isRunning = false;
  // Invariant: every waiter has been told of the messages up to this number, or is being told right now.
  #announced = 0;

  constructor(client: GatewayClient) {
    this.client = client;
    client.ready.then(() => this.#attached = true, () => {});
  }

  /** Was the broker ever there? Without one there is nothing to poll, with a lost one there is the last value. */
  get isAttached(): boolean {
    if (this.client.serverBroadcast === undefined) return false;
    return this.#attached ||= this.client.isReceiving || this.client.count > 0;
  }

  /** Throws unless the broker was there at least once. */
  requireBroker(): void {
    if (!this.isAttached) {
      throw unavailable("broker-unavailable", "Cannot answer: the broker has not been reached yet");
    }
  }

  /** The cursor of a message. */
  cursor(seq: number): string {
    return formatCursor(this.epoch, seq);
  }

  /** The cursor of the oldest message that is held; of the place where the next one will be when none is. */
  get oldestCursor(): string {
    return this.cursor(Math.min(this.client.oldest, this.client.count));
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
      this.#announced = this.client.count;
      this.client.addEventListener("message", this.#handleMessage);
    }
    this.#waiters.add(waiter);
  }

  /** No longer. Nothing of it stays here. Says whether it was told until now. */
  remove(waiter: Waiter): boolean {
    if (!this.#waiters.delete(waiter)) return false;
    // With nobody waiting, a message costs the gateway nothing at all.
    if (this.#waiters.size === 0) this.client.removeEventListener("message", this.#handleMessage);
    return true;
  }

  /** Those who came through a gate, who waits longest first. */
  waitersOf(gate: object): Waiter[] {
    return [...this.#waiters].filter((waiter) => waiter.gate === gate);
  }

  /** Finds the place that a cursor means, and what is lost if it lies outside of what is held. */
  locate(cursor: Cursor): Place {
    const { count, oldest } = this.client;
    switch (cursor.kind) {
      case "now":
        return { seq: count, missed: 0 };
      case "earliest":
        return { seq: oldest - 1, missed: 0 };
      case "latest":
        return { seq: Math.max(count, oldest) - 1, missed: 0 };
      case "foreign":
        return { seq: oldest - 1, missed: null };
      case "at": {
        const isOurs = cursor.epoch === undefined || cursor.epoch === this.epoch;
        if (!isOurs || cursor.seq > count) return { seq: oldest - 1, missed: null };
        return { seq: Math.max(cursor.seq, oldest - 1), missed: Math.max(0, oldest - 1 - cursor.seq) };
      }
    }
  }

  /** Looks for messages after a place. `seq` of the answer lies behind everything that was looked at. */
  find(after: number, filter: TypeFilter | undefined, maxMessages: number, maxLength: number): Found {
    const client = this.client;
    const entries: GatewayEntry[] = [];
    let seq = after;
    let missed = 0;
    let length = 0;
    while (seq < client.count) {
      const limit = filter === undefined ? Math.min(PAGE, maxMessages - entries.length) : PAGE;
      const page = client.messagesAfter(seq, limit).entries;
      const first = page[0];
      if (first === undefined) {
        missed += client.count - seq;
        seq = client.count;
        break;
      }
      missed += first.count - seq - 1;
      seq = first.count - 1;
      for (const entry of page) {
        const passes = filter === undefined || filter.matches(entry);
        if (passes && entries.length > 0 && length + entry.text.length > maxLength) {
          return { entries, seq, missed };
        }
        seq = entry.count;
        if (!passes) continue;
        length += entry.text.length;
        if (entries.push(entry) === maxMessages) return { entries, seq, missed };
      }
    }
    return { entries, seq, missed };
  }

  /** Like {@linkcode find}, and makes the body, once for all who ask for the same. */
  render<T>(after: number, filter: TypeFilter | undefined, format: Format<T>): Rendered<T> {
    // Nearly always it is what the one before asked for.
    const last = this.#lastBody;
    if (last !== undefined && last.after === after && last.filter === filter && last.format === format) {
      return last.rendered as Rendered<T>;
    }
    const byFilter = this.#bodies.getOrInsertComputed(format, () => new Map());
    const byPlace = byFilter.getOrInsertComputed(filter?.key ?? "", () => new Map());
    const known = byPlace.get(after);
    // A known answer that found nothing at its end may be out of date; one that found something stays right.
    if (known !== undefined && (known.body !== undefined || known.seq === this.client.count)) {
      return known as Rendered<T>;
    }
    const found = this.find(after, filter, format.maxMessages, format.maxLength);
    const isEmpty = found.entries.length === 0 && found.missed === 0;
    const rendered = { ...found, body: isEmpty ? undefined : format.render(found, this) };
    if (this.#isRunning && this.#bodyCount < MAX_BODIES) {
      if (known === undefined) this.#bodyCount += 1;
      byPlace.set(after, rendered);
      if (!isEmpty) this.#lastBody = { after, filter, format, rendered };
    }
    return rendered;
  }

  readonly #handleMessage = (): void => {
    if (!this.#isRunning) {
      this.#isRunning = true;
      // Not at once: the messages of one read share one round, and a POST is answered before its message is handed out.
      setImmediate(this.#start);
    } else if (this.#waiters.size <= SLICE && this.#isBurst()) {
      this.#announced = this.client.count;
      for (const waiter of [...this.#waiters]) this.#serve(waiter);
    }
  };

  #isBurst(): boolean {
    const { count, oldest } = this.client;
    const burst = count - this.#announced;
    // While nothing was ever pushed out of the history, nobody knows how much it holds.
    if (oldest === 1) return burst >= FIRST_BURST;
    // Otherwise it is full, and the next message would push out one that nobody was told of.
    return burst >= BURST || oldest > this.#announced;
  }

  readonly #start = (): void => void this.#run();

  async #run(): Promise<void> {
    do {
      this.#announced = this.client.count;
      const start = performance.now();
      let served = 0;
      for (const waiter of [...this.#waiters]) {
        // It may have left while the loop had its turn.
        if (!this.#waiters.has(waiter) || !this.#serve(waiter)) continue;
        served += 1;
        if (served % SLICE === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      }
      if (served > 0) {
        const seconds = (performance.now() - start) / 1000;
        for (const listener of this.#fanOutListeners) listener(seconds);
      }
    } while (this.client.count > this.#announced && this.#waiters.size > 0);
    this.#isRunning = false;
    this.#bodies.clear();
    this.#bodyCount = 0;
    this.#lastBody = undefined;
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

/** A copy in UTF-8. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

const encoder = new TextEncoder();
