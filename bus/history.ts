/**
 * The messages that came last, by number.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";

/** One message of a {@linkcode HistorySlice}. */
export class HistoryEntry {
  /** Its number: 1, 2, 3 … in the order of the bus, since the client was made. */
  readonly count: number;
  /** Its JSON text exactly as it came. */
  readonly text: string;
  /** When it came, in milliseconds since 1970-01-01 UTC. */
  readonly time: number;
  #type: string | null | undefined;

  /** As it came. */
  constructor(count: number, text: string, time: number) {
    this.count = count;
    this.text = text;
    this.time = time;
  }

  /** Its `type`, if that is a text; read when it is first asked for. */
  get type(): string | undefined {
    if (this.#type === undefined) {
      const { type } = JSON.parse(this.text);
      this.#type = typeof type === "string" ? type : null;
    }
    return this.#type ?? undefined;
  }
}

/** Messages in order, and how many there were before them that are no longer held. */
export interface HistorySlice {
  /** Oldest first. */
  readonly entries: readonly HistoryEntry[];
  /** Messages after the count asked for that are no longer held. */
  readonly missed: number;
}

/** How much is kept. */
export interface HistoryLimit {
  /** Messages. */
  readonly messages: number;
  /** Bytes of their texts in UTF-8. */
  readonly bytes: number;
  /** Milliseconds since they came; 0 for however old. @default 0 */
  readonly maxAgeMs?: number | undefined;
}

/** A window over the latest messages, bounded in number, size and age; reads no clock. Looking one up is arithmetic, never a search. */
export class History {
  readonly #limit: HistoryLimit;
  readonly #maxAgeMs: number;
  /** Invariant: the entry with `i` before it has the count `oldest + i`. */
  readonly #entries: Fifo<HistoryEntry> = new Fifo();
  readonly #sizes: Fifo<number> = new Fifo();
  #bytes = 0;
  #count = 0;

  constructor(limit: HistoryLimit) {
    this.#limit = limit;
    this.#maxAgeMs = limit.maxAgeMs ?? Infinity;
  }

  /** Number of the latest message; 0 before the first. */
  get count(): number {
    return this.#count;
  }

  /** Number of the oldest message that is held; `count + 1` when none is. */
  get oldest(): number {
    return this.#count - this.#entries.length + 1;
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a message of `size` bytes. */
  add(text: string, size: number, time: number): void {
    this.#entries.push(new HistoryEntry(++this.#count, text, time));
    this.#sizes.push(size);
    this.#bytes += size;
    while (this.#entries.length > this.#limit.messages || this.#bytes > this.#limit.bytes) this.#drop();
    this.expire(time);
  }

  /** Forgets what is too old by now. */
  expire(now: number): void {
    while (this.#entries.length > 0 && now - this.#entries.first!.time > this.#maxAgeMs) this.#drop();
  }

  #drop(): void {
    this.#entries.shift();
    this.#bytes -= this.#sizes.shift()!;
  }

  /** The messages after a count, at most `limit` of them, the oldest first. */
  after(count: number, limit: number = Infinity): HistorySlice {
    const { oldest } = this;
    const first = Math.max(count + 1, oldest);
    return {
      entries: this.#entries.slice(first - oldest, limit),
      missed: Math.max(0, Math.min(first, this.#count + 1) - 1 - Math.max(count, 0)),
    };
  }
}
