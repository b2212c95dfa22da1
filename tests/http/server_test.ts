import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { ListenError, OptionError } from "../../base/errors.ts";
import { messageGateway, messageHandler, serveGateway } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { form, quiet, startBus } from "./support/bus.ts";
import { Child } from "./support/child.ts";
import { TestBroker } from "./support/test_broker.ts";
import { raw, RawConnection, requestText } from "./support/raw.ts";

Deno.test("serveGateway() tells where it listens, and where the page is", async () => {
  await using gateway = serveGateway(null, { port: 0, prefix: "/bus", token: "abc", ...quiet });
  assert.equal(gateway.url, `http://127.0.0.1:${gateway.port}`);
  assert.equal(gateway.pageUrl, `${gateway.url}/bus/monitor#token=abc`);
  assert.equal(gateway.hostname, "127.0.0.1");
  assert.equal(gateway.token, "abc");
  const page = await fetch(`${gateway.url}/bus`);
  assert.match(await page.text(), /src="\/bus\/monitor\/page\.js"/);
  assert.equal(page.status, 200);
});

Deno.test("messageGateway() stands on a broker and on a client with messages of their own kinds", async () => {
  type Zoom = { readonly type: "zoom"; readonly level: number };
  await using broker = new MessageServer<Zoom>();
  await using client = new PassiveMessageClient<Zoom>(broker.addresses);
  await client.ready;
  for (const bus of [broker, broker.local, client]) {
    await using gateway = messageGateway(bus, quiet);
    const response = await gateway(new Request("http://127.0.0.1/readyz"));
    assert.deepEqual([response.status, await response.json()], [200, { broker: true, draining: false }]);
  }
});

Deno.test("serveGateway() throws ListenError for a port in use", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    assert.throws(() => serveGateway(null, { port: listener.addr.port }), (error) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.code, "address-in-use");
      return true;
    });
  } finally {
    listener.close();
  }
});

Deno.test("serveGateway() without permission names the flag", { permissions: { net: false } }, () => {
  assert.throws(() => serveGateway(null, { port: 0 }), (error) => {
    assert.ok(error instanceof ListenError);
    assert.equal(error.code, "permission-denied");
    assert.match(error.message, /--allow-net=127\.0\.0\.1/);
    return true;
  });
});

