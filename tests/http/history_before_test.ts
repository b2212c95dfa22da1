/** Paging back through the history. */
import assert from "node:assert/strict";
import { messageGateway } from "../../http.ts";
import { quiet } from "./support/bus.ts";
import { TestBroker } from "./support/test_broker.ts";

interface Page {
  readonly messages: readonly { readonly seq: number; readonly cursor: string; readonly message: unknown }[];
  readonly missed: number | null;
  readonly more: boolean;
  readonly before: string;
  readonly latest: string;
}

function pages(broker: TestBroker, query: string): (before: string) => Promise<Page> {
  const gateway = messageGateway(broker.server, quiet);
  return async (before) => {
    const response = await gateway(
      new Request(`http://127.0.0.1/messages/history?before=${before}&${query}`),
    );
    assert.equal(response.status, 200);
    return await response.json();
  };
}

const numbers = ({ messages }: Page) => messages.map(({ seq }) => seq);

Deno.test("history: before pages back through all that is held, without a double", async () => {
  await using broker = TestBroker.holding(600);
  broker.receiveMany(1000);
  const page = pages(broker, "limit=250");
  const newest = await page("now");
  assert.deepEqual(numbers(newest), Array.from({ length: 250 }, (_, i) => 751 + i));
  const all = [...numbers(newest)];
  let last = newest;
  while (last.more) {
    last = await page(last.before);
    all.unshift(...numbers(last));
  }
  assert.equal(all.length, broker.count - broker.oldest + 1);
  assert.deepEqual(all, Array.from({ length: all.length }, (_, i) => broker.oldest + i));
  assert.equal(last.missed, 0);
  assert.deepEqual(numbers(await page(last.before)), []);
});

Deno.test("history: before goes with a filter, and finds what is far back", async () => {
  await using broker = TestBroker.holding(5000);
  broker.receiveMany(3, "rare");
  broker.receiveMany(2000, "often");
  const page = pages(broker, "limit=2&type=rare");
  const newest = await page("now");
  assert.deepEqual([numbers(newest), newest.more], [[2, 3], true]);
  const first = await page(newest.before);
  assert.deepEqual([numbers(first), first.more], [[1], false]);
});

Deno.test("history: before a message are those in front of it, also when it is the oldest", async () => {
  await using broker = TestBroker.holding(100);
  const page = pages(broker, "limit=10");
  assert.deepEqual(numbers(await page("now")), []);
  broker.receiveMany(3);
  const { messages } = await page("now");
  assert.deepEqual(numbers(await page(messages[2]!.cursor)), [1, 2]);
  assert.deepEqual(numbers(await page(messages[0]!.cursor)), []);
  assert.deepEqual(numbers(await page("earliest")), []);
  const foreign = await page("zzzzzzzz.5");
  assert.deepEqual([numbers(foreign), foreign.missed], [[], null]);
});

Deno.test("history: before answers with 8 MiB at most, the newest first", async () => {
  await using broker = TestBroker.holding(100);
  for (let n = 0; n < 4; n += 1) broker.receive(`{"n":${n},"text":"${"x".repeat(3 * 1_048_576)}"}`);
  const page = pages(broker, "limit=100");
  const newest = await page("now");
  assert.ok(newest.messages.length < 4);
  assert.equal(newest.messages.at(-1)!.seq, 4);
  const [first] = numbers(newest);
  assert.equal(numbers(await page(newest.before)).at(-1), first! - 1);
});
