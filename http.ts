#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * The bus on the web: HTTP handlers over the broker's feed, a gateway that mounts them all, and a program that serves it.
 *
 * ```text
 *   MessageServer in the same process ──▶ messageGateway ──▶ GET, long-poll, history, state, events, WebSocket, live page
 *   or PassiveMessageClient of another ◀──               ◀── POST, WebSocket
 * ```
 *
 * - The original's requests and answers work unchanged; cursors, history, state and streams are added beside them.
 * - A client that sends back the cursor of each answer misses nothing between two requests. It is told when messages are gone,
 *   and how many: whoever lost them, and wherever.
 * - It answers to this machine only, and foreign web pages are refused on every path.
 *
 * As a program: `deno run --allow-net=127.0.0.1 http.ts --broadcast tcp://127.0.0.1:5555 --receive tcp://127.0.0.1:5556`
 *
 * ```ts
 * import { messageGateway, serveGateway } from "./http.ts";
 *
 * // A MessageServer or a PassiveMessageClient usually stands where null is.
 * await using gateway = serveGateway(null, { port: 0 });
 * const { paths } = await (await fetch(`${gateway.url}/openapi.json`)).json();
 * console.assert("/messages" in paths);
 *
 * // Or in a server of your own:
 * const handler = messageGateway(null, { prefix: "/bus" });
 * const response = await handler(new Request("http://127.0.0.1:8000/bus/readyz"));
 * console.assert(response.status === 503); // no broker
 * await handler.close();
 * ```
 *
 * @module
 */
export type { GapReason } from "./bus/events.ts";
export type { FeedEntry } from "./bus/feed_entry.ts";
export type { FeedSlice, FeedView, Located } from "./bus/feed_view.ts";
export type { Value } from "./bus/last_values.ts";
export type { BusPort, Receipt } from "./bus/port.ts";
export type * from "./bus/recording.ts";
export type { Delivery, HandlerStats, Traffic, WaitKind } from "./http/counters.ts";
export { messageGateway } from "./http/gateway.ts";
export type { GatewayBus } from "./http/gate.ts";
export {
  type CloseOptions,
  eventStreamHandler,
  type GatewayHandler,
  longPollMessageHandler,
  messageHandler,
  webSocketMessageHandler,
} from "./http/handlers.ts";
export type { GatewayOptions, HandlerOptions, PublishRate } from "./http/options.ts";
export type { ProblemCode } from "./http/problem.ts";
export * from "./http/server.ts";

if (import.meta.main) {
  const { runGateway } = await import("./programs/http.ts");
  await runGateway();
}
