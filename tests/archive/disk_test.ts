/** Real disks that are full, limited or gone: the recorder goes on, counts what it loses, and goes on writing when it can. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { Archive } from "../../archive/mod.ts";
import type { RecorderStats } from "../../bus/recording.ts";
import { PassiveMessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { Program, ROOT } from "../support/program.ts";
import { add, feedOf, log, recordTexts, TempFile } from "./support/files.ts";
import { permissionsFor, startBroker } from "./support/recorded_broker.ts";

type Stats = RecorderStats & { readonly n: number };

async function ask(child: Program, line: string): Promise<Stats> {
  await child.say(`${line}\n`);
  const answer = await child.line();
  assert.ok(answer !== undefined, "the child is alive");
  return JSON.parse(answer);
}

async function askUntil(child: Program, isWanted: (stats: Stats) => boolean): Promise<Stats> {
  const poll = async () => {
    for (let stats; (stats = await ask(child, "stats"));) {
      if (isWanted(stats)) return stats;
      await pause(20);
    }
    throw new Error("never");
  };
  return await soon(poll(), "the recorder", 20_000);
}

/** Messages of all sessions, and those that gaps tell of; what the sum has to be is what was accepted. */
async function inFile(
  path: string,
): Promise<{ readonly numbers: number[]; readonly missed: number; readonly reasons: string[] }> {
  await using archive = await Archive.open(path, { readOnly: true });
  const numbers: number[] = [];
  const reasons: string[] = [];
  let missed = 0;
  for (const { id } of (await archive.sessions({ limit: 1000 })).sessions.toReversed()) {
    for (let after: number | null = 0; after !== null;) {
      const page = await archive.messages(id, { after, limit: 1000, types: ["a"] });
      numbers.push(...page.messages.map(({ text }) => JSON.parse(text).n));
      for (const gap of page.gaps) {
        missed += gap.missed ?? 0;
        reasons.push(gap.reason);
      }
      after = page.next;
    }
  }
  return { numbers, missed, reasons };
}

function total({ lost }: Stats): number {
  return Object.values(lost).reduce((sum, count) => sum + count, 0);
}

function child(path: string): Program {
  return new Program([...permissionsFor(path), "tests/archive/support/recorder_child.ts", path], {
    permission: "--no-check",
  });
}

function isWhole(path: string): boolean {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Object.values(db.prepare("pragma quick_check").get()!)[0] === "ok";
  } finally {
    db.close();
  }
}

Deno.test("With maxBytes a recorder says that it is full, and goes on when a session was deleted; every loss is in a gap", async () => {
  await using file = new TempFile();
  await using archive = await file.open({ maxBytes: 1_000_000 });
  const noise = (n: number) =>
    `{"type":"a","n":${n},"x":"${crypto.getRandomValues(new Uint8Array(900)).toBase64()}"}`;
  const first = await recordTexts(archive, Array.from({ length: 400 }, (_, i) => noise(i + 1)));
  await using recorder = await archive.record({ maxWaitingBytes: 200_000, past: { messages: 0, bytes: 0 } });
  const states: string[] = [];
  recorder.handleTrouble = (state) => void states.push(state);
  const feed = feedOf(recorder);
  let n = 400;
  while (states.length === 0) {
    for (let i = 0; i < 100; i++) add(feed, noise(++n));
    await pause(20);
  }
  assert.equal(recorder.stats().state, "full");
  for (let i = 0; i < 500; i++) add(feed, noise(++n));
  const { lost } = recorder.stats();
  assert(lost.full! > 0);
  await archive.deleteSession(first);
  await recorder.flushed();
  assert.deepEqual(states, ["full", "recording"]);
  add(feed, noise(++n));
  await recorder.end();
  await archive.close();
  const { numbers, missed, reasons } = await inFile(file.path);
  assert.equal(numbers.length + missed, n - 400);
  assert.deepEqual([...new Set(reasons)].sort(), Object.keys(recorder.stats().lost).sort());
  assert.equal(numbers.at(-1), n);
});

