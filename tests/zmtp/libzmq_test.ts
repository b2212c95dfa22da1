/** libzmq as a transport: what tests/behaviour does not ask of both transports. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { MessageClient, PassiveMessageClient } from "../../client.ts";
import { OptionError } from "../../base/errors.ts";
import { libzmq } from "../../zmtp/libzmq/mod.ts";
import { socketsOf } from "../../zmtp/mod.ts";
import { soon, until } from "../support/deadline.ts";
import { isError } from "../support/errors.ts";
import { LibzmqPub, LibzmqSub, send } from "../support/libzmq.ts";
import { run } from "../support/program.ts";

const PROGRAM = "tests/support/libzmq_program.ts";

Deno.test("libzmq needs --allow-ffi and --allow-read, nothing else, and lets the process end", async () => {
  const { code, stdout, stderr } = await run(["--allow-ffi", PROGRAM], { permission: "--allow-read" });

  assert.equal(code, 0, stderr);
  assert.equal(stdout, '{"type":"hello"}');
});

for (const permission of ["", "--allow-read", "--allow-ffi", "--allow-net=127.0.0.1"]) {
  Deno.test(`libzmq with ${permission || "no permission"} names the flags that it needs`, async () => {
    const { code, stderr } = await run([PROGRAM], { permission });

    assert.equal(code, 1);
    assert.match(
      stderr,
      /TransportError: Cannot load libzmq: Deno's sandbox does not allow native code, run with --allow-ffi --allow-read/,
    );
  });
}

Deno.test("libzmq tells that the package cannot be had, and what to do without", async () => {
  const { code, stderr } = await run(["--no-npm", "--allow-ffi", PROGRAM], { permission: "--allow-read" });

  assert.equal(code, 1);
  assert.match(
    stderr,
    /TransportError: Cannot load libzmq: npm:zeromq@6\.8\.0 gave no library for \S+; leave out/,
  );
});

Deno.test("MessageServer.stats() over libzmq has nothing that libzmq does not tell", async () => {
  await using server = new MessageServer({ transport: libzmq });

  assert.deepEqual(server.stats(), {
    received: 0,
    receivedBytes: 0,
    broadcast: 0,
    refused: {},
    ignored: 0,
  });
});

Deno.test("MessageServer over libzmq refuses authorize with bad-option, and leaves no port taken", async () => {
  assert.throws(
    () => new MessageServer({ transport: libzmq, authorize: () => true }),
    isError(OptionError, "bad-option"),
  );
  await Promise.resolve();
});

Deno.test("A client over libzmq listens at ipc:// addresses as well", async () => {
  const folder = await Deno.makeTempDir();
  try {
    using publisher = new LibzmqPub();
    await publisher.bind(`ipc://${folder}/broadcast`);
    await using client = new PassiveMessageClient({
      serverBroadcast: `ipc://${folder}/broadcast`,
      transport: libzmq,
    });
    await soon(client.ready);

    await send(publisher, '{"type":"local"}');
    await soon(client.waitForMessages(0));

    assert.equal(client.getLastMessage()[1], '{"type":"local"}');
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("A SUB over libzmq filters by topic, and takes one unsubscribe for each subscribe", async () => {
  using publisher = new LibzmqPub();
  await publisher.bind("tcp://127.0.0.1:*");
  const connected = Promise.withResolvers<void>();
  const texts: string[] = [];
  const sub = socketsOf(libzmq).sub(
    { address: publisher.lastEndpoint!, reconnect: { minMs: 10, maxMs: 10 } },
    {
      handleMessage: (bytes, _start, bodyStart, end) => {
        texts.push(new TextDecoder().decode(bytes.subarray(bodyStart, end)));
      },
      handleUnfit: () => {},
      handleTurnEnd: () => {},
      handleConnect: () => connected.resolve(),
      handleDisconnect: () => {},
      handleFailure: () => {},
    },
  );
  try {
    const bytes = (text: string) => new TextEncoder().encode(text);
    sub.subscribe(bytes("a"));
    sub.subscribe(bytes("a"));
    sub.subscribe(bytes("c"));
    sub.unsubscribe(bytes("a"));
    await soon(connected.promise);

    for (const text of ["a1", "b1", "c1"]) await send(publisher, text);
    await until(() => texts.length === 2, "both messages");
    sub.unsubscribe(bytes("a"));
    for (const text of ["a2", "b2", "c2"]) await send(publisher, text);
    await until(() => texts.includes("c2"), "the last message");

    assert.deepEqual(texts, ["a1", "c1", "c2"]);
  } finally {
    await sub.close();
  }
});

Deno.test("MessageServer.close() over libzmq gives up a subscriber that does not read, after lingerMs", async () => {
  const server = new MessageServer({ transport: libzmq, lingerMs: 50 });
  using stuck = new LibzmqSub({ receiveHighWaterMark: 1 });
  stuck.subscribe("");
  stuck.connect(server.broadcastAddress);
  await using witness = new PassiveMessageClient({
    serverBroadcast: server.broadcastAddress,
    transport: libzmq,
  });
  await soon(witness.ready);
  const data = "x".repeat(1_000_000);
  for (let n = 0; n < 50; n++) server.sendMessage({ type: "large", data });

  await soon(server.close(), "the end of the broker", 3000);
});

Deno.test("Many clients over libzmq share one loop: each hears everything", async () => {
  await using server = new MessageServer({ transport: libzmq });
  const addresses = { serverBroadcast: server.broadcastAddress, serverReceive: server.receiveAddress };
  await using opened = new AsyncDisposableStack();
  const clients = Array.from(
    { length: 20 },
    () => opened.use(new PassiveMessageClient({ ...addresses, transport: libzmq })),
  );
  await soon(Promise.all(clients.map(({ ready }) => ready)));

  for (const client of clients) client.sendMessage({ type: "present" });
  for (const client of clients) await until(() => client.count === 20, "all messages");
});

Deno.test("A client over libzmq may be closed by its own listener", async () => {
  await using server = new MessageServer({ transport: libzmq });
  const client = new MessageClient({
    serverBroadcast: server.broadcastAddress,
    serverReceive: server.receiveAddress,
    transport: libzmq,
  });
  await soon(client.ready);
  const closed = Promise.withResolvers<void>();
  client.addEventListener("message", () => client.close().then(closed.resolve, closed.reject));

  for (let n = 0; n < 10; n++) server.sendMessage({ type: "count", n });

  await soon(closed.promise);
});
