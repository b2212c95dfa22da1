/**
 * libzmq itself as the transport of broker and clients, from `npm:zeromq`. For its other transports such as `ipc://`, its own CURVE,
 * or a second opinion; docs/libzmq.md says what differs from our own engine.
 *
 * Native code is loaded as soon as this file is imported, so it needs `--allow-ffi --allow-read`, and that leaves Deno's
 * sandbox: libzmq opens sockets without asking for `--allow-net`. Nothing else imports this file.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../../broker.ts";
 * import { libzmq } from "./mod.ts";
 *
 * await using server = new MessageServer({ transport: libzmq });
 * console.assert(server.broadcastAddress.startsWith("tcp://127.0.0.1:"));
 * ```
 *
 * @module
 */
import type { SocketTransport, Transport } from "../transport.ts";
import { LibzmqPush, LibzmqSub } from "./dial_sockets.ts";
import { LibzmqPub, LibzmqPull } from "./listen_sockets.ts";

export type { Transport } from "../transport.ts";

const sockets: SocketTransport = {
  name: "libzmq",
  pull: (options, handler) => new LibzmqPull(options, handler),
  pub: (options) => new LibzmqPub(options),
  push: (options, handler) => new LibzmqPush(options, handler),
  sub: (options, handler) => new LibzmqSub(options, handler),
};

/** libzmq as a transport: `new MessageServer({ transport: libzmq })`. */
export const libzmq: Transport = sockets;
