import assert from "node:assert/strict";
import { eventStreamHandler, messageGateway, serveGateway } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { TimerCount } from "../support/timers.ts";
import { quiet } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";
import { RawConnection, requestText } from "./support/raw.ts";
import { type StreamEvent, StreamReader } from "./support/stream_reader.ts";

const ask = (query = "", headers: Record<string, string> = {}) =>
  new Request(`http://127.0.0.1/${query}`, { headers });

/** Events until one satisfies the condition. */
async function eventsUntil(
  reader: StreamReader,
  condition: (event: StreamEvent) => boolean,
): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  while (true) {
    const event = await soon(reader.next(), "an event");
    if (event === undefined) throw new Error("The stream ended");
    events.push(event);
    if (condition(event)) return events;
  }
}

Deno.test("stream: a text goes through as it came, whatever it holds", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, quiet);
  const texts = [
    '{"id":12345678901234567890,"b":1,"a":2.0,"b":3}',
    '{\n "a": 1,\r\n "b": 2,\r "c": 3\n}',
    '{"a":"\u2028\u2029\u0085 ñ😀 \\n\\ud800"}',
    ' {"data: x":"id: 7\\n\\nevent: evil"} ',
    "{\n\n\n}",
  ];
  const response = await handler(ask("?since=earliest"));
  assert.equal(response.headers.get("cache-control"), "no-store, no-transform");
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  await using reader = new StreamReader(response);
  for (const text of texts) broker.receive(text);
  const events = await eventsUntil(reader, ({ id }) => id?.endsWith(`.${texts.length}`) ?? false);
  // An event stream knows one kind of line break only: between two tokens of JSON they all mean the same.
  assert.deepEqual(
    events.filter(({ event }) => event === "message").map(({ data }) => data),
    texts.map((text) => text.replace(/\r\n?/g, "\n")),
  );
});

Deno.test("stream: the first event tells where it goes on", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, quiet);
  broker.receiveMany(3);
  await using reader = new StreamReader(await handler(ask()));
  const first = await soon(reader.next());
  assert.equal(first?.event, "open");
  assert.match(first.id!, /\.3$/);
  assert.deepEqual(JSON.parse(first.data), { cursor: first.id });
  assert.equal(reader.retry, 2000);
});

Deno.test("stream: Last-Event-ID wins over since", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, quiet);
  broker.receiveMany(5);
  await using reader = new StreamReader(await handler(ask("?since=earliest", { "last-event-id": "4" })));
  const events = await eventsUntil(reader, ({ event }) => event === "message");
  assert.match(events.at(-1)!.id!, /\.5$/);
});

Deno.test("stream: an id that is not ours is a gap, never an error that stops the browser", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, quiet);
  broker.receiveMany(1);
  await using reader = new StreamReader(await handler(ask("", { "last-event-id": "garbage" })));
  const events = await eventsUntil(reader, ({ event }) => event === "message");
  assert.deepEqual(events.map(({ event }) => event), ["open", "gap", "message"]);
  assert.equal(JSON.parse(events[1]!.data).missed, null);
});

Deno.test("stream: events=type names the event, unless the name could be taken for something else", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, quiet);
  await using reader = new StreamReader(await handler(ask("?events=type")));
  const types = ["subject", "a\nid: 7\ndata: evil", "a\rb", "open", "gap", "error", "", "ñ", "x\u2028y"];
  for (const type of types) broker.receive(JSON.stringify({ type }));
  broker.receive('{"type":7}');
  broker.receive('{"last":1}');
  const events = await eventsUntil(reader, ({ data }) => data === '{"last":1}');
  assert.deepEqual(
    events.slice(1).map(({ event, id }) => [event, id?.split(".")[1]]),
    [
      "subject",
      "message",
      "message",
      "message",
      "message",
      "message",
      "message",
      "ñ",
      "message",
      "message",
      "message",
    ]
      .map((event, i) => [event, String(i + 1)]),
  );
});

Deno.test("stream: type lets only these through, and a sign of life moves the id past the others", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, { heartbeatMs: 20, ...quiet });
  await using reader = new StreamReader(await handler(ask("?type=subject")));
  broker.receiveMany(1, "subject");
  broker.receiveMany(2, "log");
  await eventsUntil(reader, ({ event }) => event === "message");
  await until(() => {
    void reader.pump();
    return reader.lastId?.endsWith(".3") ?? false;
  }, "the id of what was skipped");
});

