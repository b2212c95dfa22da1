/**
 * The routes for those who run the gateway: is it alive, can it be used, who is there, and what a problem code means.
 *
 * @module
 */
import { json } from "./answers.ts";
import type { Gate } from "./gate.ts";
import type { Call } from "./route.ts";
import { Problem, type ProblemCode, PROBLEMS, retryAfter } from "./problem.ts";

/** `GET /healthz`: answers as long as the loop runs. It needs no token and tells nothing. */
export function health(): Response {
  return json('{"status":"ok"}');
}

/** Is the way into the bus open, in all directions that it has? */
export function isBrokerUp(gate: Gate): boolean {
  const { port } = gate.hub;
  if (port === undefined) return false;
  const { serverBroadcast, serverReceive, isReceiving, isSending } = port;
  return (serverBroadcast === undefined || isReceiving) && (serverReceive === undefined || isSending);
}

/** `GET /readyz`: 503 while the broker is away or the gateway stops. */
export function readiness(gate: Gate): Response {
  const broker = isBrokerUp(gate);
  const body = JSON.stringify({ broker, draining: gate.stop.hasBegun });
  const isReady = broker && !gate.stop.hasBegun;
  return isReady ? json(body) : json(body, 503, [["retry-after", retryAfter()]]);
}

/** `GET /messages/subscribers`: how many are connected. */
export function subscribers(gate: Gate): Response {
  const { longpoll, history, sse, websocket } = gate.counters.waiting;
  return json(JSON.stringify({ longpoll: longpoll + history, sse, websocket }));
}

/** `GET /problems/<code>`: what to do about it. */
export function describeProblem(_gate: Gate, { request }: Call): Response {
  const code = /\/problems\/([a-z-]+)(?:[?#]|$)/.exec(request.url)?.[1] ?? "";
  if (!Object.hasOwn(PROBLEMS, code)) throw new Problem("not-found", "Cannot find a problem of that name");
  const [status, title, advice] = PROBLEMS[code as ProblemCode];
  return json(JSON.stringify({ code, status, title, advice }));
}
