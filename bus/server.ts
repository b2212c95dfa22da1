/**
 * The broker: checks what comes in at the receive address and passes it on to everyone at the broadcast address.
 *
 * @module
 */
import { ClosedError, type MessageError, OptionError } from "../base/errors.ts";
import {
  BusMessageEvent,
  HandshakeErrorEvent,
  isWanted,
  type MessageErrorEvent,
  RefusedEvent,
} from "./events.ts";
import { Feed } from "./feed.ts";
import { FEED_PROPERTY, LINK_PROPERTY, parseFeedTopic, parseLink } from "./feed_note.ts";
import { FeedReader } from "./feed_reader.ts";
import { FeedSender } from "./feed_sender.ts";
import { checkText, Refusals } from "./intake.ts";
import { isJsonObject } from "./json.ts";
import type { FeedLimit } from "./feed_store.ts";
import { LocalBus } from "./local.ts";
import { MessageTarget } from "./message_target.ts";
import { type Message, stringifyMessage, type Unlisted } from "./messages.ts";
import { makeEpoch } from "./place.ts";
import type { BusPort } from "./port.ts";
import {
  type BusConnection,
  connectionOf,
  type FailedHandshake,
  Presence,
  type Refusal,
} from "./presence.ts";
import { BROKER_NUMBERS } from "../base/defaults.ts";
import { checkNumber, readNumbers } from "../base/options.ts";
import {
  type Authorize,
  type CurveServerOptions,
  encodeTextFrame,
  formatEndpoint,
  formatPublicKey,
  frameBodyStart,
  frameEnd,
  type ListenStats,
  MemoryBudget,
  type MessageHandler,
  type PeerConnection,
  type PubSocket,
  type PubStats,
  type PullSocket,
  type QueueLimit,
  ReadGate,
  type SubscriberQueue,
  type SubscriberReader,
  type Transport,
  zmtp,
} from "../zmtp/mod.ts";

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
  /** Bytes of one message at most; larger ones are refused. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** Connections to each of the two addresses at once. @default 4096 */
  readonly maxConnections?: number;
  /** What may wait for one subscriber before it loses messages. @default 100_000 messages, 64 MiB */
  readonly subscriberQueue?: Partial<QueueLimit>;
  /**
   * Connections to each address at once whose handshake is not over; for one more, the one that is at it for longest is
   * closed. @default 256
   */
  readonly maxPendingHandshakes?: number;
  /** The same for one peer's address. @default 64; no limit of its own for the loopback, which all programs of this machine share */
  readonly maxPendingHandshakesPerAddress?: number;
  /** Topics of one subscriber at most; one more ends its connection. @default 10_000 */
  readonly maxTopics?: number;
  /** Bytes of one topic at most; a longer one ends the connection. @default 4096 */
  readonly maxTopicBytes?: number;
  /**
   * Bytes of memory that all queues and all messages that have not come whole may use together. When it is short,
   * whoever has held the most for the longest without getting on gives way: a subscriber that does not read loses its queue, a sender
   * that stopped in the middle of a message its connection. @default 1 GiB
   */
  readonly memoryBudgetBytes?: number;
  /**
   * Messages a second that a subscriber must take for the senders to wait for it when it falls behind; ten million bytes a second
   * for ten thousand messages are as good. 0: nobody is waited for. @default 10_000
   */
  readonly slowestReader?: number;
  /**
   * What is held of the messages that were accepted, so that whoever comes back goes on where it was.
   * @default 100_000 messages, 16 MiB or a quarter of `memoryBudgetBytes`, however old
   */
  readonly history?: Partial<FeedLimit>;
  /** Milliseconds that a handshake may take, the time of `authorize` included. @default 10_000 */
  readonly handshakeTimeoutMs?: number;
  /** Milliseconds without a byte of a message that has begun, until its connection is closed; 0 for any. @default 30_000 */
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
  /** What carries the messages. @default our own ZMTP engine */
  readonly transport?: Transport;
  /** Closes the broker when it is aborted. */
  readonly signal?: AbortSignal;
}

