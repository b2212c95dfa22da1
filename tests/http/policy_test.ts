import assert from "node:assert/strict";
import { OptionError } from "../../base/errors.ts";
import { messageGateway, messageHandler, serveGateway } from "../../http.ts";
import { resolveOptions } from "../../http/options.ts";
import { parseAuthority, Policy, type RouteTraits } from "../../http/policy.ts";
import { soon, until } from "../support/deadline.ts";
import { quiet } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";
import { raw, RawConnection, requestText } from "./support/raw.ts";

const FORM = "Content-Type: application/x-www-form-urlencoded";
const BODY = "message=%7B%22type%22%3A%22ready%22%7D";
const JSON_BODY = '{"type":"ready"}';
const SOCKET = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const LAB = "https://lab.example";

/** A row of the table of attacks: what is sent, with P for the port, and the status that it must get. */
type Row = readonly [
  title: string,
  status: number,
  method: string,
  target: string,
  headers: readonly string[],
  body?: string,
];

const H = "Host: 127.0.0.1:P";
const EVIL = "Origin: https://evil.example";
const ROWS: readonly Row[] = [
  ["1 a script's GET", 200, "GET", "/messages", [H]],
  ["2 a script's POST", 202, "POST", "/messages", [H, FORM], BODY],
  ["3 our own page's POST", 202, "POST", "/messages", [
    H,
    FORM,
    "Origin: http://127.0.0.1:P",
    "Sec-Fetch-Site: same-origin",
  ], BODY],
  ["4 the name localhost", 200, "GET", "/messages", ["Host: localhost:P"]],
  ["5 the name [::1]", 200, "GET", "/messages", ["Host: [::1]:P"]],
  ["6 no port", 200, "GET", "/messages", ["Host: 127.0.0.1"]],
  ["7 a foreign page's POST", 403, "POST", "/messages", [H, FORM, EVIL, "Sec-Fetch-Site: cross-site"], BODY],
  ["8 the same from an old browser", 403, "POST", "/messages", [H, FORM, EVIL], BODY],
  ["9 Origin null", 403, "POST", "/messages", [H, FORM, "Origin: null"], BODY],
  ["10 a page of another local port", 403, "POST", "/messages", [
    H,
    FORM,
    "Origin: http://127.0.0.1:9999",
    "Sec-Fetch-Site: same-site",
  ], BODY],
  ["11 only a foreign Referer", 403, "POST", "/messages", [H, FORM, "Referer: http://evil.example/x"], BODY],
  ["12 no content type, foreign Origin", 403, "POST", "/messages", [H, EVIL], BODY],
  ["13 JSON as text/plain", 415, "POST", "/messages", [H, "Content-Type: text/plain"], JSON_BODY],
  ["14 an image of a foreign page", 403, "GET", "/messages", [H, "Sec-Fetch-Site: cross-site"]],
  ["15 a foreign page's fetch", 403, "GET", "/messages", [H, EVIL]],
  ["16 a rebound name, GET", 403, "GET", "/messages", ["Host: evil.example:P"]],
  ["17 a rebound name, POST", 403, "POST", "/messages", [
    "Host: evil.example:P",
    FORM,
    "Origin: http://evil.example:P",
  ], BODY],
  ["18 a rebound name, WebSocket", 403, "GET", "/messages/ws", [
    "Host: evil.example:P",
    "Origin: http://evil.example:P",
    ...SOCKET,
  ]],
  ["19 a foreign page's WebSocket", 403, "GET", "/messages/ws", [H, EVIL, ...SOCKET]],
  ["20 a WebSocket of Origin null", 403, "GET", "/messages/ws", [H, "Origin: null", ...SOCKET]],
  ["21 our own page's WebSocket", 101, "GET", "/messages/ws", [H, "Origin: http://127.0.0.1:P", ...SOCKET]],
  ["22 a script's WebSocket", 101, "GET", "/messages/ws", [H, ...SOCKET]],
  ["23 the name 0.0.0.0", 403, "GET", "/messages", ["Host: 0.0.0.0:P"]],
  ["24 user information in Host", 400, "GET", "/messages", ["Host: 127.0.0.1:P@evil.example"]],
  ["25 localhost as a label", 403, "GET", "/messages", ["Host: localhost.evil.example:P"]],
  ["26 a space in Host", 400, "GET", "/messages", ["Host: evil .example"]],
  ["27 another authority in the request line", 403, "GET", "http://evil.example/messages", [H]],
  ["28 two Host headers", 400, "GET", "/messages", [H, "Host: evil.example"]],
  ["29 two Origin headers", 403, "POST", "/messages", [H, FORM, "Origin: http://127.0.0.1:P", EVIL], BODY],
  ["30 a preflight of a foreign page", 403, "OPTIONS", "/messages", [
    H,
    EVIL,
    "Access-Control-Request-Method: POST",
  ]],
  ["31 a preflight of an allowed origin", 204, "OPTIONS", "/messages", [
    H,
    `Origin: ${LAB}`,
    "Access-Control-Request-Method: POST",
  ]],
  ["32 a GET of an allowed origin", 200, "GET", "/messages", [
    H,
    `Origin: ${LAB}`,
    "Sec-Fetch-Site: cross-site",
  ]],
  ["33 an address as a label", 403, "GET", "/messages", ["Host: 127.0.0.1.evil.example:P"]],
  ["34 our origin as a prefix", 403, "POST", "/messages", [
    H,
    FORM,
    "Origin: http://127.0.0.1:P.evil.example",
  ], BODY],
  [
    "35 our origin with another scheme",
    403,
    "POST",
    "/messages",
    [H, FORM, "Origin: https://127.0.0.1:P"],
    BODY,
  ],
  ["36 JSON with its own type", 202, "POST", "/messages", [H, "Content-Type: application/json"], JSON_BODY],
  // The list under the table.
  ["Host missing, HTTP/1.1", 200, "GET", "/messages", []],
  ["Host empty", 400, "GET", "/messages", ["Host: "]],
  ["Host of a port that there is not", 400, "GET", "/messages", ["Host: 127.0.0.1:99999"]],
  ["Host in capitals", 200, "GET", "/messages", ["Host: LOCALHOST:P"]],
  ["an address that only looks like loopback", 403, "GET", "/messages", ["Host: 127.0.0.1234:P"]],
  ["IPv6 unspecified", 403, "GET", "/messages", ["Host: [::]:P"]],
  ["Origin in capitals", 403, "POST", "/messages", [H, FORM, "Origin: HTTP://127.0.0.1:P"], BODY],
  ["an unparsable Origin", 403, "POST", "/messages", [H, FORM, "Origin: 127.0.0.1"], BODY],
  ["our Referer", 202, "POST", "/messages", [H, FORM, "Referer: http://127.0.0.1:P/monitor"], BODY],
  ["an unreadable Referer", 403, "POST", "/messages", [H, FORM, "Referer: %%%"], BODY],
  ["the page from a link on another site", 200, "GET", "/monitor", [
    H,
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
  ]],
  ["the page, fetched by another site", 403, "GET", "/monitor", [
    H,
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Dest: empty",
  ]],
  ["the page in a frame of another site", 403, "GET", "/monitor", [
    H,
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: iframe",
  ]],
  ["messages from a link on another site", 403, "GET", "/messages", [
    H,
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
  ]],
  ["a foreign page's health check", 403, "GET", "/healthz", [H, EVIL]],
  ["a foreign page's path that there is not", 403, "GET", "/nothing", [H, EVIL]],
  ["user information in the request line", 400, "GET", "http://u:p@127.0.0.1/messages", [H]],
];

