/**
 * Which library is behind {@linkcode Cryptography}, loaded only when CURVE is used.
 *
 * @module
 */
import { HandshakeError, OptionError } from "../../base/errors.ts";
import type { Cryptography } from "./crypto.ts";

/** Names of the libraries. */
export type CryptoLibrary = "libsodium" | "noble";

const LIBRARIES: Readonly<
  Record<CryptoLibrary, { readonly specifier: string; load(specifier: string): Promise<Cryptography> }>
> = {
  // A version in full: a module from a URL has no import map and no lock file of ours.
  libsodium: {
    specifier: "npm:libsodium-wrappers@0.8.4",
    load: async (specifier) => await (await import("./libsodium.ts")).loadLibsodium(specifier),
  },
  noble: {
    specifier: "npm:@noble/ciphers@2.4.0",
    load: async (specifier) => await (await import("./noble.ts")).loadNoble(specifier),
  },
};

/**
 * The library that an option names.
 *
 * @throws {OptionError} `bad-option`: there is none of that name.
 */
export function parseCryptoLibrary(name: unknown = "libsodium"): CryptoLibrary {
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
export function loadCryptography(name: CryptoLibrary): Promise<Cryptography> {
  let library = loading.get(name);
  if (library === undefined) {
    const { specifier, load } = LIBRARIES[name];
    library = load(specifier).catch((cause: unknown) => {
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
