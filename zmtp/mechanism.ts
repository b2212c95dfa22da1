/**
 * What every security mechanism does for a session: the handshake between the greetings and READY (RFC 37 §2.4).
 *
 * @module
 */
import type { Command, Metadata } from "./command.ts";

/** The handshake of one connection. It never sees a socket, nor a frame. */
export interface Mechanism {
  /** As in the greeting: both sides must name the same. */
  readonly name: string;
  /** For the greeting's octet that nobody reads. */
  readonly asServer: boolean;
  /** The frames that we send as soon as the peer's greeting fits ours; undefined when the first word is the peer's. */
  start(): Uint8Array | undefined;
  /**
   * Takes a command that came before READY.
   *
   * @throws {ProtocolError} `unexpected-before-ready` and others. The session then closes the connection.
   */
  handleCommand(command: Command): MechanismStep;
  /** The frames with which we take the peer after its metadata were found good; undefined when all is said already. */
  accept(): Uint8Array | undefined;
}

/** What follows from a command of the handshake: an answer, or the peer's metadata, which end the handshake. */
export type MechanismStep = { readonly send: Uint8Array } | { readonly metadata: Metadata };
