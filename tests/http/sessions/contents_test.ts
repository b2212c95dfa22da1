/** Events, messages, gaps, notes and pictures of a session. */
import assert from "node:assert/strict";
import { png } from "../support/png.ts";
import { log, Recorded } from "../support/recorded.ts";

const seqs = (entries: readonly { readonly seq: number }[]) => entries.map(({ seq }) => seq);

Deno.test("GET …/events goes on page by page, forwards and backwards", async () => {
  await using bus = await Recorded.start();
  for (let n = 1; n <= 7; n += 1) await bus.say(log(`step ${n}`), { type: "subject", subject: n });
  const first = (await bus.get("/sessions/1/events?limit=3")).json;
  assert.deepEqual([seqs(first.events), first.cursor, first.more], [[1, 3, 5], "s1.5", true]);
  const second = (await bus.get(`/sessions/1/events?limit=3&since=${first.cursor}`)).json;
  assert.deepEqual([seqs(second.events), second.more], [[7, 9, 11], true]);
  const last = (await bus.get(`/sessions/1/events?limit=3&since=${second.cursor}`)).json;
  assert.deepEqual([seqs(last.events), last.cursor, last.more], [[13], "s1.13", false]);
  const before = (await bus.get("/sessions/1/events?limit=3&before=s1.11")).json;
  assert.deepEqual([seqs(before.events), before.cursor, before.more], [[5, 7, 9], "s1.5", true]);
  const top = (await bus.get(`/sessions/1/events?limit=3&before=${before.cursor}`)).json;
  assert.deepEqual([seqs(top.events), top.more], [[1, 3], false]);
});

Deno.test("GET …/events filters by words, application, instance, star and time, also backwards", async () => {
  await using bus = await Recorded.start();
  await bus.say(
    log("rotated the brain"),
    log("rotated the legend", { application: "overview", pid: 7 }),
    log("zoomed", { pid: "7" }),
    log("rotated the brain again"),
  );
  const star = await bus.ask("PATCH", "/sessions/1/events/3", { star: true });
  assert.deepEqual([star.status, star.json.star], [200, true]);
  const found = async (query: string) => seqs((await bus.get(`/sessions/1/events?${query}`)).json.events);
  assert.deepEqual(await found("q=rotated+brain"), [1, 4]);
  assert.deepEqual(await found("q=rotated&before=4"), [1, 2]);
  assert.deepEqual(await found("application=overview"), [2]);
  assert.deepEqual(await found("instance=7"), [2]);
  assert.deepEqual(await found("instance=%227%22"), [3]);
  assert.deepEqual(await found("starred=1"), [3]);
  assert.deepEqual(await found("to=2020-01-01"), []);
  const { events } = (await bus.get("/sessions/1/events")).json;
  assert.deepEqual(await found(`from=${events[2].time}`), [3, 4]);
  await bus.ask("PATCH", "/sessions/1/events/3", { star: false });
  assert.deepEqual(await found("starred=1"), []);
});

Deno.test("GET …/messages gives the texts as they came, in the form of the history", async () => {
  await using bus = await Recorded.start();
  const text = '{"type":"subject",  "subject":12345678901234567890,"subject":2}';
  await bus.say(text, { type: "sample", sample: [1] });
  const { text: body, json } = await bus.get("/sessions/1/messages");
  assert.ok(body.includes(`"message":${text}}`));
  assert.deepEqual([json.missed, json.more, json.cursor, json.gaps], [0, false, "s1.2", []]);
  assert.deepEqual(seqs(json.messages), [1, 2]);
  assert.equal(json.messages[1].cursor, "s1.2");
  const behind = (await bus.get("/sessions/1/messages?since=s1.1")).json;
  assert.deepEqual(seqs(behind.messages), [2]);
  assert.deepEqual(seqs((await bus.get("/sessions/1/messages?type=sam*")).json.messages), [2]);
  assert.deepEqual(seqs((await bus.get("/sessions/1/messages?q=1234567890")).json.messages), [1]);
  const one = await bus.get("/sessions/1/messages/1");
  assert.deepEqual([one.status, one.text], [200, text]);
  assert.equal((await bus.get("/sessions/1/messages/3")).json.code, "no-entry");
});

