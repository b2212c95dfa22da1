/** A listening peer of which a test decides every byte, for our clients to dial. */
import { encodeReady, type Metadata, socketTypeMetadata } from "../../zmtp/command.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { soon } from "./deadline.ts";
import { RawPeer } from "./raw_peer.ts";

export class RawServer implements Disposable {
  readonly #listener: Deno.TcpListener;

  constructor(port = 0) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port, transport: "tcp" });
  }

  get address(): string {
    return `tcp://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** The next connection, nothing said yet. */
  async accept(): Promise<RawPeer> {
    return new RawPeer(await soon(this.#listener.accept(), "a connection"));
  }

  /** The next connection, hands shaken as a socket of that type which speaks ZMTP 3.`minor`; READY has these properties as well. */
  async welcome(socketType: string, minor = 1, properties: Metadata = []): Promise<RawPeer> {
    const peer = await this.accept();
    const greeting = encodeGreeting("NULL");
    greeting[11] = minor;
    await peer.write(greeting);
    await peer.readBytes(64);
    await peer.readFrame(); // READY
    await peer.write(encodeReady([...socketTypeMetadata(socketType), ...properties]));
    return peer;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}
