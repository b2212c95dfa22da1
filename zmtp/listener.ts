/**
 * Listens, and decides who comes in.
 *
 * @module
 */
import { explainListen } from "../base/listen_error.ts";
import { SpareDescriptors } from "../base/spare_descriptors.ts";
import { pause, unlessAborted, within } from "../base/waits.ts";
import { ConnectionError } from "../base/errors.ts";
import { ConnectionRate, isLoopback, Patience } from "./admission.ts";
import { Clock } from "./clock.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import type { Connection } from "./connection.ts";
import { LEAVE_TIMEOUT_MS, type Link, type LinkClock } from "./link.ts";
import { MAX_CONNECTIONS, MAX_PENDING_HANDSHAKES, MAX_PENDING_HANDSHAKES_PER_ADDRESS } from "./wire.ts";

/** The pause after a failed accept, for example when file descriptors have run out. */
const ACCEPT_RETRY_MS = 50;
/** Descriptors that are kept for new connections, in case that the rest of the process has used up all others. */
const SPARE_DESCRIPTORS = 8;
/** A connection that is of no use to its peer has this time before it may have to give way to another one. */
const IDLE_GRACE_MS = 1000;
/** The pause before looking again whether a crowd of newcomers has shaken hands. */
const CROWD_RETRY_MS = 10;

/** Options of a {@linkcode Listener}. */
export interface ListenerOptions {
  /** Where to listen; port 0 for any free one. */
  readonly endpoint: Endpoint;
  /** Connections at once; one more is closed as soon as it is accepted. @default 4096 */
  readonly maxConnections?: number | undefined;
  /** Connections at once whose handshake is not over. @default 1024 */
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
  readonly #rate = new ConnectionRate();
  readonly #patience = new Patience();
  readonly #spares: SpareDescriptors;
  /** Connections whose address has come so often that they wait for their turn. */
  readonly #delayed: Map<Connection, Promise<void>> = new Map();
  #refused = 0;
  #refusedHandshakes = 0;
  #failed = 0;

  /**
   * Binds at once.
   *
   * @throws {ListenError} If it cannot.
   */
  constructor(options: ListenerOptions, makeLink: (conn: Connection, clock: LinkClock) => Link) {
    this.#listener = listen(options.endpoint);
    this.#spares = new SpareDescriptors(SPARE_DESCRIPTORS);
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
    await this.#spares.close();
    await this.#accepting;
    await Promise.all(this.#delayed.values());
    const links = [...this.#links];
    if (lingerMs > 0) {
      await within(Promise.all(links.map((link) => link.drained())), lingerMs);
    }
    for (const link of links) link.leave();
    await within(Promise.all(links.map((link) => link.gone)), LEAVE_TIMEOUT_MS);
    for (const link of links) link.abort();
    await Promise.all(links.map((link) => link.gone));
  }

  async #run(
    ready: Promise<void> | undefined,
    makeLink: (conn: Connection, clock: LinkClock) => Link,
  ): Promise<void> {
    if (ready !== undefined) {
      try {
        await unlessAborted(ready, this.#stopping.signal);
      } catch {
        // Who dials should see that nobody is there, not wait.
        this.#listener[Symbol.dispose]();
        await this.#spares.close();
        return;
      }
    }
    await this.#accept(makeLink);
  }

  async #accept(makeLink: (conn: Connection, clock: LinkClock) => Link): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch {
        if (this.#stopping.signal.aborted) return;
        // EMFILE and ECONNABORTED pass: the broker outlives them.
        this.#failed++;
        if (this.#spares.free()) continue;
        await pause(ACCEPT_RETRY_MS, this.#stopping.signal);
        continue;
      }
      if (this.#stopping.signal.aborted || !this.#hasPlace()) {
        this.#refuse(conn);
        continue;
      }
      const waitMs = this.#rate.arrive(conn.remoteAddr.hostname, this.#clock.now());
      if (waitMs === 0) await this.#admit(conn, makeLink);
      else if (waitMs === Infinity) this.#refuse(conn);
      else this.#admitLater(conn, waitMs, makeLink);
    }
  }

  #refuse(conn: Connection): void {
    this.#refused++;
    conn[Symbol.dispose]();
  }

  /** Its address has its turn again after so long. */
  #admitLater(
    conn: Connection,
    waitMs: number,
    makeLink: (conn: Connection, clock: LinkClock) => Link,
  ): void {
    const admitted = pause(waitMs, this.#stopping.signal).then(() => {
      this.#delayed.delete(conn);
      if (this.#stopping.signal.aborted) return this.#refuse(conn);
      return this.#admit(conn, makeLink);
    });
    this.#delayed.set(conn, admitted);
  }

