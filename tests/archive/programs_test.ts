/** The commands of client.ts for recordings, as processes with the permissions that they name. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { Archive } from "../../archive/mod.ts";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { type Ended, Program, run } from "../support/program.ts";
import { allTexts, log, recordTexts, TempFile } from "./support/files.ts";
import { permissionsFor } from "./support/recorded_broker.ts";

/** Runs a command that only reads the file. */
function read(file: TempFile, command: string, ...args: readonly string[]): Promise<Ended> {
  return run([`--allow-read=${file.path}`, "client.ts", command, file.path, ...args]);
}

/** Runs a command with text on its stdin. */
async function withInput(text: string, args: readonly string[]): Promise<Ended> {
  await using program = new Program(args);
  await program.say(text);
  return await program.ended();
}

async function startRecorder(
  file: TempFile,
  server: MessageServer,
  ...flags: readonly string[]
): Promise<Program> {
  const program = new Program([
    ...permissionsFor(file.path),
    ...["client.ts", "record", file.path, "--broadcast", server.broadcastAddress, ...flags],
  ]);
  assert.match((await program.line())!, /^Recording tcp:/);
  return program;
}

/** Waits until the file has so many messages in its sessions together. */
async function recorded(file: TempFile, messages: number): Promise<void> {
  await using archive = await file.open({ create: false });
  const ask = async () => {
    while (true) {
      const { sessions } = await archive.sessions();
      if (sessions.reduce((sum, session) => sum + session.messages, 0) === messages) return;
      await pause(10);
    }
  };
  await soon(ask(), `${messages} messages in the file`);
}

/** A session with subjects and logs, and what its time was. */
async function recordedSession(file: TempFile): Promise<string[]> {
  const texts = [
    '{"type":"subject","subject":1}',
    log("opened", { state: { n: 1 } }),
    '{"type":"subject","subject":12345678901234567890}',
    log("looked", { pid: 7, application: "overview", state: {} }),
    '{"type":"cursor", "x": 1.0}',
  ];
  await using archive = await file.open();
  await recordTexts(archive, texts, { name: "Tuesday" });
  return texts;
}

Deno.test("client.ts record keeps what is broadcast, and says at its end how much that was", async () => {
  await using file = new TempFile();
  await using server = new MessageServer();
  await using recorder = await startRecorder(file, server, "--name", "a & b");
  for (let n = 0; n < 1000; n++) server.sendMessage({ type: "a", n });
  await recorded(file, 1000);
  recorder.kill("SIGINT");
  const { code, stdout, stderr } = await recorder.ended();
  assert.deepEqual([code, stdout], [0, "Session 1: 1000 messages\n"], stderr);
  await using archive = await file.open({ readOnly: true });
  const { name, clean, broker, lost } = await archive.session(1);
  assert.deepEqual([name, clean, broker, lost], ["a & b", true, server.broadcastAddress, 0]);
  assert.deepEqual(
    (await allTexts(archive, 1)).map((text) => JSON.parse(text).n),
    Array.from({ length: 1000 }, (_, n) => n),
  );
});

Deno.test("A recorder that was killed goes on where it was: what came meanwhile is in the next session", async () => {
  await using file = new TempFile();
  await using server = new MessageServer();
  {
    await using recorder = await startRecorder(file, server);
    server.sendMessage({ type: "a", n: 1 });
    await recorded(file, 1);
    recorder.kill("SIGKILL");
    await recorder.ended();
  }
  server.sendMessage({ type: "a", n: 2 });
  await using recorder = await startRecorder(file, server);
  server.sendMessage({ type: "a", n: 3 });
  await recorded(file, 3);
  recorder.kill("SIGTERM");
  assert.match((await recorder.ended()).stderr, /ended without a goodbye/);
  await using archive = await file.open({ readOnly: true });
  assert.deepEqual(await allTexts(archive, 2), ['{"type":"a","n":2}', '{"type":"a","n":3}']);
  const { gaps } = await archive.messages(1);
  assert.deepEqual(gaps.map(({ missed, reason }) => [missed, reason]), [[null, "killed"]]);
});

