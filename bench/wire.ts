/**
 * Just enough ZMTP 3.1 to put load on a broker: written for the bench alone, so that nothing of the engine that is measured
 * is part of the measure. Frames are encoded beforehand and counted without being decoded.
 *
 * @module
 */
import { socketTypeMetadata } from "../zmtp/command.ts";
import { curveKeyPair } from "../zmtp/curve/keys.ts";
import type { MessageBox } from "../zmtp/mechanism.ts";
import { dialSecurity } from "../zmtp/security.ts";
import { Session } from "../zmtp/session.ts";

/** Roles that the load generator plays. */
export type Role = "PUSH" | "SUB" | "PULL" | "PUB";

/** Bytes of the greeting. */
const GREETING_SIZE = 64;
/** Larger reads gain nothing on Deno 2.9. */
const READ_BYTES = 64 * 1024;
/** Bytes of one write of the generator, if a message is not larger. */
const CHUNK_BYTES = 128 * 1024;

/** Messages encoded beforehand: whole frames in one buffer. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly messages: number;
}

/** One connection after its handshake. */
export class Wire implements Disposable {
  /** The connection itself, for large writes. */
  readonly conn: Deno.TcpConn;
  /** Message frames that came so far. */
  received = 0;
  /** Called after each read that brought messages. */
  onMessages: (count: number) => void = () => {};
  readonly #buffer = new Uint8Array(READ_BYTES);
  /** What follows the handshake in the same read: `#buffer[#at, #end)`. */
  #at = 0;
  #end = 0;
  /** The beginning of a header that was cut, and bytes of a body that have still to come. */
  readonly #header = new Uint8Array(9);
  #headerSize = 0;
  #bodyLeft = 0;
  #box: MessageBox | undefined;

  private constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  /** Dials `tcp://host:port` and shakes hands; with a server's key by CURVE. */
  static async dial(address: string, role: "PUSH" | "SUB", serverKey?: string): Promise<Wire> {
    const { hostname, port } = new URL(address.replace("tcp:", "http:"));
    const conn = await Deno.connect({ hostname, port: Number(port) });
    return serverKey === undefined
      ? await Wire.#shakeHands(conn, role)
      : await Wire.#shakeHandsByCurve(conn, role, serverKey);
  }

  /** Shakes hands on a connection that was accepted. */
  static async accept(conn: Deno.TcpConn, role: Role): Promise<Wire> {
    return await Wire.#shakeHands(conn, role);
  }

