/**
 * The cryptography that CURVE stands on, behind one small interface, so that another library can take the place of the default
 * one. That is `npm:@noble/ciphers`, pure TypeScript, loaded only when CURVE is used, for the boxes of the handshake. The boxes of
 * messages, which come by the million, are made by code of our own, and X25519 is Deno's.
 *
 * @module
 */
import { HandshakeError } from "../errors.ts";
import { SalsaCipher } from "./salsa_cipher.ts";
import { publicKeyOf, sharedSecret } from "./x25519.ts";

/** Octets of a key, secret or public. */
export const KEY_SIZE = 32;
/** Octets of a box's tag, which stands in front of its content. */
export const TAG_SIZE = 16;
/** Octets of a nonce. */
export const NONCE_SIZE = 24;

/** A pair of X25519 keys. */
export interface KeyPair {
  /** 32 octets for everyone to know. */
  readonly publicKey: Uint8Array;
  /** 32 octets for nobody else to know. */
  readonly secretKey: Uint8Array;
}

/** NaCl's `crypto_box`, cut where CURVE needs it. Synchronous. */
export interface Cryptography {
  /** For people. */
  readonly name: string;
  /** A fresh pair. */
  keyPair(): KeyPair;
  /** Unpredictable octets. */
  random(size: number): Uint8Array;
  /**
   * The key that both owners of a pair get from their own secret and the other's public key (X25519, then HSalsa20).
   *
   * @throws {ProtocolError} `bad-crypto`: the public key is a point of low order, for which all secrets give the same key.
   */
  beforenm(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array;
  /** XSalsa20-Poly1305: the tag, then as many octets as there were. */
  seal(key: Uint8Array, nonce: Uint8Array, content: Uint8Array): Uint8Array;
  /** The content of a box, or undefined when its tag is wrong. */
  open(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined;
  /** For the many boxes of one direction of one connection: same key, nonces with the same first sixteen octets. */
  messageCipher(key: Uint8Array, noncePrefix: Uint8Array): MessageCipher;
}

/** Seals and opens boxes whose nonces differ in their last eight octets only, a number given as two halves. */
export interface MessageCipher {
  /**
   * Seals `bytes[start, end)` where it lies. The tag comes into the 16 octets in front; the 16 octets in front of those are
   * overwritten as well.
   */
  seal(bytes: Uint8Array, start: number, end: number, nonceHigh: number, nonceLow: number): void;
  /**
   * Opens the box `bytes[start, end)`, tag first, and writes its content into `into` from `at` on. Returns false, and writes
   * nothing, when the tag is wrong.
   */
  open(
    bytes: Uint8Array,
    start: number,
    end: number,
    nonceHigh: number,
    nonceLow: number,
    into: Uint8Array,
    at: number,
  ): boolean;
  /** Overwrites the keys, as far as a garbage collected language lets us. */
  forget(): void;
}

// A version in full: a module that is imported from a URL has no import map and no lock file of ours.
const SALSA = "npm:@noble/ciphers@2.4.0/salsa.js";

let loading: Promise<Cryptography> | undefined;

/**
 * Loads the default library, once. A failed attempt is forgotten, so that it can be tried again.
 *
 * @throws {HandshakeError} `crypto-unavailable`: npm cannot be reached and the packages are not in Deno's cache.
 */
export function loadCryptography(): Promise<Cryptography> {
  return loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
}

async function load(): Promise<Cryptography> {
  // Not a literal: Deno would fetch the package when the program starts, for all who never use CURVE.
  const ciphers = SALSA;
  try {
    return new Noble(await import(ciphers) as NobleSalsa);
  } catch (cause) {
    throw new HandshakeError(
      "crypto-unavailable",
      `Cannot use CURVE: its cryptography cannot be loaded; run "deno cache ${ciphers}" where npm can be reached`,
      { cause },
    );
  }
}

/** What we use of `@noble/ciphers/salsa.js`. */
interface NobleSalsa {
  hsalsa(sigma: Uint32Array, key: Uint32Array, nonce: Uint32Array, out: Uint32Array): void;
  xsalsa20poly1305(key: Uint8Array, nonce: Uint8Array): {
    encrypt(content: Uint8Array, output?: Uint8Array): Uint8Array;
    decrypt(box: Uint8Array, output?: Uint8Array): Uint8Array;
  };
}

class Noble implements Cryptography {
  readonly name = "noble";
  readonly #salsa: NobleSalsa;

  constructor(salsa: NobleSalsa) {
    this.#salsa = salsa;
  }

  keyPair(): KeyPair {
    const secretKey = this.random(KEY_SIZE);
    return { publicKey: publicKeyOf(secretKey), secretKey };
  }

  random(size: number): Uint8Array {
    return crypto.getRandomValues(new Uint8Array(size));
  }

  beforenm(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array {
    const shared = sharedSecret(secretKey, publicKey);
    const key = new Uint8Array(KEY_SIZE);
    this.#salsa.hsalsa(SIGMA, words(shared), NO_NONCE, words(key));
    shared.fill(0);
    return key;
  }

  seal(key: Uint8Array, nonce: Uint8Array, content: Uint8Array): Uint8Array {
    return this.#salsa.xsalsa20poly1305(key, nonce).encrypt(content);
  }

  open(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined {
    try {
      return this.#salsa.xsalsa20poly1305(key, nonce).decrypt(box);
    } catch {
      return undefined; // Its only reasons: a wrong tag, or no room for one.
    }
  }

  messageCipher(key: Uint8Array, noncePrefix: Uint8Array): MessageCipher {
    const derived = new Uint8Array(KEY_SIZE);
    this.#salsa.hsalsa(SIGMA, words(key), words(noncePrefix), words(derived));
    const cipher = new SalsaCipher(derived);
    derived.fill(0);
    return cipher;
  }
}

/** "expand 32-byte k" in four words, as noble wants it. */
const SIGMA = words(Uint8Array.from("expand 32-byte k", (character) => character.charCodeAt(0)));
const NO_NONCE = new Uint32Array(4);

/** The same octets as words in the machine's order; copied where they do not lie on a word's border. */
function words(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}
