/**
 * The two roles that listen.
 *
 * @module
 */
// deno-lint-ignore no-import-prefix -- a remote module does not see our import map
import type * as zeromq from "npm:zeromq@6.8.0";
import { explainListen } from "../../base/listen_error.ts";
import { frameBodyStart, frameEnd } from "../frame.ts";
import { formatEndpoint, parseBindEndpoint } from "../endpoint.ts";
import type {
  ListenSocket,
  MessageHandler,
  Published,
  PubOptions,
  PubSocket,
  PullOptions,
  PullSocket,
} from "../transport.ts";
import { library } from "./loader.ts";
import { loop, type Member } from "./loop.ts";
import { close } from "./monitor.ts";
import { listenOptions } from "./options.ts";
import { receive } from "./receive.ts";

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

  /** libzmq does not tell. */
  peers(): readonly [] {
    return [];
  }

  /** libzmq counts nothing. */
  stats(): undefined {
    return undefined;
  }

  close(lingerMs: number): Promise<void> {
    loop.remove(this);
    return this.#closing ??= close(this.socket, lingerMs);
  }
}

/** See {@linkcode PullSocket}. */
export class LibzmqPull extends LibzmqListenSocket<zeromq.Pull> implements PullSocket {
  readonly #maxMessageBytes: number;
  readonly #handler: MessageHandler;

  constructor(options: PullOptions, handler: MessageHandler) {
    super(new library.Pull({ ...listenOptions(options), receiveTimeout: 0 }), options.address);
    this.#maxMessageBytes = options.maxMessageBytes ?? Infinity;
    this.#handler = handler;
  }

  turn(): Promise<boolean> {
    return receive(this.socket, this.#maxMessageBytes, this.#handler);
  }
}

/** See {@linkcode PubSocket}. */
export class LibzmqPub extends LibzmqListenSocket<zeromq.Publisher> implements PubSocket {
  #isFlushed = true;

  constructor(options: PubOptions) {
    const socket = new library.Publisher({
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
