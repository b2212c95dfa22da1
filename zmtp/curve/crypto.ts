/**
 * The cryptography that CURVE stands on, as one small interface. Nothing of it is written here: what makes and opens boxes is
 * libsodium from npm (`libsodium.ts`), X25519 is Deno's (`x25519.ts`).
 *
 * @module
 */

/** Bytes of a key, secret or public. */
export const KEY_SIZE = 32;
/** Bytes of a box's tag, which stands in front of its content. */
export const TAG_SIZE = 16;
/** Bytes of a nonce. */
export const NONCE_SIZE = 24;

/** A pair of X25519 keys. */
export interface KeyPair {
  /** 32 bytes for everyone to know. */
  readonly publicKey: Uint8Array;
  /** 32 bytes for nobody else to know. */
  readonly secretKey: Uint8Array;
}

/** NaCl's `crypto_box`, cut where CURVE needs it. Synchronous. */
export interface Cryptography {
  /** A fresh pair. */
  keyPair(): KeyPair;
  /** Unpredictable bytes. */
  random(size: number): Uint8Array;
  /**
   * The key that both owners of a pair get from their own secret and the other's public key (X25519, then HSalsa20).
   *
   * @throws {ProtocolError} `bad-crypto`: the public key is a point of low order, for which all secrets give the same key.
   */
  beforenm(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array;
  /** XSalsa20-Poly1305: the tag, then as many bytes as there were. */
  seal(key: Uint8Array, nonce: Uint8Array, content: Uint8Array): Uint8Array;
  /** The content of a box, or undefined when its tag is wrong. */
  open(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined;
  /** For the many boxes of one direction of one connection: same key, nonces with the same first sixteen bytes. */
  messageCipher(key: Uint8Array, noncePrefix: Uint8Array): MessageCipher;
}

/** Seals and opens boxes whose nonces differ in their last eight bytes only, a number given as two halves. */
export interface MessageCipher {
  /** Seals `bytes[start, end)` where it lies. The tag comes into the 16 bytes in front. */
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

/** Writes the last eight bytes of a nonce. */
export function writeNonceEnd(nonce: Uint8Array, at: number, high: number, low: number): void {
  writeUint32(nonce, at, high);
  writeUint32(nonce, at + 4, low);
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
