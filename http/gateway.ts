/**
 * The gateway: all handlers, the service routes and the live page under their paths.
 *
 * @module
 */
import { CLIENT_ROUTES } from "./client_files.ts";
import { Gate, type GatewayBus } from "./gate.ts";
import { type GatewayHandler, handlerOf, LONG_POLL, MESSAGES, STREAM, WEB_SOCKET } from "./handlers.ts";
import { history } from "./history.ts";
import { PAGE, PAGE_ROUTES } from "./live_page.ts";
import { metrics } from "./metrics.ts";
import { openApi } from "./openapi.ts";
import type { GatewayOptions } from "./options.ts";
import { hasIndex, PAGES } from "./pages.ts";
import { pathOf, templateOf } from "./path.ts";
import { brokerStatus } from "./broker_status.ts";
import type { Route } from "./route.ts";
import { SESSION_PAGE_ROUTES } from "./sessions/page.ts";
import { schemas } from "./schemas.ts";
import { SESSION_ROUTES } from "./sessions/routes.ts";
import { describeProblem, health, readiness, subscribers } from "./service.ts";
import { state } from "./state.ts";

/** Every path of the gateway. Names in braces stand for a variable part: a number, except in `/problems/{code}`. */
export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ["/messages", MESSAGES],
  ["/messages/longpoll", LONG_POLL],
  ["/messages/history", { name: "history", methods: { GET: history, HEAD: history } }],
  ["/messages/state", { name: "state", methods: { GET: state, HEAD: state } }],
  ["/messages/stream", STREAM],
  ["/messages/ws", WEB_SOCKET],
  ["/messages_ws", WEB_SOCKET],
  ["/messages/subscribers", { name: "subscribers", methods: { GET: subscribers, HEAD: subscribers } }],
  ["/broker", { name: "broker", methods: { GET: brokerStatus, HEAD: brokerStatus } }],
  ["/healthz", {
    name: "healthz",
    methods: { GET: health, HEAD: health },
    isOpen: true,
    worksWhileDraining: true,
  }],
  ["/readyz", { name: "readyz", methods: { GET: readiness, HEAD: readiness }, worksWhileDraining: true }],
  ["/metrics", { name: "metrics", methods: { GET: metrics, HEAD: metrics }, worksWhileDraining: true }],
  ["/schemas", { name: "schemas", methods: { GET: schemas, HEAD: schemas } }],
  ["/openapi.json", { name: "openapi", methods: { GET: openApi, HEAD: openApi } }],
  ...SESSION_ROUTES,
  ["/problems/{code}", { name: "problems", methods: { GET: describeProblem, HEAD: describeProblem } }],
  ...CLIENT_ROUTES,
  ...PAGE_ROUTES,
  ...SESSION_PAGE_ROUTES,
]);

/** The routes with numbers in their paths, by the path with `{}` for each. */
const NUMBERED: ReadonlyMap<string, Route> = new Map(
  [...ROUTES].filter(([path]) => path.startsWith("/sessions/"))
    .map(([path, route]) => [path.replace(/\{\w+\}/g, "{}"), route]),
);

/**
 * All handlers, the service routes and the live page in one function for `Deno.serve`.
 *
 * - `/messages`, `/messages/longpoll`, `/messages/history`, `/messages/state`, `/messages/stream`, `/messages/ws` (also `/messages_ws`),
 *   `/messages/subscribers`, `/broker`, `/healthz`, `/readyz`, `/metrics`, `/schemas`, `/openapi.json`, and the page at `/` and `/monitor`.
 * - With the option `archive`: `/sessions` and what is below it, `/recording`, `/replay`, and the page at `/monitor/sessions`.
 * - `/client.js`, the bus for web pages, with its types in `/client.d.ts`; with the option `pages` the files of a folder, too.
 * - Foreign pages are refused on every path, see the options `allowedHosts`, `allowedOrigins` and `token`.
 * - No queue grows without limit and every wait ends when its client goes; what is dropped or missed is counted.
 *
 * {@linkcode serveGateway} listens as well, and outlives what kills a bare `Deno.serve`.
 *
 * ```ts
 * import { messageGateway } from "../http.ts";
 *
 * await using gateway = messageGateway(null); // usually: a MessageServer
 * const response = await gateway(new Request("http://127.0.0.1:8000/healthz"));
 * console.assert(response.status === 200);
 * ```
 *
 * @param bus Where messages come from and go to; `null` for none.
 * @throws {OptionError} If an option has a value that it cannot have: `bad-option`.
 */
export function messageGateway(bus: GatewayBus | null, options: GatewayOptions = {}): GatewayHandler {
  return gatewayOf(new Gate(bus, options));
}

/** The same for a gate that somebody else holds too. */
export function gatewayOf(gate: Gate): GatewayHandler {
  const { prefix } = gate.settings;
  const problems = ROUTES.get("/problems/{code}");
  const { pages } = gate.settings;
  const files = pages === undefined ? undefined : PAGES;
  const find = (url: string): Route | undefined => {
    const path = pathOf(url);
    if (!path.startsWith(prefix)) return undefined;
    const rest = path.slice(prefix.length);
    if (prefix !== "" && rest === "") return PAGE;
    const route = ROUTES.get(rest);
    if (rest === "/" && pages !== undefined && hasIndex(pages)) return files;
    if (route !== undefined) return route;
    if (rest.startsWith("/sessions/")) return NUMBERED.get(templateOf(rest)) ?? files;
    return rest.startsWith("/problems/") ? problems : files;
  };
  // Those who poll ask for the same again and again.
  let lastUrl = "";
  let lastRoute: Route | undefined;
  return handlerOf(gate, (url) => {
    if (url !== lastUrl) {
      lastRoute = find(url);
      lastUrl = url;
    }
    return lastRoute;
  });
}
