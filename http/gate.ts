/**
 * The gate: what all routes of one handler or gateway have in common. It admits or refuses requests, knows who waits, and
 * ends all waiting when the gateway stops.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { AbsentClient, type GatewayClient } from "./gateway_client.ts";
import { Counters, type HandlerStats, type WaitKind } from "./counters.ts";
import { type Hub, hubOf, type Subscriber } from "./hub.ts";
import { type GatewayOptions, resolveOptions, type Settings } from "./options.ts";
import { Policy, type RouteTraits } from "./policy.ts";
import { Problem, unavailable } from "./problem.ts";
import { Query } from "./query.ts";
import { RateLimit } from "../base/token_bucket.ts";

/** On every answer but the page's: no cache keeps it, no browser guesses its type, no foreign page embeds it. */
export const BASE_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["cache-control", "no-store"],
  ["x-content-type-options", "nosniff"],
  ["cross-origin-resource-policy", "same-origin"],
  ["vary", "Origin"],
];

/** The content type of every success that is JSON. */
export const JSON_TYPE = "application/json; charset=UTF-8";

/** No route, no rights. */
const NO_TRAITS: RouteTraits = {};

/** One who waits. */
export interface Waiting extends Subscriber {
  /** Under what it is counted. */
  readonly kind: WaitKind;
}

/**
 * An answer that is not there yet; the stop of the gate waits for it. It is settled rather than returned by a promise that the
 * gate would wait for: for each of thousands of long-polls that second promise would be time in which the others wait.
 */
export class Later {
  /** The answer as it goes out. It never rejects. */
  readonly promise: Promise<Response>;
  readonly #gate: Gate;
  readonly #route: string;
  readonly #corsOrigin: string | undefined;
  readonly #resolve: (response: Response) => void;

  constructor(gate: Gate, { route, corsOrigin }: Pick<Call, "route" | "corsOrigin">) {
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#gate = gate;
    this.#route = route;
    this.#corsOrigin = corsOrigin;
    gate.inFlight += 1;
  }

  /** Here it is. To be called once. */
  settle(response: Response): void {
    const gate = this.#gate;
    this.#resolve(gate.finish(this.#route, response, this.#corsOrigin));
    gate.inFlight -= 1;
    if (gate.inFlight === 0) gate.tellIdle();
  }

  /** There will be none, but an answer that says why. */
  fail(error: unknown): void {
    this.settle(this.#gate.explain(error));
  }
}

/** One request on its way through a route. */
export interface Call {
  /** The request. */
  readonly request: Request;
  /** Its query. */
  readonly query: Query;
  /** Where it came from, for the rate limit. */
  readonly remote: string;
  /** Name of the route, for the counters. */
  readonly route: string;
  /** The origin that the answer allows to read it. */
  readonly corsOrigin: string | undefined;
}

/** Answers one method of one route. */
export type Answer = (gate: Gate, call: Call) => Response | Promise<Response> | Later;

/** The methods that a route can have. OPTIONS is answered for all of them. */
export type Method = "GET" | "HEAD" | "POST";

/** A path and what it does. */
export interface Route extends RouteTraits {
  /** Short name, for the counters. */
  readonly name: string;
  /** What it does, by method. */
  readonly methods: Readonly<Partial<Record<Method, Answer>>>;
  /** Works while the gateway stops. */
  readonly worksWhileDraining?: boolean;
}

/** See the module. */
export class Gate {
  /** The options with their defaults. */
  readonly settings: Settings;
  /** Who may come in. */
  readonly policy: Policy;
  /** Everything that is counted. */
  readonly counters: Counters = new Counters();
  /** Shared with all other gates of the same client. */
  readonly hub: Hub;
  /** `undefined` when publishing is not limited. */
  readonly rateLimit: RateLimit | undefined;
  // Who they are, the hub knows: for each of thousands a second set would be memory, and work while all are answered.
  #waitingCount = 0;
  #freshBodies: WatchedBody[] = [];
  readonly #lateBodies = new Set<WatchedBody>();
  readonly #idleListeners = new Set<() => void>();
  #bodyTimer: ReturnType<typeof setTimeout> | undefined;
  /** How many answers are not there yet. */
  inFlight = 0;
  #isDraining = false;

  constructor(client: GatewayClient | null, options: GatewayOptions) {
    this.settings = resolveOptions(options);
    this.policy = new Policy(this.settings);
    this.hub = hubOf(client ?? new AbsentClient());
    this.hub.addFanOutListener(this.counters.handleFanOut);
    this.rateLimit = this.settings.publishRate === undefined
      ? undefined
      : new RateLimit(this.settings.publishRate);
  }

