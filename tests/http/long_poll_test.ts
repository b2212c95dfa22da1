import assert from "node:assert/strict";
import { longPollMessageHandler, messageGateway, messageHandler } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { TimerCount } from "../support/timers.ts";
import { quiet, startBus } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";

const ask = (query = "", headers: Record<string, string> = {}) =>
  new Request(`http://127.0.0.1/${query}`, { headers });

Deno.test("messageHandler() answers with the text, as value with the value, each with a tag of its own", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  broker.receive(' {"id": 12345678901234567890, "b":1, "a":2.0, "b":3}');
  const asText = await handler(ask());
  assert.equal(
    await asText.text(),
    String.raw`{"count":1,"message":" {\"id\": 12345678901234567890, \"b\":1, \"a\":2.0, \"b\":3}"}`,
  );
  const asValue = await handler(ask("?as=value"));
  assert.equal(
    await asValue.text(),
    '{"count":1,"message": {"id": 12345678901234567890, "b":1, "a":2.0, "b":3}}',
  );
  assert.equal(asValue.headers.get("etag"), asText.headers.get("etag")!.replace(/"$/, '-v"'));
  const crossed = await handler(ask("?as=value", { "if-none-match": asText.headers.get("etag")! }));
  assert.equal(crossed.status, 200);
});

Deno.test("messageHandler() with messageAs value answers with the value, as=text with the text", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, { messageAs: "value", ...quiet });
  broker.receive('{"a":1}');
  assert.equal(await (await handler(ask())).text(), '{"count":1,"message":{"a":1}}');
  assert.equal(await (await handler(ask("?as=text"))).text(), String.raw`{"count":1,"message":"{\"a\":1}"}`);
});

Deno.test("messageHandler() with type answers with the last message of that type; count stays the one of all", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  for (const type of ["subject", "sample", "subsystem"]) broker.receive(`{"type":"${type}"}`);
  broker.receive('{"type":7}');
  const messageOf = async (query: string) =>
    (await (await handler(ask(query))).json()) as { count: number; message: string };
  assert.deepEqual(await messageOf("?type=subject"), { count: 4, message: '{"type":"subject"}' });
  assert.deepEqual(await messageOf("?type=sub*"), { count: 4, message: '{"type":"subsystem"}' });
  assert.deepEqual(await messageOf("?type=subject,sample"), { count: 4, message: '{"type":"sample"}' });
  assert.deepEqual(await messageOf("?type=subject&type=sample"), { count: 4, message: '{"type":"sample"}' });
  assert.deepEqual(await messageOf("?type=*"), { count: 4, message: '{"type":"subsystem"}' });
  assert.deepEqual(await messageOf("?type=none"), { count: 4, message: "" });
  assert.deepEqual(await messageOf("?type=none&as=value"), { count: 4, message: null });
});

Deno.test("messageHandler() answers 304 for one of several tags and for a weak one", async () => {
  await using broker = new TestBroker();
  await using handler = messageHandler(broker.server, quiet);
  broker.receive('{"a":1}');
  const etag = (await handler(ask())).headers.get("etag")!;
  for (const header of [`"x", ${etag}`, `W/${etag}`]) {
    const response = await handler(ask("", { "if-none-match": header }));
    assert.equal(response.status, 304);
    assert.equal(response.body, null);
    assert.equal(response.headers.get("cache-control"), "no-cache");
  }
  assert.equal((await handler(ask("", { "if-none-match": '"other"' }))).status, 200);
});

Deno.test("long-poll: the words now, latest and earliest", async () => {
  await using broker = new TestBroker();
  await using handler = longPollMessageHandler(broker.server, quiet);
  broker.receiveMany(3);
  const seqOf = async (query: string) =>
    (await handler(ask(query))).headers.get("message-cursor")!.split(".")[1];
  assert.equal(await seqOf("?since=earliest"), "1");
  assert.equal(await seqOf("?since=latest"), "3");
  assert.equal(await seqOf("?since=now&timeout=0"), "3");
  assert.equal(await seqOf("?since=1"), "2");
});

Deno.test("long-poll: type skips others, and at its end the cursor has moved past them", async () => {
  await using broker = new TestBroker();
  await using handler = longPollMessageHandler(broker.server, quiet);
  broker.receiveMany(3, "log");
  const empty = await handler(ask("?since=earliest&type=subject&timeout=0"));
  assert.equal(empty.status, 204);
  assert.match(empty.headers.get("message-cursor")!, /\.3$/);
  const waiting = handler(ask("?type=subject,x*"));
  broker.receiveMany(2, "log");
  await until(() => handler.stats().fanOut.rounds >= 0);
  broker.receive('{"type":"xyz"}');
  const response = await soon(Promise.resolve(waiting));
  assert.equal(await response.text(), String.raw`{"message":"{\"type\":\"xyz\"}"}`);
  assert.match(response.headers.get("message-cursor")!, /\.6$/);
});

