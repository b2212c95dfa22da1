/** A PUB whose owner fills the queue of a subscriber itself. */
import assert from "node:assert/strict";
import { Feed } from "../../bus/feed.ts";
import { FeedReader } from "../../bus/feed_reader.ts";
import { encodePing, encodeSubscription } from "../../zmtp/command.ts";
import { encodeTextFrame, MemoryBudget } from "../../zmtp/mod.ts";
import { Pub } from "../../zmtp/pub.ts";
import { concat, RawPeer } from "../support/raw_peer.ts";

Deno.test("Pub offers a queue again that memory was too short for before anything of it was written", async () => {
  const memory = new MemoryBudget(1_000_000);
  const feed = new Feed({ epoch: "life", limit: { messages: 100, bytes: 100_000 }, memory });
  let reader: FeedReader | undefined;
  const pub = new Pub({
    address: "tcp://127.0.0.1:0",
    queue: { messages: 100, bytes: 100_000 },
    memory,
    serve: (_topic, queue) => reader = new FeedReader(feed, queue, "now", undefined, () => {}),
  });
  try {
    await using peer = await RawPeer.join(pub.address, "SUB");
    await peer.write(concat(
      encodeSubscription({ subscribe: true, topic: Uint8Array.of(0) }),
      encodePing(0),
    ));
    assert.equal(await peer.readText(), "\x04PONG");
    assert.equal(await peer.readText(), '\0feed/1 {"place":"life.0","reason":"start"}');
    const frame = encodeTextFrame('{"n":1}');
    reader!.handlePiece(feed.append(frame, 0, frame.length, 1, 0, 0));
    assert.equal(reader!.waiting, 0);

    // In the same turn somebody else wants more than there is.
    memory.force(memory.limit);
    assert.equal(reader!.waiting, 1);
    memory.give(memory.limit);

    assert.equal(await peer.readText(), '\0feed/1 {"place":"life.0","reason":"slow"}');
    assert.equal(await peer.readText(), '{"n":1}');
  } finally {
    await pub.close(0);
  }
});
