/** What harmful clients of the web side can take from a broker: a real process, under exactly the permission of the README. */
import assert from "node:assert/strict";
import { MessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { LineChild, pythonPath } from "../support/python.ts";
import { Child } from "./support/child.ts";

const MIB = 2 ** 20;
/** The budget of the web side, and as much again for what Deno holds beside it and for what is not collected yet. */
const BUDGET_MIB = 256 + 384;
/** Descriptors that come and go. */
const FEW_DESCRIPTORS = 16;
/** Descriptors that the broker keeps back, as soon as it has a moment. */
const RESERVE = 24;
const PATIENCE_MS = 30_000;

const python = await pythonPath("socket");
const ignore = python === undefined || Deno.build.os !== "linux";

type Addresses = Readonly<Record<"broadcastAddress" | "receiveAddress" | "http", string>>;

/** `broker.ts --http 0` with so many file descriptors. */
class Broker implements AsyncDisposable {
  readonly #child: Child;
  readonly #addresses: Addresses;

  private constructor(child: Child, addresses: Addresses) {
    this.#child = child;
    this.#addresses = addresses;
  }

  static async start(descriptors = 4096): Promise<Broker> {
    const program = new URL("../../broker.ts", import.meta.url).pathname;
    const child = new Child("sh", [
      "-c",
      `ulimit -n ${descriptors} && exec "$0" run --no-prompt --allow-net=127.0.0.1 "$1" --json --http 0`,
      Deno.execPath(),
      program,
    ]);
    const broker = new Broker(child, JSON.parse(await child.line() ?? "{}"));
    const fresh = broker.descriptors();
    await until(() => broker.descriptors() >= fresh + RESERVE, "the reserve of descriptors");
    return broker;
  }

  get http(): string {
    return this.#addresses.http;
  }

  get ws(): string {
    return this.http.replace("http", "ws");
  }

  /** A new client on the wire, connected. */
  async join(): Promise<MessageClient> {
    const { broadcastAddress, receiveAddress } = this.#addresses;
    const client = new MessageClient({ serverBroadcast: broadcastAddress, serverReceive: receiveAddress });
    await soon(client.ready, "the client to be connected", PATIENCE_MS);
    return client;
  }

  /** Someone who does this to it so often, and answers how many attempts failed. */
  async attack(mode: string, count: number): Promise<{ readonly failed: number } & AsyncDisposable> {
    const script = new URL("./support/attacker.py", import.meta.url).pathname;
    const attacker = new LineChild(python!, [script, mode, new URL(this.http).port, String(count)]);
    const failed = Number((await attacker.line())?.split(" ")[1]);
    return { failed, [Symbol.asyncDispose]: () => attacker[Symbol.asyncDispose]() };
  }

  descriptors(): number {
    return [...Deno.readDirSync(`/proc/${this.#child.pid}/fd`)].length;
  }

  /** Resident memory in bytes: now, and the most that there ever was. */
  memory(): { readonly now: number; readonly peak: number } {
    const status = Deno.readTextFileSync(`/proc/${this.#child.pid}/status`);
    const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)![1]) * 1024;
    return { now: bytes("VmRSS"), peak: bytes("VmHWM") };
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}

/** New clients of each kind come, and hear a message of one of them. */
async function servesEveryone(broker: Broker): Promise<void> {
  await using client = await broker.join();
  const heard = new Promise<unknown>((resolve) =>
    client.addEventListener("message", ({ message }) => resolve(message))
  );
  const socket = new WebSocket(`${broker.ws}/messages/ws`);
  const frame = new Promise<string>((resolve) => socket.onmessage = ({ data }) => resolve(data));
  const closed = new Promise((resolve) => socket.onclose = resolve);
  await soon(new Promise((resolve) => socket.onopen = resolve), "the WebSocket", PATIENCE_MS);
  const last = await fetch(`${broker.http}/messages`);
  await last.body?.cancel();
  const cursor = last.headers.get("message-cursor")!;
  const posted = await fetch(`${broker.http}/messages?confirm=10`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"type":"honest"}',
  });
  assert.equal(posted.status, 200, await posted.text());
  const polled = await fetch(`${broker.http}/messages/longpoll?as=value&timeout=30&since=${cursor}`);
  assert.equal(await polled.text(), '{"message":{"type":"honest"}}');
  assert.deepEqual(await soon(heard, "the client's message"), { type: "honest" });
  assert.equal(await soon(frame, "the frame"), '{"type":"honest"}');
  socket.close();
  await soon(closed, "the end of the WebSocket");
}