Deno.test("stream: a sign of life comes when nothing else does", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, heartbeatMs: 5, ...quiet });
  using connection = await RawConnection.open(gateway.port);
  await connection.write(requestText("GET", "/messages/stream", [`Host: 127.0.0.1:${gateway.port}`]));
  await soon(connection.until("\n:\n\n"), "a comment");
});

Deno.test("stream: with heartbeatMs 0 there are no signs of life", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, { heartbeatMs: 0, ...quiet });
  using intervals = new TimerCount("setInterval");
  await using _reader = new StreamReader(await handler(ask("")));
  assert.equal(intervals.count, 0);
});

Deno.test("stream: NDJSON is one line for each message, by Accept or by format", async () => {
  await using broker = new TestBroker();
  await using handler = eventStreamHandler(broker.server, quiet);
  broker.receive('{\r\n "a": "x\\ny",\n\n "b": 12345678901234567890 }');
  for (
    const request of [
      ask("?since=earliest&format=ndjson"),
      ask("?since=earliest", { accept: "application/x-ndjson" }),
    ]
  ) {
    const response = await handler(request);
    assert.match(response.headers.get("content-type")!, /^application\/x-ndjson/);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (text.split("\n").length < 3) text += (await soon(reader.read())).value ?? "";
    const [open, message] = text.split("\n");
    assert.match(open!, /^\{"open":\{"cursor":"\w+\.0"\}\}$/);
    assert.match(message!, /^\{"seq":1,"cursor":"\w+\.1","time":\d{13},"message":\{/);
    assert.ok(message!.endsWith('"message":{  "a": "x\\ny",  "b": 12345678901234567890 }}'), message);
    await reader.cancel();
  }
});

Deno.test("stream: NDJSON tells gaps, and signs of life", async () => {
  await using broker = TestBroker.holding(2);
  await using handler = eventStreamHandler(broker.server, { heartbeatMs: 5, ...quiet });
  broker.receiveMany(5);
  const response = await handler(ask("?since=1&format=ndjson"));
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("heartbeat")) text += (await soon(reader.read())).value ?? "";
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines[1].gap.missed, 2);
  assert.deepEqual(lines.slice(2, 4).map(({ seq }) => seq), [4, 5]);
  await reader.cancel();
});

Deno.test("stream: a history larger than the queue is replayed whole to a reader that takes its time", async () => {
  await using broker = new TestBroker();
  const size = 10_000;
  for (let n = 1; n <= 200; n += 1) broker.receive(JSON.stringify({ n, padding: "x".repeat(size) }));
  await using handler = eventStreamHandler(broker.server, { maxQueuedBytes: 50_000, ...quiet });
  await using reader = new StreamReader(await handler(ask("?since=earliest")));
  const events = await eventsUntil(reader, ({ data }) => data.startsWith('{"n":200,'));
  assert.equal(events.length, 201);
  assert.equal(handler.stats().slowClientsCut.sse, 0);
});

Deno.test("stream: a burst of more than the history holds at once reaches a reader whole", async () => {
  await using broker = TestBroker.holding(1000);
  await using handler = eventStreamHandler(broker.server, quiet);
  await using reader = new StreamReader(await handler(ask()));
  broker.receiveMany(3000);
  const events = await eventsUntil(reader, ({ id }) => id?.endsWith(".3000") ?? false);
  assert.equal(events.filter(({ event }) => event === "message").length, 3000);
  assert.equal(handler.stats().gaps.told, 0);
});

Deno.test("stream: a burst reaches a reader whole, however little is held", async () => {
  await using broker = TestBroker.holding(20);
  await using handler = eventStreamHandler(broker.server, quiet);
  await using reader = new StreamReader(await handler(ask()));
  for (let round = 0; round < 3; round += 1) {
    broker.receiveMany(200);
    const end = String(broker.count);
    const events = await eventsUntil(reader, ({ id }) => id?.split(".")[1] === end);
    assert.equal(events.filter(({ event }) => event === "message").length, 200);
  }
  assert.equal(handler.stats().gaps.told, 0);
});

Deno.test("stream: a crowd that is not told in time is told what it has missed", async () => {
  await using broker = TestBroker.holding(50);
  await using gateway = messageGateway(broker.server, quiet);
  const polls = Array.from(
    { length: 260 },
    () => Promise.resolve(gateway(new Request("http://127.0.0.1/messages/longpoll?type=wanted"))),
  );
  await using reader = new StreamReader(await gateway(new Request("http://127.0.0.1/messages/stream")));
  broker.receiveMany(200);
  broker.receive('{"type":"wanted"}');
  const events = await eventsUntil(reader, ({ id }) => id?.endsWith(".201") ?? false);
  assert.deepEqual(events.map(({ event }) => event).slice(0, 2), ["open", "gap"]);
  assert.equal(JSON.parse(events[1]!.data).missed, 151);
  assert.equal(events.filter(({ event }) => event === "message").length, 50);
  for (const poll of polls) assert.equal((await poll).headers.get("message-missed"), "151");
  assert.deepEqual(gateway.stats().gaps, { told: 261, missed: 261 * 151 });
});

