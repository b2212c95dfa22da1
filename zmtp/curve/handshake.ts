/**
 * The CURVE mechanism: HELLO, WELCOME, INITIATE, READY (RFC 26; where libzmq 4.3.5 differs, as libzmq does it).
 *
 * ```text
 *   client: long-term C/c, for this connection C'/c'       server: long-term S/s, for this connection S'/s'
 *
 *   HELLO     C', Box[64 zeros](C'->S)                 ──▶
 *                               ◀──  WELCOME   Box[S', cookie](S->C')      cookie = SecretBox[C', s'](K)
 *   INITIATE  cookie, Box[C, vouch, metadata](C'->S')  ──▶                 vouch  = Box[C', S](C->S')
 *                               ◀──  READY     Box[metadata](S'->C')
 *   MESSAGE   Box[flags, payload](C'->S') ◀──▶ MESSAGE Box[flags, payload](S'->C')
 * ```
 *
 * Each connection has keys of its own on both sides, so who learns a long-term key later cannot read what was sent before.
 *
 * @module
 */
import { HandshakeError, ProtocolError } from "../../base/errors.ts";
import { type Command, encodeCommand, encodeMetadata, type Metadata, parseMetadata } from "../command.ts";
import { type Cryptography, KEY_SIZE, type KeyPair, NONCE_SIZE, TAG_SIZE } from "./crypto.ts";
import { BOX_OVERHEAD, CurveBox, isHigher, type Nonce, readNonce } from "./box.ts";
import type { MemoryBudget } from "../../base/memory_budget.ts";
import type { Mechanism, MechanismStep, MessageBox } from "../mechanism.ts";

const SHORT_NONCE_SIZE = 8;
const LONG_NONCE_SIZE = 16;
const VOUCH_SIZE: number = TAG_SIZE + 2 * KEY_SIZE;

// Where the fields of the commands are, counted from the end of the command's name.
const HELLO = { version: 0, padding: 2, publicKey: 74, nonce: 106, box: 114, end: 194 } as const;
const WELCOME = { nonce: 0, box: 16, end: 160 } as const;
const INITIATE = { cookie: 0, nonce: 96, box: 104, minEnd: 248 } as const;
const READY = { nonce: 0, box: 8, minEnd: 24 } as const;

/** libzmq's limit is its message size; nobody needs more than a few properties. */
const MAX_INITIATE_SIZE: number = 16 * 1024;

const HELLO_NONCE = prefix("CurveZMQHELLO---");
const WELCOME_NONCE = prefix("WELCOME-");
const COOKIE_NONCE = prefix("COOKIE--");
const VOUCH_NONCE = prefix("VOUCH---");
const INITIATE_NONCE = prefix("CurveZMQINITIATE");
const READY_NONCE = prefix("CurveZMQREADY---");
const CLIENT_MESSAGE_NONCE = prefix("CurveZMQMESSAGEC");
const SERVER_MESSAGE_NONCE = prefix("CurveZMQMESSAGES");

/** What the listening side of a connection needs. */
export interface CurveServerParts {
  /** S and s. */
  readonly keys: KeyPair;
  /** What READY says. */
  readonly metadata: () => Metadata;
  /** What opened frames are counted in. @default nothing */
  readonly memory?: MemoryBudget | undefined;
}

/**
 * The listening side. Every fault closes the connection without a word: a peer that has not proven its key learns nothing. A
 * libzmq client then comes back, which is why a failed handshake costs its address more than one connection.
 */
export class CurveServer implements Mechanism {
  readonly name = "CURVE";
  readonly asServer = true;
  readonly overhead: number = BOX_OVERHEAD;
  readonly #crypto: Cryptography;
  readonly #options: CurveServerParts;
  #expected: "HELLO" | "INITIATE" | "nothing" = "HELLO";
  #transient: KeyPair | undefined;
  #clientTransientKey: Uint8Array | undefined;
  #cookieKey: Uint8Array | undefined;
  /** Of HELLO, then of INITIATE. */
  #theirNonce: Nonce = { high: 0, low: 0 };
  /** K', from INITIATE to READY. */
  #key: Uint8Array | undefined;
  #peerKey: Uint8Array | undefined;
  #box: CurveBox | undefined;

  constructor(crypto: Cryptography, options: CurveServerParts) {
    this.#crypto = crypto;
    this.#options = options;
  }

  get box(): MessageBox | undefined {
    return this.#box;
  }

