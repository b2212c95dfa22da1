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
  /** The broker's broadcast address, `tcp://host:port`. Left out, the client cannot listen. */
  readonly serverBroadcast?: string | undefined;
  /** The broker's receive address. Left out, the client cannot send. */
  readonly serverReceive?: string | undefined;
  /**
   * What may wait to be sent, for example while the broker is away. Beyond that, sending throws `QueueFullError`.
   * @default 10_000 messages, 64 MiB
   */
  readonly sendQueue?: Partial<QueueLimit>;
  /**
   * Milliseconds between two attempts to connect: a random time, `minMs` at least; the longest one doubles each time, up to `maxMs`.
   * @default 100, 5000
   */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /** Milliseconds that `close` allows for sending what still waits. @default 2000 */
  readonly lingerMs?: number;
  /** The largest message, in bytes, in both directions. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** Milliseconds that a handshake may take. @default 10_000 */
  readonly handshakeTimeoutMs?: number;
  /**
   * Milliseconds between two heartbeats; 0 for none. A broker that does not answer one before the next is due is taken for dead, and
   * dialled again.
   * @default 0
   */
  readonly heartbeatMs?: number;
  /** For a broker with CURVE: its public key, and our own keys if it knows its clients by key. @default none: clear text */
  readonly curve?: CurveClientOptions;
  /** What the program calls itself. The broker shows it to anyone who asks who is connected. @default nothing */
  readonly name?: string;
  /** The instance that the broker shows for this client, as in `ready` and `log` messages. @default `instanceId` */
  readonly instanceId?: string;
  /** What carries the messages. @default our own ZMTP engine */
  readonly transport?: Transport;
  /**
   * Where to begin: with what comes from now on, with the newest message that there is, with everything that the broker still holds, with what came in the last `10m`
   * (`ms`, `s`, `m`, `h`, `d`), or behind a place that `place` gave earlier. With brokers other than ours it is always now.
   * @default "now"
   */
  readonly since?: "now" | "latest" | "earliest" | string;
  /** Asks the broker when each message came to it. Without, the time of a message is that of its arrival here. @default false */
  readonly times?: boolean;
  /** Closes the client when it is aborted. */
  readonly signal?: AbortSignal;
}

/** Counters of a client since its start. */
export interface ClientStats {
  /** Messages that `sendMessage` and `sendJsonMessage` have taken. */
  readonly sent: number;
  /** Those of them that the operating system has taken. */
  readonly written: number;
  /** Those that still wait; after `close`, those that were never sent. */
  readonly queued: number;
  /** Those that were cut by the end of a connection. */
  readonly lost: number;
  /** Messages that came from the bus, the client's own included. */
  readonly received: number;
  /** What came and is not a message, by reason. */
  readonly refused: Readonly<Partial<Record<MessageError["code"], number>>>;
  /** Messages that were not given to a `for await` loop, because it had fallen too far behind. */
  readonly dropped: number;
  /** Messages that were broadcast and did not come, as far as their number is known; a `gap` event told of each gap. */
  readonly missed: number;
  /** Gaps, those of unknown size included. */
  readonly gaps: number;
}

/** The events of a client. `Own` are kinds of messages beside the known ones. */
export interface ClientEvents<Own extends { readonly type: string } = never> {
  /** A message came. */
  message: BusMessageEvent<Own>;
  /** Something came that is not a message. */
  messageerror: MessageErrorEvent;
  /** The connection to one of the two addresses is up. */
  connect: ConnectionEvent;
  /** The connection to one of the two addresses ended. It is dialled again. */
  disconnect: ConnectionEvent;
  /** Messages are missing here, between those that came before and those that come next. */
  gap: GapEvent;
  /** An attempt to connect failed, or a handler threw. The client goes on. */
  error: ErrorEvent;
}
