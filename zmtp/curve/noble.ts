/**
 * `npm:@noble/ciphers`: all TypeScript and small to download.
 *
 * @module
 */
import {
  type Cryptography,
  KEY_SIZE,
  type KeyPair,
  type MessageCipher,
  TAG_SIZE,
  writeNonceEnd,
} from "./crypto.ts";
import { freshKeyPair, sharedSecret } from "./x25519.ts";

/** The one block of the key stream whose first half is the key of the tag; the content begins with its second half. */
const TAG_KEY_SIZE = 32;
/** Room for most messages with what stands in front of them; a larger one gets room of its own. */
const ROOM_SIZE: number = 64 * 1024 + 256;

/** Loads it from there; rejects with what Deno says when it cannot. */
export async function loadNoble(specifier: string): Promise<Cryptography> {
  // No literals: Deno would fetch the package when the program starts, for all who never use CURVE.
  const load = (file: string) => import(`${specifier}/${file}.js`);
  const [salsa, poly1305, utils] = await Promise.all(["salsa", "_poly1305", "utils"].map(load));
  return new Noble({ ...salsa, ...poly1305, ...utils } as Library);
}

/** What we use of it. */
interface Library {
  hsalsa(sigma: Uint32Array, key: Uint32Array, nonce: Uint32Array, out: Uint32Array): void;
  salsa20(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, output: Uint8Array): Uint8Array;
  poly1305(content: Uint8Array, key: Uint8Array): Uint8Array;
  equalBytes(a: Uint8Array, b: Uint8Array): boolean;
  xsalsa20poly1305(key: Uint8Array, nonce: Uint8Array): {
    encrypt(content: Uint8Array): Uint8Array;
    decrypt(box: Uint8Array): Uint8Array;
  };
}

class Noble implements Cryptography {
  readonly name = "noble";
  readonly #library: Library;
  /** One for all connections; nothing that is needed is kept in it from one call to the next. */
  readonly #room = new Uint8Array(ROOM_SIZE);

  constructor(library: Library) {
    this.#library = library;
  }

  keyPair(): KeyPair {
    return freshKeyPair();
  }

  random(size: number): Uint8Array {
    return crypto.getRandomValues(new Uint8Array(size));
  }

  beforenm(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array {
    const shared = sharedSecret(secretKey, publicKey);
    const key = this.#hsalsa(shared, NO_NONCE);
    shared.fill(0);
    return key;
  }

  seal(key: Uint8Array, nonce: Uint8Array, content: Uint8Array): Uint8Array {
    return this.#library.xsalsa20poly1305(key, nonce).encrypt(content);
  }

  open(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined {
    try {
      return this.#library.xsalsa20poly1305(key, nonce).decrypt(box);
    } catch {
      return undefined; // Its only reasons: a wrong tag, or no room for one.
    }
  }

  messageCipher(key: Uint8Array, noncePrefix: Uint8Array): MessageCipher {
    return new NobleCipher(this.#library, this.#hsalsa(key, noncePrefix), this.#room);
  }

  #hsalsa(key: Uint8Array, nonce: Uint8Array): Uint8Array {
    const derived = new Uint8Array(KEY_SIZE);
    this.#library.hsalsa(SIGMA, words(key), words(nonce), words(derived));
    return derived;
  }
}

/**
 * `xsalsa20poly1305` of the same library out of its parts: the key that HSalsa20 gives is the same for all messages of a direction,
 * and one pass of Salsa20 gives the key of the tag and the content. That is a quarter to a third less for a message of 100 bytes.
 */
class NobleCipher implements MessageCipher {
  readonly #library: Library;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(8);
  readonly #room: Uint8Array;

  /** For a key that HSalsa20 gave, which it keeps. */
  constructor(library: Library, key: Uint8Array, room: Uint8Array) {
    this.#library = library;
    this.#key = key;
    this.#room = room;
  }

  seal(bytes: Uint8Array, start: number, end: number, nonceHigh: number, nonceLow: number): void {
    const room = this.#crypt(bytes.subarray(start, end), nonceHigh, nonceLow);
    const tagKey = room.subarray(0, TAG_KEY_SIZE);
    const sealed = room.subarray(TAG_KEY_SIZE);
    bytes.set(sealed, start);
    bytes.set(this.#library.poly1305(sealed, tagKey), start - TAG_SIZE);
    tagKey.fill(0);
  }

  open(
    bytes: Uint8Array,
    start: number,
    end: number,
    nonceHigh: number,
    nonceLow: number,
    into: Uint8Array,
    at: number,
  ): boolean {
    if (end - start < TAG_SIZE) return false;
    const sealed = bytes.subarray(start + TAG_SIZE, end);
    const room = this.#crypt(sealed, nonceHigh, nonceLow);
    const tagKey = room.subarray(0, TAG_KEY_SIZE);
    const tag = this.#library.poly1305(sealed, tagKey);
    const isGenuine = this.#library.equalBytes(tag, bytes.subarray(start, start + TAG_SIZE));
    // Nobody sees what was opened before its tag was found right.
    if (isGenuine) into.set(room.subarray(TAG_KEY_SIZE), at);
    else room.fill(0);
    tagKey.fill(0);
    return isGenuine;
  }

  forget(): void {
    this.#key.fill(0);
    this.#room.fill(0);
  }

  /** The key of the tag, then the bytes with the key stream applied. Where it lies a later call may write. */
  #crypt(bytes: Uint8Array, nonceHigh: number, nonceLow: number): Uint8Array {
    const size = TAG_KEY_SIZE + bytes.length;
    const room = size <= ROOM_SIZE ? this.#room.subarray(0, size) : new Uint8Array(size);
    room.fill(0, 0, TAG_KEY_SIZE);
    room.set(bytes, TAG_KEY_SIZE);
    writeNonceEnd(this.#nonce, 0, nonceHigh, nonceLow);
    return this.#library.salsa20(this.#key, this.#nonce, room, room);
  }
}

/** "expand 32-byte k" in four words, as noble wants it. */
const SIGMA: Uint32Array = words(
  Uint8Array.from("expand 32-byte k", (character) => character.charCodeAt(0)),
);
const NO_NONCE: Uint8Array = new Uint8Array(16);

/** The same bytes as words in the machine's order; copied where they do not lie on a word's border. */
function words(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}
