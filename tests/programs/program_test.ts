/** Broker and clients as a person starts them: real processes, under exactly the README's permission. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { Program, run } from "../support/program.ts";
import config from "../../deno.json" with { type: "json" };
import { VERSION } from "../../base/version.ts";

interface Addresses {
  broadcastAddress: string;
  receiveAddress: string;
}

async function startBroker(...args: string[]): Promise<Program & Addresses> {
  const program = new Program(["broker.ts", "--json", ...args]);
  return Object.assign(program, JSON.parse((await program.line())!) as Addresses);
}

Deno.test("broker.ts --json prints one line with both addresses first", async () => {
  await using program = new Program(["broker.ts", "--json"]);

  const line = JSON.parse((await program.line())!);

  assert.match(line.broadcastAddress, /^tcp:\/\/127\.0\.0\.1:\d+$/);
  assert.match(line.receiveAddress, /^tcp:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(line.http, null);
  assert.deepEqual(Object.keys(line), ["broadcastAddress", "receiveAddress", "http"]);
});

Deno.test("broker.ts tells people both addresses and how to use them", async () => {
  await using program = new Program(["broker.ts"]);

  let text = "";
  while (!text.includes("client.ts send")) text += `${await program.line()}\n`;

  assert.match(
    text,
    /^ {2}(deno|npx -y deno@[\d.]+) run --allow-net=127\.0\.0\.1 client\.ts listen --broadcast tcp:/m,
  );

  assert.match(text, /broadcast address .*tcp:\/\/127\.0\.0\.1:\d+/);
  assert.match(text, /receive address .*tcp:\/\/127\.0\.0\.1:\d+/);
});

Deno.test("a broker process and two client processes pass a message", async () => {
  await using broker = await startBroker();
  await using listener = new Program([
    "client.ts",
    "listen",
    "--json",
    "--broadcast",
    broker.broadcastAddress,
  ]);
  await using server = new PassiveMessageClient({
    serverBroadcast: broker.broadcastAddress,
    serverReceive: broker.receiveAddress,
  });
  await soon(server.ready);
  // The listener says on stderr when it is ready, which is not read line by line; a message each until it hears one.
  const first = listener.line();
  let isHeard = false;
  void first.then(() => isHeard = true);
  while (!isHeard) {
    const { code } = await run([
      "client.ts",
      "send",
      "--receive",
      broker.receiveAddress,
      '{"type":"subject","subject":119}',
    ]);
    assert.equal(code, 0);
  }

  assert.equal(await first, '{"type":"subject","subject":119}');
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`broker.ts ends with code 0 on ${signal}`, async () => {
    await using broker = await startBroker();

    broker.kill(signal);

    assert.deepEqual(await broker.ended(), { code: 0, stdout: "", stderr: "" });
  });

  Deno.test(`client.ts listen ends with code 0 on ${signal}`, async () => {
    await using server = new MessageServer();
    await using listener = new Program(["client.ts", "listen", "--broadcast", server.broadcastAddress]);
    await until(() => server.stats().subscribers!.accepted === 1, "the listener");

    listener.kill(signal);

    assert.equal((await listener.ended()).code, 0);
  });
}

Deno.test("broker.ts without permission says in one line which flag to add", async () => {
  const { code, stderr } = await run(["broker.ts"], { permission: "" });

  assert.equal(code, 1);
  assert.match(stderr, /^broker\.ts: .*--allow-net=127\.0\.0\.1\n$/);
});

Deno.test("client.ts without permission says in one line which flag to add", async () => {
  const { code, stderr } = await run(["client.ts", "listen", "--broadcast", "9"], { permission: "" });

  assert.equal(code, 1);
  assert.match(stderr, /^client\.ts: .*--allow-net=127\.0\.0\.1\n$/);
});

Deno.test("broker.ts says in one line that a port is in use", async () => {
  await using broker = await startBroker();
  const port = broker.receiveAddress.split(":").at(-1)!;

  const { code, stderr } = await run(["broker.ts", "--receive-port", port]);

  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`^broker\\.ts: Cannot listen on tcp://127\\.0\\.0\\.1:${port}: .* --receive-port N, 0 .*\\n$`),
  );
});

const WRONG: readonly (readonly string[])[] = [
  ["broker.ts", "--no-such-flag"],
  ["broker.ts", "--receive-port", "99999"],
  ["broker.ts", "--receive-port", "many"],
  ["broker.ts", "--receive-port"],
  ["broker.ts", "--slowest-reader", "fast"],
  ["broker.ts", "argument"],
  ["broker.ts", "--public"],
  ["broker.ts", "--transport", "pigeon"],
  ["client.ts"],
  ["client.ts", "shout"],
  ["client.ts", "lisetn"],
  ["client.ts", "listen", "--broadcast", "http://127.0.0.1"],
  ["client.ts", "listen", "--broadcast", "9", "argument"],
  ["client.ts", "send", "--receive", "9", "type=a", '{"type":"a"}'],
  ["client.ts", "send", "--receive", "9", "type=a", "type=b"],
  ["client.ts", "send", "--receive", "9", "subject:=one"],
  ["client.ts", "send", "--receive", "9", "--file", "a.json", "type=a"],
  ["client.ts", "send", "--receive", "9", "--lines", "type=a"],
  ["client.ts", "send", "--receive", "9", "--repeat", "2"],
  ["client.ts", "send", "--receive", "9", "--every", "often", "type=a"],
  ["client.ts", "listen", "--broadcast", "9", "--since", "yesterday"],
  ["client.ts", "listen", "--broadcast", "9", "--timeout", "0"],
  ["client.ts", "listen", "--broadcast", "9", "--type", ""],
  ["client.ts", "listen", "--broadcast", "9", "--except", "a*b"],
  ["client.ts", "listen", "--broadcast", "9", "--format", "%x"],
  ["client.ts", "listen", "--broadcast", "9", "--format", "%t", "--json"],
  ["client.ts", "listen", "--broadcast", "host"],
  ["broker.ts", "--open"],
  ["client.ts", "send", "--receive", "9", "no JSON"],
  ["client.ts", "send", "--receive", "9", '["a"]'],
  ["client.ts", "last", "--broadcast", "9", "--wait", "soon"],
];
for (const args of WRONG) {
  Deno.test(`${args.join(" ")} ends with code 2 and one line that says what is wrong`, async () => {
    const { code, stdout, stderr } = await run(args);

    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^(broker|client)\.ts: .+\n$/);
  });
}

/** Slips, and what is said of them. */
const SLIPS: readonly (readonly [args: readonly string[], meant: RegExp])[] = [
  [["broker.ts", "--recieve-port", "1"], /did you mean --receive-port\?/],
  [["broker.ts", "--htp", "8000"], /did you mean --http\?/],
  [["broker.ts", "--http"], /expected --http PORT/],
  [["http.ts", "--brodcast", "9"], /did you mean --broadcast\?/],
  [["client.ts", "lsten"], /did you mean listen\?/],
  [["client.ts", "listen", "--typ", "a"], /did you mean --type\?/],
  [
    ["client.ts", "listen", "--since", "yesterday"],
    /^client\.ts: Cannot use --since: .* a duration such as 10m,/,
  ],
  [["client.ts", "listen", "subject"], /did you mean --type subject\?/],
  [
    ["client.ts", "send", "--recieve", "9", "type=a"],
    /did you mean --receive\?.*\(see client\.ts send --help\)/,
  ],
];
for (const [args, meant] of SLIPS) {
  Deno.test(`${args.join(" ")} is met with what was meant`, async () => {
    const { code, stderr } = await run(args);
    assert.equal(code, 2);
    assert.match(stderr, meant);
    assert.equal(stderr.split("\n").length, 2);
  });
}

