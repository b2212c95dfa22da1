/** What the programs tell a person who did not ask: troubles, on stderr, without -v. */
import assert from "node:assert/strict";
import { PassiveMessageClient } from "../../client.ts";
import { MessageServer } from "../../broker.ts";
import { soon } from "../support/deadline.ts";
import { Program, run } from "../support/program.ts";
import { encodeSubscription } from "../../zmtp/command.ts";
import { RawConnection, requestText } from "../http/support/raw.ts";
import { RawPeer } from "../support/raw_peer.ts";

interface Broker extends AsyncDisposable {
  readonly program: Program;
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
  readonly http: string;
}

async function startBroker(...args: string[]): Promise<Broker> {
  const program = new Program(["broker.ts", "--json", ...args]);
  const addresses = JSON.parse((await program.line())!);
  return { program, ...addresses, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** All that it has told, without the times, when it is stopped. */
async function notes({ program }: Broker): Promise<string[]> {
  program.kill("SIGTERM");
  const { stderr } = await program.ended();
  return stderr.split("\n").slice(0, -1).map((line) => line.replace(/^\S+Z /, ""));
}

/** Everything that was sent before has been judged by the broker. */
async function passed({ receiveAddress, broadcastAddress }: Broker, peer: RawPeer): Promise<void> {
  await using listener = new PassiveMessageClient({ serverBroadcast: broadcastAddress });
  await soon(listener.ready);
  await peer.send('{"type":"after"}');
  await soon(listener.waitForMessages(0));
  assert.ok(receiveAddress);
}

Deno.test("broker.ts tells the first refusal of each kind and sender, and -v tells all", async () => {
  for (const args of [[], ["-v"]]) {
    await using broker = await startBroker(...args);
    await using peer = await RawPeer.join(broker.receiveAddress, "PUSH");
    for (let i = 0; i < 3; i++) await peer.send('{"a": NaN}');
    await peer.send('["\u009b2J"]');
    await passed(broker, peer);

    const told = (await notes(broker)).filter((line) => line.startsWith("refused"));

    const nan = /^refused \(not-json\) from 127\.0\.0\.1:\d+: "\{\\"a\\": NaN\}"$/;
    assert.equal(told.length, args.length === 0 ? 2 : 4);
    for (const line of told.slice(0, -1)) assert.match(line, nan);
    assert.match(told.at(-1)!, /^refused \(not-an-object\) from 127\.0\.0\.1:\d+: "\[\\"\\u009b2J\\"\]"$/);
  }
});

Deno.test("broker.ts tells who could not join, and what may be wrong, once", async () => {
  await using broker = await startBroker();
  for (let i = 0; i < 3; i++) {
    await using swapped = new PassiveMessageClient({ serverBroadcast: broker.receiveAddress });
    await assert.rejects(soon(swapped.ready), { code: "refused-by-peer" });
  }

  const told = await notes(broker);

  assert.equal(told.length, 1);
  assert.match(
    told[0]!,
    /^127\.0\.0\.1:\d+ could not join at the receive address: .*SUB.*; a SUB at the receive address: are the two addresses swapped\?$/,
  );
});

Deno.test("broker.ts tells who reads too slowly and has lost messages", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net=127.0.0.1", "broker.ts", "--json"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const stdout = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { broadcastAddress, receiveAddress } = JSON.parse((await soon(stdout.read())).value!);
  await using stuck = await RawPeer.join(broadcastAddress, "SUB");
  await stuck.write(encodeSubscription({ subscribe: true, topic: new Uint8Array(0) }));
  await using sender = new PassiveMessageClient({ serverReceive: receiveAddress });
  await soon(sender.ready);
  // More than the 64 MiB that may wait for it, and than the buffers of both sockets.
  const text = JSON.stringify({ type: "n", text: "x".repeat(1_000_000) });
  for (let i = 0; i < 100; i++) {
    sender.sendJsonMessage(text);
    await sender.flush();
  }

  const stderr = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await soon(stderr.read(), "the note");

  assert.match(value!, /Z 127\.0\.0\.1:\d+ reads too slowly and has lost \d+ messages?\n/);
  child.kill("SIGKILL");
  await Promise.all([stderr.cancel(), stdout.cancel(), child.status]);
});

Deno.test("broker.ts --http tells of the first web reader that is cut off for being too slow, not of each", async () => {
  await using broker = await startBroker("--http", "0");
  const { receiveAddress, http } = broker;
  const { port } = new URL(http);
  const readers = await Promise.all([1, 2, 3].map(() => RawConnection.open(Number(port))));
  for (const reader of readers) {
    await reader.write(requestText("GET", "/messages/stream", [`Host: 127.0.0.1:${port}`]));
  }
  await using sender = new PassiveMessageClient({ serverReceive: receiveAddress });
  await soon(sender.ready);
  const text = JSON.stringify({ type: "n", text: "x".repeat(100_000) });
  let cut = 0;
  for (let i = 0; cut < 3; i++) {
    sender.sendJsonMessage(text);
    await sender.flush();
    if (i % 20 !== 0) continue;
    const metrics = await (await fetch(`${http}/metrics`)).text();
    cut = Number(/slow_clients_cut_total\{transport="sse"\} (\d+)/.exec(metrics)![1]);
  }

  const told = await notes(broker);

  assert.equal(told.length, 1, told.join("\n"));
  assert.match(told[0]!, /An event stream was cut: its reader is too slow, \d+ bytes waited for it$/);
  for (const reader of readers) reader[Symbol.dispose]();
});

Deno.test("http.ts tells that the broker is away, that it came, and where messages may be missing", async () => {
  const first = new MessageServer();
  const [broadcastPort, receivePort] = [first.broadcastAddress, first.receiveAddress]
    .map((address) => Number(address.split(":").at(-1))) as [number, number];
  await using gateway = new Program([
    ...["http.ts", "--json", "--port", "0", "--broadcast", `${broadcastPort}`],
  ]);
  const { http } = JSON.parse((await gateway.line())!);
  const isUp = async (expected: boolean) => {
    for (let is = !expected; is !== expected;) {
      const answer = await fetch(`${http}/readyz`);
      await answer.body?.cancel();
      is = answer.ok;
    }
  };
  await isUp(true);
  await first.close();
  await isUp(false);
  await using _second = new MessageServer({ broadcastPort, receivePort });
  await isUp(true);

  gateway.kill("SIGTERM");
  const { stderr } = await gateway.ended();

  const patterns = [
    /closed it; trying again/,
    /messages may be missing here: the broker has begun a new life/,
    /Connected to tcp:/,
  ];
  for (const pattern of patterns) assert.match(stderr, pattern);
});

Deno.test("client.ts listen at the port of the web side says that the web has an address of its own", async () => {
  await using web = new Program(["broker.ts", "--json", "--http", "0"]);
  const { http } = JSON.parse((await web.line())!);

  const { stderr } = await run(["client.ts", "last", "--wait", "1", "--broadcast", new URL(http).port]);

  assert.match(stderr, /speaks "HTTP.*: the web has an address of its own; trying again\n/);
});

Deno.test("http.ts that dialled the wrong address says what may be wrong", async () => {
  await using server = new MessageServer();
  await using gateway = new Program([
    ...["http.ts", "--json", "--port", "0", "--broadcast", server.receiveAddress],
  ]);

  const { code, stderr } = await gateway.ended();

  assert.equal(code, 1);
  assert.match(stderr, /http\.ts: .*; is this the broker's other address\?\n$/);
});
