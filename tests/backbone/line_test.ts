/** The line to the servers: cut at any byte, encrypted, closed in the middle of a handshake; and a stream that forgot what was not read. */
import assert from "node:assert/strict";
import { loadLibrary } from "../../backbone/library.ts";
import { until } from "../support/deadline.ts";
import { hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { RawNats } from "../support/raw_nats.ts";
import { Relay } from "../support/relay.ts";
import { assertCounts, assertWhole, closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };
const JETSTREAM = 'jetstream { store_dir: "DIR" }';

Deno.test(
  "A line that is cut at many places loses nothing, doubles nothing, and turns nothing round",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    await using relay = new Relay(`tcp://127.0.0.1:${nats.port}`);
    const [a] = await TestSite.joined(["a"], { servers: relay.address.replace("tcp:", "nats:") }) as [
      TestSite,
    ];
    const [b] = await TestSite.joined(["b"], { servers: nats.url }) as [TestSite];
    const cuts = [{ up: 1500 }, { up: 4001 }, { down: 1700 }, { down: 5003 }, { up: 9999 }];
    for (const [i, cut] of cuts.entries()) {
      relay.cutNext(cut);
      relay.cutNow();
      await until(() => a.backbone.state !== "joined");
      for (let n = 0; n < 100; n++) {
        a.say();
        b.say();
      }
      await until(() => a.heard.length === 200 * (i + 1), "everything", 20_000);
      await b.untilHeard(200 * (i + 1));
    }
    for (const site of [a, b]) for (const from of ["a", "b"]) assertWhole(site, from, 500);
    assert.deepEqual(a.heard, b.heard);
    assertCounts([a, b]);
    assert.ok(a.counts.connects! > cuts.length);
    await closeAll([a, b]);
  },
);

Deno.test(
  "A site that was away while the stream's limits cut what it had not read goes on, and counts to the message",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    await using raw = await RawNats.connect(nats.port);
    await raw.subscribe("answers");
    const config = JSON.stringify({
      name: "BRAVIZ_lab",
      subjects: ["braviz.lab.>"],
      retention: "limits",
      storage: "file",
      max_consumers: -1,
      max_msgs: 100,
      max_bytes: -1,
      max_age: 0,
      num_replicas: 1,
      discard: "old",
    });
    await raw.say(`PUB $JS.API.STREAM.CREATE.BRAVIZ_lab answers ${config.length}\r\n${config}\r\n`);
    await until(() => raw.text.includes('"created"'));
    await using relay = new Relay(`tcp://127.0.0.1:${nats.port}`);
    const [a] = await TestSite.joined(["a"], { servers: nats.url }) as [TestSite];
    const [b] = await TestSite.joined(["b"], { servers: relay.address.replace("tcp:", "nats:") }) as [
      TestSite,
    ];
    for (let i = 0; i < 10; i++) a.say();
    await b.untilHeard(10);
    relay.isClosed = true;
    relay.cutNow();
    for (let i = 1; i <= 500; i++) {
      a.say();
      if (i % 50 === 0) await a.untilHeard(10 + i); // Nobody here is behind.
    }
    relay.isClosed = false;
    await until(() => b.counts.received! + b.counts.missed! === 510, "all to be counted", 20_000);
    assert.equal(b.counts.missed, 400);
    assert.equal(b.counts.cut, 400);
    a.say();
    await b.untilHeard(111);
    assert.deepEqual(b.heard.slice(10), a.heard.slice(410));
    await closeAll([a, b]);
  },
);

