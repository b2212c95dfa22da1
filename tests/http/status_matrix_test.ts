/**
 * Which status each route answers in each state of the world: one test for each cell of the matrix in the specification.
 */
import assert from "node:assert/strict";
import { type GatewayBus, type GatewayServer, serveGateway, type ServeGatewayOptions } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { PassiveMessageClient, type PassiveMessageClientOptions } from "../../client.ts";
import { quiet } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";
import { raw, RawConnection, type RawResponse, requestText } from "./support/raw.ts";

interface World {
  /** Where messages come from. */
  readonly broker: TestBroker;
  readonly gateway: GatewayServer;
}

/** What a gateway stands on. */
interface Ground extends AsyncDisposable {
  readonly broker: TestBroker;
  readonly bus: GatewayBus;
}

const MESSAGE = '{"type":"subject","subject":119}';
const FORM = ["Content-Type: application/x-www-form-urlencoded"];
const BODY = `message=${encodeURIComponent(MESSAGE)}`;
const SOCKET = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

function cell(
  title: string,
  run: (world: World) => Promise<void>,
  options: ServeGatewayOptions = {},
  lay: () => Ground | Promise<Ground> = inOneProcess,
): Deno.TestDefinition {
  return {
    name: `Status: ${title}`,
    fn: async () => {
      await using ground = await lay();
      await using gateway = serveGateway(ground.bus, { port: 0, ...quiet, ...options });
      await soon(run({ broker: ground.broker, gateway }), title);
    },
  };
}

function inOneProcess(): Ground {
  const broker = TestBroker.holding(5);
  return { broker, bus: broker.server, [Symbol.asyncDispose]: () => broker.stop() };
}

/** A gateway with a client of its own, which sends to one broker and listens to another, or to neither. */
function withClient(
  options: Partial<Pick<PassiveMessageClientOptions, "serverBroadcast" | "serverReceive">>,
): Ground & { readonly bus: PassiveMessageClient } {
  const broker = TestBroker.holding(5);
  const { broadcastAddress, receiveAddress } = broker.server;
  const bus = new PassiveMessageClient({
    serverBroadcast: broadcastAddress,
    serverReceive: receiveAddress,
    ...options,
    history: { messages: 5 },
    reconnect: { minMs: 5, maxMs: 20 },
  });
  return {
    broker,
    bus,
    [Symbol.asyncDispose]: async () => {
      await bus.close();
      await broker.stop();
    },
  };
}

const host = (gateway: GatewayServer) => `Host: 127.0.0.1:${gateway.port}`;

function get(gateway: GatewayServer, path: string, ...headers: readonly string[]): Promise<RawResponse> {
  return raw(gateway.port, requestText("GET", path, [host(gateway), ...headers]));
}

function post(
  gateway: GatewayServer,
  path = "/messages",
  ...headers: readonly string[]
): Promise<RawResponse> {
  return raw(gateway.port, requestText("POST", path, [host(gateway), ...FORM, ...headers], BODY));
}

/** Sends a GET that will wait, and says when it does. */
async function waitOn(
  { gateway }: World,
  path: string,
  ...headers: readonly string[]
): Promise<RawConnection> {
  const before = waiting(gateway);
  const connection = await RawConnection.open(gateway.port);
  await connection.write(requestText("GET", path, [host(gateway), ...headers]));
  await until(() => waiting(gateway) === before + 1, `${path} waits`);
  return connection;
}

const waiting = (gateway: GatewayServer) =>
  Object.values(gateway.stats().waiting).reduce((sum, number) => sum + number, 0);
const codeOf = (response: RawResponse): string => JSON.parse(response.body).code;
const cursorAt = (response: RawResponse): string => response.headers.get("message-cursor")!;

// --- normal ---

Deno.test(cell("normal: GET /messages 200", async ({ gateway, broker }) => {
  broker.receive(MESSAGE);
  const response = await get(gateway, "/messages");
  assert.equal(response.status, 200);
  assert.equal(response.body, `{"count":1,"message":${JSON.stringify(MESSAGE)}}`);
}));

Deno.test(cell("normal: POST 202 with an empty body", async ({ gateway, broker }) => {
  for (const path of ["/messages", "/messages/longpoll"]) {
    const response = await post(gateway, path);
    assert.equal(response.status, 202);
    assert.equal(response.headers.get("content-length"), "0");
  }
  assert.deepEqual(broker.sent, [MESSAGE, MESSAGE]);
}));

