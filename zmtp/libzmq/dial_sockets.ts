/**
 * The two roles that dial.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
// deno-lint-ignore no-import-prefix -- a remote module does not see our import map
import type * as zeromq from "npm:zeromq@6.8.0";
import { AddressError, ConnectionError, HandshakeError, QueueFullError } from "../../base/errors.ts";
import { Fifo } from "../../base/fifo.ts";
import { formatEndpoint, parseEndpoint } from "../endpoint.ts";
import type {
  ConnectionHandler,
  MessageHandler,
  PushHandler,
  PushOptions,
  PushSocket,
  SubOptions,
  SubSocket,
} from "../transport.ts";
import { library, type LibzmqError } from "./loader.ts";
import { loop, type Member } from "./loop.ts";
import { Monitor } from "./monitor.ts";
import { dialOptions } from "./options.ts";
import { receive } from "./receive.ts";

/** Messages that libzmq may hold for the broker beyond those in our own bounded queue. */
const PUSH_HIGH_WATER_MARK = 256;
/** The pause before dialling a peer again that libzmq has given up, as in our own engine. */
const REDIAL_MS = 30_000;
/** Nothing tells when a publisher has taken our subscriptions; so long after the handshake it has. */
const SUBSCRIBE_MS = 25;
/** Messages to a peer that is gone are given up after this time. */
const PUSH_LINGER_MS = 1000;

abstract class LibzmqDialSocket<S extends zeromq.Socket> implements Member {
  protected readonly socket: S;
  protected readonly address: string;
  readonly #handler: ConnectionHandler;
  readonly #monitor: Monitor;
  #isConnected = false;
  /** When a connection whose handshake is over counts as one. */
  #upAt = Infinity;
  /** When to dial again what libzmq has given up. */
  #redialAt = Infinity;
  /** Has the present end or failure been told already? */
  #isTold = false;
  #closing: Promise<void> | undefined;

  constructor(socket: S, options: SubOptions, handler: ConnectionHandler) {
    this.socket = socket;
    this.#handler = handler;
    // libzmq's other transports have addresses of their own; it knows them best.
    const isTcp = options.address.startsWith("tcp:");
    this.address = isTcp ? formatEndpoint(parseEndpoint(options.address)) : options.address;
    if (this.address.includes("[")) socket.ipv6 = true;
    this.#monitor = new Monitor(socket);
    try {
      socket.connect(this.address);
    } catch (cause) {
      socket.close();
      this.#monitor.stop();
      throw new AddressError(
        `Cannot use address ${JSON.stringify(options.address)}: ${(cause as Error).message}`,
        { cause },
      );
    }
    loop.add(this);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  async turn(now: number): Promise<boolean> {
    const hasWorked = await this.work();
    // Each step may have closed it; zeromq.js crashes when a closed socket is to be observed.
    if (this.socket.closed) return false;
    for (const event of await this.#monitor.take(now)) {
      if (!this.socket.closed) this.#handle(event, now);
    }
    if (this.socket.closed) return false;
    if (now >= this.#upAt) {
      this.#upAt = Infinity;
      this.#isConnected = true;
      this.#handler.handleConnect();
    }
    if (now >= this.#redialAt) {
      this.#redialAt = Infinity;
      this.#redial();
    }
    return hasWorked;
  }

  close(): Promise<void> {
    loop.remove(this);
    this.#isConnected = false;
    return this.#closing ??= this.#monitor.close(this.lingerMs);
  }

  #redial(): void {
    try {
      this.socket.disconnect(this.address);
    } catch {
      // libzmq has forgotten the address already.
    }
    this.socket.connect(this.address);
  }

  /** What is left to do when it is closed may take so long. */
  protected abstract readonly lingerMs: number;

  /** A connection is of use so long after its handshake. */
  protected abstract readonly settleMs: number;

  /** The peer has shaken hands. */
  protected handleGreeted(): void {}

  /** Does what the role is for; true if there was something to do. */
  protected abstract work(): boolean | Promise<boolean>;

  /** Each end of a connection or of an attempt is followed by connect:retry, unless libzmq has given up. */
  #handle(event: zeromq.Event, now: number): void {
    switch (event.type) {
      case "handshake":
        this.#isTold = false;
        this.#upAt = now + this.settleMs;
        this.handleGreeted();
        return;
      case "handshake:error:other":
      case "handshake:error:protocol":
      case "handshake:error:auth":
        return this.#fail(explainHandshake(this.address, event.error));
      case "disconnect":
        this.#redialAt = now + REDIAL_MS;
        if (this.#isConnected || this.#upAt !== Infinity) return this.#handleEnd();
        if (this.#isTold) return;
        // The peer said ERROR, or it is of another socket type: libzmq ends the handshake without a word in both cases.
        return this.#fail(
          new HandshakeError(
            "refused-by-peer",
            `Cannot use ${this.address}: it refused us, or it is the other one of the broker's two addresses`,
          ),
        );
      case "connect:retry":
        this.#redialAt = Infinity;
        if (!this.#isTold) {
          this.#fail(
            new ConnectionError("connect-failed", `Cannot connect to ${this.address}: nobody listens there`),
          );
        }
        this.#isTold = false;
    }
  }

  #handleEnd(): void {
    const error = new ConnectionError(
      "connection-lost",
      `Cannot keep connection: ${this.address} ended it, or cannot be reached any more`,
    );
    this.#upAt = Infinity;
    if (!this.#isConnected) return this.#fail(error);
    this.#isConnected = false;
    this.#isTold = true;
    this.#handler.handleDisconnect(error);
  }

  #fail(error: Error): void {
    this.#isTold = true;
    this.#handler.handleFailure(error, false);
  }
}

