/**
 * Which mechanism a socket uses, and what it needs before its first connection.
 *
 * @module
 */
import { OptionError } from "../base/errors.ts";
import type { Metadata } from "./command.ts";
import { type Cryptography, KEY_SIZE } from "./curve/crypto.ts";
import type { CurveClient, CurveServer } from "./curve/handshake.ts";
import { parseClientKeys, parseServerKeys } from "./curve/keys.ts";
import type { Mechanism } from "./mechanism.ts";
import type { MemoryBudget } from "../base/memory_budget.ts";
import { NullMechanism } from "./null.ts";
import type { CurveClientOptions, CurveServerOptions } from "./transport.ts";

/** Makes the mechanism of each connection of a socket. */
export interface Security {
  /**
   * There is nothing to wait for when undefined. Otherwise no connection may be begun before it resolves; it rejects with
   * {@linkcode HandshakeError} `crypto-unavailable`, or {@linkcode OptionError} for a server key that no one can own.
   */
  readonly ready: Promise<void> | undefined;
  /** For one connection. */
  makeMechanism(): Mechanism;
}

/**
 * For a socket that listens.
 *
 * @throws {OptionError} `bad-option`: a key is none.
 */
export function listenSecurity(
  metadata: () => Metadata,
  { curve, memory }: {
    readonly curve?: CurveServerOptions | undefined;
    readonly memory?: MemoryBudget | undefined;
  },
): Security {
  if (curve === undefined) {
    return { ready: undefined, makeMechanism: () => new NullMechanism(metadata, true) };
  }
  const keys = parseServerKeys(curve);
  const { ready, loaded } = load();
  return {
    ready,
    makeMechanism: () => {
      const { crypto, CurveServer } = loaded();
      return new CurveServer(crypto, {
        keys,
        metadata,
        memory,
      });
    },
  };
}

/**
 * For a socket that dials.
 *
 * @throws {OptionError} `bad-option`: a key is none.
 */
export function dialSecurity(metadata: () => Metadata, curve: CurveClientOptions | undefined): Security {
  if (curve === undefined) {
    return { ready: undefined, makeMechanism: () => new NullMechanism(metadata, false) };
  }
  const { serverKey, keys } = parseClientKeys(curve);
  const { ready, loaded } = load((crypto) => {
    try {
      crypto.beforenm(serverKey, crypto.random(KEY_SIZE)).fill(0);
    } catch (cause) {
      throw new OptionError("bad-option", "Cannot use curve.serverKey: no server can have it", { cause });
    }
  });
  return {
    ready,
    makeMechanism: () => {
      const { crypto, CurveClient } = loaded();
      return new CurveClient(crypto, { serverKey, keys, metadata });
    },
  };
}

/** What only those load who use CURVE: it would be a twentieth of the start of all others. */
interface Curve {
  readonly crypto: Cryptography;
  readonly CurveClient: typeof CurveClient;
  readonly CurveServer: typeof CurveServer;
}

function load(
  check: (crypto: Cryptography) => void = () => {},
): { readonly ready: Promise<void>; loaded(): Curve } {
  let loaded: Curve | undefined;
  const ready = loadCurve().then((curve) => {
    check(curve.crypto);
    loaded = curve;
  });
  ready.catch(() => {}); // Whoever needs it waits for it as well.
  return { ready, loaded: () => loaded! };
}

let loading: Promise<Curve> | undefined;

/** Once for all sockets. A failed attempt is forgotten, so that it can be tried again. */
function loadCurve(): Promise<Curve> {
  const cryptography = () =>
    import("./curve/libsodium.ts").then(({ loadCryptography }) => loadCryptography());
  return loading ??= Promise.all([cryptography(), import("./curve/handshake.ts")])
    .then(([crypto, mechanisms]) => ({ crypto, ...mechanisms }))
    .catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
}
