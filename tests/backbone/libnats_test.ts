/** Debian's C library on the same bus: it hears brokers, they hear it, and it reads the one order that they broadcast in. */
import assert from "node:assert/strict";
import { CNats, hasLibnats, type HeardByC } from "../support/libnats.ts";
import { hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer || !hasLibnats };

Deno.test(
  "With the order stream the C library reads what all sites broadcast, in their order",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const sites = await TestSite.joined(["a", "b"], { servers: nats.url });
    await using peer = await CNats.connect(nats.url);
    const rounds = 50;
    for (let n = 1; n <= rounds; n++) {
      for (const site of sites) site.say();
      await peer.store("braviz.lab.c", `{"type":"c","n":${n}}`);
    }
    for (const site of sites) await site.untilHeard(3 * rounds);
    const [a, b] = sites as [TestSite, TestSite];
    assert.deepEqual(a.heard, b.heard);
    await peer.read("braviz.lab.>");
    const read: HeardByC[] = [];
    while (read.length < 3 * rounds) read.push(await peer.next());
    assert.deepEqual(read.map(({ text }) => text), a.heard);
    for (const { backbone } of sites) {
      const { instance } = backbone.status();
      const origins: number[] = read.flatMap(({ from }) =>
        from?.startsWith(instance) ? [Number(from.split(" ")[1])] : []
      );
      assert.deepEqual(origins, Array.from({ length: rounds }, (_, i) => i + 1));
    }
    for (const { counts } of sites) assert.deepEqual([counts.foreign, counts.received], [rounds, rounds]);
    await closeAll(sites);
  },
);

Deno.test("With the order local the C library hears and is heard, bytes untouched", IGNORED, async () => {
  await using nats = await NatsServer.startPlain();
  await using peer = await CNats.connect(nats.url);
  await peer.listen("braviz.lab.>");
  const sites = await TestSite.joined(["a", "b"], { servers: nats.url, order: "local" });
  const [a, b] = sites as [TestSite, TestSite];
  const text = '{ "type" : "a.b",\t"subject" : 12345678901234567890, "text":"é漢" }';
  a.server.sendJsonMessage(text);
  let message = await peer.next();
  // Each site has asked first whether it may speak.
  while (message.text === "") message = await peer.next();
  assert.deepEqual(message, {
    subject: "braviz.lab.a%2Eb",
    text,
    from: `${a.backbone.status().instance} 1 0`,
  });
  await peer.publish("braviz.lab.c", text);
  await b.untilHeard(2);
  assert.deepEqual(b.heard, [text, text]);
  assert.equal(b.counts.foreign, 1);
  await closeAll(sites);
});