Deno.test(cell("normal: plain long-poll 200 when a message comes", async (world) => {
  using connection = await waitOn(world, "/messages/longpoll");
  world.broker.receive(MESSAGE);
  const response = await connection.response();
  assert.equal(response.status, 200);
  assert.equal(response.body, `{"message":${JSON.stringify(MESSAGE)}}`);
  assert.equal(response.headers.get("etag"), `"${cursorAt(response)}"`);
}));

Deno.test(
  cell("normal: long-poll with since 200 at once with the oldest newer one", async ({ gateway, broker }) => {
    broker.receiveMany(3);
    const response = await get(gateway, "/messages/longpoll?since=1&as=value");
    assert.equal(response.status, 200);
    assert.equal(response.body, '{"message":{"type":"subject","n":2}}');
    assert.match(cursorAt(response), /\.2$/);
  }),
);

Deno.test(cell("normal: history 200", async ({ gateway, broker }) => {
  broker.receiveMany(3);
  const response = await get(gateway, "/messages/history");
  assert.equal(response.status, 200);
  assert.deepEqual(JSON.parse(response.body).messages.map(({ seq }: { seq: number }) => seq), [1, 2, 3]);
}));

Deno.test(cell("normal: state 200 with the newest of each kind", async ({ gateway, broker }) => {
  broker.receiveMany(3);
  const response = await get(gateway, "/messages/state");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("etag"), `"${cursorAt(response)}"`);
  const { cursor, values } = JSON.parse(response.body);
  assert.equal(cursor, cursorAt(response));
  assert.deepEqual(values.map(({ seq }: { seq: number }) => seq), [3]);
}));

