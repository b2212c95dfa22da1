/**
 * Sends a message and prints the messages of others.
 *
 *   deno run --allow-net=127.0.0.1 examples/deno_client.ts BROADCAST_ADDRESS RECEIVE_ADDRESS
 */
import { createReadyMessage, MessageClient } from "../mod.ts";

/** A kind of message of our own, beside those that everyone knows. */
interface StopMessage {
  readonly type: "stop";
}

const [serverBroadcast, serverReceive] = Deno.args;
await using client = new MessageClient<StopMessage>({ serverBroadcast, serverReceive });
await client.ready;

client.sendMessage(createReadyMessage());

for await (const message of client) {
  // deno-lint-ignore no-console
  console.log(JSON.stringify(message));
  if (message.type === "stop") break;
}
