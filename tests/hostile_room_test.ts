/** Crowds at a broker in a process of its own, at its default limits: idle peers keep nobody out, and honest ones all come in. */
import assert from "node:assert/strict";
import { MessageServer } from "../broker.ts";
import { allowKeys, MessageClient } from "../mod.ts";
import { encodeCommand } from "../zmtp/command.ts";
import { encodeGreeting } from "../zmtp/greeting.ts";
import { curveKeyPair, Push, Sub } from "../zmtp/mod.ts";
import { soon } from "./support/deadline.ts";
import { HealthyPair } from "./support/healthy_pair.ts";
import { Program } from "./support/program.ts";
import { concat, RawPeer } from "./support/raw_peer.ts";

interface Broker {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
}

async function startBroker(): Promise<Program & Broker> {
  const program = new Program(["broker.ts", "--json"]);
  return Object.assign(program, JSON.parse((await program.line())!) as Broker);
}

for (const [address, type] of [["receiveAddress", "PUSH"], ["broadcastAddress", "SUB"]] as const) {
  Deno.test(`4096 idle ${type}s, as many as there may be, keep no newcomer out`, async () => {
    await using broker = await startBroker();
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 4096; i += 128) {
      const join = async () => stack.use(await RawPeer.join(broker[address], type));
      await Promise.all(Array.from({ length: 128 }, join));
    }
    using pair = await HealthyPair.join(broker);
    await pair.pass();
  });
}

Deno.test("4000 bogus HELLOs from the same address keep no holder of a key out", async () => {
  const [broker, member] = [await curveKeyPair(), await curveKeyPair()];
  await using server = new MessageServer({ curve: broker, authorize: allowKeys([member.publicKey]) });
  const bogus = concat(encodeGreeting("CURVE"), encodeCommand("HELLO", new Uint8Array(194).fill(1)));
  const knock = async () => {
    await using peer = await RawPeer.connect(server.receiveAddress);
    await peer.write(bogus);
    await peer.ended();
  };
  await soon(Promise.all(Array.from({ length: 4000 }, knock)), "all to be refused", 60_000);

  const curve = { serverKey: broker.publicKey, ...member };
  await using client = new MessageClient({ serverReceive: server.receiveAddress, curve });

  // Where each of them costs whoever has its address eleven connections, this takes a quarter of a minute.
  await soon(client.ready);
});

Deno.test("1000 SUBs and 1000 PUSHs that dial at once are all in within ten seconds, at the first attempt", async () => {
  await using broker = await startBroker();
  await using stack = new AsyncDisposableStack();
  const options = { reconnect: { minMs: 100, maxMs: 5000 }, queue: { messages: 1, bytes: 1000 } };
  const failures: Error[] = [];
  const join = (
    make: (handler: {
      handleConnect(): void;
      handleDisconnect(error: Error): void;
      handleFailure(error: Error): void;
      handleWritten(): void;
      handleLost(): void;
      handleMessage(): void;
      handleUnfit(): void;
      handleTurnEnd(): void;
    }) => Push | Sub,
  ) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const fail = (error: Error) => void failures.push(error);
    const nothing = () => {};
    const socket = make({
      handleConnect: resolve,
      handleDisconnect: nothing,
      handleFailure: fail,
      handleWritten: nothing,
      handleLost: nothing,
      handleMessage: nothing,
      handleUnfit: nothing,
      handleTurnEnd: nothing,
    });
    stack.defer(() => socket.close());
    return promise;
  };
  const joined = Array.from({ length: 1000 }, () => [
    join((handler) => {
      const sub = new Sub({ ...options, address: broker.broadcastAddress }, handler);
      sub.subscribe(new Uint8Array(0));
      return sub;
    }),
    join((handler) => new Push({ ...options, address: broker.receiveAddress }, handler)),
  ]);
  await soon(Promise.all(joined.flat()), "2000 peers");
  assert.deepEqual(failures, []);
});
