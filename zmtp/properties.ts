/**
 * Properties of READY: what a socket says of itself beside its type, and what it hears of the peer.
 *
 * @module
 */
import { type Metadata, socketTypeMetadata } from "./command.ts";
import type { Peer } from "./session.ts";
import type { SocketType } from "./socket_type.ts";
import type { Properties } from "./transport.ts";

/** The metadata of the next connection. */
export function metadataOf(socketType: SocketType, properties: Properties = () => []): () => Metadata {
  const own = socketTypeMetadata(socketType);
  return () => [...own, ...properties().map(([name, value]) => [name, encoder.encode(value)] as const)];
}

/** The text of a property, by its name in any case; undefined where the peer gave none, or is not known yet. */
export function propertyOf(peer: Peer | undefined, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const value = peer?.metadata.find(([given]) => given.toLowerCase() === wanted)?.[1];
  return value === undefined ? undefined : decoder.decode(value);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
