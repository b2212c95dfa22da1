/**
 * libzmq itself as the transport of broker and clients, from `npm:zeromq`. For those who want its other transports such as
 * `ipc://`, its own CURVE, or a second opinion; docs/libzmq.md says what differs from our own engine.
 *
 * Native code is loaded as soon as this file is imported, so it needs `--allow-ffi --allow-read`, and that leaves Deno's
 * sandbox: libzmq opens sockets without asking for `--allow-net`. Nothing else imports this file.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../../broker.ts";
 * import { libzmq } from "./mod.ts";
 *
 * await using server = new MessageServer({ transport: libzmq });
 * console.assert(server.broadcastAddress.startsWith("tcp://127.0.0.1:"));
 * ```
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
// deno-lint-ignore no-import-prefix -- a remote module does not see our import map
import type * as zeromq from "npm:zeromq@6.8.0";
import {
  AddressError,
  ConnectionError,
  HandshakeError,
  OptionError,
  QueueFullError,
  TransportError,
} from "../../base/errors.ts";
import { Fifo } from "../../base/fifo.ts";
import { explainListen } from "../../base/listen_error.ts";
import {
  type ConnectionHandler,
  type ConnectionOptions,
  formatEndpoint,
  type ListenSocket,
  type MessageHandler,
  parseBindEndpoint,
  parseEndpoint,
  type Published,
  type PubOptions,
  type PubSocket,
  type PullOptions,
  type PullSocket,
  type PushHandler,
  type PushOptions,
  type PushSocket,
  type SubOptions,
  type SubSocket,
  type Transport,
} from "../mod.ts";
import { parseClientKeys, parseServerKeys } from "../curve/keys.ts";
import { encodeZ85 } from "../curve/z85.ts";
import { encodeFrame, frameBodyStart, frameEnd } from "../frame.ts";

/** A computed specifier: a literal one is resolved, and downloaded, before anything of ours runs. */
const PACKAGE = ["npm:zeromq", "6.8.0"].join("@");
/** Larger messages end the connection, as with our own engine; libzmq would store them. */
const MAX_STORED_BYTES = 1024 * 1024 * 1024;
/** Messages that libzmq may hold for the broker beyond those in our own bounded queue. */
const PUSH_HIGH_WATER_MARK = 256;
/** Messages of one socket that are received before the others have their turn. */
const BATCH_MESSAGES = 512;
/** The loop does not sleep until it has been silent for so long … */
const SPIN_MS = 3;
/** … and then for this part of the time that it has been silent … */
const SLEEP_PART = 1 / 20;
/** … but no longer than this: what an idle broker costs and how late it wakes (docs/libzmq.md). */
const MAX_SLEEP_MS = 25;
/** How often a monitor is looked at when nothing has happened for a while. */
const MAX_MONITOR_MS = 200;
/** Ended observers of one monitor that are kept: those of 30 ms at least. */
const KEPT_OBSERVERS = 32;
/** The pause before dialling a peer again that libzmq has given up, as in our own engine. */
const REDIAL_MS = 30_000;
/** libzmq may take so much longer than its linger time to close. */
const CLOSE_MARGIN_MS = 500;
/** Nothing tells when a publisher has taken our subscriptions; so long after the handshake it has. */
const SUBSCRIBE_MS = 25;
/** Messages to a peer that is gone are given up after this time. */
const PUSH_LINGER_MS = 1000;

const { Observer, Publisher, Pull, Push, Subscriber } = await load();

/** libzmq as a transport: `new MessageServer({ transport: libzmq })`. */
export const libzmq: Transport = {
  name: "libzmq",
  pull: (options, handler) => new LibzmqPull(options, handler),
  pub: (options) => new LibzmqPub(options),
  push: (options, handler) => new LibzmqPush(options, handler),
  sub: (options, handler) => new LibzmqSub(options, handler),
};

async function load(): Promise<typeof zeromq> {
  try {
    return await import(PACKAGE);
  } catch (cause) {
    throw explainLoad(cause instanceof Error ? cause : new Error(String(cause)));
  }
}

function explainLoad(cause: Error): TransportError {
  // The loader only prints that the sandbox kept it from a file; what it throws then says nothing.
  const isDenied = cause.message.includes("NotCapable") ||
    Deno.permissions.querySync({ name: "ffi" }).state !== "granted";
  if (isDenied) {
    return new TransportError(
      "permission-denied",
      "Cannot load libzmq: Deno's sandbox does not allow native code, run with --allow-ffi --allow-read, " +
        "or leave out the transport: our own engine needs neither",
      { cause },
    );
  }
  return new TransportError(
    "not-available",
    `Cannot load libzmq: ${PACKAGE} gave no library for ${Deno.build.target}; leave out the transport: ` +
      "our own engine runs wherever Deno does",
    { cause },
  );
}

