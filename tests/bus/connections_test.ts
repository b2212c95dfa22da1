/** What a broker tells of its peers: who is here, what was refused, who could not join. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { allowKeys, instanceId, PassiveMessageClient } from "../../mod.ts";
import { curveKeyPair, zmtp } from "../../zmtp/mod.ts";
import { nextEvent, soon, until } from "../support/deadline.ts";
import { RawPeer } from "../support/raw_peer.ts";
import { RawServer } from "../support/raw_server.ts";

const FAST = { reconnect: { minMs: 1, maxMs: 20 } };

Deno.test("connections() tells who is here, what they call themselves, and what they did", async () => {
  await using server = new MessageServer();
  const before = Date.now();
  await using client = new PassiveMessageClient({ ...server.addresses, name: "viewer" });
  await soon(client.ready);
  client.sendMessage({ type: "a" });
  client.sendMessage({ type: "b" });
  await until(() => client.stats().received === 2, "both messages");
  await until(() => server.connections()[1]!.messages === 2, "the counts");

  const [sends, listens, ...more] = server.connections();

  assert.equal(more.length, 0);
  assert.deepEqual([sends!.role, listens!.role], ["send", "listen"]);
  for (const connection of [sends!, listens!]) {
    const { name, pid, messages, queued, dropped, publicKey } = connection;
    assert.deepEqual({ name, pid, messages, queued, dropped, publicKey }, {
      name: "viewer",
      pid: Deno.pid,
      messages: 2,
      queued: 0,
      dropped: 0,
      publicKey: undefined,
    });
    assert.equal(connection.instanceId, instanceId);
    assert.match(connection.address, /^127\.0\.0\.1:\d+$/);
    assert.ok(connection.since >= before - 1 && connection.lastHeard >= connection.since);
    assert.ok(connection.bytes > 2 * '{"type":"a"}'.length);
  }
  await client.close();
  await until(() => server.connections().length === 0, "the end of both");
});

Deno.test("connections() names the key of a peer", async () => {
  const [broker, member] = [await curveKeyPair(), await curveKeyPair()];
  await using server = new MessageServer({ curve: broker });
  await using client = new PassiveMessageClient({
    ...server.addresses,
    curve: { serverKey: broker.publicKey, ...member },
  });
  await soon(client.ready);

  assert.deepEqual(server.connections().map(({ publicKey }) => publicKey), [
    member.publicKey,
    member.publicKey,
  ]);
});

Deno.test("connections() calls a peer by the name of its key, whatever it says of itself", async () => {
  const [broker, alice, bob] = [await curveKeyPair(), await curveKeyPair(), await curveKeyPair()];
  const authorize = allowKeys([["alice", alice.publicKey], bob.publicKey]);
  await using server = new MessageServer({ curve: broker, authorize });
  const join = (keys: typeof alice) => {
    const curve = { serverKey: broker.publicKey, ...keys };
    return new PassiveMessageClient({ serverReceive: server.receiveAddress, name: "root", curve });
  };
  await using first = join(alice);
  await soon(first.ready);
  await using second = join(bob);
  await soon(second.ready);

  assert.deepEqual(server.connections().map(({ name }) => name), ["alice", "root"]);
});

Deno.test("a client refuses a name that cannot be one", async () => {
  await using server = new MessageServer();
  for (const wrong of [{ name: "" }, { name: "x".repeat(101) }, { instanceId: "" }]) {
    assert.throws(() => new PassiveMessageClient({ ...server.addresses, ...wrong }), { code: "bad-option" });
  }
});

Deno.test("refusals() and the refused event tell what it was and whose", async () => {
  await using server = new MessageServer({ maxMessageBytes: 100 });
  await using peer = await RawPeer.join(server.receiveAddress, "PUSH");
  const event = nextEvent(server, "refused");

  await peer.send("NaN");
  await peer.send("[1]");
  await peer.send("x".repeat(200));
  await until(() => server.refusals().length === 3, "the refusals");

  assert.deepEqual(server.refusals().map(({ reason, text }) => [reason, text]), [
    ["not-json", "NaN"],
    ["not-an-object", "[1]"],
    ["too-large", "(200 bytes)"],
  ]);
  const { refusal } = await event;
  assert.equal(refusal, server.refusals()[0]);
  assert.match(refusal.sender, /^127\.0\.0\.1:\d+$/);
});

Deno.test("refusals() calls a sender by the name of its key, whatever it says of itself", async () => {
  const [broker, alice] = [await curveKeyPair(), await curveKeyPair()];
  const authorize = allowKeys([["alice", alice.publicKey]]);
  await using server = new MessageServer({ curve: broker, authorize });
  // Below the clients, where nobody checks what is sent.
  const socket = zmtp.push({
    address: server.receiveAddress,
    curve: { serverKey: broker.publicKey, ...alice },
    properties: () => [["X-Name", "root"]],
    reconnect: { minMs: 1, maxMs: 20 },
    queue: { messages: 10, bytes: 1000 },
  }, {
    handleConnect() {},
    handleDisconnect() {},
    handleFailure() {},
    handleWritten() {},
    handleLost() {},
  });
  await using _ = { [Symbol.asyncDispose]: () => socket.close() };

  socket.send("NaN");
  await until(() => server.refusals().length === 1, "the refusal");

  assert.match(server.refusals()[0]!.sender, /^127\.0\.0\.1:\d+ \(alice\)$/);
});

Deno.test("failedHandshakes() asks whether the two addresses are swapped, on both", async () => {
  await using server = new MessageServer();
  await using _listener = new PassiveMessageClient({ serverBroadcast: server.receiveAddress, ...FAST });
  const { failed } = await nextEvent(server, "handshakeerror");
  assert.equal(failed.code, "socket-type-mismatch");
  assert.equal(failed.role, "send");
  assert.equal(failed.hint, "a SUB at the receive address: are the two addresses swapped?");
  await _listener.close();
  await using _sender = new PassiveMessageClient({ serverReceive: server.broadcastAddress, ...FAST });
  const is = () => server.failedHandshakes().find(({ role }) => role === "listen");
  await until(() => is() !== undefined, "the other one");
  assert.equal(is()!.hint, "a PUSH at the broadcast address: are the two addresses swapped?");
});

Deno.test("failedHandshakes() tells of keys on one side only", async () => {
  await using server = new MessageServer({ curve: await curveKeyPair() });
  await using _client = new PassiveMessageClient({ serverReceive: server.receiveAddress, ...FAST });

  const { failed } = await nextEvent(server, "handshakeerror");

  assert.equal(failed.code, "mechanism-mismatch");
  assert.match(failed.hint, /needs the broker's public key/);
});

Deno.test("a peer of ZMTP 2 that hangs up in the greeting is counted and told, and one that says nothing is not", async () => {
  await using server = new MessageServer();
  const { hostname, port } = new URL(server.receiveAddress.replace("tcp:", "http:"));
  const dial = () => Deno.connect({ hostname, port: Number(port) });
  (await dial()).close();
  const old = await dial();
  await old.write(Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f));
  await old.read(new Uint8Array(64));
  await old.closeWrite();

  const { failed } = await nextEvent(server, "handshakeerror");
  old.close();

  assert.equal(failed.code, "hung-up");
  assert.match(failed.hint, /ZMTP older than 3/);
  assert.deepEqual(server.stats().senders!.faults, { "hung-up": 1 });
  assert.equal(server.failedHandshakes().length, 1);
});

Deno.test("a client tells that a broker which hangs up in the greeting may be too old", async () => {
  using server = new RawServer();
  await using client = new PassiveMessageClient({ serverReceive: server.address, ...FAST });
  const error = nextEvent(client, "error");
  await using peer = await server.accept();
  await peer.write(Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f));
  await peer.readBytes(64);
  peer.conn.close();

  const { message, error: { code } } = await error;

  assert.equal(code, "hung-up");
  assert.match(message, /is its ZMTP older than 3/);
});
