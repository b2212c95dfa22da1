/**
 * The only file of the engine that names `Deno.` or a timer: listening, dialling, and the clock that looks at deadlines.
 *
 * @module
 */
import { ConnectionError, HandshakeError, ListenError } from "../base/errors.ts";
import { pauseBeforeDial, type ReconnectOptions } from "./backoff.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import { LEAVE_TIMEOUT_MS, type Link, type LinkClock } from "./link.ts";
import { MAX_CONNECTIONS, MAX_PENDING_HANDSHAKES, MAX_PENDING_HANDSHAKES_PER_ADDRESS } from "./wire.ts";

/** The pause after a failed accept, for example when file descriptors have run out. */
const ACCEPT_RETRY_MS = 50;
/** A dial that the operating system does not decide is given up after this time. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The pause before dialling a peer again that has refused us: it will hardly change its mind at once. */
const REFUSED_RETRY_MS = 30_000;
/** Deadlines are looked at no more often than this. */
const SWEEP_FLOOR_MS = 10;
/** A longer timer would fire at once. */
const MAX_TIMER_MS = 0x7fff_ffff;
/** A sweep that comes so much too late gives way to reads that are due as well. */
const LATE_MS = 100;
/** Whoever has not shaken hands after this time, while others want to, has to give way: honest peers are faster. */
const HANDSHAKE_GRACE_MS = 1000;
/** The pause before looking again whether a crowd of newcomers has shaken hands. */
const CROWD_RETRY_MS = 10;

/** Looks at the deadlines of many links with one timer, which runs only while there is a deadline. */
export class Clock implements LinkClock {
  readonly #links: Set<Link> = new Set();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;
  #hasWaited = false;

  /** Milliseconds from an arbitrary start; never goes back. */
  now(): number {
    return performance.now();
  }

  /** A link whose deadlines count from now on. */
  add(link: Link): void {
    this.#links.add(link);
    this.expect(link.deadline);
  }