/** Counters of a {@linkcode MessageServer} since its start. */
export interface MessageServerStats {
  /** Messages that came in, whatever became of them. */
  readonly received: number;
  /** Bytes of the bodies of those that were accepted. */
  readonly receivedBytes: number;
  /** Messages that went out to whoever was there: accepted ones and the broker's own. */
  readonly broadcast: number;
  /** Messages that were refused, by reason. */
  readonly refused: Readonly<Partial<Record<MessageError["code"], number>>>;
  /** Messages that came in while paused. */
  readonly ignored: number;
  /** Bytes of memory that queues and unfinished messages use, of those that they may use; absent with libzmq. */
  readonly memory?: { readonly usedBytes: number; readonly limitBytes: number };
  /** The receive address; absent with a transport that cannot tell, such as libzmq. */
  readonly senders?: ListenStats;
  /** The broadcast address; absent with a transport that cannot tell, such as libzmq. */
  readonly subscribers?: PubStats;
}

/** The events of a {@linkcode MessageServer}. */
export interface MessageServerEvents<Own extends { readonly type: string } = never> {
  /** A message was accepted. Not for the broker's own messages. */
  message: BusMessageEvent<Own>;
  /** Something was refused. */
  messageerror: MessageErrorEvent;
  /** The same, with its sender. */
  refused: RefusedEvent;
  /** Somebody could not join. */
  handshakeerror: HandshakeErrorEvent;
}

/**
 * A broker.
 *
 * - A message is one frame of UTF-8 that is a JSON object. Anything else is refused: not broadcast, counted by reason in
 *   `stats()`, told by a `messageerror` event. The sender's connection lives on, unless it broke ZMTP.
 * - Bytes are passed on untouched: white space and the order of keys survive.
 * - The messages of each sender keep their order. There is no order between senders, but all subscribers see the same one.
 * - Whoever reads loses nothing: when a subscriber falls behind, the senders wait, as long as it takes `slowestReader` messages a
 *   second. Anyone slower, or stopped, costs them a tenth of a second at most; it then loses messages when its queue is full, that
 *   subscriber only, and the loss is counted. The broker's own messages wait for nobody.
 * - A message is passed on at most once. There is no acknowledgement and nothing is stored: who connects later gets what
 *   comes later.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../broker.ts";
 *
 * await using server = new MessageServer();
 * console.assert(server.broadcastAddress.startsWith("tcp://127.0.0.1:"));
 * server.sendMessage({ type: "subject", subject: 119 });
 * ```
 *
 * @see https://rfc.zeromq.org/spec/37/ for what travels between broker and applications
 */
