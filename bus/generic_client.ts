/**
 * A client that hands what comes to an object.
 *
 * @module
 */
import { OptionError } from "../base/errors.ts";
import { BusClient, playRole } from "./base_client.ts";
import type { ClientOptions } from "./client_options.ts";
import type { ClientBase, ClientRole } from "./client_role.ts";
import type { Message } from "./messages.ts";

/** What a {@linkcode GenericMessageClient} calls. */
export interface NewMessageHandler<Own extends { readonly type: string } = never> {
  /** A message came. */
  handleNewMessage(message: Message<Own>): void;
  /** The same message as its JSON text; called after `handleNewMessage`. */
  handleJsonMessage?(text: string): void;
}

/**
 * A client that hands everything that comes to an object. Its own messages come back to it, so a handler that answers every
 * message with a message never stops. What all clients can do is described with `BusClient` in `client.ts`.
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
 * await using client = new GenericMessageClient(handler, server.addresses);
 * await client.ready;
 *
 * server.sendMessage({ type: "hello" });
 * console.assert(await arrived.promise === "hello");
 * ```
 */
export class GenericMessageClient<Own extends { readonly type: string } = never> extends BusClient<Own> {
  /**
   * Returns at once and connects in the background.
   *
   * @throws {AddressError} If an address is not `tcp://host:port` (`invalid-address`).
   * @throws {OptionError} If no address is given, or the handler lacks `handleNewMessage`, or an option has a value that
   * it cannot have (`bad-option`).
   */
  constructor(handler: NewMessageHandler<Own>, options: ClientOptions) {
    if (typeof handler?.handleNewMessage !== "function") {
      throw new OptionError("bad-option", "Cannot make client: the handler has no method handleNewMessage");
    }
    super(options);
    playRole(this, (base) => handingTo(handler, base));
  }
}

function handingTo<Own extends { readonly type: string }>(
  handler: NewMessageHandler<Own>,
  base: ClientBase,
): ClientRole {
  const call = (handle: () => unknown): void => {
    try {
      const result = handle();
      if (result instanceof Promise) result.catch((error) => base.report(error));
    } catch (error) {
      base.report(error);
    }
  };
  return {
    handleFrame: (frame) => {
      const text = decoder.decode(frame.bytes.subarray(frame.bodyStart, frame.end));
      call(() => handler.handleNewMessage(JSON.parse(text)));
      if (handler.handleJsonMessage !== undefined) call(() => handler.handleJsonMessage!(text));
      base.deliver(frame);
    },
  };
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
