/**
 * PULL, listening: takes messages of whoever connects (RFC 30).
 *
 * @module
 */
import { formatEndpoint, parseBindEndpoint } from "./endpoint.ts";
import { FaultCounter } from "./fault_counter.ts";
import { Outbox } from "./outbox.ts";
import { decider } from "./authorize.ts";
import { listenSecurity } from "./security.ts";
import { metadataOf, propertyOf } from "./properties.ts";
import type { Connection } from "./connection.ts";
import { Link, type LinkClock, type LinkHandler } from "./link.ts";
import { Listener } from "./listener.ts";
import { MESSAGE_TIMEOUT_MS } from "./wire.ts";
import { PeerRecord } from "./peer_record.ts";
import type {
  ListenStats,
  MessageHandler,
  PeerConnection,
  PeerStats,
  PullOptions,
  PullSocket,
} from "./transport.ts";

/**
 * A PULL that listens.
 *
 * - The messages of one connection come in the order in which they were sent, those of several in the order in which they
 *   arrive.
 * - A connection is always read: nothing waits here, so a sender is slowed by its own connection only.
 */
export class Pull implements PullSocket {
  readonly ready: Promise<void> | undefined;
  readonly #listener: Listener;
  readonly #faults = new FaultCounter();
  readonly #peers: Set<PullPeer> = new Set();

  /**
   * Binds at once.
   *
   * @throws {AddressError} If the address is no `tcp://host:port`.
   * @throws {ListenError} If it cannot listen there.
   * @throws {OptionError} If a key of CURVE is none.
   */
  constructor(options: PullOptions, handler: MessageHandler) {
    const endpoint = parseBindEndpoint(options.address);
    const security = listenSecurity(metadataOf("PULL", options.properties), options);
    const decide = decider(options.authorize, "send");
    const makeLink = (conn: Connection, clock: LinkClock) => {
      const mechanism = security.makeMechanism();
      const outbox = new Outbox(NOTHING_TO_SEND);
      const peer = new PullPeer(handler, this.#faults, this.#peers, options.handleFailedHandshake, clock);
      return peer.link = new Link(
        conn,
        { messageTimeoutMs: MESSAGE_TIMEOUT_MS, ...options, socketType: "PULL", mechanism, decide },
        outbox,
        peer,
        clock,
      );
    };
    this.ready = security.ready;
    this.#listener = new Listener({ ...options, endpoint, ready: this.ready }, makeLink);
  }

  get address(): string {
    return formatEndpoint(this.#listener.endpoint);
  }

  stats(): ListenStats {
    return listenStats(this.#listener, this.#faults);
  }

  peers(): readonly PeerStats[] {
    return [...this.#peers].map((peer) => peer.stats());
  }

  close(lingerMs: number): Promise<void> {
    return this.#listener.close(lingerMs);
  }
}

/** Counters that PULL and PUB share. */
export function listenStats(listener: Listener, faults: FaultCounter): ListenStats {
  return {
    connections: listener.connections,
    pendingHandshakes: listener.pendingHandshakes,
    accepted: faults.accepted,
    refusedConnections: listener.refused,
    refusedHandshakes: listener.refusedHandshakes,
    failedAccepts: listener.failed,
    meaninglessFrames: faults.noise,
    faults: faults.byCode(),
  };
}

const NOTHING_TO_SEND = { messages: 0, bytes: 0 };

/** What a PULL keeps of one connection. */
class PullPeer implements LinkHandler, PeerConnection {
  link: Link | undefined;
  readonly #handler: MessageHandler;
  readonly #faults: FaultCounter;
  readonly #peers: Set<PullPeer>;
  readonly #record: PeerRecord;

  constructor(
    handler: MessageHandler,
    faults: FaultCounter,
    peers: Set<PullPeer>,
    handleFailedHandshake: PullOptions["handleFailedHandshake"],
    clock: LinkClock,
  ) {
    this.#handler = handler;
    this.#faults = faults;
    this.#peers = peers;
    this.#record = new PeerRecord(clock, handleFailedHandshake);
  }

  stats(): PeerStats {
    return this.#record.stats(this, this.link!);
  }

  get address(): string {
    return this.link!.remoteAddress;
  }

  property(name: string): string | undefined {
    return propertyOf(this.link!.session.peer, name);
  }

  handleReady(): void {
    this.#record.join();
    this.#peers.add(this);
    this.#faults.accepted++;
  }

  handleMessage(bytes: Uint8Array, start: number, bodyStart: number, end: number): void {
    const record = this.#record;
    record.messages++;
    record.bytes += end - start;
    this.#handler.handleMessage(bytes, start, bodyStart, end, this);
  }

  handleNoise(): void {
    this.#faults.noise++;
  }

  handleUnfit(reason: "multipart" | "too-large", size: number, parts: number): void {
    this.#record.messages++;
    this.#record.bytes += size;
    this.#handler.handleUnfit(reason, size, parts, this);
  }

  handleTurnEnd(): void {
    this.#record.hear();
    this.#handler.handleTurnEnd();
  }

  handleEnd(reason: Error): void {
    this.#faults.count(reason);
    this.#peers.delete(this);
    this.#record.end(this.address, reason);
  }
}
