/** The order "local" over real NATS servers: local people first, and what is missed is counted to the message. */
import assert from "node:assert/strict";
import { until } from "../support/deadline.ts";
import { freePort, hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };
const ORDER = { order: "local" } as const;

/** What one site heard of another is in order, once, and all that is missing is counted: to the message. */
function assertCounted(at: TestSite, from: string, said: number): number {
  const numbers = at.of(from).map((text) => JSON.parse(text).n as number);
  assert.deepEqual(numbers, [...new Set(numbers)].toSorted((a, b) => a - b));
  const missing = said - numbers.length;
  assert.equal(at.counts.missed, missing, JSON.stringify(at.counts));
  return missing;
}

Deno.test(
  "With the order local nobody waits: a message is broadcast at home at once, and heard elsewhere",
  IGNORED,
  async () => {
    await using nats = await NatsServer.startPlain();
    const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url, ...ORDER }) as [TestSite, TestSite];
    const texts = Array.from({ length: 100 }, () => a.say());
    assert.deepEqual(a.heard, texts);
    await b.untilHeard(100);
    assert.deepEqual(b.heard, texts);
    await until(() => a.counts.queued === 0);
    assert.equal(a.counts.confirmed, 100);
    assert.equal(b.counts.received, 100);
    await closeAll([a, b]);
  },
);

Deno.test(
  "With the order local two people who click at once end with different messages somewhere",
  IGNORED,
  async () => {
    await using nats = await NatsServer.startPlain();
    const sites = await TestSite.joined(["a", "b"], { servers: nats.url, ...ORDER });
    let different = 0;
    for (let round = 1; round <= 150; round++) {
      for (const site of sites) site.say();
      for (const site of sites) await site.untilHeard(2 * round);
      if (sites[0]!.heard.at(-1) !== sites[1]!.heard.at(-1)) different++;
    }
    assert.ok(different > 0, "the click test tests nothing");
    await closeAll(sites);
  },
);

for (
  const [name, fault] of [
    ["killed", async (nats: NatsServer) => {
      await nats.kill();
      await nats.start();
    }],
    ["stopped", async (nats: NatsServer, sites: readonly TestSite[]) => {
      nats.signal("SIGSTOP");
      for (const site of sites) await site.untilState("island");
      nats.signal("SIGCONT");
    }],
  ] as const
) {
  Deno.test(
    `With the order local, a server that is ${name}: local people hear everything, the others' misses are counted`,
    IGNORED,
    async () => {
      await using nats = await NatsServer.startPlain();
      const sites = await TestSite.joined(["a", "b"], { servers: nats.url, pingMs: 200, ...ORDER });
      const [a, b] = sites as [TestSite, TestSite];
      let said = 0;
      const timer = setInterval(() => {
        for (const site of sites) site.say();
        said++;
      }, 3);
      await until(() => said > 20);
      await fault(nats, sites);
      for (const site of sites) await site.untilState("joined");
      const before = said;
      await until(() => said > before + 20);
      clearInterval(timer);
      await until(() => a.counts.queued === 0 && b.counts.queued === 0);
      // One more, so that whatever is missing is in front of something.
      for (const site of sites) site.say();
      said++;
      await until(() =>
        sites.every((site, i) => site.of(i === 0 ? "b" : "a").some((text) => JSON.parse(text).n === said))
      );
      assert.equal(a.of("a").length, said);
      assert.equal(b.of("b").length, said);
      assertCounted(a, "b", said);
      assertCounted(b, "a", said);
      for (const { counts } of sites) {
        const { sent, confirmed, queued, dropped, tooLarge, forbidden } = counts as Record<string, number>;
        assert.equal(sent, confirmed! + queued! + dropped! + tooLarge! + forbidden!);
      }
      await closeAll(sites);
    },
  );
}

Deno.test(
  "With the order local, a queue that is full drops the oldest, which were heard at home, and counts them",
  IGNORED,
  async () => {
    const port = freePort();
    const a = new TestSite({ servers: `127.0.0.1:${port}`, site: "a", queue: { messages: 50 }, ...ORDER });
    for (let i = 0; i < 200; i++) a.say();
    assert.equal(a.heard.length, 200);
    assert.equal(a.counts.queued, 50);
    assert.equal(a.counts.dropped, 150);
    await using nats = await NatsServer.start({ config: "", port });
    await a.untilState("joined");
    await until(() => a.counts.queued === 0);
    assert.equal(a.counts.confirmed, 50);
    const [b] = await TestSite.joined(["b"], { servers: nats.url, ...ORDER }) as [TestSite];
    a.say();
    await b.untilHeard(1);
    await closeAll([a, b]);
  },
);

Deno.test(
  "With the order local, two brokers of the same name hear each other, and nothing goes round",
  IGNORED,
  async () => {
    await using nats = await NatsServer.startPlain();
    const sites = await TestSite.joined(["lab", "lab", "lab"], { servers: nats.url, ...ORDER });
    for (let i = 0; i < 10; i++) sites[0]!.say();
    for (const site of sites) await site.untilHeard(10);
    for (const site of sites) site.say("last");
    for (const site of sites) await site.untilHeard(13);
    for (const { heard } of sites) assert.equal(heard.length, 13);
    assert.equal(nats.log.includes("Slow Consumer"), false);
    await closeAll(sites);
  },
);
