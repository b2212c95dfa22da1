/** What the live page copies runs as it stands, and sends exactly the message. */
import assert from "node:assert/strict";
import { MessageServer, serveGateway } from "../../mod.ts";
// @ts-types="./support/snippets.d.ts"
import { SNIPPETS, terminalCommand } from "../../http/page/snippets.js";
import { soon } from "../support/deadline.ts";
import { ROOT } from "../support/program.ts";
import { quiet } from "./support/bus.ts";

const TEXTS = [
  '{"type":"subject","subject":119}',
  '{"type":"subject", "subject":12345678901234567890}',
  `{"type":"log","action":"it's a \\"quote\\", a $HOME, a \`tick\` and a \\\\ backslash","n":"\\n\\u00eb"}`,
  '{"type":"names","names":["Zoë","日本","😀"]}',
  '{\n\t"type": "pretty"\n}',
];

/** The command that runs a text, and what is there to run it. */
const RUNNERS: Readonly<Record<string, readonly [command: string, ...args: string[]]>> = {
  curl: ["sh", "-c"],
  Python: ["/usr/bin/python3", "-c"],
  JavaScript: [Deno.execPath(), "eval"],
};

async function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args], cwd: ROOT, env }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

async function canRun(command: string, args: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

const CHECKS: Readonly<Record<string, readonly [command: string, ...args: string[]]>> = {
  curl: ["curl", "--version"],
  Python: ["/usr/bin/python3", "-c", "import zmq"],
  R: ["Rscript", "-e", "library(pbdZMQ)"],
  JavaScript: [Deno.execPath(), "--version"],
};

/** The next message at the broker, when this is done. */
async function sent(server: MessageServer, act: () => Promise<void>): Promise<string> {
  const next = new Promise<string>((resolve) =>
    server.addEventListener("message", ({ text }) => resolve(text), { once: true })
  );
  await act();
  return await soon(next, "the message");
}

for (const name of Object.keys(SNIPPETS)) {
  const [command, ...args] = CHECKS[name]!;
  const ignore = !await canRun(command, args);
  Deno.test({
    name: `page: what it copies as ${name} runs and sends exactly the message${
      ignore ? ` (ignored: no ${name})` : ""
    }`,
    ignore,
    fn: async () => {
      await using server = new MessageServer();
      await using gateway = serveGateway(server, { port: 0, ...quiet });
      const where = { url: `${gateway.url}/`, receiveAddress: server.receiveAddress, hasToken: false };
      for (const text of TEXTS) {
        const code = SNIPPETS[name]!(text, where)!;
        const act = async () => {
          if (name !== "R") return await run(RUNNERS[name]![0], [...RUNNERS[name]!.slice(1), code]);
          const file = await Deno.makeTempFile({ suffix: ".R" });
          await Deno.writeTextFile(file, code);
          await run("Rscript", [file]).finally(() => Deno.remove(file));
        };
        assert.equal(await sent(server, act), text);
      }
    },
  });
}

Deno.test("page: where keys or another process hide the address, Python takes HTTP, with the token", async () => {
  await using server = new MessageServer();
  await using gateway = serveGateway(server, { port: 0, token: "the-token", ...quiet });
  const where = { url: `${gateway.url}/`, receiveAddress: undefined, hasToken: true };
  assert.equal(SNIPPETS.R!(TEXTS[0]!, where), undefined);
  assert.equal(terminalCommand(TEXTS[0]!, where), undefined);
  for (const text of TEXTS) {
    for (const name of ["Python", "curl"]) {
      const [command, ...args] = RUNNERS[name]!;
      const code = SNIPPETS[name]!(text, where)!;
      assert.ok(!code.includes("the-token"));
      assert.equal(await sent(server, () => run(command, [...args, code], { BUS_TOKEN: "the-token" })), text);
    }
  }
});

Deno.test("page: curl sends a message that is too long for a command line", async () => {
  await using server = new MessageServer();
  await using gateway = serveGateway(server, { port: 0, ...quiet });
  const text = JSON.stringify({ type: "log", screenshot: "MESSAGE".repeat(30_000) });
  const code = SNIPPETS.curl!(text, { url: `${gateway.url}/`, receiveAddress: undefined, hasToken: false })!;
  const file = await Deno.makeTempFile({ suffix: ".sh" });
  await Deno.writeTextFile(file, code);
  // The last line break of a heredoc is white space behind the message.
  assert.equal((await sent(server, () => run("sh", [file]))).trim(), text);
  await Deno.remove(file);
});

Deno.test("page: the command of its empty list sends from the folder of the broker", async () => {
  await using server = new MessageServer();
  const where = { url: "", receiveAddress: server.receiveAddress, hasToken: false };
  for (const text of TEXTS) {
    const command = terminalCommand(text, where)!.replace(/^deno /, `"${Deno.execPath()}" `);
    assert.equal(await sent(server, () => run("sh", ["-c", command])), text);
  }
});
