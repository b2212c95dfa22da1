/**
 * The options of a broker, and what they mean for its two sockets and its feed.
 *
 * @module
 */
import { BROKER_NUMBERS } from "../base/defaults.ts";
import { OptionError } from "../base/errors.ts";
import { checkNumber, readNumbers } from "../base/options.ts";
import {
  type Authorize,
  type CurveServerOptions,
  formatEndpoint,
  MemoryBudget,
  type PubOptions,
  type PullOptions,
  type QueueLimit,
  ReadGate,
  type Transport,
} from "../zmtp/mod.ts";
import type { Backbone } from "./backbone.ts";
import type { FeedLimit, FeedRecorder } from "./feed_store.ts";

/** Options of a {@linkcode MessageServer}. */
export interface MessageServerOptions {
  /** Listen for this machine only. @default true */
  readonly localOnly?: boolean;
  /** The name or address to listen on. @default "127.0.0.1", or "0.0.0.0" when not `localOnly` */
  readonly hostname?: string;
  /** Port of the broadcast address; 0 for any free one. @default 0 */
  readonly broadcastPort?: number;
  /** Port of the receive address; 0 for any free one. @default 0 */
  readonly receivePort?: number;
  /** The largest message, in bytes; larger ones are refused. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** Connections to each of the two addresses at once. @default 4096 */
  readonly maxConnections?: number;
  /** What may wait for one subscriber before it loses messages. @default 100_000 messages, 64 MiB */
  readonly subscriberQueue?: Partial<QueueLimit>;
  /**
   * Connections to each address at once whose handshake is not over. For one more, one that has been silent gives way.
   * @default 1024
   */
  readonly maxPendingHandshakes?: number;
  /** The same for each peer's address. @default 64; no such limit for the loopback, which all programs of this machine share */
  readonly maxPendingHandshakesPerAddress?: number;
  /** The most topics of one subscriber; one more ends its connection. @default 10_000 */
  readonly maxTopics?: number;
  /** The longest topic, in bytes; a longer one ends the connection. @default 4096 */
  readonly maxTopicBytes?: number;
  /**
   * Bytes of memory that all queues and all unfinished messages may use together. When it is short, whoever has held the most for
   * the longest without making progress gives way: a subscriber that does not read loses its queue, a sender that stopped in the
   * middle of a message loses its connection. @default 1 GiB
   */
  readonly memoryBudgetBytes?: number;
  /**
   * Messages a second that a subscriber must take, or a thousand times as many bytes, for the senders to wait for it when it falls
   * behind. With 0 they wait for nobody. @default 10_000
   */
  readonly slowestReader?: number;
  /**
   * How much is held of what was broadcast, so that clients that come back go on where they were.
   * @default 100_000 messages, 16 MiB or a quarter of `memoryBudgetBytes`, however old
   */
  readonly history?: Partial<FeedLimit>;
  /**
   * Records what is broadcast, and knows what was broadcast in earlier runs: places stay good across restarts. See the entry
   * `/archive`.
   * @default nothing is recorded
   */
  readonly recorder?: FeedRecorder;
  /** Milliseconds that a handshake may take, `authorize` included. @default 10_000 */
  readonly handshakeTimeoutMs?: number;
  /** Milliseconds for which a message that has begun may stall before its connection is closed; 0 for no limit. @default 30_000 */
  readonly messageTimeoutMs?: number;
  /** Milliseconds between two heartbeats; 0 for none. @default 0 */
  readonly heartbeatMs?: number;
  /**
   * The broker's keys, for CURVE: everything is encrypted, and clients need the public one to connect. Who may join is said by
   * `authorize`. @default none: clear text
   */
  readonly curve?: CurveServerOptions;
  /** Decides who may send and who may listen; `allowKeys([...])` is a list of public keys. @default everyone */
  readonly authorize?: Authorize;
  /** Let everyone join who can reach the addresses: needed when neither `localOnly` nor `curve`. @default false */
  readonly allowAnonymous?: boolean;
  /** Milliseconds that `close` gives to subscribers to take what waits for them. @default 1000 */
  readonly lingerMs?: number;
  /** Joins the broker with brokers on other machines; the broker closes it. @default none */
  readonly backbone?: Backbone;
  /** What carries the messages. @default our own ZMTP engine */
  readonly transport?: Transport;
  /** Closes the broker when it is aborted. */
  readonly signal?: AbortSignal;
}

