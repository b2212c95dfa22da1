/**
 * Both sides of CURVE byte by byte, for peers that break it: written from the tables of RFC 26 and what libzmq 4.3.5 sends,
 * not from the code that is tested. Every field can be replaced.
 */
import assert from "node:assert/strict";
import { encodeCommand, encodeMetadata, socketTypeMetadata } from "../../zmtp/command.ts";
import type { Cryptography, KeyPair } from "../../zmtp/curve/crypto.ts";
import { loadCryptography } from "../../zmtp/curve/libsodium.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { decodeZ85 } from "../../zmtp/curve/z85.ts";
import { concat, RawPeer } from "./raw_peer.ts";
import type { RawServer } from "./raw_server.ts";

/** The library that the tests use for what the raw peers say. */
export const library: Cryptography = await loadCryptography();

/** Public keys for which X25519 gives zero, whatever the secret is. */
export const LOW_ORDER_KEYS: readonly Uint8Array[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((digits) => Uint8Array.fromHex(digits));

/** Eight bytes of a nonce. */
export function counter(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

/** Bytes of a text, or those of Z85. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Box[content](from -> to). */
export function box(to: Uint8Array, from: Uint8Array, nonce: Uint8Array, content: Uint8Array): Uint8Array {
  return library.seal(library.beforenm(to, from), nonce, content);
}

/** A MESSAGE frame. */
export function message(
  key: Uint8Array,
  prefix: string,
  nonce: bigint,
  payload: Uint8Array,
  { inner = 0, outer = 0 }: { readonly inner?: number; readonly outer?: number } = {},
): Uint8Array {
  const content = concat(Uint8Array.of(inner), payload);
  const sealed = library.seal(key, concat(ascii(prefix), counter(nonce)), content);
  return encodeFrame(concat(ascii("\x07MESSAGE"), counter(nonce), sealed), outer);
}

/** A client that does what a test wants. */
export class RawCurveClient implements AsyncDisposable {
  readonly peer: RawPeer;
  readonly serverKey: Uint8Array;
  /** C and c. */
  keys: KeyPair = library.keyPair();
  /** C' and c'. */
  transient: KeyPair = library.keyPair();
  /** S', from WELCOME. */
  serverTransientKey: Uint8Array = new Uint8Array(32);
  /** From WELCOME. */
  cookie: Uint8Array = new Uint8Array(96);

  constructor(peer: RawPeer, serverKey: string) {
    this.peer = peer;
    this.serverKey = decodeZ85(serverKey)!;
  }

  /** Connected, greetings exchanged. */
  static async connect(address: string, serverKey: string, minor = 1): Promise<RawCurveClient> {
    const peer = await RawPeer.connect(address);
    const greeting = encodeGreeting("CURVE");
    greeting[11] = minor;
    await peer.write(greeting);
    await peer.readBytes(64);
    return new RawCurveClient(peer, serverKey);
  }

  /** Ready, as a socket of that type. */
  static async join(
    address: string,
    serverKey: string,
    socketType: string,
    minor = 1,
  ): Promise<RawCurveClient> {
    const client = await RawCurveClient.connect(address, serverKey, minor);
    await client.greet();
    await client.peer.write(client.initiate({ socketType }));
    const ready = await client.peer.readFrame();
    assert.equal(String.fromCharCode(...ready!.body.subarray(0, 6)), "\x05READY");
    return client;
  }

  /** Says HELLO and takes WELCOME. */
  async greet(): Promise<void> {
    await this.peer.write(this.hello());
    const welcome = await this.peer.readFrame();
    assert.equal(welcome?.body.length, 168);
    const content = library.open(
      library.beforenm(this.serverKey, this.transient.secretKey),
      concat(ascii("WELCOME-"), welcome.body.subarray(8, 24)),
      welcome.body.subarray(24),
    );
    this.serverTransientKey = content!.slice(0, 32);
    this.cookie = content!.slice(32);
  }

  /** HELLO as a frame. */
  hello(
    fields: {
      readonly version?: Uint8Array;
      readonly padding?: Uint8Array;
      readonly publicKey?: Uint8Array;
      readonly serverKey?: Uint8Array;
      readonly content?: Uint8Array;
      readonly extra?: Uint8Array;
    } = {},
  ): Uint8Array {
    const nonce = counter(1n);
    const { serverKey = this.serverKey, content = new Uint8Array(64) } = fields;
    return encodeCommand(
      "HELLO",
      concat(
        fields.version ?? Uint8Array.of(1, 0),
        fields.padding ?? new Uint8Array(72),
        fields.publicKey ?? this.transient.publicKey,
        nonce,
        box(serverKey, this.transient.secretKey, concat(ascii("CurveZMQHELLO---"), nonce), content),
        fields.extra ?? new Uint8Array(0),
      ),
    );
  }

  /** INITIATE as a frame. */
  initiate(
    fields: {
      readonly socketType?: string;
      readonly cookie?: Uint8Array;
      readonly nonce?: bigint;
      readonly publicKey?: Uint8Array;
      readonly vouchTo?: Uint8Array;
      readonly vouchFrom?: Uint8Array;
      readonly vouchContent?: Uint8Array;
      readonly metadata?: Uint8Array;
      readonly extra?: Uint8Array;
    } = {},
  ): Uint8Array {
    const nonce = counter(fields.nonce ?? 2n);
    const vouchNonce = library.random(16);
    const vouch = box(
      fields.vouchTo ?? this.serverTransientKey,
      fields.vouchFrom ?? this.keys.secretKey,
      concat(ascii("VOUCH---"), vouchNonce),
      fields.vouchContent ?? concat(this.transient.publicKey, this.serverKey),
    );
    const metadata = fields.metadata ?? encodeMetadata(socketTypeMetadata(fields.socketType ?? "PUSH"));
    const content = concat(fields.publicKey ?? this.keys.publicKey, vouchNonce, vouch, metadata);
    const sealed = box(
      this.serverTransientKey,
      this.transient.secretKey,
      concat(ascii("CurveZMQINITIATE"), nonce),
      content,
    );
    return encodeCommand(
      "INITIATE",
      concat(fields.cookie ?? this.cookie, nonce, sealed, fields.extra ?? new Uint8Array(0)),
    );
  }

  #key: Uint8Array | undefined;

  /** K'; not before WELCOME. */
  get key(): Uint8Array {
    return this.#key ??= library.beforenm(this.serverTransientKey, this.transient.secretKey);
  }

  /** MESSAGE as a frame; the first nonce to use is 3. */
  message(
    nonce: bigint,
    payload: Uint8Array,
    flags?: { readonly inner?: number; readonly outer?: number },
  ): Uint8Array {
    return message(this.key, "CurveZMQMESSAGEC", nonce, payload, flags);
  }

  /** What is in a MESSAGE of the server's: flags, then payload. */
  open(body: Uint8Array): Uint8Array | undefined {
    return library.open(this.key, concat(ascii("CurveZMQMESSAGES"), body.subarray(8, 16)), body.subarray(16));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
  }
}

/** A server that does what a test wants. */
export class RawCurveServer implements AsyncDisposable {
  readonly peer: RawPeer;
  readonly keys: KeyPair;
  /** S' and s'. */
  transient: KeyPair = library.keyPair();
  /** C', from HELLO. */
  clientTransientKey: Uint8Array = new Uint8Array(32);
  /** INITIATE's content: C, vouch nonce, vouch, metadata. */
  initiated: Uint8Array = new Uint8Array(0);

  constructor(peer: RawPeer, keys: KeyPair) {
    this.peer = peer;
    this.keys = keys;
  }

  /** The next connection, HELLO taken. */
  static async accept(server: RawServer, keys: KeyPair, minor = 1): Promise<RawCurveServer> {
    const raw = new RawCurveServer(await server.accept(), keys);
    const greeting = encodeGreeting("CURVE", true);
    greeting[11] = minor;
    await raw.peer.write(greeting);
    await raw.peer.readBytes(64);
    const hello = await raw.peer.readFrame();
    assert.equal(hello?.body.length, 200);
    raw.clientTransientKey = hello.body.slice(80, 112);
    return raw;
  }

  /** The next connection, ready. */
  static async welcomeAs(
    server: RawServer,
    keys: KeyPair,
    socketType: string,
    minor = 1,
  ): Promise<RawCurveServer> {
    const raw = await RawCurveServer.accept(server, keys, minor);
    await raw.peer.write(raw.welcome());
    await raw.takeInitiate();
    await raw.peer.write(raw.ready({ socketType }));
    return raw;
  }

  /** WELCOME as a frame. */
  welcome(
    fields: {
      readonly secretKey?: Uint8Array;
      readonly publicKey?: Uint8Array;
      readonly extra?: Uint8Array;
    } = {},
  ): Uint8Array {
    const nonce = library.random(16);
    const content = concat(fields.publicKey ?? this.transient.publicKey, library.random(96));
    const sealed = box(
      this.clientTransientKey,
      fields.secretKey ?? this.keys.secretKey,
      concat(ascii("WELCOME-"), nonce),
      content,
    );
    return encodeCommand("WELCOME", concat(nonce, sealed, fields.extra ?? new Uint8Array(0)));
  }

  /** Reads INITIATE. */
  async takeInitiate(): Promise<void> {
    const initiate = await this.peer.readFrame();
    const content = library.open(
      this.key,
      concat(ascii("CurveZMQINITIATE"), initiate!.body.subarray(105, 113)),
      initiate!.body.subarray(113),
    );
    assert(content !== undefined, "INITIATE opens");
    this.initiated = content;
  }

  #key: Uint8Array | undefined;

  /** K'; not before HELLO. */
  get key(): Uint8Array {
    return this.#key ??= library.beforenm(this.clientTransientKey, this.transient.secretKey);
  }

  /** READY as a frame. */
  ready(
    fields: {
      readonly socketType?: string;
      readonly key?: Uint8Array;
      readonly nonce?: bigint;
      readonly metadata?: Uint8Array;
    } = {},
  ): Uint8Array {
    const nonce = counter(fields.nonce ?? 1n);
    const metadata = fields.metadata ?? encodeMetadata(socketTypeMetadata(fields.socketType ?? "PULL"));
    const sealed = library.seal(fields.key ?? this.key, concat(ascii("CurveZMQREADY---"), nonce), metadata);
    return encodeCommand("READY", concat(nonce, sealed));
  }

  /** MESSAGE as a frame; the first nonce to use is 2. */
  message(
    nonce: bigint,
    payload: Uint8Array,
    flags?: { readonly inner?: number; readonly outer?: number },
  ): Uint8Array {
    return message(this.key, "CurveZMQMESSAGES", nonce, payload, flags);
  }

  /** What is in a MESSAGE of the client's: flags, then payload. */
  open(body: Uint8Array): Uint8Array | undefined {
    return library.open(this.key, concat(ascii("CurveZMQMESSAGEC"), body.subarray(8, 16)), body.subarray(16));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
  }
}
