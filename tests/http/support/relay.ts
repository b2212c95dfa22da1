/**
 * A wire that can be cut: whoever connects to it is connected to another address, until it is cut.
 */
export class Relay implements AsyncDisposable {
  readonly #target: number;
  readonly #listener: Deno.TcpListener;
  readonly #ends = new Set<Deno.TcpConn>();
  readonly #work: Promise<void>;
  #isCut = false;

  /** To an address of the broker. */
  constructor(address: string) {
    this.#target = Number(new URL(address).port);
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#work = this.#accept();
  }

  /** What to connect to. */
  get address(): string {
    return `tcp://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Cuts what is connected; whoever comes is turned away until {@linkcode Relay.mend}. */
  cut(): void {
    this.#isCut = true;
    for (const end of this.#ends) close(end);
    this.#ends.clear();
  }

  /** Whoever comes is connected again. */
  mend(): void {
    this.#isCut = false;
  }

  async #accept(): Promise<void> {
    const pumps: Promise<void>[] = [];
    for await (const near of this.#listener) {
      const far = this.#isCut
        ? undefined
        : await Deno.connect({ hostname: "127.0.0.1", port: this.#target }).catch(() => undefined);
      if (far === undefined || this.#isCut) {
        close(near);
        if (far !== undefined) close(far);
        continue;
      }
      this.#ends.add(near).add(far);
      pumps.push(this.#pump(near, far), this.#pump(far, near));
    }
    await Promise.all(pumps);
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let size; (size = await from.read(buffer)) !== null;) {
        for (let sent = 0; sent < size;) sent += await to.write(buffer.subarray(sent, size));
      }
    } catch {
      // Cut, by us or by one of the two.
    }
    for (const end of [from, to]) {
      this.#ends.delete(end);
      close(end);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#listener.close();
    await this.#work;
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}