for (const [title, status, method, target, headers, body] of ROWS) {
  Deno.test(`Policy: ${title}: ${status}`, async () => {
    await using broker = new TestBroker();
    await using gateway = serveGateway(broker.server, { port: 0, allowedOrigins: [LAB], ...quiet });
    const own = headers.map((header) => header.replaceAll(":P", `:${gateway.port}`));
    const response = await soon(raw(gateway.port, requestText(method, target, own, body)));
    assert.equal(response.status, status, response.body);
    const isRefused = status >= 400;
    assert.equal(broker.sent.length, method === "POST" && !isRefused ? 1 : 0, "what reached the bus");
    const cors = response.headers.get("access-control-allow-origin");
    const isAllowed = headers.some((header) => header.includes(LAB));
    assert.equal(cors, isAllowed ? LAB : null, "CORS header");
    // The server itself refuses two Host headers, with an answer of its own.
    if (!isRefused || title.startsWith("28")) return;
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    const problem = JSON.parse(response.body);
    assert.equal(problem.status, status);
    if (status === 403) assert.match(problem.detail, new RegExp(problem.option), "tells what to set");
  });
}

Deno.test("Policy: a script may speak HTTP/1.0 without Host", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  assert.equal((await raw(gateway.port, "GET /messages HTTP/1.0\r\n\r\n")).status, 200);
});

