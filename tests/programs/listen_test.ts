/** client.ts listen: which messages, how many, since when, and in which form. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { startLibzmqBroker } from "../support/libzmq_broker.ts";
import { until } from "../support/deadline.ts";
import { Program, run } from "../support/program.ts";

const TEXTS = [
  '{"type":"subject","subject":119}',
  '{"type":"log","action":{"name":"zoom","by":1.50},"time":"a\\tb"}',
  '{"type":"Visualization","source":"brain"}',
  '{"other":1}',
];

function holding(texts: readonly string[] = TEXTS): MessageServer {
  const server = new MessageServer();
  for (const text of texts) server.sendJsonMessage(text);
  return server;
}

/** What `listen` prints of what such a broker holds, up to its end. */
async function listed(
  server: MessageServer,
  args: readonly string[],
): Promise<{ lines: string[]; code: number; stderr: string }> {
  const all = ["client.ts", "listen", "--since", "earliest", "--broadcast", server.broadcastAddress, ...args];
  const { code, stdout, stderr } = await run(all);
  return { code, stderr, lines: stdout.split("\n").slice(0, -1) };
}

const CHOICES: readonly (readonly [args: readonly string[], wanted: readonly number[]])[] = [
  [["--type", "subject"], [0]],
  [["--type", "subject,log"], [0, 1]],
  [["--type", "subject", "--type", "Vis*"], [0, 2]],
  [["--except", "log"], [0, 2, 3]],
  [["--except", "log,Vis*"], [0, 3]],
  [["--type", "*", "--except", "subject"], [1, 2]],
];
for (const [args, wanted] of CHOICES) {
  Deno.test(`client.ts listen ${args.join(" ")} prints these types only, and counts no other`, async () => {
    await using server = holding();

    const { lines, code } = await listed(server, ["--json", "--count", String(wanted.length), ...args]);

    assert.equal(code, 0);
    assert.deepEqual(lines, wanted.map((i) => TEXTS[i]!));
  });
}

Deno.test("client.ts listen --format prints what it says: type, text, times, place, members, tabs and lines", async () => {
  await using server = holding();
  const { time } = server.feed.after(0).entries[0]!;
  const format = String.raw`%t|%p|%I|%U|%l|%n|%{subject}%{action.by}%{time}|100%%\t\\\nnext`;

  const { lines, code } = await listed(server, ["--count", "2", "--format", format]);

  const [first, next, second] = lines;
  const stamp = `${new Date(time).toISOString()}|${(time / 1000).toFixed(3)}`;
  const { epoch } = server.feed;
  assert.equal(first, `subject|${TEXTS[0]}|${stamp}|${TEXTS[0]!.length}|${epoch}.1|119|100%\t\\`);
  assert.equal(next, "next");
  assert.match(second!, /\|1\.50a\\u0009b\|100%\t\\$/);
  assert.equal(code, 0);
});

Deno.test("client.ts listen --timeout ends with code 0, and with code 1 where --count was not reached", async () => {
  await using server = holding();

  const [all, some] = await Promise.all([
    listed(server, ["--json", "--timeout", "2000ms"]),
    listed(server, ["--json", "--timeout", "2", "--count", "5"]),
  ]);

  assert.deepEqual([all.code, all.lines], [0, TEXTS]);
  assert.deepEqual([some.code, some.lines], [1, TEXTS]);
  assert.match(some.stderr, /client\.ts: 4 of 5 messages came within 2 s\n$/);
});

Deno.test("client.ts listen --since PLACE goes on where --format %n was", async () => {
  await using server = holding();
  const { lines: [place] } = await listed(server, ["--count", "1", "--format", "%n"]);

  const { lines } = await listed(server, ["--since", place!, "--json", "--count", "3"]);

  assert.deepEqual(lines, TEXTS.slice(1));
});

Deno.test("client.ts listen --since 10m prints when each message came, not when it was asked for", async () => {
  await using server = holding();
  const { lines } = await listed(server, ["--since", "10m", "--count", "1", "--format", "%U"]);
  assert.equal(lines[0], (server.feed.after(0).entries[0]!.time / 1000).toFixed(3));
});

Deno.test("client.ts listen finds the address in BUS_BROADCAST where it may read it, without tcp:// too", async () => {
  await using server = holding();
  const address = server.broadcastAddress.replace("tcp://", "");
  const permission = "--allow-env=BUS_BROADCAST";
  await using program = new Program(
    ["--allow-net=127.0.0.1", "client.ts", "listen", "--json", "--since", "earliest", "--count", "1"],
    { permission, env: { BUS_BROADCAST: address } },
  );

  const { code, stdout } = await program.ended();

  assert.deepEqual([code, stdout], [0, `${TEXTS[0]}\n`]);
});

Deno.test("client.ts listen --since says that a broker that numbers nothing cannot go back", async () => {
  await using broker = await startLibzmqBroker();
  await using sender = new PassiveMessageClient({ serverReceive: broker.addresses.serverReceive });
  const flow = setInterval(() => sender.sendMessage({ type: "a" }), 20);
  try {
    const { code, stderr } = await run([
      ...["client.ts", "listen", "--since", "10m", "--count", "1"],
      ...["--broadcast", broker.addresses.serverBroadcast],
    ]);
    assert.equal(code, 0);
    assert.match(stderr, /this broker cannot tell what came before: it does not number messages/);
  } finally {
    clearInterval(flow);
  }
});

for (const form of ["127.0.0.1:PORT", "localhost:PORT", ":PORT", "PORT", "tcp://127.0.0.1:PORT"]) {
  Deno.test(`client.ts listen --broadcast ${form} is an address`, async () => {
    await using server = holding();
    const port = server.broadcastAddress.split(":").at(-1)!;

    const { code } = await listed(server, ["--broadcast", form.replace("PORT", port), "--count", "1"]);

    assert.equal(code, 0);
  });
}

Deno.test("client.ts send and http.ts find both addresses in the environment where they may read it", async () => {
  await using server = new MessageServer();
  const variables = ["BUS_BROADCAST", "BUS_RECEIVE"];
  const options = {
    permission: `--allow-env=${variables.join(",")}`,
    env: { BUS_BROADCAST: server.broadcastAddress, BUS_RECEIVE: server.receiveAddress.replace("tcp://", "") },
  };
  const { code } = await run(["--allow-net=127.0.0.1", "client.ts", "send", "type=a"], options);
  await using gateway = new Program(["--allow-net=127.0.0.1", "http.ts", "--json", "--port", "0"], options);

  const { broadcastAddress, receiveAddress } = JSON.parse((await gateway.line())!);

  assert.equal(code, 0);
  await until(() => server.stats().received === 1, "the message");
  assert.deepEqual([broadcastAddress, receiveAddress], [server.broadcastAddress, server.receiveAddress]);
});

Deno.test("client.ts reads no variable that it was not allowed to read, and asks for nothing", async () => {
  const { code, stderr } = await run(["client.ts", "send", "--wait", "2", "--receive", "9", "type=a"], {
    env: { BUS_RECEIVE: "tcp://127.0.0.1:10" },
  });
  assert.equal(code, 1);
  assert.match(stderr, /tcp:\/\/127\.0\.0\.1:9: .*; is a broker running there\?\n$/);
});