  get peerKey(): Uint8Array | undefined {
    return this.#peerKey;
  }

  /** The client has the first word. */
  start(): undefined {
    return undefined;
  }

  handleCommand({ name, data }: Command, isLong: boolean = false): MechanismStep {
    if (name !== this.#expected) throw unexpected(name, this.#expected);
    return name === "HELLO" ? this.#handleHello(data, isLong) : this.#handleInitiate(data);
  }

  accept(): Uint8Array {
    const nonce = shortNonce(1);
    const box = this.#crypto.seal(
      this.#key!,
      joinNonce(READY_NONCE, nonce),
      encodeMetadata(this.#options.metadata()),
    );
    this.#box = new CurveBox(this.#crypto, {
      key: this.#key!,
      ourPrefix: SERVER_MESSAGE_NONCE,
      theirPrefix: CLIENT_MESSAGE_NONCE,
      ourNonce: readNonce(nonce, 0),
      theirNonce: this.#theirNonce,
      memory: this.#options.memory,
    });
    this.#forgetHandshake();
    return encodeCommand("READY", join(nonce, box));
  }

  forget(): void {
    this.#forgetHandshake();
    this.#box?.forget();
  }

  #handleHello(hello: Uint8Array, isLong: boolean): MechanismStep {
    if (hello.length !== HELLO.end || isLong) {
      throw new ProtocolError(
        "bad-command",
        `Cannot take HELLO: it has ${hello.length} bytes, needs ${HELLO.end}`,
      );
    }
    if (hello[HELLO.version] !== 1 || hello[HELLO.version + 1] !== 0) {
      throw new ProtocolError("bad-command", "Cannot take HELLO: its version is not 1.0");
    }
    if (!isZero(hello.subarray(HELLO.padding, HELLO.publicKey))) {
      throw new ProtocolError("bad-command", "Cannot take HELLO: its padding is not zero");
    }
    const { secretKey } = this.#options.keys;
    const clientKey = hello.slice(HELLO.publicKey, HELLO.nonce);
    const key = this.#crypto.beforenm(clientKey, secretKey);
    const nonce = hello.subarray(HELLO.nonce, HELLO.box);
    const content = this.#crypto.open(key, joinNonce(HELLO_NONCE, nonce), hello.subarray(HELLO.box));
    if (content === undefined) {
      key.fill(0);
      throw new ProtocolError("bad-crypto", "Cannot take HELLO: it was not made for our key");
    }
    if (!isZero(content)) {
      key.fill(0);
      throw new ProtocolError("bad-command", "Cannot take HELLO: the content of its box is not zero");
    }
    this.#clientTransientKey = clientKey;
    this.#theirNonce = readNonce(nonce, 0);
    this.#transient = this.#crypto.keyPair();
    this.#cookieKey = this.#crypto.random(KEY_SIZE);
    this.#expected = "INITIATE";
    const welcome = this.#encodeWelcome(key);
    key.fill(0);
    return { send: welcome };
  }

  #encodeWelcome(key: Uint8Array): Uint8Array {
    const { publicKey, secretKey } = this.#transient!;
    const cookieNonce = this.#crypto.random(LONG_NONCE_SIZE);
    const cookieContent = join(this.#clientTransientKey!, secretKey);
    const cookieBox = this.#crypto.seal(
      this.#cookieKey!,
      joinNonce(COOKIE_NONCE, cookieNonce),
      cookieContent,
    );
    cookieContent.fill(0);
    const nonce = this.#crypto.random(LONG_NONCE_SIZE);
    const content = join(publicKey, cookieNonce, cookieBox);
    const box = this.#crypto.seal(key, joinNonce(WELCOME_NONCE, nonce), content);
    return encodeCommand("WELCOME", join(nonce, box));
  }

  #handleInitiate(initiate: Uint8Array): MechanismStep {
    if (initiate.length < INITIATE.minEnd || initiate.length > MAX_INITIATE_SIZE) {
      throw new ProtocolError(
        "bad-command",
        `Cannot take INITIATE: it has ${initiate.length} bytes, needs ${INITIATE.minEnd} to ${MAX_INITIATE_SIZE}`,
      );
    }
    const clientTransientKey = this.#clientTransientKey!;
    const transientSecret = this.#transient!.secretKey;
    this.#checkCookie(initiate.subarray(INITIATE.cookie, INITIATE.nonce));
    const nonce = readNonce(initiate, INITIATE.nonce);
    if (!isHigher(nonce, this.#theirNonce)) {
      throw new ProtocolError("bad-crypto", "Cannot take INITIATE: its nonce is not above the one of HELLO");
    }
    const key = this.#crypto.beforenm(clientTransientKey, transientSecret);
    this.#key = key;
    const content = this.#crypto.open(
      key,
      joinNonce(INITIATE_NONCE, initiate.subarray(INITIATE.nonce, INITIATE.box)),
      initiate.subarray(INITIATE.box),
    );
    if (content === undefined) {
      throw new ProtocolError("bad-crypto", "Cannot take INITIATE: its box does not open");
    }
    const peerKey = content.slice(0, KEY_SIZE);
    const metadataAt = KEY_SIZE + LONG_NONCE_SIZE + VOUCH_SIZE;
    this.#checkVouch(peerKey, content.subarray(KEY_SIZE, metadataAt));
    this.#expected = "nothing";
    this.#theirNonce = nonce;
    this.#peerKey = peerKey;
    return { metadata: parseMetadata(content.subarray(metadataAt)) };
  }

  /** The cookie is ours, of this connection, and the first one that comes: its key is gone afterwards. */
  #checkCookie(cookie: Uint8Array): void {
    const cookieKey = this.#cookieKey!;
    const content = this.#crypto.open(
      cookieKey,
      joinNonce(COOKIE_NONCE, cookie.subarray(0, LONG_NONCE_SIZE)),
      cookie.subarray(LONG_NONCE_SIZE),
    );
    cookieKey.fill(0);
    this.#cookieKey = undefined;
    const expected = join(this.#clientTransientKey!, this.#transient!.secretKey);
    const isOurs = content !== undefined && isEqual(content, expected);
    content?.fill(0);
    expected.fill(0);
    if (!isOurs) {
      throw new ProtocolError(
        "bad-crypto",
        "Cannot take INITIATE: its cookie is not the one of this connection",
      );
    }
  }

  /** The owner of C says that C' is its key for this server. libzmq does not look at S; then a vouch for another one would do. */
  #checkVouch(peerKey: Uint8Array, vouch: Uint8Array): void {
    const key = this.#crypto.beforenm(peerKey, this.#transient!.secretKey);
    const content = this.#crypto.open(
      key,
      joinNonce(VOUCH_NONCE, vouch.subarray(0, LONG_NONCE_SIZE)),
      vouch.subarray(LONG_NONCE_SIZE),
    );
    key.fill(0);
    const expected = join(this.#clientTransientKey!, this.#options.keys.publicKey);
    if (content === undefined || !isEqual(content, expected)) {
      throw new ProtocolError(
        "bad-crypto",
        "Cannot take INITIATE: its vouch is not by the client's key for ours",
      );
    }
  }

  #forgetHandshake(): void {
    this.#transient?.secretKey.fill(0);
    this.#cookieKey?.fill(0);
    this.#key?.fill(0);
    this.#transient = this.#cookieKey = this.#key = undefined;
  }
}

