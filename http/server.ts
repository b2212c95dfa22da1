/**
 * A gateway that listens, and goes on listening.
 *
 * `Deno.serve` alone ends for ever when a connection cannot be accepted because too many files are open, and takes the process
 * with it. Here that is caught, some of those who wait are sent home, and listening begins again.
 *
 * @module
 */
import { GATEWAY_NUMBERS, HTTP_LINGER_MS } from "../base/defaults.ts";
import { OptionError } from "../base/errors.ts";
import { hostToBind } from "../base/host.ts";
import { explainListen } from "../base/listen_error.ts";
import { checkNumber, readNumbers } from "../base/options.ts";
import { SpareDescriptors } from "../base/spare_descriptors.ts";
import { within } from "../base/waits.ts";
import type { HandlerStats } from "./counters.ts";
import { CutStream } from "./cut_stream.ts";
import { Gate, type GatewayBus } from "./gate.ts";
import { gatewayOf } from "./gateway.ts";
import type { CloseOptions, GatewayHandler } from "./handlers.ts";
import type { GatewayOptions } from "./options.ts";
import { isLoopback } from "./policy.ts";

/** Options of {@linkcode serveGateway}. */
export interface ServeGatewayOptions extends GatewayOptions {
  /**
   * The address to listen on. Any but a loopback one needs `token` or `allowAnonymous: true`.
   *
   * @default "127.0.0.1"
   */
  readonly hostname?: string;
  /**
   * The port to listen on; 0 takes any free one.
   *
   * @default 8000
   */
  readonly port?: number;
  /**
   * Listen beyond this machine without a token: everyone who reaches the port may take part in the bus.
   *
   * @default false
   */
  readonly allowAnonymous?: boolean;
  /**
   * Connections that the system may hold before they are accepted. Thousands of clients that come at once need a long queue.
   *
   * @default 4096
   */
  readonly tcpBacklog?: number;
  /** Closes the gateway when it is aborted. */
  readonly signal?: AbortSignal;
}

/** How a server is doing. */
export interface ServerStats extends HandlerStats {
  /** Does it listen right now? It does not for a moment after too many files were open. */
  readonly isListening: boolean;
}

/** A gateway that listens. */
export interface GatewayServer extends AsyncDisposable {
  /** Where it listens, without a slash at the end and without the prefix, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  /** The live page. A token, if there is one, stands behind the `#`, which browsers send to no server. */
  readonly pageUrl: string;
  /** The address it is bound to. */
  readonly hostname: string;
  /** The port that it listens on, even if 0 was asked for. */
  readonly port: number;
  /** What clients must show; `undefined` when no token is needed. */
  readonly token: string | undefined;
  /** Resolves when the gateway has closed. It never rejects. */
  readonly finished: Promise<void>;
  /** The counters as they are now. */
  stats(): ServerStats;
  /**
   * Answers everyone who waits, refuses new requests, and resolves when all connections are done or `lingerMs` is over, with
   * whether everything ended in time. The broker or client behind it stays open: it is yours.
   *
   * @throws {OptionError} `bad-option`: `lingerMs` is not a time.
   */
  close(options?: CloseOptions): Promise<boolean>;
}

/** After a failed accept or listen: 100 ms, then twice as long each time. */
const MIN_BACK_OFF_MS = 100;
const MAX_BACK_OFF_MS = 5000;
/** So many of those who wait are sent home when there are too many open files. */
const SHED_SHARE = 0.25;
/** Descriptors that are given up then, and must be had again, and as many more, before it listens again: the bus comes first. */
const SPARE_DESCRIPTORS = 8;
/** So often it tries to get them before it cuts the connections that hold them. */
const MAX_TRIES = 5;
/** A server that has listened for so long without a fault starts over with the short back-off. */
const CALM_MS = 10_000;

/**
 * Serves {@linkcode messageGateway} on a port.
 *
 * - It listens when this returns. To listen beyond this machine, it needs `token` or `allowAnonymous: true`.
 * - Too many open files do not end it: some of those who wait are asked to come back later, and it listens again.
 * - `close()` answers everyone who waits, and ends within `lingerMs`.
 *
 * ```ts
 * import { serveGateway } from "../http.ts";
 *
 * await using gateway = serveGateway(null, { port: 0 }); // usually: a MessageServer
 * const response = await fetch(`${gateway.url}/healthz`);
 * console.assert((await response.json()).status === "ok");
 * ```
 *
 * @param bus Where messages come from and go to; `null` for none.
 * @throws {OptionError} If an option has a value that it cannot have (`bad-option`), or if other machines could connect without
 * a token and without `allowAnonymous: true` (`anonymous-not-allowed`).
 * @throws {ListenError} If it cannot listen: `address-in-use`, `address-not-available`, `permission-denied` (the message names
 * the flag) or `listen-failed`.
 */
export function serveGateway(bus: GatewayBus | null, options: ServeGatewayOptions = {}): GatewayServer {
  return new Server(bus, options);
}

class Server implements GatewayServer {
  readonly url: string;
  readonly pageUrl: string;
  readonly hostname: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly finished: Promise<void>;
  readonly #gate: Gate;
  readonly #gateway: GatewayHandler;
  readonly #tcpBacklog: number;
  readonly #resolveFinished: () => void;
  readonly #stopListening: () => void;
  // Invariant: undefined between a failed accept and the next successful listen, and after the end.
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #abort = new AbortController();
  /** Of servers that do not listen any more, but have connections. */
  #failed: AbortController[] = [];
  readonly #spares: SpareDescriptors;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #backOffMs = MIN_BACK_OFF_MS;
  #listensSince = 0;
  #closing: Promise<boolean> | undefined;

