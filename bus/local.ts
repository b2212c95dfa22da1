/**
 * The bus for what runs in the process of the broker: its feed without a socket, and a way in without one.
 *
 * @module
 */
import { ClosedError } from "../base/errors.ts";
import type { BackboneStatus } from "./backbone.ts";
import type { Taken } from "./backbone_tap.ts";
import type { FeedView } from "./feed_view.ts";
import type { BusPort, Receipt } from "./port.ts";
import type { BusConnection, FailedHandshake, Refusal } from "./presence.ts";

/** What it needs of the broker. */
export interface LocalBroker {
  /** For people. */
  readonly addresses: {
    readonly broadcastAddress: string;
    readonly receiveAddress: string;
    readonly publicKey: string | undefined;
  };
  /** Resolves when the broker takes connections. */
  readonly ready: Promise<void>;
  /** Is it closed, or about to be? */
  isClosed(): boolean;
  /** Checks a text and makes a frame of it. */
  frameOf(text: string): Uint8Array;
  /** Takes whole frames, and says what became of them. */
  publish(frames: Uint8Array, messages: number): Taken;
  /** Its counters. */
  stats(): object;
  /** Who is connected. */
  connections(): readonly BusConnection[];
  /** What was refused last. */
  refusals(): readonly Refusal[];
  /** Who could not join, lately. */
  failedHandshakes(): readonly FailedHandshake[];
  /** How its backbone fares; undefined without one. */
  backbone(): BackboneStatus | undefined;
}

/** See the module. What is published is in the feed when the call returns. */
export class LocalBus implements BusPort {
  readonly feed: FeedView;
  readonly ready: Promise<void>;
  readonly #broker: LocalBroker;

  constructor(feed: FeedView, broker: LocalBroker) {
    this.feed = feed;
    this.ready = broker.ready;
    this.#broker = broker;
    feed.watchTypes();
  }

  get serverBroadcast(): string {
    return this.#broker.addresses.broadcastAddress;
  }

  get serverReceive(): string {
    return this.#broker.addresses.receiveAddress;
  }

  get isReceiving(): boolean {
    return !this.#broker.isClosed();
  }

  get isSending(): boolean {
    return !this.#broker.isClosed();
  }

  publish(texts: readonly string[]): Receipt {
    const frames = texts.map((text) => this.#broker.frameOf(text));
    if (this.#broker.isClosed()) throw new ClosedError("Cannot send message: the broker is closed");
    const { position, told } = this.#broker.publish(joined(frames), frames.length);
    return {
      position,
      told: (signal) => told === undefined ? Promise.resolve(position) : unlessAborted(told, signal),
    };
  }

  stats(): object {
    return this.#broker.stats();
  }

  /** What a person wants to see of the broker: who is here, what was refused, and who could not join. */
  presence(): {
    readonly broadcastAddress: string;
    readonly receiveAddress: string;
    readonly publicKey: string | undefined;
    readonly connections: readonly BusConnection[];
    readonly refusals: readonly Refusal[];
    readonly failedHandshakes: readonly FailedHandshake[];
    readonly backbone?: BackboneStatus;
  } {
    const backbone = this.#broker.backbone();
    const { broadcastAddress, receiveAddress, publicKey } = this.#broker.addresses;
    return {
      broadcastAddress,
      receiveAddress,
      publicKey,
      connections: this.#broker.connections(),
      refusals: this.#broker.refusals(),
      failedHandshakes: this.#broker.failedHandshakes(),
      ...(backbone && { backbone }),
    };
  }
}

/** What a promise gives; undefined when the signal is aborted before. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const abort = () => resolve(undefined);
  if (signal.aborted) return undefined;
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  if (frames.length === 1) return frames[0]!;
  const whole = new Uint8Array(frames.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const frame of frames) {
    whole.set(frame, at);
    at += frame.length;
  }
  return whole;
}