for (const name of ["broker.ts", "client.ts"]) {
  Deno.test(`${name} --help explains every flag on stdout`, async () => {
    const { code, stdout, stderr } = await run([name, "--help"]);

    assert.equal(code, 0);
    assert.match(stdout, /USAGE/);
    assert.equal(stderr, "");
  });

  Deno.test(`${name} --version prints the version of deno.json`, async () => {
    const { code, stdout } = await run([name, "--version"]);

    assert.equal(code, 0);
    assert.equal(stdout, `${config.version}\n`);
    assert.equal(VERSION, config.version);
  });
}

Deno.test("client.ts listen prints type and text for people, and ends after --count messages", async () => {
  await using server = new MessageServer();
  await using listener = new Program([
    "client.ts",
    "listen",
    "--broadcast",
    server.broadcastAddress,
    "--count",
    "2",
  ]);
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");

  server.sendJsonMessage('{"type":"subject",\n"subject":119}');
  server.sendMessage({ type: "hello" });

  const { code, stdout } = await listener.ended();
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^\d\d:\d\d:\d\d {2}subject {2}\{"type":"subject", "subject":119\}\n\d\d:\d\d:\d\d {2}hello {2}\{"type":"hello"\}\n$/,
  );
});

/** A text and a `type` that would clear a terminal, ring, forge a line and turn the order of what follows. */
const HOSTILE = '{"type":"\\u001b[2J\\u0007\\n12:00:00  forged","text":"\u009b31m\u202e\u2028\u007f"}';
// deno-lint-ignore no-control-regex
const HARMFUL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/;