  /** Does it stop? */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The counters as they are now. */
  stats(): HandlerStats {
    return this.counters.snapshot(this.#isDraining);
  }

  /** Handles one request on a route that was found for it; `undefined` is no route. Never throws, never rejects. */
  handle(
    route: Route | undefined,
    request: Request,
    info: Deno.ServeHandlerInfo | undefined,
  ): Response | Promise<Response> {
    const name = route?.name ?? "none";
    let corsOrigin: string | undefined;
    try {
      corsOrigin = this.policy.check(request, route ?? NO_TRAITS);
      const response = this.#dispatch(route, request, info, corsOrigin);
      if (response instanceof Response) return this.finish(name, response, corsOrigin);
      if (response instanceof Later) return response.promise;
      const later = new Later(this, { route: name, corsOrigin });
      response.then((late) => later.settle(late), (error: unknown) => later.fail(error));
      return later.promise;
    } catch (error) {
      return this.finish(name, this.explain(error), corsOrigin);
    }
  }

  /** Counts an answer, and lets a page of an allowed origin read it. */
  finish(name: string, response: Response, corsOrigin: string | undefined): Response {
    const { status } = response;
    this.counters.countRequest(name, status);
    if (corsOrigin === undefined || status === 101) return response;
    // A copy: some answers are the same object for everyone.
    const readable = new Response(response.body, response);
    for (const [header, value] of this.policy.corsHeaders(corsOrigin)) readable.headers.set(header, value);
    readable.headers.set("cross-origin-resource-policy", "cross-origin");
    return readable;
  }

  /** A body that is JSON, with the headers that all answers have. */
  json(body: string, status = 200, headers: readonly (readonly [string, string])[] = []): Response {
    return this.answer(body, status, [["content-type", JSON_TYPE], ...headers]);
  }

  /** Any answer, with the headers that all answers have; those given win. */
  answer(
    body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null,
    status: number,
    headers: readonly (readonly [string, string])[],
  ): Response {
    const base = BASE_HEADERS.filter(([name]) => !headers.some(([given]) => given === name));
    return new Response(body, {
      status,
      headers: [...base, ...headers].map(([name, value]): [string, string] => [name, value]),
    });
  }

  /** The answer that tells a problem. It is counted. */
  refuse(problem: Problem): Response {
    this.counters.countRefused(problem.code);
    return this.answer(problem.toBody(this.settings.prefix), problem.status, [
      ["content-type", "application/problem+json"],
      ...Object.entries(problem.headers),
    ]);
  }

  /** Throws unless the broker was there at least once. */
  requireBroker(): void {
    if (!this.hub.isAttached) {
      throw unavailable("broker-unavailable", "Cannot answer: the broker has not been reached yet");
    }
  }

  /** Someone begins to wait. Throws when the house is full. */
  enter(waiting: Waiting): void {
    this.requireRoom();
    this.#waitingCount += 1;
    this.counters.waiting[waiting.kind] += 1;
    this.hub.add(waiting);
  }

  /** Throws when the house is full. */
  requireRoom(): void {
    const { lingering } = this.counters;
    if (this.#waitingCount + lingering < this.settings.maxWaiters) return;
    throw unavailable(
      "too-many-waiters",
      `Cannot wait: ${this.#waitingCount} clients wait already and ${lingering} connections are about to end, ` +
        `limit is ${this.settings.maxWaiters}`,
      { limit: this.settings.maxWaiters },
    );
  }

  /** Someone waits no longer. Says whether it did. */
  leave(waiting: Waiting): boolean {
    if (!this.hub.remove(waiting)) return false;
    this.counters.waiting[waiting.kind] -= 1;
    this.#waitingCount -= 1;
    if (this.#waitingCount === 0) this.tellIdle();
    return true;
  }

  /** Ends up to so many long-polls that wait longest: their clients ask again, and their sockets become free. */
  shed(share: number): number {
    const victims = this.hub.subscribersOf(this).slice(0, Math.ceil(this.#waitingCount * share));
    for (const victim of victims) victim.drain();
    return victims.length;
  }

  /**
   * Calls back when a body does not come in time. Most bodies are there with their head, so the clock is looked at only for
   * those that are not there in the next turn of the loop, and one timer serves them all: a timer for each would cost a
   * fifth of a POST.
   */
  watchBody(watched: WatchedBody): void {
    if (this.#freshBodies.push(watched) === 1) setImmediate(this.#checkFreshBodies);
  }

  /** The body is there, or will never be. */
  unwatchBody(watched: WatchedBody): void {
    watched.isOver = true;
    if (this.#lateBodies.size === 0 || !this.#lateBodies.delete(watched) || this.#lateBodies.size > 0) return;
    clearTimeout(this.#bodyTimer);
    this.#bodyTimer = undefined;
  }

  /**
   * Refuses what is new, sends home who waits, and resolves when nothing is left, or when the time is over; says which.
   */
  async close(graceMs: number): Promise<boolean> {
    this.#isDraining = true;
    for (const waiting of this.hub.subscribersOf(this)) waiting.drain();
    const isIdle = await new Promise<boolean>((resolve) => {
      if (this.#isIdle) return resolve(true);
      const timer = setTimeout(() => done(false), graceMs);
      const handleIdle = () => done(true);
      const done = (result: boolean) => {
        clearTimeout(timer);
        this.#idleListeners.delete(handleIdle);
        resolve(result);
      };
      this.#idleListeners.add(handleIdle);
    });
    this.hub.removeFanOutListener(this.counters.handleFanOut);
    return isIdle;
  }

  get #isIdle(): boolean {
    return this.inFlight === 0 && this.#waitingCount === 0;
  }

  /** To be called when something has ended for which a stop may wait. */
  tellIdle(): void {
    if (this.#isDraining && this.#isIdle) { for (const listener of [...this.#idleListeners]) listener(); }
  }

  #dispatch(
    route: Route | undefined,
    request: Request,
    info: Deno.ServeHandlerInfo | undefined,
    corsOrigin: string | undefined,
  ): Response | Promise<Response> | Later {
    if (route === undefined) throw new Problem("not-found", "Cannot find that path");
    const method = request.method;
    const answer = method === "GET" || method === "POST" || method === "HEAD"
      ? route.methods[method]
      : undefined;
    if (answer === undefined) {
      const allow = [...Object.keys(route.methods), "OPTIONS"].join(", ");
      if (method !== "OPTIONS") {
        throw new Problem("method-not-allowed", `Cannot ${method} this path: it has ${allow}`, {
          headers: { allow },
        });
      }
      const isPreflight = request.headers.has("access-control-request-method");
      return this.answer(null, 204, [["allow", allow], ...(isPreflight ? this.#preflight(request) : [])]);
    }
    if (this.#isDraining && route.worksWhileDraining !== true) {
      throw unavailable("shutting-down", "Cannot take request: the gateway is stopping");
    }
    return answer(this, {
      request,
      query: Query.of(request.url),
      remote: this.rateLimit === undefined ? "" : remoteOf(info),
      route: route.name,
      corsOrigin,
    });
  }

  #preflight(request: Request): [string, string][] {
    const origin = request.headers.get("origin");
    return origin !== null && this.settings.allowedOrigins.includes(origin)
      ? this.policy.preflightHeaders(request)
      : [];
  }

  /** The answer that tells an error. */
  explain(error: unknown): Response {
    let problem: Problem;
    if (error instanceof Problem) {
      problem = error;
    } else {
      this.settings.log(`fault: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
      problem = new Problem("internal-error", "Cannot answer: the gateway made a mistake, its log says more");
    }
    return this.refuse(problem);
  }

  readonly #checkFreshBodies = (): void => {
    const fresh = this.#freshBodies;
    this.#freshBodies = [];
    for (const watched of fresh) {
      if (watched.isOver) continue;
      watched.deadline = performance.now() + this.settings.bodyTimeoutMs;
      this.#lateBodies.add(watched);
    }
    if (this.#lateBodies.size > 0) {
      this.#bodyTimer ??= setTimeout(this.#checkLateBodies, this.settings.bodyTimeoutMs);
    }
  };

  readonly #checkLateBodies = (): void => {
    this.#bodyTimer = undefined;
    const now = performance.now();
    for (const watched of this.#lateBodies) {
      // In the order in which they began: all that follow have more time.
      if (watched.deadline > now) {
        this.#bodyTimer = setTimeout(this.#checkLateBodies, watched.deadline - now);
        return;
      }
      this.#lateBodies.delete(watched);
      watched.isOver = true;
      watched.handleLate();
    }
  };
}

function remoteOf(info: Deno.ServeHandlerInfo | undefined): string {
  const address = info?.remoteAddr;
  return address !== undefined && "hostname" in address ? address.hostname : "";
}

/** A body that is on its way. */
export interface WatchedBody {
  /** By when it must be there, on the clock of `performance.now()`; the gate sets it. */
  deadline: number;
  /** It is there, was given up, or its client is gone: whatever comes now is too late. */
  isOver: boolean;
  /** Called once when the deadline has passed. */
  handleLate(): void;
}