Deno.test("Policy: with HTTP/2 the name in :authority counts", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  const statuses: number[] = [];
  for (const authority of [`evil.example:${gateway.port}`, `127.0.0.1:${gateway.port}`]) {
    statuses.push(await statusOverHttp2(gateway.port, authority));
  }
  assert.deepEqual(statuses, [403, 200]);
  assert.equal(gateway.stats().refused["host-not-allowed"], 1);
});

Deno.test("Policy: a preflight tells what is allowed, and never credentials", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, {
    port: 0,
    allowedOrigins: [LAB],
    allowPrivateNetwork: true,
    ...quiet,
  });
  const { headers } = await raw(
    gateway.port,
    requestText("OPTIONS", "/messages", [
      `Host: 127.0.0.1:${gateway.port}`,
      `Origin: ${LAB}`,
      "Access-Control-Request-Method: POST",
      "Access-Control-Request-Private-Network: true",
    ]),
  );
  assert.equal(headers.get("access-control-allow-methods"), "GET, HEAD, POST, PATCH, DELETE");
  assert.equal(
    headers.get("access-control-allow-headers"),
    "content-type, authorization, last-event-id, if-none-match",
  );
  assert.equal(headers.get("access-control-max-age"), "600");
  assert.equal(headers.get("access-control-allow-private-network"), "true");
  assert.equal(headers.get("access-control-allow-credentials"), null);
  assert.equal(headers.get("vary"), "Origin");
});

Deno.test("Policy: OPTIONS of a script tells the methods", async () => {
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, quiet);
  const response = await gateway(new Request("http://127.0.0.1/messages", { method: "OPTIONS" }));
  assert.equal(response.status, 204);
  assert.equal(response.headers.get("allow"), "GET, HEAD, POST, OPTIONS");
});

Deno.test("Policy: allowedHosts takes names, and with a leading dot all names below", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, {
    allowedHosts: ["bus.lab.example", ".trusted.example"],
    ...quiet,
  });
  const statusOf = async (host: string) =>
    (await handler(new Request(`http://${host}/`, { headers: { host } }))).status;
  assert.equal(await statusOf("bus.lab.example"), 200);
  assert.equal(await statusOf("BUS.lab.example:8000"), 200);
  assert.equal(await statusOf("a.trusted.example"), 200);
  assert.equal(await statusOf("a.b.trusted.example"), 200);
  assert.equal(await statusOf("trusted.example"), 403);
  assert.equal(await statusOf("untrusted.example"), 403);
  assert.equal(await statusOf("x.bus.lab.example"), 403);
});

Deno.test("Policy: every refusal is logged once for each value, and never with line breaks", async () => {
  const lines: string[] = [];
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, { log: (line) => lines.push(line) });
  const send = (origin: string) => handler(new Request("http://127.0.0.1/", { headers: { origin } }));
  for (let i = 0; i < 3; i += 1) await send("https://evil.example");
  await send("https://other.example\u0085");
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /origin-not-allowed "https:\/\/evil\.example"/);
  // deno-lint-ignore no-control-regex
  assert.ok(lines.every((line) => !/[\x00-\x1f\x7f-\x9f]/.test(line)));
  for (let i = 0; i < 500; i += 1) await send(`https://evil${i}.example`);
  assert.ok(lines.length <= 202, "a hostile page cannot fill the log");
  assert.equal(handler.stats().refused["origin-not-allowed"], 504, "yet all are counted");
});