  static async #shakeHands(conn: Deno.TcpConn, role: Role): Promise<Wire> {
    conn.setNoDelay(true);
    const wire = new Wire(conn);
    const greeting = new Uint8Array(GREETING_SIZE);
    // As a PUB it says 3.0, whose peers ask for no PONG: nothing is answered here.
    greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, role === "PUB" ? 0 : 1]);
    greeting.set(bytes("NULL"), 12);
    await wire.write(greeting);
    await wire.#need(GREETING_SIZE);
    wire.#at += GREETING_SIZE;
    const ready = bytes(`\x05READY\x0bSocket-Type\0\0\0${String.fromCharCode(role.length)}${role}`);
    await wire.write(new Uint8Array([0x04, ready.length, ...ready]));
    await wire.#need(2);
    const size = wire.#buffer[wire.#at + 1]!;
    await wire.#need(2 + size);
    wire.#at += 2 + size;
    return wire;
  }

  // The one place where the engine is used: nobody wants to write CURVE a second time. What is measured has then been sealed
  // beforehand, and what comes is counted without being opened.
  static async #shakeHandsByCurve(
    conn: Deno.TcpConn,
    role: "PUSH" | "SUB",
    serverKey: string,
  ): Promise<Wire> {
    conn.setNoDelay(true);
    const wire = new Wire(conn);
    const curve = { serverKey, ...await curveKeyPair() };
    const security = dialSecurity(() => socketTypeMetadata(role), curve);
    await security.ready;
    const now = () => performance.now();
    const nothing = () => {};
    const session = new Session(
      { socketType: role, mechanism: security.makeMechanism() },
      {
        handleReady: nothing,
        handleMessage: nothing,
        handleUnfit: nothing,
        handleSubscription: nothing,
        handlePong: nothing,
      },
      now(),
    );
    while (session.state !== "ready") {
      const words = session.takeOutput();
      if (words !== undefined) await wire.write(words);
      const size = await conn.read(wire.#buffer);
      const fault = size === null
        ? new Error("closed")
        : session.receive(wire.#buffer.subarray(0, size), now());
      if (fault !== undefined) throw new Error("the peer does not shake hands", { cause: fault });
    }
    wire.#box = session.box;
    return wire;
  }

  /** Whole frames as they travel: sealed under CURVE, in the order in which they will be written. */
  seal(frames: Uint8Array): Uint8Array {
    return this.#box === undefined ? frames : this.#box.seal(frames);
  }

  /** Says SUBSCRIBE. */
  async subscribe(topic: string): Promise<void> {
    const body = bytes(`\x09SUBSCRIBE${topic}`);
    await this.write(this.seal(new Uint8Array([0x04, body.length, ...body])));
  }

  /** Writes all of it. */
  async write(bytes: Uint8Array): Promise<void> {
    let at = await this.conn.write(bytes);
    while (at < bytes.length) at += await this.conn.write(bytes.subarray(at));
  }

  /** Reads and counts until the connection ends. */
  async count(): Promise<void> {
    const [at, end] = [this.#at, this.#end];
    this.#at = this.#end;
    if (at < end) this.#countIn(at, end);
    while (true) {
      const size = await this.conn.read(this.#buffer).catch(() => null);
      if (size === null) return;
      this.#countIn(0, size);
    }
  }

  /** Reads until one message more has come; for round trips. */
  async next(): Promise<void> {
    const before = this.received;
    if (this.#at < this.#end) {
      const [at, end] = [this.#at, this.#end];
      this.#at = this.#end;
      this.#countIn(at, end);
    }
    while (this.received === before) {
      const size = await this.conn.read(this.#buffer);
      if (size === null) throw new Error("the broker closed the connection");
      this.#countIn(0, size);
    }
  }

  [Symbol.dispose](): void {
    this.conn[Symbol.dispose]();
  }

  #countIn(from: number, end: number): void {
    const buffer = this.#buffer;
    let count = 0;
    let at = from;
    if (this.#bodyLeft > 0) {
      const take = Math.min(this.#bodyLeft, end - at);
      this.#bodyLeft -= take;
      at += take;
      if (this.#bodyLeft === 0) count++;
    }
    while (at < end) {
      if (this.#headerSize === 0 && at + 2 <= end && buffer[at]! === 0x00) {
        const next = at + 2 + buffer[at + 1]!;
        if (next <= end) {
          count++;
          at = next;
          continue;
        }
      }
      // Long frames, commands and whatever is cut by the end of the buffer.
      this.#header[this.#headerSize++] = buffer[at++]!;
      const flags = this.#header[0]!;
      if (this.#headerSize < ((flags & 0x02) === 0 ? 2 : 9)) continue;
      const size = (flags & 0x02) === 0 ? this.#header[1]! : readSize(this.#header);
      this.#headerSize = 0;
      const take = Math.min(size, end - at);
      at += take;
      this.#bodyLeft = size - take;
      if (this.#bodyLeft === 0 && (flags & 0x04) === 0) count++;
    }
    if (count > 0) {
      this.received += count;
      this.onMessages(count);
    }
  }

  async #need(size: number): Promise<void> {
    while (this.#end - this.#at < size) {
      const read = await this.conn.read(this.#buffer.subarray(this.#end));
      if (read === null) throw new Error("the peer closed the connection during the handshake");
      this.#end += read;
    }
  }
}

/**
 * The text of a bus message of exactly so many bytes, at least 20. `variant` makes two kinds that a narrow topic
 * tells apart.
 */
export function messageText(size: number, variant: 1 | 2 = 1): string {
  const head = size < 100
    ? `{"type":"subject0${variant}`
    : `{"type":"subject","subject":${
      118 + variant
    },"application":"explorer","pid":4711,"time":1763800000.25,"n":"`;
  return `${head}${"x".repeat(size - head.length - 2)}"}`;
}

/** The topic that lets messages of variant 1 through. */
export function narrowTopic(size: number): string {
  return size < 100 ? '{"type":"subject01' : '{"type":"subject","subject":119';
}

/** One frame around a text. */
export function frameOf(text: string): Uint8Array {
  const body = bytes(text);
  if (body.length <= 0xff) return new Uint8Array([0x00, body.length, ...body]);
  const frame = new Uint8Array(9 + body.length);
  frame[0] = 0x02;
  new DataView(frame.buffer).setUint32(5, body.length);
  frame.set(body, 9);
  return frame;
}

/** As many frames as one write takes, `most` of them; with `mixed` every other one is of variant 2. */
export function chunkOf(size: number, mixed: boolean, most: number = Infinity): Chunk {
  const frames = [frameOf(messageText(size, 1)), frameOf(messageText(size, mixed ? 2 : 1))] as const;
  const pairs = Math.max(1, Math.floor(Math.min(CHUNK_BYTES / frames[0].length, most) / 2));
  const bytes = new Uint8Array(pairs * 2 * frames[0].length);
  for (let i = 0; i < 2 * pairs; i++) bytes.set(frames[i % 2]!, i * frames[0].length);
  return { bytes, messages: 2 * pairs };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function readSize(header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset).getUint32(5);
}
