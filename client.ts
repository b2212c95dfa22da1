#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * The clients: they send to a broker's receive address and listen at its broadcast address.
 *
 * | class | for |
 * | --- | --- |
 * | {@linkcode MessageClient} | applications that talk to each other: its own messages do not come back to it |
 * | {@linkcode PassiveMessageClient} | whoever asks from time to time: it counts and remembers what came |
 * | {@linkcode GenericMessageClient} | an object with a method for messages: everything that comes is handed to it |
 *
 * As a program: `deno run --allow-net=127.0.0.1 client.ts listen|send|last`.
 *
 * @module
 */
export * from "./bus/clients.ts";
export type {
  BusMessageEvent,
  ConnectionEvent,
  GapEvent,
  GapReason,
  MessageErrorEvent,
} from "./bus/events.ts";
export type { EventHandler, TypedEventTarget } from "./bus/events.ts";
export type { FeedSlice, FeedView, Located } from "./bus/feed_view.ts";
export type { FeedEntry } from "./bus/feed_entry.ts";
export type { FeedLimit, FeedPast, FeedRecorder, PastPiece, Piece, Sender } from "./bus/feed_store.ts";
export type { Value } from "./bus/last_values.ts";
export type { MessageTarget } from "./bus/message_target.ts";
export type { BusPort, Receipt } from "./bus/port.ts";
export type * from "./bus/messages.ts";
export type { MessageError } from "./base/errors.ts";
export type { Block, CurveClientOptions, CurveKey, QueueLimit, Transport } from "./zmtp/mod.ts";

if (import.meta.main) {
  const { runClient } = await import("./programs/client.ts");
  await runClient();
}
