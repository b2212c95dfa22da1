/** A peer that writes whatever bytes a test wants to a listening socket of ours, and sees all that comes back. */
import { encodeReady, type Metadata, socketTypeMetadata } from "../../zmtp/command.ts";
import { encodeFrame, FrameDecoder } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { soon } from "./deadline.ts";

/** A frame that came. */
export interface RawFrame {
  readonly flags: number;
  readonly body: Uint8Array;
}

const text = new TextDecoder();
const bytes = new TextEncoder();

export class RawPeer implements AsyncDisposable {
  readonly conn: Deno.TcpConn;
  /** The other side's READY, where we joined. */
  ready: RawFrame | undefined;
  #pending: Uint8Array = new Uint8Array(0);
  #frames: RawFrame[] = [];
  readonly #decoder: FrameDecoder;

  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
    this.#decoder = new FrameDecoder({ maxMessageBytes: 64 * 1024 * 1024 }, {
      handleFrame: (bytes, start, bodyStart, end) =>
        void this.#frames.push({ flags: bytes[start]!, body: bytes.slice(bodyStart, end) }),
      handleSkippedFrame: () => {},
    });
  }

  /** Connects, and says nothing. */
  static async connect(address: string): Promise<RawPeer> {
    const { hostname, port } = new URL(address.replace("tcp:", "http:"));
    const conn = await Deno.connect({ hostname, port: Number(port) });
    conn.setNoDelay(true);
    return new RawPeer(conn);
  }

  /** Connects and shakes hands as a socket of that type; READY has these properties as well. */
  static async join(address: string, socketType: string, properties: Metadata = []): Promise<RawPeer> {
    const peer = await RawPeer.connect(address);
    await peer.shakeHands(socketType, properties);
    return peer;
  }

  /**
   * Shakes hands as a socket of that type.
   *
   * @throws {Deno.errors.UnexpectedEof} The other side has ended the connection instead.
   */
  async shakeHands(socketType: string, properties: Metadata = []): Promise<void> {
    await this.write(encodeGreeting("NULL"));
    await this.readBytes(64);
    await this.write(encodeReady([...socketTypeMetadata(socketType), ...properties]));
    this.ready = await this.readFrame();
    if (this.ready === undefined) throw new Deno.errors.UnexpectedEof("no READY came");
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** Sends a text as one message. */
  async send(message: string): Promise<void> {
    await this.write(encodeFrame(bytes.encode(message), 0));
  }

  /** Exactly so many bytes; fewer when the other side ends before. */
  async readBytes(size: number): Promise<Uint8Array> {
    while (this.#pending.length < size) {
      const chunk = await this.#read();
      if (chunk === undefined) break;
      this.#pending = concat(this.#pending, chunk);
    }
    const taken = this.#pending.slice(0, size);
    this.#pending = this.#pending.slice(size);
    return taken;
  }

  /** The next frame; undefined when the other side has ended. */
  async readFrame(): Promise<RawFrame | undefined> {
    if (this.#pending.length > 0) {
      this.#decoder.push(this.#pending);
      this.#pending = new Uint8Array(0);
    }
    while (this.#frames.length === 0) {
      const chunk = await this.#read();
      if (chunk === undefined) return undefined;
      this.#decoder.push(chunk);
    }
    return this.#frames.shift();
  }

  /** The next frame's body as a text, PINGs passed over; undefined when the other side has ended. */
  async readText(): Promise<string | undefined> {
    while (true) {
      const frame = await this.readFrame();
      const body = frame && text.decode(frame.body);
      if (body?.startsWith("\x04PING") !== true) return body;
    }
  }

  /** Resolves when the other side has ended. Whatever comes before is dropped. */
  async ended(): Promise<void> {
    while (await this.#read() !== undefined);
  }

  close(): void {
    this.conn[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #read(): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      const size = await soon(this.conn.read(buffer), "bytes of the peer");
      return size === null ? undefined : buffer.subarray(0, size);
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
        return undefined;
      }
      throw error;
    }
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function hex(digits: string): Uint8Array {
  return Uint8Array.from(digits.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
