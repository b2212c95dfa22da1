/** The order "stream" over real NATS servers: one order everywhere, whatever happens to the servers. */
import assert from "node:assert/strict";
import { freePort, hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { soon, until } from "../support/deadline.ts";
import { assertCounts, assertWhole, closeAll, talkDuring, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };

Deno.test("Two sites hear each other in one order, bytes untouched", IGNORED, async () => {
  await using nats = await NatsServer.start();
  const sites = await TestSite.joined(["a", "b"], { servers: nats.url });
  const [a, b] = sites as [TestSite, TestSite];
  const texts = [
    '{ "type" : "subject",\t"subject" : 12345678901234567890 }',
    '{"b":1,"a":2,"type":"x.y z*>","text":"\\u00e9é漢"}',
    '{"no":"type"}',
    '{"type":7}',
  ];
  for (const text of texts) a.server.sendJsonMessage(text);
  await b.untilHeard(4);
  b.server.sendJsonMessage('{"type":"last"}');
  await a.untilHeard(5);
  await b.untilHeard(5);
  assert.deepEqual(b.heard, [...texts, '{"type":"last"}']);
  assert.deepEqual(a.heard, b.heard);
  assertCounts(sites);
  await closeAll(sites);
});

Deno.test(
  "When two people click at the same moment, 150 times, all sites end with the same",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const sites = await TestSite.joined(["a", "b"], { servers: nats.url });
    for (let round = 1; round <= 150; round++) {
      for (const site of sites) site.say();
      for (const site of sites) await site.untilHeard(2 * round);
      assert.equal(sites[0]!.heard.at(-1), sites[1]!.heard.at(-1), `round ${round}`);
    }
    assert.deepEqual(sites[0]!.heard, sites[1]!.heard);
    await closeAll(sites);
  },
);

Deno.test("A server that is killed under load and comes back costs nothing but time", IGNORED, async () => {
  await using nats = await NatsServer.start();
  const sites = await TestSite.joined(["a", "b"], { servers: nats.url });
  const said = await talkDuring(sites, async () => {
    await nats.kill();
    await nats.start();
    for (const site of sites) await site.untilState("joined");
  });
  for (const site of sites) for (const from of ["a", "b"]) assertWhole(site, from, said);
  assert.deepEqual(sites[0]!.heard, sites[1]!.heard);
  assertCounts(sites);
  await closeAll(sites);
});

Deno.test("A server that stands still is noticed, and nothing is lost or heard twice", IGNORED, async () => {
  await using nats = await NatsServer.start();
  const sites = await TestSite.joined(["a", "b"], { servers: nats.url, pingMs: 200 });
  const said = await talkDuring(sites, async () => {
    nats.signal("SIGSTOP");
    for (const site of sites) await site.untilState("holding");
    nats.signal("SIGCONT");
    for (const site of sites) await site.untilState("joined");
  });
  for (const site of sites) for (const from of ["a", "b"]) assertWhole(site, from, said);
  assert.deepEqual(sites[0]!.heard, sites[1]!.heard);
  assertCounts(sites);
  await closeAll(sites);
});

Deno.test("A server that says goodbye first costs nothing", IGNORED, async () => {
  await using nats = await NatsServer.start({
    config: 'lame_duck_duration: "31s"\njetstream { store_dir: "DIR" }',
  });
  const sites = await TestSite.joined(["a", "b"], { servers: nats.url });
  const said = await talkDuring(sites, async () => {
    nats.signal("SIGUSR2");
    await until(() => nats.log.includes("lame duck"));
    await nats.kill();
    await nats.start();
    for (const site of sites) await site.untilState("joined");
  });
  for (const site of sites) for (const from of ["a", "b"]) assertWhole(site, from, said);
  assertCounts(sites);
  await closeAll(sites);
});

