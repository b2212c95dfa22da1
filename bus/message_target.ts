/**
 * What broker and clients have in common: events of messages, and listeners for one kind of them.
 *
 * @module
 */
import { type BusMessageEvent, TypedEventTarget } from "./events.ts";
import type { KnownType, MessageOf } from "./messages.ts";

/** An event target whose `message` events tell of messages of the bus. */
export class MessageTarget<
  Own extends { readonly type: string },
  Events extends { readonly message: BusMessageEvent<Own> },
> extends TypedEventTarget<Events> {
  /**
   * Calls the listener for each message with this `type`; `"*"` stands for all, `"visualization"` for both spellings. Returns a
   * function that stops it. For events such as `connect` there is `addEventListener`.
   *
   * The fields are what the sender promises; `isMessageOfType` looks whether they are there. An error that the listener throws
   * is the program's, as on the web.
   */
  on<Type extends KnownType<Own> | "*" | (string & Record<never, never>)>(
    type: Type,
    listener: (message: MessageOf<Type, Own>) => void,
  ): () => void {
    const handle = ({ message }: BusMessageEvent<Own>) => {
      const isWanted = type === "*" || message.type === type ||
        (type === "visualization" && message.type === "Visualization");
      if (isWanted) listener(message as MessageOf<Type, Own>);
    };
    const listen = handle as (event: Event) => void;
    this.addEventListener("message", listen);
    return () => this.removeEventListener("message", listen);
  }
}
