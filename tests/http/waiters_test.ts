import assert from "node:assert/strict";
import { soon, until } from "../support/deadline.ts";
import { Child } from "./support/child.ts";
import { raw, RawConnection, type RawResponse, requestText } from "./support/raw.ts";

const SOCKET = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

interface Gateway extends AsyncDisposable {
  readonly child: Child;
  readonly port: number;
}

async function startGateway(options: Record<string, unknown>, ...flags: readonly string[]): Promise<Gateway> {
  const child = Child.deno(["--allow-net=127.0.0.1", ...flags], "tests/http/support/gateway_child.ts", [
    JSON.stringify(options),
  ]);
  const port = Number(await child.line());
  return {
    child,
    port,

    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** Requests on connections of their own: a pool of open ones would be counted as sockets that are left. */
function get({ port }: Gateway, path: string): Promise<RawResponse> {
  return raw(port, requestText("GET", path, [`Host: 127.0.0.1:${port}`]));
}

function post({ port }: Gateway, message: string): Promise<RawResponse> {
  const headers = [`Host: 127.0.0.1:${port}`, "Content-Type: application/json"];
  return raw(port, requestText("POST", "/messages", headers, message));
}

async function waiting(gateway: Gateway): Promise<number> {
  const { longpoll, sse, websocket } = JSON.parse((await get(gateway, "/messages/subscribers")).body);
  return longpoll + sse + websocket;
}

/** Waits until so many wait, asking the gateway again and again. */
async function untilWaiting(gateway: Gateway, number: number): Promise<void> {
  for (let asked = 0; await waiting(gateway) !== number; asked += 1) {
    if (asked > 5000) throw new Error(`${await waiting(gateway)} wait, not ${number}`);
  }
}

/** Connections that the system still holds for the server of this port. */
function serverSockets(port: number): number {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/net/tcp").split("\n").filter((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    return local?.endsWith(ending) && state !== LISTENING && inode !== "0";
  }).length;
}

const LISTENING = "0A";

async function openWaiters(
  port: number,
  number: number,
  path: string,
  more: readonly string[] = [],
): Promise<RawConnection[]> {
  const text = requestText("GET", path, [`Host: 127.0.0.1:${port}`, ...more]);
  const connections: RawConnection[] = [];
  while (connections.length < number) {
    const batch = Array.from({ length: Math.min(200, number - connections.length) }, async () => {
      const connection = await RawConnection.open(port);
      await connection.write(text);
      return connection;
    });
    connections.push(...await Promise.all(batch));
  }
  return connections;
}

// The project's own configuration has the new mode on; who imports the module from a URL has the old one.
for (const flags of [["--no-config"], ["--unstable-no-legacy-abort"]]) {
  const mode = flags[0] === "--no-config" ? "the default mode of abort" : "no-legacy-abort";
  Deno.test(`waiters: clients that go leave no socket behind (${mode})`, async () => {
    await using gateway = await startGateway({}, ...flags);
    const { port } = gateway;
    const kinds: readonly (readonly [path: string, headers: readonly string[]])[] = [
      ["/messages/longpoll", []],
      ["/messages/longpoll?timeout=300", []],
      ["/messages/history?timeout=300", []],
      ["/messages/stream", []],
      ["/messages/ws", SOCKET],
    ];
    const connections = (await Promise.all(
      kinds.map(([path, headers]) => openWaiters(port, 60, path, headers)),
    )).flat();
    await untilWaiting(gateway, 300);
    for (const connection of connections) connection[Symbol.dispose]();
    await untilWaiting(gateway, 0);
    await until(() => serverSockets(port) === 0, "the sockets to be closed");
    assert.equal((await post(gateway, "{}")).status, 202);
  });

  Deno.test(`waiters: an answered poll is not taken for one that went (${mode})`, async () => {
    await using gateway = await startGateway({}, ...flags);
    using connection = await RawConnection.open(gateway.port);
    const request = requestText("GET", "/messages/longpoll?since=now", [`Host: 127.0.0.1:${gateway.port}`]);
    for (let n = 1; n <= 3; n += 1) {
      await connection.write(request);
      await untilWaiting(gateway, 1);
      await post(gateway, `{"n":${n}}`);
      const response = await soon(connection.response());
      assert.equal(response.status, 200);
    }
    assert.match((await get(gateway, "/metrics")).body, /braviz_http_gone_total\{kind="longpoll"\} 0\n/);
  });
}

Deno.test("waiters: 10,000 long-polls wait in less than 300 MB, all are answered, and all leave", async () => {
  const number = 10_000;
  await using gateway = await startGateway({ maxWaiters: number });
  const { port, child } = gateway;
  const bytesBefore = child.residentBytes();
  const connections = await openWaiters(port, number, "/messages/longpoll");
  await untilWaiting(gateway, number);
  const bytes = child.residentBytes();
  // deno-lint-ignore no-console -- the figures are wanted
  console.log(
    `${Math.round(bytes / 1e6)} MB in all, ${
      Math.round((bytes - bytesBefore) / number / 1000)
    } kB for each of them`,
  );
  assert.ok(bytes < 300e6, `${bytes} bytes`);

  const extra = await get(gateway, "/messages/longpoll");
  assert.equal(extra.status, 503);
  assert.match(extra.headers.get("retry-after")!, /^[1-5]$/);
  assert.equal(JSON.parse(extra.body).code, "too-many-waiters");

  const start = performance.now();
  await post(gateway, '{"type":"ready"}');
  const acknowledged = performance.now() - start;
  const responses = await soon(
    Promise.all(connections.map((connection) => connection.response())),
    "all answers",
    20_000,
  );
  // deno-lint-ignore no-console -- the figures are wanted
  console.log(
    `POST answered after ${Math.round(acknowledged)} ms, the last of all after ${
      Math.round(performance.now() - start)
    } ms`,
  );
  assert.ok(responses.every(({ status, body }) => status === 200 && body === responses[0]!.body));
  for (const connection of connections) connection[Symbol.dispose]();
  await until(() => serverSockets(port) === 0, "the sockets to be closed", 20_000);
  assert.equal(await waiting(gateway), 0);
});
