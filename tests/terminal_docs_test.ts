/** docs/terminal.md: its commands run as they stand, those of its tables included. */
import assert from "node:assert/strict";
import { MessageServer, serveGateway } from "../mod.ts";
import { COMMANDS } from "../programs/client.ts";
import { soon } from "./support/deadline.ts";
import { ROOT, run } from "./support/program.ts";

const DOCUMENT = Deno.readTextFileSync(`${ROOT}docs/terminal.md`);

/** Every command of the page, once. */
function commands(): string[] {
  const blocks = [...DOCUMENT.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, text]) =>
    text!.trim().split("\n")
  );
  const spans = [...DOCUMENT.matchAll(/^\|.*$/gm)].flatMap(([row]) => [...row.matchAll(/`([^`]*)`/g)]);
  const inTables = spans.map(([, text]) => text!).filter((text) => /^(?:bus|curl) /.test(text));
  return [...new Set([...blocks, ...inTables])];
}

/** A shell with the command bus, and a broker behind it. */
class Terminal implements AsyncDisposable {
  readonly server = new MessageServer();
  readonly gateway = serveGateway(this.server, { port: 0, log: () => {} });
  readonly #folder = Deno.makeTempDirSync();
  readonly #script: string;
  readonly #flow: ReturnType<typeof setInterval>;

  constructor(script: string) {
    this.#script = script;
    Deno.writeTextFileSync(`${this.#folder}/message.json`, '{\n  "type": "ping"\n}\n');
    Deno.writeTextFileSync(`${this.#folder}/messages.ndjson`, '{"type":"ping"}\n{"type":"pong"}\n');
    const types = ["subject", "log", "visualization", "sample"];
    const say = () => {
      for (const type of types) this.server.sendJsonMessage(JSON.stringify({ type, subject: 119 }));
    };
    say();
    this.#flow = setInterval(say, 50);
  }

  /** Runs a command until it ends, or until one that goes on has printed a line. */
  async run(
    command: string,
  ): Promise<{ readonly ended: boolean; readonly code: number; readonly said: string }> {
    const variables = ["BUS_BROADCAST", "BUS_RECEIVE", "BUS_HTTP"];
    const here = command.replaceAll("http://127.0.0.1:8000", this.gateway.url);
    const child = new Deno.Command("bash", {
      args: [
        "--norc",
        "-c",
        `deno() { exec "$DENO" "$@"; }; npx() { shift 2; exec "$DENO" "$@"; }\n${this.#script}\n${here}`,
      ],
      cwd: this.#folder,
      env: {
        DENO: Deno.execPath(),
        NO_COLOR: "1",
        BUS_BROADCAST: this.server.broadcastAddress,
        BUS_RECEIVE: this.server.receiveAddress,
        BUS_HTTP: this.gateway.url,
        BUS_PERMISSIONS: `--no-prompt --allow-net=127.0.0.1 --allow-read=. --allow-env=${
          variables.join(",")
        }`,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stderr = new Response(child.stderr).text();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const goesOn = /^bus (?:listen|top)\b(?!.*--(?:count|timeout))/.test(command);
    let said = "";
    try {
      while (!(goesOn && said.includes("\n"))) {
        const { value, done } = await soon(reader.read(), `the output of ${command}`, 20_000);
        if (done) break;
        said += value;
      }
      if (goesOn) return { ended: false, code: 0, said };
      const { code } = await soon(child.status);
      return { ended: true, code, said: said + await stderr };
    } finally {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await reader.cancel();
      await child.status;
      await stderr;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#flow);
    await this.gateway.close();
    await this.server.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** What makes the command `bus`. */
const { stdout: SCRIPT } = await run(["client.ts", "--completion", "bash"], { permission: "" });
const ignore = Deno.build.os === "windows";
for (const command of commands()) {
  Deno.test({
    name: `docs/terminal.md: ${command}${ignore ? " (ignored: no bash)" : ""}`,
    ignore,
    fn: async () => {
      await using terminal = new Terminal(SCRIPT);
      const { ended, code, said } = await terminal.run(command);
      assert.equal(code, 0, said);
      if (!command.includes(" -q ")) assert.match(said, /\S/);
      if (ended) assert.doesNotMatch(said, /^client\.ts: /m);
    },
  });
}

Deno.test("docs/terminal.md has every command, and names no flag that there is not", async () => {
  const names = Object.keys(COMMANDS);
  const used = commands().flatMap((command) =>
    [...command.matchAll(/\bbus (\w+)/g)].map(([, name]) => name!)
  );
  for (const name of used) assert.ok(names.includes(name), name);
  for (const name of ["listen", "send", "last", "top", "bench"]) assert.ok(used.includes(name), name);
  for (const command of commands().filter((command) => command.startsWith("bus "))) {
    const name = /^bus (\w+)/.exec(command)![1]!;
    const { command: { flags } } = await COMMANDS[name]!.load();
    for (const [, flag] of command.matchAll(/ --([a-z-]+)/g)) assert.ok(Object.hasOwn(flags, flag!), command);
  }
});