for (
  const args of [["listen", "--count", "1"], ["listen", "--count", "1", "--json"], ["last", "--wait", "30"]]
) {
  Deno.test(`client.ts ${args.join(" ")} shows nothing that acts on a terminal`, async () => {
    await using server = new MessageServer();
    await using program = new Program(["client.ts", ...args, "--broadcast", server.broadcastAddress]);
    await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");

    server.sendJsonMessage(HOSTILE);
    const { stdout } = await program.ended();

    assert.doesNotMatch(stdout, HARMFUL);
    assert.equal(stdout.split("\n").length, 2);
    if (args.includes("--json")) assert.deepEqual(JSON.parse(stdout), JSON.parse(HOSTILE));
  });
}

Deno.test("broker.ts -v shows nothing that acts on a terminal", async () => {
  await using broker = await startBroker("-v");
  await using client = new PassiveMessageClient({
    serverBroadcast: broker.broadcastAddress,
    serverReceive: broker.receiveAddress,
  });
  await soon(client.ready);
  client.sendJsonMessage(HOSTILE);
  await until(() => client.stats().received === 1, "the message");

  broker.kill("SIGTERM");
  const { stderr } = await broker.ended();

  assert.match(stderr, / message \{/);
  assert.doesNotMatch(stderr, HARMFUL);
});

Deno.test("client.ts send takes lines of stdin, tells which one is wrong, and sends all others", async () => {
  await using server = new MessageServer();
  await using listener = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
  await soon(listener.ready);
  await using sender = new Program(["client.ts", "send", "--receive", server.receiveAddress]);

  await sender.say('{"type":"a"}\nnot json\n\n{"type":"b"}');
  const { code, stderr } = await sender.ended();

  assert.equal(code, 1);
  assert.match(stderr, /^client\.ts: line 2: .*no JSON.*\n$/);
  await until(() => listener.count === 2, "both messages");
  assert.deepEqual(listener.messagesAfter(0).entries.map(({ text }) => text), [
    '{"type":"a"}',
    '{"type":"b"}',
  ]);
});

Deno.test("client.ts send delivers 50,000 lines, more than its queue holds", async () => {
  await using server = new MessageServer();
  await using sender = new Program(["client.ts", "send", "--receive", server.receiveAddress]);
  let text = "";
  for (let i = 0; i < 50_000; i++) text += `{"type":"n","i":${i}}\n`;

  await sender.say(text);
  const { code, stdout, stderr } = await sender.ended();

  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "sent 50000\n", stderr: "" });
  await until(() => server.stats().received === 50_000, "all messages");
});