Deno.test(cell("normal: stream 200", async (world) => {
  using connection = await waitOn(world, "/messages/stream");
  world.broker.receive(MESSAGE);
  const seen = await connection.until(`data: ${MESSAGE}\n\n`);
  assert.match(seen, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(seen, /content-type: text\/event-stream/i);
}));

for (const path of ["/messages/ws", "/messages_ws"]) {
  Deno.test(cell(`normal: WebSocket ${path} 101`, async (world) => {
    using connection = await waitOn(world, path, ...SOCKET);
    assert.equal((await connection.response()).status, 101);
  }));
}

// --- no message ever ---

Deno.test(cell("no message ever: GET 200 with count 0 and an empty text", async ({ gateway }) => {
  assert.equal((await get(gateway, "/messages")).body, '{"count":0,"message":""}');
}));

Deno.test(cell("no message ever: GET as value has null", async ({ gateway }) => {
  assert.equal((await get(gateway, "/messages?as=value")).body, '{"count":0,"message":null}');
}));

Deno.test(
  cell("no message ever: POST 202", async ({ gateway }) => assert.equal((await post(gateway)).status, 202)),
);

Deno.test(cell("no message ever: plain long-poll waits", async (world) => {
  using connection = await waitOn(world, "/messages/longpoll");
  world.broker.receive(MESSAGE);
  assert.equal((await connection.response()).status, 200);
}));

Deno.test(cell("no message ever: long-poll with timeout 204 and a cursor", async ({ gateway }) => {
  const response = await get(gateway, "/messages/longpoll?timeout=0.01");
  assert.equal(response.status, 204);
  assert.match(cursorAt(response), /^[a-z0-9]{12}\.0$/);
}));

Deno.test(cell("no message ever: history 200 and empty", async ({ gateway }) => {
  const { messages, missed, more } = JSON.parse((await get(gateway, "/messages/history?timeout=0.01")).body);
  assert.deepEqual([messages, missed, more], [[], 0, false]);
}));

Deno.test(cell("no message ever: state 200 and empty", async ({ gateway }) => {
  assert.deepEqual(JSON.parse((await get(gateway, "/messages/state")).body).values, []);
}));

Deno.test(cell("no message ever: stream 200 with the open event", async ({ gateway }) => {
  using connection = await RawConnection.open(gateway.port);
  await connection.write(requestText("GET", "/messages/stream", [host(gateway)]));
  const seen = await connection.until("}\n\n");
  assert.match(seen, /retry: 2000\n: (\w+\.0)\nid: \1\nevent: open\ndata: \{"cursor":"\1"\}\n\n/);
}));

Deno.test(cell("no message ever: WebSocket 101", async (world) => {
  using connection = await waitOn(world, "/messages/ws", ...SOCKET);
  assert.equal((await connection.response()).status, 101);
}));

// --- same cursor ---

Deno.test(cell("same ETag: GET 304 without a body", async ({ gateway, broker }) => {
  broker.receive(MESSAGE);
  const etag = (await get(gateway, "/messages")).headers.get("etag");
  const again = await get(gateway, "/messages", `If-None-Match: ${etag}`);
  assert.equal(again.status, 304);
  assert.equal(again.headers.get("etag"), etag);
  broker.receive(MESSAGE);
  assert.equal((await get(gateway, "/messages", `If-None-Match: ${etag}`)).status, 200);
}));

Deno.test(cell("same ETag: state 304 without a body", async ({ gateway, broker }) => {
  broker.receive(MESSAGE);
  const etag = (await get(gateway, "/messages/state")).headers.get("etag");
  assert.equal((await get(gateway, "/messages/state", `If-None-Match: ${etag}`)).status, 304);
  broker.receive('{"type":"log"}');
  assert.equal((await get(gateway, "/messages/state", `If-None-Match: ${etag}`)).status, 200);
}));

Deno.test(cell("same cursor: long-poll waits, then 204", async ({ gateway, broker }) => {
  broker.receive(MESSAGE);
  const response = await get(gateway, "/messages/longpoll?since=1&timeout=0.01");
  assert.equal(response.status, 204);
  assert.match(cursorAt(response), /\.1$/);
}));

Deno.test(cell("same cursor by If-None-Match: long-poll waits, then 304", async ({ gateway, broker }) => {
  broker.receive(MESSAGE);
  const { headers } = await get(gateway, "/messages");
  const response = await get(
    gateway,
    "/messages/longpoll?timeout=0.01",
    `If-None-Match: ${headers.get("etag")}`,
  );
  assert.equal(response.status, 304);
}));

Deno.test(cell("same cursor: history 200 and empty", async ({ gateway, broker }) => {
  broker.receive(MESSAGE);
  const { messages, cursor } = JSON.parse((await get(gateway, "/messages/history?since=1")).body);
  assert.deepEqual(messages, []);
  assert.match(cursor, /\.1$/);
}));

Deno.test(cell("same cursor: stream waits", async (world) => {
  world.broker.receive(MESSAGE);
  using connection = await waitOn(world, "/messages/stream?since=1");
  world.broker.receive('{"second":2}');
  const seen = await connection.until('data: {"second":2}\n\n');
  assert.ok(!seen.includes(MESSAGE));
}));

Deno.test(cell("same cursor: WebSocket waits", async (world) => {
  world.broker.receive(MESSAGE);
  const { port } = world.gateway;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/messages/ws?since=1`);
  const first = new Promise<string>((resolve) => socket.onmessage = ({ data }) => resolve(data));
  await new Promise((resolve) => socket.onopen = resolve);
  world.broker.receive('{"second":2}');
  assert.equal(await first, '{"second":2}');
  await closed(socket);
}));

// --- cursor too old, of another epoch, from the future ---

const LOST: readonly (readonly [title: string, since: (epoch: string) => string, missed: number | null])[] = [
  ["too old", (epoch) => `${epoch}.2`, 3],
  ["of another epoch", () => "zzzzzzzz.3", null],
  ["from the future", (epoch) => `${epoch}.99`, null],
];

for (const [title, since, missed] of LOST) {
  const prepare = async ({ gateway, broker }: World) => {
    broker.receiveMany(10); // five are held: 6 to 10
    return since(cursorAt(await get(gateway, "/messages")).split(".")[0]!);
  };

  Deno.test(cell(`cursor ${title}: long-poll 200 with Message-Missed`, async (world) => {
    const response = await get(world.gateway, `/messages/longpoll?since=${await prepare(world)}`);
    assert.equal(response.status, 200);
    assert.match(cursorAt(response), /\.6$/);
    assert.equal(response.headers.get("message-missed"), missed === null ? "unknown" : String(missed));
  }));

  Deno.test(cell(`cursor ${title}: strict long-poll 410`, async (world) => {
    const response = await get(world.gateway, `/messages/longpoll?strict=1&since=${await prepare(world)}`);
    assert.equal(response.status, 410);
    const problem = JSON.parse(response.body);
    assert.equal(problem.code, "cursor-expired");
    assert.equal(problem.missed, missed);
    assert.match(problem.oldest, /\.6$/);
    assert.match(problem.latest, /\.10$/);
  }));

  Deno.test(cell(`cursor ${title}: history 200 with missed`, async (world) => {
    const response = await get(world.gateway, `/messages/history?since=${await prepare(world)}`);
    const page = JSON.parse(response.body);
    assert.equal(page.missed, missed);
    assert.equal(page.messages[0].seq, 6);
    assert.equal(response.headers.get("message-missed"), missed === null ? "unknown" : String(missed));
  }));

  Deno.test(cell(`cursor ${title}: strict history 410`, async (world) => {
    const response = await get(world.gateway, `/messages/history?strict=1&since=${await prepare(world)}`);
    assert.equal(response.status, 410);
  }));

  Deno.test(cell(`cursor ${title}: stream tells it by a gap event`, async (world) => {
    const cursor = await prepare(world);
    using connection = await waitOn(world, "/messages/stream", `Last-Event-ID: ${cursor}`);
    const seen = await connection.until('"n":10}');
    assert.match(
      seen,
      new RegExp(
        `id: (\\w+\\.5)\\nevent: gap\\ndata: {"missed":${missed},"reason":"[a-z-]+","cursor":"\\1","oldest":"\\w+\\.6"}`,
      ),
    );
    assert.ok(seen.indexOf("event: gap") < seen.indexOf('"n":6}'));
  }));

  Deno.test(cell(`cursor ${title}: braviz.v1 tells it by a gap frame`, async (world) => {
    const socket = new WebSocket(
      `ws://127.0.0.1:${world.gateway.port}/messages/ws?since=${await prepare(world)}`,
      "braviz.v1",
    );
    const frames: Record<string, Record<string, unknown>>[] = [];
    await new Promise<void>((resolve) => {
      socket.onmessage = ({ data }) => {
        if (frames.push(JSON.parse(data)) === 3) resolve();
      };
    });
    assert.ok("open" in frames[0]!);
    assert.equal(frames[1]!.gap!.missed, missed);
    assert.equal(frames[2]!.seq, 6);
    await closed(socket);
  }));
}

