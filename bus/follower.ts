/**
 * A client's side of the feed: knows the place of each message that comes, what is missing in front of it, and whose it is. It
 * does no I/O: topics and notes go through it.
 *
 * @module
 */
import { FEED_PROPERTY, type FeedStart, feedTopic, parseNote } from "./feed_note.ts";
import type { GapReason } from "./events.ts";
import { formatPlace, MAX_SEQ, parsePlace, type Place } from "./place.ts";

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

/** From where on a client wants the feed: as {@linkcode FeedStart}, or with the newest message. */
export type ClientStart = FeedStart | "latest";

/** See the module. */
export class Follower {
  readonly #handler: FollowerHandler;
  #start: ClientStart;
  #epoch: string | undefined;
  /** Number of the last message that came over this connection. */
  #seq = 0;
  /** The largest number that came, or was told missing. Invariant: behind `#seq` only while a broker says again what it said. */
  #upTo = 0;
  /** Did a broker tell the epoch? What an option says may be wrong. */
  #isTold = false;
  /** The connection is to a broker that said it numbers, and notes are its own; of others anyone may have sent them. */
  #isAsked = false;
  /** And it has told where we are. */
  #isFollowing = false;
  /** What we were connected to last, and may have heard messages of. */
  #broker: "none" | "foreign" | "numbering" = "none";
  readonly #wantsTimes: boolean;
  #time: number | undefined;
  /** So many of the next messages are ours. */
  #own = 0;
  #ownLink = 0;
  #ownIndex = 0;

  /** Begins at `start` when the broker is there for the first time; `times` asks for the time of each message, too. */
  constructor(start: ClientStart, handler: FollowerHandler, times: boolean = false) {
    this.#wantsTimes = times;
    this.#handler = handler;
    this.#start = start;
    if (typeof start === "string") return;
    this.#epoch = start.epoch;
    this.#seq = this.#upTo = start.seq;
    this.#broker = "numbering";
  }

  /** Does the broker tell the place of each message? */
  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** When the next message came to the broker, in milliseconds since 1970; undefined where nobody asked, or it does not tell. */
  get time(): number | undefined {
    return this.#time;
  }

  /** The place of the last message; undefined as long as no broker told one. */
  get place(): string | undefined {
    return this.#epoch === undefined ? undefined : formatPlace(this.#epoch, this.#upTo);
  }

  /** There is a connection. Gives the topics by which to ask for the feed: none where the broker has none. */
  handleConnect(property: (name: string) => string | undefined): readonly Uint8Array[] {
    this.handleDisconnect();
    const newest = parsePlace(property(FEED_PROPERTY) ?? "");
    this.#isAsked = newest !== undefined;
    if (newest !== undefined) {
      const latest = { epoch: newest.epoch, seq: Math.max(0, newest.seq - 1) };
      const begin = this.#start === "latest" ? latest : this.#start;
      const start = this.#epoch === undefined ? begin : { epoch: this.#epoch, seq: this.#upTo };
      return [feedTopic(start, this.#wantsTimes)];
    }
    this.#handleForeign();
    return [];
  }

  /** The connection is gone. */
  handleDisconnect(): void {
    this.#isAsked = this.#isFollowing = false;
    this.#time = undefined;
    this.#own = 0;
  }

  /** A frame that begins with NUL. Says whether it was a note; otherwise it is whatever it is. */
  handleNote(body: Uint8Array): boolean {
    if (!this.#isAsked) return false;
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
      case "time":
        this.#time = note.time;
        return true;
      case "refused":
        this.#handler.handleRefused(note.messages, note.link, note.index);
        return true;
    }
  }

  /** The next message is here. Says whose it is, if it is ours, or that it came before and must not be delivered again. */
  handleMessage(): OwnMessage | "repeated" | undefined {
    if (!this.#isFollowing) {
      // It says that it numbers, and does not: as good as a broker that never said so.
      if (this.#isAsked) this.#handleForeign();
      this.#isAsked = false;
      return undefined;
    }
    let own: OwnMessage | undefined;
    if (this.#own > 0) {
      this.#own--;
      own = { link: this.#ownLink, index: this.#ownIndex++ };
    }
    if (this.#seq === this.#upTo) {
      if (this.#seq === MAX_SEQ) return "repeated";
      this.#seq = ++this.#upTo;
      return own;
    }
    this.#seq++;
    return "repeated";
  }

  #handlePlace({ epoch, seq }: Place, reason: "expired" | "slow"): void {
    const [broker, before, upTo, wasTold] = [this.#broker, this.#epoch, this.#upTo, this.#isTold];
    this.#isFollowing = this.#isTold = true;
    this.#own = 0;
    this.#broker = "numbering";
    this.#epoch = epoch;
    this.#start = "now";
    this.#seq = seq;
    if (epoch === before && seq < upTo && wasTold) return;
    this.#upTo = seq;
    if (broker === "none") return this.#handler.handleJoin(epoch, seq);
    if (epoch === before && seq >= upTo) {
      if (seq > upTo) this.#handler.handleGap(seq - upTo, reason);
      return;
    }
    this.#handler.handleGap(null, "restarted");
    this.#handler.handleLife(epoch, seq);
  }

  /** What a broker without numbers passed on meanwhile, nobody knows. */
  #handleForeign(): void {
    if (this.#broker === "foreign") this.#handler.handleGap(null, "disconnected");
    if (this.#broker === "numbering") {
      this.#handler.handleGap(null, "restarted");
      this.#handler.handleLife(undefined, 0);
    }
    this.#broker = "foreign";
    this.#epoch = undefined;
    this.#isTold = false;
  }
}