Deno.test("GatewayServer.close() ends within its grace though a body never comes, and says so", async () => {
  await using broker = new TestBroker();
  const gateway = serveGateway(broker.server, { port: 0, ...quiet });
  using connection = await RawConnection.open(gateway.port);
  await connection.write(
    `POST /messages HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
  );
  await raw(gateway.port, requestText("GET", "/healthz", [`Host: 127.0.0.1:${gateway.port}`]));
  // Without its grace it would wait for that body for ever.
  assert.equal(await soon(gateway.close({ lingerMs: 50 })), false);
  assert.equal(await soon(connection.end()), "");
  await gateway.finished;
});

Deno.test("serveGateway() and close() refuse numbers out of range with bad-option", async () => {
  const isBad = (name: string) => (error: unknown) =>
    error instanceof OptionError && error.code === "bad-option" &&
    error.message.startsWith(`Cannot use ${name}: `);
  for (const port of [70_000, -1, 0.5, NaN, "8000", null]) {
    assert.throws(() => serveGateway(null, { port: port as number }), isBad("port"));
  }
  assert.throws(() => serveGateway(null, { port: 0, tcpBacklog: 0 }), isBad("tcpBacklog"));
  await using gateway = serveGateway(null, { port: 0, ...quiet });
  await using handler = messageHandler(null);
  for (const lingerMs of [Infinity, NaN, -1, 2 ** 31]) {
    assert.throws(() => gateway.close({ lingerMs }), isBad("lingerMs"));
    assert.throws(() => handler.close({ lingerMs }), isBad("lingerMs"));
  }
});

Deno.test("GatewayServer.close() answers all kinds of waiting clients at once, and every second call is the same", async () => {
  await using broker = new TestBroker();
  const gateway = serveGateway(broker.server, { port: 0, ...quiet });
  const paths = ["longpoll", "longpoll?timeout=300", "history?timeout=300", "stream", "stream?format=ndjson"];
  const answers = paths.map((path) => fetch(`${gateway.url}/messages/${path}`));
  await until(() =>
    Object.values(gateway.stats().waiting).reduce((sum, number) => sum + number) === paths.length
  );
  // Each of them would wait for longer than any test does, and true says that nobody had to be cut.
  const ended = gateway.close({ lingerMs: 60_000 });
  assert.equal(gateway.close(), ended);
  const responses = await soon(Promise.all(answers), "all answers");
  await soon(Promise.all(responses.map((response) => response.text())), "the ends of all bodies");
  assert.deepEqual(responses.map(({ status }) => status), [503, 204, 200, 200, 200]);
  assert.equal(await soon(ended), true);
  await assert.rejects(() => fetch(gateway.url));
});

Deno.test("serveGateway() closes when its signal is aborted", async () => {
  const controller = new AbortController();
  const gateway = serveGateway(null, { port: 0, signal: controller.signal, ...quiet });
  controller.abort();
  await soon(gateway.finished);
  await assert.rejects(() => fetch(gateway.url));
  const never = serveGateway(null, { port: 0, signal: AbortSignal.abort(), ...quiet });
  await soon(never.finished);
});

Deno.test("GatewayHandler.close() of one gateway leaves another one over the same client alone", async () => {
  await using broker = new TestBroker();
  await using second = messageGateway(broker.server, quiet);
  const waiting = Promise.resolve(second(new Request("http://127.0.0.1/messages/longpoll")));
  {
    await using first = messageGateway(broker.server, quiet);
    const refused = Promise.resolve(first(new Request("http://127.0.0.1/messages/longpoll")));
    await first.close();
    assert.equal((await refused).status, 503);
  }
  broker.receive('{"a":1}');
  const response = await soon(waiting);
  assert.equal(response.status, 200);
  const other = await second(new Request("http://127.0.0.1/messages"));
  assert.equal(
    other.headers.get("message-cursor"),
    response.headers.get("message-cursor"),
    "they share the epoch",
  );
});

Deno.test("too many open files end nothing: those who wait longest are sent home, and it listens again", async () => {
  const script = new URL("./support/gateway_child.ts", import.meta.url).pathname;
  const run = `ulimit -n 64 && exec "$0" run --no-check --allow-net=127.0.0.1 "$1" '{"maxWaiters":1000}'`;
  await using child = new Child("sh", ["-c", run, Deno.execPath(), script]);
  const port = Number(await child.line());
  const connections: RawConnection[] = [];
  const get = (path: string) => requestText("GET", path, [`Host: 127.0.0.1:${port}`]);
  try {
    // As many as are taken; then the system or the gateway turns us away.
    for (let i = 0; i < 100; i += 1) {
      const connection = await RawConnection.open(port);
      connections.push(connection);
      await connection.write(get("/messages/longpoll?timeout=300"));
      // The first one waits for certain: what was accepted but not yet read is lost with the listening.
      for (let waits = i > 0; !waits;) {
        waits = JSON.parse((await raw(port, get("/messages/subscribers"))).body).longpoll === 1;
      }
    }
  } catch (error) {
    // How a client sees it depends on how far it was: dialling, setting up, writing, or waiting.
    const turnedAway = ["ConnectionRefused", "ConnectionReset", "NotConnected", "BrokenPipe"];
    assert.ok(error instanceof Error && turnedAway.includes(error.name), String(error));
  }
  assert.ok(connections.length > 20);
  assert.equal((await soon(connections[0]!.response())).status, 204, "the first one was sent home");
  for (const connection of connections) connection[Symbol.dispose]();
  let metrics = "";
  for (let tries = 0; tries < 200 && metrics === ""; tries += 1) {
    try {
      metrics = (await raw(port, get("/metrics"))).body;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  assert.match(metrics, /braviz_http_waiting\{kind="longpoll"\} \d+\n/);
  assert.match(metrics, /braviz_http_listen_restarts_total [1-9]/);
  child.kill("SIGTERM");
  const { stderr } = await child.end();
  assert.match(stderr, /accept failed: .*Too many open files.*listening again in 100 ms/);
});

Deno.test("the broker's death and return change nothing but /readyz; a POST meanwhile is refused at once", async () => {
  const bus = await startBus();
  const { gateway, client } = bus;
  await using stack = new AsyncDisposableStack();
  stack.use(gateway);
  stack.use(client);
  const [broadcastPort, receivePort] = [bus.broker.broadcastAddress, bus.broker.receiveAddress].map((
    address,
  ) => Number(address.split(":").at(-1)));
  const readiness = async () => {
    const response = await fetch(`${gateway.url}/readyz`);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await readiness(), 200);
  const waiting = fetch(`${gateway.url}/messages/longpoll?as=value`);
  await until(() => gateway.stats().waiting.longpoll === 1);
  await bus.broker.close();
  await until(() => !client.isSending && !client.isReceiving, "the loss to be noticed");
  assert.equal(await readiness(), 503);
  // At once: the broker comes back only below.
  const refused = await soon(fetch(`${gateway.url}/messages`, form("{}")), "the refusal");
  assert.equal((await refused.json()).code, "broker-unavailable");
  assert.equal((await fetch(`${gateway.url}/healthz`).then((response) => response.json())).status, "ok");
  stack.use(new MessageServer({ broadcastPort: broadcastPort!, receivePort: receivePort! }));
  await until(() => client.isSending && client.isReceiving, "the return");
  assert.equal(await readiness(), 200);
  const sent = await fetch(`${gateway.url}/messages?confirm=5`, form('{"back":true}'));
  assert.equal(sent.status, 200);
  await sent.body?.cancel();
  assert.equal(await (await soon(waiting)).text(), '{"message":{"back":true}}');
});

Deno.test("a gateway may be there before its broker", async () => {
  // A port that is free now and where the broker will be.
  const broker = new MessageServer();
  const ports = [broker.broadcastAddress, broker.receiveAddress].map((address) =>
    Number(address.split(":").at(-1))
  );
  const addresses = { serverBroadcast: broker.broadcastAddress, serverReceive: broker.receiveAddress };
  await broker.close();
  await using client = new PassiveMessageClient({ ...addresses, reconnect: { minMs: 5, maxMs: 20 } });
  await using gateway = serveGateway(client, { port: 0, ...quiet });
  const early = await fetch(`${gateway.url}/messages`);
  assert.equal((await early.json()).code, "broker-unavailable");
  await using _broker = new MessageServer({ broadcastPort: ports[0]!, receivePort: ports[1]! });
  await soon(client.ready);
  const late = await fetch(`${gateway.url}/messages`);
  assert.equal(await late.text(), '{"count":0,"message":""}');
});
