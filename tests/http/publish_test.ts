import assert from "node:assert/strict";
import { PassiveMessageClient } from "../../client.ts";
import { messageHandler, serveGateway } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { form, quiet, startBus } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";
import { raw, RawConnection, requestText } from "./support/raw.ts";

const URL_ENCODED = "application/x-www-form-urlencoded";
const MESSAGE = '{"type":"ready"}';

/** What a POST of this body answers, and what reached the bus. */
async function post(
  body: BodyInit,
  contentType?: string,
): Promise<{ readonly status: number; readonly code: string | undefined; readonly sent: readonly string[] }> {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, { ...quiet, maxBodyBytes: 10_000 });
  const headers: Record<string, string> = contentType === undefined ? {} : { "content-type": contentType };
  const response = await handler(new Request("http://127.0.0.1/", { method: "POST", body, headers }));
  const text = await response.text();
  return {
    status: response.status,
    code: text === "" ? undefined : JSON.parse(text).code,
    sent: broker.sent,
  };
}

const multipart = (...fields: readonly (readonly [name: string, value: string | Blob])[]) => {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value);
  return data;
};

type Case = readonly [
  title: string,
  body: BodyInit,
  type: string | undefined,
  status: number,
  result: string | readonly string[],
];

const CASES: readonly Case[] = [
  ["a form", `message=${encodeURIComponent(MESSAGE)}`, URL_ENCODED, 202, [MESSAGE]],
  ["a form with a charset", `message=${encodeURIComponent(MESSAGE)}`, `${URL_ENCODED}; charset=UTF-8`, 202, [
    MESSAGE,
  ]],
  ["plus signs are spaces", "message=%7B%22a%22:+1%7D", URL_ENCODED, 202, ['{"a": 1}']],
  [
    "of several fields the last one",
    "message=%7B%22a%22:1%7D&x=1&message=%7B%22a%22:2%7D",
    URL_ENCODED,
    202,
    ['{"a":2}'],
  ],
  ["white space around it goes", `message=%20%0A${encodeURIComponent(MESSAGE)}%09%20`, URL_ENCODED, 202, [
    MESSAGE,
  ]],
  ["control characters become spaces", "message=%7B%01%22a%22%02:1%7D", URL_ENCODED, 202, ['{ "a" :1}']],
  ["tabs and line breaks inside stay", "message=%7B%09%22a%22%0A:1%7D", URL_ENCODED, 202, ['{\t"a"\n:1}']],
  ["an escaped field name", `mess%61ge=${encodeURIComponent(MESSAGE)}`, URL_ENCODED, 202, [MESSAGE]],
  ["a lone percent sign", "message=%7B%22a%22:%22100%25 %%22%7D", URL_ENCODED, 202, ['{"a":"100% %"}']],
  ["text beyond ASCII", `message=${encodeURIComponent('{"a":"ñ😀\u2028"}')}`, URL_ENCODED, 202, [
    '{"a":"ñ😀\u2028"}',
  ]],
  ["bytes that are not UTF-8 in a form", "message=%7B%22a%22:%22%FF%22%7D", URL_ENCODED, 400, "invalid-json"],
  ["no field of that name", "text=1", URL_ENCODED, 400, "missing-message"],
  ["an empty form", "", URL_ENCODED, 400, "missing-message"],
  ["an empty field", "message=", URL_ENCODED, 400, "invalid-json"],
  ["a form with what is not JSON", "message=notjson", URL_ENCODED, 400, "invalid-json"],
  ["a form with a number", "message=42", URL_ENCODED, 422, "not-an-object"],
  ["multipart", multipart(["message", MESSAGE]), undefined, 202, [MESSAGE]],
  ["multipart with text beyond ASCII", multipart(["message", '{"a":"ñ\ufffd"}']), undefined, 202, [
    '{"a":"ñ\ufffd"}',
  ]],
  [
    "multipart: a file is not a field",
    multipart(["message", new Blob([MESSAGE])]),
    undefined,
    400,
    "missing-message",
  ],
  [
    "multipart: of several the last",
    multipart(["message", '{"a":1}'], ["message", '{"a":2}']),
    undefined,
    202,
    ['{"a":2}'],
  ],
  ["malformed multipart", "nothing", "multipart/form-data; boundary=x", 400, "missing-message"],
  ["multipart without a boundary", "nothing", "multipart/form-data", 400, "missing-message"],
  [
    "multipart that is not UTF-8",
    new Uint8Array([
      ...new TextEncoder().encode('--x\r\nContent-Disposition: form-data; name="message"\r\n\r\n{"a":"'),
      0xff,
      ...new TextEncoder().encode('"}\r\n--x--\r\n'),
    ]),
    "multipart/form-data; boundary=x",
    400,
    "invalid-json",
  ],
  ["JSON", MESSAGE, "application/json", 202, [MESSAGE]],
  [
    "JSON as it stands",
    ' {"b":1,\r\n "a" : 12345678901234567890, "a":1.0} ',
    "application/json; charset=utf-8",
    202,
    [
      ' {"b":1,\r\n "a" : 12345678901234567890, "a":1.0} ',
    ],
  ],
  ["JSON with escapes of lone surrogates", '{"a":"\\ud800"}', "application/json", 202, ['{"a":"\\ud800"}']],
  ["JSON of another kind", MESSAGE, "application/vnd.lab.v2+json", 202, [MESSAGE]],
  ["a type in capitals", MESSAGE, "Application/JSON", 202, [MESSAGE]],
  ["JSON without a body", "", "application/json", 400, "missing-message"],
  ["what is not JSON", "{'a':1}", "application/json", 400, "invalid-json"],
  [
    "what is not UTF-8",
    new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    "application/json",
    400,
    "invalid-json",
  ],
  ["a list", "[1]", "application/json", 422, "not-an-object"],
  ["null", "null", "application/json", 422, "not-an-object"],
  ["lines", '{"a":1}\n\n{"a":2}\r\n{"a":3}', "application/x-ndjson", 202, ['{"a":1}', '{"a":2}', '{"a":3}']],
  ["lines of which one is bad: none is sent", '{"a":1}\n{"a":', "application/x-ndjson", 400, "invalid-json"],
  [
    "lines of which one is no object: none is sent",
    '{"a":1}\n2',
    "application/x-ndjson",
    422,
    "not-an-object",
  ],
  ["no line", "\n \n", "application/x-ndjson", 400, "missing-message"],
  ["plain text", MESSAGE, "text/plain", 415, "unsupported-media-type"],
  ["a Blob without a type", new Blob([MESSAGE]), undefined, 415, "unsupported-media-type"],
  ["XML", "<a/>", "application/xml", 415, "unsupported-media-type"],
  ["a body above the limit", `{"a":"${"x".repeat(10_000)}"}`, "application/json", 413, "too-large"],
];