/** What zeromq.js throws. */
type LibzmqError = Error & { readonly code?: string | undefined };

// How libzmq is waited for. Deno's uv_poll calls back once and then never again (denoland/deno#36317), so no socket may
// wait by itself: all have zero timeouts, and one loop asks them again and again.

/** A socket that the loop asks. */
interface Member {
  /** Does what there is to do; true if there was something, so that it is asked again at once. */
  turn(now: number): boolean | Promise<boolean>;
}

/** Asks all open sockets: without a pause while there is traffic, ever more seldom when there is none. */
class Loop {
  readonly #members: Set<Member> = new Set();
  #isRunning = false;
  #lastTraffic = 0;
  #wake: (() => void) | undefined;

  add(member: Member): void {
    this.#members.add(member);
    this.expectTraffic();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Also lets go of the process, if it was the last one. */
  remove(member: Member): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.#wake?.();
  }

  /** Something was sent, so something will come. */
  expectTraffic(): void {
    this.#lastTraffic = performance.now();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    // The constructor of the first member has to be through before it is asked.
    await Promise.resolve();
    while (this.#members.size > 0) {
      const now = performance.now();
      for (const member of this.#members) if (await member.turn(now)) this.#lastTraffic = now;
      const silentMs = performance.now() - this.#lastTraffic;
      if (silentMs < SPIN_MS) await new Promise<void>((resolve) => setImmediate(resolve));
      else if (this.#members.size > 0) await this.#sleep(Math.min(silentMs * SLEEP_PART, MAX_SLEEP_MS));
    }
    this.#isRunning = false;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(this.#wake, ms);
    });
  }
}

const loop = new Loop();

/**
 * What libzmq tells of a socket's connections. An observer cannot be asked whether there is something to receive, and must
 * not wait. But a new observer ends the one before, whose last event is then known: up to that one, receiving never waits.
 *
 * Only for sockets that dial: while 2000 events are not fetched libzmq's I/O thread stands still, which a listening socket
 * with many peers can bring about.
 */
class Monitor {
  readonly #socket: zeromq.Socket;
  #observer: zeromq.Observer;
  /** See {@linkcode observe}. */
  readonly #ended: zeromq.Observer[] = [];
  #pauseMs = 1;
  #due = 0;

  constructor(socket: zeromq.Socket) {
    this.#socket = socket;
    this.#observer = observe(socket);
  }

