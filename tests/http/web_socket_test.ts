import assert from "node:assert/strict";
import { serveGateway } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { quiet, startBus } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";
import { RawConnection, requestText } from "./support/raw.ts";

/** A WebSocket whose frames can be awaited. */
class Socket implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;
  readonly #frames: string[] = [];
  #wake = () => {};

  constructor(url: string, protocols: readonly string[] = []) {
    this.socket = new WebSocket(url.replace(/^http/, "ws"), [...protocols]);
    this.socket.onmessage = ({ data }) => {
      this.#frames.push(data);
      this.#wake();
    };
    this.closed = new Promise((resolve) => this.socket.onclose = resolve);
  }

  async open(): Promise<this> {
    if (this.socket.readyState !== WebSocket.OPEN) {
      await soon(new Promise((resolve) => this.socket.onopen = resolve), "the socket to open");
    }
    return this;
  }

  async next(): Promise<string> {
    while (this.#frames.length === 0) {
      await soon(new Promise<void>((resolve) => this.#wake = resolve), "a frame");
    }
    return this.#frames.shift()!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    await soon(this.closed, "the socket to close");
  }
}

Deno.test("WebSocket: raw frames are the texts of the bus, byte for byte, one's own included", async () => {
  await using bus = await startBus();
  await using first = await new Socket(`${bus.url}/messages_ws`).open();
  await using second = await new Socket(`${bus.url}/messages/ws`).open();
  const text = ' {"id":12345678901234567890,\n"s":"\u2028 ñ😀 \\ud800", "a":1, "a":1.0} ';
  first.socket.send(text);
  assert.equal(await first.next(), text);
  assert.equal(await second.next(), text);
});

Deno.test("WebSocket: a binary frame is taken as UTF-8", async () => {
  await using bus = await startBus();
  await using socket = await new Socket(`${bus.url}/messages/ws`).open();
  socket.socket.send(new TextEncoder().encode('{"a":"ñ"}'));
  assert.equal(await socket.next(), '{"a":"ñ"}');
});

const BAD: readonly (readonly [title: string, frame: string | Uint8Array<ArrayBuffer>, code: number])[] = [
  ["what is not JSON", "notjson", 1007],
  ["what is no object", "[1]", 1007],
  ["what is not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), 1007],
  ["what is too large", `{"a":"${"x".repeat(1000)}"}`, 1009],
  ["what is too large in UTF-8 only", `{"a":"${"€".repeat(400)}"}`, 1009],
];

for (const [title, frame, code] of BAD) {
  Deno.test(`WebSocket: ${title} closes with ${code}, and nothing is sent`, async () => {
    await using broker = new TestBroker();
    await using gateway = serveGateway(broker.server, { port: 0, maxBodyBytes: 1000, ...quiet });
    await using socket = await new Socket(`${gateway.url}/messages/ws`).open();
    socket.socket.send(frame);
    assert.equal((await soon(socket.closed)).code, code);
    assert.deepEqual(broker.sent, []);
    assert.equal(gateway.stats().waiting.websocket, 0);
  });
}

Deno.test("WebSocket: since replays, type filters", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  for (const type of ["a", "b", "ab", "b"]) broker.receive(`{"type":"${type}"}`);
  await using socket = await new Socket(`${gateway.url}/messages/ws?since=earliest&type=a*`).open();
  assert.equal(await socket.next(), '{"type":"a"}');
  assert.equal(await socket.next(), '{"type":"ab"}');
  broker.receive('{"type":"b"}');
  broker.receive('{"type":"a","live":true}');
  assert.equal(await socket.next(), '{"type":"a","live":true}');
});

Deno.test("WebSocket braviz.v1: frames carry the cursor; publish is acknowledged with its own id", async () => {
  await using bus = await startBus();
  await using socket = await new Socket(`${bus.url}/messages/ws`, ["braviz.v1"]).open();
  assert.equal(socket.socket.protocol, "braviz.v1");
  const { open } = JSON.parse(await socket.next());
  assert.match(open.cursor, /\.0$/);
  const message = '{ "type":"subject", "subject":12345678901234567890, "publish":{"x":1} }';
  socket.socket.send(`{"id":98765432109876543210, "publish": ${message} , "more":[{"publish":1}]}`);
  assert.equal(await socket.next(), '{"ack":98765432109876543210}');
  const frame = await socket.next();
  assert.ok(frame.endsWith(`"message":${message}}`), frame);
  assert.equal(JSON.parse(frame).seq, 1);
  assert.match(JSON.parse(frame).cursor, /\.1$/);
  assert.equal(bus.client.getLastMessage()[1], message);
});

Deno.test("WebSocket braviz.v1: what is refused is told, and the socket stays", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, {
    port: 0,
    publishRate: { perSecond: 0.001, burst: 2 },
    ...quiet,
  });
  await using socket = await new Socket(`${gateway.url}/messages/ws`, ["braviz.v1"]).open();
  await socket.next();
  const answerTo = async (frame: string) => {
    socket.socket.send(frame);
    const { error, id } = JSON.parse(await socket.next());
    return [error?.code, id];
  };
  assert.deepEqual(await answerTo('{"publish":42,"id":1}'), ["not-an-object", 1]);
  await broker.stop();
  assert.deepEqual(await answerTo('{"publish":{},"id":"two"}'), ["broker-unavailable", "two"]);
  assert.deepEqual(await answerTo('{"publish":{},"id":3}'), ["too-many-requests", 3]);
  assert.deepEqual(broker.sent, []);
});

