/**
 * What all clients have in common: connecting, sending, waiting until it has left, closing, counting.
 *
 * @module
 */
import { ClosedError, HandshakeError, OptionError } from "../base/errors.ts";
import { BusMessageEvent, ConnectionEvent, GapEvent, isWanted } from "./events.ts";
import { formatLink, isNote, LINK_PROPERTY, makeToken, MAX_NOTE_BYTES } from "./feed_note.ts";
import { Follower, type FollowerHandler } from "./follower.ts";
import { checkSize, checkText, Refusals } from "./intake.ts";
import { isJsonObject } from "./json.ts";
import type { ClientBase, ClientRole, Frame } from "./client_role.ts";
import type { ClientEvents, ClientOptions, ClientStats } from "./client_options.ts";
import { identityProperties } from "./identity.ts";
import { MessageLoop } from "./message_loop.ts";
import { MessageTarget } from "./message_target.ts";
import { Sending } from "./sending.ts";
import { closedError } from "./waiters.ts";
import { type Message, stringifyMessage, type Unlisted } from "./messages.ts";
import { startOf } from "./since.ts";
import { CLIENT_NUMBERS } from "../base/defaults.ts";
import { checkNumber, readNumbers } from "../base/options.ts";
import {
  type ConnectionHandler,
  type MessageHandler,
  type PeerConnection,
  type PushHandler,
  type PushSocket,
  socketsOf,
  type SubSocket,
} from "../zmtp/mod.ts";

/**
 * Gives a client its role; without one it hears nothing. For the classes of this folder alone, in their constructors, and so no
 * method of the client.
 */
export let playRole: (client: object, makeRole: (base: ClientBase) => ClientRole) => ClientBase;

/**
 * What all clients have in common. It is made as {@linkcode MessageClient}, {@linkcode PassiveMessageClient} or
 * {@linkcode GenericMessageClient}, and no class for programs to extend.
 *
 * - A client connects by itself, and goes on trying: it may be made before the broker is there, and it survives the broker's
 *   death and return on the same addresses without any help.
 * - Messages leave in the order in which they were sent and arrive in the order of the bus. A message is delivered at most
 *   once. What is sent while the client is away waits, up to `sendQueue`.
 * - After a cut, a client of our broker goes on where it was: it first gets what was broadcast meanwhile, as far as the broker
 *   still holds it. A `gap` event in its place in the stream tells how many messages it cannot get.
 * - Other brokers number nothing: after each cut there is a gap of unknown size, `null`.
 */
