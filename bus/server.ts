/**
 * The broker: checks what comes in at the receive address and passes it on to everyone at the broadcast address.
 *
 * @module
 */
import { ClosedError, type MessageError } from "../base/errors.ts";
import {
  type Authorize,
  encodeTextFrame,
  formatPublicKey,
  keyNameOf,
  type ListenStats,
  type MemoryBudget,
  type PeerConnection,
  type PeerStats,
  type PubSocket,
  type PubStats,
  type PullSocket,
  socketsOf,
} from "../zmtp/mod.ts";
import type { Backbone, BackboneStatus } from "./backbone.ts";
import {
  BusMessageEvent,
  HandshakeErrorEvent,
  isWanted,
  type MessageErrorEvent,
  RefusedEvent,
} from "./events.ts";
import { Exchange, type ExchangeHandler } from "./exchange.ts";
import { Feed } from "./feed.ts";
import type { FeedPast } from "./feed_store.ts";
import type { FeedView } from "./feed_view.ts";
import { FEED_PROPERTY } from "./feed_note.ts";
import type { Named } from "./identity.ts";
import { checkText, Refusals } from "./intake.ts";
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
import { type MessageServerOptions, readBrokerOptions } from "./server_options.ts";

export type { MessageServerOptions };

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
  /** How its backbone fares; absent without one. */
  readonly backbone?: BackboneStatus;
}

/** The events of a {@linkcode MessageServer}. */
export interface MessageServerEvents<Own extends { readonly type: string } = never> {
  /** A message was accepted. Not for the broker's own messages. */
  message: BusMessageEvent<Own>;
  /** A message was refused. */
  messageerror: MessageErrorEvent;
  /** The same, with the sender. */
  refused: RefusedEvent;
  /** Somebody could not join. */
  handshakeerror: HandshakeErrorEvent;
}

