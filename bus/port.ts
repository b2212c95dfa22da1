/**
 * What a gateway stands on: a feed to read and a way to send. A broker in the same process is one (`local.ts`), and a client of a
 * broker elsewhere is one (`PassiveMessageClient`).
 *
 * @module
 */
import type { FeedView } from "./feed_view.ts";

/** A way into the bus, and its feed. */
export interface BusPort {
  /** What was broadcast. */
  readonly feed: FeedView;
  /** Where messages come from, for people; undefined: it does not listen. */
  readonly serverBroadcast: string | undefined;
  /** Where messages go to, for people; undefined: it does not send. */
  readonly serverReceive: string | undefined;
  /** Resolves when it was connected for the first time. */
  readonly ready: Promise<void>;
  /** Does the feed go on at the moment? */
  readonly isReceiving: boolean;
  /** Can it send at the moment? */
  readonly isSending: boolean;
  /**
   * Sends texts, all or none, in their order.
   *
   * @throws {MessageError} If one of them is no JSON object or too large. Nothing was sent.
   * @throws {QueueFullError} If too much waits already. Nothing was sent.
   * @throws {ClosedError} If it is closed.
   */
  publish(texts: readonly string[]): Receipt;
  /** Its counters. */
  stats(): object;
}

/** What became of texts that were sent. */
export interface Receipt {
  /** The position of the last one, where it is known at once. */
  readonly position: number | undefined;
  /**
   * The position of the last one when it is known; undefined when it was refused, ignored or lost. May never resolve: the
   * signal ends the wait, which then gives undefined.
   */
  told(signal: AbortSignal): Promise<number | undefined>;
}