Deno.test("long-poll: a tag that is not ours gets what is held, never a dead end", async () => {
  await using broker = new TestBroker();
  await using handler = longPollMessageHandler(broker.server, quiet);
  broker.receiveMany(2);
  for (const tag of ['"abc"', "*", "garbage", '""']) {
    const response = await handler(ask("", { "if-none-match": tag }));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("message-missed"), "unknown");
    assert.match(response.headers.get("message-cursor")!, /\.1$/);
  }
});

Deno.test("long-poll: the value form's tag works as a cursor", async () => {
  await using broker = new TestBroker();
  await using handler = longPollMessageHandler(broker.server, { messageAs: "value", ...quiet });
  broker.receiveMany(2);
  const first = await handler(ask("?since=earliest"));
  assert.match(first.headers.get("etag")!, /^"\w+\.1-v"$/);
  const second = await handler(ask("", { "if-none-match": first.headers.get("etag")! }));
  assert.equal(await second.text(), '{"message":{"type":"subject","n":2}}');
});

Deno.test("long-poll: the first message of a new epoch tells an old client that it has missed something", async () => {
  await using broker = new TestBroker();
  await using handler = longPollMessageHandler(broker.server, quiet);
  const waiting = Promise.resolve(handler(ask("?since=oldepoch.7")));
  broker.receive('{"a":1}');
  const response = await soon(waiting);
  assert.equal(response.headers.get("message-missed"), "unknown");
  assert.equal(handler.stats().gaps.told, 1);
});

Deno.test("long-poll: with longPollMaxMs 0 a wait without timeout has no end", async () => {
  await using broker = new TestBroker();
  await using handler = longPollMessageHandler(broker.server, { longPollMaxMs: 0, ...quiet });
  using timeouts = new TimerCount("setTimeout");
  const answer = handler(ask());
  assert.equal(timeouts.count, 0);
  broker.receive('{"type":"x"}');
  assert.equal((await answer).status, 200);
});

Deno.test("long-poll: longPollMaxMs ends a wait without timeout", async () => {
  await using broker = new TestBroker();
  await using handler = longPollMessageHandler(broker.server, { longPollMaxMs: 5, ...quiet });
  assert.equal((await handler(ask())).status, 204);
});

Deno.test("long-poll: everyone who waits for the same gets the same bytes", async () => {
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, quiet);
  const get = (query: string) =>
    Promise.resolve(gateway(new Request(`http://127.0.0.1/messages/longpoll${query}`)));
  const waiting = [
    get(""),
    get(""),
    get("?as=value"),
    get("?type=a"),
    get("?type=b&timeout=0.05"),
    get("?since=now"),
  ];
  assert.equal(broker.listeners, 1, "one listener for all");
  broker.receive('{"type":"a"}');
  const bodies = await Promise.all(waiting.map(async (response) => await (await response).text()));
  const text = String.raw`{"message":"{\"type\":\"a\"}"}`;
  assert.deepEqual(bodies, [text, text, '{"message":{"type":"a"}}', text, "", text]);
  assert.equal(broker.listeners, 0, "nobody waits, nobody listens");
});

Deno.test("history: limit, more and the cursor lead through everything", async () => {
  await using bus = await startBus();
  for (let n = 1; n <= 25; n += 1) bus.broker.sendMessage({ type: n % 2 === 0 ? "even" : "odd", n });
  await until(() => bus.client.count === 25);
  const seen: number[] = [];
  let since = "earliest";
  for (let more = true; more;) {
    const page = await (await fetch(`${bus.url}/messages/history?since=${since}&limit=10`)).json();
    seen.push(...page.messages.map(({ message }: { message: { n: number } }) => message.n));
    ({ cursor: since, more } = page);
  }
  assert.deepEqual(seen, Array.from({ length: 25 }, (_, i) => i + 1));
  const even = await (await fetch(`${bus.url}/messages/history?type=even&limit=1000`)).json();
  assert.equal(even.messages.length, 12);
  assert.match(even.cursor, /\.25$/);
});

Deno.test("history: with timeout it waits and answers with what came", async () => {
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, quiet);
  const waiting = Promise.resolve(
    gateway(new Request("http://127.0.0.1/messages/history?since=now&timeout=60")),
  );
  broker.receiveMany(2);
  const page = await (await soon(waiting)).json();
  assert.deepEqual(page.messages.map(({ seq }: { seq: number }) => seq), [1, 2]);
});

Deno.test("history: a text stands in it as it came", async () => {
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, quiet);
  broker.receive('{"id":12345678901234567890,\n "s":"\u2028\\ud800"}');
  const text = await (await gateway(new Request("http://127.0.0.1/messages/history"))).text();
  assert.match(text, /"time":\d{13},"message":\{"id":12345678901234567890,\n "s":"\u2028\\ud800"\}\}/);
});