for (const [title, body, type, status, result] of CASES) {
  Deno.test(`POST: ${title}: ${status}`, async () => {
    const answer = await post(body, type);
    assert.equal(answer.status, status, answer.code);
    if (typeof result === "string") {
      assert.equal(answer.code, result);
      assert.deepEqual(answer.sent, []);
    } else {
      assert.deepEqual(answer.sent, result);
    }
  });
}

Deno.test("POST: 415 tells what can be sent", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  const response = await handler(new Request("http://127.0.0.1/", { method: "POST", body: "x" }));
  assert.match(response.headers.get("accept-post")!, /application\/json/);
});

Deno.test("POST: the message in the query does not count", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  const response = await handler(
    new Request(`http://127.0.0.1/?message=${encodeURIComponent(MESSAGE)}`, {
      method: "POST",
      body: new URLSearchParams(),
    }),
  );
  assert.equal(response.status, 400);
});

Deno.test("POST: while the queue is full it is 503, and nothing is sent", async () => {
  await using bus = await startBus({}, { sendQueue: { messages: 1 } });
  await using handler = messageHandler(bus.client, quiet);
  // Nothing leaves between these two: the body is there in the turn in which the queue is filled.
  const body = new ReadableStream({
    pull: (controller) => {
      bus.client.publish(['{"first":1}']);
      controller.enqueue(new TextEncoder().encode('{"second":2}'));
      controller.close();
    },
  });
  const headers = { "content-type": "application/json" };
  const response = await handler(new Request("http://127.0.0.1/", { method: "POST", headers, body }));
  assert.equal(response.status, 503);
  assert.equal((await response.json()).code, "queue-full");
  const next = await fetch(`${bus.url}/messages?confirm=5`, form('{"third":3}'));
  assert.equal((await next.json()).count, 2, "the second one was not sent");
});

