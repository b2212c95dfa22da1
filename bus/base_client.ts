/**
 * What all clients have in common: connecting, sending, waiting until it has left, closing, counting.
 *
 * @module
 */
import { ClosedError, HandshakeError, type MessageError, OptionError } from "../base/errors.ts";
import {
  BusMessageEvent,
  ConnectionEvent,
  GapEvent,
  type GapReason,
  isWanted,
  type MessageErrorEvent,
  TypedEventTarget,
} from "./events.ts";
import { type FeedStart, formatLink, isNote, LINK_PROPERTY, makeToken } from "./feed_note.ts";
import { Follower, type FollowerHandler, type OwnMessage } from "./follower.ts";
import { checkText, Refusals } from "./intake.ts";
import { isJsonObject } from "./json.ts";
import { MessageLoop } from "./message_loop.ts";
import { type Message, stringifyMessage, type Unlisted } from "./messages.ts";
import { parsePlace } from "./place.ts";
import { CLIENT_NUMBERS } from "../base/defaults.ts";
import { checkNumber, readNumbers } from "../base/options.ts";
import {
  type ConnectionHandler,
  type CurveClientOptions,
  type MessageHandler,
  type PeerConnection,
  type PushHandler,
  type PushSocket,
  type QueueLimit,
  type SubSocket,
  type Transport,
  zmtp,
} from "../zmtp/mod.ts";

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
  /** What carries the messages. @default our own ZMTP engine */
  readonly transport?: Transport;
  /**
   * Where to begin: with what comes from now on, with everything that the broker still holds, or behind a place that
   * {@linkcode BusClient.place} told earlier. Brokers other than ours always begin now. @default "now"
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

/** The events of a client. */
export interface ClientEvents {
  /** A message came. */
  message: BusMessageEvent;
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

/**
 * What all clients have in common.
 *
 * - A client connects by itself, for ever: it may be made before the broker is there, and it survives the broker's death and
 *   return on the same addresses without its owner doing anything.
 * - Messages leave in the order in which they were sent and arrive in the order of the bus. A message is delivered at most
 *   once. What is sent while the client is away waits, up to `sendQueue`.
 * - With our broker nothing is missed while its window holds it: after a cut the client goes on where it was and gets
 *   what was broadcast meanwhile first. What it cannot get is told by a `gap` event with its number, in its place in the stream.
 * - A foreign broker tells nothing: after each cut there is a gap of `null`.
 */
export abstract class BusClient extends TypedEventTarget<ClientEvents> implements AsyncDisposable {
  /** The address that it listens at. */
  readonly serverBroadcast: string | undefined;
  /** The address that it sends to. */
  readonly serverReceive: string | undefined;
  /**
   * Resolves when the client is connected for the first time and the broker has taken its subscription: nothing that is sent
   * from now on is missed. That is exact with our broker and as good as can be known with others. Rejects when the
   * broker refuses us ({@linkcode HandshakeError}), when the sandbox does not let us connect (`ConnectionError`
   * with the code `permission-denied`), or when the client is closed before ({@linkcode ClosedError}).
   */
  readonly ready: Promise<void>;

  readonly #sub: SubSocket | undefined;
  readonly #push: PushSocket | undefined;
  readonly #maxMessageBytes: number;
  readonly #lingerMs: number;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #closed = new AbortController();
  readonly #stopListening: () => void;
  readonly #loops: Set<MessageLoop> = new Set();
  /** Who waits until so many messages have left. */
  readonly #flushes: Set<{ readonly upTo: number; readonly resolve: () => void }> = new Set();
  #closing: Promise<void> | undefined;
  #sent = 0;
  #written = 0;
  #lost = 0;
  #received = 0;
  #dropped = 0;
  #missed = 0;
  #gaps = 0;
  readonly #follower: Follower;
  /** What our connections to the broker call themselves, so that it can tell us which messages are ours. */
  readonly #token = makeToken();
  /** How often the sending connection was begun. */
  #link = 0;
  readonly #refusals = new Refusals(this);

