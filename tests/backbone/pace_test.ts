/** What a backbone costs local people: nothing with the order "local", and waiting in place of loss with "stream". */
import assert from "node:assert/strict";
import { MessageClient, PassiveMessageClient } from "../../client.ts";
import { nextEvent, soon, until } from "../support/deadline.ts";
import { hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };

Deno.test(
  "Senders are slowed and lose nothing while NATS stands still, and go on when it is back",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a, b] = await TestSite.joined(["a", "b"], {
      servers: nats.url,
      holdMs: 60_000,
      pingMs: 200,
      queue: { messages: 1000 },
    }) as [TestSite, TestSite];
    await using sender = new PassiveMessageClient({
      serverReceive: a.server.receiveAddress,
      sendQueue: { messages: 100_000 },
    });
    await soon(sender.ready);
    nats.signal("SIGSTOP");
    // Texts as long as they are read one by one, so that the gate closes in between.
    const filling = "x".repeat(20_000);
    const COUNT = 3000;
    for (let n = 0; n < COUNT; n++) sender.sendJsonMessage(`{"type":"t","n":${n},"filling":"${filling}"}`);
    await a.untilState("holding");
    await until(() => a.counts.queued! >= 500);
    const waiting = a.counts.queued!;
    assert.ok(waiting <= 1000, `${waiting} messages wait`);
    assert.equal(a.counts.dropped, 0);
    nats.signal("SIGCONT");
    for (const site of [a, b]) await site.untilHeard(COUNT, 30_000);
    for (const site of [a, b]) {
      assert.deepEqual(
        site.heard.map((text) => JSON.parse(text).n),
        Array.from({ length: COUNT }, (_, n) => n),
      );
    }
    assert.equal(a.counts.dropped, 0);
    await closeAll([a, b]);
  },
);

Deno.test("With the order local senders are never slowed, whatever NATS does", IGNORED, async () => {
  await using nats = await NatsServer.startPlain();
  const [a] = await TestSite.joined(["a"], {
    servers: nats.url,
    order: "local",
    queue: { messages: 1000 },
  }) as [TestSite];
  await using sender = new PassiveMessageClient({
    serverReceive: a.server.receiveAddress,
    sendQueue: { messages: 100_000 },
  });
  await soon(sender.ready);
  nats.signal("SIGSTOP");
  for (let n = 0; n < 20_000; n++) sender.sendJsonMessage(`{"type":"t","n":${n}}`);
  await a.untilHeard(20_000);
  assert.equal(a.heard.length, 20_000);
  nats.signal("SIGCONT");
  const { sent, queued, dropped, confirmed } = a.counts;
  assert.equal(sent, 20_000);
  assert.equal(sent, queued! + dropped! + confirmed!);
  await closeAll([a]);
});

Deno.test(
  "A burst of 60,000 messages: memory is bounded, and with stream nothing is lost",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a, b] = await TestSite.joined(["a", "b"], { servers: nats.url }) as [TestSite, TestSite];
    await using sender = new PassiveMessageClient({
      serverReceive: a.server.receiveAddress,
      sendQueue: { messages: 300_000, bytes: 1 << 28 },
    });
    await soon(sender.ready);
    const COUNT = 60_000;
    const before = Deno.memoryUsage().rss;
    let longest = 0;
    for (let n = 0; n < COUNT; n++) sender.sendJsonMessage(`{"type":"t","n":${n}}`);
    const end = performance.now() + 60_000;
    while (a.heard.length < COUNT || b.heard.length < COUNT) {
      longest = Math.max(longest, a.counts.queued!);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.ok(performance.now() < end, JSON.stringify(a.counts));
    }
    assert.deepEqual(a.heard, b.heard);
    assert.equal(JSON.parse(a.heard.at(-1)!).n, COUNT - 1);
    // Half a queue, and what was read at once.
    assert.ok(longest <= 60_000, `${longest} messages waited`);
    assert.equal(a.counts.dropped, 0);
    assert.ok(Deno.memoryUsage().rss - before < 600 * 1024 * 1024);
    await closeAll([a, b]);
  },
);

Deno.test("Nobody hears its own message, even when it comes back after seconds", IGNORED, async () => {
  await using nats = await NatsServer.start();
  const [a] = await TestSite.joined(["a"], { servers: nats.url, pingMs: 10_000, holdMs: 60_000 }) as [
    TestSite,
  ];
  await using speaker = new MessageClient(a.server.addresses);
  await using listener = new MessageClient(a.server.addresses);
  await soon(Promise.all([speaker.ready, listener.ready]));
  const own: string[] = [];
  speaker.addEventListener("message", ({ text }) => void own.push(text));
  const heard = nextEvent(listener, "message");
  nats.signal("SIGSTOP");
  speaker.sendJsonMessage('{"type":"late"}');
  await until(() => a.counts.queued === 1);
  // Longer than an echo is waited for where a broker does not tell whose a message is.
  await new Promise((resolve) => setTimeout(resolve, 5500));
  assert.equal(a.heard.length, 0);
  nats.signal("SIGCONT");
  await heard;
  listener.sendJsonMessage('{"type":"after"}');
  await until(() => own.length > 0);
  assert.deepEqual(own, ['{"type":"after"}']);
  await closeAll([a]);
});

Deno.test(
  "A site that stands still for a while catches up, and the others do not notice",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const [a] = await TestSite.joined(["a"], { servers: nats.url }) as [TestSite];
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--no-check",
        "--allow-net=127.0.0.1",
        "tests/backbone/slow_site.ts",
        nats.url,
      ],
      stdout: "piped",
      stderr: "inherit",
      stdin: "null",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let out = "";
    const untilSays = async (pattern: RegExp) => {
      while (!pattern.test(out)) {
        const { value, done } = await soon(lines.read(), String(pattern), 30_000);
        if (done) throw new Error(`it ended: ${out}`);
        out += value;
      }
    };
    await untilSays(/joined/);
    child.kill("SIGSTOP");
    const filling = "x".repeat(1000);
    for (let n = 1; n <= 10_000; n++) {
      a.server.sendJsonMessage(`{"type":"t","n":${n},"filling":"${filling}"}`);
      if (n % 1000 === 0) await a.untilHeard(n); // Nobody here waits for it.
    }
    child.kill("SIGCONT");
    await untilSays(/heard 10000 in order, missed 0/);
    child.kill("SIGTERM");
    await lines.cancel();
    await child.status;
    await closeAll([a]);
  },
);
