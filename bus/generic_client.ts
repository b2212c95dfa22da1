/**
 * A client that hands what comes to an object.
 *
 * @module
 */
import { OptionError } from "../base/errors.ts";
import { BusClient, type ClientOptions, type Frame } from "./base_client.ts";
import type { Message } from "./messages.ts";

/** What a {@linkcode GenericMessageClient} calls. */
export interface NewMessageHandler {
  /** A message came. */
  handleNewMessage(message: Message): void;
  /** The same message as a text, for those that want it; called after `handleNewMessage`. */
  handleJsonMessage?(text: string): void;
}

/**
 * A client that hands everything that comes to an object. Its own messages come back to it: a handler that answers every
 * message with a message makes a loop that never ends.
 *
 * A handler that throws does not stop the client: an `error` event tells of it.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../broker.ts";
 * import { GenericMessageClient } from "../client.ts";
 *
 * await using server = new MessageServer();
 * const arrived = Promise.withResolvers<string>();
 * const handler = { handleNewMessage: (message: { type: string }) => arrived.resolve(message.type) };
 * await using client = new GenericMessageClient(handler, { serverBroadcast: server.broadcastAddress });
 * await client.ready;
 *
 * server.sendMessage({ type: "hello" });
 * console.assert(await arrived.promise === "hello");
 * ```
 */
export class GenericMessageClient extends BusClient {
  readonly #handler: NewMessageHandler;

  /** See {@linkcode BusClient}. */
  constructor(handler: NewMessageHandler, options: ClientOptions) {
    if (typeof handler?.handleNewMessage !== "function") {
      throw new OptionError("bad-option", "Cannot make client: the handler has no method handleNewMessage");
    }
    super(options);
    this.#handler = handler;
  }

  /** Hands it to the handler, and delivers it. */
  protected override handleFrame(frame: Frame): void {
    const text = decoder.decode(frame.bytes.subarray(frame.bodyStart, frame.end));
    this.#call(() => this.#handler.handleNewMessage(JSON.parse(text)));
    if (this.#handler.handleJsonMessage !== undefined) {
      this.#call(() => this.#handler.handleJsonMessage!(text));
    }
    this.deliver(frame);
  }

  #call(handle: () => unknown): void {
    try {
      const result = handle();
      if (result instanceof Promise) result.catch((error) => this.report(error));
    } catch (error) {
      this.report(error);
    }
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
