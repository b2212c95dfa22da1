/**
 * The way of a message through the broker: checked where it lies, numbered by the feed, handed to everyone.
 *
 * ```text
 *   PULL ──read──▶ check ──range──▶ feed: one copy, its numbers ──piece──▶ PUB and those who follow the feed ──flush──▶
 * ```
 *
 * @module
 */
import {
  frameBodyStart,
  frameEnd,
  type MessageHandler,
  type PeerConnection,
  type PubSocket,
  type ReadGate,
  type SubscriberQueue,
  type SubscriberReader,
} from "../zmtp/mod.ts";
import type { Backbone } from "./backbone.ts";
import { BackboneTap, type Taken } from "./backbone_tap.ts";
import type { Feed } from "./feed.ts";
import { LINK_PROPERTY, parseFeedTopic, parseLink } from "./feed_note.ts";
import { FeedReader } from "./feed_reader.ts";
import { FeedSender } from "./feed_sender.ts";
import { isJsonObject } from "./json.ts";

/** Takes what an exchange finds out. */
export interface ExchangeHandler {
  /** Does anybody want to hear of accepted messages? */
  wantsMessages(): boolean;
  /** A message was accepted; its body is only lent. */
  handleMessage(body: Uint8Array): void;
  /** `bytes[start, end)` came and is no JSON object. */
  handleRefused(bytes: Uint8Array, start: number, end: number, sender: PeerConnection | undefined): void;
  /** Something came that is too large, or has several frames. */
  handleUnfit(
    reason: "multipart" | "too-large",
    size: number,
    parts: number,
    sender: PeerConnection | undefined,
  ): void;
}

/** See the module. */
export class Exchange {
  /** While true, messages that come in are counted and ignored. */
  pause = false;
  readonly #feed: Feed;
  readonly #handler: ExchangeHandler;
  /** Invariant: set before the first message comes. */
  #pub: PubSocket | undefined;
  #tap: BackboneTap | undefined;
  /** Subscribers that follow the feed. */
  readonly #readers: Set<FeedReader> = new Set();
  readonly #senders: WeakMap<PeerConnection, FeedSender | undefined> = new WeakMap();
  #received = 0;
  #receivedBytes = 0;
  #broadcast = 0;
  #ignored = 0;
  /**
   * Accepted frames of the read in progress that lie together: `#bytes[#start, #end)`. Invariant: empty between two reads.
   */
  #bytes: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  #messages = 0;
  /** Something of a read has come, and its end has not been told. */
  #isInTurn = false;
  /** Does anybody want to hear of the messages of this read? */
  #isHeard = false;
  /** Whose read it is, where that is known, and the number of the first of those frames among all of that connection. */
  #sender: FeedSender | undefined;
  #index = 0;

  constructor(feed: Feed, handler: ExchangeHandler) {
    this.#feed = feed;
    this.#handler = handler;
  }

  /** Everyone listens here. */
  attach(pub: PubSocket): void {
    this.#pub = pub;
  }

