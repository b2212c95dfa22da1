/**
 * Our options, as libzmq names them.
 *
 * @module
 */
// deno-lint-ignore no-import-prefix -- a remote module does not see our import map
import type * as zeromq from "npm:zeromq@6.8.0";
import { OptionError } from "../../base/errors.ts";
import { parseClientKeys, parseServerKeys } from "../curve/keys.ts";
import { encodeZ85 } from "../curve/z85.ts";
import type { ConnectionOptions, PullOptions, SubOptions } from "../transport.ts";

/** Larger messages end the connection, as with our own engine; libzmq would store them. */
const MAX_STORED_BYTES = 1024 * 1024 * 1024;

/**
 * For a socket that listens.
 *
 * @throws {OptionError} `bad-option`: a key is none, or `authorize` is given.
 */
export function listenOptions(options: PullOptions): zeromq.SocketOptions<zeromq.Socket> {
  if (options.authorize !== undefined) {
    // It must not be left out in silence: it keeps people away.
    throw new OptionError("bad-option", "Cannot use authorize: the transport libzmq does not ask it");
  }
  const keys = options.curve && parseServerKeys(options.curve);
  return {
    ...commonOptions(options),
    ...(keys && { curveServer: true, curveSecretKey: encodeZ85(keys.secretKey) }),
  };
}

/**
 * For a socket that dials.
 *
 * @throws {OptionError} `bad-option`: a key is none.
 */
export function dialOptions(options: SubOptions): zeromq.SocketOptions<zeromq.Socket> {
  const curve = options.curve && parseClientKeys(options.curve);
  return {
    ...commonOptions(options),
    reconnectInterval: options.reconnect.minMs,
    reconnectMaxInterval: options.reconnect.maxMs,
    ...(curve && {
      curveServerKey: encodeZ85(curve.serverKey),
      curvePublicKey: encodeZ85(curve.keys.publicKey),
      curveSecretKey: encodeZ85(curve.keys.secretKey),
    }),
  };
}

function commonOptions(options: ConnectionOptions): zeromq.SocketOptions<zeromq.Socket> {
  const { heartbeatMs = 0 } = options;
  return {
    linger: 0,
    maxMessageSize: MAX_STORED_BYTES,
    handshakeInterval: options.handshakeTimeoutMs ?? 10_000,
    ...(heartbeatMs > 0 && { heartbeatInterval: heartbeatMs, heartbeatTimeout: heartbeatMs }),
  };
}
