/** README.md and docs/*.md say what is so: all their code runs as it stands, and what they link to is there. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type BusMessageEvent, MessageServer, serveGateway } from "../../mod.ts";
import { soon } from "../support/deadline.ts";
import { ROOT } from "../support/program.ts";
import { pythonPath } from "../support/python.ts";
import { type Block, blocksOf, commandsOf, DOCUMENTS, ELSEWHERE, NO_CODE } from "./blocks.ts";

const BLOCKS = DOCUMENTS.flatMap(blocksOf);
const elsewhere = ({ file, text }: Block) =>
  ELSEWHERE.find((one) => one.file === file && text.includes(one.with));
const runnable = (...languages: string[]) =>
  BLOCKS.filter((block) => languages.includes(block.language) && elsewhere(block) === undefined);

/** A broker where messages flow, and a folder that looks like this project. */
class Scene implements AsyncDisposable {
  readonly server = new MessageServer();
  readonly gateway = serveGateway(this.server, { port: 0, log: () => {} });
  readonly folder = Deno.makeTempDirSync();
  readonly heard: BusMessageEvent[] = [];
  readonly #flow: ReturnType<typeof setInterval>;

  constructor() {
    for (const { name } of Deno.readDirSync(ROOT)) {
      if (/^(\.|tests$|docs$|bench$)/.test(name)) continue;
      cpSync(join(ROOT, name), join(this.folder, name), { recursive: true });
    }
    for (const file of ["python/bus.py", "r/bus.R"]) {
      cpSync(join(ROOT, "clients", file), join(this.folder, file.split("/")[1]!));
    }
    this.server.addEventListener("message", (event) => this.heard.push(event));
    const say = () => {
      for (const type of ["subject", "sample"]) {
        this.server.sendMessage({ type, subject: 119, sample: [119], n: Math.random() });
      }
    };
    say();
    this.#flow = setInterval(say, 50);
  }

  /** Code with the addresses of this broker. A broker in the code takes any free ports. */
  here(text: string): string {
    return text.replaceAll("tcp://127.0.0.1:5555", this.server.broadcastAddress)
      .replaceAll("tcp://127.0.0.1:5556", this.server.receiveAddress)
      .replaceAll("http://127.0.0.1:8000", this.gateway.url)
      .replaceAll("--http 8000", "--http 0");
  }