Deno.test("Policy: options that open too much or cannot be are refused when the handler is made", async () => {
  await using broker = new TestBroker();
  const refuses = (options: Parameters<typeof messageHandler>[1], pattern: RegExp) =>
    assert.throws(() => messageHandler(broker.server, options), (error) => {
      assert.ok(error instanceof OptionError);
      assert.equal(error.code, "bad-option");
      assert.match(error.message, pattern);
      return true;
    });
  refuses({ allowedHosts: ["*"] }, /needs the option token/);
  refuses({ allowedHosts: ["evil.example:80"] }, /without port/);
  refuses({ allowedOrigins: ["*"] }, /scheme:\/\/host/);
  refuses({ allowedOrigins: ["https://lab.example/"] }, /scheme:\/\/host/);
  refuses({ token: "" }, /token/);
  refuses({ token: "two words" }, /token/);
  refuses({ maxWaiters: -1 }, /maxWaiters/);
  for (
    const name of [
      "maxWaiters",
      "maxBodyBytes",
      "maxQueuedBytes",
      "longPollMaxMs",
      "heartbeatMs",
      "bodyTimeoutMs",
    ]
  ) {
    for (const value of [-1, NaN, Infinity, 0.5, "5", null]) {
      refuses(
        { [name]: value },
        new RegExp(`^Cannot use ${name}: it is "?${value}"?, not a whole number from \\d`),
      );
    }
  }
  for (const name of ["longPollMaxMs", "heartbeatMs", "bodyTimeoutMs"]) {
    refuses({ [name]: 2 ** 31 }, /from [01] to 2147483647/);
  }
  refuses({ publishRate: { perSecond: 0, burst: 1 } }, /publishRate\.perSecond/);
  refuses({ publishRate: { perSecond: Infinity, burst: 1 } }, /publishRate\.perSecond/);
  refuses({ publishRate: { perSecond: 0.5, burst: 0.5 } }, /publishRate\.burst/);
  refuses(JSON.parse('{ "publishRate": { "burst": 1 } }'), /perSecond and burst/);
  refuses(JSON.parse('{ "publishRate": null }'), /publishRate/);
});

Deno.test("serveGateway() binds beyond loopback only with a token or with allowAnonymous", () => {
  assert.throws(() => serveGateway(null, { hostname: "0.0.0.0", port: 0 }), (error) => {
    assert.ok(error instanceof OptionError);
    assert.equal(error.code, "anonymous-not-allowed");
    return true;
  });
});

Deno.test("serveGateway() with a token binds wider, and does not answer to 0.0.0.0", async () => {
  for (const options of [{ token: "auto" }, { allowAnonymous: true }]) {
    await using broker = new TestBroker();
    await using gateway = serveGateway(broker.server, {
      hostname: "0.0.0.0",
      port: 0,
      ...options,
      ...quiet,
    });
    const { port } = gateway;
    assert.equal((await raw(port, requestText("GET", "/healthz", [`Host: 127.0.0.1:${port}`]))).status, 200);
    assert.equal((await raw(port, requestText("GET", "/healthz", [`Host: 0.0.0.0:${port}`]))).status, 403);
  }
});

// --- token ---

const TOKEN = "a-secret.of_the~lab";
const base64Url = (text: string) =>
  new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });

