/** Three servers with one stream on all of them, and leaves: what dies is replaced, and nothing is lost, doubled or turned round. */
import assert from "node:assert/strict";
import { until } from "../support/deadline.ts";
import { endAll, startCluster, startLeaves } from "../support/nats_cluster.ts";
import { hasNatsServer, type NatsServer } from "../support/nats_server.ts";
import { RawNats } from "../support/raw_nats.ts";
import { assertCounts, assertWhole, closeAll, talkDuring, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };
/** Three servers elect for 5 to 9 seconds, and for much longer on a machine that has other things to do. */
const LONG_MS = 120_000;

/** Who leads the stream. */
async function leaderOf(servers: readonly NatsServer[]): Promise<NatsServer> {
  for (let i = 0;; i = (i + 1) % servers.length) {
    await using raw = await RawNats.connect(servers[i]!.port);
    await raw.subscribe("answers");
    await raw.say("PUB $JS.API.STREAM.INFO.BRAVIZ_lab answers 0\r\n\r\n");
    // Where nobody leads, nobody answers.
    await until(() => raw.text.includes("MSG answers"), "an answer", 2000).catch(() => {});
    await raw.flush();
    const name = /"leader":"n(\d)"/.exec(raw.text)?.[1];
    if (name !== undefined) return servers[Number(name) - 1]!;
  }
}

for (
  const [name, fault] of [
    ["whose leader is killed", async (servers: NatsServer[]) => {
      const leader = await leaderOf(servers);
      await leader.kill();
      return async () => await leader.start();
    }],
    ["whose leader stands still", async (servers: NatsServer[]) => {
      const leader = await leaderOf(servers);
      leader.signal("SIGSTOP");
      return () => Promise.resolve(leader.signal("SIGCONT"));
    }],
  ] as const
) {
  Deno.test(`A cluster ${name} under load: nothing lost, nothing twice, one order`, IGNORED, async () => {
    const servers = await startCluster();
    const urls = servers.map(({ url }) => url);
    const sites = await TestSite.joined(["a", "b"], {
      servers: urls,
      replicas: 3,
      holdMs: Infinity,
      pingMs: 300,
    });
    const said = await talkDuring(sites, async () => {
      const heal = await fault(servers);
      // Another one leads, and what waited has come back.
      const before = sites.map(({ counts }) => counts.confirmed!);
      await until(
        () => sites.every(({ counts }, i) => counts.confirmed! > before[i]! + 50),
        "a new leader",
        LONG_MS,
      );
      await heal();
    });
    for (const site of sites) for (const from of ["a", "b"]) assertWhole(site, from, said);
    assert.deepEqual(sites[0]!.heard, sites[1]!.heard);
    for (const { counts } of sites) assert.deepEqual([counts.missed, counts.cut], [0, 0]);
    assertCounts(sites);
    await closeAll(sites);
    await endAll(servers);
  });
}

Deno.test(
  "A cluster of which two of three are away: islands, and each message once at home when they are back",
  IGNORED,
  async () => {
    const servers = await startCluster();
    const urls = servers.map(({ url }) => url);
    const sites = await TestSite.joined(["a", "b"], {
      servers: urls,
      replicas: 3,
      holdMs: 1000,
      pingMs: 300,
    });
    const said = await talkDuring(sites, async () => {
      await Promise.all(servers.slice(1).map((server) => server.kill()));
      for (const site of sites) await site.untilState("island");
      await Promise.all(servers.slice(1).map((server) => server.start()));
      for (const site of sites) await site.untilState("joined", LONG_MS);
    });
    for (const site of sites) for (const from of ["a", "b"]) assertWhole(site, from, said);
    assertCounts(sites);
    await closeAll(sites);
    await endAll(servers);
  },
);

Deno.test("The click test on three servers: 60 times, all sites end with the same", IGNORED, async () => {
  const servers = await startCluster();
  const sites = [
    ...await TestSite.joined(["a"], { servers: servers[0]!.url, replicas: 3 }),
    ...await TestSite.joined(["b"], { servers: servers[1]!.url, replicas: 3 }),
  ];
  for (let round = 1; round <= 60; round++) {
    for (const site of sites) site.say();
    for (const site of sites) await site.untilHeard(2 * round);
  }
  assert.deepEqual(sites[0]!.heard, sites[1]!.heard);
  await closeAll(sites);
  await endAll(servers);
});

Deno.test(
  "Sites behind leaves share the stream of the hub; with the hub dead each is an island, and all is heard once",
  IGNORED,
  async () => {
    const { hub, leaves } = await startLeaves(2);
    const sites = leaves.map(({ url }, i) =>
      new TestSite({ servers: url, domain: "hub", site: "ab"[i]!, holdMs: 500, pingMs: 300 })
    );
    await Promise.all(sites.map((site) => site.untilState("joined")));
    const said = await talkDuring(sites, async () => {
      await hub.kill();
      for (const site of sites) await site.untilState("island");
      await hub.start();
      for (const site of sites) await site.untilState("joined", LONG_MS);
    });
    for (const site of sites) for (const from of ["a", "b"]) assertWhole(site, from, said);
    assertCounts(sites);
    await closeAll(sites);
    await endAll([hub, ...leaves]);
  },
);

Deno.test(
  "With the order local, three leaves of one hub make no loop, and three brokers of one name do not silence each other",
  IGNORED,
  async () => {
    const { hub, leaves } = await startLeaves(3);
    const sites = leaves.map(({ url }) => new TestSite({ servers: url, order: "local", site: "same" }));
    await Promise.all(sites.map((site) => site.untilState("joined")));
    await until(() => leaves.every(({ log }) => log.includes("Leafnode connection created")));
    // Interest travels through the leaves in its own time.
    let probes = 0;
    while (!sites.every(({ heard }) => heard.some((text) => text.includes('"probe"')))) {
      sites[0]!.server.sendJsonMessage(`{"type":"probe","n":${++probes}}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const before = sites.map(({ counts }) => counts.received!);
    for (let i = 0; i < 100; i++) sites[0]!.say();
    for (const site of sites.slice(1)) await until(() => site.of("same").length >= 100);
    sites[1]!.say("end");
    await until(() => sites[2]!.heard.some((text) => text.includes('"end"')));
    assert.equal(sites[0]!.of("same").length, 101);
    assert.equal(sites[1]!.of("same").length, 101);
    assert.equal(sites[2]!.of("same").length, 101);
    assert.ok(sites[1]!.counts.received! >= before[1]! + 100);
    await closeAll(sites);
    await endAll([hub, ...leaves]);
  },
);
