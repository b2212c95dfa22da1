/**
 * A message bus for the applications of an analysis environment: a broker, clients and HTTP handlers, on the ZeroMQ wire.
 *
 * ```text
 *   Deno, Python, R, C++  ──PUSH──▶ receive address ─▶ broker ─▶ broadcast address ──SUB──▶ Deno, Python, R, C++
 *   web pages, curl       ──HTTP──▶             gateway                          ──HTTP──▶ web pages, curl
 * ```
 *
 * @example
 * ```ts
 * import { MessageClient, MessageServer } from "./mod.ts";
 *
 * await using server = new MessageServer();
 * const addresses = { serverBroadcast: server.broadcastAddress, serverReceive: server.receiveAddress };
 * await using explorer = new MessageClient(addresses);
 * await using viewer = new MessageClient(addresses);
 * await Promise.all([explorer.ready, viewer.ready]);
 *
 * explorer.sendMessage({ type: "subject", subject: 119 });
 * for await (const message of viewer) {
 *   console.assert(message.type === "subject");
 *   break;
 * }
 * ```
 *
 * @module
 */
export * from "./bus/server.ts";
export * from "./bus/clients.ts";
export * from "./base/errors.ts";
export * from "./bus/events.ts";
export * from "./http.ts";
export * from "./bus/messages.ts";
export { allowKeys, type CurveKeyPair, curveKeyPair } from "./zmtp/mod.ts";
export type {
  Authorize,
  AuthorizeRequest,
  AuthorizeVerdict,
  ConnectionHandler,
  ConnectionOptions,
  CurveClientOptions,
  CurveKey,
  CurveServerOptions,
  Endpoint,
  ListenSocket,
  ListenStats,
  MemoryBudget,
  MessageHandler as TransportMessageHandler,
  PubOptions,
  PubSocket,
  PubStats,
  PullOptions,
  PullSocket,
  PushHandler,
  PushOptions,
  PushSocket,
  QueueLimit,
  SubOptions,
  SubscriberStats,
  SubSocket,
  Transport,
} from "./zmtp/mod.ts";