/** What the dialling side of a connection needs. */
export interface CurveClientParts {
  /** S. */
  readonly serverKey: Uint8Array;
  /** C and c. */
  readonly keys: KeyPair;
  /** What INITIATE says. */
  readonly metadata: () => Metadata;
}

/** The dialling side. */
export class CurveClient implements Mechanism {
  readonly name = "CURVE";
  readonly asServer = false;
  readonly overhead: number = BOX_OVERHEAD;
  readonly hangUpHint = "is serverKey really its key, and is ours allowed there?";
  readonly #crypto: Cryptography;
  readonly #options: CurveClientParts;
  readonly #transient: KeyPair;
  /** The key of (S, c') until WELCOME, then that of (S', c'). */
  #key: Uint8Array;
  #expected: "WELCOME" | "READY" | "nothing" = "WELCOME";
  #box: CurveBox | undefined;

  /** @throws {ProtocolError} `bad-crypto`: the server's key is a point of low order. */
  constructor(crypto: Cryptography, options: CurveClientParts) {
    this.#crypto = crypto;
    this.#options = options;
    this.#transient = crypto.keyPair();
    this.#key = crypto.beforenm(options.serverKey, this.#transient.secretKey);
  }

  get box(): MessageBox | undefined {
    return this.#box;
  }