export abstract class BusClient<Own extends { readonly type: string } = never>
  extends MessageTarget<Own, ClientEvents<Own>>
  implements AsyncDisposable {
  static {
    playRole = (object, makeRole) => {
      const client = object as BusClient;
      client.#role = makeRole(client.#base);
      return client.#base;
    };
  }

  /** The address that it listens at. */
  readonly serverBroadcast: string | undefined;
  /** The address that it sends to. */
  readonly serverReceive: string | undefined;
  /**
   * Resolves when the client is connected for the first time and the broker has taken its subscription: nothing that is sent
   * from now on is missed. That is exact with our broker, and as good as can be known with others. It waits as long as no broker is
   * there. Rejects when the broker refuses us ({@linkcode HandshakeError}), when the sandbox does not let us connect
   * (`ConnectionError` `permission-denied`), or when the client is closed first ({@linkcode ClosedError}).
   */
  readonly ready: Promise<void>;

  readonly #sub: SubSocket | undefined;
  readonly #maxMessageBytes: number;
  readonly #lingerMs: number;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #closed = new AbortController();
  readonly #stopListening: () => void;
  readonly #loops: Set<Pick<MessageLoop<unknown>, "push" | "end">> = new Set();
  #closing: Promise<void> | undefined;
  readonly #sending: Sending;
  #push: PushSocket | undefined;
  #role: ClientRole = { handleFrame: () => {} };
  readonly #base: ClientBase;
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
   * @throws {AddressError} If an address is not `tcp://host:port` (`invalid-address`).
   * @throws {OptionError} If no address is given, or an option has a value that it cannot have (`bad-option`).
   */
  constructor(options: ClientOptions) {
    super();
    const { serverBroadcast, serverReceive, signal } = options;
    const transport = socketsOf(options.transport);
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
    this.#follower = new Follower(startOf(options.since), this.#following(), options.times === true);
    const queue = { messages: numbers["sendQueue.messages"], bytes: numbers["sendQueue.bytes"] };
    this.#sending = new Sending(queue, this.#closed.signal);
    this.#base = this.#makeBase();
    const identity = identityProperties(options);
    if (serverBroadcast !== undefined) {
      const properties = () => [...identity, [LINK_PROPERTY, this.#token] as const];
      const greet = (peer: PeerConnection) => this.#follower.handleConnect((name) => peer.property(name));
      this.#sub = transport.sub(
        // What the broker says of places has to fit, however small our messages are.
        {
          ...common,
          maxMessageBytes: Math.max(this.#maxMessageBytes, MAX_NOTE_BYTES),
          address: serverBroadcast,
          properties,
          greet,
        },
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
            properties: () => [...identity, [LINK_PROPERTY, formatLink(this.#token, ++this.#link)]],
          },
          this.#outlet(serverReceive),
        );
      } catch (error) {
        void this.#sub?.close();
        throw error;
      }
      this.#sending.attach(this.#push);
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
   * The place of the last message that came: `<epoch>.<number>`. With the option `since` another client, or a later run of this
   * program, goes on behind it. Undefined until a broker of ours was there.
   */
  get place(): string | undefined {
    return this.#follower.place;
  }

  /** Is it connected to the receive address at the moment? */
  get isSending(): boolean {
    return this.#push?.isConnected ?? false;
  }

  /**
   * Sends a message: puts it into the queue, which it leaves at once if there is a connection.
   *
   * @throws {MessageError} If it is not an object with a text in `type` (`not-an-object`, `missing-type`), if JSON cannot hold it
   * (`not-json`) or if it is larger than `maxMessageBytes` (`too-large`).
   * @throws {QueueFullError} If the queue is full (`queue-full`). Nothing is dropped silently.
   * @throws {ClosedError} If the client is closed (`closed`).
   * @throws {OptionError} If the client has no `serverReceive` (`bad-option`).
   */
  sendMessage(message: Message<Own>): void;
  /** The same for a message of a kind that the compiler does not know. */
  sendMessage<const Sent extends { readonly type: string }>(message: Sent & Unlisted<Sent, Own>): void;
  sendMessage(message: object): void {
    const text = stringifyMessage(message);
    this.#requireSending();
    checkSize(text, this.#maxMessageBytes);
    this.#enqueue(text, false);
  }

  /**
   * Sends a text as it is.
   *
   * @throws {MessageError} If it is not a JSON object (`not-json`, `not-an-object`, `not-utf8`) or too large (`too-large`).
   * @throws {QueueFullError} If the queue is full (`queue-full`).
   * @throws {ClosedError} If the client is closed (`closed`).
   * @throws {OptionError} If the client has no `serverReceive` (`bad-option`).
   */
  sendJsonMessage(text: string): void {
    this.#check(text);
    this.#enqueue(text, false);
  }

  /**
   * Resolves when the operating system has taken everything that was sent so far. While the broker is away it waits. That the
   * broker has a message is not known then: if the connection breaks, what was under way is gone.
   *
   * @throws {ConnectionError} `messages-lost`: the end of a connection cut some of it; the text says how many. Each loss is told
   * once; `stats().lost` counts them all.
   * @throws The signal's reason when it is aborted.
   * @throws {ClosedError} If the client is closed first (`closed`).
   */
  flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#sending.flush(options.signal);
  }

  /**
   * Resolves when at least half of the send queue is free: the moment to go on after a {@linkcode QueueFullError}.
   *
   * @throws The signal's reason when it is aborted.
   * @throws {ClosedError} If the client is closed first (`closed`).
   */
  drained(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#sending.drained(options.signal);
  }

  /**
   * Sends what waits, for up to `lingerMs`, connecting again if need be, and then closes both connections. What could not be
   * sent stays counted in `stats().queued`.
   *
   * @throws {OptionError} `bad-option`: `lingerMs` is not a time.
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

  /** The counters as they are now. */
  stats(): ClientStats {
    return {
      sent: this.#sending.sent,
      written: this.#sending.written,
      queued: this.#sending.sent - this.#sending.left,
      lost: this.#sending.lost,
      received: this.#received,
      refused: this.#refusals.counts,
      dropped: this.#dropped,
      missed: this.#missed,
      gaps: this.#gaps,
    };
  }

  /**
   * The messages that come from now on, for `for await`. The loop ends when the client is closed. A loop that falls 10,000
   * messages or 16 Mi characters behind misses new ones; `stats().dropped` counts them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<Own>> {
    const loop: MessageLoop<Message<Own>> = new MessageLoop(() => this.#loops.delete(loop));
    if (this.#closed.signal.aborted) loop.end();
    else this.#loops.add(loop);
    return loop;
  }

  #makeBase(): ClientBase {
    const follower = this.#follower;
    return {
      closed: this.#closed.signal,
      get isFollowing() {
        return follower.isFollowing;
      },
      get time() {
        return follower.time;
      },
      deliver: (frame) => this.#deliver(frame),
      report: (error) => this.#report(error),
      sendAll: (texts) => this.#sendAll(texts),
    };
  }

  /** Gives a message to listeners and loops; nobody else pays for its text. */
  #deliver({ bytes, bodyStart, end }: Frame): void {
    if (!isWanted(this, "message") && this.#loops.size === 0) return;
    const text = decoder.decode(bytes.subarray(bodyStart, end));
    if (isWanted(this, "message")) this.dispatchEvent(new BusMessageEvent<Own>(text, this.#follower.time));
    for (const loop of this.#loops) if (!loop.push(text)) this.#dropped++;
  }

  #report(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.dispatchEvent(new ErrorEvent("error", { error, message }));
  }

  #sendAll(texts: readonly string[]): number {
    for (const text of texts) this.#check(text);
    // What begins below the limit is taken whole, so that all of it is sent or nothing.
    texts.forEach((text, i) => this.#enqueue(text, i > 0));
    return this.#sending.sent;
  }

  #enqueue(text: string, isRest: boolean): void {
    const number = this.#sending.enqueue(text, isRest);
    this.#role.handleSent?.(number, text);
  }

  /** Throws where it cannot be sent at all. */
  #check(text: string): void {
    this.#requireSending();
    checkText(text, this.#maxMessageBytes);
  }

  #requireSending(): void {
    if (this.#closing !== undefined) throw closedError("send message");
    if (this.#push === undefined) {
      throw new OptionError("bad-option", "Cannot send message: the client was made without serverReceive");
    }
  }

  async #close(lingerMs: number): Promise<void> {
    this.#stopListening();
    if (lingerMs > 0 && this.stats().queued > 0) {
      await this.#sending.allLeft(AbortSignal.timeout(lingerMs)).catch(() => {});
    }
    this.#closed.abort();
    this.#ready.reject(closedError("wait for the broker"));
    for (const loop of this.#loops) loop.end();
    await Promise.all([this.#sub?.close(), this.#push?.close()]);
    this.#sending.end();
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
        if (own === "repeated") return this.#refusals.addRepeated();
        if (end - bodyStart > this.#maxMessageBytes) {
          this.#role.handleGap?.(1, "refused");
          return this.#refusals.addUnfit("too-large", end - bodyStart, 1);
        }
        if (!isJsonObject(bytes, bodyStart, end)) {
          this.#role.handleGap?.(1, "refused");
          this.#refusals.add(bytes, bodyStart, end);
          return;
        }
        this.#role.handleFrame({ bytes, start, bodyStart, end }, own);
      },
      handleUnfit: (reason, size, parts) => {
        this.#received++;
        if (this.#follower.handleMessage() !== "repeated") this.#role.handleGap?.(1, "refused");
        this.#refusals.addUnfit(reason, size, parts);
      },
      handleTurnEnd: () => this.#role.handleTurnEnd?.(),
    };
  }

  #following(): FollowerHandler {
    return {
      handleJoin: (epoch, seq) => this.#role.handleLife?.(epoch, seq, true),
      handleLife: (epoch, seq) => this.#role.handleLife?.(epoch, seq, false),
      handleRefused: (messages, link, index) => this.#role.handleRefused?.(messages, link, index),
      handleGap: (missed, reason) => {
        this.#gaps++;
        this.#missed += missed ?? 0;
        this.#role.handleGap?.(missed, reason);
        this.dispatchEvent(new GapEvent(missed, reason));
      },
    };
  }

  #outlet(address: string): PushHandler {
    return {
      ...this.#connection("receive", address),
      handleWritten: (messages) => {
        this.#sending.handleWritten(messages);
        this.#role.handleLeft?.(this.#sending.left);
      },
      handleLost: (messages) => {
        this.#sending.handleLost(messages);
        this.#role.handleLeft?.(this.#sending.left);
      },
    };
  }

  #connection(endpoint: "broadcast" | "receive", address: string): ConnectionHandler {
    return {
      handleConnect: () => {
        if (endpoint === "receive") this.#role.handleLink?.(this.#link, this.#sending.left);
        if ((this.#sub?.isConnected ?? true) && (this.#push?.isConnected ?? true)) this.#ready.resolve();
        this.dispatchEvent(new ConnectionEvent("connect", endpoint, address));
      },
      handleDisconnect: (reason) => {
        if (endpoint === "broadcast") this.#follower.handleDisconnect();
        if (reason instanceof ClosedError) return; // We ended it ourselves.
        this.dispatchEvent(new ConnectionEvent("disconnect", endpoint, address, reason));
      },
      handleFailure: (error, isFinal) => {
        // It may have ended between its first word to us and our last one to it.
        if (endpoint === "broadcast") this.#follower.handleDisconnect();
        const isRefusal = error instanceof HandshakeError && error.code !== "handshake-timeout";
        if (isFinal || isRefusal) this.#ready.reject(error);
        this.#report(error);
      },
    };
  }
}

const EVERYTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