for (const inOneProcess of [true, false]) {
  Deno.test(`POST: 20,000 lines are taken, all of them (${inOneProcess ? "one process" : "two"})`, async () => {
    await using bus = await startBus();
    await using handler = messageHandler(inOneProcess ? bus.broker : bus.client, quiet);
    const body = Array.from({ length: 20_000 }, (_, n) => `{"n":${n}}`).join("\n");
    const headers = { "content-type": "application/x-ndjson" };
    const response = await handler(
      new Request("http://127.0.0.1/?confirm=10", { method: "POST", headers, body }),
    );
    assert.equal((await response.json()).count, 20_000);
    assert.equal(bus.broker.feed.seq, 20_000);
  });
}

Deno.test("POST: of several lines it is told which one is none", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  const headers = { "content-type": "application/x-ndjson" };
  const response = await handler(
    new Request("http://127.0.0.1/", { method: "POST", headers, body: '{"a":1}\n{"a":2}\n[3]' }),
  );
  assert.equal(response.status, 422);
  assert.match((await response.json()).detail, /^Message 3 of 3: .* Nothing was sent$/);
});

Deno.test("POST: a gateway that only listens says so, and which methods it has", async () => {
  await using broker = new TestBroker();
  await using client = new PassiveMessageClient({ serverBroadcast: broker.server.broadcastAddress });
  await using handler = messageHandler(client, quiet);
  const response = await handler(new Request("http://127.0.0.1/", form(MESSAGE)));
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "GET, HEAD, OPTIONS");
  assert.match((await response.json()).detail, /only listens.*--receive/);
});

Deno.test("POST: confirm answers with the number that the message got", async () => {
  await using bus = await startBus();
  const response = await fetch(`${bus.url}/messages?confirm=5`, form(MESSAGE));
  assert.equal(response.status, 200);
  const { count, cursor } = await response.json();
  assert.equal(count, 1);
  assert.match(cursor, /^[a-z0-9]{12}\.1$/);
  assert.deepEqual(bus.client.getLastMessage(), [1, MESSAGE]);
});

Deno.test("POST: confirm answers at once in the process of the broker", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  const response = await handler(new Request("http://127.0.0.1/?confirm=5", form(MESSAGE)));
  assert.deepEqual(await response.json(), { count: 1, cursor: broker.server.feed.place(1) });
  assert.equal(broker.listeners, 0, "nobody waited");
});

Deno.test("POST: confirm answers 202 when the broker ignores the message", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  broker.server.pause = true;
  const response = await handler(new Request("http://127.0.0.1/?confirm=60", form(MESSAGE)));
  assert.equal(response.status, 202);
  assert.equal(broker.count, 0);
});

Deno.test("POST: confirm answers 202 when nobody tells in time what became of the message", async () => {
  await using broker = new TestBroker();
  await using elsewhere = new TestBroker();
  await using client = new PassiveMessageClient({
    serverBroadcast: broker.server.broadcastAddress,
    serverReceive: elsewhere.server.receiveAddress,
  });
  await client.ready;
  await using handler = messageHandler(client, quiet);
  const response = await handler(new Request("http://127.0.0.1/?confirm=0.01", form(MESSAGE)));
  assert.equal(response.status, 202);
  assert.equal(handler.stats().waiting.confirm, 0);
});