Deno.test("client.ts record --type and --except choose kinds", async () => {
  await using file = new TempFile();
  await using server = new MessageServer();
  await using recorder = await startRecorder(file, server, "--type", "a,vis*", "--except", "visual");
  for (const type of ["a", "b", "visitor", "visual", "a"]) server.sendMessage({ type });
  await recorded(file, 3);
  recorder.kill("SIGTERM");
  await recorder.ended();
  await using archive = await file.open({ readOnly: true });
  assert.deepEqual((await allTexts(archive, 1)).map((text) => JSON.parse(text).type), ["a", "visitor", "a"]);
});

Deno.test("client.ts record --keep-days deletes what ended long ago, but for what has a star", async () => {
  await using file = new TempFile();
  await using server = new MessageServer();
  {
    await using archive = await file.open();
    for (const name of ["old", "starred", "new"]) await recordTexts(archive, ["{}"], { name });
    await archive.changeSession(2, { star: true });
  }
  const db = new DatabaseSync(file.path);
  const day = 86_400_000_000;
  db.prepare("update session set started = started - ?, ended = ended - ? where id < 3").run(
    10 * day,
    10 * day,
  );
  db.close();
  await using recorder = await startRecorder(file, server, "--keep-days", "9");
  await using archive = await file.open({ readOnly: true });
  const ask = async () => {
    while ((await archive.sessions()).sessions.length !== 3) await pause(10);
  };
  await soon(ask(), "the old session to go");
  assert.deepEqual((await archive.sessions()).sessions.map(({ id }) => id), [4, 3, 2]);
  recorder.kill("SIGTERM");
  assert.equal((await recorder.ended()).code, 0);
});

Deno.test("client.ts sessions lists sessions, and the events of one; --json for programs", async () => {
  await using file = new TempFile();
  await recordedSession(file);
  const list = await read(file, "sessions");
  assert.equal(list.code, 0, list.stderr);
  assert.match(list.stdout, /^id .* name\n 1 .* 5 +2 +0 {2}Tuesday\n$/);
  const json = JSON.parse((await read(file, "sessions", "--json")).stdout);
  assert.deepEqual([json.id, json.messages, json.events], [1, 5, 2]);
  const events = await read(file, "sessions", "1");
  assert.match(
    events.stdout,
    /^session 1 "Tuesday": .*\n5 messages, 2 events, 0 notes\n\n#2 .* s. {2}anova "a-1": opened\n#4 .* {4}overview 7: looked\n$/,
  );
  const one = (await read(file, "sessions", "1", "--json", "--app", "overview")).stdout;
  assert.equal(JSON.parse(one).seq, 4);
  assert.equal((await read(file, "sessions", "--text", "nothing")).stdout, "no sessions\n");
});

Deno.test("client.ts export prints the texts as they were, and import makes the same session of it again", async () => {
  await using file = new TempFile();
  const texts = await recordedSession(file);
  const { code, stdout } = await read(file, "export");
  assert.deepEqual([code, stdout], [0, texts.map((text) => `${text}\n`).join("")]);
  const json = (await read(file, "export", "1", "--json")).stdout;
  await using copy = new TempFile();
  const importArgs = [...permissionsFor(copy.path), "client.ts", "import", copy.path];
  const imported = await withInput(json, importArgs);
  assert.deepEqual([imported.code, imported.stdout], [0, "session 1: 5 messages\n"], imported.stderr);
  assert.equal(
    (await run([`--allow-read=${copy.path}`, "client.ts", "export", copy.path, "--json"])).stdout,
    json,
  );
  const plain = await withInput(stdout, importArgs);
  assert.equal(plain.stdout, "session 2: 5 messages\n");
});

Deno.test("Several sessions in one export are as many when they are imported, with their gaps", async () => {
  await using file = new TempFile();
  {
    await using archive = await file.open();
    await recordTexts(archive, ['{"a":1}', '{"a":2}']);
    await recordTexts(archive, ['{"b":1}']);
  }
  const { stdout } = await read(file, "export", "--json");
  const lines = stdout.split("\n");
  lines.splice(
    1,
    0,
    '{"gap":{"after":1,"missed":3,"from":1795000000000,"to":1795000000000,"reason":"slow"}}',
  );
  await using copy = new TempFile();
  const imported = await withInput(lines.join("\n"), [
    ...permissionsFor(copy.path),
    "client.ts",
    "import",
    copy.path,
  ]);
  assert.equal(imported.stdout, "session 1: 2 messages\nsession 2: 1 message\n", imported.stderr);
  await using archive = await copy.open({ readOnly: true });
  const { gaps } = await archive.messages(1);
  assert.deepEqual(gaps.map(({ after, missed, reason }) => [after, missed, reason]), [[1, 3, "slow"]]);
});

