/**
 * Requests as bytes on a socket: a `Request` object cannot carry a forged Host, two Origins or half a body.
 */
export interface RawResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A connection on which requests are written by hand. */
export class RawConnection implements Disposable {
  readonly conn: Deno.TcpConn;
  #buffered = new Uint8Array();

  private constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  static async open(port: number): Promise<RawConnection> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new RawConnection(conn);
  }

  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
  }

  /** More bytes; false at the end. */
  async more(): Promise<boolean> {
    const chunk = new Uint8Array(65_536);
    const size = await this.conn.read(chunk);
    if (size === null) return false;
    const joined = new Uint8Array(this.#buffered.length + size);
    joined.set(this.#buffered);
    joined.set(chunk.subarray(0, size), this.#buffered.length);
    this.#buffered = joined;
    return true;
  }

  /** Reads on until this text has come; answers with all that came so far. */
  async until(text: string): Promise<string> {
    while (true) {
      const seen = decoder.decode(this.#buffered);
      if (seen.includes(text)) return seen;
      if (!await this.more()) {
        throw new Error(`Ended before ${JSON.stringify(text)} came: ${JSON.stringify(seen)}`);
      }
    }
  }

  /** Reads up to the end; answers with all that came. */
  async end(): Promise<string> {
    try {
      while (await this.more());
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    return decoder.decode(this.#buffered);
  }

  /** The next response, whole: its head only for a HEAD request, for 1xx, 204 and 304. */
  async response(isHead = false): Promise<RawResponse> {
    const head = await this.#readTo("\r\n\r\n");
    const [statusLine = "", ...lines] = head.split("\r\n");
    const status = Number(statusLine.split(" ")[1]);
    const headers = new Headers(
      lines.filter((line) => line !== "").map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      }),
    );
    if (isHead || status < 200 || status === 204 || status === 304) return { status, headers, body: "" };
    const length = headers.get("content-length");
    if (length !== null) return { status, headers, body: await this.#readBytes(Number(length)) };
    return { status, headers, body: "" };
  }

  async #readTo(mark: string): Promise<string> {
    const seen = await this.until(mark);
    const end = seen.indexOf(mark) + mark.length;
    this.#buffered = this.#buffered.subarray(encoder.encode(seen.slice(0, end)).length);
    return seen.slice(0, end);
  }

  async #readBytes(length: number): Promise<string> {
    while (this.#buffered.length < length && await this.more());
    const body = decoder.decode(this.#buffered.subarray(0, length));
    this.#buffered = this.#buffered.subarray(length);
    return body;
  }

  [Symbol.dispose](): void {
    this.conn[Symbol.dispose]();
  }
}

/** One request on a connection of its own. */
export async function raw(port: number, request: string): Promise<RawResponse> {
  using connection = await RawConnection.open(port);
  await connection.write(request);
  return await connection.response(request.startsWith("HEAD "));
}

/** The text of a request; a body gets its length. */
export function requestText(
  method: string,
  target: string,
  headers: readonly string[],
  body?: string,
): string {
  const length = body === undefined ? [] : [`Content-Length: ${encoder.encode(body).length}`];
  return `${[`${method} ${target} HTTP/1.1`, ...headers, ...length].join("\r\n")}\r\n\r\n${body ?? ""}`;
}
