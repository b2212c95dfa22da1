/**
 * The ceiling: takes bytes from senders and writes them to all subscribers without looking at them. It speaks as much
 * ZMTP as the load generator needs. With a subscriber it shows what generator, sockets and Deno can do at most together.
 *
 * @module
 */
import { Wire } from "./wire.ts";

const front = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const back = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const subscribers = new Set<Wire>();

async function acceptSubscribers(): Promise<void> {
  for await (const conn of back) {
    const wire = await Wire.accept(conn, "PUB");
    subscribers.add(wire);
    void wire.count().then(() => subscribers.delete(wire));
  }
}

async function relay(wire: Wire): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  while (true) {
    const size = await wire.conn.read(buffer).catch(() => null);
    if (size === null) return;
    const bytes = buffer.subarray(0, size);
    for (const subscriber of subscribers) await subscriber.write(bytes).catch(() => {});
  }
}

async function acceptSenders(): Promise<void> {
  for await (const conn of front) void Wire.accept(conn, "PULL").then(relay);
}

void acceptSubscribers();
void acceptSenders();
const addresses = {
  broadcastAddress: `tcp://127.0.0.1:${back.addr.port}`,
  receiveAddress: `tcp://127.0.0.1:${front.addr.port}`,
};
await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(addresses)}\n`));
for await (const chunk of Deno.stdin.readable) if (chunk.length < 0) break;
Deno.exit(0);
