/**
 * The newest message of each kind, also when it is no longer in the window.
 *
 * @module
 */
import { type Block, frameBodyStart, frameEnd } from "../zmtp/mod.ts";
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

/** One whose bytes lie in the window. */
interface Held extends Value {
  readonly block: Block | undefined;
}

/** So many kinds are kept … */
const MAX_VALUES = 1000;
/** … in so many bytes; the one that is oldest gives way. */
const MAX_BYTES: number = 16 * 1024 * 1024;
/** So many bytes of the window are looked at when the first of them are about to leave it; a millisecond or less. */
const AHEAD_BYTES: number = 256 * 1024;
/** Kinds that tell what happened, not what is valid; their `target` does not make them another kind. */
const EVENTS: ReadonlySet<string> = new Set(["log", "ready", "reload"]);

/**
 * Looks at the type of each message once: when somebody asks, or when the message is about to leave the window. Bounded in
 * number and bytes.
 */
export class LastValues {
  readonly #store: FeedStore;
  /** Those in the window. Invariant: in the order of their positions. */
  readonly #held: Map<string, Held> = new Map();
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

  /** Looks at what came since the last time; not at much more than so many bytes. */
  look(maxBytes: number = Infinity): void {
    let bytes = 0;
    for (let piece; bytes < maxBytes && (piece = this.#store.after(this.#lookedAt)) !== undefined;) {
      this.#lookAt(piece);
      bytes += piece.end - piece.start;
    }
  }

  /** A piece is about to leave the window, in which it still lies. */
  forget(piece: Piece): void {
    const last = piece.first + piece.messages - 1;
    // Well ahead of it: of the messages of one kind that lie close together only the last one may have to be copied.
    if (last > this.#lookedAt) this.look(AHEAD_BYTES);
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
    let found: Value | undefined;
    for (const value of this.#all()) {
      if (passes(value.type) && (found === undefined || value.entry.position > found.entry.position)) {
        found = value;
      }
    }
    return found === undefined ? undefined : handedOut(found).entry;
  }

  /** The values of these types, oldest first. */
  state(types: readonly string[]): readonly Value[] {
    return [...this.#all()].filter(({ type }) => types.includes(type) && !EVENTS.has(type)).map(handedOut);
  }

  *#all(): Generator<Value | Held> {
    yield* this.#kept.values();
    yield* this.#held.values();
  }

  #lookAt({ bytes, start, messages, first, time, block }: Piece): void {
    let at = start;
    // Of messages of one kind in a row only the last one is kept.
    let last: { key: string; type: string; target: string | undefined } | undefined;
    let [lastStart, lastEnd, lastPosition] = [0, 0, 0];
    const keepLast = () => {
      if (last === undefined) return;
      const entry = new FeedEntry(lastPosition, time, bytes.subarray(lastStart, lastEnd));
      this.#keep(last.key, { type: last.type, target: last.target, entry, block });
    };
    for (let i = 0; i < messages; i++) {
      const bodyStart = frameBodyStart(bytes, at);
      const end = at = frameEnd(bytes, at);
      const position = first + i;
      if (position <= this.#lookedAt) continue;
      const found = typeOf(bytes, bodyStart, end);
      if (found === undefined) continue;
      const type = found === "Visualization" ? "visualization" : found;
      const target = EVENTS.has(type)
        ? undefined
        : textOf(bytes, memberSpan(bytes, bodyStart, end, "target"));
      if (last?.type !== type || last.target !== target) {
        keepLast();
        last = { key: target === undefined ? type : `${type}\0${target}`, type, target };
      }
      [lastStart, lastEnd, lastPosition] = [bodyStart, end, position];
    }
    keepLast();
    this.#lookedAt = Math.max(this.#lookedAt, first + messages - 1);
    this.#trim();
  }

  #keep(key: string, value: Held): void {
    this.#held.delete(key);
    const before = this.#kept.get(key);
    if (before !== undefined) {
      this.#kept.delete(key);
      this.#keptBytes -= before.entry.body.length;
    }
    this.#held.set(key, value);
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

/** Whoever has it reads its bytes whenever it likes. */
function handedOut(value: Value | Held): Value {
  if ("block" in value) value.block?.pin();
  const { type, target, entry } = value;
  return { type, target, entry };
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
