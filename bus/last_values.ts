/**
 * The newest message of each kind, also when it is no longer in the window.
 *
 * @module
 */
import { frameBodyStart, frameEnd } from "../zmtp/mod.ts";
import { FeedEntry } from "./feed_entry.ts";
import type { FeedStore, Piece } from "./feed_store.ts";
import { memberSpan, typeOf } from "./json_member.ts";

/** The newest message of a type and, where the messages of that type have one, of a target. */
export interface Value {
  /** The type: `"visualization"` for both spellings. */
  readonly type: string;
  /** The `target` as JSON text; undefined for a message without one. */
  readonly target: string | undefined;
  /** The message. */
  readonly entry: FeedEntry;
}

/** So many kinds are kept … */
const MAX_VALUES = 1000;
/** … in so many bytes; the one that is oldest gives way. */
const MAX_BYTES: number = 16 * 1024 * 1024;
/** Kinds that tell what happened, not what is valid; their `target` does not make them another kind. */
const EVENTS: ReadonlySet<string> = new Set(["log", "ready", "reload"]);

/**
 * Looks at the type of each message once: when somebody asks, or when the message is about to leave the window. Bounded in
 * number and bytes.
 */
export class LastValues {
  readonly #store: FeedStore;
  /** Those in the window. Invariant: in the order of their positions. */
  readonly #held: Map<string, Value> = new Map();
  /** Copies of those that have left it. Invariant: in the order of their positions, all before those in the window. */
  readonly #kept: Map<string, Value> = new Map();
  #keptBytes = 0;
  #forgotten = 0;
  /** Everything up to this position was looked at. */
  #lookedAt = -Infinity;

  constructor(store: FeedStore) {
    this.#store = store;
  }

  /** Kinds that are no longer known, for lack of room. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Looks at what came since the last time. */
  look(): void {
    for (let piece; (piece = this.#store.after(this.#lookedAt)) !== undefined;) {
      piece.block?.pin(); // The entries are for whoever asks.
      this.#lookAt(piece);
    }
  }

  /** A piece is about to leave the window. */
  forget(piece: Piece): void {
    const last = piece.first + piece.messages - 1;
    if (last > this.#lookedAt) this.#lookAt(piece);
    for (const [key, { type, target, entry }] of this.#held) {
      if (entry.position > last) break;
      this.#held.delete(key);
      // A copy: the message alone shall be kept, not all that lies around it.
      const copy = new FeedEntry(entry.position, entry.time, entry.body.slice());
      this.#kept.set(key, { type, target, entry: copy });
      this.#keptBytes += copy.body.length;
    }
    this.#trim();
  }

  /** The newest message whose type passes. */
  lastOf(passes: (type: string) => boolean): FeedEntry | undefined {
    let found: FeedEntry | undefined;
    for (const { type, entry } of this.#all()) {
      if (passes(type) && (found === undefined || entry.position > found.position)) found = entry;
    }
    return found;
  }

  /** The values of these types, oldest first. */
  state(types: readonly string[]): readonly Value[] {
    return [...this.#all()].filter(({ type }) => types.includes(type) && !EVENTS.has(type));
  }

  *#all(): Generator<Value> {
    yield* this.#kept.values();
    yield* this.#held.values();
  }

  #lookAt({ bytes, start, messages, first, time }: Piece): void {
    let at = start;
    for (let i = 0; i < messages; i++) {
      const [bodyStart, end] = [frameBodyStart(bytes, at), frameEnd(bytes, at)];
      at = end;
      const position = first + i;
      if (position <= this.#lookedAt) continue;
      const found = typeOf(bytes, bodyStart, end);
      if (found === undefined) continue;
      const type = found === "Visualization" ? "visualization" : found;
      const target = EVENTS.has(type)
        ? undefined
        : textOf(bytes, memberSpan(bytes, bodyStart, end, "target"));
      const key = target === undefined ? type : `${type}\0${target}`;
      this.#held.delete(key);
      const before = this.#kept.get(key);
      if (before !== undefined) {
        this.#kept.delete(key);
        this.#keptBytes -= before.entry.body.length;
      }
      this.#held.set(key, {
        type,
        target,
        entry: new FeedEntry(position, time, bytes.subarray(bodyStart, end)),
      });
    }
    this.#lookedAt = Math.max(this.#lookedAt, first + messages - 1);
    this.#trim();
  }

  #trim(): void {
    while (this.#kept.size + this.#held.size > MAX_VALUES || this.#keptBytes > MAX_BYTES) {
      const values = this.#kept.size > 0 ? this.#kept : this.#held;
      const [key, { entry }] = values.entries().next().value!;
      values.delete(key);
      if (values === this.#kept) this.#keptBytes -= entry.body.length;
      this.#forgotten++;
    }
  }
}

function textOf(
  bytes: Uint8Array,
  span: { readonly start: number; readonly end: number } | undefined,
): string | undefined {
  if (span === undefined || span.end - span.start > MAX_TARGET_BYTES) return undefined;
  return decoder.decode(bytes.subarray(span.start, span.end));
}

/** A longer target names nobody. */
const MAX_TARGET_BYTES = 256;
const decoder = new TextDecoder();