Deno.test("POST: confirm of a message that is none answers its error and waits for nothing", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  const response = await handler(new Request("http://127.0.0.1/?confirm=60", form("42")));
  assert.equal(response.status, 422);
  assert.equal(broker.listeners, 0);
});

Deno.test("POST: a body above the limit is refused with and without its length", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  const { port } = gateway;
  const head = ["POST /messages HTTP/1.1", `Host: 127.0.0.1:${port}`, "Content-Type: application/json"];
  const announced = await raw(port, `${[...head, "Content-Length: 1048577"].join("\r\n")}\r\n\r\n`);
  assert.equal(announced.status, 413);
  assert.equal(JSON.parse(announced.body).limit, 1_048_576);
  assert.equal(announced.headers.get("connection"), "close");

  using chunked = await RawConnection.open(port);
  await chunked.write(`${[...head, "Transfer-Encoding: chunked"].join("\r\n")}\r\n\r\n`);
  await chunked.write(`100001\r\n${"x".repeat(1_048_577)}\r\n`);
  assert.equal((await chunked.response()).status, 413);

  const largest = `{"a":"${"x".repeat(1_048_576 - 8)}"}`;
  const fits = await fetch(`${gateway.url}/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: largest,
  });
  await fits.body?.cancel();
  assert.equal(fits.status, 202);
  assert.deepEqual(broker.sent, [largest]);
});

Deno.test("POST: a body in pieces is read whole", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  using connection = await RawConnection.open(gateway.port);
  await connection.write(
    requestText("POST", "/messages", [
      `Host: 127.0.0.1:${gateway.port}`,
      "Content-Type: application/json",
      "Transfer-Encoding: chunked",
    ]),
  );
  for (const piece of ['{"typ', 'e":"re', 'ady"}']) {
    await connection.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
  }
  await connection.write("0\r\n\r\n");
  assert.equal((await connection.response()).status, 202);
  assert.deepEqual(broker.sent, [MESSAGE]);
});

Deno.test("POST: a body that does not come is given up, with and without its length", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, bodyTimeoutMs: 20, ...quiet });
  for (const length of ["Content-Length: 50", "Transfer-Encoding: chunked"]) {
    const head = [
      "POST /messages HTTP/1.1",
      `Host: 127.0.0.1:${gateway.port}`,
      "Content-Type: application/json",
      length,
    ];
    const response = await soon(raw(gateway.port, `${head.join("\r\n")}\r\n\r\n`));
    assert.equal(response.status, 408);
    assert.equal(JSON.parse(response.body).code, "request-timeout");
  }
});

Deno.test("POST: a client that goes in the middle of its body leaves nothing", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  {
    using connection = await RawConnection.open(gateway.port);
    const head = [
      "POST /messages HTTP/1.1",
      `Host: 127.0.0.1:${gateway.port}`,
      "Content-Type: application/json",
    ];
    await connection.write(`${[...head, "Content-Length: 50"].join("\r\n")}\r\n\r\n{`);
    await raw(gateway.port, requestText("GET", "/healthz", [`Host: 127.0.0.1:${gateway.port}`]));
  }
  await until(() => gateway.stats().refused["missing-message"] === 1, "the end of the body is noticed");
  assert.deepEqual(broker.sent, []);
});

Deno.test("POST: the broker's refusals do not reach the bus, and the next message does", async () => {
  await using bus = await startBus();
  for (const bad of ["notjson", "42", "[]", '"text"', ""]) {
    const response = await fetch(`${bus.url}/messages`, form(bad));
    assert.ok([400, 422].includes(response.status));
    await response.body?.cancel();
  }
  const response = await fetch(`${bus.url}/messages?confirm=5`, form(MESSAGE));
  assert.equal((await response.json()).count, 1);
});

Deno.test("POST: 202 is answered before the message is handed out", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  const response = await handler(new Request("http://127.0.0.1/", form(MESSAGE)));
  assert.equal(response.status, 202);
  assert.equal(handler.stats().fanOut.rounds, 0);
});