Deno.test("Policy: a token is needed on every route but the health check and the page", async () => {
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, { token: TOKEN, ...quiet });
  const paths = [
    "/messages",
    "/messages/longpoll?timeout=0",
    "/messages/history",
    "/messages/stream",
    "/messages/ws",
  ];
  for (
    const path of [...paths, "/messages/subscribers", "/metrics", "/readyz", "/openapi.json", "/nothing"]
  ) {
    const response = await gateway(new Request(`http://127.0.0.1${path}`));
    assert.equal(response.status, 401, path);
    assert.equal(response.headers.get("www-authenticate"), "Bearer");
    assert.equal((await response.json()).code, "unauthorized");
  }
  for (const path of ["/healthz", "/", "/monitor", "/monitor/page.js", "/monitor/page.css"]) {
    assert.equal((await gateway(new Request(`http://127.0.0.1${path}`))).status, 200, path);
  }
});

Deno.test("Policy: only the right token counts", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, { token: TOKEN, ...quiet });
  const statusOf = async (authorization: string) =>
    (await handler(new Request("http://127.0.0.1/", { headers: { authorization } }))).status;
  assert.equal(await statusOf(`Bearer ${TOKEN}`), 200);
  assert.equal(await statusOf(`bearer ${TOKEN}`), 200);
  for (
    const wrong of [
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      "Bearer ",
      "Basic YTpi",
      TOKEN,
      `Bearer ${TOKEN}, Bearer x`,
    ]
  ) {
    assert.equal(await statusOf(wrong), 401, wrong);
  }
});

Deno.test("Policy: a bearer header replaces the checks of Origin and site, never the one of Host", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, token: TOKEN, ...quiet });
  const { port } = gateway;
  const bearer = `Authorization: Bearer ${TOKEN}`;
  const post = (headers: readonly string[]) =>
    raw(port, requestText("POST", "/messages", [...headers, FORM], BODY));
  const host = `Host: 127.0.0.1:${port}`;
  assert.equal((await post([host, EVIL, bearer])).status, 202);
  assert.equal((await post([host, EVIL, "Authorization: Bearer wrong"])).status, 403);
  assert.equal((await post([`Host: evil.example:${port}`, bearer])).status, 403);
  assert.equal((await post([host, "Referer: http://evil.example/", bearer])).status, 202);
  assert.equal(broker.sent.length, 2);
});

Deno.test("Policy: access_token counts on a GET of the stream only", async () => {
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, { token: TOKEN, ...quiet });
  const query = `access_token=${encodeURIComponent(TOKEN)}`;
  const stream = await gateway(new Request(`http://127.0.0.1/messages/stream?${query}`));
  assert.equal(stream.status, 200);
  await stream.body!.cancel();
  assert.equal(
    (await gateway(new Request("http://127.0.0.1/messages/stream?access_token=wrong"))).status,
    401,
  );
  for (const path of ["/messages", "/messages/history", "/messages/longpoll"]) {
    assert.equal((await gateway(new Request(`http://127.0.0.1${path}?${query}`))).status, 401, path);
  }
  const post = new Request(`http://127.0.0.1/messages?${query}`, {
    method: "POST",
    body: new URLSearchParams({ message: JSON_BODY }),
  });
  assert.equal((await gateway(post)).status, 401);
});

Deno.test("Policy: no token gets into the log, the counters or an answer", async () => {
  const lines: string[] = [];
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, {
    token: TOKEN,
    log: (line) => lines.push(line),
  });
  const requests = [
    new Request(`http://127.0.0.1/messages/stream?access_token=${TOKEN}x`),
    new Request(`http://127.0.0.1/messages?access_token=${TOKEN}`),
    new Request(`http://127.0.0.1/nothing?access_token=${TOKEN}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    }),
    new Request(`http://evil.example/messages?access_token=${TOKEN}`),
  ];
  const bodies: string[] = [];
  for (const request of requests) bodies.push(await (await gateway(request)).text());
  const metrics = new Request("http://127.0.0.1/metrics", { headers: { authorization: `Bearer ${TOKEN}` } });
  const seen = [...lines, ...bodies, await (await gateway(metrics)).text(), JSON.stringify(gateway.stats())]
    .join("\n");
  assert.ok(lines.length > 0);
  assert.ok(!seen.includes(TOKEN));
});