// --- bad parameters ---

const BAD: readonly (readonly [path: string, parameter: string])[] = [
  ["/messages?as=xml", "as"],
  ["/messages?type=", "type"],
  ["/messages?type=a*b", "type"],
  ["/messages/longpoll?since=tomorrow", "since"],
  ["/messages/longpoll?since=", "since"],
  ["/messages/longpoll?since=-1", "since"],
  ["/messages/longpoll?timeout=301", "timeout"],
  ["/messages/longpoll?timeout=1e1", "timeout"],
  ["/messages/longpoll?timeout=-1", "timeout"],
  ["/messages/longpoll?strict=yes", "strict"],
  ["/messages/longpoll?type=a,,b", "type"],
  ["/messages/history?limit=0", "limit"],
  ["/messages/history?limit=1001", "limit"],
  ["/messages/history?limit=1.5", "limit"],
  ["/messages/history?since=k3f9x2ab.-1", "since"],
  ["/messages/history?since=007", "since"],
  ["/messages/history?since=k3f9x2ab.07", "since"],
  ["/messages/history?since=k3f9x2ab.1e3", "since"],
  ["/messages/history?since=k3f9x2ab.9999999999999999", "since"],
  ["/messages/history?since=K3F9X2AB.1", "since"],
  ["/messages/history?since=%2B1", "since"],
  ["/messages/history?since=1%00", "since"],
  ["/messages/history?since=k3f9x2ab.", "since"],
  ["/messages/history?since=.1", "since"],
  ["/messages/state?type=vis*", "type"],
  ["/messages/state?type=subject,log", "type"],
  ["/messages/stream?since=..", "since"],
  ["/messages/stream?heartbeat=4", "heartbeat"],
  ["/messages/stream?format=xml", "format"],
  ["/messages/stream?events=all", "events"],
  ["/messages/ws?since=x", "since"],
  ["/messages/ws?type=", "type"],
];

for (const [path, parameter] of BAD) {
  Deno.test(cell(`bad parameter: GET ${path} 400`, async ({ gateway }) => {
    const response = await get(gateway, path, ...(path.includes("/ws") ? SOCKET : []));
    assert.equal(response.status, 400);
    const problem = JSON.parse(response.body);
    assert.equal(problem.code, "bad-parameter");
    assert.equal(problem.parameter, parameter);
  }));
}

