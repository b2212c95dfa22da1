/**
 * A broker, a client and a gateway, all real, on ports of their own.
 */
import { MessageServer } from "../../../broker.ts";
import { PassiveMessageClient, type PassiveMessageClientOptions } from "../../../client.ts";
import { type GatewayServer, serveGateway, type ServeGatewayOptions } from "../../../http.ts";

export interface Bus extends AsyncDisposable {
  readonly broker: MessageServer;
  readonly client: PassiveMessageClient;
  readonly gateway: GatewayServer;
  readonly url: string;
  readonly port: number;
}

/** Keeps refusals out of the output of the tests. */
export const quiet: { readonly log: () => void } = { log: () => {} };

export async function startBus(
  options: ServeGatewayOptions = {},
  clientOptions: Omit<PassiveMessageClientOptions, "serverBroadcast" | "serverReceive"> = {},
): Promise<Bus> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(new MessageServer());
  const client = stack.use(
    new PassiveMessageClient({
      serverBroadcast: broker.broadcastAddress,
      serverReceive: broker.receiveAddress,
      ...clientOptions,
    }),
  );
  await client.ready;
  const gateway = stack.use(serveGateway(client, { port: 0, ...quiet, ...options }));
  const moved = stack.move();
  return {
    broker,
    client,
    gateway,
    url: gateway.url,
    port: gateway.port,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** A form with a message, as the original's clients send it. */
export function form(message: string): RequestInit {
  return { method: "POST", body: new URLSearchParams({ message }) };
}
