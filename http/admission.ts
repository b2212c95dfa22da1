/**
 * The way in: whether a request may come in, and which function of its route answers it.
 *
 * @module
 */
import { answer } from "./answers.ts";
import { Later } from "./exit.ts";
import type { Gate } from "./gate.ts";
import type { RouteTraits } from "./policy.ts";
import { Problem, unavailable } from "./problem.ts";
import { Query } from "./query.ts";
import { type Method, METHODS, remoteOf, type Route } from "./route.ts";

/** No route, no rights. */
const NO_TRAITS: RouteTraits = {};

/** Handles one request on a route that was found for it; `undefined` is no route. Never throws, never rejects. */
export function admit(
  gate: Gate,
  route: Route | undefined,
  request: Request,
  info: Deno.ServeHandlerInfo | undefined,
): Response | Promise<Response> {
  const { exit } = gate;
  const name = route?.name ?? "none";
  let corsOrigin: string | undefined;
  try {
    corsOrigin = gate.policy.check(request, route ?? NO_TRAITS);
    const response = dispatch(gate, route, request, info, corsOrigin);
    if (response instanceof Response) return exit.finish(name, response, corsOrigin);
    if (response instanceof Later) return response.promise;
    const later = exit.later({ route: name, corsOrigin });
    response.then((late) => later.settle(late), (error: unknown) => later.fail(error));
    return later.promise;
  } catch (error) {
    return exit.finish(name, exit.explain(error), corsOrigin);
  }
}

function dispatch(
  gate: Gate,
  route: Route | undefined,
  request: Request,
  info: Deno.ServeHandlerInfo | undefined,
  corsOrigin: string | undefined,
): Response | Promise<Response> | Later {
  if (route === undefined) throw new Problem("not-found", "Cannot find that path");
  const method = request.method;
  const respond = isMethod(method) ? route.methods[method] : undefined;
  if (respond === undefined) {
    const allow = [...Object.keys(route.methods), "OPTIONS"].join(", ");
    if (method !== "OPTIONS") {
      throw new Problem("method-not-allowed", `Cannot ${method} this path: it has ${allow}`, {
        headers: { allow },
      });
    }
    const isPreflight = request.headers.has("access-control-request-method");
    return answer(null, 204, [["allow", allow], ...(isPreflight ? preflight(gate, request) : [])]);
  }
  if (gate.stop.hasBegun && route.worksWhileDraining !== true) {
    throw unavailable("shutting-down", "Cannot take request: the gateway is stopping");
  }
  return respond(gate, {
    request,
    query: Query.of(request.url),
    info,
    remote: gate.publishRate === undefined ? "" : remoteOf(info),
    route: route.name,
    corsOrigin,
  });
}

function isMethod(method: string): method is Method {
  return (METHODS as readonly string[]).includes(method);
}

function preflight(gate: Gate, request: Request): [string, string][] {
  const origin = request.headers.get("origin");
  return origin !== null && gate.settings.allowedOrigins.includes(origin)
    ? gate.policy.preflightHeaders(request)
    : [];
}