/** A header cannot be taken back by a browser, so what is no place of ours is told as foreign. */
const FOREIGN = [
  "007",
  "k3f9x2ab.07",
  "k3f9x2ab.1e3",
  "k3f9x2ab.-1",
  "K3F9X2AB.1",
  "9".repeat(20),
  "k3f9x2ab.",
  "..",
  "x",
];

Deno.test(
  cell(
    "foreign Last-Event-ID: 200, and a gap of unknown size before what is held",
    async ({ gateway, broker }) => {
      broker.receiveMany(2);
      for (const id of FOREIGN) {
        using connection = await RawConnection.open(gateway.port);
        await connection.write(
          requestText("GET", "/messages/stream", [host(gateway), `Last-Event-ID: ${id}`]),
        );
        const seen = await connection.until('"n":2}');
        assert.match(seen, /event: gap\ndata: \{"missed":null,"reason":"foreign-cursor"/, id);
        assert.ok(seen.includes('"n":1}'), id);
      }
    },
  ),
);

Deno.test(
  cell(
    "foreign If-None-Match: 200 with the oldest, and Message-Missed unknown",
    async ({ gateway, broker }) => {
      broker.receiveMany(2);
      for (const tag of FOREIGN) {
        const response = await get(gateway, "/messages/longpoll", `If-None-Match: "${tag}"`);
        assert.equal(response.status, 200, tag);
        assert.equal(response.headers.get("message-missed"), "unknown", tag);
        assert.match(cursorAt(response), /\.1$/);
      }
    },
  ),
);

Deno.test(
  cell("bad parameter: POST with confirm=soon 400, and nothing is sent", async ({ gateway, broker }) => {
    const response = await post(gateway, "/messages?confirm=soon");
    assert.equal(response.status, 400);
    assert.deepEqual(broker.sent, []);
  }),
);

Deno.test(cell("unknown parameters do not matter", async ({ gateway }) => {
  assert.equal((await get(gateway, "/messages?_=17&nocache")).status, 200);
}));

// --- broker down ---

/** One message came, then the broker went. */
async function downAfterOne(): Promise<Ground> {
  const ground = withClient({});
  await ground.bus.ready;
  ground.broker.receive(MESSAGE);
  await until(() => ground.bus.feed.count === 1, "the message");
  await ground.broker.stop();
  await until(() => !ground.bus.isReceiving && !ground.bus.isSending, "the loss to be noticed");
  return ground;
}

Deno.test(cell(
  "broker down: GET 200 with the last value",
  async ({ gateway }) => {
    assert.equal(JSON.parse((await get(gateway, "/messages")).body).count, 1);
  },
  {},
  downAfterOne,
));

Deno.test(cell(
  "broker down: POST 503 at once, with Retry-After",
  async ({ gateway, broker }) => {
    const response = await post(gateway);
    assert.equal(response.status, 503);
    assert.equal(codeOf(response), "broker-unavailable");
    assert.match(response.headers.get("retry-after")!, /^[1-5]$/);
    assert.deepEqual(broker.sent, []);
  },
  {},
  downAfterOne,
));

Deno.test(cell(
  "broker down: plain long-poll waits for its return",
  async (world) => {
    using connection = await waitOn(world, "/messages/longpoll");
    const { broadcastAddress, receiveAddress } = world.broker.server;
    const portOf = (address: string) => Number(new URL(address).port);
    await using next = new TestBroker({
      broadcastPort: portOf(broadcastAddress),
      receivePort: portOf(receiveAddress),
    });
    await until(() => next.server.stats().subscribers?.connections === 1, "the client's return");
    next.receive(MESSAGE);
    assert.equal((await connection.response()).status, 200);
  },
  {},
  downAfterOne,
));

Deno.test(cell(
  "broker down: long-poll with timeout 204",
  async ({ gateway }) => {
    assert.equal((await get(gateway, "/messages/longpoll?timeout=0.01")).status, 204);
  },
  {},
  downAfterOne,
));

Deno.test(cell(
  "broker down: history 200",
  async ({ gateway }) => {
    assert.equal(JSON.parse((await get(gateway, "/messages/history")).body).messages.length, 1);
  },
  {},
  downAfterOne,
));

Deno.test(cell(
  "broker down: stream stays and beats",
  async (world) => {
    using connection = await waitOn(world, "/messages/stream");
    assert.match(await connection.until("\n:\n\n"), /event: open/);
  },
  { heartbeatMs: 5 },
  downAfterOne,
));

Deno.test(cell(
  "broker down: WebSocket 101, sending closes it with 1013",
  async ({ gateway }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/messages/ws`);
    await new Promise((resolve) => socket.onopen = resolve);
    socket.send(MESSAGE);
    assert.equal(await closed(socket, false), 1013);
  },
  {},
  downAfterOne,
));

Deno.test(cell(
  "broker down: /readyz 503, /healthz 200",
  async ({ gateway }) => {
    const response = await get(gateway, "/readyz");
    assert.equal(response.status, 503);
    assert.deepEqual(JSON.parse(response.body), { broker: false, draining: false });
    assert.equal((await get(gateway, "/healthz")).status, 200);
  },
  {},
  downAfterOne,
));

// --- broker never attached ---

/** Nobody listens at this address. */
function deadAddress(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `tcp://127.0.0.1:${listener.addr.port}`;
}

const neverAttached = () => withClient({ serverBroadcast: deadAddress(), serverReceive: deadAddress() });

for (
  const path of [
    "/messages",
    "/messages/longpoll",
    "/messages/longpoll?timeout=1",
    "/messages/longpoll?since=now",
    "/messages/history",
    "/messages/state",
  ]
) {
  Deno.test(cell(
    `broker never attached: GET ${path} 503`,
    async ({ gateway }) => {
      const response = await get(gateway, path);
      assert.equal(response.status, 503);
      assert.equal(codeOf(response), "broker-unavailable");
    },
    {},
    neverAttached,
  ));
}

Deno.test(
  cell(
    "broker never attached: stream 200, for an EventSource that is refused never tries again",
    async (world) => {
      using connection = await waitOn(world, "/messages/stream");
      assert.match(await connection.until("\n:\n\n"), /event: open/);
    },
    { heartbeatMs: 5 },
    neverAttached,
  ),
);

Deno.test(cell(
  "broker never attached: POST 503",
  async ({ gateway }) => {
    assert.equal((await post(gateway)).status, 503);
  },
  {},
  neverAttached,
));

Deno.test(cell(
  "broker never attached: the sockets hear each other",
  async ({ gateway, broker }) => {
    const sockets = [1, 2].map(() => new WebSocket(`ws://127.0.0.1:${gateway.port}/messages_ws`));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.onopen = resolve)));
    const heard = sockets.map((socket) =>
      new Promise((resolve) => socket.onmessage = ({ data }) => resolve(data))
    );
    await until(() => gateway.stats().waiting.websocket === 2);
    sockets[0]!.send(` ${MESSAGE} `);
    assert.deepEqual(await Promise.all(heard), [` ${MESSAGE} `, ` ${MESSAGE} `]);
    assert.deepEqual(broker.sent, []);
    assert.equal(gateway.stats().relayed, 1);
    await Promise.all(sockets.map((socket) => closed(socket)));
  },
  {},
  () => withClient({ serverReceive: undefined }),
));

