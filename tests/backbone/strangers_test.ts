/** Whoever else speaks on the servers: garbage, programs without headers, forged origins, MQTT, WebSockets, and the raw protocol. */
import assert from "node:assert/strict";
import { until } from "../support/deadline.ts";
import { freePort, hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { RawNats } from "../support/raw_nats.ts";
import { closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };

for (const order of ["stream", "local"] as const) {
  Deno.test(
    `With the order ${order} a program that speaks plain NATS is heard, and hears`,
    IGNORED,
    async () => {
      await using nats = await NatsServer.start();
      const sites = await TestSite.joined(["a", "b"], { servers: nats.url, order });
      await using raw = await RawNats.connect(nats.port);
      await raw.subscribe("braviz.lab.>");
      await raw.publish("braviz.lab.subject", '{"type":"subject","subject":1}');
      for (const site of sites) await site.untilHeard(1);
      sites[0]!.server.sendJsonMessage('{"type":"a.b c","x":1}');
      await until(() => raw.text.includes('{"type":"a.b c","x":1}'));
      assert.match(raw.text, /braviz\.lab\.a%2Eb%20c/);
      for (const { counts } of sites) assert.equal(counts.foreign, 1);
      await closeAll(sites);
    },
  );

  Deno.test(
    `With the order ${order} what is no message is refused and counted, and the rest goes on`,
    IGNORED,
    async () => {
      await using nats = await NatsServer.start();
      const [site] = await TestSite.joined(["a"], { servers: nats.url, order }, {
        maxMessageBytes: 1000,
      }) as [TestSite];
      await using raw = await RawNats.connect(nats.port);
      for (const body of ["", "{", "[]", "7", "null", `{"x":"${"y".repeat(2000)}"}`, '{"ok":1}']) {
        await raw.publish("braviz.lab.x", body);
      }
      await site.untilHeard(1);
      assert.deepEqual(site.heard, ['{"ok":1}']);
      const { refused } = site.server.stats();
      assert.deepEqual(refused, { "not-json": 2, "not-an-object": 3, "too-large": 1 });
      await closeAll([site]);
    },
  );
}

Deno.test(
  "A forged origin makes nobody lose more than what it pretends to be, and ends nothing",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url }) as [TestSite, TestSite];
    await using raw = await RawNats.connect(nats.port);
    for (let i = 0; i < 10; i++) a.say();
    for (const site of [a, b]) await site.untilHeard(10);
    const { instance } = a.backbone.status();
    let n = 0;
    const forge = (value: string) =>
      raw.publishWith(`Bus-From: ${value}`, "braviz.lab.x", `{"type":"forged","n":${++n}}`);
    // Out of turn, repeats, and what is no origin at all.
    await forge(`${instance} 9007199254740991`);
    await forge(`${instance} 9007199254740993`);
    await forge(`${instance} 3`);
    await forge(`${instance} 0`);
    await forge("x");
    await forge("");
    await raw.publishWith(
      "Bus-From: zzzzzzzzzzzz 5\r\nBus-Gone: 999999999999",
      "braviz.lab.x",
      '{"type":"forged","n":7}',
    );
    await raw.flush();
    for (let i = 0; i < 10; i++) a.say();
    for (const site of [a, b]) await until(() => site.of("a").length === 20);
    assert.deepEqual(a.heard, b.heard);
    for (const site of [a, b]) {
      assert.deepEqual(
        site.heard.filter((text) => text.includes("forged")).map((text) => JSON.parse(text).n),
        [2, 4, 5, 6, 7],
      );
    }
    await closeAll([a, b]);
  },
);

Deno.test(
  "Ten thousand types and a thousand origins cost bounded memory, and no message",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url, order: "local" }) as [
      TestSite,
      TestSite,
    ];
    for (let i = 0; i < 10_000; i++) {
      a.say(`type ${i}`);
      if (i % 500 === 499) await until(() => a.counts.queued === 0);
    }
    await b.untilHeard(10_000);
    await using raw = await RawNats.connect(nats.port);
    for (let i = 0; i < 1000; i++) {
      await raw.publishWith(`Bus-From: ${i.toString(36).padStart(12, "0")} 1`, "braviz.lab.x", `{"n":${i}}`);
    }
    await b.untilHeard(11_000);
    assert.equal(b.backbone.status().sites.length, 100);
    await closeAll([a, b]);
  },
);

Deno.test(
  "A web page's WebSocket and MQTT reach the bus through the servers' own doors",
  IGNORED,
  async () => {
    const [web, mqtt] = [freePort(), freePort()];
    await using nats = await NatsServer.start({
      config: `server_name: one
jetstream { store_dir: "DIR" }
websocket { listen: "127.0.0.1:${web}", no_tls: true }
mqtt { listen: "127.0.0.1:${mqtt}" }`,
    });
    const [site] = await TestSite.joined(["a"], { servers: nats.url }) as [TestSite];
    const socket = new WebSocket(`ws://127.0.0.1:${web}`);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
    const body = '{"type":"web"}';
    socket.send(`CONNECT {"verbose":false}\r\nPUB braviz.lab.web ${body.length}\r\n${body}\r\n`);
    await site.untilHeard(1);
    const closed = new Promise((resolve) => socket.addEventListener("close", resolve, { once: true }));
    socket.close();
    await closed;
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: mqtt });
    const text = (value: string) => [0, value.length, ...new TextEncoder().encode(value)];
    const packet = (type: number, content: number[]) => new Uint8Array([type, content.length, ...content]);
    // MQTT 3.1.1: CONNECT with a clean session, then PUBLISH with QoS 0.
    await conn.write(packet(0x10, [...text("MQTT"), 4, 2, 0, 60, ...text("test")]));
    assert.ok((await conn.read(new Uint8Array(4)))! > 0);
    await conn.write(
      packet(0x30, [...text("braviz/lab/mqtt"), ...new TextEncoder().encode('{"type":"mqtt"}')]),
    );
    await site.untilHeard(2);
    assert.deepEqual(site.heard, ['{"type":"web"}', '{"type":"mqtt"}']);
    await closeAll([site]);
  },
);
