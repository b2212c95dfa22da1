/**
 * The program as a person starts it: in a process of its own, with the permission that its help names and no other.
 */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { MessageClient } from "../../client.ts";
import { VERSION } from "../../base/version.ts";
import { soon } from "../support/deadline.ts";
import { form } from "../http/support/bus.ts";
import { Child } from "../http/support/child.ts";

const NET = ["--allow-net=127.0.0.1"];

const start = (args: readonly string[], flags: readonly string[] = NET) => Child.deno(flags, "http.ts", args);

Deno.test("http.ts serves a broker, and ends with 0 at SIGTERM and at SIGINT", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await using broker = new MessageServer();
    const addresses = ["--broadcast", broker.broadcastAddress, "--receive", broker.receiveAddress];
    await using program = start([...addresses, "--port", "0", "--json"]);
    const started = JSON.parse((await program.line())!);
    assert.deepEqual(Object.keys(started), ["http", "page", "token", "broadcastAddress", "receiveAddress"]);
    assert.equal(started.page, `${started.http}/monitor`);
    assert.equal(started.broadcastAddress, broker.broadcastAddress);
    await using listener = new MessageClient({ serverBroadcast: broker.broadcastAddress });
    await listener.ready;
    const heard = listener[Symbol.asyncIterator]().next();
    for (let status = 0; status !== 200;) {
      const response = await fetch(`${started.http}/readyz`);
      await response.text();
      status = response.status;
    }
    const sent = await fetch(`${started.http}/messages?confirm=5`, form('{"type":"ready","source_pid":1}'));
    assert.deepEqual((await sent.json()).count, 1);
    assert.equal((await soon(heard)).value.type, "ready");
    const waiting = fetch(`${started.http}/messages/longpoll`).then((response) => response.text());
    for (let waits = false; !waits;) {
      waits = (await (await fetch(`${started.http}/messages/subscribers`)).json()).longpoll === 1;
    }
    program.kill(signal);
    assert.equal(JSON.parse(await soon(waiting)).code, "shutting-down");
    assert.deepEqual(await program.end(), { code: 0, stderr: "" });
  }
});

Deno.test("http.ts tells people the page and the addresses", async () => {
  await using program = start(["--broadcast", "5555", "--port", "0"]);
  let text = "";
  while (!text.includes("sends to")) text += `${await program.line()}\n`;
  assert.match(text, /live page +http:\/\/127\.0\.0\.1:\d+\/monitor\n/);
  assert.match(text, /listens at +tcp:\/\/127\.0\.0\.1:5555\n/);
  assert.match(text, /sends to +nothing: no --receive was given/);
  program.kill("SIGTERM");
  const { code, stderr } = await program.end();
  assert.equal(code, 0);
  assert.match(stderr, /^$|^\S+Z Cannot connect to tcp:\/\/127\.0\.0\.1:5555: .*; trying again\n$/);
});

Deno.test("http.ts --token auto prints a token that works, and the page's address with it", async () => {
  await using program = start(["--broadcast", "5555", "--port", "0", "--token", "auto", "--json"]);
  const { http, page, token } = JSON.parse((await program.line())!);
  assert.equal(page, `${http}/monitor#token=${token}`);
  const statusOf = async (headers: HeadersInit) => {
    const response = await fetch(`${http}/messages/subscribers`, { headers });
    await response.text();
    return response.status;
  };
  assert.equal(await statusOf({}), 401);
  assert.equal(await statusOf({ authorization: `Bearer ${token}` }), 200);
});

Deno.test("http.ts --help and --version", async () => {
  for (const flag of ["--help", "-h"]) {
    await using program = start([flag], []);
    const { code, stderr } = await program.end();
    assert.deepEqual([code, stderr], [0, ""]);
  }
  await using program = start(["--version"], []);
  assert.equal(await program.line(), VERSION);
});

const WRONG: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
  [["--nothing"], 2, /--nothing/],
  [["--broadcast"], 2, /--broadcast/],
  [["--broadcast", "here"], 2, /here/],
  [["--broadcast", "5555", "--port", "eighty"], 2, /--port/],
  [["--broadcast", "5555", "--port", "65536"], 2, /--port/],
  [["--broadcast", "5555", "more"], 2, /more/],
  [["--broadcast", "5555", "--hostname", "0.0.0.0"], 2, /--token auto, or --no-token/],
  [["--broadcast", "5555", "--allow-host", "*"], 2, /--allow-host: "\*" .* needs --token auto/],
  [["--broadcast", "5555", "--prefix", "bus"], 2, /--prefix/],
  [["--broadcast", "5555", "--token", "auto", "--no-token"], 2, /--token and --no-token together/],
  [["--broadcast", "5555", "--token-file", "LICENSE"], 1, /--token-file LICENSE: .*--allow-read=LICENSE/],
  [["--broadcast", "5555", "--max-body", "0"], 2, /--max-body/],
  [["--broadcast", "5555", "--port", "0", "--hostname", "127.0.0.2"], 1, /--allow-net=127\.0\.0\.2/],
];

for (const [args, code, says] of WRONG) {
  Deno.test(`http.ts ${args.join(" ")}: one line on stderr, exit code ${code}`, async () => {
    await using program = start(args);
    const ended = await program.end();
    assert.equal(ended.code, code);
    assert.match(ended.stderr, says);
    assert.equal(ended.stderr.trimEnd().split("\n").length, 1, ended.stderr);
  });
}

Deno.test("http.ts without a permission names the flag: for its port, and for the broker", async () => {
  await using listening = start(["--broadcast", "5555", "--port", "0"], []);
  const first = await listening.end();
  assert.equal(first.code, 1);
  assert.match(first.stderr, /^http\.ts: Cannot listen on 127\.0\.0\.1:0: .*--allow-net=127\.0\.0\.1\n$/);
  await using dialling = start(["--broadcast", "tcp://127.0.0.1:5555", "--port", "0", "--json"], [
    "--allow-net=127.0.0.1:0",
  ]);
  const second = await dialling.end();
  assert.equal(second.code, 1);
  assert.match(
    second.stderr,
    /^[\d:.TZ-]+ http\.ts: Cannot connect to tcp:\/\/127\.0\.0\.1:5555: .*--allow-net=127\.0\.0\.1\n$/,
  );
});

Deno.test("http.ts on a port in use: one line, exit code 1", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using program = start(["--broadcast", "5555", "--port", String(listener.addr.port)]);
  const { code, stderr } = await program.end();
  listener.close();
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^http\.ts: Cannot listen on 127\.0\.0\.1:\d+: another program uses the port; choose another one with --port N, 0 .*\n$/,
  );
});