Deno.test("A session that ends while the file is full tells all that is missing, what it told before included", async () => {
  await using file = new TempFile();
  await using archive = await file.open({ maxBytes: 1_000_000 });
  await using recorder = await archive.record({ maxWaitingBytes: 100_000 });
  const feed = feedOf(recorder);
  const noise = (n: number) =>
    `{"type":"a","n":${n},"x":"${crypto.getRandomValues(new Uint8Array(900)).toBase64()}"}`;
  let n = 0;
  while (recorder.stats().state !== "full") {
    for (let i = 0; i < 50; i++) add(feed, noise(++n));
    await pause(20);
  }
  for (let i = 0; i < 300; i++) add(feed, noise(++n));
  assert(recorder.stats().lost.full! > 0);
  await recorder.end();
  await archive.close();
  const { numbers, missed } = await inFile(file.path);
  assert.equal(numbers.length + missed, n);
});

/** A small disk of its own, where that is allowed. */
function mount(folder: string): boolean {
  try {
    return new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
      stderr: "null",
    })
      .outputSync().success;
  } catch {
    return false;
  }
}

const probe = Deno.makeTempDirSync();
const canMount = Deno.build.os === "linux" && mount(probe);
if (canMount) new Deno.Command("umount", { args: [probe] }).outputSync();
Deno.removeSync(probe);

Deno.test({
  name: "On a small disk that is full a recorder survives: what is lost is counted, and with room it goes on",
  ignore: !canMount, // Only root may mount a small disk.
  async fn() {
    await using file = new TempFile();
    assert(mount(file.folder));
    try {
      await using recorder = child(file.path);
      await Deno.writeFile(`${file.folder}/ballast`, new Uint8Array(19_000_000));
      await ask(recorder, "add 12000");
      const full = await askUntil(recorder, ({ state }) => state === "full");
      assert.match(full.trouble!, /full/);
      await Deno.remove(`${file.folder}/ballast`);
      await askUntil(recorder, ({ state, waitingBytes }) => state === "recording" && waitingBytes === 0);
      await ask(recorder, "add 100");
      const { lost, n } = await ask(recorder, "end");
      await recorder.endInput();
      assert.equal((await recorder.ended()).code, 0);
      const { numbers, missed, reasons } = await inFile(file.path);
      assert.equal(numbers.length + missed, n);
      assert.equal(missed, Object.values(lost).reduce((sum, count) => sum + count, 0));
      assert(
        missed > 0 && reasons.every((reason) => reason === "full" || reason === "behind"),
        reasons.join(),
      );
      assert(isWhole(file.path));
    } finally {
      new Deno.Command("umount", { args: ["-l", file.folder] }).outputSync();
    }
  },
});

Deno.test({
  name: "A limit for the size of files does not end the process: it is a disk that is full",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using file = new TempFile();
    const script = `ulimit -f 2000; exec "$@"`;
    const shell = `${file.folder}/limited`;
    await Deno.writeTextFile(shell, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
    await using recorder = new Program(
      [...permissionsFor(file.path), "tests/archive/support/recorder_child.ts", file.path],
      { permission: "--no-check", command: shell, cwd: ROOT },
    );
    await ask(recorder, "add 8000");
    await askUntil(recorder, ({ state }) => state === "full");
    const stats = await ask(recorder, "end");
    await recorder.endInput();
    assert.equal((await recorder.ended()).code, 0);
    const { numbers, missed } = await inFile(file.path);
    assert(numbers.length > 0);
    // The gap itself may not have had room in the file; then the session says that it ended without a goodbye.
    assert(numbers.length + missed <= stats.n);
    assert.equal(numbers.length + total(stats), stats.n);
    assert(isWhole(file.path));
  },
});

Deno.test("A file that is taken away is told, and nothing goes where nobody finds it; put back, it goes on", async () => {
  await using file = new TempFile();
  await using recorder = child(file.path);
  await ask(recorder, "add 500");
  await askUntil(recorder, ({ onDisk }) => onDisk === 500);
  await Deno.rename(file.path, `${file.path}.away`);
  await ask(recorder, "add 500");
  const gone = await askUntil(recorder, ({ state }) => state === "failed");
  assert.equal(gone.onDisk, 500);
  await Deno.rename(`${file.path}.away`, file.path);
  await askUntil(recorder, ({ state, onDisk }) => state === "recording" && onDisk === 1000);
  const { lost } = await ask(recorder, "end");
  assert.deepEqual(lost, {});
  await recorder.endInput();
  await recorder.ended();
  const { numbers, missed } = await inFile(file.path);
  assert.deepEqual([numbers.length, missed], [1000, 0]);
});

