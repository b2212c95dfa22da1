/** What a person sees at a terminal: colours, columns and short lines there, and nothing of it anywhere else. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { shortened } from "../../programs/terminal.ts";
import { jsonLines } from "../../programs/json_lines.ts";
import { until } from "../support/deadline.ts";
import { run } from "../support/program.ts";
import { onTerminal } from "../support/pty.ts";
import { pythonPath } from "../support/python.ts";

const python = Deno.build.os === "windows" ? undefined : await pythonPath("socket");
const ignore = python === undefined;
const why = ignore ? " (ignored: no Python that opens a terminal)" : "";

/** What of the lines is text. */
function plain(line: string): string {
  // deno-lint-ignore no-control-regex
  return line.replace(/\x1b\[\d*m/g, "");
}

/** Without what Deno itself writes first, to take away what it may have said of downloads. */
function cleared(line: string | undefined): string {
  assert.ok(line !== undefined, "the program has ended");
  // deno-lint-ignore no-control-regex
  return line.replace(/\x1b\[\d*[GJK]/g, "");
}

/** A broker that holds these messages. */
function holding(...messages: { readonly type: string; readonly [name: string]: unknown }[]): MessageServer {
  const server = new MessageServer();
  for (const message of messages) server.sendMessage(message);
  return server;
}

/** The lines of messages, and no notes, that listen prints on a terminal. */
async function listed(
  server: MessageServer,
  count: number,
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  await using child = onTerminal(
    python!,
    60,
    ["client.ts", "listen", "--broadcast", server.broadcastAddress, "--since", "earliest", ...args],
    environment,
  );
  const lines: string[] = [];
  while (lines.length < count) {
    const line = cleared(await child.line());
    if (!line.startsWith("Listening at")) lines.push(line);
  }
  return lines;
}

Deno.test({
  name:
    `client.ts listen on a terminal: colours, texts below each other, and no line longer than it is wide${why}`,
  ignore,
  fn: async () => {
    await using server = holding(
      { type: "subject", subject: 119 },
      { type: "visualization", text: "日".repeat(100) },
      { type: "log", text: "x".repeat(1000) },
    );

    const lines = await listed(server, 3);

    assert.match(
      lines[0]!,
      // deno-lint-ignore no-control-regex
      /^\x1b\[2m\d\d:\d\d:\d\d\x1b\[0m {2}\x1b\[1msubject\x1b\[0m {2}\{"type":"subject","subject":119\}$/,
    );
    assert.match(plain(lines[1]!), /^\S{8} {2}visualization {2}\{.*日…$/);
    assert.match(plain(lines[2]!), /^\S{8} {2}log {12}\{"type":"log","text":"x+…$/);
    assert.equal(plain(lines[2]!).length, 60);
  },
});

Deno.test({
  name:
    `client.ts listen on a terminal has no colours with NO_COLOR, or where TERM may be read and is dumb${why}`,
  ignore,
  fn: async () => {
    await using server = holding({ type: "a" });
    const [line] = await listed(server, 1, [], { NO_COLOR: "1" });
    assert.equal(line, plain(line!));
    await using dumb = onTerminal(
      python!,
      60,
      ["client.ts", "last", "--broadcast", server.broadcastAddress],
      { TERM: "dumb" },
      ["--allow-net=127.0.0.1", "--allow-env=TERM"],
    );
    assert.match(cleared(await dumb.line()), /^\S{8} {2}a {6} {2}\{"type":"a"\}$/);
  },
});

Deno.test({
  name: `client.ts listen --pretty on a terminal shows members in colours, and cuts a screenshot only${why}`,
  ignore,
  fn: async () => {
    await using server = holding({ type: "log", screenshot: "A".repeat(5000), n: 1 });

    const lines = await listed(server, 6, ["--pretty"]);

    assert.deepEqual(lines.slice(1).map(plain), [
      "{",
      '  "type": "log",',
      `  "screenshot": "${"A".repeat(999)}…" (5000 characters),`,
      '  "n": 1',
      "}",
    ]);
    assert.equal(lines[2], '  \x1b[36m"type"\x1b[0m: \x1b[32m"log"\x1b[0m,');
  },
});

Deno.test("client.ts listen --pretty into a pipe is the whole message, digit by digit, without colours", async () => {
  await using server = new MessageServer();
  const text = `{"type":"log","n":[1.50,12345678901234567890,{}],"screenshot":"${"A".repeat(5000)}"}`;
  server.sendJsonMessage(text);

  const { stdout } = await run([
    ...["client.ts", "listen", "--pretty", "--json", "--since", "earliest", "--count", "1"],
    ...["--broadcast", server.broadcastAddress],
  ]);

  assert.equal(stdout.replace(/\n */g, "").replaceAll(": ", ":"), text);
  assert.match(stdout, /^ {4}12345678901234567890,$/m);
});

Deno.test({
  name: `client.ts send on a terminal takes what is typed, fields too, and ends with Ctrl+D${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer();
    await using child = onTerminal(python!, 100, ["client.ts", "send", "--receive", server.receiveAddress]);
    assert.match(
      cleared(await child.line()),
      /^A message a line: type=subject subject:=119, or \{.*Ctrl\+D ends$/,
    );
    await child.say("type=subject subject:=119");
    await child.say('{"type":"a"}');
    await child.say("hello");
    await child.say("\x04");
    let text = "";
    for (let line; (line = await child.line()) !== undefined;) text += `${line}\n`;
    assert.match(text, /line 3: .* expected a JSON object, or fields such as type=subject subject:=119$/m);
    assert.match(text, /^sent 2$/m);
    assert.equal(await child.ended(), 1);
    assert.deepEqual(server.feed.after(0).entries.map(({ text }) => text), [
      '{"type":"subject","subject":119}',
      '{"type":"a"}',
    ]);
  },
});

Deno.test({
  name: `client.ts listen on a terminal says on Ctrl+C how to go on from there${why}`,
  ignore,
  fn: async () => {
    await using server = holding({ type: "a" });
    const args = ["client.ts", "listen", "--broadcast", server.broadcastAddress, "--since", "earliest"];
    await using child = onTerminal(python!, 60, args);
    while (!(await child.line())!.includes('{"type":"a"}'));
    await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");

    child.say("\x03");

    let line: string | undefined;
    do line = await child.line(); while (line?.includes("--since") === false);
    assert.ok(
      line?.endsWith(`Go on from here with --since ${server.feed.place(server.feed.position)}`),
      line,
    );
  },
});

Deno.test({
  name: "shortened() cuts at columns, not at characters, and looks no farther",
  permissions: "none",
}, () => {
  assert.equal(shortened("abc", 3), "abc");
  assert.equal(shortened("abcd", 3), "ab…");
  assert.equal(shortened("日本語", 6), "日本語");
  assert.equal(shortened("日本語", 5), "日本…");
  assert.equal(shortened("e\u0301e\u0301e", 3), "e\u0301e\u0301e");
  assert.equal(shortened("👍👍", 3), "👍…");
});

Deno.test(
  { name: "jsonLines() takes any depth and any length, and says the same JSON", permissions: "none" },
  () => {
    const plain = { columns: undefined, colors: false };
    const deep = "[".repeat(200_000) + "]".repeat(200_000);
    assert.equal(jsonLines(deep, plain).map((line) => line.trim()).join(""), deep);
    const text = ' { "a\\"" :"\\\\","b" : [{},[ ],1e400\t, true\r\n,null,"{[,:]}"],"":{"c":-0.10}} ';
    assert.deepEqual(jsonLines(text, plain), [
      "{",
      '  "a\\"": "\\\\",',
      '  "b": [',
      ...["{}", "[]", "1e400", "true", "null"].map((item) => `    ${item},`),
      '    "{[,:]}"',
      "  ],",
      '  "": {',
      '    "c": -0.10',
      "  }",
      "}",
    ]);
  },
);