/**
 * A broker: it passes every message that is sent to it on to everyone who listens.
 *
 * - A message is one frame that holds a JSON object in UTF-8. Anything else is refused: it is not broadcast, `stats()` counts it by
 *   reason, and a `messageerror` event tells of it. The sender's connection lives on, unless it broke ZMTP.
 * - Bytes are passed on untouched: white space and the order of keys survive.
 * - The messages of each sender keep their order. There is no order between senders, but all subscribers see the same one.
 * - Whoever reads loses nothing: when a subscriber falls behind, the senders wait, as long as it takes `slowestReader` messages a
 *   second. Anyone slower, or stopped, costs them a tenth of a second at most, or half a second when it kept up before; it then loses
 *   messages when its queue is full, that subscriber only, and the loss is counted. However many of these there are, the bus is never
 *   slower than that rate. The broker's own messages wait for nobody.
 * - A message is passed on at most once, and ZeroMQ senders hear nothing of it. The newest messages are held in memory (`history`):
 *   our clients and HTTP readers can go on where they were. A plain ZeroMQ subscriber gets what comes once it is connected.
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
   * Resolves when the broker takes connections: without `curve` at once, with it when the cryptography is loaded. Clients wait until
   * then, so you need not. Rejects with {@linkcode HandshakeError} `crypto-unavailable` when it cannot be loaded; the broker is then
   * closed.
   */
  readonly ready: Promise<void>;
  /** With `curve`: the public key, 40 characters of Z85, that clients need as `curve.serverKey`. */
  readonly publicKey: string | undefined;
  /** The numbered stream of everything that was broadcast, the broker's own messages included. */
  readonly feed: FeedView;

  readonly #pull: PullSocket;
  readonly #pub: PubSocket;
  readonly #maxMessageBytes: number;
  readonly #exchange: Exchange;
  #local: LocalBus | undefined;
  readonly #lingerMs: number;
  readonly #memory: MemoryBudget;
  readonly #stopListening: () => void;
  #closing: Promise<void> | undefined;
  readonly #refusals = new Refusals(this);
  /** Those who were refused something. */
  readonly #senders = new WeakMap<PeerConnection, Named>();
  readonly #presence = new Presence();
  readonly #authorize: Authorize | undefined;
  readonly #backbone: Backbone | undefined;

  /**
   * Binds both addresses before it returns.
   *
   * @throws {OptionError} If an option has a value that it cannot have (`bad-option`), or if it would listen beyond this
   * machine without `curve` and without `allowAnonymous: true` (`anonymous-not-allowed`).
   * @throws {ListenError} If it cannot listen: `address-in-use`, `permission-denied` and others. Nothing stays open.
   */
  constructor(options: MessageServerOptions = {}) {
    super();
    const settings = readBrokerOptions(options);
    const { memory, history, maxMessageBytes, lingerMs } = settings;
    this.#maxMessageBytes = maxMessageBytes;
    this.#lingerMs = lingerMs;
    this.#authorize = options.authorize;
    this.#memory = memory;
    const feed = new Feed({
      ...startOf(options.recorder?.past),
      limit: history,
      memory,
      recorder: options.recorder,
    });
    this.feed = feed;
    options.recorder?.handleLife(feed.epoch, feed.seq);
    this.#exchange = new Exchange(feed, this.#handler());
    this.publicKey = options.curve && formatPublicKey(options.curve);
    const transport = socketsOf(options.transport);
    this.#pub = transport.pub({
      ...settings.pub,
      handleFailedHandshake: this.#failedHandshake("listen"),
      properties: () => [[FEED_PROPERTY, this.feed.place(this.feed.position)]],
      serve: (topic, queue) => this.#exchange.serve(topic, queue),
    });
    this.#exchange.attach(this.#pub);
    this.#backbone = options.backbone;
    try {
      this.#pull = transport.pull(
        { ...settings.pull, handleFailedHandshake: this.#failedHandshake("send") },
        this.#exchange.intake(),
      );
    } catch (error) {
      void this.#pub.close(0);
      throw error;
    }
    if (this.#backbone !== undefined) {
      this.#exchange.join(this.#backbone, { maxMessageBytes, gate: settings.pull.gate });
    }
    this.ready = Promise.all([this.#pull.ready, this.#pub.ready]).then(() => {});
    this.ready.catch(() => void this.close());
    const { signal } = options;
    const abort = () => void this.close();
    signal?.addEventListener("abort", abort);
    this.#stopListening = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) abort();
  }

  /** While true, messages that come in are read, counted and ignored. `sendMessage` still works. */
  get pause(): boolean {
    return this.#exchange.pause;
  }

  set pause(pause: boolean) {
    this.#exchange.pause = pause;
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
   * Broadcasts a message of the broker's own, even while paused. No `message` event tells of it.
   *
   * @throws {MessageError} If it is not an object with a text in `type` (`not-an-object`, `missing-type`), if JSON cannot hold it
   * (`not-json`), or if it is larger than `maxMessageBytes` (`too-large`).
   * @throws {ClosedError} If the broker is closed (`closed`).
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
   * @throws {MessageError} If it is not a JSON object (`not-json`, `not-an-object`, `not-utf8`), or if it is larger than
   * `maxMessageBytes` (`too-large`).
   * @throws {QueueFullError} If it has to wait for a backbone, and too many do already (`queue-full`).
   * @throws {ClosedError} If the broker is closed (`closed`).
   */
  sendJsonMessage(text: string): void {
    const frame = this.#frameOf(text);
    if (this.#closing !== undefined) throw new ClosedError("Cannot send message: the broker is closed");
    this.#exchange.send(frame, 1);
  }

  /** The bus for what runs in the same process, such as a gateway: no socket, no keys, and nothing can be lost on the way. */
  get local(): BusPort {
    return this.#local ??= new LocalBus(this.feed, {
      addresses: this,
      ready: this.ready,
      isClosed: () => this.#closing !== undefined,
      frameOf: (text) => this.#frameOf(text),
      publish: (frames, messages) => this.#exchange.take(frames, messages),
      stats: () => this.stats(),
      connections: () => this.connections(),
      refusals: () => this.refusals(),
      failedHandshakes: () => this.failedHandshakes(),
      backbone: () => this.#backbone?.status(),
    });
  }

  /** The counters as they are now. Every message that was not delivered is in one of them. */
  stats(): MessageServerStats {
    const [senders, subscribers] = [this.#pull.stats(), this.#pub.stats()];
    return {
      ...this.#exchange.counts,
      refused: this.#refusals.counts,
      ...(senders && { memory: { usedBytes: this.#memory.used, limitBytes: this.#memory.limit } }),
      ...(senders && { senders }),
      ...(subscribers && { subscribers }),
      ...(this.#backbone && { backbone: this.#backbone.status() }),
    };
  }

  /** Who is connected at the moment: senders first, each group in the order in which they came. Empty with libzmq. */
  connections(): readonly BusConnection[] {
    const now = Date.now();
    const all = (role: "send" | "listen", peers: readonly PeerStats[]) =>
      peers.map((peer) => connectionOf(role, peer, now, keyNameOf(this.#authorize, peer.publicKey)));
    return [...all("send", this.#pull.peers()), ...all("listen", this.#pub.peers())];
  }

  /** The last 50 messages that were refused, oldest first. */
  refusals(): readonly Refusal[] {
    return this.#presence.refusals();
  }

  /** The last 50 connections whose handshake failed, oldest first. */
  failedHandshakes(): readonly FailedHandshake[] {
    return this.#presence.failedHandshakes();
  }

  /** Stops receiving, gives subscribers up to `lingerMs` to take what waits for them, then closes every connection. */
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
    await this.#backbone?.close(this.#lingerMs);
    await this.#pub.close(this.#lingerMs);
  }

  #handler(): ExchangeHandler {
    const tell = (refusal: () => Refusal) => {
      if (isWanted(this, "refused")) this.dispatchEvent(new RefusedEvent(refusal()));
    };
    return {
      wantsMessages: () => isWanted(this, "message"),
      handleMessage: (body) => void this.dispatchEvent(new BusMessageEvent<Own>(decoder.decode(body))),
      handleRefused: (bytes, start, end, sender) => {
        const reason = this.#refusals.add(bytes, start, end);
        tell(this.#presence.refuse(Date.now(), reason, this.#named(sender), bytes, start, end));
      },
      handleUnfit: (reason, size, parts, sender) => {
        this.#refusals.addUnfit(reason, size, parts);
        tell(this.#presence.refuseUnfit(Date.now(), reason, this.#named(sender), size, parts));
      },
    };
  }

  /** A sender by the name of its key, if that has one. */
  #named(sender: PeerConnection | undefined): Named | undefined {
    if (sender === undefined || this.#authorize === undefined) return sender;
    return this.#senders.getOrInsertComputed(sender, () => {
      const peer = this.#pull.peers().find(({ peer }) => peer === sender);
      return {
        address: sender.address,
        keyName: keyNameOf(this.#authorize, peer?.publicKey),
        property: (name) => sender.property(name),
      };
    });
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
}

/** Only where nothing can be missing do the numbers of the last run go on. */
function startOf(past: FeedPast | undefined): { readonly epoch: string; readonly seq: number } {
  return past?.isExact === true ? past : { epoch: makeEpoch(), seq: 0 };
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
