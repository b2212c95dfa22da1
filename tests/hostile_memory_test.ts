/**
 * Peers that want the broker's memory for themselves, at its default limits and in a process of its own: whoever is honest loses
 * nothing, and the process does not use much more than what is counted.
 */
import assert from "node:assert/strict";
import { MessageClient } from "../mod.ts";
import { encodeSubscription } from "../zmtp/command.ts";
import { encodeFrame } from "../zmtp/frame.ts";
import { soon } from "./support/deadline.ts";
import { LibzmqPush, LibzmqSub, receive, send } from "./support/libzmq.ts";
import { Program } from "./support/program.ts";
import { concat, RawPeer } from "./support/raw_peer.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MESSAGES = 20_000;
const everything = encodeSubscription({ subscribe: true, topic: new Uint8Array(0) });

interface Broker {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
}

/** A broker at its defaults. */
async function startBroker(): Promise<Program & Broker> {
  const program = new Program(["broker.ts", "--json"]);
  return Object.assign(program, JSON.parse((await program.line())!) as Broker);
}

/** Frames of `{"type":"noise"}`, so many bytes of them and a little more. */
function noise(size: number): Uint8Array {
  const frame = encodeFrame(new TextEncoder().encode('{"type":"noise"}'), 0);
  return concat(...Array.from({ length: Math.ceil(size / frame.length) }, () => frame));
}

/** The first bytes of a message of 16 MiB. */
function beginning(size: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(0x20);
  bytes.set([0x02, 0, 0, 0, 0, 0x01, 0, 0, 0]);
  return bytes;
}

/** Peers that write that much and then hold their breath. */
async function hold(broker: Broker, peers: number, bytes: Uint8Array): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  for (let i = 0; i < peers; i++) {
    const peer = stack.use(await RawPeer.join(broker.receiveAddress, "PUSH"));
    // Some have to give way while they are still writing.
    await peer.write(bytes).catch(() => {});
  }
  return stack;
}

function texts(): string[] {
  const pad = "x".repeat(1000);
  return Array.from({ length: MESSAGES }, (_, i) => `{"type":"honest","i":${i},"pad":"${pad}"}`);
}

/** Numbers of the honest messages. */
function numberOf(text: string): number | undefined {
  return text.startsWith('{"type":"honest"') ? JSON.parse(text).i : undefined;
}

/** libzmq at both ends. */
async function passThroughLibzmq(broker: Broker): Promise<void> {
  using sub = new LibzmqSub();
  using push = new LibzmqPush();
  sub.connect(broker.broadcastAddress);
  sub.subscribe('{"type":"honest"');
  push.connect(broker.receiveAddress);
  // libzmq tells nobody when its subscription is in place.
  for (let heard = false; !heard;) {
    await send(push, '{"type":"honest","i":-1}');
    heard = await receive(sub, 50).then(() => true, () => false);
  }
  const sending = (async () => {
    for (const text of texts()) await send(push, text);
  })();
  const heard: number[] = [];
  while (heard.length < MESSAGES) {
    const number = numberOf((await receive(sub))[0]!)!;
    if (number >= 0) heard.push(number);
  }
  await sending;
  assert.deepEqual(heard, Array.from({ length: MESSAGES }, (_, i) => i));
}

/** Our own client at both ends. */
async function passThroughOurs(broker: Broker): Promise<void> {
  await using client = new MessageClient({
    serverBroadcast: broker.broadcastAddress,
    serverReceive: broker.receiveAddress,
    sendQueue: { messages: MESSAGES },
  });
  const heard: number[] = [];
  const done = Promise.withResolvers<void>();
  await using listener = new MessageClient({ serverBroadcast: broker.broadcastAddress });
  listener.addEventListener("message", ({ text }) => {
    const number = numberOf(text);
    if (number === undefined) return;
    heard.push(number);
    if (heard.length === MESSAGES) done.resolve();
  });
  await soon(Promise.all([client.ready, listener.ready]));
  for (const text of texts()) client.sendJsonMessage(text);
  await soon(done.promise, "all messages", 30_000);
  assert.deepEqual(heard, Array.from({ length: MESSAGES }, (_, i) => i));
  assert.equal(client.stats().lost, 0);
}

for (
  const [peers, what, bytes] of [
    [72, "4 of 16 MiB of a message", beginning(4 * MIB + 100 * KIB)],
    [300, "a burst and 1 of 16 MiB of a message", concat(noise(MIB), beginning(MIB + 100 * KIB))],
  ] as const
) {
  for (const [whose, pass] of [["libzmq's", passThroughLibzmq], ["our", passThroughOurs]] as const) {
    Deno.test(`${peers} peers that send ${what} and stop take nothing from ${whose} peers: ${MESSAGES} messages pass`, async () => {
      await using broker = await startBroker();
      await using _held = await hold(broker, peers, bytes);
      await pass(broker);
    });
  }
}

/** What the system says that a process uses, in MiB. */
function residentMib({ pid }: Program): number {
  const [, kib] = Deno.readTextFileSync(`/proc/${pid}/status`).match(/VmRSS:\s+(\d+)/)!;
  return Number(kib) / KIB;
}

Deno.test({
  name:
    "360 MB of messages past five subscribers that never read cost a little more than their queue, 64 MiB",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using broker = await startBroker();
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 5; i++) {
      const peer = stack.use(await RawPeer.join(broker.broadcastAddress, "SUB"));
      await peer.write(everything);
    }
    const push = stack.use(await RawPeer.join(broker.receiveAddress, "PUSH"));
    const frame = encodeFrame(new TextEncoder().encode(`{"type":"n","pad":"${"x".repeat(60_000)}"}`), 0);
    await push.write(frame);
    const before = residentMib(broker);
    let most = before;
    for (let i = 0; i < 6000; i++) {
      await push.write(frame);
      if (i % 20 === 0) most = Math.max(most, residentMib(broker));
    }
    assert.ok(most - before <= 110, `the process grew by ${Math.round(most - before)} MiB`);
  },
});