  /** What has happened since the last time; nothing if that was a moment ago. */
  async take(now: number): Promise<zeromq.Event[]> {
    if (now < this.#due) return [];
    const before = this.#observer;
    this.#observer = observe(this.#socket);
    this.#ended.push(before);
    if (this.#ended.length > KEPT_OBSERVERS) this.#ended.shift();
    const events: zeromq.Event[] = [];
    for (let event = await before.receive(); event.type !== "end"; event = await before.receive()) {
      events.push(event);
    }
    this.#pauseMs = events.length > 0 ? 1 : Math.min(2 * this.#pauseMs, MAX_MONITOR_MS);
    this.#due = now + this.#pauseMs;
    return events;
  }

  /** Looks no more. */
  stop(): void {
    this.#observer.close();
  }

  /** Closes the socket; see {@linkcode close}. */
  close(lingerMs: number): Promise<void> {
    return close(this.#socket, lingerMs, this.#observer);
  }
}

/**
 * An observer's address in libzmq is its place in memory, and libzmq forgets it a moment after the observer's end: a new one
 * in the same place may come too early. Ended ones are kept for a while, so that their places are not taken.
 */
function observe(socket: zeromq.Socket): zeromq.Observer {
  for (let tries = 1;; tries++) {
    try {
      return new Observer(socket);
    } catch (error) {
      if ((error as LibzmqError).code !== "EADDRINUSE" || tries === 10) throw error;
    }
  }
}

/** Closes a socket. Resolves when libzmq has let go of it: what lingered is written, and the port is free. */
async function close(
  socket: zeromq.Socket,
  lingerMs: number,
  observer: zeromq.Observer = observe(socket),
): Promise<void> {
  socket.linger = lingerMs;
  socket.close();
  // Here the observer does wait. Should Deno not wake it, the timer does.
  const timer = setTimeout(() => observer.close(), lingerMs + CLOSE_MARGIN_MS);
  try {
    // The observer closes itself with its last event.
    while (!observer.closed) await observer.receive();
  } catch {
    // Closed while it waited.
  } finally {
    clearTimeout(timer);
  }
}

/** Receives what there is, up to a batch, and hands it over in one go. */
async function receive(
  socket: zeromq.Pull | zeromq.Subscriber,
  maxMessageBytes: number,
  handler: MessageHandler,
): Promise<boolean> {
  const batch: Promise<Uint8Array[]>[] = [];
  // Asking first is cheaper than the error of a receive that finds nothing.
  while (batch.length < BATCH_MESSAGES && socket.readable) batch.push(socket.receive());
  if (batch.length === 0) return false;
  const messages = await Promise.all(batch);
  if (socket.closed) return false;
  for (const parts of messages) {
    const body = parts[0]!;
    if (parts.length > 1) {
      const size = parts.reduce((sum, { length }) => sum + length, 0);
      handler.handleUnfit("multipart", size, parts.length);
    } else if (body.length > maxMessageBytes) {
      handler.handleUnfit("too-large", body.length, 1);
    } else {
      const frame = encodeFrame(body, 0);
      handler.handleMessage(frame, 0, frameBodyStart(frame, 0), frame.length);
    }
  }
  handler.handleTurnEnd();
  return true;
}

function commonOptions(options: ConnectionOptions): zeromq.SocketOptions<zeromq.Socket> {
  const { heartbeatMs = 0 } = options;
  return {
    linger: 0,
    maxMessageSize: MAX_STORED_BYTES,
    handshakeInterval: options.handshakeTimeoutMs ?? 10_000,
    ...(heartbeatMs > 0 && { heartbeatInterval: heartbeatMs, heartbeatTimeout: heartbeatMs }),
  };
}

// The two roles that listen.

/** @throws {OptionError} `bad-option`: a key is none, or `authorize` is given. */
function listenOptions(options: PullOptions): zeromq.SocketOptions<zeromq.Socket> {
  if (options.authorize !== undefined) {
    // It must not be left out in silence: it keeps people away.
    throw new OptionError("bad-option", "Cannot use authorize: the transport libzmq does not ask it");
  }
  const keys = options.curve && parseServerKeys(options.curve);
  return {
    ...commonOptions(options),
    ...(keys && { curveServer: true, curveSecretKey: encodeZ85(keys.secretKey) }),
  };
}

function bind(socket: zeromq.Socket, address: string): string {
  const endpoint = parseBindEndpoint(address);
  const where = formatEndpoint(endpoint);
  if (endpoint.hostname.includes(":")) socket.ipv6 = true;
  try {
    socket.bindSync(where);
    return socket.lastEndpoint!;
  } catch (cause) {
    socket.close();
    throw explainListen(cause, where, endpoint.hostname);
  }
}

abstract class LibzmqListenSocket<S extends zeromq.Socket> implements ListenSocket, Member {
  readonly address: string;
  protected readonly socket: S;
  #closing: Promise<void> | undefined;

  constructor(socket: S, address: string) {
    this.socket = socket;
    this.address = bind(socket, address);
    loop.add(this);
  }

  abstract turn(): boolean | Promise<boolean>;

  /** libzmq counts nothing. */
  stats(): undefined {
    return undefined;
  }

  close(lingerMs: number): Promise<void> {
    loop.remove(this);
    return this.#closing ??= close(this.socket, lingerMs);
  }
}

class LibzmqPull extends LibzmqListenSocket<zeromq.Pull> implements PullSocket {
  readonly #maxMessageBytes: number;
  readonly #handler: MessageHandler;

  constructor(options: PullOptions, handler: MessageHandler) {
    super(new Pull({ ...listenOptions(options), receiveTimeout: 0 }), options.address);
    this.#maxMessageBytes = options.maxMessageBytes ?? Infinity;
    this.#handler = handler;
  }

  turn(): Promise<boolean> {
    return receive(this.socket, this.#maxMessageBytes, this.#handler);
  }
}

class LibzmqPub extends LibzmqListenSocket<zeromq.Publisher> implements PubSocket {
  #isFlushed = true;

  constructor(options: PubOptions) {
    const socket = new Publisher({
      ...listenOptions(options),
      sendTimeout: 0,
      sendHighWaterMark: options.queue.messages,
    });
    super(socket, options.address);
  }

  /** Takes note of who has subscribed and who is gone: libzmq does so only when it is called. */
  turn(): boolean {
    void this.socket.writable;
    return false;
  }

  publish({ bytes, start, end }: Published): void {
    for (let at = start; at < end; at = frameEnd(bytes, at)) {
      // A copy, since libzmq takes whole arrays only.
      this.#send(bytes.slice(frameBodyStart(bytes, at), frameEnd(bytes, at)));
    }
  }

  /** libzmq's own thread writes. */
  flush(): void {
    this.#isFlushed = true;
  }

  #send(body: Uint8Array): void {
    if (this.#isFlushed) this.turn();
    this.#isFlushed = false;
    void this.socket.send(body as zeromq.MessageLike);
  }
}

// The two roles that dial.

/** @throws {OptionError} `bad-option`: a key is none. */
function dialOptions(options: SubOptions): zeromq.SocketOptions<zeromq.Socket> {
  const curve = options.curve && parseClientKeys(options.curve);
  return {
    ...commonOptions(options),
    reconnectInterval: options.reconnect.minMs,
    reconnectMaxInterval: options.reconnect.maxMs,
    ...(curve && {
      curveServerKey: encodeZ85(curve.serverKey),
      curvePublicKey: encodeZ85(curve.keys.publicKey),
      curveSecretKey: encodeZ85(curve.keys.secretKey),
    }),
  };
}

abstract class LibzmqDialSocket<S extends zeromq.Socket> implements Member {
  protected readonly socket: S;
  readonly #address: string;
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
    this.#address = isTcp ? formatEndpoint(parseEndpoint(options.address)) : options.address;
    if (this.#address.includes("[")) socket.ipv6 = true;
    this.#monitor = new Monitor(socket);
    try {
      socket.connect(this.#address);
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
      this.socket.disconnect(this.#address);
    } catch {
      // libzmq has forgotten the address already.
    }
    this.socket.connect(this.#address);
  }

  /** What is left to do when it is closed may take so long. */
  protected abstract readonly lingerMs: number;

  /** A connection is of use so long after its handshake. */
  protected abstract readonly settleMs: number;

  /** Does what the role is for; true if there was something to do. */
  protected abstract work(): boolean | Promise<boolean>;

  /** Each end of a connection or of an attempt is followed by connect:retry, unless libzmq has given up. */
  #handle(event: zeromq.Event, now: number): void {
    switch (event.type) {
      case "handshake":
        this.#isTold = false;
        this.#upAt = now + this.settleMs;
        return;
      case "handshake:error:other":
      case "handshake:error:protocol":
      case "handshake:error:auth":
        return this.#fail(explainHandshake(this.#address, event.error));
      case "disconnect":
        this.#redialAt = now + REDIAL_MS;
        if (this.#isConnected || this.#upAt !== Infinity) return this.#handleEnd();
        if (this.#isTold) return;
        // The peer said ERROR, or it is of another socket type: libzmq ends the handshake without a word in both cases.
        return this.#fail(
          new HandshakeError(
            "refused-by-peer",
            `Cannot use ${this.#address}: it refused us, or it is the other one of the broker's two addresses`,
          ),
        );
      case "connect:retry":
        this.#redialAt = Infinity;
        if (!this.#isTold) {
          this.#fail(
            new ConnectionError("connect-failed", `Cannot connect to ${this.#address}: nobody listens there`),
          );
        }
        this.#isTold = false;
    }
  }

  #handleEnd(): void {
    const error = new ConnectionError(
      "connection-lost",
      `Cannot keep connection: ${this.#address} ended it, or cannot be reached any more`,
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

class LibzmqSub extends LibzmqDialSocket<zeromq.Subscriber> implements SubSocket {
  protected override readonly lingerMs = 0;
  protected override readonly settleMs = SUBSCRIBE_MS;
  readonly #maxMessageBytes: number;
  readonly #handler: MessageHandler;

  constructor(options: SubOptions, handler: MessageHandler & ConnectionHandler) {
    super(new Subscriber({ ...dialOptions(options), receiveTimeout: 0 }), options, handler);
    this.#maxMessageBytes = options.maxMessageBytes ?? Infinity;
    this.#handler = handler;
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

class LibzmqPush extends LibzmqDialSocket<zeromq.Push> implements PushSocket {
  protected override readonly lingerMs = PUSH_LINGER_MS;
  protected override readonly settleMs = 0;
  readonly #limit: PushOptions["queue"];
  readonly #handler: PushHandler;
  readonly #queue: Fifo<Uint8Array> = new Fifo();
  #bytes = 0;
  #isScheduled = false;

  constructor(options: PushOptions, handler: PushHandler) {
    const socket = new Push({
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

  send(text: string): void {
    const body = encoder.encode(text);
    const { messages, bytes } = this.#limit;
    if (this.#queue.length >= messages || this.#bytes + body.length > bytes) {
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

const encoder = new TextEncoder();
