/**
 * What the HTTP handlers need of a bus client. `PassiveMessageClient` of `client.ts` fits; so does a test double, or a client
 * over another transport: the handlers know no ZeroMQ.
 *
 * @module
 */

/** One message that came from the bus. */
export interface GatewayEntry {
  /** Its number: 1, 2, 3 … in the order of the bus. */
  readonly count: number;
  /** The JSON text exactly as it came. */
  readonly text: string;
  /** When it came, in milliseconds since the epoch. */
  readonly time: number;
  /** Its `type`, where that is a text. */
  readonly type: string | undefined;
}

/** A piece of the history. */
export interface GatewaySlice {
  /** Oldest first. */
  readonly entries: readonly GatewayEntry[];
}

/** The part of `PassiveMessageClient` that the handlers stand on. */
export interface GatewayClient {
  /** Address that messages come from; `undefined` when this client only sends. */
  readonly serverBroadcast: string | undefined;
  /** Address that messages are sent to; `undefined` when this client only listens. */
  readonly serverReceive: string | undefined;
  /** Settles when the client was connected for the first time. */
  readonly ready: Promise<void>;
  /** Is it connected to the broadcast address right now? */
  readonly isReceiving: boolean;
  /** Is it connected to the receive address right now? */
  readonly isSending: boolean;
  /** How many messages came so far. */
  readonly count: number;
  /** Number of the oldest message still held; `count + 1` when none is. */
  readonly oldest: number;
  /** Number and text of the last message; `[0, ""]` before the first one. */
  getLastMessage(): [count: number, messageText: string];
  /** The held messages after a number, oldest first, at most `limit` of them. */
  messagesAfter(count: number, limit?: number): GatewaySlice;
  /** Sends a JSON text as it is. Throws at once, with a `code`, when it cannot. */
  sendJsonMessage(text: string): void;
  /** The client's own counters. */
  stats(): object;
  /** `message` is dispatched after {@linkcode count} and the history were advanced. */
  addEventListener(type: "message", listener: () => void): void;
  /** Counterpart of {@linkcode addEventListener}. */
  removeEventListener(type: "message", listener: () => void): void;
}

/** Stands in where there is no client at all: nothing comes, nothing can be sent. */
export class AbsentClient implements GatewayClient {
  /** No address. */
  readonly serverBroadcast: string | undefined = undefined;
  /** No address. */
  readonly serverReceive: string | undefined = undefined;
  /** Never settles. */
  readonly ready: Promise<void> = new Promise(() => {});
  /** Never. */
  readonly isReceiving = false;
  /** Never. */
  readonly isSending = false;
  /** Always 0. */
  readonly count = 0;
  /** Always 1: none is held. */
  readonly oldest = 1;
  /** Always nothing. */
  getLastMessage(): [count: number, messageText: string] {
    return [0, ""];
  }
  /** Always nothing. */
  messagesAfter(): GatewaySlice {
    return { entries: [] };
  }
  /** The handlers ask {@linkcode isSending} first, so this is never reached. */
  sendJsonMessage(): void {
    throw new Error("Cannot send message: there is no client");
  }
  /** No counters. */
  stats(): object {
    return {};
  }
  /** No event will come. */
  addEventListener(): void {}
  /** No event will come. */
  removeEventListener(): void {}
}
