/**
 * A client for applications that talk to each other.
 *
 * @module
 */
import { BusClient, type ClientOptions } from "./base_client.ts";
import { EchoFilter } from "./echo_filter.ts";

/**
 * A client for applications that talk to each other: its own messages do not come back to it.
 *
 * Each message that was sent is suppressed once when it comes back, within 5 s after it left. Messages of others are never
 * suppressed, also when they are equal to one of ours.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../broker.ts";
 * import { MessageClient } from "../client.ts";
 *
 * await using server = new MessageServer();
 * const addresses = { serverBroadcast: server.broadcastAddress, serverReceive: server.receiveAddress };
 * await using listener = new MessageClient(addresses);
 * await using sender = new MessageClient(addresses);
 * await Promise.all([listener.ready, sender.ready]);
 *
 * sender.sendMessage({ type: "subject", subject: 119 });
 * for await (const message of listener) {
 *   console.assert(message.type === "subject");
 *   break;
 * }
 * ```
 */
export class MessageClient extends BusClient {
  readonly #echoes = new EchoFilter();

  /** See {@linkcode BusClient}. */
  constructor(options: ClientOptions) {
    super(options);
  }

  /** Remembers what was sent, to recognise its echo. */
  protected override handleSent(number: number, text: string): void {
    if (this.serverBroadcast !== undefined) this.#echoes.add(number, text);
  }

  /** An echo is waited for from now on, for 5 s. */
  protected override handleLeft(upTo: number): void {
    this.#echoes.left(upTo, performance.now());
  }

  /** Delivers what is no echo. */
  protected override handleText(text: string): void {
    if (this.#echoes.waitedFor > 0 && this.#echoes.take(text, performance.now())) return;
    this.deliver(text);
  }
}
