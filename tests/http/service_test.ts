import assert from "node:assert/strict";
import { messageGateway } from "../../http.ts";
import { ROUTES } from "../../http/gateway.ts";
import { PROBLEMS } from "../../http/problem.ts";
import { VERSION } from "../../base/version.ts";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { encodeSubscription } from "../../zmtp/command.ts";
import { until } from "../support/deadline.ts";
import { RawPeer } from "../support/raw_peer.ts";
import { quiet, startBus } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";

type Json = Record<string, unknown>;
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Json[];
  readonly responses: Record<string, Json>;
}
interface Description extends Json {
  readonly openapi: string;
  readonly info: Json;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: Record<string, Record<string, Json>>;
}

async function describe(options: Parameters<typeof messageGateway>[1] = {}): Promise<Description> {
  await using gateway = messageGateway(null, { ...quiet, ...options });
  const path = `http://127.0.0.1${options.prefix ?? ""}/openapi.json`;
  const authorization = { authorization: `Bearer ${options.token ?? ""}` };
  return await (await gateway(new Request(path, { headers: authorization }))).json();
}

/** Every object in it, with its path. */
function* walk(value: unknown, path = "#"): Generator<readonly [path: string, object: Json]> {
  if (typeof value !== "object" || value === null) return;
  yield [path, value as Json];
  for (const [key, child] of Object.entries(value)) yield* walk(child, `${path}/${key}`);
}

Deno.test("/openapi.json describes every route with every method", async () => {
  const { paths } = await describe();
  for (const [path, route] of ROUTES) {
    const described = Object.keys(paths[path] ?? {}).map((method) => method.toUpperCase());
    assert.deepEqual(described.toSorted(), Object.keys(route.methods).toSorted(), path);
  }
});

Deno.test("/openapi.json describes no route that there is not", async () => {
  const { paths } = await describe();
  assert.deepEqual(Object.keys(paths).toSorted(), [...ROUTES.keys()].toSorted());
});

Deno.test("/openapi.json: every reference leads somewhere, and every component is used", async () => {
  const description = await describe();
  const used = new Set<unknown>();
  for (const [path, { $ref }] of walk(description)) {
    if ($ref === undefined) continue;
    used.add($ref);
    let target: unknown = description;
    for (const key of String($ref).slice(2).split("/")) target = (target as Json | undefined)?.[key];
    assert.ok(target, `${path} refers to ${$ref}`);
  }
  for (const kind of ["parameters", "schemas", "headers"]) {
    for (const name of Object.keys(description.components[kind]!)) {
      assert.ok(used.has(`#/components/${kind}/${name}`), `${kind} ${name} is not used`);
    }
  }
});

Deno.test("/openapi.json: operation ids are unique, and the version is the package's", async () => {
  const { openapi, info, paths } = await describe();
  const ids = Object.values(paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId)
  );
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(openapi, "3.1.0");
  assert.equal(info.version, VERSION);
});

Deno.test("/openapi.json: each status that a route answers is described", async () => {
  const { paths } = await describe();
  await using broker = TestBroker.holding(2);
  await using gateway = messageGateway(broker.server, { ...quiet, maxBodyBytes: 100 });
  broker.receiveMany(5);
  const requests: readonly (readonly [path: string, request: string, init?: RequestInit])[] = [
    ["/messages", "/messages"],
    ["/messages", "/messages?as=no"],
    ["/messages", "/messages", { headers: { origin: "https://evil.example" } }],
    ["/messages", "/messages", { method: "POST", body: new URLSearchParams({ message: "{}" }) }],
    ["/messages", "/messages?confirm=1", { method: "POST", body: new URLSearchParams({ message: "{}" }) }],
    ["/messages", "/messages", { method: "POST", body: new URLSearchParams({ message: "1" }) }],
    ["/messages", "/messages", { method: "POST", body: new URLSearchParams({ message: "x".repeat(200) }) }],
    ["/messages", "/messages", { method: "POST", body: "x" }],
    ["/messages/longpoll", "/messages/longpoll?since=5"],
    ["/messages/longpoll", "/messages/longpoll?timeout=0"],
    ["/messages/longpoll", "/messages/longpoll?since=0&strict=1"],
    ["/messages/history", "/messages/history"],
    ["/messages/history", "/messages/history?since=0&strict=1"],
    ["/messages/state", "/messages/state"],
    ["/messages/state", "/messages/state?type=log"],
    ["/messages/stream", "/messages/stream"],
    ["/messages/ws", "/messages/ws"],
    ["/problems/{code}", "/problems/too-large"],
    ["/problems/{code}", "/problems/no-such"],
    ["/readyz", "/readyz"],
  ];
  const seen = new Set<number>();
  for (const [path, target, init] of requests) {
    const response = await gateway(new Request(`http://127.0.0.1${target}`, init));
    await response.body?.cancel();
    const operation = paths[path]![(init?.method ?? "GET").toLowerCase()]!;
    assert.ok(
      String(response.status) in operation.responses,
      `${response.status} of ${target} is not described`,
    );
    seen.add(response.status);
  }
  assert.deepEqual([...seen].toSorted(), [200, 202, 204, 400, 403, 404, 410, 413, 415, 422, 426]);
});

