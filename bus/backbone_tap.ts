/**
 * Where a backbone meets the way of a message through the broker: below the check and above the feed. What comes from elsewhere
 * enters here, so that it never goes out again.
 *
 * @module
 */
import { QueueFullError } from "../base/errors.ts";
import { frameBodyStart, frameEnd, frameHeaderSize, type ReadGate, writeFrameHeader } from "../zmtp/mod.ts";
import type { Backbone, BackboneBus, Relayed } from "./backbone.ts";
import type { FeedSender } from "./feed_sender.ts";
import { isJsonObject } from "./json.ts";

/** What the tap needs of the exchange around it. */
export interface TapHandler {
  /** Numbers whole frames and hands them to everyone. Returns the position of the last one. */
  publish(
    bytes: Uint8Array,
    start: number,
    end: number,
    messages: number,
    sender?: FeedSender,
    index?: number,
  ): number;
  /** What came before goes out before. */
  passOn(): void;
  /** What was published leaves. */
  flush(): void;
  /** A message from elsewhere was accepted. */
  handleMessage(body: Uint8Array): void;
  /** Something from elsewhere is no message of the bus. */
  handleRefused(bytes: Uint8Array): void;
  /** Something from elsewhere, or from here and meant for elsewhere, is too large. */
  handleTooLarge(size: number): void;
  /** Messages of this sender were not passed on. */
  tellRefused(sender: FeedSender): void;
}

/** Whose a message is that is held. */
interface Origin {
  readonly sender: FeedSender | undefined;
  readonly index: number;
  /** Who waits for its position. */
  readonly settle: ((position: number | undefined) => void) | undefined;
}

/** What became of messages that came in over no socket. */
export interface Taken {
  /** The position of the last one, where it is known already. */
  readonly position: number | undefined;
  /** The same once it is known; undefined for one that is lost. */
  readonly told: Promise<number | undefined> | undefined;
}

/** See the module. */
export class BackboneTap implements BackboneBus {
  readonly maxMessageBytes: number;
  readonly backbone: Backbone;
  readonly #handler: TapHandler;
  readonly #gate: ReadGate | undefined;
  /** Of the messages that are held, by their number. */
  readonly #held: Map<number, Origin> = new Map();

  /** Attaches the backbone. */
  constructor(
    backbone: Backbone,
    handler: TapHandler,
    { maxMessageBytes, gate }: { readonly maxMessageBytes: number; readonly gate: ReadGate | undefined },
  ) {
    this.backbone = backbone;
    this.maxMessageBytes = maxMessageBytes;
    this.#handler = handler;
    this.#gate = gate;
    backbone.attach(this);
  }

  /** Whole frames that were accepted from a sender: broadcast now, or held. */
  accept(
    bytes: Uint8Array,
    start: number,
    end: number,
    messages: number,
    sender: FeedSender | undefined,
    index: number,
  ): void {
    if (!this.backbone.holds) this.#handler.publish(bytes, start, end, messages, sender, index);
    this.#give(bytes, start, end, sender, index);
  }

  /**
   * The same for messages of this process, which can be told at once.
   *
   * @throws {QueueFullError} If they would be held and there is no room.
   */
  acceptOwn(frames: Uint8Array, messages: number): Taken {
    if (!this.backbone.holds) {
      const position = this.#handler.publish(frames, 0, frames.length, messages);
      this.#give(frames, 0, frames.length, undefined, 0);
      return { position, told: undefined };
    }
    if (this.backbone.isFull) {
      throw new QueueFullError("Cannot send message: too many wait for the backbone. Nothing was sent");
    }
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    this.#give(frames, 0, frames.length, undefined, 0, resolve);
    return { position: undefined, told: promise };
  }

  #give(
    bytes: Uint8Array,
    start: number,
    end: number,
    sender: FeedSender | undefined,
    index: number,
    settle?: (position: number | undefined) => void,
  ): void {
    const { backbone } = this;
    for (let at = start; at < end; index++) {
      const [bodyStart, next] = [frameBodyStart(bytes, at), frameEnd(bytes, at)];
      // Only taking it may end the holding: what was held then is broadcast first.
      const isHeld = backbone.holds;
      const number = backbone.take(bytes.subarray(bodyStart, next));
      const isLast = next === end;
      at = next;
      if (!isHeld) continue;
      if (number !== undefined) {
        this.#held.set(number, { sender, index, settle: isLast ? settle : undefined });
        continue;
      }
      if (next - bodyStart > backbone.maxBytes) this.#handler.handleTooLarge(next - bodyStart);
      sender?.handleRefused(index);
      if (isLast) settle?.(undefined);
    }
  }

  relay(messages: readonly Relayed[]): void {
    const handler = this.#handler;
    handler.passOn();
    const run = new Run(handler, messages.reduce((size, { body }) => size + body.length + 9, 0));
    for (const { body, number } of messages) {
      const origin = number === undefined ? undefined : this.#held.get(number);
      if (number === undefined) {
        if (body.length > this.maxMessageBytes) {
          handler.handleTooLarge(body.length);
          continue;
        }
        if (!isJsonObject(body, 0, body.length)) {
          handler.handleRefused(body);
          continue;
        }
        handler.handleMessage(body);
      } else {
        this.#held.delete(number);
      }
      run.add(body, origin?.sender, origin?.index ?? 0);
      if (origin?.settle !== undefined) origin.settle(run.publish());
    }
    run.publish();
    handler.flush();
  }

  drop(numbers: readonly number[]): void {
    const senders = new Set<FeedSender>();
    for (const number of numbers) {
      const origin = this.#held.get(number);
      this.#held.delete(number);
      origin?.settle?.(undefined);
      if (origin?.sender === undefined) continue;
      origin.sender.handleRefused(origin.index);
      senders.add(origin.sender);
    }
    for (const sender of senders) this.#handler.tellRefused(sender);
  }

  slow(isSlow: boolean): void {
    if (isSlow) this.#gate?.close("backbone");
    else this.#gate?.open("backbone");
  }
}

/** Frames that go out together, as long as one sender's follow each other. */
class Run {
  readonly #handler: TapHandler;
  readonly #bytes: Uint8Array;
  #start = 0;
  #end = 0;
  #messages = 0;
  #sender: FeedSender | undefined;
  #index = 0;
  #position: number | undefined;

  constructor(handler: TapHandler, size: number) {
    this.#handler = handler;
    this.#bytes = new Uint8Array(size);
  }

  add(body: Uint8Array, sender: FeedSender | undefined, index: number): void {
    const isNext = sender === this.#sender &&
      (sender === undefined || index === this.#index + this.#messages);
    if (!isNext) this.publish();
    if (this.#messages === 0) [this.#sender, this.#index] = [sender, index];
    writeFrameHeader(this.#bytes, this.#end, 0, body.length);
    this.#end += frameHeaderSize(body.length);
    this.#bytes.set(body, this.#end);
    this.#end += body.length;
    this.#messages++;
  }

  /** Returns the position of the last one that was added. */
  publish(): number | undefined {
    if (this.#messages === 0) return this.#position;
    this.#position = this.#handler.publish(
      this.#bytes,
      this.#start,
      this.#end,
      this.#messages,
      this.#sender,
      this.#index,
    );
    this.#start = this.#end;
    this.#messages = 0;
    return this.#position;
  }
}