// --- draining ---

/** Stops the gateway while one POST is on its way, so that it still listens, and asks. */
async function whileDraining(
  { gateway }: World,
  ask: () => Promise<void>,
): Promise<void> {
  using slow = await RawConnection.open(gateway.port);
  await slow.write(
    `POST /messages HTTP/1.1\r\n${host(gateway)}\r\n${FORM[0]}\r\nContent-Length: ${BODY.length}\r\n\r\n${
      BODY.slice(0, 5)
    }`,
  );
  // Its answer comes after the slow one began.
  await get(gateway, "/healthz");
  const closing = gateway.close({ lingerMs: 5000 });
  await ask();
  await slow.write(BODY.slice(5));
  assert.equal((await slow.response()).status, 202, "what was on its way finishes");
  assert.equal(await closing, true);
}

for (
  const path of [
    "/messages",
    "/messages/longpoll",
    "/messages/longpoll?timeout=1",
    "/messages/history",
    "/messages/state",
    "/messages/stream",
    "/messages/ws",
  ]
) {
  Deno.test(cell(`draining: new GET ${path} 503`, async (world) => {
    await whileDraining(world, async () => {
      const response = await get(world.gateway, path, ...(path.endsWith("/ws") ? SOCKET : []));
      assert.equal(response.status, 503);
      assert.equal(codeOf(response), "shutting-down");
      assert.match(response.headers.get("retry-after")!, /^[1-5]$/);
    });
  }));
}