  constructor(bus: GatewayBus | null, options: ServeGatewayOptions) {
    const { hostname = "127.0.0.1", signal } = options;
    const { port, tcpBacklog } = readNumbers(GATEWAY_NUMBERS, options);
    const isWide = !isLoopback(hostname.toLowerCase());
    if (isWide && options.token === undefined && options.allowAnonymous !== true) {
      throw new OptionError(
        "anonymous-not-allowed",
        `Cannot listen on ${hostname}: other machines could reach it. Give a token, or say allowAnonymous: true`,
      );
    }
    // Deno sets no TCP keepalive: a peer that vanished from the network is noticed when a wait ends, so every wait must.
    const wideDefaults = isWide ? { longPollMaxMs: 300_000 } : {};
    this.#gate = new Gate(bus, { ...wideDefaults, ...options, hostname });
    this.#gateway = gatewayOf(this.#gate);
    this.#tcpBacklog = tcpBacklog;
    this.token = this.#gateway.token;
    const finished = Promise.withResolvers<void>();
    this.finished = finished.promise;
    this.#resolveFinished = finished.resolve;
    this.hostname = hostname;
    this.port = this.#listen(hostname, port);
    this.#spares = new SpareDescriptors(SPARE_DESCRIPTORS);
    this.url = `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${this.port}`;
    const { prefix } = this.#gate.settings;
    this.pageUrl = `${this.url}${prefix}/monitor${this.token === undefined ? "" : `#token=${this.token}`}`;
    const handleAbort = () => void this.close();
    signal?.addEventListener("abort", handleAbort);
    this.#stopListening = () => signal?.removeEventListener("abort", handleAbort);
    if (signal?.aborted) handleAbort();
  }

  stats(): ServerStats {
    return { ...this.#gate.stats(), isListening: this.#server !== undefined };
  }

  close({ lingerMs }: CloseOptions = {}): Promise<boolean> {
    const checkedMs = checkNumber("lingerMs", lingerMs, HTTP_LINGER_MS);
    return this.#closing ??= this.#close(checkedMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(lingerMs: number): Promise<boolean> {
    const deadline = performance.now() + lingerMs;
    this.#stopListening();
    clearTimeout(this.#retryTimer);
    // New connections are still accepted here, and told to go elsewhere by a 503 rather than by a reset.
    const isIdle = await this.#gateway.close({ lingerMs });
    const server = this.#server;
    this.#server = undefined;
    await this.#spares.close();
    this.#cutFailed();
    let hasEnded = isIdle;
    if (server !== undefined && isIdle) {
      // The rest is answers on their way out; they need a moment, however short the grace was.
      hasEnded = await within(server.shutdown(), Math.max(100, deadline - performance.now()));
    } else if (server !== undefined) {
      // shutdown() waits for handlers that may never answer, and aborting after it is fatal: so this one cuts at once.
      this.#abort.abort();
      await server.finished.catch(() => {});
    }
    this.#resolveFinished();
    return hasEnded;
  }

  #listen(hostname: string, port: number): number {
    this.#abort = new AbortController();
    let server: Deno.HttpServer<Deno.NetAddr>;
    try {
      server = Deno.serve({
        hostname: hostToBind(hostname),
        port,
        tcpBacklog: this.#tcpBacklog,
        signal: this.#abort.signal,
        onListen: () => {},
        onError: (error) => this.#handleError(error),
      }, this.#gateway);
    } catch (error) {
      throw explainListen(error, `${hostname}:${port}`, hostname);
    }
    this.#server = server;
    this.#listensSince = performance.now();
    server.finished.then(() => {}, (error: unknown) => this.#handleFailure(error));
    return server.addr.port;
  }

  /** An answer broke off when it had begun. What is returned goes nowhere then. */
  #handleError(error: unknown): Response {
    return error instanceof CutStream
      ? new Response(null, { status: 500 }) // It was told when it was cut.
      : this.#gate.exit.explain(error);
  }

  /** Accepting failed. Connections that are open live on; only the listening has ended. */
  #handleFailure(error: unknown): void {
    this.#server = undefined;
    this.#failed.push(this.#abort);
    if (this.#closing !== undefined) return this.#cutFailed();
    if (performance.now() - this.#listensSince > CALM_MS) this.#backOffMs = MIN_BACK_OFF_MS;
    // The bus finds these, too, and as long as nobody listens here they are its own.
    while (this.#spares.free());
    const sent = this.#gate.waiting.sendHome(this.#gate, SHED_SHARE);
    this.#gate.settings.log(
      `accept failed: ${
        messageOf(error)
      }; ${sent} waiting clients were sent home, listening again in ${this.#backOffMs} ms`,
    );
    this.#retry(1);
  }

  #retry(tries: number): void {
    this.#retryTimer = setTimeout(async () => {
      this.#backOffMs = Math.min(this.#backOffMs * 2, MAX_BACK_OFF_MS);
      await this.#spares.fill();
      if (this.#closing !== undefined) return;
      if (!this.#spares.isWhole) {
        if (tries === MAX_TRIES) {
          this.#gate.settings.log(
            "accept failed: nothing became free, so all connections of web clients are cut to listen again",
          );
          this.#cutFailed();
        } else this.#gate.waiting.sendHome(this.#gate, SHED_SHARE);
        return this.#retry(tries + 1);
      }
      this.#gate.counters.listenRestarts += 1;
      try {
        this.#listen(this.hostname, this.port);
      } catch (again) {
        this.#handleFailure(again);
      }
    }, this.#backOffMs);
  }

  #cutFailed(): void {
    for (const abort of this.#failed.splice(0)) abort.abort();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
