/**
 * Which library is behind {@linkcode Cryptography}, loaded only when CURVE is used.
 *
 * @module
 */
import { HandshakeError, OptionError } from "../errors.ts";
import type { Cryptography } from "./crypto.ts";
import { LIBSODIUM, loadLibsodium } from "./libsodium.ts";
import { loadNoble, NOBLE } from "./noble.ts";

/** Names of the libraries. */
export type CryptoLibrary = "noble" | "libsodium";

const LIBRARIES: Readonly<
  Record<CryptoLibrary, { readonly specifier: string; load(): Promise<Cryptography> }>
> = {
  noble: { specifier: NOBLE, load: loadNoble },
  libsodium: { specifier: LIBSODIUM, load: loadLibsodium },
};

/**
 * The library that an option names.
 *
 * @throws {OptionError} `bad-option`: there is none of that name.
 */
export function parseCryptoLibrary(name: unknown = "noble"): CryptoLibrary {
  if (typeof name === "string" && Object.hasOwn(LIBRARIES, name)) return name as CryptoLibrary;
  const names = Object.keys(LIBRARIES).join(" or ");
  throw new OptionError("bad-option", `Cannot use curve.library: it is ${String(name)}, expected ${names}`);
}

const loading: Map<CryptoLibrary, Promise<Cryptography>> = new Map();

/**
 * Loads a library, once. A failed attempt is forgotten, so that it can be tried again.
 *
 * @throws {HandshakeError} `crypto-unavailable`: npm cannot be reached and the package is not in Deno's cache.
 */
export function loadCryptography(name: CryptoLibrary = "noble"): Promise<Cryptography> {
  let library = loading.get(name);
  if (library === undefined) {
    const { specifier, load } = LIBRARIES[name];
    library = load().catch((cause: unknown) => {
      loading.delete(name);
      throw new HandshakeError(
        "crypto-unavailable",
        `Cannot use CURVE: its cryptography cannot be loaded; run "deno cache ${specifier}" where npm can be reached`,
        { cause },
      );
    });
    loading.set(name, library);
  }
  return library;
}
