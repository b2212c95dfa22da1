/** A NATS client in a few lines of the text protocol: a peer that is not ours, and as hostile as a test wants it. */

/** Speaks and hears. */
export class RawNats implements AsyncDisposable {
  readonly #conn: Deno.TcpConn;
  readonly #reading: Promise<void>;
  /** Everything that the server said. */
  text = "";

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /** Connects, and says who it is: `{}` for nobody. */
  static async connect(port: number, connect: object = {}): Promise<RawNats> {
    const nats = new RawNats(await Deno.connect({ hostname: "127.0.0.1", port }));
    await nats.say(`CONNECT ${JSON.stringify({ verbose: false, headers: true, ...connect })}\r\n`);
    await nats.flush();
    return nats;
  }

  async say(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Everything that was said has been heard by the server. */
  async flush(): Promise<void> {
    const pongs = () => this.text.split("PONG\r\n").length;
    const before = pongs();
    await this.say("PING\r\n");
    while (pongs() === before) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async publish(subject: string, body: string): Promise<void> {
    await this.say(`PUB ${subject} ${new TextEncoder().encode(body).length}\r\n${body}\r\n`);
  }

  /** With headers of its own. */
  async publishWith(headers: string, subject: string, body: string): Promise<void> {
    const head = `NATS/1.0\r\n${headers}\r\n\r\n`;
    const size = new TextEncoder().encode(body).length;
    await this.say(`HPUB ${subject} ${head.length} ${head.length + size}\r\n${head}${body}\r\n`);
  }

  async subscribe(subject: string): Promise<void> {
    await this.say(`SUB ${subject} 1\r\n`);
    await this.flush();
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(64 * 1024);
    const decoder = new TextDecoder();
    try {
      for (let size; (size = await this.#conn.read(chunk)) !== null;) {
        this.text += decoder.decode(chunk.subarray(0, size), { stream: true });
        if (this.text.endsWith("PING\r\n")) await this.say("PONG\r\n");
      }
    } catch {
      // Closed.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conn.close();
    await this.#reading;
  }
}