  /**
   * Returns at once and connects in the background.
   *
   * @throws {AddressError} If an address is no `tcp://host:port`.
   * @throws {OptionError} If an option has a value that it cannot have, or no address is given (`bad-option`).
   */
  constructor(options: ClientOptions) {
    super();
    const { serverBroadcast, serverReceive, transport = zmtp, signal } = options;
    if (serverBroadcast === undefined && serverReceive === undefined) {
      throw new OptionError(
        "bad-option",
        "Cannot make client: it needs serverBroadcast, serverReceive or both",
      );
    }
    this.serverBroadcast = serverBroadcast;
    this.serverReceive = serverReceive;
    const numbers = readNumbers(CLIENT_NUMBERS, options);
    this.#maxMessageBytes = numbers.maxMessageBytes;
    this.#lingerMs = numbers.lingerMs;
    const minMs = numbers["reconnect.minMs"];
    const common = {
      maxMessageBytes: this.#maxMessageBytes,
      handshakeTimeoutMs: numbers.handshakeTimeoutMs,
      heartbeatMs: numbers.heartbeatMs,
      curve: options.curve,
      reconnect: {
        minMs,
        maxMs: checkNumber("reconnect.maxMs", numbers["reconnect.maxMs"] ?? Math.max(5000, minMs), {
          min: minMs,
        }),
      },
    };
    this.#follower = new Follower(startOf(options.since), this.#following());
    const queue = { messages: numbers["sendQueue.messages"], bytes: numbers["sendQueue.bytes"] };
    if (serverBroadcast !== undefined) {
      const properties = () => [[LINK_PROPERTY, this.#token] as const];
      const greet = (peer: PeerConnection) => this.#follower.handleConnect((name) => peer.property(name));
      this.#sub = transport.sub(
        { ...common, address: serverBroadcast, properties, greet },
        this.#intake(serverBroadcast),
      );
      this.#sub.subscribe(EVERYTHING);
    }
    if (serverReceive !== undefined) {
      try {
        this.#push = transport.push(
          {
            ...common,
            address: serverReceive,
            queue,
            properties: () => [[LINK_PROPERTY, formatLink(this.#token, ++this.#link)]],
          },
          this.#outlet(serverReceive),
        );
      } catch (error) {
        void this.#sub?.close();
        throw error;
      }
    }
    this.ready = this.#ready.promise;
    this.ready.catch(() => {}); // Nobody has to wait for it.
    const abort = () => void this.close();
    signal?.addEventListener("abort", abort);
    this.#stopListening = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) abort();
  }

  /** Is it connected to the broadcast address at the moment, with its subscription in place? */
  get isReceiving(): boolean {
    return this.#sub?.isConnected ?? false;
  }

  /**
   * The place of the last message that came: `<epoch>.<number>`. Another client, or this one in its next life, goes on behind it
   * with `since`. Undefined as long as no broker of ours was there.
   */
  get place(): string | undefined {
    return this.#follower.place;
  }

  /** Is it connected to the receive address at the moment? */
  get isSending(): boolean {
    return this.#push?.isConnected ?? false;
  }

  /**
   * Sends a message: puts it into the queue, from where it leaves at once if there is a connection.
   *
   * @throws {MessageError} If it is no object with a text in `type` (`not-an-object`, `missing-type`), if JSON cannot hold it
   * (`not-json`) or if it is larger than `maxMessageBytes` (`too-large`).
   * @throws {QueueFullError} If the queue is full. Nothing is dropped in silence.
   * @throws {ClosedError} If the client is closed.
   * @throws {OptionError} If the client has no `serverReceive`.
   */
  sendMessage(message: Message): void;
  /** The same for a message of a kind of your own. */
  sendMessage<const Sent extends { readonly type: string }>(message: Sent & Unlisted<Sent>): void;
  sendMessage(message: object): void {
    this.#send(stringifyMessage(message));
  }

  /**
   * Sends a text as it is.
   *
   * @throws {MessageError} If it is no JSON object (`not-json`, `not-an-object`, `not-utf8`) or too large (`too-large`).
   * @throws {QueueFullError} If the queue is full.
   * @throws {ClosedError} If the client is closed.
   * @throws {OptionError} If the client has no `serverReceive`.
   */
  sendJsonMessage(text: string): void {
    this.#send(text);
  }

  /**
   * Resolves when everything that was sent so far is in the operating system's hands. With the broker away it waits.
   *
   * @throws The signal's reason when it is aborted.
   * @throws {ClosedError} If the client is closed before.
   */
  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const upTo = this.#sent;
    if (this.#written + this.#lost >= upTo) return;
    if (this.#closed.signal.aborted) throw closedError("flush");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const flush = { upTo, resolve };
    const abort = () => reject(options.signal!.reason);
    const end = () => reject(closedError("flush"));
    this.#flushes.add(flush);
    options.signal?.addEventListener("abort", abort);
    this.#closed.signal.addEventListener("abort", end);
    if (options.signal?.aborted) abort();
    try {
      await promise;
    } finally {
      this.#flushes.delete(flush);
      options.signal?.removeEventListener("abort", abort);
      this.#closed.signal.removeEventListener("abort", end);
    }
  }

  /**
   * Sends what waits, for up to `lingerMs`, also by connecting again, and then closes both connections. What could not be
   * sent stays counted in `stats().queued`.
   *
   * @throws {OptionError} If `lingerMs` is no time: `bad-option`.
   */
  close(options: { readonly lingerMs?: number } = {}): Promise<void> {
    const lingerMs = checkNumber("lingerMs", options.lingerMs, {
      ...CLIENT_NUMBERS.lingerMs,
      default: this.#lingerMs,
    });
    return this.#closing ??= this.#close(lingerMs);
  }

  /** The same as {@linkcode BusClient.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Counters of the moment. */
  stats(): ClientStats {
    return {
      sent: this.#sent,
      written: this.#written,
      queued: this.#sent - this.#written - this.#lost,
      lost: this.#lost,
      received: this.#received,
      refused: this.#refusals.counts,
      dropped: this.#dropped,
      missed: this.#missed,
      gaps: this.#gaps,
    };
  }

  /**
   * The messages that come from now on, for `for await`. The loop ends when the client is closed. A loop that falls 10,000
   * messages or 16 Mi characters behind loses new ones; `stats().dropped` counts them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    const loop: MessageLoop = new MessageLoop(() => this.#loops.delete(loop));
    if (this.#closed.signal.aborted) loop.end();
    else this.#loops.add(loop);
    return loop;
  }

  /**
   * A message came: the frame `bytes[start, end)` with its body from `bodyStart` on. `own` says which of ours it is, as far as
   * the broker tells. Each class does with it what it is for.
   */
  protected abstract handleFrame(frame: Frame, own: OwnMessage | undefined): void;

  /** All messages of one read were handed over. */
  protected handleTurnEnd(): void {}

  /** A message was queued; `number` rises by one. */
  protected handleSent(_number: number, _text: string): void {}

  /** All messages up to this number have left. */
  protected handleLeft(_upTo: number): void {}

  /** The sending connection `link` is there; the next message over it has the number `number + 1`. */
  protected handleLink(_link: number, _number: number): void {}

  /** The broker numbers, or another one does. */
  protected handleLife(_epoch: string | undefined, _seq: number, _isFirst: boolean): void {}

  /** Messages are missing here. */
  protected handleGap(_missed: number | null, _reason: GapReason): void {}

  /** So many of ours, from number `index` of the connection `link` on, were not passed on. */
  protected handleRefused(_messages: number, _link: number, _index: number): void {}

  /** Sends texts, all or none. Returns the number of the last one. */
  protected sendAll(texts: readonly string[]): number {
    for (const text of texts) this.#check(text);
    // What begins below the limit is taken whole, so that all of it is sent or nothing.
    texts.forEach((text, i) => this.#enqueue(text, i > 0));
    return this.#sent;
  }

  /** Does the broker tell which messages are ours? */
  protected get isFollowing(): boolean {
    return this.#follower.isFollowing;
  }

  /** Gives a message to listeners and loops; nobody else pays for its text. */
  protected deliver({ bytes, bodyStart, end }: Frame): void {
    if (!isWanted(this, "message") && this.#loops.size === 0) return;
    const text = decoder.decode(bytes.subarray(bodyStart, end));
    if (isWanted(this, "message")) this.dispatchEvent(new BusMessageEvent(text));
    for (const loop of this.#loops) if (!loop.push(text)) this.#dropped++;
  }

  /** Tells of something that went wrong and was survived. */
  protected report(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.dispatchEvent(new ErrorEvent("error", { error, message }));
  }

  /** Aborted when the client is closed. */
  protected get closedSignal(): AbortSignal {
    return this.#closed.signal;
  }

  #send(text: string): void {
    this.#check(text);
    this.#enqueue(text, false);
  }

  #enqueue(text: string, isRest: boolean): void {
    this.#push!.send(text, isRest);
    this.handleSent(++this.#sent, text);
  }

  /** Throws where it cannot be sent at all. */
  #check(text: string): void {
    if (this.#closing !== undefined) throw closedError("send message");
    if (this.#push === undefined) {
      throw new OptionError("bad-option", "Cannot send message: the client was made without serverReceive");
    }
    checkText(text, this.#maxMessageBytes);
  }

  async #close(lingerMs: number): Promise<void> {
    this.#stopListening();
    if (lingerMs > 0 && this.stats().queued > 0) {
      await this.flush({ signal: AbortSignal.timeout(lingerMs) }).catch(() => {});
    }
    this.#closed.abort();
    this.#ready.reject(closedError("wait for the broker"));
    for (const loop of this.#loops) loop.end();
    await Promise.all([this.#sub?.close(), this.#push?.close()]);
  }

  #intake(address: string): MessageHandler & ConnectionHandler {
    return {
      ...this.#connection("broadcast", address),
      handleMessage: (bytes, start, bodyStart, end) => {
        if (isNote(bytes, bodyStart, end) && this.#follower.handleNote(bytes.subarray(bodyStart, end))) {
          return;
        }
        this.#received++;
        const own = this.#follower.handleMessage();
        if (!isJsonObject(bytes, bodyStart, end)) {
          this.handleGap(1, "refused");
          return this.#refusals.add(bytes, bodyStart, end);
        }
        this.handleFrame({ bytes, start, bodyStart, end }, own);
      },
      handleUnfit: (reason, size, parts) => {
        this.#received++;
        this.#follower.handleMessage();
        this.handleGap(1, "refused");
        this.#refusals.addUnfit(reason, size, parts);
      },
      handleTurnEnd: () => this.handleTurnEnd(),
    };
  }

  #following(): FollowerHandler {
    return {
      handleJoin: (epoch, seq) => this.handleLife(epoch, seq, true),
      handleLife: (epoch, seq) => this.handleLife(epoch, seq, false),
      handleRefused: (messages, link, index) => this.handleRefused(messages, link, index),
      handleGap: (missed, reason) => {
        this.#gaps++;
        this.#missed += missed ?? 0;
        this.handleGap(missed, reason);
        this.dispatchEvent(new GapEvent(missed, reason));
      },
    };
  }

  #outlet(address: string): PushHandler {
    return {
      ...this.#connection("receive", address),
      handleWritten: (messages) => {
        this.#written += messages;
        this.#handleLeft();
      },
      handleLost: (messages) => {
        this.#lost += messages;
        this.#handleLeft();
      },
    };
  }

  #handleLeft(): void {
    const upTo = this.#written + this.#lost;
    this.handleLeft(upTo);
    for (const flush of this.#flushes) if (flush.upTo <= upTo) flush.resolve();
  }

  #connection(endpoint: "broadcast" | "receive", address: string): ConnectionHandler {
    return {
      handleConnect: () => {
        if (endpoint === "receive") this.handleLink(this.#link, this.#written + this.#lost);
        if ((this.#sub?.isConnected ?? true) && (this.#push?.isConnected ?? true)) this.#ready.resolve();
        this.dispatchEvent(new ConnectionEvent("connect", endpoint, address));
      },
      handleDisconnect: (reason) => {
        if (endpoint === "broadcast") this.#follower.handleDisconnect();
        if (reason instanceof ClosedError) return; // We ended it ourselves.
        this.dispatchEvent(new ConnectionEvent("disconnect", endpoint, address, reason));
      },
      handleFailure: (error, isFinal) => {
        const isRefusal = error instanceof HandshakeError && error.code !== "handshake-timeout";
        if (isFinal || isRefusal) this.#ready.reject(error);
        this.report(error);
      },
    };
  }
}

/** A message where it lies, until the end of the read that brought it: the frame `bytes[start, end)`. */
export interface Frame {
  /** What was read. */
  readonly bytes: Uint8Array;
  /** Where the frame begins. */
  readonly start: number;
  /** Where its body begins. */
  readonly bodyStart: number;
  /** One behind its end. */
  readonly end: number;
}

/** Where a client begins. */
export function startOf(since: string = "now"): FeedStart {
  const start = since === "now" || since === "earliest" ? since : parsePlace(since);
  if (start !== undefined) return start;
  throw new OptionError(
    "bad-option",
    `Cannot use since: it is ${JSON.stringify(since)}, not now, earliest or a place`,
  );
}

/** For whatever is asked of a client that is closed. */
export function closedError(what: string): ClosedError {
  return new ClosedError(`Cannot ${what}: the client is closed`);
}

const EVERYTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
