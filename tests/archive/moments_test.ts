/** What was valid at a moment, against a model that reads everything; and the way back, byte by byte. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { reloadText } from "../../archive/go_to.ts";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import type { Plan } from "../../bus/recording.ts";
import { until } from "../support/deadline.ts";
import { add, feedOf, log, recordTexts, TempFile } from "./support/files.ts";

/** The plan as somebody finds it who reads the whole session up to the message. */
function naive(texts: readonly string[], seq: number) {
  const values = new Map<string, number>();
  const instances = new Map<string, { last: number; restorable: number | undefined }>();
  texts.slice(0, seq).forEach((text, i) => {
    const message = JSON.parse(text);
    if (["subject", "sample", "variables"].includes(message.type)) {
      const key = message.target === undefined
        ? message.type
        : `${message.type} ${JSON.stringify(message.target)}`;
      values.delete(key);
      values.set(key, i + 1);
    }
    if (message.type !== "log" || message.pid === undefined) return;
    const key = JSON.stringify(message.pid);
    const before = instances.get(key);
    const { state } = message;
    const isRestorable = typeof state === "object" && state !== null && Object.keys(state).length > 0;
    instances.set(key, { last: i + 1, restorable: isRestorable ? i + 1 : before?.restorable });
  });
  return {
    values: [...values].map(([key, seq]) => ({ key, seq })),
    instances: [...instances].map(([instance, { last, restorable }]) => ({
      instance,
      seq: restorable ?? last,
      restorable: restorable !== undefined,
    })),
  };
}

function shortened({ values, instances }: Plan) {
  return {
    values: values.map(({ key, seq }) => ({ key, seq })),
    instances: instances.map(({ instance, seq, restorable }) => ({ instance, seq, restorable })),
  };
}

const target = fc.constantFrom(undefined, 1, "1", "ü", null, { a: 1 });
const message = fc.oneof(
  fc.record({ type: fc.constantFrom("subject", "sample", "variables", "cursor"), target, n: fc.nat(9) }),
  fc.record({
    type: fc.constant("log"),
    pid: fc.constantFrom(undefined, 1, "1", 2, "a"),
    state: fc.constantFrom({}, { a: 1 }, [], [1], null, "text", undefined),
    action: fc.string({ maxLength: 10 }),
  }),
  fc.record({ type: fc.constantFrom("reload", "ready"), target }),
);

