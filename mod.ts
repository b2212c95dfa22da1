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
 * await using explorer = new MessageClient(server.addresses);
 * await using viewer = new MessageClient(server.addresses);
 * await Promise.all([explorer.ready, viewer.ready]);
 *
 * const heard = Promise.withResolvers<number | string>();
 * viewer.on("subject", ({ subject }) => heard.resolve(subject));
 * explorer.sendMessage({ type: "subject", subject: 119 });
 * console.assert(await heard.promise === 119);
 * ```
 *
 * What most programs need is here. Everything about one part is in its own entry: `/broker`, `/client`, `/http`, `/messages`,
 * `/errors`, and `/zmtp` for what carries the messages.
 *
 * @module
 */
export { MessageServer, type MessageServerOptions, type MessageServerStats } from "./bus/server.ts";
export { GenericMessageClient, MessageClient, PassiveMessageClient } from "./bus/clients.ts";
export type { ClientOptions, ClientStats, PassiveMessageClientOptions } from "./bus/clients.ts";
export type { NewMessageHandler } from "./bus/clients.ts";
export type { BusMessageEvent, ConnectionEvent, GapEvent, MessageErrorEvent } from "./bus/events.ts";
export { instanceId, isMessageOfType, type Message, type OtherMessage } from "./bus/messages.ts";
export { createSampleMessage, createSubjectMessage, createVariablesMessage } from "./bus/messages.ts";
export { createLogMessage, createReloadMessage, createVisualizationMessage } from "./bus/messages.ts";
export { createReadyMessage, type ReadyMessage } from "./bus/messages.ts";
export type { SampleMessage, SubjectMessage, VariablesMessage } from "./bus/messages.ts";
export type { LogMessage, ReloadMessage, VisualizationMessage } from "./bus/messages.ts";
export { AddressError, ClosedError, ConnectionError, HandshakeError, ListenError } from "./base/errors.ts";
export { MessageError, OptionError, ProtocolError, QueueFullError, TransportError } from "./base/errors.ts";
export { messageGateway, serveGateway } from "./http.ts";
export {
  eventStreamHandler,
  longPollMessageHandler,
  messageHandler,
  webSocketMessageHandler,
} from "./http.ts";
export type { GatewayHandler, GatewayOptions, GatewayServer } from "./http.ts";
export type { HandlerOptions, ServeGatewayOptions } from "./http.ts";
export { allowKeys, type CurveKeyPair, curveKeyPair } from "./zmtp/mod.ts";
export type { Authorize, CurveClientOptions, CurveServerOptions, Transport } from "./zmtp/mod.ts";
// The types that these refer to.
export type * from "./broker.ts";
export type * from "./client.ts";
export type * from "./http.ts";
