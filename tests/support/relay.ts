/**
 * A TCP relay between a client and a broker, for tests that cut the line: after exactly so many bytes towards the client, or towards
 * the broker, or at once; that let nothing through for a while; and that let nobody in.
 */
import { until } from "./deadline.ts";

/** Bytes that are let through in each direction before the line is cut. */
export interface Cut {
  /** From the broker to the client. @default all */
  readonly down?: number;
  /** From the client to the broker. @default all */
  readonly up?: number;
}

interface Line {
  readonly client: Deno.TcpConn;
  readonly broker: Deno.TcpConn;
}

export class Relay implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #lines: Set<Line> = new Set();
  readonly #running: Promise<unknown>[] = [];
  #gate: Promise<void> = Promise.resolve();
  #openGate = () => {};
  #cut: Cut | undefined;
  /** While true, whoever connects is sent away. */
  isClosed = false;
  /** Lines that were cut. */
  cuts = 0;
  /** Connections that were taken. */
  connections = 0;
  /** Bytes that the last connection brought the client. */
  down = 0;

  constructor(address: string) {
    const { hostname, port } = new URL(address.replace("tcp:", "http:"));
    this.#target = { hostname, port: Number(port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#running.push(this.#accept());
  }

  /** Where a client connects to. */
  get address(): string {
    return `tcp://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** The next connection breaks there; those after it last. */
  cutNext(cut: Cut): void {
    this.#cut = cut;
  }

  /** Cuts all lines now. */
  cutNow(): void {
    for (const line of this.#lines) this.#end(line);
  }

  /** Nothing more comes down, until {@linkcode Relay.resume}. */
  stall(): void {
    this.#openGate(); // what waits at an earlier one waits at this one next
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    this.#openGate = resolve;
  }

  /** What was held back comes. */
  resume(): void {
    this.#openGate();
  }

  /** Resolves when so many lines were cut. */
  hasCut(times = 1): Promise<void> {
    return until(() => this.cuts >= times, `${times} cuts`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.resume();
    this.cutNow();
    await Promise.allSettled(this.#running);
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        if (this.isClosed) {
          client.close();
          continue;
        }
        this.#running.push(this.#join(client));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    const cut = this.#cut;
    this.#cut = undefined;
    this.connections++;
    let broker: Deno.TcpConn;
    try {
      broker = await Deno.connect(this.#target);
    } catch {
      return client.close();
    }
    client.setNoDelay(true);
    broker.setNoDelay(true);
    const line = { client, broker };
    this.#lines.add(line);
    this.down = 0;
    const down = this.#pass(broker, client, cut?.down, async (size) => {
      this.down += size;
      await this.#gate;
    });
    const up = this.#pass(client, broker, cut?.up, () => Promise.resolve());
    const isCut = await Promise.race([down, up]);
    if (isCut) this.cuts++;
    this.#end(line);
    await Promise.allSettled([down, up]);
  }

  /** Resolves with true when it was cut after `limit` bytes, with false when the line ended otherwise. */
  async #pass(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    limit: number = Infinity,
    before: (size: number) => Promise<void>,
  ): Promise<boolean> {
    const buffer = new Uint8Array(64 * 1024);
    let left = limit;
    try {
      while (left > 0) {
        const size = await from.read(buffer);
        if (size === null) return false;
        const passed = Math.min(size, left);
        await before(passed);
        for (let at = 0; at < passed;) at += await to.write(buffer.subarray(at, passed));
        left -= passed;
      }
      // What was let through arrives: an end, no reset.
      await to.closeWrite();
      return true;
    } catch {
      return false;
    }
  }

  #end(line: Line): void {
    if (!this.#lines.delete(line)) return;
    line.client.close();
    line.broker.close();
  }
}
