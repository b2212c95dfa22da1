/**
 * The events of broker and clients.
 *
 * @module
 */
import type { MessageError } from "../base/errors.ts";
import type { FailedHandshake, Refusal } from "./presence.ts";
import type { Message } from "./messages.ts";

/** A message of the bus. */
export class BusMessageEvent<Own extends { readonly type: string } = never> extends Event {
  /** The JSON text exactly as it came: white space, order of the keys and large numbers included. */
  readonly text: string;
  /** When it came, in milliseconds since 1970-01-01 UTC: here, or to the broker where the client has the option `times`. */
  readonly time: number;
  #message: Message<Own> | undefined;

  /** For {@linkcode text}, which is known to be a JSON object. */
  constructor(text: string, time: number = Date.now()) {
    super("message");
    this.text = text;
    this.time = time;
  }

  /** The message; parsed when it is first asked for. From a foreign program its `type` may be missing. */
  get message(): Message<Own> {
    return this.#message ??= JSON.parse(this.text);
  }
}

/** Something arrived that is not a message of the bus. It was not passed on. */
export class MessageErrorEvent extends Event {
  /** What was wrong with it, in words and as `code`. */
  readonly error: MessageError;

  /** For the error. */
  constructor(error: MessageError) {
    super("messageerror");
    this.error = error;
  }

  /** The error's `code`, for example `"not-json"`. */
  get reason(): MessageError["code"] {
    return this.error.code;
  }
}

/** Something was refused: the same as `messageerror` tells, with its sender. */
export class RefusedEvent extends Event {
  /** What it was, and whose it was. */
  readonly refusal: Refusal;

  /** For the refusal. */
  constructor(refusal: Refusal) {
    super("refused");
    this.refusal = refusal;
  }
}

/** Somebody could not join. */
export class HandshakeErrorEvent extends Event {
  /** Who, and why. */
  readonly failed: FailedHandshake;

  /** For the handshake. */
  constructor(failed: FailedHandshake) {
    super("handshakeerror");
    this.failed = failed;
  }
}

/** Why messages are missing. */
export type GapReason =
  /** They are no longer held: whoever asks came too late for them. */
  | "expired"
  /** The broker dropped them for a reader that was too slow. */
  | "slow"
  /** The broker began a new life, so nobody knows how many there were. */
  | "restarted"
  /** The connection to a broker that numbers nothing was cut. */
  | "disconnected"
  /** It came, and was no message or too large for this client. */
  | "refused";

/** Messages are missing between those that came before and those that come next. */
export class GapEvent extends Event {
  /** How many; `null` when nobody can know. */
  readonly missed: number | null;
  /** Why. */
  readonly reason: GapReason;

  /** A hole. */
  constructor(missed: number | null, reason: GapReason) {
    super("gap");
    this.missed = missed;
    this.reason = reason;
  }
}

/** A client's connection to one of the broker's two addresses came up or ended. */
export class ConnectionEvent extends Event {
  /** Which of the two. */
  readonly endpoint: "broadcast" | "receive";
  /** The address. */
  readonly address: string;
  /** Why it ended; undefined for `connect`. */
  readonly reason: Error | undefined;

  /** `connect` or `disconnect`. */
  constructor(
    type: "connect" | "disconnect",
    endpoint: "broadcast" | "receive",
    address: string,
    reason?: Error,
  ) {
    super(type);
    this.endpoint = endpoint;
    this.address = address;
    this.reason = reason;
  }
}

/** A listener of one event. */
export type EventHandler<E extends Event> = ((event: E) => void) | { handleEvent(event: E): void };

/** Did anyone ever add a listener for it? For the owner of the target alone, and so no method of it. */
export let isWanted: <Events>(target: TypedEventTarget<Events>, type: keyof Events & string) => boolean;

/** An `EventTarget` that knows its events, and whether anyone ever asked for one: nothing is made for nobody. */
export class TypedEventTarget<Events> extends EventTarget {
  readonly #wanted: Set<string> = new Set();

  static {
    isWanted = (target, type) => target.#wanted.has(type);
  }

  /** As on the web; the listener gets the event's own class. An error that it throws is the program's, as on the web. */
  override addEventListener<K extends keyof Events & string>(
    type: K,
    listener: EventHandler<Events[K] & Event> | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    this.#wanted.add(type);
    super.addEventListener(type, listener as EventListenerOrEventListenerObject | null, options);
  }

  /** As on the web. */
  override removeEventListener<K extends keyof Events & string>(
    type: K,
    listener: EventHandler<Events[K] & Event> | null,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as EventListenerOrEventListenerObject | null, options);
  }
}