/** What the options of a broker come to. */
export interface BrokerSettings {
  /** Of the socket that everyone sends to. */
  readonly pull: PullOptions;
  /** Of the socket that everyone listens at. */
  readonly pub: PubOptions;
  /** What is held of the messages that were accepted. */
  readonly history: FeedLimit;
  /** What both sockets and the feed use together. */
  readonly memory: MemoryBudget;
  /** Bytes of one message at most. */
  readonly maxMessageBytes: number;
  /** Milliseconds for subscribers to take what waits for them at the end. */
  readonly lingerMs: number;
}

/**
 * Checks them and fills in the defaults.
 *
 * @throws {OptionError} `bad-option`, or `anonymous-not-allowed`.
 */
export function readBrokerOptions(options: MessageServerOptions): BrokerSettings {
  const hostname = checkHostname(options);
  const numbers = readNumbers(BROKER_NUMBERS, options);
  const { broadcastPort, receivePort, maxMessageBytes, lingerMs, slowestReader } = numbers;
  const queue = {
    messages: numbers["subscriberQueue.messages"],
    bytes: numbers["subscriberQueue.bytes"],
  };
  if (queue.bytes < maxMessageBytes + FRAME_OVERHEAD) {
    throw new OptionError(
      "bad-option",
      `Cannot use subscriberQueue: ${queue.bytes} bytes cannot hold a message of maxMessageBytes, ${maxMessageBytes}`,
    );
  }
  const memory = new MemoryBudget(
    checkNumber("memoryBudgetBytes", numbers.memoryBudgetBytes, { min: maxMessageBytes }),
  );
  // A quarter of a small memory: what waits for subscribers needs it, too.
  const historyBytes = numbers["history.bytes"] ?? Math.min(16_777_216, Math.floor(memory.limit / 4));
  const common = {
    maxMessageBytes,
    memory,
    maxConnections: numbers.maxConnections,
    maxPendingHandshakes: numbers.maxPendingHandshakes,
    maxPendingHandshakesPerAddress: numbers.maxPendingHandshakesPerAddress,
    handshakeTimeoutMs: numbers.handshakeTimeoutMs,
    messageTimeoutMs: numbers.messageTimeoutMs,
    curve: options.curve,
    authorize: checkAuthorize(options.authorize),
    heartbeatMs: numbers.heartbeatMs,
  };
  // A backbone makes senders wait, too.
  const gate = slowestReader === 0 && options.backbone === undefined ? undefined : new ReadGate();
  return {
    pull: { ...common, gate, address: formatEndpoint({ hostname, port: receivePort }) },
    pub: {
      ...common,
      pace: slowestReader === 0
        ? undefined
        : gate && { gate, slowest: { messages: slowestReader, bytes: 1000 * slowestReader } },
      address: formatEndpoint({ hostname, port: broadcastPort }),
      queue,
      maxTopics: numbers.maxTopics,
      maxTopicBytes: numbers.maxTopicBytes,
    },
    history: {
      messages: numbers["history.messages"],
      bytes: checkNumber("history.bytes", historyBytes, { min: 0, max: memory.limit }),
      maxAgeMs: numbers["history.maxAgeMs"] || undefined,
    },
    memory,
    maxMessageBytes,
    lingerMs,
  };
}

/** Where to listen, if the options allow it. */
function checkHostname(
  { localOnly = true, hostname, curve, allowAnonymous = false }: MessageServerOptions,
): string {
  if (localOnly) {
    if (hostname !== undefined && !LOCAL_HOSTNAME.test(hostname)) {
      throw new OptionError(
        "bad-option",
        `Cannot listen on ${hostname}: it is not local to this machine; say localOnly: false for a wider address`,
      );
    }
    return hostname ?? "127.0.0.1";
  }
  if (curve === undefined && !allowAnonymous) {
    throw new OptionError(
      "anonymous-not-allowed",
      "Cannot listen beyond this machine without curve: everyone who can reach it could join and read; " +
        "give curve keys, or say allowAnonymous: true if that is meant",
    );
  }
  return hostname ?? "0.0.0.0";
}

function checkAuthorize(authorize: Authorize | undefined): Authorize | undefined {
  if (authorize === undefined || typeof authorize === "function") return authorize;
  throw new OptionError(
    "bad-option",
    "Cannot use authorize: it is no function; for a list, say allowKeys([...])",
  );
}

const LOCAL_HOSTNAME = /^(localhost|127(\.\d{1,3}){3}|::1)$/;
/** Bytes that a frame's header adds at most. */
const FRAME_OVERHEAD = 9;
