/** A broker and a client over libzmq that exchange one message and end: for tests of what such a program may and may not. */
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { libzmq } from "../../zmtp/libzmq/mod.ts";

await using server = new MessageServer({ transport: libzmq });
await using client = new PassiveMessageClient({
  serverBroadcast: server.broadcastAddress,
  serverReceive: server.receiveAddress,
  transport: libzmq,
});
await client.ready;
client.sendMessage({ type: "hello" });
await client.waitForMessages(0);
Deno.stdout.writeSync(new TextEncoder().encode(client.getLastMessage()[1]));
