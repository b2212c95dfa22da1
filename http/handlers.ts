/**
 * The handlers: each is a function for `Deno.serve` or for any router, with the policy of the gateway in front.
 *
 * @module
 */
import { HTTP_LINGER_MS } from "../base/defaults.ts";
import { checkNumber } from "../base/options.ts";
import type { HandlerStats } from "./counters.ts";
import { eventStream } from "./event_stream.ts";
import { admit } from "./admission.ts";
import { Gate, type GatewayBus } from "./gate.ts";
import { lastValue } from "./last_value.ts";
import { longPoll } from "./long_poll.ts";
import type { HandlerOptions } from "./options.ts";
import { post } from "./post.ts";
import type { Route } from "./route.ts";
import { webSocket } from "./web_socket.ts";

/** How a handler is stopped. */
export interface CloseOptions {
  /**
   * The longest time in milliseconds to wait for requests that are being answered.
   *
   * @default 5000
   */
  readonly lingerMs?: number;
}

/** A function for `Deno.serve` that can be stopped and asked for its counters. It never throws and never rejects. */
export interface GatewayHandler extends AsyncDisposable {
  /** Answers one request. */
  (request: Request, info?: Deno.ServeHandlerInfo): Response | Promise<Response>;
  /** What clients must show; `undefined` when the option `token` was not given. */
  readonly token: string | undefined;
  /** The counters as they are now. */
  stats(): HandlerStats;
  /**
   * Refuses new requests with 503, answers everyone who waits, ends streams and WebSockets so that their clients can resume
   * elsewhere, and resolves when nothing is left or `lingerMs` is over, with whether everything ended in time. The broker or client
   * behind it stays open: it is yours.
   *
   * @throws {OptionError} `bad-option`: `lingerMs` is not a time.
   */
  close(options?: CloseOptions): Promise<boolean>;
}

/** `GET` and `POST` of the last value. */
export const MESSAGES: Route = {
  name: "messages",
  methods: { GET: lastValue, HEAD: lastValue, POST: post },
};
/** The long-poll. It takes a POST too, as in the original. */
export const LONG_POLL: Route = { name: "longpoll", methods: { GET: longPoll, POST: post } };
/** Server-sent events. */
export const STREAM: Route = { name: "stream", methods: { GET: eventStream }, takesQueryToken: true };
/** The WebSocket. */
export const WEB_SOCKET: Route = { name: "websocket", methods: { GET: webSocket }, isWebSocket: true };

/**
 * The last message: `GET` answers `{"count":n,"message":s}`, `POST` sends one.
 *
 * - `s` is the JSON text of the last message (`?as=value`: the message itself); before the first one `""` (`null`).
 * - The `ETag` is the cursor, so a poll that finds nothing new costs a 304.
 * - `?type=a,b*`: the last message of these types.
 * - A `POST` with the form field `message`, or with JSON as the body, is answered 202 when the broker's connection has it;
 *   with `?confirm=2` it waits up to 2 s until the message is known to be on the bus and then answers 200 with its number.
 * - Errors are `application/problem+json` with a `code`.
 *
 * ```ts
 * import { messageHandler } from "../http.ts";
 *
 * const handler = messageHandler(null); // usually: a MessageServer
 * const response = await handler(new Request("http://127.0.0.1:8000/messages"));
 * console.assert(response.status === 503); // no client, no broker
 * await handler.close();
 * ```
 *
 * @param bus Where messages come from and go to; `null` for none, and every request is answered 503.
 * @throws {OptionError} If an option has a value that it cannot have: `bad-option`.
 */
export function messageHandler(bus: GatewayBus | null, options: HandlerOptions = {}): GatewayHandler {
  return handlerOf(new Gate(bus, options), () => MESSAGES);
}