Deno.test("/openapi.json tells the prefix and whether a token is needed", async () => {
  const { servers, security } = await describe({ prefix: "/bus", token: "secret" });
  assert.deepEqual(servers, [{ url: "/bus" }]);
  assert.deepEqual(security, [{ bearer: [] }]);
});

Deno.test("/problems/<code> explains every code that an answer can have", async () => {
  await using gateway = messageGateway(null, quiet);
  for (const [code, [status, title]] of Object.entries(PROBLEMS)) {
    const response = await gateway(new Request(`http://127.0.0.1/problems/${code}`));
    const explained = await response.json();
    assert.deepEqual([explained.code, explained.status, explained.title], [code, status, title]);
    assert.ok(explained.advice.length > 10);
  }
  const refused = await gateway(new Request("http://127.0.0.1/nothing"));
  const { type } = await refused.json();
  assert.equal((await gateway(new Request(new URL(type, "http://127.0.0.1")))).status, 200);
});

/** Prometheus text: HELP and TYPE once for each name and before its samples, no sample twice, values that are numbers. */
function parseMetrics(text: string): Map<string, number> {
  assert.ok(text.endsWith("\n"));
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  const helped = new Set<string>();
  for (const line of text.trimEnd().split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment;
      if (kind === "HELP") {
        assert.ok(!helped.has(name), `HELP of ${name} twice`);
        helped.add(name);
      } else {
        assert.match(rest, /^(counter|gauge|histogram)$/);
        assert.ok(!types.has(name), `TYPE of ${name} twice`);
        types.set(name, rest);
      }
      continue;
    }
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/.exec(
        line,
      );
    assert.ok(sample, `not a sample: ${line}`);
    const [, name = "", labels = "", value] = sample;
    const family = types.get(name) === undefined ? name.replace(/_(bucket|sum|count)$/, "") : name;
    assert.ok(types.has(family) && helped.has(family), `${name} has no TYPE and HELP before it`);
    if (types.get(family) === "counter") assert.ok(name.endsWith("_total"), `${name} is a counter`);
    assert.ok(!samples.has(name + labels), `${name}${labels} twice`);
    assert.ok(Number.isFinite(Number(value)), line);
    samples.set(name + labels, Number(value));
  }
  return samples;
}

