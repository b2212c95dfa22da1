/**
 * The load generator of the HTTP bench: raw keep-alive connections, the same for every server that is measured.
 */

import process from "node:process";

const encoder = new TextEncoder();

/** Bytes of "HTTP/1.1 ": every response begins with them, and no body in the bench holds them. */
const MARK: readonly number[] = [...encoder.encode("HTTP/1.1 ")];

export interface Load {
  readonly requestsPerSecond: number;
  readonly requests: number;
  /** How many per second the generator could do if the server took no time: by the processor time that each costs it. */
  readonly ceiling: number;
}

/**
 * Requests of one kind over `connections`, `depth` of them on their way on each, for some time.
 *
 * The connections are served in turn: when one is looked at again, all its answers are there, and one read takes them. Reading
 * each as soon as something comes costs a read for each answer, and then it is the generator that is measured.
 */
export async function load(
  port: number,
  request: string,
  { connections, depth, seconds }: {
    readonly connections: number;
    readonly depth: number;
    readonly seconds: number;
  },
): Promise<Load> {
  const bytes = encoder.encode(request.repeat(depth));
  const buffer = new Uint8Array(65_536);
  const lines = await Promise.all(
    Array.from(
      { length: connections },
      async () => ({ conn: await connect(port), counter: new ResponseCounter() }),
    ),
  );
  try {
    const start = performance.now();
    const cpuStart = cpuSeconds();
    for (const { conn } of lines) await writeAll(conn, bytes);
    let requests = 0;
    while (performance.now() < start + seconds * 1000) {
      for (const { conn, counter } of lines) {
        for (let open = depth; open > 0;) {
          const size = await conn.read(buffer);
          if (size === null) throw new Error("The server closed the connection");
          const got = counter.count(buffer.subarray(0, size));
          open -= got;
          requests += got;
        }
        await writeAll(conn, bytes);
      }
    }
    const elapsed = (performance.now() - start) / 1000;
    return { requests, requestsPerSecond: requests / elapsed, ceiling: requests / (cpuSeconds() - cpuStart) };
  } finally {
    for (const { conn } of lines) conn.close();
  }
}

/** Milliseconds of each of so many requests, one after the other on one connection. */
export async function roundTrips(port: number, request: string, number: number): Promise<number[]> {
  using conn = await connect(port);
  const bytes = encoder.encode(request);
  const buffer = new Uint8Array(65_536);
  const counter = new ResponseCounter();
  const times: number[] = [];
  while (times.length < number) {
    const start = performance.now();
    await writeAll(conn, bytes);
    for (let answers = 0; answers === 0;) {
      const size = await conn.read(buffer);
      if (size === null) throw new Error("The server closed the connection");
      answers = counter.count(buffer.subarray(0, size));
    }
    times.push(performance.now() - start);
  }
  return times;
}

/** Processor time of this process so far. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Counts the beginnings of responses, also where one is cut between two reads. */
class ResponseCounter {
  #matched = 0;

  count(chunk: Uint8Array): number {
    let found = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#matched === 0) {
        at = chunk.indexOf(MARK[0]!, at);
        if (at < 0) break;
        this.#matched = 1;
        at += 1;
        continue;
      }
      if (chunk[at] !== MARK[this.#matched]) {
        this.#matched = 0;
        continue;
      }
      at += 1;
      this.#matched += 1;
      if (this.#matched < MARK.length) continue;
      this.#matched = 0;
      found += 1;
    }
    return found;
  }
}

/** One who waits for messages on a connection, in whatever way. */
export class Waiter implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #buffer = new Uint8Array(4096);

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Opens many, a few hundred at a time. */
  static async openMany(port: number, number: number, request: string): Promise<Waiter[]> {
    const bytes = encoder.encode(request);
    const waiters: Waiter[] = [];
    while (waiters.length < number) {
      const batch = Array.from({ length: Math.min(250, number - waiters.length) }, async () => {
        const conn = await connect(port);
        await writeAll(conn, bytes);
        return new Waiter(conn);
      });
      waiters.push(...await Promise.all(batch));
    }
    return waiters;
  }

  /** Asks again on the same connection. */
  async ask(request: Uint8Array): Promise<void> {
    await writeAll(this.#conn, request);
  }

  /** Resolves when a text ending in this byte has come that holds the mark. */
  async receive(mark: Uint8Array): Promise<void> {
    let matched = 0;
    while (matched < mark.length) {
      const size = await this.#conn.read(this.#buffer);
      if (size === null) throw new Error("The server closed the connection");
      for (let at = 0; at < size && matched < mark.length; at += 1) {
        matched = this.#buffer[at] === mark[matched] ? matched + 1 : this.#buffer[at] === mark[0] ? 1 : 0;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#conn[Symbol.dispose]();
  }
}

export async function connect(port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  return conn;
}

export async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** One request on a connection of its own, answered when the head of the response is there. */
export async function requestOnce(port: number, request: string): Promise<string> {
  using conn = await connect(port);
  await writeAll(conn, encoder.encode(request));
  const buffer = new Uint8Array(65_536);
  let text = "";
  const decoder = new TextDecoder();
  while (!text.includes("\r\n\r\n")) {
    const size = await conn.read(buffer);
    if (size === null) throw new Error("The server closed the connection");
    text += decoder.decode(buffer.subarray(0, size), { stream: true });
  }
  return text;
}