Deno.test("stream: a reader that falls out of the history is cut, counted, and resumes with the exact number missed", async () => {
  await using broker = TestBroker.holding(100);
  await using gateway = serveGateway(broker.server, { port: 0, maxQueuedBytes: 100_000, ...quiet });
  using lazy = await RawConnection.open(gateway.port);
  await lazy.write(requestText("GET", "/messages/stream", [`Host: 127.0.0.1:${gateway.port}`]));
  await until(() => gateway.stats().waiting.sse === 1);
  const padding = "x".repeat(50_000);
  for (let n = 1; gateway.stats().waiting.sse === 1; n += 1) {
    broker.receive(JSON.stringify({ n, padding }));
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    assert.ok(n < 5000, "not cut after 250 MB");
  }
  assert.equal(gateway.stats().slowClientsCut.sse, 1);
  // What the system had taken over already is still there; the rest is gone, with its memory.
  const seen = await soon(lazy.end());
  const last = Number(seen.match(/id: \w+\.(\d+)\n/g)!.at(-1)!.match(/\.(\d+)\n/)![1]);
  assert.ok(last < broker.count - 100);
  await using reader = new StreamReader(
    await fetch(`${gateway.url}/messages/stream`, { headers: { "last-event-id": String(last) } }),
  );
  const events = await eventsUntil(reader, ({ event }) => event === "message");
  const gap = events.find(({ event }) => event === "gap")!;
  assert.equal(JSON.parse(gap.data).missed, broker.oldest - 1 - last);
  assert.equal(events.at(-1)!.id!.split(".")[1], String(broker.oldest));
});

Deno.test("stream: a reader that stalls on a full queue is cut after a while, though nothing more comes", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, maxQueuedBytes: 10_000, ...quiet });
  using lazy = await RawConnection.open(gateway.port);
  await lazy.write(requestText("GET", "/messages/stream", [`Host: 127.0.0.1:${gateway.port}`]));
  await until(() => gateway.stats().waiting.sse === 1);
  for (let n = 1; n <= 900; n += 1) broker.receive(JSON.stringify({ n, padding: "x".repeat(20_000) }));
  await until(() => gateway.stats().slowClientsCut.sse === 1, "the cut");
  assert.equal(gateway.stats().waiting.sse, 0);
});

Deno.test("stream: a client that goes is noticed without any message", async () => {
  await using broker = new TestBroker();
  await using gateway = serveGateway(broker.server, { port: 0, ...quiet });
  {
    using connection = await RawConnection.open(gateway.port);
    await connection.write(requestText("GET", "/messages/stream", [`Host: 127.0.0.1:${gateway.port}`]));
    await connection.until("open");
    assert.equal(gateway.stats().waiting.sse, 1);
  }
  await until(() => gateway.stats().waiting.sse === 0, "the stream's end");
  assert.equal(gateway.stats().gone.sse, 1);
  assert.equal(broker.listeners, 0);
});

Deno.test("stream: one that fails does not cost the others their message", async () => {
  await using broker = new TestBroker();
  const lines: string[] = [];
  await using gateway = messageGateway(broker.server, { log: (line) => lines.push(line) });
  const get = (path: string) => Promise.resolve(gateway(new Request(`http://127.0.0.1${path}`)));
  const waiting = [get("/messages/longpoll?type=x"), get("/messages/longpoll")];
  // A message whose type cannot be read: no real feed has one.
  const { feed } = broker.server;
  const after = feed.after.bind(feed);
  feed.after = (position, limit) => {
    const slice = after(position, limit);
    for (const entry of slice.entries) {
      Object.defineProperty(entry, "type", {
        get: () => {
          throw new Error("unreadable");
        },
      });
    }
    return slice;
  };
  broker.receive('{"a":1}');
  const statuses = await Promise.all(waiting.map(async (response) => (await soon(response)).status));
  assert.deepEqual(statuses, [500, 200]);
  assert.match(lines.join("\n"), /fault: long-poll: Error: unreadable/);
});