for (const frame of ["{}", '{"publish":{},"id":{}}', "[]", "x", '{"publish":{}']) {
  Deno.test(`WebSocket braviz.v1: the frame ${frame} closes with 1007`, async () => {
    await using broker = new TestBroker();
    await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
    await using socket = await new Socket(`${gateway.url}/messages/ws`, ["braviz.v1"]).open();
    socket.socket.send(frame);
    assert.equal((await soon(socket.closed)).code, 1007);
  });
}

Deno.test("WebSocket: a reader that does not read is cut, and takes up room until it is gone", async () => {
  await using broker = TestBroker.holding(50);
  await using gateway = serveGateway(broker.server, {
    port: 0,
    maxQueuedBytes: 100_000,
    maxWaiters: 1,
    ...quiet,
  });
  using lazy = await RawConnection.open(gateway.port);
  await lazy.write(
    requestText("GET", "/messages/ws", [
      `Host: 127.0.0.1:${gateway.port}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]),
  );
  await until(() => gateway.stats().waiting.websocket === 1);
  const padding = "x".repeat(50_000);
  for (let n = 1; gateway.stats().waiting.websocket === 1; n += 1) {
    broker.receive(JSON.stringify({ n, padding }));
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    assert.ok(n < 5000, "not cut after 250 MB");
  }
  assert.equal(gateway.stats().slowClientsCut.websocket, 1);
  assert.equal(gateway.stats().lingering, 1);
  const poll = `${gateway.url}/messages/longpoll?timeout=0.01`;
  const refused = await fetch(poll);
  assert.equal((await refused.json()).code, "too-many-waiters");
  lazy[Symbol.dispose]();
  await until(() => gateway.stats().lingering === 0, "the end of the connection");
  const { status } = await fetch(poll);
  assert.equal(status, 204);
});

Deno.test("WebSocket: a client that goes without a word is noticed", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  {
    using connection = await RawConnection.open(gateway.port);
    await connection.write(
      requestText("GET", "/messages/ws", [
        `Host: 127.0.0.1:${gateway.port}`,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ]),
    );
    await connection.response();
    await until(() => gateway.stats().waiting.websocket === 1);
  }
  await until(() => gateway.stats().waiting.websocket === 0, "the end of the socket");
  assert.equal(broker.listeners, 0);
});
