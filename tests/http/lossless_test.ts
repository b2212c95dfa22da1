/**
 * Nothing is lost: every way of reading with a cursor gets every message, in order, while others send as fast as they can.
 */
import assert from "node:assert/strict";
import { MessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { type Bus, form, startBus } from "./support/bus.ts";
import { StreamReader } from "./support/stream_reader.ts";

const MESSAGES = 20_000;
/** A request for each of them is slow work. */
const POLLED_MESSAGES = 5_000;
/** Held long enough for a reader that is slower than the sender: what is not held cannot be had, and is told as missed. */
const HISTORY = { history: { messages: 100_000, bytes: 64 * 1_048_576 } };

/** Another application sends through the broker at full speed. */
async function sendAll(bus: Bus, count: number = MESSAGES): Promise<void> {
  await using sender = new MessageClient({
    serverReceive: bus.broker.receiveAddress,
    sendQueue: { messages: 100_000 },
  });
  await sender.ready;
  for (let n = 1; n <= count; n += 1) {
    sender.sendJsonMessage(`{"type":"load","n":${n}}`);
    // The gateway and the reader live in the same process: they get their turn.
    if (n % 500 === 0) await sender.flush();
  }
  await sender.flush();
}

const ALL = Array.from({ length: MESSAGES }, (_, i) => i + 1);

Deno.test("nothing lost: a loop on the cursor of the long-poll receives every message in order", async () => {
  await using bus = await startBus({}, HISTORY);
  const sending = sendAll(bus, POLLED_MESSAGES);
  const seen: number[] = [];
  let since = "0";
  while (seen.length < POLLED_MESSAGES) {
    const response = await soon(
      fetch(`${bus.url}/messages/longpoll?since=${since}&as=value&timeout=5`),
      "a poll",
    );
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("message-missed"), null);
    since = response.headers.get("message-cursor")!;
    seen.push((await response.json()).message.n);
  }
  await sending;
  assert.deepEqual(seen, ALL.slice(0, POLLED_MESSAGES));
});

Deno.test("nothing lost: a loop on the history receives every message in order", async () => {
  await using bus = await startBus({}, HISTORY);
  const sending = sendAll(bus);
  const seen: number[] = [];
  let since = "0";
  while (seen.length < MESSAGES) {
    const page = await (await soon(fetch(`${bus.url}/messages/history?since=${since}&limit=97&timeout=5`)))
      .json();
    assert.equal(page.missed, 0);
    since = page.cursor;
    for (const { message } of page.messages) seen.push(message.n);
  }
  await sending;
  assert.deepEqual(seen, ALL);
});

Deno.test("nothing lost: a stream that is torn down again and again receives every message in order", async () => {
  await using bus = await startBus({}, HISTORY);
  const sending = sendAll(bus);
  const seen: number[] = [];
  let lastId = "0";
  let connections = 0;
  while (seen.length < MESSAGES) {
    connections += 1;
    await using reader = new StreamReader(
      await fetch(`${bus.url}/messages/stream`, { headers: { "last-event-id": lastId } }),
    );
    // Torn down in the middle of whatever is going on.
    const end = seen.length + 1777;
    while (seen.length < Math.min(end, MESSAGES)) {
      const event = await soon(reader.next(), "an event");
      assert.ok(event);
      assert.notEqual(event.event, "gap");
      lastId = event.id!;
      if (event.event === "message") seen.push(JSON.parse(event.data).n);
    }
  }
  await sending;
  assert.deepEqual(seen, ALL);
  assert.ok(connections > 10);
  await until(() => bus.gateway.stats().waiting.sse === 0, "the streams to end");
});

Deno.test("nothing lost: POST one after the other while a reader loops without a delay", async () => {
  await using bus = await startBus();
  const posting = (async () => {
    for (let n = 1; n <= 300; n += 1) {
      const response = await fetch(`${bus.url}/messages`, form(`{"n":${n}}`));
      assert.equal(response.status, 202);
      await response.body?.cancel();
    }
  })();
  const seen: number[] = [];
  let etag = '"x.0"';
  etag = (await fetch(`${bus.url}/messages/longpoll?since=now&timeout=0`)).headers.get("etag")!;
  const first = Number(etag.match(/\.(\d+)"/)![1]);
  while (seen.length < 300 - first) {
    const response = await soon(
      fetch(`${bus.url}/messages/longpoll?as=value`, { headers: { "if-none-match": etag } }),
    );
    etag = response.headers.get("etag")!;
    seen.push((await response.json()).message.n);
  }
  await posting;
  assert.deepEqual(seen, Array.from({ length: 300 - first }, (_, i) => first + 1 + i));
});

Deno.test("history: behind the edge of what is held, the number of the missed is exact", async () => {
  await using bus = await startBus({}, { history: { messages: 50 } });
  for (let n = 1; n <= 175; n += 1) bus.broker.sendMessage({ type: "load", n });
  await until(() => bus.client.count === 175);
  for (const [since, missed] of [[0, 125], [1, 124], [124, 1], [125, 0], [126, 0], [175, 0]] as const) {
    const page = await (await fetch(`${bus.url}/messages/history?since=${since}&limit=1000`)).json();
    assert.equal(page.missed, missed);
    assert.equal(page.messages.length, 175 - since - missed);
    assert.equal(page.missed + page.messages.length, 175 - since, "missed and held are everything");
    assert.match(page.oldest, /\.126$/);
  }
  const earliest = await (await fetch(`${bus.url}/messages/history?since=earliest`)).json();
  assert.equal(earliest.missed, 0, "who asks for what is held misses nothing");
});
