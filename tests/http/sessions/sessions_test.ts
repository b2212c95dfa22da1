/** The list of sessions, and what is changed of one. */
import assert from "node:assert/strict";
import { soon } from "../../support/deadline.ts";
import { log, Recorded } from "../support/recorded.ts";

Deno.test("GET /sessions lists sessions, newest first, with what they hold", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"), { type: "subject", subject: 119 });
  const begun = await bus.ask("POST", "/sessions", { name: "Wednesday" });
  assert.equal(begun.status, 201);
  assert.equal(begun.headers.get("location"), `/sessions/${begun.json.id}`);
  await bus.recorder.flushed();
  const { status, json } = await bus.get("/sessions");
  assert.equal(status, 200);
  assert.equal(json.next, null);
  assert.deepEqual(json.sessions.map(({ name }: { name: string }) => name), ["Wednesday", "Tuesday"]);
  const [, tuesday] = json.sessions;
  assert.equal(tuesday.messages, 2);
  assert.equal(tuesday.events, 1);
  assert.equal(json.sessions[0].ended, null);
});

Deno.test("GET /sessions goes on page by page", async () => {
  await using bus = await Recorded.start();
  for (const name of ["b", "c", "d", "e"]) await bus.recorder.split({ name });
  const names: string[] = [];
  for (let cursor = "";;) {
    const { json } = await bus.get(`/sessions?limit=2${cursor}`);
    names.push(...json.sessions.map(({ name }: { name: string }) => name));
    assert.ok(json.sessions.length <= 2);
    if (json.next === null) break;
    cursor = `&cursor=${json.next}`;
  }
  assert.deepEqual(names, ["e", "d", "c", "b", "Tuesday"]);
});

Deno.test("GET /sessions finds words of names, descriptions, actions and notes, and sessions with a star", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated the brain"));
  await bus.ask("POST", "/sessions/1/notes", { at: 1, text: "remarkable" });
  await bus.recorder.split({ name: "Wednesday" });
  await bus.ask("PATCH", "/sessions/2", { description: "with Ana" });
  await bus.recorder.split({ name: "Thursday" });
  await bus.ask("PATCH", "/sessions/3", { star: true });
  const found = async (query: string) =>
    (await bus.get(`/sessions?${query}`)).json.sessions.map(({ id }: { id: number }) => id);
  assert.deepEqual(await found("q=rotated"), [1]);
  assert.deepEqual(await found("q=remarkable"), [1]);
  assert.deepEqual(await found("q=Ana"), [2]);
  assert.deepEqual(await found("q=Thursday"), [3]);
  assert.deepEqual(await found("q=%22%20unbalanced"), []);
  assert.deepEqual(await found("starred=1"), [3]);
  assert.deepEqual(await found("to=2020-01-01"), []);
  assert.deepEqual(await found("from=2020-01-01T00:00:00Z"), [3, 2, 1]);
});

Deno.test("PATCH /sessions/{id} renames, describes and marks; what is left out stays", async () => {
  await using bus = await Recorded.start();
  const name = "a & b + 100 % <b>";
  const changed = await bus.ask("PATCH", "/sessions/1", { name });
  assert.equal(changed.status, 200);
  await bus.ask("PATCH", "/sessions/1", { star: true });
  await bus.ask("PATCH", "/sessions/1", { description: "two\nlines" });
  const { json } = await bus.get("/sessions/1");
  assert.deepEqual([json.name, json.star, json.description], [name, true, "two\nlines"]);
});

Deno.test("DELETE /sessions/{id} deletes a session for good, but never the one that is recorded", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("a word to be forgotten: zyzzyva"));
  const running = await bus.ask("DELETE", "/sessions/1");
  assert.deepEqual([running.status, running.json.code], [409, "running"]);
  await bus.ask("POST", "/sessions", {});
  await bus.recorder.flushed();
  assert.equal((await bus.ask("DELETE", "/sessions/1")).status, 204);
  assert.equal((await bus.get("/sessions/1")).json.code, "no-session");
  assert.equal((await bus.ask("DELETE", "/sessions/1")).status, 404);
  assert.deepEqual((await bus.get("/sessions?q=zyzzyva")).json.sessions, []);
});

Deno.test("/recording tells who records and where to, and pauses it", async () => {
  await using bus = await Recorded.start();
  await bus.say({ type: "subject", subject: 1 });
  const { json } = await bus.get("/recording");
  assert.equal(json.path, bus.archive.path);
  assert.equal(json.recorder.state, "recording");
  assert.equal(json.recorder.paused, false);
  assert.equal(json.recorder.onDisk, 1);
  assert.equal(json.replay, null);
  const paused = await bus.ask("PATCH", "/recording", { paused: true });
  assert.deepEqual([paused.status, paused.json.recorder.state], [200, "paused"]);
  await bus.say({ type: "subject", subject: 2 });
  await bus.ask("PATCH", "/recording", { paused: false });
  await bus.say({ type: "subject", subject: 3 });
  const { messages } = (await bus.get("/sessions/1/messages")).json;
  assert.deepEqual(messages.map(({ message }: { message: { subject: number } }) => message.subject), [1, 3]);
});

Deno.test("An archive that is not recorded into can be read, but no session can be begun or paused", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"));
  await bus.recorder.end();
  assert.equal((await bus.get("/sessions/1/events")).json.events.length, 1);
  for (
    const [method, path, body] of [["POST", "/sessions", {}], ["PATCH", "/recording", {
      paused: true,
    }]] as const
  ) {
    const { status, json } = await bus.ask(method, path, body);
    assert.deepEqual([status, json.code], [409, "not-recording"]);
  }
});

Deno.test("/metrics has the counters of the recorder, losses by reason", async () => {
  await using bus = await Recorded.start({}, { maxWaitingBytes: 400_000 });
  await bus.flood(40_000);
  const { text } = await bus.get("/metrics");
  const value = (name: string) =>
    Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
  const lost = value('braviz_archive_lost_messages_total{reason="behind"}');
  assert.ok(lost > 0);
  assert.equal(value("braviz_archive_written_messages_total") + lost, 40_000);
  assert.equal(value('braviz_archive_state{state="recording"}'), 1);
  assert.equal(value("braviz_archive_gaps_total"), 1);
});

Deno.test("GET …/export gives every text as it came, as many lines as messages", async () => {
  await using bus = await Recorded.start();
  const texts = ['{"type":"subject",  "subject":12345678901234567890}', '{"b":1,"a":2}'];
  await bus.say(...texts);
  const { status, headers, text } = await bus.get("/sessions/1/export");
  assert.equal(status, 200);
  assert.match(headers.get("content-type")!, /x-ndjson/);
  assert.match(headers.get("content-disposition")!, /session-1\.ndjson/);
  assert.deepEqual(text.trimEnd().split("\n"), texts);
  const lines = (await bus.get("/sessions/1/export?json=1")).text.trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line).seq), [1, 2]);
  assert.equal((await bus.get("/sessions/9/export")).json.code, "no-session");
});

Deno.test("GET …/export of a reader that leaves in the middle does not hold up the stop of the gateway", async () => {
  await using bus = await Recorded.start();
  await bus.flood(50_000);
  const response = await fetch(`${bus.url}/sessions/1/export`);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal(await soon(bus.gateway.close(), "the stop"), true);
});
