/** The way back to a moment, and replay. */
import assert from "node:assert/strict";
import { PassiveMessageClient } from "../../../client.ts";
import { serveGateway } from "../../../http.ts";
import { until } from "../../support/deadline.ts";
import { quiet } from "../support/bus.ts";
import { log, Recorded } from "../support/recorded.ts";

/** What comes over the bus from now on. */
async function listen(bus: Recorded): Promise<{ readonly texts: string[] } & AsyncDisposable> {
  const texts: string[] = [];
  const client = new PassiveMessageClient({ serverBroadcast: bus.server.broadcastAddress });
  client.addEventListener("message", ({ text }) => texts.push(text));
  await client.ready;
  return { texts, [Symbol.asyncDispose]: () => client.close() };
}

const STATE = '{"big":12345678901234567890,"camera":{"zoom":1.25}}';
const LOG = `{"type":"log","action":"rotated","state":${STATE},"pid":"a-1","application":"anova","time":0}`;

/** Two subjects, two instances of which one has no state. */
async function work(bus: Recorded): Promise<void> {
  await bus.say(
    { type: "subject", subject: 1 },
    LOG,
    log("started", { state: {}, pid: 7, application: "menu" }),
    { type: "subject", subject: 2 },
    log("later", { pid: "a-1" }),
  );
}

Deno.test("GET …/state is the plan of a way back, and sends nothing", async () => {
  await using bus = await Recorded.start();
  await work(bus);
  await using heard = await listen(bus);
  const { status, json } = await bus.get("/sessions/1/state?at=s1.4");
  assert.equal(status, 200);
  assert.deepEqual(json.values.map(({ type, seq }: { type: string; seq: number }) => [type, seq]), [[
    "subject",
    4,
  ]]);
  assert.deepEqual(
    json.instances.map(({ instance, seq, restorable, reason }: Record<string, unknown>) => [
      instance,
      seq,
      restorable,
      reason,
    ]),
    [['"a-1"', 2, true, null], ["7", 3, false, "no-state"]],
  );
  const [{ time }] = (await bus.get("/sessions/1/events")).json.events;
  assert.equal((await bus.get(`/sessions/1/state?at=${new Date(time + 60_000).toISOString()}`)).json.seq, 5);
  bus.server.sendMessage({ type: "end" });
  await until(() => heard.texts.length === 1, "the only message");
});

Deno.test("POST …/goto sends the chosen values and states as they were, and says what it left out", async () => {
  await using bus = await Recorded.start();
  await work(bus);
  await using heard = await listen(bus);
  const { status, json } = await bus.ask("POST", "/sessions/1/goto", { at: 3 });
  assert.equal(status, 202);
  assert.deepEqual(json.sent.map(({ type }: { type: string }) => type), ["subject", "reload"]);
  assert.deepEqual(json.skipped, [{ instance: "7", reason: "no-state" }]);
  await until(() => heard.texts.length === 2, "both messages");
  assert.equal(heard.texts[0], '{"type":"subject","subject":1}');
  assert.ok(heard.texts[1]!.includes(STATE), heard.texts[1]);
  assert.equal(JSON.parse(heard.texts[1]!).target, "a-1");
  const chosen = await bus.ask("POST", "/sessions/1/goto", { at: 4, values: [], instances: ['"a-1"'] });
  assert.deepEqual(chosen.json.sent.map(({ type }: { type: string }) => type), ["reload"]);
  const { deeds } = (await bus.get("/sessions/1/timeline")).json;
  assert.deepEqual(deeds.map(({ kind }: { kind: string }) => kind), ["goto", "goto"]);
});

Deno.test("/replay: begun paused, by steps, faster, elsewhere, ended; one at a time", async () => {
  await using bus = await Recorded.start();
  for (let n = 1; n <= 9; n += 1) await bus.say({ type: "subject", subject: n });
  await bus.ask("POST", "/sessions", {});
  assert.equal((await bus.get("/replay")).json.code, "no-replay");
  await using heard = await listen(bus);
  const subjects = () =>
    heard.texts.map((text) => JSON.parse(text)).filter(({ type }) => type === "subject").map(({ subject }) =>
      subject
    );
  const begun = await bus.ask("POST", "/replay", { session: 1, paused: true, from: 2 });
  assert.deepEqual([begun.status, begun.json.state, begun.json.failed], [201, "paused", null]);
  const second = await bus.ask("POST", "/replay", { session: 1 });
  assert.deepEqual([second.status, second.json.code], [409, "running"]);
  await bus.ask("POST", "/replay/step", {});
  await bus.ask("POST", "/replay/step", { messages: 2 });
  await until(() => subjects().length === 3, "three steps");
  assert.deepEqual(subjects(), [2, 3, 4]);
  const there = await bus.ask("PATCH", "/replay", { at: "s1.8", speed: "max" });
  assert.deepEqual([there.status, there.json.state, there.json.speed], [200, "paused", null]);
  await bus.ask("POST", "/replay/step");
  await until(() => subjects().length === 4, "a step elsewhere");
  assert.deepEqual(subjects().at(-1), 8);
  assert.equal((await bus.get("/recording")).json.replay.session, 1);
  assert.equal(
    (await bus.ask("PATCH", "/replay", { at: 2, speed: 0.01, paused: false })).json.state,
    "playing",
  );
  assert.equal((await bus.ask("PATCH", "/replay", { paused: true })).json.state, "paused");
  const ended = await bus.ask("DELETE", "/replay");
  assert.deepEqual([ended.status, ended.json.state], [200, "ended"]);
  assert.equal((await bus.get("/replay")).json.state, "ended");
  for (
    const [method, path] of [["PATCH", "/replay"], ["POST", "/replay/step"], ["DELETE", "/replay"]] as const
  ) {
    assert.equal((await bus.ask(method, path, {})).json.code, "no-replay", `${method} ${path}`);
  }
});

Deno.test("/replay goes to its end by itself, and leaves out what was not asked for", async () => {
  await using bus = await Recorded.start();
  await bus.say({ type: "subject", subject: 1 }, log("rotated"), { type: "sample", sample: [1] });
  await bus.ask("POST", "/sessions", {});
  await using heard = await listen(bus);
  await bus.ask("POST", "/replay", { session: 1, speed: "max" });
  await until(() => heard.texts.some((text) => text.includes('"end"')), "the bracket");
  await bus.archive.replay!.finished;
  const { state, sent, leftOut } = (await bus.get("/replay")).json;
  assert.deepEqual([state, sent, leftOut], ["ended", 2, 1]);
  const types = heard.texts.map((text) => JSON.parse(text).type);
  assert.deepEqual(types, ["replay", "subject", "sample", "replay"]);
});

Deno.test("A gateway that only listens can look at everything, but neither replays nor goes back", async () => {
  await using bus = await Recorded.start();
  await work(bus);
  await using client = new PassiveMessageClient({ serverBroadcast: bus.server.broadcastAddress });
  await client.ready;
  await using gateway = serveGateway(client, { port: 0, ...quiet, archive: bus.archive });
  const post = async (path: string, body: object) => {
    const response = await fetch(gateway.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return (await response.json()).code;
  };
  assert.equal(
    (await fetch(`${gateway.url}/sessions/1/events`).then((response) => response.json())).events.length,
    3,
  );
  assert.equal(await post("/sessions/1/goto", { at: 1 }), "method-not-allowed");
  assert.equal(await post("/replay", { session: 1 }), "method-not-allowed");
});
