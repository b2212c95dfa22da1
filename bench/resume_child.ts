/**
 * A client as a process of its own that comes back to a broker again and again, each time with everything that is held still to be
 * read. Arguments: the two addresses, the number of messages, and their text. Each line of its input is answered with the milliseconds
 * from the dial to the last of these messages.
 *
 * @module
 */
import { MessageClient } from "../client.ts";

const [serverBroadcast, serverReceive, number, text] = Deno.args as [string, string, string, string];
const messages = Number(number);

/** Resolves when that many have come. */
async function readAll(): Promise<number> {
  const start = performance.now();
  const { promise, resolve } = Promise.withResolvers<void>();
  await using client = new MessageClient({ serverBroadcast, since: "earliest" });
  let count = 0;
  client.addEventListener("message", (event) => {
    if (event.text.length > 0 && ++count === messages) resolve();
  });
  await promise;
  return performance.now() - start;
}

{
  await using sender = new MessageClient({ serverReceive });
  await sender.ready;
  for (let i = 0; i < messages; i++) {
    sender.sendJsonMessage(text);
    if (i % 1000 === 0) await sender.flush();
  }
  await sender.flush();
}
await readAll();
const say = (value: unknown) => Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
await say({});
for await (const _line of Deno.stdin.readable) await say({ ms: await readAll() });
Deno.exit(0);