Deno.test("/metrics is Prometheus text, and counts what happened", async () => {
  await using bus = await startBus();
  const { url } = bus;
  const post = async (message: string, query = "") => {
    const response = await fetch(`${url}/messages${query}`, {
      method: "POST",
      body: new URLSearchParams({ message }),
    });
    await response.text();
  };
  const polling = fetch(`${url}/messages/longpoll`).then((response) => response.text());
  await until(() => bus.gateway.stats().waiting.longpoll === 1, "the poll");
  await post('{"type":"ready"}', "?confirm=5");
  await polling;
  await post("notjson");
  await (await fetch(`${url}/messages`, { headers: { origin: 'https://"evil"\\.example' } })).text();
  await (await fetch(`${url}/messages/longpoll?since=old.1`)).text();
  const response = await fetch(`${url}/metrics`);
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const samples = parseMetrics(await response.text());
  const expected: Record<string, number> = {
    'braviz_broker_up{direction="broadcast"}': 1,
    'braviz_broker_up{direction="receive"}': 1,
    "braviz_bus_messages_received_total": 1,
    "braviz_http_published_messages_total": 1,
    'braviz_http_sent_messages_total{transport="longpoll"}': 2,
    'braviz_http_refused_total{code="invalid-json"}': 1,
    'braviz_http_refused_total{code="origin-not-allowed"}': 1,
    "braviz_http_gaps_total": 1,
    'braviz_http_waiting{kind="longpoll"}': 0,
    "braviz_http_fan_out_seconds_count": 1,
    'braviz_http_fan_out_seconds_bucket{le="+Inf"}': 1,
    'braviz_bus_client_stat{name="sent"}': 1,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
});

Deno.test("/metrics has the broker's own counters where it is in the process", async () => {
  await using broker = new TestBroker({ history: { messages: 2 } });
  await using gateway = messageGateway(broker.server, quiet);
  await using client = new PassiveMessageClient({
    serverBroadcast: broker.server.broadcastAddress,
    serverReceive: broker.server.receiveAddress,
  });
  await client.ready;
  broker.receiveMany(3);
  await using sender = await RawPeer.join(broker.server.receiveAddress, "PUSH");
  await sender.send("[1]");
  await until(() => broker.server.stats().refused["not-an-object"] === 1, "the refusal");
  client.sendJsonMessage("{}");
  await until(() => client.feed.seq === 4, "the message");
  const text = await (await gateway(new Request("http://127.0.0.1/metrics"))).text();
  const samples = parseMetrics(text);
  const expected: Record<string, number> = {
    "braviz_bus_messages_received_total": 4,
    "braviz_bus_last_seq": 4,
    "braviz_bus_oldest_seq": 3,
    "braviz_bus_held_messages": 2,
    "braviz_bus_gaps_total": 0,
    "braviz_broker_received_messages_total": 2,
    'braviz_broker_refused_messages_total{reason="not-an-object"}': 1,
    "braviz_broker_broadcast_messages_total": 4,
    'braviz_broker_connections{address="broadcast"}': 1,
    'braviz_broker_connections{address="receive"}': 2,
    "braviz_broker_dropped_messages_total": 0,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
});

Deno.test("/metrics tells how long senders waited, and for whom", async () => {
  await using server = new MessageServer({ lingerMs: 0 });
  await using gateway = messageGateway(server, quiet);
  await using stuck = await RawPeer.join(server.broadcastAddress, "SUB");
  const { subscribers } = server.stats();
  assert.equal(subscribers!.waitedMs, 0);
  await stuck.write(encodeSubscription({ subscribe: true, topic: new Uint8Array(0) }));
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");
  // More than what the operating systems hold for it and a quarter of its queue.
  for (let i = 0; i < 40; i++) server.sendMessage({ type: "n", pad: "x".repeat(1_000_000) });
  await until(() => server.stats().subscribers!.subscribers[0]!.waitedMs > 0, "the waiting");
  await until(() => server.stats().subscribers!.waitedFor === 0, "its end");
  const samples = parseMetrics(await (await gateway(new Request("http://127.0.0.1/metrics"))).text());
  const address = server.stats().subscribers!.subscribers[0]!.address;
  assert(samples.get("braviz_broker_waited_seconds_total")! > 0);
  assert.equal(samples.get("braviz_broker_waited_for"), 0);
  assert(samples.get(`braviz_broker_subscriber_waited_seconds{address="${address}"}`)! > 0);
});

Deno.test("/metrics parses also before anything happened", async () => {
  await using gateway = messageGateway(null, quiet);
  parseMetrics(await (await gateway(new Request("http://127.0.0.1/metrics"))).text());
});

Deno.test("the page holds no data, runs our own files only and cannot be framed", async () => {
  await using broker = new TestBroker();
  broker.receive('{"type":"secret-message"}');
  await using gateway = messageGateway(broker.server, { token: "secret-token", prefix: "/bus", ...quiet });
  for (const path of ["/bus", "/bus/", "/bus/monitor"]) {
    const response = await gateway(new Request(`http://127.0.0.1${path}`));
    assert.equal(response.status, 200);
    const policy = response.headers.get("content-security-policy")!;
    assert.match(policy, /^default-src 'none';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
    const html = await response.text();
    assert.doesNotMatch(html, /secret|<script(?![^>]* src="\/bus\/)|<style| style=| on\w+=|\{\{/);
    for (const [, link] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      const file = await gateway(new Request(`http://127.0.0.1${link}`));
      assert.equal(file.status, 200, link);
      assert.doesNotMatch(
        await file.text(),
        /https?:\/\/(?!www\.w3\.org\/2000\/svg)/,
        `${link} asks nobody else`,
      );
    }
  }
});
