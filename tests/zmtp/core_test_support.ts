/** What the tests of the pure core share: bytes as text, cuts of a stream, a session's handler that writes everything down. */
import assert from "node:assert/strict";
import {
  encodeReady,
  type Metadata,
  socketTypeMetadata,
  type SubscriptionChange,
} from "../../zmtp/command.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { NullMechanism } from "../../zmtp/null.ts";
import { type Peer, Session, type SessionHandler, type SessionOptions } from "../../zmtp/session.ts";
import type { SocketType } from "../../zmtp/socket_type.ts";

/** A test of the pure core has no permission at all: whatever it calls does no I/O. */
export const PURE = { permissions: "none" } as const;

/**
 * Bytes from hex with text in quotes; white space is for the reader: `bytes("04 0a 09 'SUBSCRIBE'")`.
 */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const [piece, quoted] of text.matchAll(/'([^']*)'|\s+|[^\s']{1,2}|'/g)) {
    if (quoted !== undefined) { for (const char of quoted) bytes.push(char.charCodeAt(0)); }
    else if (piece.trim() !== "") {
      assert.match(piece, /^[0-9a-f]{2}$/, `no bytes: ${text}`);
      bytes.push(parseInt(piece, 16));
    }
  }
  return Uint8Array.from(bytes);
}

/** One byte, many times. */
export function repeated(byte: number, size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(size).fill(byte);
}

/** Bytes of several pieces, one behind the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes as hex. */
export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes as text, one character each. */
export function latin1(bytes: Uint8Array): string {
  return [...bytes].map((byte) => String.fromCharCode(byte)).join("");
}

/** Cuts a stream at these places. */
export function cutAt(stream: Uint8Array, places: Iterable<number>): Uint8Array[] {
  const sorted = [...new Set([0, ...places, stream.length])].filter((at) => at <= stream.length)
    .sort((a, b) => a - b);
  return sorted.slice(1).map((end, i) => stream.slice(sorted[i], end));
}

/** The ways in which each case of the codec is tried: whole, byte by byte, in two at each place, at random. */
export function* cuts(stream: Uint8Array): Generator<readonly [name: string, chunks: Uint8Array[]]> {
  yield ["whole", [stream.slice()]];
  yield ["byte by byte", cutAt(stream, stream.keys())];
  for (let at = 1; at < Math.min(stream.length, 80); at++) yield [`cut at ${at}`, cutAt(stream, [at])];
  let seed = 1;
  for (let run = 0; run < 20; run++) {
    const places = new Set<number>();
    for (let at = 0; at < stream.length;) {
      seed = (seed * 48_271) % 0x7fff_ffff;
      at += 1 + seed % (1 + run * 3);
      places.add(at);
    }
    yield [`random cut ${run}`, cutAt(stream, places)];
  }
}

/** What a call throws; fails if it throws nothing. */
export function thrownBy(call: () => unknown): Error & { readonly code?: string } {
  try {
    call();
  } catch (error) {
    assert(error instanceof Error);
    return error;
  }
  assert.fail("nothing was thrown");
}

/** Runs a call and says how many bytes it allocated in typed arrays, those included by which buffers grew. */
export function allocatedBy(call: () => void): number {
  const original = Uint8Array;
  const { transfer } = ArrayBuffer.prototype;
  let sum = 0;
  ArrayBuffer.prototype.transfer = function (this: ArrayBuffer, size = this.byteLength): ArrayBuffer {
    sum += Math.max(0, size - this.byteLength);
    return transfer.call(this, size);
  };
  const spy: typeof Uint8Array = new Proxy(original, {
    construct(target, args, newTarget): object {
      if (typeof args[0] === "number") sum += args[0];
      return Reflect.construct(target, args, newTarget === spy ? target : newTarget);
    },
  });
  globalThis.Uint8Array = spy;
  try {
    call();
  } finally {
    globalThis.Uint8Array = original;
    ArrayBuffer.prototype.transfer = transfer;
  }
  return sum;
}

/** A handler that writes down what it hears, a line each. */
export class Recorder implements SessionHandler {
  /** What was heard since the last {@linkcode Recorder.take}. */
  lines: string[] = [];
  /** Frames that meant nothing to the role. */
  noise = 0;
  /** Called with each line. */
  onLine: (line: string) => void = () => {};