/**
 * The next message: `GET` waits for it and answers `{"message":s}`, `POST` sends one.
 *
 * - `?since=<cursor>` (or `If-None-Match`) answers at once with the oldest message after the cursor. Send back the cursor of
 *   each answer and nothing is lost between two polls; what can no longer be had is told by `Message-Missed`, or with
 *   `strict=1` by a 410.
 * - `?timeout=20` answers 204 when nothing came in 20 s. `?type=a,b*` waits for these types only.
 *
 * ```ts
 * import { longPollMessageHandler } from "../http.ts";
 *
 * await using handler = longPollMessageHandler(null);
 * const response = await handler(new Request("http://127.0.0.1:8000/?timeout=never"));
 * console.assert((await response.json()).code === "bad-parameter");
 * ```
 *
 * @param bus Where messages come from and go to; `null` for none.
 * @throws {OptionError} If an option has a value that it cannot have: `bad-option`.
 */
export function longPollMessageHandler(
  bus: GatewayBus | null,
  options: HandlerOptions = {},
): GatewayHandler {
  return handlerOf(new Gate(bus, options), () => LONG_POLL);
}

/**
 * Every message as a server-sent event, or as a JSON line with `Accept: application/x-ndjson`.
 *
 * - The first event is `open` and tells the cursor; each message has its cursor as id, so a browser that reconnects misses
 *   nothing that is still held. What is not is told by a `gap` event.
 * - A reader that is too slow is cut when `maxQueuedBytes` wait for it. With its cursor it can resume.
 *
 * ```ts
 * import { eventStreamHandler } from "../http.ts";
 *
 * await using handler = eventStreamHandler(null, { maxWaiters: 10 });
 * console.assert(handler.stats().waiting.sse === 0);
 * ```
 *
 * @param bus Where messages come from; `null` for none.
 * @throws {OptionError} If an option has a value that it cannot have: `bad-option`.
 */
export function eventStreamHandler(
  bus: GatewayBus | null,
  options: HandlerOptions = {},
): GatewayHandler {
  return handlerOf(new Gate(bus, options), () => STREAM);
}

/**
 * The bus over a WebSocket, both ways.
 *
 * - Without a subprotocol, as in the original: text frames, each with the text of one message, your own included. With no address
 *   to send to, the sockets hear each other.
 * - With the subprotocol `braviz.v1`: first `{"open":…}`, then `{"cursor","seq","time","message"}` for each message, and `{"gap":…}`
 *   where some are missing. `{"publish":{…},"id":1}` is answered with `{"ack":1}` or `{"error":…,"id":1}`.
 * - It is closed with 1007 for something that is not a message, 1009 for something too large, 1013 when the broker is away or the
 *   reader too slow, and 1001 when the gateway stops.
 *
 * ```ts
 * import { webSocketMessageHandler } from "../http.ts";
 *
 * await using handler = webSocketMessageHandler(null);
 * const response = await handler(new Request("http://127.0.0.1:8000/"));
 * console.assert(response.status === 426); // no WebSocket handshake
 * ```
 *
 * @param bus Where messages come from and go to; with `null` the sockets only hear each other.
 * @throws {OptionError} If an option has a value that it cannot have: `bad-option`.
 */
export function webSocketMessageHandler(
  bus: GatewayBus | null,
  options: HandlerOptions = {},
): GatewayHandler {
  return handlerOf(new Gate(bus, options), () => WEB_SOCKET);
}

/** Makes the function out of a gate and a way to find the route of a URL. */
export function handlerOf(gate: Gate, routeOf: (url: string) => Route | undefined): GatewayHandler {
  const handle = (request: Request, info?: Deno.ServeHandlerInfo): Response | Promise<Response> =>
    admit(gate, routeOf(request.url), request, info);
  const close = ({ lingerMs }: CloseOptions = {}): Promise<boolean> =>
    gate.close(checkNumber("lingerMs", lingerMs, HTTP_LINGER_MS));
  return Object.assign(handle, {
    token: gate.policy.token,
    stats: () => gate.stats(),
    close,
    [Symbol.asyncDispose]: async () => void await close(),
  });
}
