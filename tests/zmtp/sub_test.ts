/** SUB, against a publisher of which the test decides every byte: RFC 29 and what libzmq really does. */
import assert from "node:assert/strict";
import { Sub } from "../../zmtp/mod.ts";
import { soon, until } from "../support/deadline.ts";
import { concat, type RawPeer } from "../support/raw_peer.ts";
import { RawServer } from "../support/raw_server.ts";
import { encodeFrame } from "../../zmtp/frame.ts";

const bytes = new TextEncoder();
const text = new TextDecoder();
const RECONNECT = { minMs: 1, maxMs: 5 };

/** A SUB that writes down what it hears. */
function subAt(address: string): AsyncDisposable & { sub: Sub; heard: string[]; next: () => Promise<void> } {
  const heard: string[] = [];
  let wake = () => {};
  const sub = new Sub({ address, reconnect: RECONNECT }, {
    handleMessage: (bytes, _start, bodyStart, end) => heard.push(text.decode(bytes.subarray(bodyStart, end))),
    handleUnfit: (reason) => heard.push(reason),
    handleTurnEnd: () => wake(),
    handleConnect: () => {},
    handleDisconnect: () => {},
    handleFailure: () => {},
  });
  return {
    sub,
    heard,
    next: () => soon(new Promise<void>((resolve) => wake = resolve)),
    [Symbol.asyncDispose]: () => sub.close(),
  };
}

/** What the SUB says, until its PING. */
async function said(publisher: RawPeer): Promise<string[]> {
  const words: string[] = [];
  while (true) {
    const frame = await publisher.readFrame();
    const word = text.decode(frame!.body);
    if (word.startsWith("\x04PING")) return words;
    words.push(word);
  }
}

Deno.test("Sub says SUBSCRIBE once for a topic that is subscribed to twice", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  for (const topic of ["a", "a", "b"]) client.sub.subscribe(bytes.encode(topic));
  await using publisher = await server.welcome("PUB");

  assert.deepEqual(await said(publisher), ["\x09SUBSCRIBEa", "\x09SUBSCRIBEb"]);
});

Deno.test("Sub says CANCEL only when the last of several uses of a topic is given back", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  for (const topic of ["a", "a"]) client.sub.subscribe(bytes.encode(topic));
  await using publisher = await server.welcome("PUB");
  await said(publisher);

  client.sub.unsubscribe(bytes.encode("a"));
  client.sub.unsubscribe(bytes.encode("never subscribed"));
  client.sub.unsubscribe(bytes.encode("a"));
  client.sub.subscribe(bytes.encode("c"));

  assert.equal(await publisher.readText(), "\x06CANCELa");
  assert.equal(await publisher.readText(), "\x09SUBSCRIBEc");
});

Deno.test("Sub says the final set of topics after each READY, and nothing else", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  client.sub.subscribe(bytes.encode("a"));
  client.sub.subscribe(bytes.encode("b"));
  const first = await server.welcome("PUB");
  assert.deepEqual(await said(first), ["\x09SUBSCRIBEa", "\x09SUBSCRIBEb"]);
  first.close();
  client.sub.unsubscribe(bytes.encode("a"));
  client.sub.subscribe(bytes.encode("c"));

  await using second = await server.welcome("XPUB");

  assert.deepEqual(await said(second), ["\x09SUBSCRIBEb", "\x09SUBSCRIBEc"]);
});

Deno.test("Sub filters what does not match, because CANCEL is under way or the publisher does not filter", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  client.sub.subscribe(bytes.encode("a"));
  await using publisher = await server.welcome("PUB");
  await said(publisher);
  const next = client.next();

  await publisher.write(
    concat(...["b1", "a1", "", "a", "A"].map((body) => encodeFrame(bytes.encode(body), 0))),
  );
  await next;

  assert.deepEqual(client.heard, ["a1", "a"]);
});

Deno.test("Sub says nothing before the publisher's READY", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  client.sub.subscribe(bytes.encode(""));
  await using publisher = await server.accept();
  await publisher.write(
    concat(
      new Uint8Array([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]),
      bytes.encode("NULL"),
      new Uint8Array(48),
    ),
  );

  await publisher.readBytes(64);
  assert.ok((await publisher.readText())!.startsWith("\x05READY"));
  // Whatever were said now would come before the answer to our READY.
  await publisher.write(bytes.encode("\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"));
  assert.equal(await publisher.readText(), "\x09SUBSCRIBE");
});

Deno.test("Sub comes back when the publisher ends the connection in the middle of a message, which is dropped", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  client.sub.subscribe(bytes.encode(""));
  const first = await server.welcome("PUB");
  await said(first);
  await first.write(encodeFrame(bytes.encode("whole"), 0));
  await first.write(new Uint8Array([0, 100, 1, 2, 3]));
  first.close();

  await using second = await server.welcome("PUB");
  await said(second);
  const next = client.next();
  await second.send("next");
  await next;

  assert.deepEqual(client.heard, ["whole", "next"]);
});

Deno.test("Sub takes a topic of 200,000 bytes", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  const topic = new Uint8Array(200_000).fill(0xff);

  client.sub.subscribe(topic);
  client.sub.unsubscribe(topic);
  client.sub.subscribe(topic);
  await using publisher = await server.welcome("PUB");

  assert.equal((await publisher.readBytes(9 + 10 + topic.length)).length, 9 + 10 + topic.length);
});

Deno.test("Sub is connected with the second PONG: libzmq may answer the first before it passes SUBSCRIBE on", async () => {
  using server = new RawServer();
  await using client = subAt(server.address);
  client.sub.subscribe(bytes.encode(""));
  await using publisher = await server.welcome("PUB");
  const pong = bytes.encode("\x04\x05\x04PONG");
  await said(publisher);

  await publisher.write(pong);
  assert.deepEqual(await said(publisher), [], "a second PING");
  assert.equal(client.sub.isConnected, false);
  await publisher.write(pong);

  await until(() => client.sub.isConnected, "the connection");
});