  start(): Uint8Array {
    const hello = new Uint8Array(HELLO.end);
    hello[HELLO.version] = 1;
    const nonce = shortNonce(1);
    hello.set(this.#transient.publicKey, HELLO.publicKey);
    hello.set(nonce, HELLO.nonce);
    hello.set(this.#crypto.seal(this.#key, joinNonce(HELLO_NONCE, nonce), new Uint8Array(64)), HELLO.box);
    return encodeCommand("HELLO", hello);
  }

  handleCommand({ name, data }: Command): MechanismStep {
    if (name !== this.#expected) throw unexpected(name, this.#expected);
    return name === "WELCOME" ? this.#handleWelcome(data) : this.#handleReady(data);
  }

  /** All is said with INITIATE. */
  accept(): undefined {
    return undefined;
  }

  forget(): void {
    this.#transient.secretKey.fill(0);
    this.#key.fill(0);
    this.#box?.forget();
  }

  #handleWelcome(welcome: Uint8Array): MechanismStep {
    if (welcome.length !== WELCOME.end) {
      throw new ProtocolError(
        "bad-command",
        `Cannot take WELCOME: it has ${welcome.length} bytes, needs ${WELCOME.end}`,
      );
    }
    const content = this.#crypto.open(
      this.#key,
      joinNonce(WELCOME_NONCE, welcome.subarray(WELCOME.nonce, WELCOME.box)),
      welcome.subarray(WELCOME.box),
    );
    if (content === undefined) throw wrongServerKey("WELCOME");
    this.#key.fill(0);
    const serverTransientKey = content.subarray(0, KEY_SIZE);
    this.#key = this.#crypto.beforenm(serverTransientKey, this.#transient.secretKey);
    this.#expected = "READY";
    return { send: this.#encodeInitiate(serverTransientKey, content.subarray(KEY_SIZE)) };
  }

  #encodeInitiate(serverTransientKey: Uint8Array, cookie: Uint8Array): Uint8Array {
    const { keys, serverKey, metadata } = this.#options;
    const vouchNonce = this.#crypto.random(LONG_NONCE_SIZE);
    // To S', the server's key of this connection: RFC 26 says S in one place, libzmq takes no other than S'.
    const vouchKey = this.#crypto.beforenm(serverTransientKey, keys.secretKey);
    const vouch = this.#crypto.seal(
      vouchKey,
      joinNonce(VOUCH_NONCE, vouchNonce),
      join(this.#transient.publicKey, serverKey),
    );
    vouchKey.fill(0);
    const nonce = shortNonce(2);
    const content = join(keys.publicKey, vouchNonce, vouch, encodeMetadata(metadata()));
    const box = this.#crypto.seal(this.#key, joinNonce(INITIATE_NONCE, nonce), content);
    return encodeCommand("INITIATE", join(cookie, nonce, box));
  }

  #handleReady(ready: Uint8Array): MechanismStep {
    if (ready.length < READY.minEnd) {
      throw new ProtocolError(
        "bad-command",
        `Cannot take READY: it has ${ready.length} bytes, needs ${READY.minEnd}`,
      );
    }
    const nonce = ready.subarray(READY.nonce, READY.box);
    const content = this.#crypto.open(this.#key, joinNonce(READY_NONCE, nonce), ready.subarray(READY.box));
    if (content === undefined) throw wrongServerKey("READY");
    const metadata = parseMetadata(content);
    this.#expected = "nothing";
    this.#box = new CurveBox(this.#crypto, {
      key: this.#key,
      ourPrefix: CLIENT_MESSAGE_NONCE,
      theirPrefix: SERVER_MESSAGE_NONCE,
      ourNonce: { high: 0, low: 2 },
      theirNonce: readNonce(nonce, 0),
    });
    this.#key.fill(0);
    this.#transient.secretKey.fill(0);
    return { metadata };
  }
}

function unexpected(name: string, expected: string): ProtocolError {
  return new ProtocolError(
    "unexpected-before-ready",
    `Cannot take command ${JSON.stringify(name)}: ${expected} was expected`,
  );
}

function wrongServerKey(command: string): HandshakeError {
  return new HandshakeError(
    "wrong-server-key",
    `Cannot trust server: its ${command} was not made with the key that we were given for it`,
  );
}

function prefix(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function shortNonce(value: number): Uint8Array {
  const nonce = new Uint8Array(SHORT_NONCE_SIZE);
  nonce[SHORT_NONCE_SIZE - 1] = value;
  return nonce;
}

function joinNonce(start: Uint8Array, end: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(NONCE_SIZE);
  nonce.set(start);
  nonce.set(end, start.length);
  return nonce;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** In a time that does not depend on where they differ. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
