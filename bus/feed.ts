/**
 * The feed: the numbered stream of the messages that were accepted. A window of it can be read, holes in it are told, and whoever
 * read up to a place goes on there. It is no queue: nobody takes anything out of it. It reads no clock and does no I/O.
 *
 * ```text
 *   position   …  41   42   43   44   45   46   47   48        numbers of this feed: they rise, with holes
 *                 │    │    └────┴─ missing ─┐    │    └ newest
 *   place      a7.41 a7.42         a7.44   a7.45  a7.46 …      <epoch>.<seq>: what a broker calls it, the same for everyone
 * ```
 *
 * The broker numbers; a client's feed takes over the broker's numbers. When the broker began a new life its numbers begin
 * anew under another epoch, while positions go on: an unknown number of messages is missing in between, for which one
 * position stands.
 *
 * @module
 */
import { Arena, frameBodyStart, frameEnd, type MemoryBudget } from "../zmtp/mod.ts";
import type { GapReason } from "./events.ts";
import { FeedEntry } from "./feed_entry.ts";
import type { FeedLimit, FeedPast, FeedRecorder, FeedStore, Piece, Sender } from "./feed_store.ts";
import type { FeedSlice, FeedView, Located } from "./feed_view.ts";
import { LastValues, type Value } from "./last_values.ts";
import { MemoryStore } from "./memory_store.ts";
import { formatPlace } from "./place.ts";

/** Options of a {@linkcode Feed}. */
export interface FeedOptions {
  /** What is held. */
  readonly limit: FeedLimit;
  /** Name of the life that numbers: letters and digits. */
  readonly epoch: string;
  /** Number of the newest message so far. @default 0 */
  readonly seq?: number;
  /** What the bytes that are held count against. */
  readonly memory?: MemoryBudget | undefined;
  /** Takes what is added, and knows what was added in earlier runs. */
  readonly recorder?: FeedRecorder | undefined;
}

/** Positions of one life of a broker: `base + seq`. */
interface Life {
  readonly epoch: string;
  readonly base: number;
}

/** See the module. */
export class Feed implements FeedView {
  /** What is held at most. */
  readonly limit: FeedLimit;
  readonly #arena: Arena;
  readonly #store: FeedStore;
  /** In order, never empty, {@linkcode FEW_LIVES} at most beside those of which messages are held, {@linkcode MAX_LIVES} in all. */
  readonly #lives: Life[];
  /** What the beginning was called before the broker was known. */
  #alias: { readonly epoch: string; readonly position: number } | undefined;
  /** Holes, in order: `after` is the position in front of it, `to` its last one. {@linkcode MAX_HOLES} at most. */
  readonly #holes: { after: number; to: number; isUnknown: boolean; reason: GapReason }[] = [];
  /** From this position and those before it nobody knows any more how many are missing. */
  #unknownUpTo = -Infinity;
  readonly #listeners: Set<() => void> = new Set();
  #position: number;
  #count = 0;
  #last: FeedEntry | undefined;
  /** The newest piece; the last entry is cut out of it when it is first asked for. */
  #newest: Piece | undefined;
  #values: LastValues | undefined;
  #gaps = 0;
  #missed = 0;
  #recorder: FeedRecorder | undefined;

  /** Empty, or with the past that its recorder knows; the next message has the number `seq + 1`. */
  constructor({ limit, epoch, seq = 0, memory, recorder }: FeedOptions) {
    this.limit = limit;
    this.#arena = new Arena(memory, true);
    this.#store = new MemoryStore(limit, (piece) => this.#values?.forget(piece));
    this.#lives = [{ epoch, base: 0 }];
    this.#position = seq;
    if (recorder?.past !== undefined) this.#restore(recorder.past, epoch, seq);
    this.#recorder = recorder;
  }

  // Writing.