  /** A link that is gone. */
  remove(link: Link): void {
    this.#links.delete(link);
    if (this.#links.size === 0) this.#set(Infinity);
  }

  /** Some link's deadline may have come nearer. */
  expect(due: number): void {
    if (due < this.#due) this.#set(due);
  }

  #set(due: number): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = due;
    if (due === Infinity) return;
    const ms = Math.min(MAX_TIMER_MS, Math.max(SWEEP_FLOOR_MS, due - this.now()));
    this.#timer = setTimeout(() => this.#sweep(), ms);
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = this.now();
    const isLate = now - this.#due > LATE_MS;
    this.#due = Infinity;
    if (isLate && !this.#hasWaited) {
      // This process was stopped or busy: what peers have sent meanwhile is read before they are called silent.
      this.#hasWaited = true;
      return this.expect(now);
    }
    this.#hasWaited = false;
    for (const link of [...this.#links]) link.tick(now);
    let due = Infinity;
    for (const link of this.#links) due = Math.min(due, link.deadline);
    this.expect(due);
  }
}

/** Options of a {@linkcode Listener}. */
export interface ListenerOptions {
  /** Where to listen; port 0 for any free one. */
  readonly endpoint: Endpoint;
  /** Connections at once; one more is closed as soon as it is accepted. @default 4096 */
  readonly maxConnections?: number | undefined;
  /** Connections at once whose handshake is not over. @default 256 */
  readonly maxPendingHandshakes?: number | undefined;
  /** The same for one address. @default 64; for the loopback, which all programs of this machine share, no limit of its own */
  readonly maxPendingHandshakesPerAddress?: number | undefined;
  /** Until it resolves connections wait in the operating system; when it rejects, we stop to listen. */
  readonly ready?: Promise<void> | undefined;
}

/** Listens, and makes a link of each connection. */
export class Listener {
  /** Where it listens, with the port that was chosen. */
  readonly endpoint: Endpoint;
  readonly #listener: Deno.TcpListener;
  readonly #limits: {
    readonly connections: number;
    readonly pending: number;
    readonly perAddress: number | undefined;
  };
  /** The connections in the handshake: address and begin of each. Invariant: the one that began first comes first. */
  readonly #pending: Map<Link, { readonly hostname: string; readonly since: number }> = new Map();
  readonly #links: Set<Link> = new Set();
  readonly #accepting: Promise<void>;
  readonly #clock = new Clock();
  readonly #stopping = new AbortController();
  #refused = 0;
  #refusedHandshakes = 0;
  #failed = 0;

  /**
   * Binds at once.
   *
   * @throws {ListenError} If it cannot.
   */
  constructor(options: ListenerOptions, makeLink: (conn: Deno.TcpConn, clock: Clock) => Link) {
    this.#listener = listen(options.endpoint);
    const { hostname, port } = this.#listener.addr;
    this.endpoint = { hostname, port };
    this.#limits = {
      connections: options.maxConnections ?? MAX_CONNECTIONS,
      pending: options.maxPendingHandshakes ?? MAX_PENDING_HANDSHAKES,
      perAddress: options.maxPendingHandshakesPerAddress,
    };
    this.#accepting = this.#run(options.ready, makeLink);
  }

  /** Connections at the moment, those that are about to end included. */
  get connections(): number {
    return this.#links.size;
  }

  /** Of these, those in the handshake. */
  get pendingHandshakes(): number {
    return this.#pending.size;
  }

  /** Connections that were closed because too many were in the handshake. */
  get refusedHandshakes(): number {
    return this.#refusedHandshakes;
  }

  /** Connections that were closed because there were too many. */
  get refused(): number {
    return this.#refused;
  }

  /** Times that the operating system could not give us a connection, for example for lack of file descriptors. */
  get failed(): number {
    return this.#failed;
  }

  /** Stops listening and ends all links; what they still have to write is written if that takes no longer than `lingerMs`. */
  async close(lingerMs: number): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#listener[Symbol.dispose]();
    await this.#accepting;
    const links = [...this.#links];
    if (lingerMs > 0) {
      await withTimeout(Promise.all(links.map((link) => link.drained())), lingerMs);
    }
    for (const link of links) link.leave();
    await withTimeout(Promise.all(links.map((link) => link.gone)), LEAVE_TIMEOUT_MS);
    for (const link of links) link.abort();
    await Promise.all(links.map((link) => link.gone));
  }

  async #run(
    ready: Promise<void> | undefined,
    makeLink: (conn: Deno.TcpConn, clock: Clock) => Link,
  ): Promise<void> {
    if (ready !== undefined) {
      try {
        await unlessAborted(ready, this.#stopping.signal);
      } catch {
        // Who dials should see that nobody is there, not wait.
        this.#listener[Symbol.dispose]();
        return;
      }
    }
    await this.#accept(makeLink);
  }

  async #accept(makeLink: (conn: Deno.TcpConn, clock: Clock) => Link): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch {
        if (this.#stopping.signal.aborted) return;
        // EMFILE and ECONNABORTED pass: the broker outlives them.
        this.#failed++;
        await pause(ACCEPT_RETRY_MS, this.#stopping.signal);
        continue;
      }
      if (this.#stopping.signal.aborted || this.#links.size >= this.#limits.connections) {
        this.#refused++;
        conn.close();
        continue;
      }
      const { hostname } = conn.remoteAddr;
      if (!await this.#makeRoom(hostname)) {
        this.#refusedHandshakes++;
        conn.close();
        continue;
      }
      const link = makeLink(conn, this.#clock);
      this.#links.add(link);
      this.#pending.set(link, { hostname, since: this.#clock.now() });
      void link.settled.then(() => this.#pending.delete(link));
      void link.gone.then(() => this.#links.delete(link));
      link.start();
    }
  }

  /**
   * Makes room for one more in the handshake. Who is at it for longest gives way, so that silent connections keep nobody out.
   * When all are young it is a crowd: it gets time, and newcomers wait in the operating system, where it costs least. Only for one
   * address above its own limit nobody waits: then this returns false.
   */
  async #makeRoom(hostname: string): Promise<boolean> {
    const perAddress = this.#limits.perAddress ??
      (LOOPBACK.test(hostname) ? Infinity : MAX_PENDING_HANDSHAKES_PER_ADDRESS);
    while (!this.#stopping.signal.aborted) {
      let oldest: Link | undefined;
      let oldestOfAddress: Link | undefined;
      let ofAddress = 0;
      for (const [link, pending] of this.#pending) {
        // Whoever waits for `authorize` has done its part.
        if (!link.session.isUndecided) oldest ??= link;
        if (pending.hostname !== hostname) continue;
        if (!link.session.isUndecided) oldestOfAddress ??= link;
        ofAddress++;
      }
      if (ofAddress >= perAddress) return this.#giveUp(oldestOfAddress);
      if (this.#pending.size < this.#limits.pending || this.#giveUp(oldest)) return true;
      await pause(CROWD_RETRY_MS, this.#stopping.signal);
    }
    return false;
  }

  #giveUp(link: Link | undefined): boolean {
    if (link === undefined || this.#clock.now() - this.#pending.get(link)!.since < HANDSHAKE_GRACE_MS) {
      return false;
    }
    this.#refusedHandshakes++;
    this.#pending.delete(link);
    link.abort();
    return true;
  }
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/** Takes what a {@linkcode Dialer} finds out. */
export interface DialerHandler {
  /** There is a connection: make a link of it. */
  makeLink(conn: Deno.TcpConn, clock: Clock): Link;
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

function listen(endpoint: Endpoint): Deno.TcpListener {
  const { hostname, port } = endpoint;
  try {
    return Deno.listen({ hostname, port, transport: "tcp" });
  } catch (cause) {
    const where = formatEndpoint(endpoint);
    if (cause instanceof Deno.errors.NotCapable) {
      const message =
        `Cannot listen on ${where}: Deno's sandbox does not allow it, run with --allow-net=${hostname}`;
      throw new ListenError("permission-denied", message, { cause });
    }
    if (cause instanceof Deno.errors.AddrInUse) {
      throw new ListenError("address-in-use", `Cannot listen on ${where}: another program uses the port`, {
        cause,
      });
    }
    if (cause instanceof Deno.errors.AddrNotAvailable) {
      throw new ListenError(
        "address-not-available",
        `Cannot listen on ${where}: this machine has no such address`,
        {
          cause,
        },
      );
    }
    if (cause instanceof Deno.errors.PermissionDenied) {
      const message =
        `Cannot listen on ${where}: the operating system does not allow it, try a port above 1023`;
      throw new ListenError("permission-denied", message, { cause });
    }
    throw new ListenError("listen-failed", `Cannot listen on ${where}: ${messageOf(cause)}`, { cause });
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
    if (stop.aborted) {
      conn.close();
      throw new ConnectionError("connect-failed", `Cannot connect to ${where}: closed`);
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

/** Calls back when everything that is due in this turn of the event loop is done; a microtask comes after each part of it. */
export function atTurnEnd(callback: () => void): void {
  setImmediate(callback);
}

/** Resolves when the promise does, or after the time; never rejects for the time. */
export async function withTimeout(promise: Promise<unknown>, ms: number): Promise<void> {
  const stop = new AbortController();
  try {
    await Promise.race([promise, pause(ms, stop.signal)]);
  } finally {
    stop.abort();
  }
}

/** The promise's outcome, or a rejection as soon as the signal is aborted. */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  const abort = () => stopped.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    await Promise.race([promise, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Resolves after the time, or as soon as the signal is aborted. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.resolve();
  const done = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", done);
    resolve();
  };
  const timer = setTimeout(done, ms);
  signal?.addEventListener("abort", done);
  return promise;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