/** See {@linkcode SubSocket}. */
export class LibzmqSub extends LibzmqDialSocket<zeromq.Subscriber> implements SubSocket {
  protected override readonly lingerMs = 0;
  protected override readonly settleMs: number = SUBSCRIBE_MS;
  readonly #maxMessageBytes: number;
  readonly #handler: MessageHandler;
  readonly #greet: SubOptions["greet"];

  constructor(options: SubOptions, handler: MessageHandler & ConnectionHandler) {
    super(new library.Subscriber({ ...dialOptions(options), receiveTimeout: 0 }), options, handler);
    this.#greet = options.greet;
    this.#maxMessageBytes = options.maxMessageBytes ?? Infinity;
    this.#handler = handler;
  }

  /** What the peer says of itself is not known in time, so it has nothing to say. */
  protected override handleGreeted(): void {
    this.#greet?.({ address: this.address, property: () => undefined });
  }

  subscribe(topic: Uint8Array): void {
    this.socket.subscribe(topic as Buffer);
  }

  unsubscribe(topic: Uint8Array): void {
    this.socket.unsubscribe(topic as Buffer);
  }

  protected override work(): Promise<boolean> {
    return receive(this.socket, this.#maxMessageBytes, this.#handler);
  }
}

/** See {@linkcode PushSocket}. */
export class LibzmqPush extends LibzmqDialSocket<zeromq.Push> implements PushSocket {
  protected override readonly lingerMs: number = PUSH_LINGER_MS;
  protected override readonly settleMs = 0;
  readonly #limit: PushOptions["queue"];
  readonly #handler: PushHandler;
  readonly #queue: Fifo<Uint8Array> = new Fifo();
  #bytes = 0;
  #isScheduled = false;

  constructor(options: PushOptions, handler: PushHandler) {
    const socket = new library.Push({
      ...dialOptions(options),
      sendTimeout: 0,
      sendHighWaterMark: PUSH_HIGH_WATER_MARK,
    });
    super(socket, options, handler);
    this.#limit = options.queue;
    this.#handler = handler;
  }

  get queuedMessages(): number {
    return this.#queue.length;
  }

  get queuedBytes(): number {
    return this.#bytes;
  }

  send(text: string, isRest = false): void {
    const body = encoder.encode(text);
    const { messages, bytes } = this.#limit;
    if (!isRest && (this.#queue.length >= messages || this.#bytes + body.length > bytes)) {
      throw new QueueFullError(
        `Cannot queue message: ${this.#queue.length} messages of ${this.#bytes} bytes wait, ` +
          `limits are ${messages} and ${bytes}`,
      );
    }
    this.#queue.push(body);
    this.#bytes += body.length;
    if (this.isConnected) this.#schedule();
  }

  /** Gives libzmq what it takes. What it took counts as written: where it is then it does not tell. */
  protected override work(): boolean {
    let taken = 0;
    while (this.#queue.length > 0 && this.isConnected && this.socket.writable) {
      const body = this.#queue.shift()!;
      this.#bytes -= body.length;
      void this.socket.send(body as zeromq.MessageLike);
      taken++;
    }
    if (taken > 0) this.#handler.handleWritten(taken);
    return taken > 0;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.work()) loop.expectTraffic();
    });
  }
}

function explainHandshake(address: string, cause: LibzmqError): ConnectionError | HandshakeError {
  const what = `Cannot shake hands with ${address}`;
  if (cause.code === "ERR_ZMTP_MECHANISM_MISMATCH") {
    return new HandshakeError("mechanism-mismatch", `${what}: it has another security mechanism`, { cause });
  }
  if (cause.code === "EAGAIN") {
    return new HandshakeError("handshake-timeout", `${what}: no end in time`, { cause });
  }
  if (cause.code === "EPIPE") {
    return new ConnectionError("peer-closed", `${what}: it closed the connection`, { cause });
  }
  if (cause.code?.startsWith("ERR_") || "status" in cause) {
    return new HandshakeError("refused-by-peer", `${what}: ${cause.message}`, { cause });
  }
  return new ConnectionError("connection-lost", `${what}: ${cause.message}`, { cause });
}

const encoder = new TextEncoder();
