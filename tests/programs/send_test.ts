/** client.ts send: fields, files, lines, again and again; and what it says of each slip. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { messagesOf } from "../../programs/message_arguments.ts";
import { until } from "../support/deadline.ts";
import { type Ended, run } from "../support/program.ts";

/** Sends to a broker, and gives what came. */
async function sent(
  args: readonly string[],
  permission = "--allow-net=127.0.0.1",
): Promise<Ended & { readonly texts: readonly string[]; readonly times: readonly number[] }> {
  await using server = new MessageServer();
  const all = ["client.ts", "send", "--receive", server.receiveAddress, ...args];
  const ended = await run(permission === "" ? all : ["--allow-net=127.0.0.1", ...all], { permission });
  const count = Number(/^sent (\d+)$/m.exec(ended.stdout)?.[1] ?? 0);
  await until(() => server.stats().received >= count, "what was sent");
  const { entries } = server.feed.after(0);
  return { ...ended, texts: entries.map(({ text }) => text), times: entries.map(({ time }) => time) };
}

Deno.test({ name: "messagesOf() makes one message of fields, digit by digit", permissions: "none" }, () => {
  const fields = [
    "type=subject",
    "subject:=119",
    "n:= 12345678901234567890",
    'text=a "b"=c',
    "list:=[1, 2]",
    "empty=",
  ];
  assert.deepEqual(messagesOf(fields), [
    '{"type":"subject","subject":119,"n":12345678901234567890,"text":"a \\"b\\"=c","list":[1, 2],"empty":""}',
  ]);
  assert.deepEqual(messagesOf(['{"a":"b=c"}', '{"d":1}']), ['{"a":"b=c"}', '{"d":1}']);
  assert.deepEqual(messagesOf(["größe:=1", "__proto__=x"]), ['{"größe":1,"__proto__":"x"}']);
});

Deno.test({
  name: "messagesOf() says how to do without quotes that a shell has taken away",
  permissions: "none",
}, () => {
  assert.throws(() => messagesOf(["{type:subject,subject:119}"]), /type=subject subject:=119 needs none$/);
  assert.throws(
    () => messagesOf(['{"type":"subject",}']),
    (error: Error) => !error.message.includes("shell"),
  );
});

Deno.test("client.ts send type=subject subject:=119 sends one message and says so", async () => {
  const { code, stdout, stderr, texts } = await sent(["type=subject", "subject:=119"]);
  assert.deepEqual([code, stdout, stderr], [0, "sent 1\n", ""]);
  assert.deepEqual(texts, ['{"type":"subject","subject":119}']);
});

Deno.test("client.ts send --repeat N --every MS sends again and again, so long apart", async () => {
  const before = Date.now();
  const { code, stdout, texts, times } = await sent(
    ["--repeat", "3", "--every", "300", '{"type":"a"}', '{"type":"b"}'],
  );
  assert.deepEqual([code, stdout], [0, "sent 6\n"]);
  assert.deepEqual(texts.map((text) => JSON.parse(text).type).join(""), "ababab");
  // From before the start: a busy broker may be late at the first one.
  assert.ok(times.at(-1)! - before >= 5 * 300 - 10, String([before, ...times]));
});

Deno.test("client.ts send --quiet prints nothing", async () => {
  const { code, stdout, stderr } = await sent(["-q", "type=a"]);
  assert.deepEqual([code, stdout, stderr], [0, "", ""]);
});

Deno.test("client.ts send --file sends the one message of a file, and with --lines one a line", async () => {
  const file = await Deno.makeTempFile();
  const read = `--allow-read=${file}`;
  try {
    await Deno.writeTextFile(file, '\ufeff{\r\n  "type": "a"\r\n}\r\n');
    const whole = await sent(["--file", file, "--repeat", "2"], read);
    assert.deepEqual([whole.code, whole.stdout], [0, "sent 2\n"]);
    assert.deepEqual(whole.texts.map((text) => JSON.parse(text)), [{ type: "a" }, { type: "a" }]);
    await Deno.writeTextFile(file, '{"type":"a"}\n\n{"type":"b"}\nno JSON\n{"type":"c"}');
    const lines = await sent(["--file", file, "--lines"], read);
    assert.equal(lines.code, 1);
    assert.equal(lines.stdout, "sent 3\n");
    assert.match(lines.stderr, /^client\.ts: line 4: .*no JSON.*\n$/);
    assert.deepEqual(lines.texts, ["a", "b", "c"].map((type) => JSON.stringify({ type })));
  } finally {
    await Deno.remove(file);
  }
});

/** What a file may be, and what is said of it. */
const FILES: readonly (readonly [what: string, make: (path: string) => Promise<void>, said: RegExp])[] = [
  ["not there", () => Promise.resolve(), /there is no such file$/],
  ["a folder", (path) => Deno.mkdir(path), /it is a folder$/],
  ["empty", (path) => Deno.writeTextFile(path, "\n"), /it is empty$/],
  ["not UTF-8", (path) => Deno.writeFile(path, Uint8Array.of(123, 255, 125)), /it is not UTF-8$/],
  ["no object", (path) => Deno.writeTextFile(path, "[1]"), /an array, not an object$/],
  [
    "of several messages",
    (path) => Deno.writeTextFile(path, "{}\n{}\n"),
    /if each line is a message, add --lines$/,
  ],
];
for (const [what, make, said] of FILES) {
  Deno.test(`client.ts send --file says in one line that the file is ${what}, and sends nothing`, async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/message.json`;
    try {
      await make(path);
      const { code, stdout, stderr, texts } = await sent(["--file", path], `--allow-read=${folder}`);
      assert.deepEqual([code, stdout, texts.length], [1, "", 0]);
      assert.match(stderr.trimEnd(), said);
      assert.equal(stderr.split("\n").length, 2, stderr);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("client.ts send --file without permission names the flag to add", async () => {
  const { code, stderr } = await run(["client.ts", "send", "--receive", "9", "--file", "messages.json"]);
  assert.equal(code, 1);
  assert.match(stderr, /^client\.ts: Cannot use --file messages\.json: .* --allow-read=messages\.json\n$/);
});