Deno.test("Policy: a WebSocket shows its token as the second subprotocol", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, token: TOKEN, ...quiet });
  const { port } = gateway;
  const upgrade = async (protocols: string, ...more: readonly string[]) => {
    using connection = await RawConnection.open(port);
    const headers = [`Host: 127.0.0.1:${port}`, ...SOCKET, `Sec-WebSocket-Protocol: ${protocols}`, ...more];
    await connection.write(requestText("GET", "/messages/ws", headers));
    const { status, headers: answered } = await connection.response();
    return [status, answered.get("sec-websocket-protocol")];
  };
  assert.deepEqual(await upgrade(`braviz.v1, bearer.${base64Url(TOKEN)}`), [101, "braviz.v1"]);
  assert.deepEqual(await upgrade(`braviz.raw, bearer.${base64Url(TOKEN)}`), [101, "braviz.raw"]);
  assert.deepEqual(await upgrade(`braviz.v1, bearer.${base64Url("wrong")}`), [401, null]);
  assert.deepEqual(await upgrade("braviz.v1, bearer.%%%"), [401, null]);
  assert.deepEqual(await upgrade("braviz.v1"), [401, null]);
  assert.deepEqual(await upgrade(`braviz.v1, bearer.${base64Url(TOKEN)}`, EVIL), [403, null]);
});

Deno.test("Policy: the token auto is long, different each time, and told by the handler", () => {
  const tokens = [1, 2].map(() => messageHandler(null, { token: "auto", ...quiet }).token!);
  assert.notEqual(tokens[0], tokens[1]);
  assert.ok(tokens.every((token) => /^[A-Za-z0-9_-]{43}$/.test(token)));
});

Deno.test("Policy: a preflight of an allowed origin needs no token, its request does", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, {
    token: TOKEN,
    allowedOrigins: [LAB],
    ...quiet,
  });
  const preflight = await handler(
    new Request("http://127.0.0.1/", {
      method: "OPTIONS",
      headers: { origin: LAB, "access-control-request-method": "GET" },
    }),
  );
  assert.equal(preflight.status, 204);
  const request = await handler(new Request("http://127.0.0.1/", { headers: { origin: LAB } }));
  assert.equal(request.status, 401);
});

// --- limits ---

Deno.test("publishRate: who sends too fast gets 429 and the time to wait; others are not concerned", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, { publishRate: { perSecond: 1, burst: 2 }, ...quiet });
  const post = (hostname: string) =>
    handler(
      new Request("http://127.0.0.1/", { method: "POST", body: new URLSearchParams({ message: JSON_BODY }) }),
      {
        remoteAddr: { transport: "tcp", hostname, port: 1 },
        completed: Promise.resolve(),
      },
    );
  const statuses: number[] = [];
  for (let i = 0; i < 3; i += 1) statuses.push((await post("10.0.0.1")).status);
  assert.deepEqual(statuses, [202, 202, 429]);
  const refused = await post("10.0.0.1");
  assert.match(refused.headers.get("retry-after")!, /^[1-9]\d*$/);
  assert.equal((await refused.json()).code, "too-many-requests");
  assert.equal((await post("10.0.0.2")).status, 202);
  assert.equal(broker.sent.length, 3);
});

Deno.test("parseAuthority() takes names and addresses with an optional port, and nothing else", () => {
  for (const good of ["localhost", "127.0.0.1:80", "[::1]", "[fe80::1]:8000", "a-b.c_d.example", "A.B"]) {
    assert.ok(parseAuthority(good), good);
  }
  const bad = [
    "",
    ":80",
    "a b",
    "a@b",
    "a/b",
    "a:b",
    "a:",
    "a:80:80",
    "[::1",
    "::1",
    "a.",
    ".a",
    "a%41",
    "a:123456",
    "ÿ",
    "a,b",
  ];
  for (const text of bad) assert.equal(parseAuthority(text), undefined, text);
});