Deno.test("What is valid at a moment is what a model says that reads everything, in whichever blocks it lies", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ message, isCut: fc.integer({ min: 0, max: 4 }) }), {
        minLength: 1,
        maxLength: 40,
      }),
      async (items) => {
        const texts = items.map(({ message }) => JSON.stringify(message));
        await using recorder = await archive.record({ past: { messages: 0, bytes: 0 } });
        const feed = feedOf(recorder);
        for (const [i, text] of texts.entries()) {
          add(feed, text);
          // A hole of the numbers begins another block.
          if (items[i]!.isCut === 0) feed.skip(1, "slow");
        }
        await recorder.flushed();
        for (const seq of new Set([0, 1, Math.ceil(texts.length / 2), texts.length])) {
          const plan = await archive.stateAt(recorder.session, { seq });
          assert.deepEqual(shortened(plan), naive(texts, seq), `after ${seq} of ${texts.join("\n")}`);
          for (const { seq, text } of plan.values) assert.equal(text, texts[seq - 1]);
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("A moment may be a time: what came then counts, what came later does not", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const session = await recordTexts(archive, [
    '{"type":"subject","subject":1}',
    '{"type":"subject","subject":2}',
  ]);
  const { messages: [first, second] } = await archive.messages(session);
  const at = async (time: number) => (await archive.stateAt(session, { time })).values.map(({ seq }) => seq);
  assert.deepEqual(await at(first!.time - 1), []);
  assert.deepEqual(await at(second!.time + 1), [2]);
  if (first!.time < second!.time) assert.deepEqual(await at(first!.time), [1]);
});

const encoder = new TextEncoder();

Deno.test({
  name:
    "reloadText() takes instance and state out of the bytes: large numbers, white space and escapes survive",
  permissions: "none",
  fn() {
    const reload = (text: string) => reloadText(encoder.encode(text));
    assert.equal(
      reload(
        '{"type":"log", "state" : { "n" : 12345678901234567890.10,\n"s":"\\u00fc" } ,"pid":98765432109876543210,"x":1}',
      ),
      '{"type":"reload","target":98765432109876543210,"scenario":{ "n" : 12345678901234567890.10,\n"s":"\\u00fc" }}',
    );
    assert.equal(
      reload('{"state":1,"pid":"\\ud83d\\ude00","state":{"a":1},"type":"log"}'),
      '{"type":"reload","target":"\\ud83d\\ude00","scenario":{"a":1}}',
    );
    assert.equal(reload('{"type":"log","state":{"a":1}}'), undefined);
    assert.equal(reload('{"type":"log","pid":1}'), undefined);
  },
});

Deno.test("goTo() sends values first, then the reloads, as they were; what cannot be is told with its reason", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const texts = [
    log("a", { pid: 1, state: { x: 1 } }),
    '{"type":"subject", "subject":1}',
    log("b", { pid: "1", state: { x: 2 } }),
    log("c", { pid: 2, state: {} }),
    '{"type":"sample","sample":[1.0],"target":"a"}',
    log("d", { pid: 1, state: { x: 3 } }),
  ];
  const session = await recordTexts(archive, texts);
  await using server = new MessageServer();
  const heard: string[] = [];
  await using client = new PassiveMessageClient(server.addresses);
  client.addEventListener("message", ({ text }) => heard.push(text));
  await client.ready;
  const result = await archive.goTo(session, { seq: 5 }, server.local);
  await until(() => heard.length === 4);
  assert.deepEqual(heard, [
    texts[1],
    texts[4],
    '{"type":"reload","target":1,"scenario":{"x":1}}',
    '{"type":"reload","target":"1","scenario":{"x":2}}',
  ]);
  assert.deepEqual(result.skipped, [{ instance: "2", reason: "no-state" }]);
  assert.deepEqual(result.sent.map(({ type, instance, seq }) => [type, instance, seq]), [
    ["subject", null, 2],
    ["sample", null, 5],
    ["reload", "1", 1],
    ["reload", '"1"', 3],
  ]);
  heard.length = 0;
  const chosen = await archive.goTo(session, { seq: 6 }, server.local, {
    instances: ['"1"', "77"],
    values: [],
  });
  await until(() => heard.length === 1);
  assert.deepEqual(heard, ['{"type":"reload","target":"1","scenario":{"x":2}}']);
  assert.deepEqual(chosen.skipped, [{ instance: "77", reason: "unknown" }]);
  const { deeds } = await archive.timeline(session, 1);
  assert.deepEqual(deeds.map(({ kind }) => kind), ["goto", "goto"]);
});

Deno.test("A replay through the broker that is recorded is not recorded again, and one line says that it happened", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const session = await recordTexts(archive, ['{"type":"a","n":1}', '{"type":"a","n":2}']);
  await using recorder = await archive.record();
  await using server = new MessageServer({ recorder });
  server.sendJsonMessage('{"type":"live","n":1}');
  const player = await archive.play(session, server.local, { speed: Infinity });
  await assert.rejects(archive.play(session, server.local), { code: "running" });
  const { sent } = await player.finished;
  server.sendJsonMessage('{"type":"live","n":2}');
  await recorder.flushed();
  assert.equal(sent, 2);
  const { messages, gaps } = await archive.messages(recorder.session);
  assert.deepEqual(messages.map(({ text }) => text), ['{"type":"live","n":1}', '{"type":"live","n":2}']);
  assert.deepEqual(gaps, []);
  assert.deepEqual((await archive.timeline(session, 1)).deeds.map(({ kind }) => kind), ["replay"]);
  assert.equal(recorder.stats().leftOut.replay, 4, "two messages and two brackets");
});

Deno.test("Replaying the session that is being recorded ends where it ended when the replay began", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await using recorder = await archive.record();
  await using server = new MessageServer({ recorder });
  for (let n = 1; n <= 3; n++) server.sendJsonMessage(`{"type":"a","n":${n}}`);
  await recorder.flushed();
  const player = await archive.play(recorder.session, server.local, { speed: Infinity, loop: false });
  server.sendJsonMessage('{"type":"a","n":4}');
  assert.equal((await player.finished).sent, 3);
});
