/**
 * Our client as a process of its own: sends, or receives, as fast as it can, and tells how many messages it has received.
 *
 * Arguments: `send` or `receive`, `text` or `object`, the address, and the text of a message.
 *
 * @module
 */
import { MessageClient } from "../client.ts";

const [what, kind, address, text] = Deno.args as [string, string, string, string];
let count = 0;

async function send(client: MessageClient): Promise<void> {
  const message = JSON.parse(text);
  while (true) {
    for (let i = 0; i < 1000; i++) {
      if (kind === "text") client.sendJsonMessage(text);
      else client.sendMessage(message);
    }
    await client.flush();
  }
}

function receive(client: MessageClient): void {
  client.addEventListener("message", ({ text, message }) => {
    if (text.length > 0 && message.type !== undefined) count++;
  });
}

function receiveText(client: MessageClient): void {
  client.addEventListener("message", (event) => {
    if (event.text.length > 0) count++;
  });
}

const client = new MessageClient(what === "send" ? { serverReceive: address } : { serverBroadcast: address });
if (what === "receive") (kind === "text" ? receiveText : receive)(client);
await client.ready;
await Deno.stdout.write(new TextEncoder().encode("{}\n"));
if (what === "send") void send(client);
for await (const _line of Deno.stdin.readable) {
  const answer = JSON.stringify({ count, now: performance.now() });
  await Deno.stdout.write(new TextEncoder().encode(`${answer}\n`));
}
Deno.exit(0);
