/**
 * One subscriber that follows the feed: it has a place in it, gets everything behind that place, and is told what it cannot get.
 *
 * ```text
 *             place is told        window read up to its end
 *   ──asks──▶ behind ────────────────────────────────────────▶ following
 *                ▲                 no room in its queue              │
 *                └───────────────────────────────────────────────────┘
 * ```
 *
 * While it is behind, its messages wait in the window, where they are held once for everyone, and not in its queue. So ten
 * thousand that come back at once cost a place each.
 *
 * @module
 */
import type { SubscriberQueue, SubscriberReader } from "../zmtp/mod.ts";
import { frameEnd } from "../zmtp/mod.ts";
import type { Feed } from "./feed.ts";
import { ageOf, encodeNote, type FeedStart, type NoteReason } from "./feed_note.ts";
import type { Piece } from "./feed_store.ts";
import { parsePlace, type Place } from "./place.ts";

/** So many bytes of the window are put into its queue at once. */
const CHUNK_BYTES: number = 256 * 1024;

/** See the module. */
export class FeedReader implements SubscriberReader {
  /** What its sending connections call themselves; undefined for a stranger. */
  readonly token: string | undefined;
  readonly #feed: Feed;
  readonly #queue: SubscriberQueue;
  readonly #handleGone: (reader: FeedReader) => void;
  /** Everything up to here is in its queue, was sent, or is lost for it. */
  #position: number;
  #isBehind = true;
  #hasCaughtUp = false;
  /** What it must hear before the next message: where that stands. */
  #due: NoteReason | undefined = "start";
  readonly #times: boolean;
  /** What it heard last of when messages came. */
  #time: number | undefined;

  /** Begins at once to fill the queue. `now` is what an age counts from, `times` says whether it hears when messages came. */
  constructor(
    feed: Feed,
    queue: SubscriberQueue,
    start: FeedStart,
    token: string | undefined,
    handleGone: (reader: FeedReader) => void,
    { times = false, now = 0 }: { readonly times?: boolean; readonly now?: number } = {},
  ) {
    this.#feed = feed;
    this.#queue = queue;
    this.token = token;
    this.#handleGone = handleGone;
    this.#times = times;
    this.#position = positionOf(feed, start, now);
    this.#fill();
  }

  get fill(): number {
    // Whoever comes back with a long way to go is not waited for before it was here once.
    if (!this.#isBehind || !this.#hasCaughtUp) return 0;
    const { limit, held } = this.#feed;
    const { waiting } = this;
    if (held.messages === 0) return 0;
    return Math.max(waiting / limit.messages, waiting / held.messages * held.bytes / limit.bytes);
  }

  get waiting(): number {
    return this.#isBehind ? this.#feed.position - this.#position - this.lost : 0;
  }

  get lost(): number {
    // What was gone before it came is no loss of this connection.
    return this.#isBehind && this.#due !== "start" ? Math.max(0, this.#feed.oldest - 1 - this.#position) : 0;
  }

  /** A piece was added to the feed. */
  handlePiece(piece: Piece): void {
    if (this.#isBehind) return;
    if (this.#queue.hasRoom(piece.messages, piece.end - piece.start)) return this.#push(piece);
    // At least the first ones: room is only told of once something was written, and a window may hold nothing.
    const first = this.#whatFits(piece);
    if (first !== undefined) this.#push(first);
    this.#isBehind = true;
  }

  /** Messages that came over one of its sending connections were not passed on. */
  handleRefused(messages: number, link: number, index: number): void {
    if (this.#queue.hasRoom(1, NOTE_BYTES)) {
      this.#queue.pushNote(encodeNote({ what: "refused", messages, link, index }));
    }
  }

  handleRoom(): void {
    if (this.#isBehind) this.#fill();
  }

  handleTakenBack(messages: number): void {
    this.#position -= messages;
    this.#isBehind = true;
    this.#due ??= "slow";
  }

  handleGone(): void {
    this.#handleGone(this);
  }

  /** Moves messages from the window to the queue, as many as may wait there. */
  #fill(): void {
    const queue = this.#queue;
    const most = Math.min(CHUNK_BYTES, queue.limit.bytes / 2);
    while (queue.bytes < most) {
      let piece = this.#feed.pieceAfter(this.#position);
      const next = piece?.first ?? this.#feed.position + 1;
      if (next > this.#position + 1) {
        // Both "too late" and "too slow" are lost to it; only those that were lost while it was here are its queue's. What was
        // lost between two lives of the broker never was in a queue.
        const { missed } = this.#feed.gapBetween(this.#position, next - 1);
        if (this.#due !== "start" && missed !== null) queue.countDropped(missed);
        this.#position = next - 1;
        this.#due ??= "slow";
      }
      if (this.#due !== undefined) this.#tell(this.#due);
      if (piece === undefined) {
        this.#isBehind = false;
        this.#hasCaughtUp = true;
        return;
      }
      if (!queue.hasRoom(piece.messages, piece.end - piece.start)) {
        piece = this.#whatFits(piece);
        if (piece === undefined) return;
      }
      this.#push(piece);
    }
  }

  #tell(reason: NoteReason): void {
    this.#due = this.#time = undefined;
    const place = parsePlace(this.#feed.place(this.#position))!;
    this.#queue.pushNote(encodeNote({ what: "place", place, reason }));
  }

  #push(piece: Piece): void {
    const { sender, messages, index, time } = piece;
    if (this.#times && time !== this.#time) {
      this.#time = time;
      this.#queue.pushNote(encodeNote({ what: "time", time }));
    }
    if (sender !== undefined && sender.token === this.token) {
      this.#queue.pushNote(encodeNote({ what: "own", messages, link: sender.link, index }));
    }
    this.#queue.push(piece);
    this.#position = piece.first + messages - 1;
  }

  #whatFits(piece: Piece): Piece | undefined {
    let [messages, end] = [0, piece.start];
    while (messages < piece.messages) {
      const next = frameEnd(piece.bytes, end);
      if (!this.#queue.hasRoom(messages + 1, next - piece.start)) break;
      messages++;
      end = next;
    }
    return messages === 0 ? undefined : { ...piece, messages, end };
  }
}

function positionOf(feed: Feed, start: FeedStart, now: number): number {
  if (start === "now") return feed.position;
  if (start === "earliest") return feed.oldest - 1;
  const ageMs = ageOf(start);
  return ageMs === undefined ? feed.locate(start as Place).position : feed.before(now - ageMs);
}

/** A note has fewer bytes. */
const NOTE_BYTES = 128;
