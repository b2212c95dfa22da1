/**
 * The queue of one subscriber without a socket: the engine's own outbox, written as a link writes it, a range at a time. A test says
 * when something is written, when memory is short, and after how many bytes the connection breaks.
 */
import assert from "node:assert/strict";
import { isNote } from "../../bus/feed_note.ts";
import type { Follower, OwnMessage } from "../../bus/follower.ts";
import { encodeFrame, frameBodyStart, frameEnd } from "../../zmtp/frame.ts";
import { Outbox, type QueueLimit } from "../../zmtp/outbox.ts";
import type { Published, SubscriberQueue, SubscriberReader } from "../../zmtp/transport.ts";

export class SimulatedQueue implements SubscriberQueue {
  readonly address = "127.0.0.1:1";
  readonly limit: QueueLimit;
  readonly outbox: Outbox;
  reader: SubscriberReader | undefined;
  readonly #properties: Readonly<Record<string, string>>;
  #writing: Uint8Array | undefined;

  constructor(limit: QueueLimit, properties: Readonly<Record<string, string>> = {}) {
    this.limit = limit;
    this.outbox = new Outbox(limit);
    this.#properties = properties;
  }

  property(name: string): string | undefined {
    return this.#properties[name];
  }

  get bytes(): number {
    return this.outbox.bytes;
  }

  hasRoom(messages: number, bytes: number): boolean {
    return this.outbox.hasRoomFor(messages, bytes);
  }

  push({ bytes, start, end, messages, block }: Published): void {
    this.outbox.add(bytes, start, end, messages, block);
  }

  pushNote(body: Uint8Array): void {
    this.outbox.pushNote(encodeFrame(body, 0));
  }

  countDropped(messages: number): void {
    this.outbox.countDropped(messages);
  }

  /** A write begins, if none is under way; false when there is nothing to write. */
  beginWrite(): boolean {
    this.#writing ??= this.outbox.take();
    return this.#writing !== undefined;
  }

  /** It ends. Gives the bodies of the frames that were written, whole ones of the first `size` bytes. */
  endWrite(size: number = Infinity): Uint8Array[] {
    const bytes = this.#writing;
    this.#writing = undefined;
    if (bytes === undefined) return [];
    const bodies: Uint8Array[] = [];
    for (let at = 0; at < bytes.length && frameEnd(bytes, at) <= size; at = frameEnd(bytes, at)) {
      bodies.push(bytes.slice(frameBodyStart(bytes, at), frameEnd(bytes, at)));
    }
    this.outbox.written();
    if (size === Infinity) this.reader?.handleRoom();
    return bodies;
  }

  /** Everything that waits, and what the reader adds meanwhile, is written. */
  drain(): Uint8Array[] {
    const bodies: Uint8Array[] = [];
    while (this.beginWrite()) bodies.push(...this.endWrite());
    return bodies;
  }

  /** Memory is short: what is not being written is taken back, and offered again a little later. */
  giveWay(): void {
    this.reader!.handleTakenBack(this.outbox.takeBackAll());
    if (this.outbox.bytes === 0) this.reader!.handleRoom();
  }
}

/** Gives a follower what came, as a client does. Calls back for each message. */
export function hear(
  follower: Follower,
  bodies: readonly Uint8Array[],
  handle: (text: string, own: OwnMessage | undefined) => void,
): void {
  for (const body of bodies) {
    if (isNote(body, 0, body.length) && follower.handleNote(body)) continue;
    const own = follower.handleMessage();
    assert.notEqual(own, "repeated");
    handle(new TextDecoder().decode(body), own as OwnMessage | undefined);
  }
}
