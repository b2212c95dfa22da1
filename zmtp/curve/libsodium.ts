/**
 * `npm:libsodium-wrappers`: libsodium itself as WebAssembly, several times as fast as what is written in JavaScript.
 *
 * @module
 */
import { HandshakeError, ProtocolError } from "../../base/errors.ts";
import {
  type Cryptography,
  KEY_SIZE,
  type KeyPair,
  type MessageCipher,
  NONCE_SIZE,
  TAG_SIZE,
  writeNonceEnd,
} from "./crypto.ts";
import { freshKeyPair } from "./x25519.ts";

/** Room for most boxes; a larger one gets room of its own for as long as it takes. */
const ROOM_SIZE: number = 64 * 1024 + 256;

/** A version in full: a module from a URL has no import map and no lock file of ours. */
const PACKAGE = "npm:libsodium-wrappers@0.8.4";

let loading: Promise<Cryptography> | undefined;

/**
 * Loads it, once. A failed attempt is forgotten, so that it can be tried again.
 *
 * @throws {HandshakeError} `crypto-unavailable`: npm cannot be reached and the package is not in Deno's cache.
 */
export function loadCryptography(): Promise<Cryptography> {
  return loading ??= load().catch((cause: unknown) => {
    loading = undefined;
    throw new HandshakeError(
      "crypto-unavailable",
      `Cannot use CURVE: its cryptography cannot be loaded; run "deno cache ${PACKAGE}" where npm can be reached`,
      { cause },
    );
  });
}

async function load(): Promise<Cryptography> {
  // Not a literal: Deno would fetch the package when the program starts, for all who never use it.
  const { default: library } = await import(PACKAGE) as { readonly default: Library };
  await library.ready;
  return new Libsodium(library);
}

/** What we use of it. */
interface Library {
  readonly ready: Promise<void>;
  crypto_box_beforenm(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array;
  crypto_secretbox_easy(content: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array;
  crypto_secretbox_open_easy(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array;
  /** The functions of C behind the wrappers; there after `ready`. */
  readonly libsodium: Functions;
}

/** libsodium's functions with C's arguments: where things are in its memory, and sizes of 64 bits as two halves. */
interface Functions {
  /** Its memory; another array after it has grown. */
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _free(at: number): void;
  _crypto_secretbox_easy(
    box: number,
    content: number,
    sizeLow: number,
    sizeHigh: number,
    nonce: number,
    key: number,
  ): number;
  _crypto_secretbox_open_easy(
    content: number,
    box: number,
    sizeLow: number,
    sizeHigh: number,
    nonce: number,
    key: number,
  ): number;
}

class Libsodium implements Cryptography {
  readonly #library: Library;
  readonly #memory: Memory;

  constructor(library: Library) {
    this.#library = library;
    this.#memory = new Memory(library.libsodium);
  }

  keyPair(): KeyPair {
    return freshKeyPair();
  }

  random(size: number): Uint8Array {
    return crypto.getRandomValues(new Uint8Array(size));
  }

  beforenm(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array {
    try {
      return this.#library.crypto_box_beforenm(publicKey, secretKey);
    } catch (cause) {
      throw new ProtocolError("bad-crypto", "Cannot use public key: it is a point of low order", { cause });
    }
  }

  seal(key: Uint8Array, nonce: Uint8Array, content: Uint8Array): Uint8Array {
    return this.#library.crypto_secretbox_easy(content, nonce, key);
  }

  open(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined {
    try {
      return this.#library.crypto_secretbox_open_easy(box, nonce, key);
    } catch {
      return undefined; // Its only reasons: a wrong tag, or no room for one.
    }
  }

  messageCipher(key: Uint8Array, noncePrefix: Uint8Array): MessageCipher {
    return new LibsodiumCipher(this.#memory, key, noncePrefix);
  }
}

/** Places in libsodium's memory for the messages of all connections; nothing that is needed stays there between two calls. */
class Memory {
  readonly functions: Functions;
  /** Where the key and, behind it, the nonce are put. */
  readonly keyAt: number;
  readonly nonceAt: number;
  readonly #roomAt: number;

  constructor(functions: Functions) {
    this.functions = functions;
    this.keyAt = this.#allocate(KEY_SIZE + NONCE_SIZE);
    this.nonceAt = this.keyAt + KEY_SIZE;
    this.#roomAt = this.#allocate(ROOM_SIZE);
  }

  /** Where a box of that size may be put until it is given back. */
  take(size: number): number {
    return size <= ROOM_SIZE ? this.#roomAt : this.#allocate(size);
  }

  giveBack(at: number): void {
    if (at !== this.#roomAt) this.functions._free(at);
  }

  wipe(): void {
    const { HEAPU8 } = this.functions;
    HEAPU8.fill(0, this.keyAt, this.nonceAt + NONCE_SIZE);
    HEAPU8.fill(0, this.#roomAt, this.#roomAt + ROOM_SIZE);
  }

  #allocate(size: number): number {
    const at = this.functions._malloc(size);
    if (at === 0) {
      throw new RangeError(`Cannot use message: libsodium's memory has no room for ${size} bytes`);
    }
    return at;
  }
}

/**
 * `crypto_secretbox_easy` and its counterpart in place, in room that is kept: the wrappers allocate four times for each message, which
 * takes as long as the cryptography of 100 bytes.
 */
class LibsodiumCipher implements MessageCipher {
  readonly #memory: Memory;
  /** Key, then nonce, as they are put into libsodium's memory. */
  readonly #secrets = new Uint8Array(KEY_SIZE + NONCE_SIZE);

  /** Copies the key. */
  constructor(memory: Memory, key: Uint8Array, noncePrefix: Uint8Array) {
    this.#memory = memory;
    this.#secrets.set(key);
    this.#secrets.set(noncePrefix, KEY_SIZE);
  }

  seal(bytes: Uint8Array, start: number, end: number, nonceHigh: number, nonceLow: number): void {
    const memory = this.#memory;
    const { functions, keyAt, nonceAt } = memory;
    const size = end - start;
    const box = memory.take(TAG_SIZE + size);
    const content = box + TAG_SIZE;
    const heap = functions.HEAPU8; // Not before there is room: it may have to grow.
    this.#putSecrets(heap, nonceHigh, nonceLow);
    heap.set(bytes.subarray(start, end), content);
    functions._crypto_secretbox_easy(box, content, size, 0, nonceAt, keyAt);
    bytes.set(heap.subarray(box, content + size), start - TAG_SIZE);
    memory.giveBack(box);
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
    const memory = this.#memory;
    const { functions, keyAt, nonceAt } = memory;
    const size = end - start;
    const box = memory.take(size);
    const content = box + TAG_SIZE;
    const heap = functions.HEAPU8;
    this.#putSecrets(heap, nonceHigh, nonceLow);
    heap.set(bytes.subarray(start, end), box);
    const isGenuine = functions._crypto_secretbox_open_easy(content, box, size, 0, nonceAt, keyAt) === 0;
    if (isGenuine) into.set(heap.subarray(content, box + size), at);
    memory.giveBack(box);
    return isGenuine;
  }

  forget(): void {
    this.#secrets.fill(0);
    this.#memory.wipe();
  }

  #putSecrets(heap: Uint8Array, nonceHigh: number, nonceLow: number): void {
    writeNonceEnd(this.#secrets, KEY_SIZE + NONCE_SIZE - 8, nonceHigh, nonceLow);
    heap.set(this.#secrets, this.#memory.keyAt);
  }
}