  /** Empties the record. */
  take(): string[] {
    return this.lines.splice(0);
  }

  #write(line: string): void {
    this.lines.push(line);
    this.onLine(line);
  }

  handleReady({ socketType, minor }: Peer): void {
    this.#write(`ready ${socketType} 3.${minor}`);
  }
  handleMessage(bytes: Uint8Array, start: number, bodyStart: number, end: number): void {
    assert([0x00, 0x02].includes(bytes[start]!), "a message's frame begins with its flags");
    assert.equal(bodyStart - start, bytes[start] === 0 ? 2 : 9, "a message's body follows its header");
    this.#write(`message ${latin1(bytes.subarray(bodyStart, end))}`);
  }
  handleUnfit(reason: "multipart" | "too-large", size: number, parts: number): void {
    this.#write(`unfit ${reason}, ${size} bytes, ${parts} parts`);
  }
  handleSubscription({ subscribe, topic }: SubscriptionChange): void {
    this.#write(`${subscribe ? "subscribe" : "cancel"} ${latin1(topic)}`);
  }
  handlePong(): void {
    this.#write("pong");
  }
  handleNoise(): void {
    this.noise++;
  }
}

/** Who listens; the other two dial. */
export function isListening(socketType: SocketType): boolean {
  return socketType === "PULL" || socketType === "PUB";
}

/** A role's session before the first byte, and its record. */
export function openSession(
  socketType: SocketType,
  options: Partial<SessionOptions> = {},
  now = 0,
): { session: Session; heard: Recorder } {
  const heard = new Recorder();
  const mechanism = new NullMechanism(() => socketTypeMetadata(socketType), isListening(socketType));
  return { session: new Session({ socketType, mechanism, ...options }, heard, now), heard };
}

/** A type of peer that each role talks to. */
export const PEER: Readonly<Record<SocketType, SocketType>> = {
  PULL: "PUSH",
  PUSH: "PULL",
  PUB: "SUB",
  SUB: "PUB",
};

/** A greeting of the peer's. */
export function greeting(minor = 1, mechanism = "NULL"): Uint8Array {
  const bytes = encodeGreeting(mechanism);
  bytes[11] = minor;
  return bytes;
}

/** A READY of the peer's. */
export function ready(socketType: string, more: Metadata = []): Uint8Array {
  return encodeReady([...socketTypeMetadata(socketType), ...more]);
}

/** A session that has shaken hands with a raw peer. Its first words are taken, its record is empty. */
export function readySession(
  socketType: SocketType,
  options: Partial<SessionOptions> & { minor?: number; peer?: string } = {},
  now = 0,
): { session: Session; heard: Recorder } {
  const { minor = 1, peer = PEER[socketType], ...sessionOptions } = options;
  const opened = openSession(socketType, sessionOptions, now);
  opened.session.receive(concat(greeting(minor), ready(peer)), now);
  assert.equal(opened.session.state, "ready");
  opened.session.takeOutput();
  opened.heard.take();
  return opened;
}

/** Two sessions and the wire between them. Time is a number. */
export class Wire {
  /** All bytes that went from the first to the second session, and back. */
  readonly carried: readonly [number[], number[]] = [[], []];
  readonly #sessions: readonly [Session, Session];
  readonly #cut: (chunk: Uint8Array) => Uint8Array[];

  constructor(a: Session, b: Session, cut: (chunk: Uint8Array) => Uint8Array[] = (chunk) => [chunk]) {
    this.#sessions = [a, b];
    this.#cut = cut;
  }

  /** Carries bytes both ways until both are silent. */
  settle(now: number): void {
    for (let isQuiet = false; !isQuiet;) {
      isQuiet = true;
      for (const from of [0, 1] as const) {
        const bytes = this.#sessions[from].takeOutput();
        if (bytes === undefined) continue;
        isQuiet = false;
        this.carried[from].push(...bytes);
        for (const chunk of this.#cut(bytes)) this.#sessions[1 - from]!.receive(chunk, now);
      }
    }
  }
}
