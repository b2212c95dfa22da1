/**
 * Dials, for ever.
 *
 * @module
 */
import { ConnectionError, HandshakeError } from "../base/errors.ts";
import { pause, unlessAborted } from "../base/waits.ts";
import { pauseBeforeDial, type ReconnectOptions } from "./backoff.ts";
import { Clock } from "./clock.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import type { Connection } from "./connection.ts";
import type { Link, LinkClock } from "./link.ts";

/** A dial that the operating system does not decide is given up after this time. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The pause before dialling a peer again that has refused us: it will hardly change its mind at once. */
const REFUSED_RETRY_MS = 30_000;

/** Takes what a {@linkcode Dialer} finds out. */
export interface DialerHandler {
  /** There is a connection: make a link of it. */
  makeLink(conn: Connection, clock: LinkClock): Link;
  /** A dial or a link ended. The dialer goes on unless `isFinal`. */
  handleFailure(error: Error, isFinal: boolean): void;
  /** The link is gone, both loops have ended. */
  handleGone(link: Link): void;
}

/** Keeps one link to an endpoint, for ever: exponential back-off with jitter between two dials. */
export class Dialer {
  readonly #endpoint: Endpoint;
  readonly #reconnect: ReconnectOptions;
  readonly #handler: DialerHandler;
  readonly #clock = new Clock();
  readonly #stopping = new AbortController();
  #link: Link | undefined;
  #attempt = 0;
  #lastFailure: Error | undefined;
  readonly #running: Promise<void>;

  /** Dials once `ready` has resolved; when it rejects, that is the final failure. */
  constructor(
    endpoint: Endpoint,
    reconnect: ReconnectOptions,
    handler: DialerHandler,
    ready?: Promise<void>,
  ) {
    this.#endpoint = endpoint;
    this.#reconnect = reconnect;
    this.#handler = handler;
    this.#running = this.#run(ready);
  }

  /** The link, while there is one. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** The handshake is over: the next failure starts with the shortest pause again. */
  succeeded(): void {
    this.#attempt = 0;
  }

  /** The link ended for this reason; the link's handler passes it on. */
  failed(reason: Error): void {
    this.#lastFailure = reason;
    if (!this.#stopping.signal.aborted) this.#handler.handleFailure(reason, false);
  }

  /** Stops dialling and ends the link politely. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#link?.leave();
    await this.#running;
  }

  async #run(ready: Promise<void> | undefined): Promise<void> {
    // The constructor of our owner has to be through before it hears of anything.
    await Promise.resolve();
    if (ready !== undefined) {
      try {
        await unlessAborted(ready, this.#stopping.signal);
      } catch (error) {
        if (!this.#stopping.signal.aborted) this.#handler.handleFailure(error as Error, true);
        return;
      }
    }
    while (!this.#stopping.signal.aborted) {
      this.#lastFailure = undefined;
      try {
        await this.#dial();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        const isFinal = error instanceof ConnectionError && error.code === "permission-denied";
        this.#handler.handleFailure(error as Error, isFinal);
        if (isFinal) return;
      }
      if (this.#stopping.signal.aborted) return;
      await pause(this.#pauseMs(), this.#stopping.signal);
    }
  }

  async #dial(): Promise<void> {
    const conn = await connect(this.#endpoint, this.#stopping.signal);
    // The connection came in one turn, and whoever closes us may have had another in between.
    if (this.#stopping.signal.aborted) return conn[Symbol.dispose]();
    const link = this.#handler.makeLink(conn, this.#clock);
    this.#link = link;
    link.start();
    await link.gone;
    this.#link = undefined;
    this.#handler.handleGone(link);
  }

  #pauseMs(): number {
    if (this.#lastFailure instanceof HandshakeError && this.#lastFailure.code !== "handshake-timeout") {
      return Math.max(this.#reconnect.maxMs, REFUSED_RETRY_MS);
    }
    return pauseBeforeDial(++this.#attempt, this.#reconnect, Math.random());
  }
}

async function connect(endpoint: Endpoint, stop: AbortSignal): Promise<Deno.TcpConn> {
  const { hostname, port } = endpoint;
  const where = formatEndpoint(endpoint);
  const giveUp = new AbortController();
  const abort = () => giveUp.abort();
  stop.addEventListener("abort", abort);
  const timer = setTimeout(abort, CONNECT_TIMEOUT_MS);
  try {
    const conn = await Deno.connect({ hostname, port, signal: giveUp.signal });
    const { localAddr, remoteAddr } = conn;
    if (localAddr.port === remoteAddr.port && localAddr.hostname === remoteAddr.hostname) {
      // Dialling a free port of one's own machine again and again ends in a connection with oneself (TCP allows it).
      conn.close();
      throw new ConnectionError("connect-failed", `Cannot connect to ${where}: nobody listens there`);
    }
    return conn;
  } catch (cause) {
    if (cause instanceof ConnectionError) throw cause;
    if (cause instanceof Deno.errors.NotCapable) {
      const message =
        `Cannot connect to ${where}: Deno's sandbox does not allow it, run with --allow-net=${hostname}`;
      throw new ConnectionError("permission-denied", message, { cause });
    }
    const why = giveUp.signal.aborted ? `no answer within ${CONNECT_TIMEOUT_MS} ms` : messageOf(cause);
    throw new ConnectionError("connect-failed", `Cannot connect to ${where}: ${why}`, { cause });
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", abort);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