Deno.test("client.ts import leaves out lines that are no messages, and says so", async () => {
  await using file = new TempFile();
  const { code, stdout, stderr } = await withInput('{"a":1}\nnonsense\n[1]\n\n{"a":2}', [
    ...permissionsFor(file.path),
    ...["client.ts", "import", file.path],
  ]);
  assert.deepEqual([code, stdout], [1, "session 1: 2 messages\n"]);
  assert.match(stderr, /line 2: .*\n.*line 3: .*\n.*2 of 4 lines are no messages/);
});

Deno.test("client.ts check says whether a file is whole, and copies what is good of one that is not", async () => {
  await using file = new TempFile();
  {
    await using archive = await file.open();
    for (const n of [1, 2, 3]) await recordTexts(archive, [log(`a${n}`), `{"n":${n}}`]);
    await archive.addNote(1, { seq: 1 }, "kept");
    await archive.starEvent(3, 1, true);
  }
  const whole = await read(file, "check");
  assert.deepEqual(
    [whole.code, whole.stdout],
    [0, `${file.path} is whole: 3 sessions, 6 messages\n`],
    whole.stderr,
  );
  const db = new DatabaseSync(file.path);
  db.exec("update block set data = zeroblob(length(data)) where session = 2");
  db.close();
  const before = await Deno.readFile(file.path);
  const damaged = await read(file, "check");
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, /session 2, messages 1 to 2: .*\n.*--repair NEW/);
  const copy = `${file.folder}/good.db`;
  const repaired = await run([
    `--allow-read=${file.path},${copy}`,
    `--allow-write=${copy}`,
    ...["client.ts", "check", file.path, "--repair", copy],
  ]);
  assert.deepEqual([repaired.code, repaired.stdout], [
    0,
    `${copy} has 3 sessions with 4 messages; 2 messages could not be read\n`,
  ], repaired.stderr);
  assert.deepEqual(await Deno.readFile(file.path), before);
  await using archive = await Archive.open(copy, { readOnly: true });
  assert.deepEqual(await allTexts(archive, 3), [log("a3"), '{"n":3}']);
  const { gaps } = await archive.messages(2);
  assert.deepEqual(gaps.map(({ after, missed, reason }) => [after, missed, reason]), [[0, 2, "damaged"]]);
  assert.equal((await archive.notes(1))[0]!.text, "kept");
  assert.deepEqual((await archive.events(3, { starred: true })).events.map(({ seq }) => seq), [1]);
  const again = await run([
    `--allow-read=${file.path},${copy}`,
    `--allow-write=${copy}`,
    ...["client.ts", "check", file.path, "--repair", copy],
  ]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /there is a file of that name already/);
});

/** Hears everything that goes over a bus. */
async function hearing(server: MessageServer) {
  const heard: string[] = [];
  const client = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
  client.addEventListener("message", ({ text }) => heard.push(text));
  await client.ready;
  return { heard, client };
}

Deno.test("client.ts replay sends a session again, without log, ready and reload, between brackets", async () => {
  await using file = new TempFile();
  const texts = await recordedSession(file);
  await using server = new MessageServer();
  const { heard, client } = await hearing(server);
  await using _client = client;
  const replay = (...flags: string[]) =>
    read(file, "replay", "1", "--receive", server.receiveAddress, ...flags);
  const { code, stdout, stderr } = await replay("--speed", "max");
  assert.deepEqual([code, stdout], [0, "replayed 3 messages of session 1; 2 left out\n"], stderr);
  await until(() => heard.length === 5);
  assert.deepEqual(heard.slice(1, 4), [texts[0], texts[2], texts[4]]);
  const brackets = [heard[0]!, heard[4]!].map((text) => JSON.parse(text));
  assert.deepEqual(brackets.map(({ type, state, session, name }) => [type, state, session, name]), [
    ["replay", "start", 1, "Tuesday"],
    ["replay", "end", 1, "Tuesday"],
  ]);
  heard.length = 0;
  await replay("--all", "--speed", "max", "--from", "#2", "--to", "#4");
  await until(() => heard.length === 5);
  assert.deepEqual(heard.slice(1, 4), texts.slice(1, 4));
  heard.length = 0;
  await replay("--type", "cursor", "--restore", "--speed", "max", "--from", "#4");
  await until(() => heard.length === 3);
  assert.deepEqual(heard.slice(1, 2), [texts[4]]);
});