Deno.test(cell("draining: new POST 503, and nothing is sent", async (world) => {
  await whileDraining(world, async () => {
    assert.equal((await post(world.gateway)).status, 503);
    assert.deepEqual(world.broker.sent, []);
  });
}));

Deno.test(cell("draining: /readyz tells it", async (world) => {
  await whileDraining(world, async () => {
    const response = await get(world.gateway, "/readyz");
    assert.equal(response.status, 503);
    assert.deepEqual(JSON.parse(response.body), { broker: true, draining: true });
  });
}));

Deno.test(cell("draining: a plain long-poll that waits gets 503", async (world) => {
  using connection = await waitOn(world, "/messages/longpoll");
  const closing = world.gateway.close();
  const response = await connection.response();
  assert.equal(response.status, 503);
  assert.equal(codeOf(response), "shutting-down");
  assert.equal(response.headers.get("connection"), "close");
  assert.equal(await closing, true);
}));

Deno.test(cell("draining: a long-poll with timeout that waits gets 204 and its cursor", async (world) => {
  using connection = await waitOn(world, "/messages/longpoll?timeout=60");
  const closing = world.gateway.close();
  const response = await connection.response();
  assert.equal(response.status, 204);
  assert.match(cursorAt(response), /\.0$/);
  assert.equal(response.headers.get("connection"), "close");
  assert.equal(await closing, true);
}));

Deno.test(cell("draining: a history that waits gets 200 and nothing", async (world) => {
  using connection = await waitOn(world, "/messages/history?timeout=60");
  const closing = world.gateway.close();
  const response = await connection.response();
  assert.equal(response.status, 200);
  assert.deepEqual(JSON.parse(response.body).messages, []);
  assert.equal(await closing, true);
}));

Deno.test(cell("draining: a stream ends with retry", async (world) => {
  using connection = await waitOn(world, "/messages/stream");
  await connection.until("open");
  const closing = world.gateway.close();
  assert.match(await connection.end(), /retry: [1-5]000\n\n\r\n0\r\n\r\n$/);
  assert.equal(await closing, true);
}));

Deno.test(cell(
  "draining: a POST that waits for its confirmation finishes",
  async (world) => {
    using connection = await RawConnection.open(world.gateway.port);
    await connection.write(requestText("POST", "/messages?confirm=60", [host(world.gateway), ...FORM], BODY));
    await until(() => world.gateway.stats().waiting.confirm === 1);
    const closing = world.gateway.close();
    assert.equal((await connection.response()).status, 202);
    assert.equal(await closing, true);
  },
  {},
  async () => {
    const elsewhere = new TestBroker();
    const ground = withClient({ serverReceive: elsewhere.server.receiveAddress });
    await ground.bus.ready;
    return {
      ...ground,
      [Symbol.asyncDispose]: async () => {
        await ground[Symbol.asyncDispose]();
        await elsewhere.stop();
      },
    };
  },
));

Deno.test(cell("draining: a WebSocket is closed with 1001", async (world) => {
  const socket = new WebSocket(`ws://127.0.0.1:${world.gateway.port}/messages/ws`);
  await new Promise((resolve) => socket.onopen = resolve);
  const end = closed(socket, false);
  const closing = world.gateway.close();
  assert.equal(await end, 1001);
  assert.equal(await closing, true);
}));

// --- too many waiters ---

for (
  const path of [
    "/messages/longpoll",
    "/messages/longpoll?timeout=1",
    "/messages/longpoll?since=now",
    "/messages/history?timeout=1",
    "/messages/stream",
    "/messages/ws",
  ]
) {
  Deno.test(cell(`too many waiters: GET ${path} 503`, async (world) => {
    using _first = await waitOn(world, "/messages/longpoll");
    using _second = await waitOn(world, "/messages/stream");
    const response = await get(world.gateway, path, ...(path.endsWith("/ws") ? SOCKET : []));
    assert.equal(response.status, 503);
    assert.equal(codeOf(response), "too-many-waiters");
    assert.match(response.headers.get("retry-after")!, /^[1-5]$/);
  }, { maxWaiters: 2 }));
}