Deno.test("While the disk stands still, messages wait; what is beyond the buffer is one gap, and all else follows", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await using recorder = await archive.record({ maxWaitingBytes: 100_000 });
  const feed = feedOf(recorder);
  add(feed, '{"type":"a","n":1}');
  await recorder.flushed();
  // Whoever writes waits for this one, as for a disk that does not answer.
  const stalled = new DatabaseSync(file.path, { timeout: 5000 });
  stalled.exec("begin immediate");
  let n = 1;
  for (let i = 0; i < 20; i++) {
    add(feed, ...Array.from({ length: 100 }, () => `{"type":"a","n":${++n},"x":"${"x".repeat(100)}"}`));
    await pause(5);
  }
  assert.equal(recorder.stats().onDisk, 1);
  assert(recorder.stats().lost.behind! > 0);
  assert(recorder.stats().waitingBytes <= 100_000);
  stalled.exec("rollback");
  stalled.close();
  await recorder.flushed();
  add(feed, `{"type":"a","n":${++n}}`);
  await recorder.end();
  await archive.close();
  const { numbers, missed, reasons } = await inFile(file.path);
  assert.equal(numbers.length + missed, n);
  assert.deepEqual(reasons, ["behind"]);
  assert.deepEqual([numbers[0], numbers.at(-1)], [1, n]);
});

Deno.test("A search of a large recording while it is recorded loses nothing", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const old = await recordTexts(archive, Array.from({ length: 20_000 }, (_, i) => log(`action ${i}`)));
  await using recorder = await archive.record({ past: { messages: 0, bytes: 0 } });
  const feed = feedOf(recorder);
  const search = async () => {
    for (let i = 0; i < 5; i++) {
      await archive.messages(old, { text: "nowhere to be found", limit: 10 });
      await archive.events(old, { text: `action ${i}` });
    }
  };
  const write = async () => {
    for (let i = 0; i < 20_000; i += 50) {
      add(feed, ...Array.from({ length: 50 }, (_, j) => `{"type":"a","n":${i + j + 1}}`));
      if (i % 1000 === 0) await pause(1);
    }
  };
  await Promise.all([search(), write()]);
  await recorder.flushed();
  const { lost, onDisk } = recorder.stats();
  assert.deepEqual([lost, onDisk], [{}, 20_000]);
});

Deno.test("A broker whose archive is full says so on stderr, goes on, and tells at its end how many are missing", async () => {
  await using file = new TempFile();
  await using broker = await startBroker(file, undefined, "--archive-size", "300k");
  await using client = new PassiveMessageClient({
    serverBroadcast: broker.broadcastAddress,
    serverReceive: broker.receiveAddress,
  });
  await client.ready;
  for (let n = 1; n <= 1000; n++) {
    client.sendJsonMessage(
      `{"type":"a","n":${n},"x":"${crypto.getRandomValues(new Uint8Array(600)).toBase64()}"}`,
    );
  }
  await until(() => client.stats().received === 1000);
  const state = async () => {
    const text = await (await fetch(`${broker.http}/metrics`)).text();
    return /braviz_archive_state\{state="full"\} 1/.test(text);
  };
  const poll = async () => {
    while (!await state()) await pause(20);
  };
  await soon(poll(), "the archive to be full");
  broker.kill("SIGTERM");
  const { code, stderr } = await broker.ended();
  assert.equal(code, 0);
  const lost = Number(/(\d+) messages are missing in/.exec(stderr)?.[1]);
  assert.match(stderr, /Cannot record into .*: there is no room \(.*full.*\); trying again/);
  const { numbers } = await inFile(file.path);
  assert.equal(numbers.length + lost, 1000);
});
