/** What can stand between a broker and the others: each is told in words, counted, and never the end of local work. */
import assert from "node:assert/strict";
import { soon, until } from "../support/deadline.ts";
import { freePort, hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { NatsOperator } from "../support/nats_credentials.ts";
import { RawNats } from "../support/raw_nats.ts";
import { closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };
const JETSTREAM = 'jetstream { store_dir: "DIR" }';

/** Something that listens and is no NATS server. */
function listen(
  answer: (conn: Deno.TcpConn) => Promise<void>,
): { port: number; count: () => number } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns = new Set<Deno.TcpConn>();
  let count = 0;
  const running = (async () => {
    for await (const conn of listener) {
      count++;
      conns.add(conn);
      answer(conn).catch(() => {});
    }
  })();
  return {
    port: listener.addr.port,
    count: () => count,
    async [Symbol.asyncDispose]() {
      listener.close();
      await running;
      for (const conn of conns) {
        try {
          conn.close();
        } catch {
          // Closed already.
        }
      }
    },
  };
}

const say = (conn: Deno.TcpConn, text: string) => conn.write(new TextEncoder().encode(text));
const INFO =
  'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"headers":true,"proto":1,"host":"x","port":1}\r\n';

for (
  const [name, answer, code] of [
    ["speaks HTTP", async (conn: Deno.TcpConn) => {
      await say(conn, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
      conn.close();
    }, "not-nats"],
    ["closes after its first line", async (conn: Deno.TcpConn) => {
      await say(conn, INFO);
      conn.close();
    }, undefined],
    ["closes at once", (conn: Deno.TcpConn) => Promise.resolve(conn.close()), undefined],
    ["says garbage for a first line", async (conn: Deno.TcpConn) => {
      await say(conn, "INFO {not json}\r\n");
    }, "not-nats"],
    ["is silent", () => Promise.resolve(), "not-nats"],
  ] as const
) {
  Deno.test(`A listener that ${name} is told of once, dialled again, and local people work on`, async () => {
    await using peer = listen(answer);
    const site = new TestSite({ servers: `127.0.0.1:${peer.port}`, holdMs: 50 });
    await until(() => site.problems.length === 1, "a problem");
    if (code !== undefined) assert.deepEqual(site.problems, [code]);
    await site.untilState("island");
    const text = site.say();
    assert.deepEqual(site.heard, [text]);
    if (name !== "is silent") await until(() => peer.count() >= 3, "three attempts");
    assert.equal(site.problems.length, 1);
    await closeAll([site]);
  });
}

Deno.test("Nobody there is told once, and the way back is found", IGNORED, async () => {
  const port = freePort();
  const site = new TestSite({ servers: `127.0.0.1:${port}`, holdMs: 50 });
  await site.untilState("island");
  assert.deepEqual(site.problems, ["unreachable"]);
  await using nats = await NatsServer.start({ port });
  await soon(site.backbone.ready, "joining", 20_000);
  assert.equal(site.backbone.status().problem, undefined);
  assert.equal(nats.port, port);
  await closeAll([site]);
});

Deno.test(
  "Wrong credentials: refused, told once with the server, and local people work on",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start({ config: `authorization { token: "right" }\n${JETSTREAM}` });
    const site = new TestSite({ servers: nats.url, holdMs: 50, auth: { token: "wrong" } });
    await site.untilState("refused");
    await until(() => site.backbone.status().isIsland);
    assert.deepEqual(site.problems, ["refused"]);
    assert.match(site.backbone.status().problem!, new RegExp(`127\\.0\\.0\\.1:${nats.port}`));
    assert.equal(site.counts.rejected, 1);
    const text = site.say();
    assert.deepEqual(site.heard, [text]);
    await closeAll([site]);
  },
);

for (
  const [name, config, auth] of [
    ["a token", 'authorization { token: "right" }', { token: "right" }],
    ["a user with password", 'authorization { user: "site", password: "pass:word" }', {
      user: "site",
      password: "pass:word",
    }],
    [
      "an nkey",
      'authorization { users: [ { nkey: "UC7UQECFBQG6666FPV7JCDSF7CP7XG6H7PGGF6QZ425DKHXQTCKRVKP5" } ] }',
      {
        nkey: "SUAP5PEGQGRCOXSN2H4T3CAL6GLV7RJAF7TZT7L6J4QWFTB3G67ANS23TI",
      },
    ],
  ] as const
) {
  Deno.test(`The server is shown ${name}`, IGNORED, async () => {
    await using nats = await NatsServer.start({ config: `${config}\n${JETSTREAM}` });
    const [site] = await TestSite.joined(["a"], { servers: nats.url, auth }) as [TestSite];
    site.say();
    await site.untilHeard(1);
    await closeAll([site]);
  });
}