  async #admit(conn: Connection, makeLink: (conn: Connection, clock: LinkClock) => Link): Promise<void> {
    const { hostname } = conn.remoteAddr;
    if (!await this.#makeRoom(hostname)) {
      this.#refusedHandshakes++;
      return conn[Symbol.dispose]();
    }
    const link = makeLink(conn, this.#clock);
    this.#links.add(link);
    this.#pending.set(link, { hostname, since: this.#clock.now() });
    void link.settled.then(() => {
      // Whoever was given up is no longer among them, and may come again.
      const hasFailed = this.#pending.delete(link) && link.session.state !== "ready";
      if (link.session.state === "ready" && link.session.peerKey !== undefined) this.#rate.know(hostname);
      if (hasFailed) this.#rate.fail(hostname, this.#clock.now());
    });
    void link.gone.then(() => this.#links.delete(link));
    link.start();
  }

  /**
   * Is there a place for one more connection? If need be, one that is of no use to its peer gives way: first whoever has neither
   * subscribed nor sent anything, then whoever has not sent anything for longest. Subscribers stay.
   */
  #hasPlace(): boolean {
    if (this.#links.size + this.#delayed.size < this.#limits.connections) return true;
    const now = this.#clock.now();
    let [idlest, idlestHasSpoken, idlestSince]: [Link | undefined, boolean, number] = [
      undefined,
      true,
      now - IDLE_GRACE_MS,
    ];
    for (const link of this.#links) {
      const since = link.idleSince;
      if (since === undefined || now - since < IDLE_GRACE_MS) continue;
      const { hasSpoken } = link.session;
      if (hasSpoken !== idlestHasSpoken ? hasSpoken : since >= idlestSince && idlest !== undefined) continue;
      [idlest, idlestHasSpoken, idlestSince] = [link, hasSpoken, since];
    }
    if (idlest === undefined) return false;
    idlest.abort(
      new ConnectionError(
        "no-room",
        `Cannot keep connection: others want to connect, the limit is ${this.#limits.connections}, and it does nothing`,
      ),
    );
    this.#links.delete(idlest);
    return true;
  }

  /**
   * Makes room for one more in the handshake. Who is at it for longest gives way, so that silent connections keep nobody out.
   * When all are young it is a crowd: it gets time, and newcomers wait in the operating system, where it costs least. Only for one
   * address above its own limit nobody waits: then this returns false.
   */
  async #makeRoom(hostname: string): Promise<boolean> {
    const perAddress = this.#limits.perAddress ??
      (isLoopback(hostname) ? Infinity : MAX_PENDING_HANDSHAKES_PER_ADDRESS);
    while (!this.#stopping.signal.aborted) {
      const now = this.#clock.now();
      let late: Link | undefined;
      let lateOfAddress: Link | undefined;
      let ofAddress = 0;
      for (const [link, pending] of this.#pending) {
        // Whoever waits for `authorize` has done its part.
        const isLate = link.session.state !== "undecided" &&
          this.#patience.isOver(pending.since, link.session.heardAt, now);
        if (isLate) late ??= link;
        if (pending.hostname !== hostname) continue;
        if (isLate) lateOfAddress ??= link;
        ofAddress++;
      }
      if (ofAddress >= perAddress) return this.#giveUp(lateOfAddress);
      if (this.#pending.size < this.#limits.pending || this.#giveUp(late)) return true;
      await pause(CROWD_RETRY_MS, this.#stopping.signal);
      this.#patience.measure(CROWD_RETRY_MS, this.#clock.now() - now);
    }
    return false;
  }

  #giveUp(link: Link | undefined): boolean {
    if (link === undefined) return false;
    this.#refusedHandshakes++;
    this.#pending.delete(link);
    link.abort();
    return true;
  }
}

function listen(endpoint: Endpoint): Deno.TcpListener {
  const { hostname, port } = endpoint;
  try {
    return Deno.listen({ hostname, port, transport: "tcp" });
  } catch (cause) {
    throw explainListen(cause, formatEndpoint(endpoint), hostname);
  }
}
