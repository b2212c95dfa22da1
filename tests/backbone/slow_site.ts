/** A site in a process of its own, for a test that stops it. Says what it has heard. */
// deno-lint-ignore-file no-console -- a program
import { MessageServer } from "../../broker.ts";
import { NatsBackbone } from "../../backbone/mod.ts";

const backbone = new NatsBackbone({ servers: Deno.args[0]!, bus: "lab", site: "slow" });
const server = new MessageServer({ backbone });
let [position, heard, isInOrder] = [server.feed.position, 0, true];
server.feed.listen(() => {
  while (position < server.feed.position) {
    const slice = server.feed.after(position);
    position = slice.position;
    for (const { text } of slice.entries) if (JSON.parse(text).n !== ++heard) isInOrder = false;
  }
  if (heard % 1000 === 0) {
    console.log(
      `heard ${heard} ${
        isInOrder ? "in order" : "in another order"
      }, missed ${backbone.status().counts.missed}`,
    );
  }
});
await backbone.ready;
console.log("joined");
