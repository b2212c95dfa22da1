/**
 * What a client is told, and what it tells: options, counters, events.
 *
 * @module
 */
import type { MessageError } from "../base/errors.ts";
import type { CurveClientOptions, QueueLimit, Transport } from "../zmtp/mod.ts";
import type { BusMessageEvent, ConnectionEvent, GapEvent, MessageErrorEvent } from "./events.ts";

/** Options of every client. */
export interface ClientOptions {
  /** The broker's broadcast address, `tcp://host:port`; left out: the client cannot listen. */
  readonly serverBroadcast?: string | undefined;
  /** The broker's receive address; left out: the client cannot send. */
  readonly serverReceive?: string | undefined;
  /** What may wait to be sent, for example while the broker is away. @default 10_000 messages, 64 MiB */
  readonly sendQueue?: Partial<QueueLimit>;
  /** Milliseconds between two attempts to connect: at first, and at most. @default 100, 5000 */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /** Milliseconds that `close` gives to what waits to be sent. @default 2000 */
  readonly lingerMs?: number;
  /** Bytes of one message at most, in both directions. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** Milliseconds that a handshake may take. @default 10_000 */
  readonly handshakeTimeoutMs?: number;
  /** Milliseconds between two heartbeats; 0 for none. @default 0 */
  readonly heartbeatMs?: number;
  /**
   * For a broker with CURVE: its public key, and our keys where it knows its clients by key. @default none: clear text
   */
  readonly curve?: CurveClientOptions;
  /** What the program calls itself; the broker shows it to whoever looks who is connected. @default nothing */
  readonly name?: string;
  /** Names the program in what the broker shows, as `ready` and `log` messages do. @default the one of this process */
  readonly instanceId?: string;
  /** What carries the messages. @default our own ZMTP engine */
  readonly transport?: Transport;
  /**
   * Where to begin: with what comes from now on, with everything that the broker still holds, or behind a place that
   * `place` told earlier. Brokers other than ours always begin now. @default "now"
   */
  readonly since?: "now" | "earliest" | string;
  /** Closes the client when it is aborted. */
  readonly signal?: AbortSignal;
}

/** Counters of a client since its start. */
export interface ClientStats {
  /** Messages that were taken by `sendMessage` and `sendJsonMessage`. */
  readonly sent: number;
  /** Those that the operating system has taken. */
  readonly written: number;
  /** Those that still wait. After `close`: those that were never sent. */
  readonly queued: number;
  /** Those that were cut by the end of a connection. */
  readonly lost: number;
  /** Messages that came from the bus, echoes included. */
  readonly received: number;
  /** What came and is no message, by reason. */
  readonly refused: Readonly<Partial<Record<MessageError["code"], number>>>;
  /** Messages that were not given to a `for await` loop, because it had fallen too far behind. */
  readonly dropped: number;
  /** Messages that were broadcast and did not come, as far as their number is known; a `gap` event told of each hole. */
  readonly missed: number;
  /** Holes; `null` ones, of which nobody knows the number, included. */
  readonly gaps: number;
}

/** The events of a client. `Own` are kinds of messages beside the known ones. */
export interface ClientEvents<Own extends { readonly type: string } = never> {
  /** A message came. */
  message: BusMessageEvent<Own>;
  /** Something came that is no message. */
  messageerror: MessageErrorEvent;
  /** The connection to one of the two addresses is up. */
  connect: ConnectionEvent;
  /** The connection to one of the two addresses ended; it is dialled again. */
  disconnect: ConnectionEvent;
  /** Messages are missing here, between those that came before and those that come next. */
  gap: GapEvent;
  /** An attempt to connect failed, or a handler threw. The client goes on. */
  error: ErrorEvent;
}
