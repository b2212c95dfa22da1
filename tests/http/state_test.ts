/** What is valid now: the newest message of each kind, also when it is long gone from the window. */
import assert from "node:assert/strict";
import { messageGateway } from "../../http.ts";
import { soon } from "../support/deadline.ts";
import { quiet } from "./support/bus.ts";
import { StreamReader } from "./support/stream_reader.ts";
import { TestBroker } from "./support/test_broker.ts";

interface State {
  readonly cursor: string;
  readonly values: readonly {
    readonly type: string;
    readonly target: unknown;
    readonly seq: number;
    readonly time: number;
    readonly message: Record<string, unknown>;
  }[];
}

/** What the gateway answers after these messages. */
async function answerAfter(texts: readonly string[], path: string, broker: TestBroker): Promise<string> {
  await using gateway = messageGateway(broker.server, quiet);
  for (const text of texts) broker.receive(text);
  const response = await gateway(new Request(`http://127.0.0.1${path}`));
  assert.equal(response.status, 200);
  return await response.text();
}

async function stateAfter(texts: readonly string[], query = ""): Promise<State> {
  await using broker = new TestBroker();
  return JSON.parse(await answerAfter(texts, `/messages/state${query}`, broker));
}

const messages = ({ values }: State) => values.map(({ message }) => message);

Deno.test("state: the newest subject, sample and variables, oldest first, and nothing else", async () => {
  const state = await stateAfter([
    '{"type":"variables","variables":["age"]}',
    '{"type":"subject","subject":1}',
    '{"type":"sample","sample":[1,2]}',
    '{"type":"subject","subject":2}',
    '{"type":"log","action":"x"}',
    '{"type":"visualization","source":"a"}',
    '{"no":"type"}',
  ]);
  assert.deepEqual(messages(state), [
    { type: "variables", variables: ["age"] },
    { type: "sample", sample: [1, 2] },
    { type: "subject", subject: 2 },
  ]);
  assert.deepEqual(state.values.map(({ seq }) => seq), [1, 3, 4]);
  assert.match(state.cursor, /\.7$/);
});

Deno.test("state: one value for each target, and one for messages without", async () => {
  const state = await stateAfter([
    '{"type":"sample","sample":[1],"target":"left"}',
    '{"type":"sample","sample":[2],"target":"right"}',
    '{"type":"sample","sample":[3]}',
    '{"type":"sample","sample":[4],"target":"left"}',
  ]);
  assert.deepEqual(state.values.map(({ target, message }) => [target, message.sample]), [
    ["right", [2]],
    [null, [3]],
    ["left", [4]],
  ]);
});

Deno.test("state: other kinds when they are asked for; Visualization and visualization are one", async () => {
  const texts = ['{"type":"visualization","source":"a"}', '{"type":"Visualization","source":"b"}'];
  for (const query of ["?type=visualization", "?type=Visualization", "?type=subject,visualization"]) {
    const state = await stateAfter(texts, query);
    assert.deepEqual(messages(state), [{ type: "Visualization", source: "b" }]);
    assert.equal(state.values[0]!.type, "visualization");
  }
});

Deno.test("state: a text stands in it as it came", async () => {
  await using broker = new TestBroker();
  const text = '{ "type":"subject", "subject":12345678901234567890,\n "a":1.0, "a":2 }';
  const answer = await answerAfter([text], "/messages/state", broker);
  assert.ok(answer.includes(`"message":${text}}`), answer);
});

Deno.test("state: what has left the window is still there, as is the last message of a type", async () => {
  const flood = Array.from({ length: 1000 }, (_, n) => `{"type":"log","n":${n}}`);
  const texts = ['{"type":"subject","subject":119}', ...flood];
  for (const path of ["/messages/state", "/messages?type=subject", "/messages?type=sub*"]) {
    await using broker = TestBroker.holding(10);
    const answer = await answerAfter(texts, path, broker);
    assert.match(answer, /119/, path);
    assert.equal(broker.oldest, 992);
  }
});

Deno.test("state: from its cursor a stream goes on without a gap and without a double", async () => {
  await using broker = new TestBroker();
  await using gateway = messageGateway(broker.server, quiet);
  const get = async (path: string) => await gateway(new Request(`http://127.0.0.1${path}`));
  broker.receiveMany(3);
  const { cursor, values }: State = await (await get("/messages/state")).json();
  assert.equal(values[0]!.message.n, 3);
  broker.receiveMany(1);
  await using reader = new StreamReader(await get(`/messages/stream?since=${cursor}`));
  const [open, message] = [await soon(reader.next()), await soon(reader.next())];
  assert.equal(open?.event, "open");
  assert.equal(JSON.parse(message!.data).n, 4);
});
