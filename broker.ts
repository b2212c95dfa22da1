#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * The broker: everyone sends to its receive address, everyone listens at its broadcast address, and each message goes to
 * everyone.
 *
 * ```text
 *   applications ──PUSH──▶ receive address ─▶ MessageServer ─▶ broadcast address ──SUB──▶ applications
 * ```
 *
 * As a program: `deno run --allow-net=127.0.0.1 broker.ts`.
 *
 * @module
 */
export * from "./bus/server.ts";
export type {
  BusMessageEvent,
  ConnectionEvent,
  GapEvent,
  GapReason,
  MessageErrorEvent,
} from "./bus/events.ts";
export type { EventHandler, HandshakeErrorEvent, RefusedEvent, TypedEventTarget } from "./bus/events.ts";
export type { FeedSlice, FeedView, Located } from "./bus/feed_view.ts";
export type { FeedEntry } from "./bus/feed_entry.ts";
export type { FeedLimit, FeedPast, FeedRecorder, PastPiece, Piece, Sender } from "./bus/feed_store.ts";
export type { Value } from "./bus/last_values.ts";
export type { MessageTarget } from "./bus/message_target.ts";
export type { Identity } from "./bus/identity.ts";
export type { BusPort, Receipt } from "./bus/port.ts";
export type { BusConnection, FailedHandshake, Refusal } from "./bus/presence.ts";
export type * from "./bus/backbone.ts";
export type * from "./bus/messages.ts";
export type { MessageError } from "./base/errors.ts";
export type { Authorize, AuthorizeRequest, AuthorizeVerdict, Block, CurveKey } from "./zmtp/mod.ts";
export type { CurveServerOptions, ListenStats, PubStats, QueueLimit } from "./zmtp/mod.ts";
export type { SubscriberStats, Transport } from "./zmtp/mod.ts";

if (import.meta.main) {
  const { runBroker } = await import("./programs/broker.ts");
  await runBroker();
}
