/** What stands on the feed behaves with a backbone as without one: places, clients that come back, and an archive. */
import assert from "node:assert/strict";
import { Archive } from "../../archive/mod.ts";
import { PassiveMessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };

Deno.test(
  "With the order stream the feed of each site has the stream's order, and places of its own",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a] = await TestSite.joined(["a"], { servers: nats.url }) as [TestSite];
    for (let i = 0; i < 5; i++) a.say();
    await a.untilHeard(5);
    const [b] = await TestSite.joined(["b"], { servers: nats.url }) as [TestSite];
    for (let i = 0; i < 50; i++) {
      a.say();
      b.say();
    }
    await a.untilHeard(105);
    await b.untilHeard(100);
    assert.deepEqual(a.heard.slice(5), b.heard);
    assert.equal(a.server.feed.seq, 105);
    assert.equal(b.server.feed.seq, 100);
    assert.notEqual(a.server.feed.epoch, b.server.feed.epoch);
    // A place of one broker is a foreign one at the other: nobody takes it for its own.
    const [epoch, seq] = a.server.feed.place(a.server.feed.position).split(".") as [string, string];
    assert.equal(b.server.feed.locate({ epoch, seq: Number(seq) }).missed, null);
    await closeAll([a, b]);
  },
);

Deno.test(
  "A client that knows its place gets what it missed, in the order of the stream",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url }) as [TestSite, TestSite];
    const heard: string[] = [];
    const gaps: unknown[] = [];
    const listen = (since?: string) => {
      const client = new PassiveMessageClient({
        serverBroadcast: a.server.broadcastAddress,
        ...(since === undefined ? {} : { since }),
      });
      client.addEventListener("message", ({ text }) => void heard.push(text));
      client.addEventListener("gap", (gap) => void gaps.push(gap));
      return client;
    };
    const first = listen();
    await soon(first.ready);
    for (let i = 0; i < 10; i++) a.say();
    await until(() => heard.length === 10);
    const place = first.feed.place(first.feed.position);
    await first.close();
    for (let i = 0; i < 10; i++) b.say();
    await a.untilHeard(20);
    await using second = listen(place);
    await soon(second.ready);
    for (let i = 0; i < 10; i++) a.say();
    await until(() => heard.length === 30);
    assert.deepEqual(heard, a.heard);
    assert.deepEqual(gaps, []);
    await closeAll([a, b]);
  },
);

Deno.test("Archives of two sites have the same messages in the same order", IGNORED, async () => {
  await using nats = await NatsServer.start();
  const folder = await Deno.makeTempDir();
  const archives = await Promise.all(["a", "b"].map((name) => Archive.open(`${folder}/${name}.db`)));
  const recorders = await Promise.all(archives.map((archive) => archive.record()));
  const sites = ["a", "b"].map((site, i) =>
    new TestSite({ servers: nats.url, site }, { recorder: recorders[i]! })
  );
  await Promise.all(sites.map((site) => soon(site.backbone.ready)));
  for (let i = 0; i < 100; i++) for (const site of sites) site.say();
  for (const site of sites) await site.untilHeard(200);
  const texts = await Promise.all(archives.map(async (archive, i) => {
    await recorders[i]!.flushed();
    const { messages } = await archive.messages(recorders[i]!.session, { limit: 1000 });
    return messages.map(({ text }) => text);
  }));
  assert.equal(texts[0]!.length, 200);
  assert.deepEqual(texts[0], texts[1]);
  assert.deepEqual(texts[0], sites[0]!.heard);
  await closeAll(sites);
  for (const archive of archives) await archive.close();
  await Deno.remove(folder, { recursive: true });
});