Deno.test("client.ts send says in one line that no broker answers", async () => {
  const { code, stderr } = await run(["client.ts", "send", "--receive", "9", "--wait", "1", '{"type":"a"}']);

  assert.equal(code, 1);
  assert.match(stderr, /^client\.ts: Cannot send: no broker within 1 s: .*\n$/);
});

Deno.test("client.ts send at the broadcast address asks whether it is the other one", async () => {
  await using server = new MessageServer();

  const { code, stderr } = await run([
    "client.ts",
    "send",
    "--receive",
    server.broadcastAddress,
    '{"type":"a"}',
  ]);

  assert.equal(code, 1);
  assert.match(stderr, /^client\.ts: .*other address\?\n$/);
});

Deno.test("client.ts send takes every JSON object as the bus does, and warns where applications would not hear it", async () => {
  await using server = new MessageServer();
  await using listener = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
  await soon(listener.ready);
  const texts = ['{"Type":"a"}', '{"type":"subject"}', '{"type":"a"}'];

  const { code, stderr } = await run(["client.ts", "send", "--receive", server.receiveAddress, ...texts]);

  assert.equal(code, 0);
  assert.equal(stderr, "client.ts: warning: message 1 is sent all the same: type is missing, not a text\n");
  await until(() => listener.stats().received === 3, "all messages");
});

Deno.test("client.ts send refuses bytes that are no UTF-8 by their line, and takes lines that end with CRLF", async () => {
  await using server = new MessageServer();
  await using listener = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
  const heard: string[] = [];
  listener.addEventListener("message", ({ text }) => heard.push(text));
  await soon(listener.ready);
  await using sender = new Program(["client.ts", "send", "--receive", server.receiveAddress]);

  await sender.say('{"type":"a"}\r\n{"type":"');
  await sender.sayBytes(Uint8Array.of(0xff, 0xfe));
  await sender.say('"}\n{"type":"b"}');
  const { code, stderr } = await sender.ended();

  assert.equal(code, 1);
  assert.equal(stderr, "client.ts: line 2: Cannot send message: it is not UTF-8\n");
  await until(() => heard.length === 2, "both messages");
  assert.deepEqual(heard, ['{"type":"a"}', '{"type":"b"}']);
});