/**
 * Lets someone do their worst twice. What the system keeps for the process after the first time must be enough for the second one, so
 * that nothing is lost for good.
 */
async function isBounded(mode: string, count: number, prepare?: (broker: Broker) => Promise<void>) {
  await using broker = await Broker.start();
  await prepare?.(broker);
  const before = { bytes: broker.memory().now, descriptors: broker.descriptors() };
  for (const time of ["first", "second"]) {
    {
      await using attacker = await broker.attack(mode, count);
      await servesEveryone(broker);
      const grown = Math.round((broker.memory().peak - before.bytes) / MIB);
      assert.ok(
        grown < BUDGET_MIB,
        `${mode}, ${time} time: ${grown} MiB more; ${attacker.failed} of ${count} failed`,
      );
    }
    await until(
      () => broker.descriptors() <= before.descriptors + FEW_DESCRIPTORS,
      "descriptors to be free",
      PATIENCE_MS,
    );
  }
}

/** Fills the window with messages of 15 kB. */
async function fill(broker: Broker): Promise<void> {
  const line = JSON.stringify({ type: "filler", text: "x".repeat(15_000) });
  for (let i = 0; i < 20; i++) {
    const response = await fetch(`${broker.http}/messages?confirm=10`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: `${line}\n`.repeat(60),
    });
    assert.equal(response.status, 200, await response.text());
  }
}

Deno.test({
  name:
    "1,500 WebSockets that are reset while they open take an eighth of 1,024 descriptors at most, and everyone is served",
  ignore,
  async fn() {
    await using broker = await Broker.start(1024);
    await using _first = await broker.join();
    const before = broker.descriptors();
    {
      await using _attacker = await broker.attack("resets", 1500);
    }
    await servesEveryone(broker);
    await until(
      () => broker.descriptors() <= before + 128 + FEW_DESCRIPTORS,
      "descriptors to be free",
      PATIENCE_MS,
    );
    assert.ok(await broker.metric("braviz_http_upgrades_lost") <= 128);
  },
});

Deno.test({
  name: "20 WebSockets with an unfinished frame of 62 MiB each stay within the budget",
  ignore,
  fn: () => isBounded("unfinished", 20),
});

Deno.test({
  name: "frames of a WebSocket message that never ends stay within the budget",
  ignore,
  fn: () => isBounded("endless", 1),
});

Deno.test({
  name: "a WebSocket that was told to go and goes on sending is cut",
  ignore,
  async fn() {
    await using broker = await Broker.start();
    // It sends until it fails, so that it answers is the proof.
    await using attacker = await broker.attack("deaf", 1);
    assert.equal(attacker.failed, 1);
    assert.ok(broker.memory().peak < 512 * MIB);
  },
});

Deno.test({
  name: "1,500 bodies that are never finished stay within the budget",
  ignore,
  fn: () => isBounded("bodies", 1500),
});

Deno.test({
  name: "300 answers with the history that nobody reads stay within the budget",
  ignore,
  fn: () => isBounded("histories", 300, fill),
});

Deno.test({
  name: "300 event streams that nobody reads stay within the budget",
  ignore,
  fn: () => isBounded("streams", 300, fill),
});

Deno.test({
  name: "300 WebSockets that nobody reads stay within the budget",
  ignore,
  fn: () => isBounded("sockets", 300, fill),
});

Deno.test({
  name: "web clients that hold all descriptors keep nobody off the bus, and give way to other web clients",
  ignore,
  async fn() {
    await using broker = await Broker.start(128);
    await using _attacker = await broker.attack("silent", 300);
    await using sender = await broker.join();
    await using listener = await broker.join();
    const heard = new Promise((resolve) => listener.addEventListener("message", resolve));
    sender.sendMessage({ type: "subject", subject: 119 });
    await soon(heard, "the message");
    let status = 0;
    for (const end = performance.now() + PATIENCE_MS; status !== 200 && performance.now() < end;) {
      status = await fetch(`${broker.http}/healthz`, { signal: AbortSignal.timeout(1000) })
        .then(async (response) => (await response.text(), response.status), () => 0);
    }
    assert.equal(status, 200);
  },
});