Deno.test(
  "The server is shown a .creds file, and a user of another operator is refused",
  IGNORED,
  async () => {
    const operator = new NatsOperator();
    await using nats = await NatsServer.start({ config: `${operator.config}\n${JETSTREAM}` });
    const [a, b] = [
      ...await TestSite.joined(["a"], { servers: nats.url, auth: { creds: operator.creds() } }),
      // As an editor on Windows leaves it, and without its last line end.
      ...await TestSite.joined(["b"], {
        servers: nats.url,
        auth: { creds: operator.creds().trim().replaceAll("\n", "\r\n") },
      }),
    ] as [TestSite, TestSite];
    a.say();
    await b.untilHeard(1);
    const stranger = new TestSite({
      servers: nats.url,
      holdMs: 50,
      auth: { creds: new NatsOperator().creds() },
    });
    await until(() => stranger.problems.includes("refused"));
    await closeAll([a, b, stranger]);
  },
);

Deno.test(
  "Credentials that run out end the connection; those that are read then are shown, and nothing is lost",
  IGNORED,
  async () => {
    const operator = new NatsOperator();
    await using nats = await NatsServer.start({ config: `${operator.config}\n${JETSTREAM}` });
    let read = 0;
    const site = new TestSite({
      servers: nats.url,
      holdMs: Infinity,
      auth: () => ({ creds: operator.creds(++read > 2 ? 3600 : 2) }),
    });
    await site.untilState("joined");
    site.say();
    await until(() => site.counts.connects! > 1, "another connection", 60_000);
    site.say();
    await site.untilState("joined");
    await site.untilHeard(2);
    assert.ok(read > 2);
    await closeAll([site]);
  },
);

Deno.test(
  "A token that is wrong is told with the way out, and once it is repaired the site is joined",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start({ config: `authorization { token: "right" }\n${JETSTREAM}` });
    let token = "wrong";
    const site = new TestSite({ servers: nats.url, holdMs: 50, refusedMs: 100, auth: () => ({ token }) });
    await site.untilState("refused");
    assert.match(site.backbone.status().problem!, /repair it here or there.*every 0\.1 seconds/);
    await until(() => site.counts.rejected! >= 3, "three attempts");
    token = "right";
    await site.untilState("joined");
    assert.deepEqual(site.problems.filter((code) => code === "refused"), ["refused"]);
    assert.equal(site.backbone.status().problem, undefined);
    await closeAll([site]);
  },
);

Deno.test(
  "A server without JetStream: the two ways out are told, and the site behaves as an island",
  IGNORED,
  async () => {
    await using nats = await NatsServer.startPlain();
    const site = new TestSite({ servers: nats.url, holdMs: 50 });
    await site.untilState("island");
    await until(() => site.problems.includes("no-jetstream"));
    assert.match(site.backbone.status().problem!, /-js.*--backbone-order local/);
    site.say();
    assert.equal(site.heard.length, 1);
    await closeAll([site]);
  },
);

Deno.test("A stream that is set up for something else is told of, and never altered", IGNORED, async () => {
  await using nats = await NatsServer.start();
  await using raw = await RawNats.connect(nats.port);
  await raw.subscribe("answers");
  const config = JSON.stringify({
    name: "BRAVIZ_lab",
    subjects: ["other.>"],
    retention: "limits",
    storage: "memory",
    max_consumers: -1,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    num_replicas: 1,
    discard: "old",
  });
  await raw.say(`PUB $JS.API.STREAM.CREATE.BRAVIZ_lab answers ${config.length}\r\n${config}\r\n`);
  await until(() => raw.text.includes('"created"'));
  const site = new TestSite({ servers: nats.url, holdMs: 50, refusedMs: 100 });
  await until(() => site.problems.includes("stream-differs"));
  await site.untilState("island");
  assert.match(site.backbone.status().problem!, /other\.>.*It was not changed/);
  raw.text = "";
  await raw.say("PUB $JS.API.STREAM.INFO.BRAVIZ_lab answers 0\r\n\r\n");
  await until(() => raw.text.includes('"config"'));
  assert.match(raw.text, /"subjects":\["other\.\\u003e"\]/);
  // Once somebody has moved it out of the way the site is joined.
  await raw.say("PUB $JS.API.STREAM.DELETE.BRAVIZ_lab answers 0\r\n\r\n");
  await site.untilState("joined");
  assert.equal(site.backbone.status().problem, undefined);
  await closeAll([site]);
});

Deno.test(
  "A subject that is forbidden: told once, counted, given up, and all else goes on",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start({
      config: `authorization { users: [
      { user: "site", password: "x", permissions: { publish: { deny: ["braviz.lab.secret"] } } } ] }\n${JETSTREAM}`,
    });
    const auth = { user: "site", password: "x" };
    const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url, auth }) as [TestSite, TestSite];
    const refused = a.server.local.publish(['{"type":"secret"}']).told(new AbortController().signal);
    const texts = ["one", "secret", "two", "secret", "three"].map((type) => a.say(type));
    const allowed = texts.filter((text) => !text.includes("secret"));
    for (const site of [a, b]) await site.untilHeard(3);
    await until(() => a.counts.queued === 0);
    assert.deepEqual(a.heard, allowed);
    assert.deepEqual(b.heard, allowed);
    assert.deepEqual(a.problems.filter((code) => code === "forbidden"), ["forbidden"]);
    assert.equal(await soon(refused), undefined); // Whoever waits for its number hears that there is none.
    assert.equal(a.counts.forbidden, 3);
    assert.equal(a.counts.confirmed, 3);
    a.say("secret"); // Now it is known, and does not even go out.
    assert.equal(a.counts.forbidden, 4);
    a.say("four");
    await b.untilHeard(4);
    await closeAll([a, b]);
  },
);