Deno.test(cell("too many waiters: what need not wait is answered", async (world) => {
  using _first = await waitOn(world, "/messages/longpoll");
  assert.equal((await get(world.gateway, "/messages")).status, 200);
  assert.equal((await get(world.gateway, "/messages/history")).status, 200);
  assert.equal((await post(world.gateway)).status, 202);
}, { maxWaiters: 1 }));

Deno.test(cell("too many waiters: a POST with confirm 503, and nothing is sent", async (world) => {
  using _first = await waitOn(world, "/messages/longpoll");
  assert.equal((await post(world.gateway, "/messages?confirm=1")).status, 503);
  assert.deepEqual(world.broker.sent, []);
}, { maxWaiters: 1 }));

// --- foreign ---

for (
  const [method, path] of [
    ["GET", "/messages"],
    ["POST", "/messages"],
    ["GET", "/messages/longpoll"],
    ["GET", "/messages/longpoll?timeout=1"],
    ["GET", "/messages/history"],
    ["GET", "/messages/state"],
    ["GET", "/messages/stream"],
    ["GET", "/messages/ws"],
  ] as const
) {
  Deno.test(cell(`foreign Host, Origin or site: ${method} ${path} 403`, async ({ gateway }) => {
    const more = path.endsWith("/ws") ? SOCKET : method === "POST" ? FORM : [];
    const foreign = [
      ["Host: evil.example"],
      [host(gateway), "Origin: https://evil.example"],
      [host(gateway), "Sec-Fetch-Site: cross-site"],
    ];
    for (const headers of foreign) {
      const text = requestText(method, path, [...headers, ...more], method === "POST" ? BODY : undefined);
      assert.equal((await raw(gateway.port, text)).status, 403, headers.at(-1));
    }
  }));
}

// --- wrong method ---

for (
  const [path, allow] of [
    ["/messages", "GET, HEAD, POST, OPTIONS"],
    ["/messages/longpoll", "GET, POST, OPTIONS"],
    ["/messages/history", "GET, HEAD, OPTIONS"],
    ["/messages/state", "GET, HEAD, OPTIONS"],
    ["/messages/stream", "GET, OPTIONS"],
    ["/messages/ws", "GET, OPTIONS"],
    ["/metrics", "GET, HEAD, OPTIONS"],
  ] as const
) {
  Deno.test(cell(`wrong method: PUT ${path} 405 with Allow`, async ({ gateway }) => {
    const response = await raw(gateway.port, requestText("PUT", path, [host(gateway)], "{}"));
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), allow);
    assert.equal(codeOf(response), "method-not-allowed");
  }));
}

Deno.test(cell("a WebSocket path without an upgrade 426", async ({ gateway }) => {
  const response = await get(gateway, "/messages/ws");
  assert.equal(response.status, 426);
  assert.equal(codeOf(response), "upgrade-required");
}));

Deno.test(cell("a malformed upgrade 400", async ({ gateway }) => {
  const response = await get(gateway, "/messages/ws", "Upgrade: websocket", "Connection: Upgrade");
  assert.equal(response.status, 400);
  assert.equal(codeOf(response), "bad-upgrade");
  assert.equal(gateway.stats().waiting.websocket, 0);
}));

Deno.test(cell("an unknown path 404", async ({ gateway }) => {
  for (
    const path of ["/nothing", "/messages/", "/Messages", "//messages", "/problems/nothing", "/problems/"]
  ) {
    const response = await get(gateway, path);
    assert.equal(response.status, 404, path);
    assert.equal(codeOf(response), "not-found");
  }
}));

Deno.test(cell("HEAD has the headers of GET and no body", async ({ gateway, broker }) => {
  broker.receive(MESSAGE);
  for (
    const path of ["/messages", "/messages/history", "/healthz", "/metrics", "/monitor", "/openapi.json"]
  ) {
    const response = await raw(gateway.port, requestText("HEAD", path, [host(gateway)]));
    assert.equal(response.status, 200, path);
    const type = (await get(gateway, path)).headers.get("content-type");
    assert.equal(response.headers.get("content-type"), type);
  }
}));

/** Closes a socket unless the other side does, and tells the code. */
function closed(socket: WebSocket, isOurs = true): Promise<number> {
  const end = new Promise<number>((resolve) => socket.onclose = ({ code }) => resolve(code));
  if (isOurs) socket.close();
  return soon(end, "the socket's end");
}