Deno.test("GET …/messages tells what is missing, and where; so does the timeline", async () => {
  await using bus = await Recorded.start({}, { maxWaitingBytes: 400_000 });
  await bus.say({ type: "subject", subject: 1 });
  await bus.flood(40_000);
  await bus.say({ type: "subject", subject: 2 });
  let [seen, missed, cursor] = [0, 0, "s1.0"];
  for (let more = true; more;) {
    const { json } = await bus.get(`/sessions/1/messages?limit=1000&since=${cursor}`);
    for (const gap of json.gaps) {
      assert.equal(gap.reason, "behind");
      assert.ok(gap.after >= Number(cursor.split(".")[1]));
    }
    assert.equal(
      json.missed,
      json.gaps.reduce((sum: number, gap: { missed: number }) => sum + gap.missed, 0),
    );
    seen += json.messages.length;
    missed += json.missed;
    ({ cursor, more } = json);
  }
  assert.ok(missed > 0);
  assert.equal(seen + missed, 40_002);
  const timeline = (await bus.get("/sessions/1/timeline?buckets=10")).json;
  assert.equal(timeline.buckets, 10);
  const counted = timeline.types.flatMap(({ counts }: { counts: number[] }) => counts);
  assert.equal(counted.reduce((sum: number, count: number) => sum + count, 0), seen);
  assert.equal(timeline.gaps.reduce((sum: number, gap: { missed: number }) => sum + gap.missed, 0), missed);
});

Deno.test("Notes are written, changed, listed and deleted; every character stays", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"), { type: "subject", subject: 1 });
  const text = "a & b + 100 % <b>ü</b>\n\u{1f9e0}";
  const note = await bus.ask("POST", "/sessions/1/notes", { at: 1, text });
  assert.equal(note.status, 201);
  assert.deepEqual([note.json.seq, note.json.text, note.json.edited], [1, text, null]);
  const { time } = (await bus.get("/sessions/1/events")).json.events[0];
  const onTime = await bus.ask("POST", "/sessions/1/notes", {
    at: new Date(time).toISOString(),
    text: "then",
  });
  assert.equal(onTime.json.seq, null);
  const path = `/sessions/1/notes/${note.json.id}`;
  const changed = await bus.ask("PATCH", path, { text: "shorter" });
  assert.deepEqual([changed.json.text, changed.json.edited >= changed.json.written], ["shorter", true]);
  const texts = async () =>
    (await bus.get("/sessions/1/notes")).json.notes.map(({ text }: { text: string }) => text).toSorted();
  assert.deepEqual(await texts(), ["shorter", "then"]);
  assert.equal((await bus.ask("DELETE", path)).status, 204);
  assert.deepEqual(await texts(), ["then"]);
  assert.equal((await bus.ask("PATCH", path, { text: "x" })).json.code, "no-entry");
  assert.equal((await bus.ask("DELETE", path)).json.code, "no-entry");
});

Deno.test("GET …/screenshot gives a picture that is a PNG, and nothing else", async () => {
  await using bus = await Recorded.start();
  const picture = await png((x, y) => [255 * x, 255 * y, 0]);
  const html = new TextEncoder().encode("<script>alert(1)</script>").toBase64();
  await bus.say(log("with", { screenshot: picture }), log("without"), log("no PNG", { screenshot: html }));
  const response = await fetch(`${bus.url}/sessions/1/events/1/screenshot`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "image/png");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  assert.deepEqual(await response.bytes(), Uint8Array.fromBase64(picture));
  for (const seq of [2, 3, 4]) {
    assert.equal((await bus.get(`/sessions/1/events/${seq}/screenshot`)).json.code, "no-entry", String(seq));
  }
});
