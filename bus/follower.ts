/**
 * A client's side of the feed: knows the place of each message that comes, what is missing in front of it, and whose it is. It
 * does no I/O: topics and notes go through it.
 *
 * @module
 */
import { FEED_PROPERTY, type FeedStart, feedTopic, parseNote } from "./feed_note.ts";
import type { GapReason } from "./events.ts";
import { formatPlace, parsePlace, type Place } from "./place.ts";

/** Takes what a follower finds out. */
export interface FollowerHandler {
  /** The broker numbers, and this is its life: the next message has the number `seq + 1`. Nothing was heard before. */
  handleJoin(epoch: string, seq: number): void;
  /** Messages are missing here; `null`: nobody knows how many. */
  handleGap(missed: number | null, reason: GapReason): void;
  /**
   * Another life of the broker, or another broker: the next message has the number `seq + 1` of that life; without an epoch it
   * is a broker that does not number. Comes after its gap.
   */
  handleLife(epoch: string | undefined, seq: number): void;
  /** Messages of ours were not passed on: number `index` and those that followed, of our sending connection `link`. */
  handleRefused(messages: number, link: number, index: number): void;
}

/** Whose a message is: the number among those of one of our sending connections. */
export interface OwnMessage {
  /** Which connection: 1, 2, 3 … */
  readonly link: number;
  /** Which of its messages: 0, 1, 2 … */
  readonly index: number;
}

/** See the module. */
export class Follower {
  readonly #handler: FollowerHandler;
  #start: FeedStart;
  #epoch: string | undefined;
  #seq = 0;
  /** The connection is to a broker that numbers, and it has told where we are. */
  #isFollowing = false;
  /** What we were connected to last, and may have heard messages of. */
  #broker: "none" | "foreign" | "numbering" = "none";
  /** So many of the next messages are ours. */
  #own = 0;
  #ownLink = 0;
  #ownIndex = 0;

  /** Begins at `start` when the broker is there for the first time. */
  constructor(start: FeedStart, handler: FollowerHandler) {
    this.#handler = handler;
    this.#start = start;
    if (typeof start === "string") return;
    ({ epoch: this.#epoch, seq: this.#seq } = start);
    this.#broker = "numbering";
  }

  /** Does the broker tell the place of each message? */
  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** The place of the last message; undefined as long as no broker told one. */
  get place(): string | undefined {
    return this.#epoch === undefined ? undefined : formatPlace(this.#epoch, this.#seq);
  }

  /** There is a connection. Gives the topics by which to ask for the feed: none where the broker has none. */
  handleConnect(property: (name: string) => string | undefined): readonly Uint8Array[] {
    if (parsePlace(property(FEED_PROPERTY) ?? "") !== undefined) {
      return [feedTopic(this.#epoch === undefined ? this.#start : { epoch: this.#epoch, seq: this.#seq })];
    }
    // What a broker without numbers passed on meanwhile, nobody knows.
    if (this.#broker === "foreign") this.#handler.handleGap(null, "disconnected");
    if (this.#broker === "numbering") {
      this.#handler.handleGap(null, "restarted");
      this.#handler.handleLife(undefined, 0);
    }
    this.#broker = "foreign";
    this.#epoch = undefined;
    return [];
  }

  /** The connection is gone. */
  handleDisconnect(): void {
    this.#isFollowing = false;
    this.#own = 0;
  }

  /** A frame that begins with NUL. Says whether it was a note; otherwise it is whatever it is. */
  handleNote(body: Uint8Array): boolean {
    const note = parseNote(body);
    switch (note?.what) {
      case undefined:
        return false;
      case "place":
        this.#handlePlace(note.place, note.reason === "slow" ? "slow" : "expired");
        return true;
      case "own":
        this.#own = note.messages;
        this.#ownLink = note.link;
        this.#ownIndex = note.index;
        return true;
      case "refused":
        this.#handler.handleRefused(note.messages, note.link, note.index);
        return true;
    }
  }

  /** The next message is here. Says whose it is, if it is ours. */
  handleMessage(): OwnMessage | undefined {
    this.#seq++;
    if (this.#own === 0) return undefined;
    this.#own--;
    return { link: this.#ownLink, index: this.#ownIndex++ };
  }

  #handlePlace({ epoch, seq }: Place, reason: "expired" | "slow"): void {
    const [broker, ourEpoch, ourSeq] = [this.#broker, this.#epoch, this.#seq];
    this.#isFollowing = true;
    this.#own = 0;
    this.#broker = "numbering";
    this.#epoch = epoch;
    this.#seq = seq;
    this.#start = "now";
    if (broker === "none") return this.#handler.handleJoin(epoch, seq);
    if (epoch === ourEpoch && seq >= ourSeq) {
      if (seq > ourSeq) this.#handler.handleGap(seq - ourSeq, reason);
      return;
    }
    this.#handler.handleGap(null, "restarted");
    this.#handler.handleLife(epoch, seq);
  }
}
