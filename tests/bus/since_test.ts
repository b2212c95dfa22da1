/** Where a client begins: with a duration, and the times of what came before it. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { parseDuration } from "../../base/duration.ts";
import { soon } from "../support/deadline.ts";

Deno.test({ name: "parseDuration() reads what people write, and nothing else", permissions: "none" }, () => {
  const read = ["500ms", "90s", "10m", "1.5h", "2d", "0s"].map(parseDuration);
  assert.deepEqual(read, [500, 90_000, 600_000, 5_400_000, 172_800_000, 0]);
  const wrong = ["", "10", "10 m", "-1s", "1w", "1e3s", "m", ".5s", "1234567890123s"];
  assert.deepEqual(wrong.map(parseDuration), wrong.map(() => undefined));
});

Deno.test("a client with since: a duration gets what came in it, with the broker's times", async () => {
  await using server = new MessageServer();
  server.sendMessage({ type: "early" });
  const { time } = server.feed.last!;
  // A millisecond later, by the clock that the broker reads.
  while (Date.now() <= time + 1);
  server.sendMessage({ type: "late" });
  const late = server.feed.last!.time;
  await using all = new PassiveMessageClient({
    serverBroadcast: server.broadcastAddress,
    since: "1h",
    times: true,
  });
  const events: [string, number][] = [];
  all.addEventListener("message", ({ text, time }) => events.push([text, time]));

  await soon(all.waitForMessages(1));

  assert.deepEqual(events, [['{"type":"early"}', time], ['{"type":"late"}', late]]);
  assert.deepEqual(all.messagesAfter(0).entries.map(({ time }) => time), [time, late]);
  await using none = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress, since: "0ms" });
  await soon(none.ready);
  server.sendMessage({ type: "now" });
  await soon(none.waitForMessages(0));
  assert.equal(none.getLastMessage()[1], '{"type":"now"}');
  assert.equal(none.count, 1);
});

Deno.test({ name: "a client says what since may be", permissions: { net: ["127.0.0.1"] } }, () => {
  assert.throws(
    () => new PassiveMessageClient({ serverBroadcast: "tcp://127.0.0.1:9", since: "yesterday" }),
    {
      code: "bad-option",
      message: /"yesterday", expected now, latest, earliest, a duration such as 10m, or a place/,
    },
  );
});

Deno.test("a client with since: latest begins with the newest message, and with the next one where there is none", async () => {
  await using server = new MessageServer();
  await using early = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress, since: "latest" });
  await soon(early.ready);
  for (const n of [1, 2, 3]) server.sendMessage({ type: "n", n });
  await using late = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress, since: "latest" });
  const heard = [];
  for (const [client, count] of [[early, 2], [late, 0]] as const) {
    await soon(client.waitForMessages(count));
    heard.push(client.messagesAfter(0).entries.map(({ text }) => JSON.parse(text).n));
  }
  assert.deepEqual(heard, [[1, 2, 3], [3]]);
  assert.deepEqual(late.stats().gaps, 0);
});
