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
  /** For the greeting's byte that nobody reads. */
  readonly asServer: boolean;
  /** Bytes by which the body of a frame grows after READY; left out for none. */
  readonly overhead?: number;
  /** What frames go through after READY; undefined where they travel as they are. */
  readonly box?: MessageBox | undefined;
  /** The peer's long-term public key, which it has proven to own; undefined before, and where there are no keys. */
  readonly peerKey?: Uint8Array | undefined;
  /** What a peer that hangs up in the middle of the handshake may want to tell us. */
  readonly hangUpHint?: string;
  /** The frames that we send as soon as the peer's greeting fits ours; undefined when the first word is the peer's. */
  start(): Uint8Array | undefined;
  /**
   * Takes a command that came before READY; `isLong` tells that its frame had a size of eight bytes.
   *
   * @throws {ProtocolError} `unexpected-before-ready` and others. The session then closes the connection.
   */
  handleCommand(command: Command, isLong?: boolean): MechanismStep;
  /** The frames with which we take the peer after its metadata were found good; undefined when all is said already. */
  accept(): Uint8Array | undefined;
  /** Overwrites its secrets, those of its box too: the connection is gone. */
  forget?(): void;
}

/** Seals what we send and opens what the peer sends, frame by frame, in the order in which they travel. */
export interface MessageBox {
  /**
   * Whole frames, each in a box of its own, as they must be written: each call goes on where the one before ended.
   *
   * @throws {ProtocolError} `bad-crypto`: no nonce is left.
   */
  seal(frames: Uint8Array): Uint8Array;
  /** Which byte of the frames `sealedOffset` is; for one inside a frame, any byte inside that frame. */
  plainOffset(frames: Uint8Array, sealedOffset: number): number;
  /**
   * Opens the box in the frame `bytes[start, end)` and returns where the frame that was in it begins in
   * {@linkcode MessageBox.block}. It is whole, and stays as it is.
   *
   * @throws {ProtocolError} `bad-frame`, `bad-crypto`.
   */
  open(bytes: Uint8Array, start: number, bodyStart: number, end: number): number;
  /** Where the frame lies that was opened last. */
  readonly block: Uint8Array;
  /** No more boxes come for the moment: room that only a large one needed is let go. */
  endTurn(): void;
  /** Overwrites the keys. */
  forget(): void;
}

/** What follows from a command of the handshake: an answer, or the peer's metadata, which end the handshake. */
export type MechanismStep = { readonly send: Uint8Array } | { readonly metadata: Metadata };
