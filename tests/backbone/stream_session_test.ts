/** How the order "stream" reads: a consumer that is made anew loses nothing and hears nothing twice, whatever a server says. */
import assert from "node:assert/strict";
import { until } from "../support/deadline.ts";
import { type AskedConsumer, ScriptedStream } from "../support/scripted_stream.ts";

const B = "b.00000000000b";

/** The first consumer has heard five messages of the site b: the numbers 1, 2, 3, then 5, out of turn, and a stranger's. */
async function begun(): Promise<{ stream: ScriptedStream; first: AskedConsumer }> {
  const stream = new ScriptedStream();
  const first = await stream.consumer(1);
  assert.equal(first.from, 1);
  for (const number of [1, 2, 3]) stream.deliver(first, number, `${B} ${number} ${number - 1}`);
  stream.deliver(first, 4, `${B} 5 3`);
  stream.deliver(first, 5, undefined);
  assert.deepEqual(stream.heard, [`${B} 1 0 at 1`, `${B} 2 1 at 2`, `${B} 3 2 at 3`, "foreign at 5"]);
  stream.heard.length = 0;
  return { stream, first };
}

/** All of it again, as the servers have it. */
function again(stream: ScriptedStream, consumer: AskedConsumer): void {
  for (const number of [1, 2, 3]) stream.deliver(consumer, number, `${B} ${number} ${number - 1}`);
  stream.deliver(consumer, 4, `${B} 5 3`);
  stream.deliver(consumer, 5, undefined);
}

Deno.test("A silent consumer is made anew behind what was heard, and what the old one still says is not heard", async () => {
  const { stream, first } = await begun();
  await using _stream = stream;
  stream.last = 5;
  stream.pass(3100);
  const second = await stream.consumer(2);
  assert.equal(second.from, 6);
  stream.deliver(first, 6, `${B} 4 3`);
  assert.deepEqual(stream.heard, []);
  stream.deliver(second, 6, `${B} 4 3`);
  assert.deepEqual(stream.heard, [`${B} 4 3 at 6`]);
});

Deno.test("A new leader that names another time of making is read from the start, and turns nothing round", async () => {
  const { stream } = await begun();
  await using _stream = stream;
  stream.created = "two";
  stream.last = 5;
  stream.pass(3100);
  const second = await stream.consumer(2);
  assert.equal(second.from, 1);
  again(stream, second);
  assert.deepEqual(stream.heard, [], "heard twice, or out of turn");
  // What was out of turn comes again behind the one that was missing, as its sender goes back.
  stream.deliver(second, 6, `${B} 4 3`);
  stream.deliver(second, 7, `${B} 5 3`);
  stream.deliver(second, 8, undefined);
  assert.deepEqual(stream.heard, [`${B} 4 3 at 6`, `${B} 5 3 at 7`, "foreign at 8"]);
  assert.equal(stream.host.receiver.counts.missed, 0);
});

Deno.test("A new leader that is behind is read from where it stands, and nothing is heard twice", async () => {
  const { stream } = await begun();
  await using _stream = stream;
  stream.last = 3;
  stream.pass(3100);
  const second = await stream.consumer(2);
  assert.equal(second.from, 4);
  stream.deliver(second, 4, `${B} 5 3`);
  stream.deliver(second, 5, undefined);
  assert.deepEqual(stream.heard, []);
  stream.deliver(second, 6, `${B} 4 3`);
  assert.deepEqual(stream.heard, [`${B} 4 3 at 6`]);
  assert.equal(stream.host.receiver.counts.missed, 0);
});

Deno.test("A stream whose end was lost goes on with what is new, a stranger's message included", async () => {
  const { stream } = await begun();
  await using _stream = stream;
  stream.last = 3;
  stream.pass(3100);
  const second = await stream.consumer(2);
  stream.deliver(second, 4, `${B} 4 3`, 100);
  stream.deliver(second, 5, undefined, 101);
  assert.deepEqual(stream.heard, [`${B} 4 3 at 4`, "foreign at 5"]);
});

Deno.test("A hole that only one server has is read at another one", async () => {
  const { stream, first } = await begun();
  await using _stream = stream;
  stream.last = 9;
  stream.deliver(first, 9, `${B} 6 5`);
  assert.deepEqual(stream.heard, []);
  const second = await stream.consumer(2);
  assert.equal(second.from, 6);
  stream.deliver(second, 6, `${B} 4 3`);
  stream.deliver(second, 7, `${B} 5 3`);
  stream.deliver(second, 8, undefined);
  stream.deliver(second, 9, `${B} 6 5`);
  assert.equal(stream.heard.length, 4);
  assert.deepEqual([stream.host.counts.cut, stream.host.receiver.counts.missed], [0, 0]);
});

Deno.test("A hole that a second server has as well is believed, and counted", async () => {
  const { stream, first } = await begun();
  await using _stream = stream;
  stream.last = 9;
  stream.deliver(first, 9, `${B} 6 5`);
  const second = await stream.consumer(2);
  stream.deliver(second, 9, `${B} 6 5`);
  stream.deliver(second, 12, `${B} 7 6`); // Such a stream has holes.
  assert.deepEqual(stream.heard, [`${B} 6 5 at 9`, `${B} 7 6 at 12`]);
  assert.deepEqual([stream.host.counts.cut, stream.host.receiver.counts.missed], [5, 2]);
});

Deno.test("A consumer whose making is not answered in time is made again, and what both bring is heard once", async () => {
  await using stream = new ScriptedStream();
  stream.pending = undefined;
  const first = await stream.consumer(1);
  stream.deliver(first, 1, `${B} 1 0`);
  stream.last = 1;
  await until(() => stream.problems.length > 0);
  stream.pending = 0;
  const second = await stream.consumer(2);
  await until(() => stream.session.isWell);
  stream.deliver(first, 2, `${B} 2 1`);
  stream.deliver(second, second.from!, `${B} ${second.from} ${second.from! - 1}`);
  assert.deepEqual(stream.heard, [`${B} 1 0 at 1`, `${B} 2 1 at 2`]);
});

Deno.test("A consumer that lives and brings nothing of what is confirmed is made anew", async () => {
  await using stream = new ScriptedStream();
  const first = await stream.consumer(1);
  await until(() => stream.session.isWell);
  stream.host.queue.push("braviz.lab.x", new Uint8Array(5), false);
  stream.session.pump();
  stream.session.tick(performance.now());
  stream.confirm(1, 1);
  stream.last = 1;
  for (const ms of [1000, 1000, 900]) {
    stream.beat(first);
    stream.pass(ms);
  }
  assert.equal(stream.consumers.length, 1);
  stream.beat(first);
  stream.pass(200);
  const second = await stream.consumer(2);
  stream.deliver(second, 1, `${stream.host.queue.instance} 1 0`);
  assert.equal(stream.host.counts.ownBack, 1);
  assert.equal(stream.host.queue.away, 0);
});

Deno.test("A session that loses its consumer before it began still knows what was there before it came", async () => {
  await using stream = new ScriptedStream(2);
  stream.pending = undefined;
  const first = await stream.consumer(1);
  assert.equal(first.from, 1);
  await until(() => stream.problems.length > 0);
  stream.pending = 3;
  stream.last = 3;
  const second = await stream.consumer(2);
  for (const number of [1, 2, 3]) stream.deliver(second, number, `${B} ${number} ${number - 1}`);
  assert.deepEqual(stream.heard, [`${B} 3 2 at 3`]);
});