/** The least of HTTP/2: one request whose headers are literals without compression, and the status of its answer. */
async function statusOverHttp2(port: number, authority: string): Promise<number> {
  using connection = await RawConnection.open(port);
  const literal = (index: number, value: string) => [index, value.length, ...new TextEncoder().encode(value)];
  // Indexed: :method GET, :scheme http. Literals without indexing, named by the static table: :path is 4, :authority is 1.
  const block = [0x82, 0x86, ...literal(4, "/messages"), ...literal(1, authority)];
  await connection.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  await connection.write(new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  await connection.write(new Uint8Array([0, 0, block.length, 1, 5, 0, 0, 0, 1, ...block]));
  let bytes: number[] = [];
  const chunk = new Uint8Array(4096);
  while (true) {
    const size = await soon(connection.conn.read(chunk));
    if (size === null) throw new Error("The connection ended before an answer");
    bytes = [...bytes, ...chunk.subarray(0, size)];
    for (let at = 0; at + 9 <= bytes.length;) {
      const length = bytes[at]! * 65_536 + bytes[at + 1]! * 256 + bytes[at + 2]!;
      if (bytes[at + 3] === 1 && at + 9 < bytes.length) {
        const first = bytes[at + 9]!;
        // Statuses of the static table begin at 8; others are a literal, huffman coded: 403 is what is left here.
        return first === 0x88 ? 200 : first === 0x8c ? 400 : 403;
      }
      at += 9 + length;
    }
  }
}

Deno.test("Policy: nothing of a refused request stays", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  await soon(
    raw(gateway.port, requestText("GET", "/messages/longpoll", [`Host: evil.example:${gateway.port}`])),
  );
  await until(() => gateway.stats().refused["host-not-allowed"] === 1);
  assert.equal(broker.listeners, 0);
  assert.equal(gateway.stats().waiting.longpoll, 0);
});

/** What a policy with a token says of a request: the code of its refusal, or undefined. */
function verdict(
  policy: Policy,
  url: string,
  init: RequestInit,
  traits: RouteTraits = {},
): string | undefined {
  try {
    policy.check(new Request(url, init), traits);
    return undefined;
  } catch (error) {
    return (error as { readonly code?: string }).code;
  }
}

Deno.test("Policy of all hosts still refuses the addresses that mean every address", () => {
  const policy = new Policy(resolveOptions({ token: "secret", allowedHosts: ["*"], log: quiet.log! }));
  const headers = { authorization: "Bearer secret" };
  assert.equal(verdict(policy, "http://lab.example:8000/", { headers }), undefined);
  assert.equal(verdict(policy, "http://0.0.0.0:8000/", { headers }), "host-not-allowed");
});

Deno.test("Policy looks at the name in the URL of every request, whatever passed before with the same Host", () => {
  const policy = new Policy(resolveOptions({ log: quiet.log! }));
  const headers = { host: "127.0.0.1:8000" };
  assert.equal(verdict(policy, "http://127.0.0.1:8000/", { headers }), undefined);
  assert.equal(verdict(policy, "http://evil.example:8000/", { headers }), "host-not-allowed");
  assert.equal(verdict(policy, "http://127.0.0.1:8000/again", { headers }), undefined);
});

Deno.test("Policy with a token answers no OPTIONS but those of allowed origins", () => {
  const policy = new Policy(resolveOptions({ token: "secret", allowedOrigins: [LAB], log: quiet.log! }));
  const ask = (headers: Record<string, string>) =>
    verdict(policy, "http://127.0.0.1:8000/messages", { method: "OPTIONS", headers });
  assert.equal(ask({ origin: LAB }), undefined);
  assert.equal(ask({}), "unauthorized");
  assert.equal(ask({ origin: "http://127.0.0.1:8000" }), "unauthorized");
});

Deno.test("Policy takes a token from the query of a GET only, and only where the route does", () => {
  const policy = new Policy(resolveOptions({ token: "secret", log: quiet.log! }));
  const url = "http://127.0.0.1:8000/messages/stream?access_token=secret";
  assert.equal(verdict(policy, url, {}, { takesQueryToken: true }), undefined);
  assert.equal(verdict(policy, url, { method: "POST" }, { takesQueryToken: true }), "unauthorized");
  assert.equal(verdict(policy, url, {}), "unauthorized");
});