Deno.test("client.ts goto prints its plan and sends nothing; with --send it sends reloads made of the bytes as they came", async () => {
  await using file = new TempFile();
  const texts = await recordedSession(file);
  await using server = new MessageServer();
  const { heard, client } = await hearing(server);
  await using _client = client;
  const plan = await read(file, "goto", "--at", "#5");
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /send {4}subject {2}#3 .*12345678901234567890/);
  assert.match(plan.stdout, /reload {2}"a-1" {2}anova {2}#2/);
  assert.match(plan.stdout, /cannot {2}7 {2}overview {2}#4 .*told no state/);
  const sent = await read(file, "goto", "--at", "#5", "--send", "--receive", server.receiveAddress);
  assert.equal(sent.code, 0, sent.stderr);
  await until(() => heard.length === 2);
  assert.deepEqual(heard, [texts[2], '{"type":"reload","target":"a-1","scenario":{"n":1}}']);
  assert.match(sent.stdout, /skipped {2}7: no-state/);
});

Deno.test("What cannot be is told in one line, with its exit code", async () => {
  await using file = new TempFile();
  await recordedSession(file);
  const missing = `${file.folder}/none.db`;
  const cases: readonly (readonly [args: readonly string[], code: number, pattern: RegExp])[] = [
    [["sessions"], 2, /its file is missing/],
    [["sessions", file.path, "x"], 2, /expected a number/],
    [["import", file.path, "lines.ndjson"], 2, /the lines come from stdin; add < before their file/],
    [["sessions", file.path, "9"], 1, /it has no session 9/],
    [["sessions", file.path, "--from", "tomorrow"], 2, /expected a date/],
    [["sessions", file.path, "--from", "2026-01-02", "--to", "2026-01-01"], 2, /it ends before it begins/],
    [["sessions", missing], 1, /there is no such file/],
    [["export", missing], 1, /there is no such file/],
    [["check", missing], 1, /there is no such file/],
    [["sessions", file.folder], 1, /no archive/],
    [["replay", file.path, "--speed", "0"], 2, /expected a number from 0\.01 to 1000, or max/],
    [["replay", file.path, "--from", "half past"], 2, /expected #812/],
    [["replay", file.path, "--receive", "1", "--wait", "0.2"], 1, /no broker within 0\.2 s/],
    [["goto", file.path], 2, /--at WHEN is missing/],
    [["goto", file.path, "--at", "#99"], 1, /has no message 99/],
    [["goto", file.path, "--at", "#1", "--instance", "5"], 2, /no such instance/],
    [["record", file.path, "--max-size", "1"], 2, /expected a size/],
  ];
  for (const [args, code, pattern] of cases) {
    const ended = await run([`--allow-read=${file.folder}`, "client.ts", ...args]);
    assert.equal(ended.code, code, `${args.join(" ")}: ${ended.stderr}`);
    assert.match(ended.stderr, pattern, args.join(" "));
    assert.equal(ended.stderr.trimEnd().split("\n").length, 1, ended.stderr);
  }
});

Deno.test("Without permission for the file, the flags to add are named", async () => {
  await using file = new TempFile();
  const { code, stderr } = await run(["client.ts", "record", file.path]);
  assert.equal(code, 1);
  assert.match(stderr, /run with --allow-read=.*x\.db --allow-write=.*x\.db\n$/);
});

Deno.test("broker.ts --archive writes for a while at its end, and what is not in the file then is a gap in it", async () => {
  await using file = new TempFile();
  await using broker = new Program([
    ...permissionsFor(file.path),
    ...["broker.ts", "--json", "--broadcast-port", "0", "--receive-port", "0", "--archive", file.path],
  ]);
  const { receiveAddress: serverReceive } = JSON.parse((await broker.line())!);
  await using sender = new PassiveMessageClient({ serverReceive });
  await soon(sender.ready);
  // Events are what takes longest: each is indexed for searching.
  for (let i = 0; i < 200_000; i += 1000) {
    for (let j = 0; j < 1000; j++) sender.sendJsonMessage(log(`step ${i + j}`));
    await sender.flush();
  }

  broker.kill("SIGTERM");
  const { stderr } = await broker.ended();

  assert.match(
    stderr,
    /Still writing: \d+ messages are not in ".*" yet; those that are not when the program ends/,
  );
});
