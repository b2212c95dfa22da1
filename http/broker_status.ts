/**
 * `GET /broker`: who is connected, what was refused last, and who could not join. Only the gateway in the broker's own process
 * knows.
 *
 * @module
 */
import { visible } from "../base/quote.ts";
import { LocalBus } from "../bus/local.ts";
import { json } from "./answers.ts";
import type { Gate } from "./gate.ts";
import { Problem } from "./problem.ts";

/** See the module. */
export function brokerStatus({ hub }: Gate): Response {
  const { port } = hub;
  // Much of it is what peers say, and a person reads it in a terminal.
  if (port instanceof LocalBus) return json(visible(JSON.stringify(port.presence())));
  throw new Problem(
    "not-found",
    "Cannot tell who is connected: the broker runs in another process (broker.ts --http can tell)",
  );
}
