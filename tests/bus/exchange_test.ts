/** The way of messages through the broker, without a socket. */
import assert from "node:assert/strict";
import { Exchange } from "../../bus/exchange.ts";
import { Feed } from "../../bus/feed.ts";
import { feedTopic, LINK_PROPERTY } from "../../bus/feed_note.ts";
import { encodeTextFrame, frameBodyStart, frameEnd } from "../../zmtp/mod.ts";
import type { PubSocket } from "../../zmtp/transport.ts";
import { concat } from "../support/raw_peer.ts";
import { SimulatedQueue } from "../support/simulated_queue.ts";

const permissions = "none";
const TOKEN = "a-token-of-36-characters-or-any-such";

/** A broker's exchange, with one who follows the feed and sends. */
function makeExchange() {
  const refused: string[] = [];
  const feed = new Feed({ epoch: "life", limit: { messages: 100, bytes: 10_000 } });
  const exchange = new Exchange(feed, {
    wantsMessages: () => false,
    handleMessage() {},
    handleRefused: (bytes, start, end) =>
      void refused.push(new TextDecoder().decode(bytes.subarray(start, end))),
    handleUnfit: (reason) => void refused.push(reason),
  });
  exchange.attach({ publish() {}, flush() {} } as unknown as PubSocket);
  const peer = {
    address: "here",
    property: (name: string) => name === LINK_PROPERTY ? `${TOKEN} 2` : undefined,
  };
  const queue = new SimulatedQueue({ messages: 100, bytes: 10_000 }, { [LINK_PROPERTY]: `${TOKEN} 2` });
  queue.reader = exchange.serve(feedTopic("now"), queue)!;
  const intake = exchange.intake();
  /** One read brings these; `undefined` stands for what is too large. */
  const read = (...texts: readonly (string | undefined)[]) => {
    const bytes = concat(...texts.map((text) => encodeTextFrame(text ?? "")));
    let at = 0;
    for (const text of texts) {
      const end = frameEnd(bytes, at);
      if (text === undefined) intake.handleUnfit("too-large", 5, 1, peer);
      else intake.handleMessage(bytes, at, frameBodyStart(bytes, at), end, peer);
      at = end;
    }
    intake.handleTurnEnd();
  };
  const heard = () => queue.drain().map((body) => new TextDecoder().decode(body).replace("\0feed/1 ", ""));
  heard();
  return { exchange, feed, refused, read, heard, intake };
}

Deno.test({
  name: "Exchange passes on what is a message around what is none, and tells its sender the numbers of both",
  permissions,
  fn() {
    const { read, heard, refused } = makeExchange();
    read('{"n":1}', "none", '{"n":2}', undefined, '{"n":3}');
    assert.deepEqual(refused, ["none", "too-large"]);
    assert.deepEqual(heard(), [
      '{"own":1,"link":2,"index":0}',
      '{"n":1}',
      '{"own":1,"link":2,"index":2}',
      '{"n":2}',
      '{"own":1,"link":2,"index":4}',
      '{"n":3}',
      '{"refused":1,"link":2,"index":1}',
      '{"refused":1,"link":2,"index":3}',
    ]);
  },
});

Deno.test({
  name: "Exchange tells a sender what was ignored while it is paused",
  permissions,
  fn() {
    const { exchange, read, heard } = makeExchange();
    exchange.pause = true;
    read('{"n":1}', undefined, "none");
    exchange.pause = false;
    read('{"n":2}');
    assert.deepEqual(heard(), [
      '{"refused":3,"link":2,"index":0}',
      '{"own":1,"link":2,"index":3}',
      '{"n":2}',
    ]);
    assert.equal(exchange.counts.ignored, 3);
  },
});

Deno.test({
  name: "Exchange passes on what came in before it says something itself in the middle of a read",
  permissions,
  fn() {
    const { exchange, feed, intake } = makeExchange();
    const bytes = encodeTextFrame('{"n":1}');
    intake.handleMessage(bytes, 0, frameBodyStart(bytes, 0), bytes.length, undefined);
    exchange.send(encodeTextFrame('{"n":2}'), 1);
    intake.handleTurnEnd();
    assert.deepEqual(feed.after(0).entries.map(({ text }) => text), ['{"n":1}', '{"n":2}']);
  },
});
