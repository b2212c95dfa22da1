/** `broker.ts --archive F`: places, history and cursors outlive the broker, and whoever comes back goes on where it was. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { Archive } from "../../archive/mod.ts";
import { PassiveMessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { run } from "../support/program.ts";
import { allTexts, TempFile } from "./support/files.ts";
import { type Announced, permissionsFor, startBroker } from "./support/recorded_broker.ts";

const RECONNECT = { minMs: 20, maxMs: 50 };

/** A client that keeps all that it hears, gaps as `missed` of them. */
function listener({ broadcastAddress, receiveAddress }: Announced, since?: string) {
  const heard: (number | null | string)[] = [];
  const client = new PassiveMessageClient({
    serverBroadcast: broadcastAddress,
    serverReceive: receiveAddress,
    reconnect: RECONNECT,
    ...(since === undefined ? {} : { since }),
  });
  client.addEventListener("message", ({ text }) => heard.push(JSON.parse(text).n));
  client.addEventListener("gap", ({ missed, reason }) => heard.push(`${reason} ${missed}`));
  return { client, heard };
}

async function post(http: string, n: number): Promise<string> {
  const response = await fetch(`${http}/messages?confirm=5`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"type":"a","n":${n}}`,
  });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()).cursor;
}

/** Asks until so many messages of a session are on disk. */
async function onDisk(http: string, session: number, messages: number): Promise<void> {
  const ask = async () => {
    while ((await (await fetch(`${http}/sessions/${session}`)).json()).messages !== messages) await pause(5);
  };
  await soon(ask(), "the messages to be on disk");
}

Deno.test("After a restart with a goodbye, clients and cursors go on as if nothing had been", async () => {
  await using file = new TempFile();
  let cursor: string;
  let addresses: Announced;
  {
    await using broker = await startBroker(file);
    addresses = broker;
    cursor = await post(broker.http, 1);
    await post(broker.http, 2);
    broker.kill("SIGTERM");
    const { code, stderr } = await broker.ended();
    assert.deepEqual([code, stderr], [0, ""]);
  }
  const { client, heard } = listener(addresses, cursor);
  await using _client = client;
  await using broker = await startBroker(file, addresses);
  await client.ready;
  await until(() => heard.length === 1);
  const last = await post(broker.http, 3);
  await until(() => heard.length === 2);
  assert.deepEqual(heard, [2, 3]);
  assert.equal(last.split(".")[1], "3", "the numbers go on");
  const history = await (await fetch(`${broker.http}/messages/history?since=${cursor}`)).json();
  assert.deepEqual(history.messages.map(({ message }: { message: { n: number } }) => message.n), [2, 3]);
  assert.equal(history.missed, 0);
});

Deno.test("A client that is connected when the broker is restarted hears each message once, and of no gap", async () => {
  await using file = new TempFile();
  let broker = await startBroker(file);
  const { client, heard } = listener(broker);
  await using _client = client;
  await client.ready;
  let n = 0;
  for (let life = 0; life < 3; life++) {
    for (let i = 0; i < 5; i++) await post(broker.http, ++n);
    broker.kill("SIGTERM");
    await broker.ended();
    const before = broker;
    broker = await startBroker(file, before);
  }
  await using _broker = broker;
  await post(broker.http, ++n);
  await until(() => heard.includes(n));
  assert.deepEqual(heard, Array.from({ length: n }, (_, i) => i + 1));
});

Deno.test("After a kill, everything that was flushed is there, the rest is a gap, and the next start says so", async () => {
  await using file = new TempFile();
  let addresses: Announced;
  let cursor: string;
  {
    await using broker = await startBroker(file);
    addresses = broker;
    cursor = await post(broker.http, 1);
    await post(broker.http, 2);
    await onDisk(broker.http, 1, 2);
    broker.kill("SIGKILL");
    await broker.ended();
  }
  const { client, heard } = listener(addresses, cursor);
  await using _client = client;
  await using broker = await startBroker(file, addresses);
  await client.ready;
  await post(broker.http, 3);
  await until(() => heard.includes(3));
  assert.deepEqual(heard, [2, "restarted null", 3]);
  const history = await (await fetch(`${broker.http}/messages/history?since=${cursor}`)).json();
  assert.deepEqual(history.messages.map(({ message }: { message: { n: number } }) => message.n), [2]);
  const { sessions } = await (await fetch(`${broker.http}/sessions`)).json();
  assert.deepEqual(
    sessions.map(({ clean, messages }: { clean: boolean; messages: number }) => [clean, messages])[1],
    [
      false,
      2,
    ],
  );
  broker.kill("SIGTERM");
  const { stderr } = await broker.ended();
  assert.match(stderr, /ended without a goodbye/);
});

Deno.test("In a copy of the file the numbers are not used again", async () => {
  await using file = new TempFile();
  let place: string;
  {
    await using broker = await startBroker(file);
    place = await post(broker.http, 1);
    broker.kill("SIGTERM");
    await broker.ended();
  }
  await Deno.copyFile(file.path, `${file.path}.copy`);
  await Deno.rename(`${file.path}.copy`, file.path);
  await using broker = await startBroker(file);
  const next = await post(broker.http, 2);
  assert.notEqual(next.split(".")[0], place.split(".")[0]);
});

Deno.test("Twenty times killed at random, a broker never loses what its file had, and a client hears nothing twice and of every gap", async () => {
  await using file = new TempFile();
  let addresses: Announced | undefined;
  let n = 0;
  await using stack = new AsyncDisposableStack();
  let heard: ReturnType<typeof listener>["heard"] = [];
  const acknowledged: number[] = [];
  for (let life = 0; life < 20; life++) {
    await using broker: Announced & Awaited<ReturnType<typeof startBroker>> = await startBroker(
      file,
      addresses,
    );
    addresses = broker;
    if (life === 0) {
      const made = listener(broker);
      heard = made.heard;
      stack.use(made.client);
      await made.client.ready;
    }
    await using client = new PassiveMessageClient({ serverReceive: broker.receiveAddress });
    await client.ready;
    const first = n + 1;
    for (let i = 0; i < 300; i++) client.sendJsonMessage(`{"type":"a","n":${++n}}`);
    await client.flush();
    if (life % 2 === 0) {
      await onDisk(broker.http, broker.session, 300);
      for (let i = first; i <= n; i++) acknowledged.push(i);
    } else await pause(Math.random() * 300);
    broker.kill("SIGKILL");
    await broker.ended();
  }
  let before = 0;
  let isTold = false;
  for (const item of heard) {
    if (typeof item === "number") {
      assert(item === before + 1 || (item > before && isTold), `${before} and then ${item}`);
      before = item;
    }
    isTold = typeof item !== "number";
  }
  assert(heard.includes("restarted null"));
  await using archive = await Archive.open(file.path);
  const texts: string[] = [];
  for (const { id } of (await archive.sessions({ limit: 100 })).sessions.toReversed()) {
    texts.push(...await allTexts(archive, id));
  }
  const found = texts.map((text) => JSON.parse(text).n as number);
  assert.deepEqual(found, [...new Set(found)].sort((a, b) => a - b), "each once, in order");
  const missing = acknowledged.filter((number) => !found.includes(number));
  assert.deepEqual(missing, []);
  const db = new DatabaseSync(file.path, { readOnly: true });
  assert.deepEqual({ ...db.prepare("pragma quick_check").get() }, { quick_check: "ok" });
  db.close();
});

Deno.test("A file that cannot be used is told in one line, and nothing is started", async () => {
  await using file = new TempFile();
  await Deno.writeTextFile(file.path, "no archive\n");
  const start = (...flags: string[]) =>
    run([...flags, "broker.ts", "--archive", file.path, "--broadcast-port", "0", "--receive-port", "0"]);
  for (
    const [flags, pattern] of [
      [permissionsFor(file.path), /is no archive; nothing in it was changed$/],
      [[], /run with --allow-read=.* --allow-write=/],
    ] as const
  ) {
    const { code, stdout, stderr } = await start(...flags);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr.trimEnd(), pattern);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
  assert.equal(await Deno.readTextFile(file.path), "no archive\n");
});

Deno.test("A second broker that would record into the same file is told so", async () => {
  await using file = new TempFile();
  await using _broker = await startBroker(file);
  const { code, stderr } = await run([
    ...permissionsFor(file.path),
    "broker.ts",
    ...["--archive", file.path, "--broadcast-port", "0", "--receive-port", "0"],
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /^broker\.ts: Cannot use archive .*: another process records into it\n$/);
});
