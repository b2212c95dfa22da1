/**
 * Who may talk to whom (RFC 28, RFC 29, RFC 30).
 *
 * @module
 */

/** The four roles that this engine plays. */
export type SocketType = "PULL" | "PUB" | "PUSH" | "SUB";

const PEERS: Readonly<Record<SocketType, readonly string[]>> = {
  PULL: ["PUSH"],
  PUSH: ["PULL"],
  PUB: ["SUB", "XSUB"],
  SUB: ["PUB", "XPUB"],
};

/** May a socket of our type talk to a peer of that type? The names are exact, as they are for libzmq. */
export function canTalk(our: SocketType, their: string): boolean {
  return PEERS[our].includes(their);
}

/** The peer types that a socket of our type talks to, for an error text. */
export function peersOf(our: SocketType): string {
  return PEERS[our].join(" or ");
}
