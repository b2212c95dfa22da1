/** PUSH, against a puller of which the test decides every byte: RFC 30 and what libzmq really does. */
import assert from "node:assert/strict";
import { QueueFullError } from "../../base/errors.ts";
import { Push } from "../../zmtp/mod.ts";
import { soon, until } from "../support/deadline.ts";
import { isError } from "../support/errors.ts";
import { RawServer } from "../support/raw_server.ts";

function pushAt(address: string, queue = { messages: 100, bytes: 1_000_000 }): AsyncDisposable & {
  push: Push;
  connected: Promise<void>;
  disconnected: Promise<Error>;
} {
  const connected = Promise.withResolvers<void>();
  const disconnected = Promise.withResolvers<Error>();
  const push = new Push({ address, queue, reconnect: { minMs: 1, maxMs: 5 } }, {
    handleConnect: () => connected.resolve(),
    handleDisconnect: (reason) => disconnected.resolve(reason),
    handleFailure: () => {},
    handleWritten: () => {},
    handleLost: () => {},
  });
  return {
    push,
    connected: soon(connected.promise, "the connection"),
    disconnected: disconnected.promise,
    [Symbol.asyncDispose]: () => push.close(),
  };
}

Deno.test("Push takes messages before the first connection and sends them in order", async () => {
  using server = new RawServer();
  await using client = pushAt(server.address);
  for (const text of ["a", "b", "c"]) client.push.send(text);

  await using puller = await server.welcome("PULL");
  await client.connected;

  assert.deepEqual([await puller.readText(), await puller.readText(), await puller.readText()], [
    "a",
    "b",
    "c",
  ]);
});

Deno.test("Push sends no message before the puller's READY", async () => {
  using server = new RawServer();
  await using client = pushAt(server.address);
  client.push.send("early");
  await using puller = await server.accept();
  const greeting = new Uint8Array(64);
  greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1, 0x4e, 0x55, 0x4c, 0x4c]);

  await puller.write(greeting);
  await puller.readBytes(64);
  assert.ok((await puller.readText())!.startsWith("\x05READY"));
  await puller.write(new TextEncoder().encode("\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PULL"));

  assert.equal(await puller.readText(), "early");
  await client.connected;
});

Deno.test("Push keeps what waits over a reconnection", async () => {
  using server = new RawServer();
  await using client = pushAt(server.address);
  const first = await server.welcome("PULL");
  await client.connected;
  first.close();
  await soon(client.disconnected);
  for (const text of ["a", "b"]) client.push.send(text);

  await using second = await server.welcome("PULL");

  assert.deepEqual([await second.readText(), await second.readText()], ["a", "b"]);
});

Deno.test("Push refuses above the limit of messages or bytes, and takes more when there is room", async () => {
  using server = new RawServer();
  await using client = pushAt(server.address, { messages: 2, bytes: 100 });
  client.push.send("a");
  assert.throws(() => client.push.send("x".repeat(100)), isError(QueueFullError, "queue-full"));
  client.push.send("b");
  assert.throws(() => client.push.send("c"), isError(QueueFullError, "queue-full"));

  await using puller = await server.welcome("PULL");
  assert.deepEqual([await puller.readText(), await puller.readText()], ["a", "b"]);
  await until(() => client.push.queuedMessages === 0, "room");
  client.push.send("c");

  assert.equal(await puller.readText(), "c");
});

Deno.test("Push drops and survives what a puller says to it", async () => {
  using server = new RawServer();
  await using client = pushAt(server.address);
  await using puller = await server.welcome("PULL");
  await client.connected;

  await puller.send("data that no PULL may send");
  await puller.write(new Uint8Array([4, 7, 4, 0x50, 0x49, 0x4e, 0x47, 0, 0])); // PING
  assert.equal(await puller.readText(), "\x04PONG");
  client.push.send("a");

  assert.equal(await puller.readText(), "a");
});