  /**
   * Copies or keeps whole frames, `bytes[start, end)`, and gives them the next numbers. Returns the copy, for those who get it now: it is
   * theirs for as long as they hold its block. Whoever has added what came together says {@linkcode Feed.tell}.
   */
  append(
    bytes: Uint8Array,
    start: number,
    end: number,
    messages: number,
    time: number,
    now: number,
    sender?: Sender,
    index: number = 0,
  ): Piece {
    const arena = this.#arena;
    arena.keep(bytes, start, end);
    const piece: Piece = {
      bytes: arena.block,
      start: arena.at - (end - start),
      end: arena.at,
      messages,
      block: arena.holder,
      first: this.#position + 1,
      time,
      sender,
      index,
    };
    this.#position += messages;
    this.#count += messages;
    this.#newest = piece;
    this.#last = undefined;
    this.#store.append(piece, now);
    const { epoch, base } = this.#life;
    this.#recorder?.handlePiece(piece, epoch, piece.first - base, now);
    return piece;
  }

  /** So many of the broker's numbers are missing here; `null`: nobody knows how many. */
  skip(missed: number | null, reason: GapReason): void {
    if (missed === 0) return;
    this.#recorder?.handleGap(missed, reason);
    const after = this.#position;
    // Only a broker that lies gets there, again and again if it likes.
    if (missed !== null && after + missed > MAX_POSITION) missed = null;
    this.#position += missed ?? 1;
    this.#gaps++;
    this.#missed += missed ?? 0;
    const hole = { after, to: this.#position, isUnknown: missed === null, reason };
    const before = this.#holes.at(-1);
    if (before?.to === after && before.reason === reason && before.isUnknown === hole.isUnknown) {
      before.to = hole.to;
    } else if (this.#holes.push(hole) > MAX_HOLES) {
      // A forgotten hole is as good as messages that are no longer held, if only its size is known.
      const { after, isUnknown } = this.#holes.shift()!;
      if (isUnknown) this.#unknownUpTo = after;
    }
  }

  /** Another life of the broker: the next message has the number `seq + 1` of that epoch, and nobody knows what is missing. */
  begin(epoch: string, seq: number): void {
    this.skip(null, "restarted");
    if (this.#position + seq <= MAX_POSITION) this.#position += seq;
    this.#lives.push({ epoch, base: this.#position - seq });
    this.#recorder?.handleLife(epoch, seq);
    // A message that is held has a place of its own, or whoever goes on behind it would miss what follows, and hear of no gap.
    while (
      this.#lives.length > FEW_LIVES &&
      (this.#lives[1]!.base < this.oldest || this.#lives.length > MAX_LIVES)
    ) this.#lives.shift();
  }

  /**
   * The broker's life is known now, before anything was added: the next message has the number `seq + 1` of that epoch. Nothing
   * is missing for those who waited for it, and their places of before stay good.
   */
  join(epoch: string, seq: number): void {
    // Behind a past, positions rise as with any new life.
    if (this.#lives.length > 1 && this.#position + seq <= MAX_POSITION) this.#position += seq;
    this.#alias = { epoch: this.epoch, position: this.#position };
    this.#lives.splice(-1, 1, { epoch, base: this.#position - seq });
    this.#recorder?.handleLife(epoch, seq);
  }

  /** Calls those who listen: something was added, or is missing. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Forgets what is too old by now. */
  expire(now: number): void {
    this.#store.expire(now);
  }

  // Reading.

  /** Name of the life that numbers now. */
  get epoch(): string {
    return this.#life.epoch;
  }

  /** Number of the newest message in that life; 0 before the first. */
  get seq(): number {
    return this.#position - this.#life.base;
  }

  /** Position of the newest message, or of the hole behind it. */
  get position(): number {
    return this.#position;
  }

  /** Position of the oldest message that is held; one more than the newest when none is. */
  get oldest(): number {
    return this.#store.oldest ?? this.#position + 1;
  }

  /** Messages that were added, those included that are no longer held. */
  get count(): number {
    return this.#count;
  }

  /** Messages that are held, and the bytes of their frames. */
  get held(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#store.count, bytes: this.#store.bytes };
  }

  /** Holes that this feed itself has, and how many messages are missing in them as far as that is known. */
  get gaps(): { readonly told: number; readonly missed: number } {
    return { told: this.#gaps, missed: this.#missed };
  }

  /** The place of a position: `<epoch>.<seq>`. */
  place(position: number): string {
    const { epoch, base } = this.#lives.findLast(({ base }) => base <= position) ?? this.#lives[0]!;
    return formatPlace(epoch, Math.max(0, position - base));
  }

  /**
   * Where to go on from a place. A foreign one, of an unknown epoch or of the future, begins with the oldest message that is held.
   * Without an epoch it is a number of the present one.
   */
  locate({ epoch, seq }: { readonly epoch: string | undefined; readonly seq: number }): Located {
    if (epoch !== undefined && epoch === this.#alias?.epoch) {
      return { position: this.#alias.position, missed: 0 };
    }
    const at = epoch === undefined
      ? this.#lives.length - 1
      : this.#lives.findLastIndex((life) => life.epoch === epoch);
    const life = this.#lives[at];
    const next = this.#lives[at + 1];
    // Behind a past of other lives, whoever is unknown may have had all of that.
    const first = this.#hasPast ? Math.max(this.oldest - 1, this.#life.base) : this.oldest - 1;
    const foreign = { position: first, missed: null };
    if (life === undefined) return foreign;
    const position = life.base + seq;
    // In an earlier life it may have heard more than we did: where that life ended here, nobody knows what is missing anyway.
    if (next !== undefined) return { position: Math.min(position, next.base - 1), missed: 0 };
    return position > this.#position ? foreign : { position, missed: 0 };
  }

  /** The messages after a position, `limit` at most, up to the next hole: what is missing is told in its place. */
  after(position: number, limit: number = Infinity): FeedSlice {
    const entries: FeedEntry[] = [];
    let at = position;
    let [missed, reason]: [number | null, GapReason | undefined] = [0, undefined];
    while (entries.length < limit) {
      const piece = this.#store.after(at);
      if (piece === undefined || piece.first > at + 1) {
        const to = piece === undefined ? this.#position : piece.first - 1;
        if (entries.length > 0 || to === at) break;
        ({ missed, reason } = this.#gap(at, to));
        at = to;
        if (piece === undefined) break;
      }
      const want = Math.min(piece.messages, limit - entries.length);
      for (const entry of entriesOf(piece, want)) entries.push(entry);
      at = piece.first + want - 1;
    }
    return { entries, missed, reason, position: at };
  }

  /** The position in front of the first message that is held and came at this time or later; the newest when none did. */
  before(time: number): number {
    let [low, high] = [this.oldest - 1, this.#position];
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const piece = this.#store.after(middle);
      if (piece === undefined || piece.time >= time) high = middle;
      else low = piece.first + piece.messages - 1;
    }
    return low;
  }

  /** What is held after a position, as it travels, up to the next hole or the end of its piece; undefined when there is none. */
  pieceAfter(position: number): Piece | undefined {
    return this.#store.after(position);
  }

  /** What is missing between two positions that have no message between them, the second included. */
  gapBetween(
    after: number,
    to: number,
  ): { readonly missed: number | null; readonly reason: GapReason | undefined } {
    return this.#gap(after, to);
  }

  /** The newest message, also when it is no longer held. */
  get last(): FeedEntry | undefined {
    if (this.#last === undefined && this.#newest !== undefined) {
      const { bytes, first, messages, time, block } = this.#newest;
      block?.pin();
      let { start } = this.#newest;
      for (let i = 1; i < messages; i++) start = frameEnd(bytes, start);
      const body = bytes.subarray(frameBodyStart(bytes, start), frameEnd(bytes, start));
      this.#last = new FeedEntry(first + messages - 1, time, body);
    }
    return this.#last;
  }

  /** From now on the type of each message is looked at, once, before it leaves the window. Without this nobody pays for it. */
  watchTypes(): void {
    this.#values ??= new LastValues(this.#store);
  }

  /**
   * The newest message whose type passes, also when it is no longer held, since {@linkcode Feed.watchTypes}. 1000 kinds and
   * 16 MiB are kept; the one that came longest ago gives way.
   */
  lastOf(passes: (type: string) => boolean): FeedEntry | undefined {
    return this.#lastValues().lastOf(passes);
  }

  /** The newest message of each of these types and each `target`, oldest first; see {@linkcode Feed.lastOf}. */
  state(types: readonly string[]): readonly Value[] {
    return this.#lastValues().state(types);
  }

  // Waiting.

  /** Is called when something was added or is missing, once for what came together. Returns what ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get #hasPast(): boolean {
    return this.#recorder?.past !== undefined;
  }

  /** Goes on from an earlier run: in the same life, or in one that begins behind a hole. */
  #restore(past: FeedPast, epoch: string, seq: number): void {
    const first = past.pieces[0];
    this.#lives[0] = { epoch: first?.epoch ?? past.epoch, base: 0 };
    this.#position = (first?.seq ?? past.seq + 1) - 1;
    const goOn = (epoch: string, seq: number) => {
      if (epoch !== this.epoch) this.begin(epoch, seq);
      else if (seq > this.seq) this.skip(seq - this.seq, "expired");
    };
    for (const piece of past.pieces) {
      goOn(piece.epoch, piece.seq - 1);
      if (piece.messages === 0 || piece.epoch !== this.epoch || piece.seq <= this.seq) continue;
      const { bytes, start, end, messages, time } = piece;
      this.append(bytes, start, end, messages, time, time + past.clock);
    }
    goOn(past.epoch, past.seq);
    goOn(epoch, seq);
    // What was before is none of this run's messages and gaps.
    this.#count = this.#gaps = this.#missed = 0;
  }

  get #life(): Life {
    return this.#lives[this.#lives.length - 1]!;
  }

  #lastValues(): LastValues {
    this.watchTypes();
    this.#values!.look();
    return this.#values!;
  }

  #gap(
    after: number,
    to: number,
  ): { readonly missed: number | null; readonly reason: GapReason | undefined } {
    if (to === after) return { missed: 0, reason: undefined };
    const holes = this.#holes.filter((hole) => hole.to > after && hole.after < to);
    const unknown = holes.find(({ isUnknown }) => isUnknown);
    if (unknown !== undefined) return { missed: null, reason: unknown.reason };
    if (after <= this.#unknownUpTo) return { missed: null, reason: "expired" };
    const isWhole = holes.length === 1 && holes[0]!.after <= after && holes[0]!.to >= to;
    return { missed: to - after, reason: isWhole ? holes[0]!.reason : "expired" };
  }
}

/** The first `count` messages of a piece. */
function* entriesOf({ bytes, start, first, time, block }: Piece, count: number): Generator<FeedEntry> {
  block?.pin(); // An entry reads its bytes whenever it is asked for its text.
  for (let i = 0, at = start; i < count; i++) {
    const end = frameEnd(bytes, at);
    yield new FeedEntry(first + i, time, bytes.subarray(frameBodyStart(bytes, at), end));
    at = end;
  }
}

/** Positions stay far enough below the numbers that are no longer exact. */
const MAX_POSITION = 2 ** 52;
/** So many lives of a broker are told apart; a place of an earlier one is a foreign one … */
const FEW_LIVES = 16;
/** … but for those of which messages are held, up to so many. */
const MAX_LIVES = 1000;
/** So many holes are remembered, with their reason. */
const MAX_HOLES = 1000;