export class MessageServer<Own extends { readonly type: string } = never>
  extends MessageTarget<Own, MessageServerEvents<Own>>
  implements AsyncDisposable {
  /**
   * Resolves when the broker takes connections: at once without `curve`; with it when the cryptography is loaded, until when
   * clients wait. Rejects with {@linkcode HandshakeError} `crypto-unavailable` when it cannot be loaded; the broker is then
   * closed. Need not be waited for.
   */
  readonly ready: Promise<void>;
  /** With `curve`: the public key, 40 characters of Z85, that clients need as `curve.serverKey`. */
  readonly publicKey: string | undefined;
  /** While true, messages that come in are read, counted and ignored. `sendMessage` works all the same. */
  pause = false;

  /** The numbered stream of everything that was broadcast, the broker's own messages included. */
  readonly feed: Feed;

  readonly #pull: PullSocket;
  readonly #pub: PubSocket;
  readonly #maxMessageBytes: number;
  /** Subscribers that follow the feed. */
  readonly #readers: Set<FeedReader> = new Set();
  readonly #senders: WeakMap<PeerConnection, FeedSender | undefined> = new WeakMap();
  #local: LocalBus | undefined;
  readonly #lingerMs: number;
  readonly #memory: MemoryBudget;
  readonly #stopListening: () => void;
  #closing: Promise<void> | undefined;
  #received = 0;
  #receivedBytes = 0;
  #broadcast = 0;
  #ignored = 0;
  readonly #refusals = new Refusals(this);
  readonly #presence = new Presence();
  /**
   * Accepted frames of the read in progress that lie together: `#bytes[#start, #end)`. Invariant: empty between two reads.
   */
  #bytes: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  #messages = 0;
  /** Whose read it is, and the number of the first of those frames among all of that connection. */
  #peer: PeerConnection | undefined;
  #sender: FeedSender | undefined;
  #index = 0;

  /**
   * Binds both addresses before it returns.
   *
   * @throws {OptionError} If an option has a value that it cannot have (`bad-option`), or if it would listen beyond this
   * machine without `curve` and without `allowAnonymous: true` (`anonymous-not-allowed`).
   * @throws {ListenError} If it cannot listen: `address-in-use`, `permission-denied` and others. Nothing stays open.
   */
  constructor(options: MessageServerOptions = {}) {
    super();
    const hostname = checkHostname(options);
    const numbers = readNumbers(BROKER_NUMBERS, options);
    const { broadcastPort, receivePort, maxMessageBytes } = numbers;
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
    this.#maxMessageBytes = maxMessageBytes;
    this.#memory = new MemoryBudget(
      checkNumber("memoryBudgetBytes", numbers.memoryBudgetBytes, { min: maxMessageBytes }),
    );
    const common = {
      maxMessageBytes,
      memory: this.#memory,
      maxConnections: numbers.maxConnections,
      maxPendingHandshakes: numbers.maxPendingHandshakes,
      maxPendingHandshakesPerAddress: numbers.maxPendingHandshakesPerAddress,
      handshakeTimeoutMs: numbers.handshakeTimeoutMs,
      messageTimeoutMs: numbers.messageTimeoutMs,
      curve: options.curve,
      authorize: checkAuthorize(options.authorize),
      heartbeatMs: numbers.heartbeatMs,
    };
    // A quarter of a small memory: what waits for subscribers needs it, too.
    const historyBytes = numbers["history.bytes"] ?? Math.min(16_777_216, Math.floor(this.#memory.limit / 4));
    this.feed = new Feed({
      epoch: makeEpoch(),
      limit: {
        messages: numbers["history.messages"],
        bytes: checkNumber("history.bytes", historyBytes, { min: 0, max: this.#memory.limit }),
        maxAgeMs: numbers["history.maxAgeMs"] || undefined,
      },
      memory: this.#memory,
    });
    this.#lingerMs = numbers.lingerMs;
    this.publicKey = options.curve && formatPublicKey(options.curve);
    const { transport = zmtp } = options;
    const gate = numbers.slowestReader === 0 ? undefined : new ReadGate();
    const slowest = { messages: numbers.slowestReader, bytes: 1000 * numbers.slowestReader };
    this.#pub = transport.pub({
      ...common,
      pace: gate && { gate, slowest },
      address: formatEndpoint({ hostname, port: broadcastPort }),
      queue,
      handleFailedHandshake: this.#failedHandshake("listen"),
      maxTopics: numbers.maxTopics,
      maxTopicBytes: numbers.maxTopicBytes,
      properties: () => [[FEED_PROPERTY, this.feed.place(this.feed.position)]],
      serve: (topic, queue) => this.#serve(topic, queue),
    });
    try {
      this.#pull = transport.pull(
        {
          ...common,
          gate,
          address: formatEndpoint({ hostname, port: receivePort }),
          handleFailedHandshake: this.#failedHandshake("send"),
        },
        this.#intake(),
      );
    } catch (error) {
      void this.#pub.close(0);
      throw error;
    }
    this.ready = Promise.all([this.#pull.ready, this.#pub.ready]).then(() => {});
    this.ready.catch(() => void this.close());
    const { signal } = options;
    const abort = () => void this.close();
    signal?.addEventListener("abort", abort);
    this.#stopListening = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) abort();
  }

  /** Where to listen for messages: `tcp://127.0.0.1:43211`. */
  get broadcastAddress(): string {
    return this.#pub.address;
  }

  /** Where to send messages to: `tcp://127.0.0.1:43212`. */
  get receiveAddress(): string {
    return this.#pull.address;
  }

  /** Both, as a client wants them: `new MessageClient(server.addresses)`. */
  get addresses(): { readonly serverBroadcast: string; readonly serverReceive: string } {
    return { serverBroadcast: this.broadcastAddress, serverReceive: this.receiveAddress };
  }

  /**
   * Broadcasts a message of the broker's own, also while paused. No `message` event tells of it.
   *
   * @throws {MessageError} If it is no object with a text in `type`, if JSON cannot hold it, or if it is larger than
   * `maxMessageBytes` (`too-large`).
   * @throws {ClosedError} If the broker is closed.
   */
  sendMessage(message: Message<Own>): void;
  /** The same for a message of a kind that the compiler does not know. */
  sendMessage<const Sent extends { readonly type: string }>(message: Sent & Unlisted<Sent, Own>): void;
  sendMessage(message: object): void {
    this.sendJsonMessage(stringifyMessage(message));
  }

  /**
   * Broadcasts a text as it is.
   *
   * @throws {MessageError} If it is no JSON object, or if it is larger than `maxMessageBytes` (`too-large`).
   * @throws {ClosedError} If the broker is closed.
   */
  sendJsonMessage(text: string): void {
    const frame = this.#frameOf(text);
    if (this.#closing !== undefined) throw new ClosedError("Cannot send message: the broker is closed");
    this.#passOn(); // What came in before goes out before.
    this.#publish(frame, 0, frame.length, 1);
    this.#flush();
  }

  /** The bus for what runs in the same process, such as a gateway: no socket, no keys, and nothing can be lost on the way. */
  get local(): BusPort {
    return this.#local ??= new LocalBus(this.feed, {
      addresses: this,
      ready: this.ready,
      isClosed: () => this.#closing !== undefined,
      frameOf: (text) => this.#frameOf(text),
      publish: (frames, messages) => this.#publishLocal(frames, messages),
      stats: () => this.stats(),
      connections: () => this.connections(),
      refusals: () => this.refusals(),
      failedHandshakes: () => this.failedHandshakes(),
    });
  }

  /** Counters of the moment. Every message that was not delivered is in one of them. */
  stats(): MessageServerStats {
    const [senders, subscribers] = [this.#pull.stats(), this.#pub.stats()];
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      broadcast: this.#broadcast,
      refused: this.#refusals.counts,
      ignored: this.#ignored,
      ...(senders && { memory: { usedBytes: this.#memory.used, limitBytes: this.#memory.limit } }),
      ...(senders && { senders }),
      ...(subscribers && { subscribers }),
    };
  }

  /** Who is connected at the moment: senders first, each group in the order in which they came. Empty with libzmq. */
  connections(): readonly BusConnection[] {
    const now = Date.now();
    return [
      ...this.#pull.peers().map((peer) => connectionOf("send", peer, now)),
      ...this.#pub.peers().map((peer) => connectionOf("listen", peer, now)),
    ];
  }

  /** The last 50 messages that were refused, oldest first. */
  refusals(): readonly Refusal[] {
    return this.#presence.refusals();
  }

  /** The last 50 connections that came to no good end of their handshake, oldest first. */
  failedHandshakes(): readonly FailedHandshake[] {
    return this.#presence.failedHandshakes();
  }

  /** Stops receiving, lets subscribers take what waits for them for up to `lingerMs`, then closes every connection. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as {@linkcode MessageServer.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stopListening();
    await this.#pull.close(0);
    await this.#pub.close(this.#lingerMs);
  }

  // The hot path: these three, and `Pub.publish`. A message is checked where it lies; frames that lie together are passed on
  // together, header and all, since a frame of a PULL and a frame of a PUB are the same bytes.

  #intake(): MessageHandler {
    return {
      handleMessage: (bytes, start, bodyStart, end, peer) => {
        if (peer !== this.#peer) this.#beginTurn(peer);
        this.#received++;
        const sender = this.#sender;
        const index = sender === undefined ? 0 : sender.received++;
        if (this.pause) return this.#ignore(sender, index);
        if (!isJsonObject(bytes, bodyStart, end)) {
          sender?.handleRefused(index);
          return this.#refuse(bytes, bodyStart, end, peer);
        }
        this.#receivedBytes += end - bodyStart;
        if (bytes !== this.#bytes || start !== this.#end) {
          this.#passOn();
          this.#bytes = bytes;
          this.#start = start;
          this.#index = index;
        }
        this.#end = end;
        this.#messages++;
        if (isWanted(this, "message")) this.#tell(bytes.subarray(bodyStart, end));
      },
      handleTurnEnd: () => {
        this.#passOn();
        this.#flush();
      },
      handleUnfit: (reason, size, parts, peer) => {
        if (peer !== this.#peer) this.#beginTurn(peer);
        this.#received++;
        const sender = this.#sender;
        const index = sender === undefined ? 0 : sender.received++;
        if (this.pause) return this.#ignore(sender, index);
        sender?.handleRefused(index);
        this.#refusals.addUnfit(reason, size, parts);
        this.#tellRefusal(this.#presence.refuseUnfit(Date.now(), reason, peer, size, parts));
      },
    };
  }

  #passOn(): void {
    if (this.#messages === 0) return;
    const [bytes, messages] = [this.#bytes, this.#messages];
    this.#bytes = NOTHING;
    this.#messages = 0;
    this.#publish(bytes, this.#start, this.#end, messages, this.#sender, this.#index);
  }

  #publish(
    bytes: Uint8Array,
    start: number,
    end: number,
    messages: number,
    sender?: FeedSender,
    index?: number,
  ): void {
    this.#broadcast += messages;
    const piece = this.feed.append(bytes, start, end, messages, Date.now(), performance.now(), sender, index);
    this.#pub.publish(piece);
    for (const reader of this.#readers) reader.handlePiece(piece);
  }

  /** What was published leaves, and whoever waits for it hears of it. */
  #flush(): void {
    if (this.#sender !== undefined) this.#tellRefused(this.#sender);
    this.#peer = this.#sender = undefined;
    this.#pub.flush();
    this.feed.tell();
  }

  #beginTurn(peer: PeerConnection | undefined): void {
    this.#peer = peer;
    if (peer === undefined) return;
    if (!this.#senders.has(peer)) this.#senders.set(peer, FeedSender.of(peer.property(LINK_PROPERTY)));
    this.#sender = this.#senders.get(peer);
  }

  #ignore(sender: FeedSender | undefined, index: number): void {
    this.#ignored++;
    sender?.handleRefused(index);
  }

  #tellRefused(sender: FeedSender): void {
    const refused = sender.takeRefused();
    if (refused.length === 0) return;
    for (const reader of this.#readers) {
      if (reader.token !== sender.token) continue;
      for (const { index, messages } of refused) reader.handleRefused(messages, sender.link, index);
    }
  }

  #serve(topic: Uint8Array, queue: SubscriberQueue): SubscriberReader | undefined {
    const start = parseFeedTopic(topic);
    if (start === undefined) return undefined;
    const link = parseLink(queue.property(LINK_PROPERTY) ?? "");
    // What came in before is in the window before it is read.
    this.#passOn();
    this.feed.expire(performance.now());
    const reader = new FeedReader(
      this.feed,
      queue,
      start,
      link?.token,
      (reader) => this.#readers.delete(reader),
    );
    this.#readers.add(reader);
    return reader;
  }

  #refuse(bytes: Uint8Array, start: number, end: number, sender: PeerConnection | undefined): void {
    const reason = this.#refusals.add(bytes, start, end);
    this.#tellRefusal(this.#presence.refuse(Date.now(), reason, sender, bytes, start, end));
  }

  #tellRefusal(refusal: () => Refusal): void {
    if (isWanted(this, "refused")) this.dispatchEvent(new RefusedEvent(refusal()));
  }

  #failedHandshake(role: "send" | "listen"): (address: string, error: Error) => void {
    return (address, error) => {
      const failed = this.#presence.failHandshake(Date.now(), role, address, error);
      if (isWanted(this, "handshakeerror")) this.dispatchEvent(new HandshakeErrorEvent(failed));
    };
  }

  #frameOf(text: string): Uint8Array {
    checkText(text, this.#maxMessageBytes);
    return encodeTextFrame(text);
  }

  /** Takes messages as if they had come in over a socket. Returns the position of the last one; undefined while paused. */
  #publishLocal(frames: Uint8Array, messages: number): number | undefined {
    this.#passOn();
    this.#received += messages;
    if (this.pause) {
      this.#ignored += messages;
      return undefined;
    }
    for (let at = 0; at < frames.length;) {
      const [bodyStart, end] = [frameBodyStart(frames, at), frameEnd(frames, at)];
      this.#receivedBytes += end - bodyStart;
      if (isWanted(this, "message")) this.#tell(frames.subarray(bodyStart, end));
      at = end;
    }
    this.#publish(frames, 0, frames.length, messages);
    this.#flush();
    return this.feed.position;
  }

  #tell(body: Uint8Array): void {
    this.dispatchEvent(new BusMessageEvent<Own>(decoder.decode(body)));
  }
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
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
