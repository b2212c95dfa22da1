/**
 * TCP and TLS for the NATS library, on `Deno.connect`. The library's own transport for Node lets errors of the socket escape between
 * the server's first line and the end of the handshake, which end the whole process. Here every read and write is caught.
 *
 * @module
 */

/** What the library says of a server. */
interface Server {
  readonly hostname: string;
  readonly port: number;
  readonly tlsName?: string;
}

/** What of the connection's options matters here. */
interface Options {
  readonly tls?: { readonly ca?: string } | undefined;
}

/** The first line of a server is shorter. */
const MAX_INFO_BYTES = 64 * 1024;
const READ_BYTES = 64 * 1024;
/** So many bytes are joined for one write. */
const JOINED_BYTES = 64 * 1024;

/** See the module. The library makes one for each attempt to connect. */
export class DenoTransport {
  readonly lang = "deno";
  readonly version = "1.0.0";
  closeError: Error | undefined;
  #conn: Deno.TcpConn | Deno.TlsConn | undefined;
  /** What was read behind or as the first line. */
  #first: Uint8Array = new Uint8Array(0);
  #isConnected = false;
  #isEncrypted = false;
  #isClosed = false;
  readonly #closed: PromiseWithResolvers<void | Error> = Promise.withResolvers<void | Error>();
  #unsent: Uint8Array[] = [];
  #isWriting = false;
  #idle: (() => void) | undefined;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Dials, reads the first line, and puts TLS around what follows. */
  async connect(server: Server, options: Options): Promise<void> {
    try {
      const { hostname, port } = server;
      const tcp = await Deno.connect({ hostname, port });
      if (this.#isClosed) return tcp.close();
      this.#conn = tcp;
      tcp.setNoDelay(true);
      const info = await this.#readInfo(tcp);
      if (options.tls !== undefined || info.tls_required === true) {
        const caCerts = options.tls?.ca === undefined ? [] : [options.tls.ca];
        const tls = await Deno.startTls(tcp, { hostname: server.tlsName || hostname, caCerts });
        this.#conn = tls;
        if (this.#isClosed) return tls.close();
        // Without it an unknown authority would show as a timeout only.
        await tls.handshake();
        this.#isEncrypted = true;
      }
      this.#isConnected = true;
    } catch (error) {
      this.#end(error as Error);
      throw error;
    }
  }

  async #readInfo(conn: Deno.Conn): Promise<{ readonly tls_required?: boolean }> {
    let text = new Uint8Array(0);
    while (true) {
      const chunk = new Uint8Array(READ_BYTES);
      const size = await conn.read(chunk);
      if (size === null) throw new Error("the server closed the connection before it said who it is");
      const longer = new Uint8Array(text.length + size);
      longer.set(text);
      longer.set(chunk.subarray(0, size), text.length);
      text = longer;
      const end = text.indexOf(0x0a);
      const head = decoder.decode(end < 0 ? text : text.subarray(0, end));
      if (!"INFO ".startsWith(head.slice(0, 5).toUpperCase()) || text.length > MAX_INFO_BYTES) {
        throw new NotNatsError(
          `what listens there is no NATS server: it says ${JSON.stringify(head.slice(0, 40))}`,
        );
      }
      if (end < 0) continue;
      this.#first = text;
      try {
        return JSON.parse(head.slice(5));
      } catch {
        throw new NotNatsError("what listens there is no NATS server: its first line is no INFO");
      }
    }
  }

  /** What came, chunk by chunk; each is the receiver's. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield this.#first;
      const chunk = new Uint8Array(READ_BYTES);
      while (!this.#isClosed) {
        const size = await this.#conn!.read(chunk);
        if (size === null) break;
        yield chunk.slice(0, size);
      }
      this.#end(undefined);
    } catch (error) {
      this.#end(error as Error);
    } finally {
      // The library stops reading when it cannot understand what came.
      this.#end(undefined);
    }
  }

  isEncrypted(): boolean {
    return this.#isEncrypted;
  }

  send(frame: Uint8Array): void {
    if (this.#isClosed || this.#conn === undefined) return;
    this.#unsent.push(frame);
    if (!this.#isWriting) void this.#write();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#unsent.length > 0 && !this.#isClosed) {
        const bytes = this.#takeUnsent();
        for (let at = 0; at < bytes.length;) at += await this.#conn!.write(bytes.subarray(at));
      }
    } catch (error) {
      this.#end(error as Error);
    }
    this.#isWriting = false;
    this.#idle?.();
  }

  #takeUnsent(): Uint8Array {
    let [count, size] = [0, 0];
    while (
      count < this.#unsent.length && (count === 0 || size + this.#unsent[count]!.length <= JOINED_BYTES)
    ) {
      size += this.#unsent[count++]!.length;
    }
    const frames = this.#unsent.splice(0, count);
    if (frames.length === 1) return frames[0]!;
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const frame of frames) {
      bytes.set(frame, at);
      at += frame.length;
    }
    return bytes;
  }

  /** Without an error, what was sent leaves first, for a tenth of a second. */
  async close(error?: Error): Promise<void> {
    if (error === undefined && this.#isWriting && !this.#isClosed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      const timer = setTimeout(resolve, 100);
      await promise;
      clearTimeout(timer);
    }
    this.#end(error);
  }

  disconnect(): void {
    this.#end(undefined);
  }

  discard(): void {
    this.#end(undefined);
  }

  /** Resolves when a connection that there was is gone; a failed dial would count as a second one. */
  closed(): Promise<void | Error> {
    return this.#closed.promise;
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.closeError = error;
    this.#unsent = [];
    try {
      this.#conn?.close();
    } catch {
      // TLS that failed has closed it already.
    }
    if (this.#isConnected) this.#closed.resolve(error);
  }
}

/** What listens at the address speaks something else. */
export class NotNatsError extends Error {
  override readonly name = "NotNatsError";
}

const decoder = new TextDecoder();
