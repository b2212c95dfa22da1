/** The README says what is so: its commands and programs run as they stand, and each promise has tests that exist. */
import assert from "node:assert/strict";
import { MessageServer, serveGateway } from "../mod.ts";
import { COMMANDS } from "../programs/client.ts";
import { soon } from "./support/deadline.ts";
import { Program, ROOT, run } from "./support/program.ts";
import { PROGRAMS_PAGE, withOptions } from "./support/programs_page.ts";

const README = Deno.readTextFileSync(new URL("../README.md", import.meta.url));
const TEXT = '{"type":"subject","subject":119}';

/** The section of this title. */
function section(title: string): string {
  const found = README.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  assert.ok(found !== undefined, `README.md has no section ${title}`);
  return found;
}

/** The code in it, by its language. */
function code(title: string, language: string): string[] {
  return [...section(title).matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language).map(([, , text]) => text!);
}

/** The words of a command, as a shell takes them. */
function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
}

/** A broker with its web side, in the place of the README's. */
class Bus implements AsyncDisposable {
  readonly server = new MessageServer();
  readonly gateway = serveGateway(this.server, { port: 0, log: () => {} });

  /** Code of the README with the addresses of this one. */
  here(text: string): string {
    return text.replaceAll("tcp://127.0.0.1:5555", this.server.broadcastAddress)
      .replaceAll("tcp://127.0.0.1:5556", this.server.receiveAddress)
      .replaceAll("http://127.0.0.1:8000", this.gateway.url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close();
    await this.server.close();
  }
}

/** Is that program here, and does it run this? Deno, npm and the shell are taken for granted. */
async function canRun(command: string, args: readonly string[]): Promise<boolean> {
  try {
    const child = new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" });
    return (await child.output()).success;
  } catch {
    return false;
  }
}

/** The first of these commands that is here. */
async function firstOf(commands: readonly string[], args: readonly string[]): Promise<string | undefined> {
  for (const command of commands) if (await canRun(command, args)) return command;
  return undefined;
}

/** Runs code until it has printed what `isDone` looks for, while `flow` is called again and again. */
async function printed(
  [command, ...args]: readonly [string, ...string[]],
  what: string,
  flow: () => unknown = () => {},
): Promise<string> {
  const child = new Deno.Command(command, {
    args,
    cwd: ROOT,
    env: { PYTHONUNBUFFERED: "1", NO_COLOR: "1" },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const flowing = setInterval(flow, 50);
  let text = "";
  try {
    while (!text.includes(what)) {
      const { value, done } = await soon(reader.read(), `${what}, behind ${text}`);
      if (done) throw new Error(`${command} ended and had printed ${text}`);
      text += value;
    }
    return text;
  } finally {
    clearInterval(flowing);
    await reader.cancel();
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
  }
}

/** The next message that the broker gets. */
function received({ server }: Bus): Promise<string> {
  return soon(
    new Promise((resolve) => server.addEventListener("message", ({ text }) => resolve(text), { once: true })),
    "a message at the broker",
  );
}

Deno.test("README.md: its first command starts broker and live page", async () => {
  const [start] = code("Start it", "sh");
  const [npx, y, deno, ...rest] = words(start!);
  assert.deepEqual([npx, y], ["npx", "-y"]);
  assert.match(deno!, /^deno@\d+\.\d+\.\d+$/);
  assert.deepEqual(rest.slice(0, 2), ["run", "--allow-net=127.0.0.1"]);
  // The ports may be taken where the tests run.
  const args = rest.slice(2).map((word) => /^\d+$/.test(word) ? "0" : word);
  await using broker = new Program([...args, "--json"]);
  const { broadcastAddress, receiveAddress, http } = JSON.parse((await broker.line())!);
  assert.match(`${broadcastAddress} ${receiveAddress}`, /^(tcp:\/\/127\.0\.0\.1:\d+ ?){2}$/);
  const page = await fetch(`${http}/monitor`);
  assert.match(await page.text(), /<title>Message bus</);
});

Deno.test("README.md: its second command counts the tests, also where Deno writes in colour", async () => {
  const { NO_COLOR: _, ...env } = Deno.env.toObject();
  const args = ["run", "-P=test", "tests/run.ts", "tests/base/fifo_test.ts"];
  const command = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, clearEnv: true, env });
  const { success, stdout } = await command.output();
  assert.match(new TextDecoder().decode(stdout), /^ok \| [1-9]\d* passed \| 0 failed \| 0 ignored/m);
  assert.ok(success);
});

Deno.test("README.md: a message passes from one terminal to another", async () => {
  await using bus = new Bus();
  const [listen, send] = code("Terminal", "sh").map((text) => words(bus.here(text)));
  const heard = printed(
    [Deno.execPath(), ...listen!.slice(1)],
    TEXT,
    () => bus.server.sendJsonMessage(TEXT),
  );
  const told = received(bus);
  assert.deepEqual(send!.slice(0, 3), ["deno", "run", "--allow-net=127.0.0.1"]);
  const { code: exitCode } = await run(send!.slice(3));
  assert.deepEqual([exitCode, await told], [0, TEXT]);
  assert.match(await heard, /subject {2}\{"type"/);
});

const curl = await firstOf(["curl"], ["--version"]);
Deno.test({
  name: `README.md: each line with curl answers what it says${
    curl === undefined ? " (ignored: no curl)" : ""
  }`,
  ignore: curl === undefined,
  fn: async () => {
    await using bus = new Bus();
    // What stands behind # is for people.
    const lines = code("curl", "sh")[0]!.trim().split("\n").map((line) =>
      words(bus.here(line.replace(/ # .*/, "")))
    );
    const answer = (i: number) => {
      return printed([curl!, "-sS", ...lines[i]!.slice(1)], i === 4 ? '"subject":119' : "119", () => {
        if (i === 2 || i === 3) bus.server.sendJsonMessage(TEXT);
      });
    };
    const told = received(bus);
    const { success } = await new Deno.Command(curl!, { args: ["-sS", ...lines[1]!.slice(1)] }).output();
    assert.deepEqual([success, await told], [true, TEXT]);
    assert.deepEqual(JSON.parse(await answer(0)), { count: 1, message: TEXT });
    assert.deepEqual(JSON.parse(await answer(2)), { message: TEXT });
    assert.ok((await answer(3)).includes(`data: ${TEXT}`));
    assert.equal(JSON.parse(await answer(4)).values[0].type, "subject");
    assert.equal(JSON.parse(await answer(5)).missed, 0);
    assert.equal(lines.length, 6);
  },
});

Deno.test("README.md: the keys that it makes let Alice in", async () => {
  const folder = await Deno.makeTempDir();
  const here = (line: string) =>
    words(line).slice(3).map((word) => /^(broker|client)\.ts$/.test(word) ? `${ROOT}${word}` : word);
  try {
    const [onBroker, onAlice] = code("Other machines", "sh");
    const [make, start] = onBroker!.trim().split("\n");
    const made = await run(here(make!), { cwd: folder, permission: words(make!)[2]! });
    assert.equal(made.code, 0, made.stderr);
    // For this machine alone, while the tests run.
    const args = here(start!).filter((word) => word !== "--public");
    assert.equal(args.length, here(start!).length - 1);
    await using broker = new Program([...args, "--json"], { cwd: folder });
    const { broadcastAddress, receiveAddress } = JSON.parse((await broker.line())!);
    const listen = here(onAlice!.replace("tcp://HOST:PORT", broadcastAddress));
    await using alice = new Program([...listen, "--json"], { cwd: `${folder}/keys` });
    const heard = alice.line();
    let isHeard = false;
    void heard.then(() => isHeard = true);
    while (!isHeard) {
      const key = ["--key-file", "bob.key", "--receive", receiveAddress];
      const sent = await run(["--allow-read=bob.key", `${ROOT}client.ts`, "send", ...key, TEXT], {
        cwd: `${folder}/keys`,
      });
      assert.equal(sent.code, 0, sent.stderr);
    }
    assert.equal(await heard, TEXT);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("README.md: each promise is shown by tests that exist", () => {
  const guarantees = section("What is guaranteed, and what is not");
  const promises = [...guarantees.matchAll(/^\| ([A-Z].*?) *\| \S/gm)].map(([, name]) => name);
  const shown = [...guarantees.matchAll(/^- ([^:]+): ((?:.|\n {2})+)/gm)];
  assert.ok(promises.length >= 10);
  assert.deepEqual(shown.map(([, name]) => name), promises);
  for (const [item, promise, list] of shown) {
    const tests = [...list!.matchAll(/`(tests\/[^`]+)` "([^"]+)"/g)];
    assert.ok(tests.length > 0, `no test shows ${promise}`);
    assert.equal(item!.match(/`tests\//g)?.length, tests.length, item);
    for (const [, file, name] of tests) {
      const source = Deno.readTextFileSync(new URL(`../${file}`, import.meta.url));
      // A name may end with why it is ignored.
      const isThere = source.includes(`"${name}"`) || source.includes(`\`${name}\${`);
      assert.ok(isThere, `${file} has no test "${name}"`);
    }
  }
});

Deno.test("README.md: its figure of speed is that of bench/baseline.json", () => {
  const baseline = JSON.parse(Deno.readTextFileSync(new URL("../bench/baseline.json", import.meta.url)));
  const [, times] = /100 bytes it passes on (\d\.\d) times/.exec(
    section("How fast it is").replaceAll("\n", " "),
  )!;
  assert.equal(times, baseline["1to1-100B"].toFixed(1));
  assert.ok(baseline["1to1-1MB"] < 1);
});

Deno.test("docs/programs.md lists the options that the programs have; deno task flags copies them anew", async () => {
  const page = Deno.readTextFileSync(PROGRAMS_PAGE);
  assert.equal(page, await withOptions(page));
  const programs = [
    "broker.ts",
    "client.ts",
    ...Object.keys(COMMANDS).map((name) => `client.ts ${name}`),
    "http.ts",
  ];
  assert.deepEqual([...page.matchAll(/^###? (.*\.ts.*)$/gm)].map(([, name]) => name), programs);
  assert.equal(page.match(/^ {2}-h, --help /gm)?.length, programs.length);
});