for (
  const [order, publish] of [
    ["stream", '["$JS.API.>", "$JS.FC.>"]'],
    ["local", '{ deny: ">" }'],
  ] as const
) {
  Deno.test(
    `With the order ${order} a user who may only listen is told so at the start and hears all; at home nobody waits`,
    IGNORED,
    async () => {
      const users = (publish: string) =>
        `max_payload: 17MB\nauthorization { users: [ { user: "site", password: "x" },
        { user: "eye", password: "x"${publish} } ] }\n${JETSTREAM}`;
      await using nats = await NatsServer.start({ config: users(`, permissions: { publish: ${publish} }`) });
      const options = { servers: nats.url, order };
      const [a] = await TestSite.joined(["a"], { ...options, auth: { user: "site", password: "x" } }) as [
        TestSite,
      ];
      const [eye] = await TestSite.joined(["eye"], {
        ...options,
        holdMs: Infinity,
        auth: { user: "eye", password: "x" },
      }) as [TestSite];
      await eye.untilState("island");
      assert.deepEqual(eye.problems, ["mute"]);
      assert.match(eye.backbone.status().problem!, /forbids this user.*let it publish to braviz\.lab\.>/);
      const texts = [eye.say(), eye.say()];
      assert.deepEqual(eye.heard, texts);
      a.say();
      await eye.untilHeard(3);
      assert.equal(eye.of("a").length, 1);
      assert.equal(a.of("eye").length, 0);
      assert.deepEqual([eye.counts.forbidden, eye.counts.queued], [2, 0]);
      assert.deepEqual(a.server.stats().refused, {}); // How it was found out is no message.
      assert.deepEqual(eye.problems, ["mute"]);
      // Once it may, it is one of them.
      await nats.kill();
      nats.configure(users(""));
      await nats.start();
      await eye.untilState("joined");
      await a.untilState("joined");
      assert.equal(eye.backbone.status().problem, undefined);
      const last = eye.say();
      await until(() => a.heard.includes(last));
      assert.equal(a.counts.missed, 0); // Nobody had heard of it before.
      await closeAll([a, eye]);
    },
  );
}

Deno.test(
  "With the order stream a user who may not even ask for the stream is told what it lacks, and of the order local",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start({
      config: `authorization { users: [
        { user: "eye", password: "x", permissions: { publish: { deny: ">" } } } ] }\n${JETSTREAM}`,
    });
    const site = new TestSite({ servers: nats.url, holdMs: 50, auth: { user: "eye", password: "x" } });
    await until(() => site.problems.includes("forbidden"));
    const told: string = site.backbone.status().problem!;
    assert.match(told, /STREAM\.INFO\.BRAVIZ_lab.*docs\/many-machines\.md.*--backbone-order local/);
    await site.untilState("island");
    const text = site.say();
    assert.deepEqual(site.heard, [text]);
    await closeAll([site]);
  },
);

Deno.test(
  "A message larger than the servers take is refused with stream, heard at home with local, and counted",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start({ config: `max_payload: 2000\n${JETSTREAM}` });
    const big = JSON.stringify({ type: "big", text: "x".repeat(3000) });
    for (const order of ["stream", "local"] as const) {
      const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url, order, bus: order }) as [
        TestSite,
        TestSite,
      ];
      assert.ok(a.problems.includes("small-payload"));
      a.server.sendJsonMessage(big);
      assert.equal(a.counts.tooLarge, 1);
      assert.ok(a.problems.includes("too-large"));
      a.say();
      await b.untilHeard(1);
      assert.equal(b.of("a").length, 1);
      await a.untilHeard(order === "stream" ? 1 : 2);
      assert.equal(a.heard.includes(big), order === "local");
      if (order === "stream") assert.equal(a.server.stats().refused["too-large"], 1);
      await closeAll([a, b]);
    }
  },
);

Deno.test("A message of 16 MiB passes where max_payload lets it", IGNORED, async () => {
  await using nats = await NatsServer.start({ config: `max_payload: 17MB\n${JETSTREAM}` });
  const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url }) as [TestSite, TestSite];
  const text = JSON.stringify({ type: "big", text: "" });
  const big = text.replace('""', `"${"x".repeat(16 * 1024 * 1024 - text.length)}"`);
  assert.equal(big.length, 16 * 1024 * 1024);
  a.server.sendJsonMessage(big);
  await b.untilHeard(1);
  assert.ok(b.heard[0] === big);
  await closeAll([a, b]);
});