Deno.test(
  "After holdMs a site is an island, and back again each message is heard once, at home and elsewhere",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const sites = await TestSite.joined(["a", "b"], { servers: nats.url, holdMs: 400 });
    const [a, b] = sites as [TestSite, TestSite];
    const said = await talkDuring(sites, async () => {
      await nats.kill();
      for (const site of sites) await site.untilState("island");
      const before = a.of("a").length;
      await until(() => a.of("a").length > before + 50); // Local people hear each other.
      await nats.start();
      for (const site of sites) await site.untilState("joined");
    });
    for (const site of sites) for (const from of ["a", "b"]) assertWhole(site, from, said);
    for (const { counts } of sites) {
      assert.equal(counts.islands, 1);
      assert.ok(counts.islandMessages! > 50);
    }
    assertCounts(sites);
    // From then on there is one order again.
    for (let i = 0; i < 20; i++) for (const site of sites) site.say();
    for (const site of sites) await site.untilHeard(2 * said + 40);
    assert.deepEqual(a.heard.slice(-40), b.heard.slice(-40));
    await closeAll(sites);
  },
);

Deno.test(
  "A server that lost its store is joined again, and what is said from then on is heard",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const sites = await TestSite.joined(["a", "b"], { servers: nats.url });
    const [a, b] = sites as [TestSite, TestSite];
    for (let i = 0; i < 10; i++) a.say();
    for (const site of sites) await site.untilHeard(10);
    await nats.kill();
    await nats.empty();
    await nats.start();
    for (const site of sites) await site.untilState("joined");
    for (let i = 0; i < 10; i++) b.say();
    a.say();
    for (const site of sites) await site.untilHeard(21);
    for (const site of sites) {
      assertWhole(site, "a", 11);
      assertWhole(site, "b", 10);
    }
    await closeAll(sites);
  },
);

Deno.test(
  "Brokers that start before NATS are islands after holdMs, and joined as soon as it is there",
  IGNORED,
  async () => {
    const port = freePort();
    const site = new TestSite({ servers: `127.0.0.1:${port}`, site: "a", holdMs: 200 });
    const first = site.say();
    assert.equal(site.heard.length, 0);
    await site.untilState("island");
    assert.deepEqual(site.heard, [first]);
    site.say();
    assert.equal(site.heard.length, 2);
    await using nats = await NatsServer.start({ port });
    await soon(site.backbone.ready, "joining", 20_000);
    const [other] = await TestSite.joined(["b"], { servers: nats.url, replay: "last" }) as [TestSite];
    await until(() => site.counts.queued === 0);
    site.say();
    await other.untilHeard(1);
    await site.untilHeard(3);
    assertWhole(site, "a", 3);
    await closeAll([site, other]);
  },
);

Deno.test("A new site begins with the last message of each type, if it asks for that", IGNORED, async () => {
  await using nats = await NatsServer.start();
  const [a] = await TestSite.joined(["a"], { servers: nats.url }) as [TestSite];
  for (const type of ["x", "y", "x", "z", "y"]) a.say(type);
  await a.untilHeard(5);
  const [b, c] = await TestSite.joined(["b", "c"], { servers: nats.url, replay: "last" }) as [
    TestSite,
    TestSite,
  ];
  await b.untilHeard(3);
  assert.deepEqual(b.heard.map((text) => JSON.parse(text).n), [3, 4, 5]);
  a.say("x");
  await b.untilHeard(4);
  await c.untilHeard(4);
  assert.deepEqual(b.heard, c.heard);
  await closeAll([a, b, c]);
});

Deno.test("A site that was away too long leaves out what is too old, and counts it", IGNORED, async () => {
  await using nats = await NatsServer.start();
  const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url, catchUpMs: 0, pingMs: 50 }) as [
    TestSite,
    TestSite,
  ];
  // With 0 everything that is not there at once is too old.
  a.say();
  await until(() => b.counts.received! === 1);
  await until(() => b.counts.skippedOld! + b.heard.length === 1);
  await a.untilHeard(1); // Its own it always hears.
  await closeAll([a, b]);
});