Deno.test("client.ts listen tells where messages may be missing, and goes on after a restart of the broker", async () => {
  const first = new MessageServer();
  const [broadcastPort, receivePort] = [first.broadcastAddress, first.receiveAddress]
    .map((address) => Number(address.split(":").at(-1))) as [number, number];
  await using listener = new Program([
    ...["client.ts", "listen", "--json", "--count", "2", "--broadcast", `${broadcastPort}`],
  ]);
  await until(() => first.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");
  first.sendMessage({ type: "a" });
  assert.equal(await listener.line(), '{"type":"a"}');
  await first.close();
  await using second = new MessageServer({ broadcastPort, receivePort });
  await until(() => second.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");
  second.sendMessage({ type: "b" });

  const { code, stderr, stdout } = await listener.ended();

  assert.deepEqual([code, stdout], [0, '{"type":"b"}\n']);
  assert.match(stderr, /Z messages may be missing here: the broker has begun a new life\n/);
});

Deno.test("client.ts listen --since earliest begins with what the broker still holds", async () => {
  await using server = new MessageServer({ history: { messages: 2 } });
  for (const type of ["a", "b", "c", "d", "e"]) server.sendMessage({ type });

  const { code, stdout } = await run([
    ...["client.ts", "listen", "--json", "--since", "earliest", "--count", "2"],
    ...["--broadcast", server.broadcastAddress],
  ]);

  assert.deepEqual([code, stdout], [0, '{"type":"d"}\n{"type":"e"}\n']);
});

Deno.test("client.ts last prints the newest message at once", async () => {
  await using server = new MessageServer();
  for (const type of ["old", "new"]) server.sendMessage({ type });
  const args = ["client.ts", "last", "--json", "--wait", "60", "--broadcast", server.broadcastAddress];

  assert.deepEqual(await run(args), { code: 0, stdout: '{"type":"new"}\n', stderr: "" });
});

Deno.test("client.ts last waits for the first message when there is none yet", async () => {
  await using server = new MessageServer();
  await using last = new Program(["client.ts", "last", "--json", "--broadcast", server.broadcastAddress]);
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");

  server.sendMessage({ type: "first" });

  assert.deepEqual(await last.ended(), { code: 0, stdout: '{"type":"first"}\n', stderr: "" });
});

Deno.test("client.ts last says that none came, with code 1", async () => {
  await using server = new MessageServer();

  const { code, stderr } = await run([
    "client.ts",
    "last",
    "--wait",
    "1",
    "--broadcast",
    server.broadcastAddress,
  ]);

  assert.equal(code, 1);
  assert.match(stderr, /none came/);
});

Deno.test("clients survive kill -9 of the broker process and its return on the same ports", async () => {
  const first = await startBroker();
  await using client = new PassiveMessageClient({
    serverBroadcast: first.broadcastAddress,
    serverReceive: first.receiveAddress,
    reconnect: { minMs: 1, maxMs: 20 },
  });
  await soon(client.ready);
  let sent = 0;
  const flow = setInterval(() => client.sendMessage({ type: "n", i: sent++ }), 1);
  try {
    await soon(client.waitForMessages(20));
    first.kill("SIGKILL");
    await first.ended();
    await until(() => !client.isReceiving && !client.isSending, "the end of both connections");
    const port = (address: string) => address.split(":").at(-1)!;
    await using _second = await startBroker(
      ...["--broadcast-port", port(first.broadcastAddress), "--receive-port", port(first.receiveAddress)],
    );
    await until(() => client.isReceiving && client.isSending, "both connections again");
    const before = client.count;
    await soon(client.waitForMessages(before + 20));
  } finally {
    clearInterval(flow);
  }

  const numbers = client.messagesAfter(0).entries.map(({ text }) => JSON.parse(text).i as number);
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), "in order, and none twice");
});

Deno.test("broker.ts --http serves messages of the bus over HTTP from the same process", async () => {
  await using broker = await startBroker("--http", "0") as Program & Addresses & { http: string };
  assert.match(broker.http, /^http:\/\/127\.0\.0\.1:\d+$/);

  const waiting = fetch(`${broker.http}/messages/longpoll?since=earliest`);
  const { code } = await run([
    "client.ts",
    "send",
    "--receive",
    broker.receiveAddress,
    '{"type":"subject","subject":119}',
  ]);

  assert.equal(code, 0);
  assert.deepEqual(await (await waiting).json(), { message: '{"type":"subject","subject":119}' });
});

Deno.test("broker.ts --transport libzmq runs on libzmq, and without --allow-ffi says in one line what to do", async () => {
  await using broker = new Program([
    "--allow-ffi",
    "--allow-read",
    "broker.ts",
    "--json",
    "--transport",
    "libzmq",
  ], {
    permission: "",
  });
  const { receiveAddress } = JSON.parse((await broker.line())!);
  const sent = await run(["client.ts", "send", "--receive", receiveAddress, '{"type":"a"}']);
  const refused = await run(["broker.ts", "--transport", "libzmq"]);

  assert.deepEqual(sent, { code: 0, stdout: "sent 1\n", stderr: "" });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^broker\.ts: .*--allow-ffi.*\n$/);
});