Deno.test(
  "When the store is lost with messages that a site had not heard, it goes on, and counts them",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    await using relay = new Relay(`tcp://127.0.0.1:${nats.port}`);
    const [a] = await TestSite.joined(["a"], { servers: nats.url }) as [TestSite];
    const [b] = await TestSite.joined(["b"], { servers: relay.address.replace("tcp:", "nats:") }) as [
      TestSite,
    ];
    a.say();
    for (const site of [a, b]) await site.untilHeard(1);
    relay.isClosed = true;
    relay.cutNow();
    for (let i = 0; i < 10; i++) a.say();
    await a.untilHeard(11);
    await until(() => a.counts.queued === 0);
    await nats.kill();
    await nats.empty();
    await nats.start();
    await a.untilState("joined");
    relay.isClosed = false;
    await b.untilState("joined");
    a.say();
    await b.untilHeard(2);
    assert.equal(b.heard[1], a.heard[11]);
    assert.equal(b.counts.missed, 10);
    await closeAll([a, b]);
  },
);

Deno.test("A server that closes after its first line, 200 times, is an error each time and never the end", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const info =
    'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"headers":true,"proto":1,"host":"x","port":1}\r\n';
  const running = (async () => {
    for await (const conn of listener) {
      await conn.write(new TextEncoder().encode(info)).catch(() => {});
      conn.close();
    }
  })();
  const library = await loadLibrary();
  let failed = 0;
  for (let i = 0; i < 200; i++) {
    await library.connect({
      servers: `127.0.0.1:${listener.addr.port}`,
      reconnect: false,
      maxReconnectAttempts: 0,
      timeout: 3000,
    }).then((nc) => nc.close(), () => failed++);
  }
  assert.equal(failed, 200);
  listener.close();
  await running;
});

/** A certificate authority and a certificate for 127.0.0.1, made by OpenSSL; undefined where it is not there. */
async function makeCertificates(folder: string): Promise<string | undefined> {
  const run = async (...args: string[]) =>
    (await new Deno.Command("openssl", { args, cwd: folder, stdout: "null", stderr: "null" }).output())
      .success;
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  try {
    const isMade = await run(
      "req",
      "-x509",
      ...curve,
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-subj",
      "/CN=test authority",
      "-days",
      "2",
      "-addext",
      "keyUsage=critical,keyCertSign",
    ) &&
      await run(
        "req",
        "-x509",
        ...curve,
        "-keyout",
        "server.key",
        "-out",
        "server.pem",
        "-subj",
        "/CN=localhost",
        "-days",
        "2",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
      );
    return isMade ? await Deno.readTextFile(`${folder}/ca.pem`) : undefined;
  } catch {
    return undefined;
  }
}

Deno.test(
  "tls:// with an authority of one's own; an unknown one is told of, and so is the way out",
  IGNORED,
  async (t) => {
    const folder = await Deno.makeTempDir();
    const ca = await makeCertificates(folder);
    await t.step({
      name: "over TLS",
      ignore: ca === undefined,
      fn: async () => {
        await using nats = await NatsServer.start({
          config: `tls { cert_file: "${folder}/server.pem", key_file: "${folder}/server.key" }\n${JETSTREAM}`,
        });
        const servers = `tls://localhost:${nats.port}`;
        const sites = await TestSite.joined(["a", "b"], { servers, tls: { ca: ca! } });
        for (const site of sites) site.say();
        for (const site of sites) await site.untilHeard(2);
        const stranger = new TestSite({ servers, holdMs: 50 });
        await until(() => stranger.problems.length > 0);
        assert.deepEqual(stranger.problems, ["untrusted"]);
        assert.match(stranger.backbone.status().problem!, /--backbone-ca/);
        await closeAll([...sites, stranger]);
      },
    });
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test(
  "While a broker is paused it takes nothing from local senders, and passes on what the others say",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url }) as [TestSite, TestSite];
    a.server.pause = true;
    const { position, told } = a.server.local.publish(['{"type":"ignored"}']);
    assert.equal(position, undefined);
    assert.equal(await told(new AbortController().signal), undefined);
    b.say();
    for (const site of [a, b]) await site.untilHeard(1);
    assert.equal(a.of("b").length, 1);
    await closeAll([a, b]);
  },
);
