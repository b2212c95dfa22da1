/**
 * What a route is: a name, what it does by method, and what the policy must know of it.
 *
 * @module
 */
import type { Later } from "./exit.ts";
import type { Gate } from "./gate.ts";
import type { RouteTraits } from "./policy.ts";
import type { Query } from "./query.ts";

/** One request on its way through a route. */
export interface Call {
  /** The request. */
  readonly request: Request;
  /** Its query. */
  readonly query: Query;
  /** Where it came from, for the rate limit. Empty where nobody asks. */
  readonly remote: string;
  /** What the server knows of it. */
  readonly info: Deno.ServeHandlerInfo | undefined;
  /** Name of the route, for the counters. */
  readonly route: string;
  /** The origin that the answer allows to read it. */
  readonly corsOrigin: string | undefined;
}

/** Answers one method of one route. */
export type Answer = (gate: Gate, call: Call) => Response | Promise<Response> | Later;

/** All methods. */
export const METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE"] as const;

/** The methods that a route can have. OPTIONS is answered for all of them. */
export type Method = (typeof METHODS)[number];

/** A path and what it does. */
export interface Route extends RouteTraits {
  /** Short name, for the counters. */
  readonly name: string;
  /** What it does, by method. */
  readonly methods: Readonly<Partial<Record<Method, Answer>>>;
  /** Works while the gateway stops. */
  readonly worksWhileDraining?: boolean;
}

/** The address that a request came from, without the port; empty when it is not known. */
export function remoteOf(info: Deno.ServeHandlerInfo | undefined): string {
  const address = info?.remoteAddr;
  return address !== undefined && "hostname" in address ? address.hostname : "";
}