  /** Runs it until it ends, or until something that goes on has printed a line. */
  async run(command: string, args: readonly string[], goesOn: (text: string) => boolean): Promise<string> {
    const child = new Deno.Command(command, {
      args: [...args],
      cwd: this.folder,
      env: {
        DENO: Deno.execPath(),
        NO_COLOR: "1",
        PYTHONUNBUFFERED: "1",
        PYTHONPATH: this.folder,
        PYTHONDONTWRITEBYTECODE: "1",
        BUS_BROADCAST: this.server.broadcastAddress,
        BUS_RECEIVE: this.server.receiveAddress,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stderr = new Response(child.stderr).text();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    try {
      while (!goesOn(said)) {
        const { value, done } = await soon(reader.read(), `the output of ${args.at(-1)}`, 60_000);
        if (done) {
          const { code } = await soon(child.status);
          assert.equal(
            code,
            0,
            `${args.at(-1)}\nprinted ${said}\n${await stderr}\n(What cannot be run is listed in blocks.ts.)`,
          );
          return said;
        }
        said += value;
      }
      return said;
    } finally {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await reader.cancel();
      await child.status;
      assert.doesNotMatch(await stderr, /Traceback|^Error|a handler of the bus failed/m);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#flow);
    await this.gateway.close();
    await this.server.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("documents: all code is run, or says why it is not", () => {
  const unknown = BLOCKS.filter((block) =>
    !["sh", "bash", "python", "r", "ts", ...NO_CODE].includes(block.language) &&
    elsewhere(block) === undefined
  );
  assert.deepEqual(unknown.map(({ file, heading, language }) => `${file}, ${heading}: ${language}`), []);
  for (const one of ELSEWHERE) {
    assert.ok(BLOCKS.some((block) => elsewhere(block) === one), `${one.file} has nothing with ${one.with}`);
    if (one.test !== undefined) assert.ok(Deno.statSync(`${ROOT}${one.test}`).isFile);
  }
  // These are run by deno test --doc.
  const { test: { include } } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  for (const { file } of runnable("ts")) assert.ok(include.includes(file), `deno.json tests no ${file}`);
});

Deno.test("documents: what they link to is there, headings included", () => {
  const slugs = (file: string) =>
    [...Deno.readTextFileSync(file).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
    );
  for (const file of DOCUMENTS) {
    const text = Deno.readTextFileSync(`${ROOT}${file}`);
    for (const [, path, anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      const target = path === "" ? `${ROOT}${file}` : resolve(ROOT, dirname(file), path!);
      assert.ok(Deno.statSync(target), `${file} links to ${path}`);
      if (anchor !== undefined) {
        assert.ok(slugs(target).includes(anchor), `${file} links to ${path}#${anchor}`);
      }
    }
  }
});

const isWindows = Deno.build.os === "windows";
for (const { file, heading, language, text } of runnable("sh", "bash")) {
  const commands = language === "bash" ? [text] : commandsOf(text);
  Deno.test({
    name: `documents: ${file}, ${heading}: ${commands[0]!.split("\n")[0]}${
      isWindows ? " (ignored: no bash)" : ""
    }`,
    ignore: isWindows,
    fn: async () => {
      await using scene = new Scene();
      for (const command of commands) {
        const lasts = language === "bash" ||
          /\bbroker\.ts\b|\bhttp\.ts\b|\blisten\b|\/stream\b/.test(command);
        // exec: what is ended is the program, not a shell that leaves it behind.
        const run = scene.here(command).replace(/^(?:npx -y deno@\S+|deno) /, 'exec "$DENO" ')
          .replace(/^curl /, "exec curl -sS --fail-with-body ");
        const said = await scene.run("bash", ["-c", run], (text) => lasts && /\S.*\n/.test(text));
        assert.match(said, /\S|^$/);
        if (!/client\.ts send/.test(command)) assert.match(`${said}${command}`, /\S/);
      }
    },
  });
}

const python = await pythonPath("zmq");
const hasQt = python !== undefined &&
  (await new Deno.Command(python, { args: ["-c", "import PyQt5.QtCore"], stderr: "null" }).output()).success;

for (const { file, heading, text } of runnable("python")) {
  const ignore = python === undefined || (text.includes("PyQt5") && !hasQt);
  Deno.test({
    name: `documents: ${file}, ${heading}: ${text.split("\n").find((line) => !/^$|import/.test(line))}${
      ignore ? " (ignored: no Python with what it needs)" : ""
    }`,
    ignore,
    fn: async () => {
      await using scene = new Scene();
      const said = await scene.run(python!, ["-c", scene.here(text)], (said) => said.includes("\n"));
      assert.ok(!/\bprint\b/.test(text) || said !== "", "it prints nothing");
      if (/\bsend(?:_json)?\(/.test(text) && said === "") {
        assert.ok(scene.heard.some(({ text }) => text.includes("119") && !text.includes('"n":')));
      }
    },
  });
}

async function hasR(library: string): Promise<boolean> {
  try {
    return (await new Deno.Command("Rscript", { args: ["-e", `library(${library})`], stderr: "null" })
      .output())
      .success;
  } catch {
    return false;
  }
}

const libraries = new Map<string, boolean>();
for (const library of ["jsonlite", "pbdZMQ"]) libraries.set(library, await hasR(library));

for (const { file, heading, text } of runnable("r")) {
  const ignore = !libraries.get(text.includes("pbdZMQ") ? "pbdZMQ" : "jsonlite")!;
  Deno.test({
    name: `documents: ${file}, ${heading}: ${text.trim().split("\n").at(-1)}${
      ignore ? " (ignored: no R with what it needs)" : ""
    }`,
    ignore,
    fn: async () => {
      await using scene = new Scene();
      const said = await scene.run("Rscript", ["-e", scene.here(text)], (said) => said.includes("\n"));
      assert.ok(!/\bprint\b/.test(text) || said !== "", "it prints nothing");
      if (said === "") assert.ok(scene.heard.some(({ text }) => !text.includes('"n":')));
    },
  });
}
