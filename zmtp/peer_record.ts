/**
 * What a listening socket knows of one connection, for people: since when, how much, and how it ended if it never began.
 *
 * @module
 */
import { encodeZ85 } from "./curve/z85.ts";
import { ConnectionError, HandshakeError, ProtocolError } from "../base/errors.ts";
import type { Link, LinkClock } from "./link.ts";
import type { PeerConnection, PeerStats, PullOptions } from "./transport.ts";

/** Counted where a message passes, so plain fields. */
export class PeerRecord {
  /** Messages that it sent, or that were written to it. */
  messages = 0;
  /** Bytes of these. */
  bytes = 0;
  readonly #clock: LinkClock;
  #heardAt: number;
  /** Undefined before the handshake is over. */
  #joinedAt: number | undefined;

  readonly #tellFailure: PullOptions["handleFailedHandshake"];

  /** It has connected. */
  constructor(clock: LinkClock, tellFailure: PullOptions["handleFailedHandshake"]) {
    this.#clock = clock;
    this.#tellFailure = tellFailure;
    this.#heardAt = clock.now();
  }

  /** The handshake is over. */
  join(): void {
    this.#joinedAt = this.#clock.now();
  }

  /** Something was read. */
  hear(): void {
    this.#heardAt = this.#clock.now();
  }

  /** As it is now. */
  stats(
    peer: PeerConnection,
    { session }: Link,
    { queuedMessages, dropped, waitedMs }: Pick<PeerStats, "queuedMessages" | "dropped" | "waitedMs"> =
      NO_QUEUE,
  ): PeerStats {
    const { messages, bytes } = this;
    const now = this.#clock.now();
    const [connectedMs, silentMs] = [now - (this.#joinedAt ?? now), now - this.#heardAt];
    const { peerKey } = session;
    const publicKey = peerKey === undefined ? undefined : encodeZ85(peerKey);
    return { peer, connectedMs, silentMs, messages, bytes, publicKey, queuedMessages, dropped, waitedMs };
  }

  /** It has ended. Tells of one that was never in and should have been; whoever just leaves has done nothing wrong. */
  end(address: string, reason: Error): void {
    const isFault = reason instanceof HandshakeError || reason instanceof ProtocolError ||
      (reason instanceof ConnectionError && reason.code === "hung-up");
    if (this.#joinedAt === undefined && isFault) this.#tellFailure?.(address, reason);
  }
}

const NO_QUEUE = { queuedMessages: 0, dropped: 0, waitedMs: 0 };