  /** Everything that is accepted goes to a backbone, too. */
  join(
    backbone: Backbone,
    limits: { readonly maxMessageBytes: number; readonly gate: ReadGate | undefined },
  ): void {
    this.#tap = new BackboneTap(backbone, {
      publish: (bytes, start, end, messages, sender, index) => {
        this.#publish(bytes, start, end, messages, sender, index);
        return this.#feed.position;
      },
      passOn: () => this.#passOn(),
      flush: () => this.#flush(),
      handleMessage: (body) => {
        if (this.#handler.wantsMessages()) this.#handler.handleMessage(body);
      },
      handleRefused: (bytes) => this.#handler.handleRefused(bytes, 0, bytes.length, undefined),
      handleTooLarge: (size) => this.#handler.handleUnfit("too-large", size, 1, undefined),
      tellRefused: (sender) => {
        this.#tellRefused(sender);
        this.#pub!.flush();
      },
    }, limits);
  }

  /** What came in and went out so far. */
  get counts(): { readonly [K in "received" | "receivedBytes" | "broadcast" | "ignored"]: number } {
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      broadcast: this.#broadcast,
      ignored: this.#ignored,
    };
  }

  /**
   * Whole frames of the broker's own, which go out also while paused.
   *
   * @throws {QueueFullError} If they have to wait for a backbone, and there is no room. Nothing was sent.
   */
  send(frames: Uint8Array, messages: number): Taken {
    this.#passOn(); // What came in before goes out before.
    if (this.#tap !== undefined) {
      const taken = this.#tap.acceptOwn(frames, messages);
      this.#flush();
      return taken;
    }
    this.#publish(frames, 0, frames.length, messages);
    this.#flush();
    return { position: this.#feed.position, told: undefined };
  }

  /**
   * Whole frames, as if they had come in over a socket. Says nothing of a position while paused.
   *
   * @throws {QueueFullError} As {@linkcode Exchange.send}.
   */
  take(frames: Uint8Array, messages: number): Taken {
    if (this.pause) {
      this.#received += messages;
      this.#ignored += messages;
      return NOT_TAKEN;
    }
    const taken = this.send(frames, messages);
    this.#received += messages;
    for (let at = 0; at < frames.length;) {
      const [bodyStart, end] = [frameBodyStart(frames, at), frameEnd(frames, at)];
      this.#receivedBytes += end - bodyStart;
      if (this.#handler.wantsMessages()) this.#handler.handleMessage(frames.subarray(bodyStart, end));
      at = end;
    }
    return taken;
  }

  // The hot path: these three, and `Pub.publish`. A message is checked where it lies; frames that lie together are passed on
  // together, header and all, since a frame of a PULL and a frame of a PUB are the same bytes.

  /** What the socket that everyone sends to hands its messages to. */
  intake(): MessageHandler {
    return {
      handleMessage: (bytes, start, bodyStart, end, peer) => {
        if (!this.#isInTurn) this.#beginTurn(peer);
        this.#received++;
        const sender = this.#sender;
        const index = sender === undefined ? 0 : sender.received++;
        if (this.pause) return this.#ignore(sender, index);
        if (!isJsonObject(bytes, bodyStart, end)) {
          sender?.handleRefused(index);
          return this.#handler.handleRefused(bytes, bodyStart, end, peer);
        }
        this.#receivedBytes += end - bodyStart;
        if (bytes !== this.#bytes || start !== this.#end) {
          this.#passOn();
          this.#bytes = bytes;
          this.#start = start;
          this.#index = index;
        }
        this.#end = end;
        this.#messages++;
        if (this.#isHeard) this.#handler.handleMessage(bytes.subarray(bodyStart, end));
      },
      handleTurnEnd: () => {
        this.#passOn();
        this.#flush();
      },
      handleUnfit: (reason, size, parts, peer) => {
        if (!this.#isInTurn) this.#beginTurn(peer);
        this.#received++;
        const sender = this.#sender;
        const index = sender === undefined ? 0 : sender.received++;
        if (this.pause) return this.#ignore(sender, index);
        sender?.handleRefused(index);
        this.#handler.handleUnfit(reason, size, parts, peer);
      },
    };
  }

  #passOn(): void {
    if (this.#messages === 0) return;
    const [bytes, messages] = [this.#bytes, this.#messages];
    this.#bytes = NOTHING;
    this.#messages = 0;
    if (this.#tap === undefined) {
      this.#publish(bytes, this.#start, this.#end, messages, this.#sender, this.#index);
    } else {
      this.#tap.accept(bytes, this.#start, this.#end, messages, this.#sender, this.#index);
    }
  }

  #publish(
    bytes: Uint8Array,
    start: number,
    end: number,
    messages: number,
    sender?: FeedSender,
    index?: number,
  ): void {
    this.#broadcast += messages;
    const piece = this.#feed.append(
      bytes,
      start,
      end,
      messages,
      Date.now(),
      performance.now(),
      sender,
      index,
    );
    this.#pub!.publish(piece);
    for (const reader of this.#readers) reader.handlePiece(piece);
  }

  /** What was published leaves, and whoever waits for it hears of it. */
  #flush(): void {
    if (this.#sender !== undefined) this.#tellRefused(this.#sender);
    this.#isInTurn = false;
    this.#sender = undefined;
    this.#pub!.flush();
    this.#feed.tell();
  }

  #beginTurn(peer: PeerConnection | undefined): void {
    this.#isInTurn = true;
    this.#isHeard = this.#handler.wantsMessages();
    if (peer === undefined) return;
    if (!this.#senders.has(peer)) this.#senders.set(peer, FeedSender.of(peer.property(LINK_PROPERTY)));
    this.#sender = this.#senders.get(peer);
  }

  #ignore(sender: FeedSender | undefined, index: number): void {
    this.#ignored++;
    sender?.handleRefused(index);
  }

  #tellRefused(sender: FeedSender): void {
    const refused = sender.takeRefused();
    if (refused.length === 0) return;
    for (const reader of this.#readers) {
      if (reader.token !== sender.token) continue;
      for (const { index, messages } of refused) reader.handleRefused(messages, sender.link, index);
    }
  }

  /** Serves a subscriber that follows the feed; see `PubOptions.serve`. */
  serve(topic: Uint8Array, queue: SubscriberQueue): SubscriberReader | undefined {
    const wish = parseFeedTopic(topic);
    if (wish === undefined) return undefined;
    const link = parseLink(queue.property(LINK_PROPERTY) ?? "");
    // What came in before is in the window before it is read.
    this.#passOn();
    this.#feed.expire(performance.now());
    const reader = new FeedReader(
      this.#feed,
      queue,
      wish.start,
      link?.token,
      (reader) => this.#readers.delete(reader),
      { times: wish.times, now: Date.now() },
    );
    this.#readers.add(reader);
    return reader;
  }
}

const NOTHING = new Uint8Array(0);
const NOT_TAKEN: Taken = { position: undefined, told: undefined };
