/**
 * A ZeroMQ engine in TypeScript: ZMTP 3.1 over TCP for PULL and PUB, which listen, and PUSH and SUB, which dial. It talks to
 * libzmq >= 4.0 and everything built on it. Older peers are refused, as is whatever is no ZMTP at all.
 *
 * Broker and clients stand on it; most programs want those instead.
 *
 * @module
 */
import { Pub } from "./pub.ts";
import { Pull } from "./pull.ts";
import { Push } from "./push.ts";
import { Sub } from "./sub.ts";
import { OptionError } from "../base/errors.ts";
import type { SocketTransport, Transport } from "./transport.ts";

export { Pub, Pull, Push, Sub };
export { allowKeys, keyNameOf } from "./authorize.ts";
export { type CurveKeyPair, curveKeyPair, formatPublicKey } from "./curve/keys.ts";
export type * from "./transport.ts";
export { Arena, Block } from "./arena.ts";
export { encodeTextFrame, frameBodyStart, frameEnd, frameHeaderSize, writeFrameHeader } from "./frame.ts";
export { MemoryBudget, type MemoryHolder } from "../base/memory_budget.ts";
export type { QueueLimit } from "./outbox.ts";
export type { SlowestReader } from "./pace.ts";
export { ReadGate } from "./read_gate.ts";
export { type Endpoint, formatEndpoint, parseBindEndpoint, parseEndpoint } from "./endpoint.ts";

/** Our own engine as a transport; the default of broker and clients. */
export const zmtp: SocketTransport = {
  name: "zmtp",
  pull: (options, handler) => new Pull(options, handler),
  pub: (options) => new Pub(options),
  push: (options, handler) => new Push(options, handler),
  sub: (options, handler) => new Sub(options, handler),
};

/**
 * The sockets of a transport; of our own engine where none is given.
 *
 * @throws {OptionError} If it is something else: `bad-option`.
 */
export function socketsOf(transport: Transport = zmtp): SocketTransport {
  if (isSocketTransport(transport)) return transport;
  throw new OptionError("bad-option", "Cannot use transport: expected `libzmq` of ./libzmq, or nothing");
}

function isSocketTransport(transport: Partial<SocketTransport> | null): transport is SocketTransport {
  return [transport?.pull, transport?.pub, transport?.push, transport?.sub].every((open) =>
    typeof open === "function"
  );
}
