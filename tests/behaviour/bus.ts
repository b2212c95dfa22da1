/** The behaviour suite's ground: a broker and clients over each transport, and mixed. */
import {
  type ClientOptions,
  GenericMessageClient,
  MessageClient,
  type NewMessageHandler,
  PassiveMessageClient,
  type PassiveMessageClientOptions,
} from "../../client.ts";
import { MessageServer, type MessageServerOptions } from "../../broker.ts";
import { libzmq } from "../../zmtp/libzmq/mod.ts";
import { type Transport, zmtp } from "../../zmtp/mod.ts";
import { soon } from "../support/deadline.ts";

/** The two addresses of a broker, as clients want them. */
export interface Addresses {
  readonly serverBroadcast: string;
  readonly serverReceive: string;
}

/** Away and back within a test's patience. */
const FAST = { minMs: 5, maxMs: 20 };

/** One broker with its clients, of one combination of transports. All of them are closed with it. */
export class Bus implements AsyncDisposable {
  readonly brokerTransport: Transport;
  readonly clientTransport: Transport;
  readonly #opened = new AsyncDisposableStack();

  constructor(brokerTransport: Transport, clientTransport: Transport) {
    this.brokerTransport = brokerTransport;
    this.clientTransport = clientTransport;
  }

  server(options: MessageServerOptions = {}): MessageServer {
    return this.#opened.use(new MessageServer({ ...options, transport: this.brokerTransport }));
  }

  client(options: ClientOptions): MessageClient {
    return this.#opened.use(new MessageClient({ ...this.#options, ...options }));
  }

  passive(options: PassiveMessageClientOptions): PassiveMessageClient {
    return this.#opened.use(new PassiveMessageClient({ ...this.#options, ...options }));
  }

  generic(handler: NewMessageHandler, options: ClientOptions): GenericMessageClient {
    return this.#opened.use(new GenericMessageClient(handler, { ...this.#options, ...options }));
  }

  /** Addresses at which nobody listens, for a broker that comes later. */
  async freeAddresses(): Promise<Addresses> {
    const server = this.server();
    await server.close();
    return addresses(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }

  get #options(): Pick<ClientOptions, "transport" | "reconnect"> {
    return { transport: this.clientTransport, reconnect: FAST };
  }
}

/** Which transports a test of a behaviour stands on. */
class Over {
  readonly #name: string;
  readonly #broker: Transport;
  readonly #client: Transport;

  constructor(name: string, broker: Transport, client: Transport = broker) {
    this.#name = name;
    this.#broker = broker;
    this.#client = client;
  }

  test(name: string, run: (bus: Bus) => Promise<void>): Deno.TestDefinition {
    return {
      name: `${name} (${this.#name})`,
      fn: async () => {
        await using bus = new Bus(this.#broker, this.#client);
        await run(bus);
      },
    };
  }
}

/** For what one side does alone. */
export const ALONE: readonly Over[] = [new Over("zmtp", zmtp), new Over("libzmq", libzmq)];

/** For what both do: over the same transport, and mixed. */
export const MIXED: readonly Over[] = [
  ...ALONE,
  new Over("zmtp clients on a libzmq broker", libzmq, zmtp),
  new Over("libzmq clients on a zmtp broker", zmtp, libzmq),
];

/** Where clients find the broker. */
export function addresses({ broadcastAddress, receiveAddress }: MessageServer): Addresses {
  return { serverBroadcast: broadcastAddress, serverReceive: receiveAddress };
}

/** The ports of addresses, for a broker that comes (back) to them. */
export function ports(
  { serverBroadcast, serverReceive }: Addresses,
): { broadcastPort: number; receivePort: number } {
  const port = (address: string) => Number(address.split(":").at(-1));
  return { broadcastPort: port(serverBroadcast), receivePort: port(serverReceive) };
}

/** All of them are connected. */
export async function ready(...clients: readonly { readonly ready: Promise<void> }[]): Promise<void> {
  await soon(Promise.all(clients.map((client) => client.ready)), "the connections");
}

/** The texts that a passive client heard, when there are so many. */
export async function heard(client: PassiveMessageClient, count: number): Promise<string[]> {
  while (client.count < count) {
    await soon(client.waitForMessages(client.count), `message ${client.count + 1}`);
  }
  return client.messagesAfter(0).entries.map(({ text }) => text);
}
