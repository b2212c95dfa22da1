/** Running for good: the unit, the Dockerfile and the task start a broker, and what is needed for that is in the folder. */
import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };
import { soon } from "./support/deadline.ts";
import { Program, ROOT, run } from "./support/program.ts";

const UNIT = Deno.readTextFileSync(`${ROOT}examples/systemd/braviz-bus.service`);
const DOCKERFILE = Deno.readTextFileSync(`${ROOT}examples/docker/Dockerfile`);

/** The lines of a unit, by section. */
function unit(): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let section: Record<string, string> | undefined;
  for (const line of UNIT.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const name = /^\[(\w+)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      section = sections[name] = {};
      continue;
    }
    const [, key, value] = /^(\w+)=(.+)$/.exec(line) ?? assert.fail(line);
    assert.ok(section !== undefined && !(key! in section), line);
    section[key!] = value!;
  }
  return sections;
}

/** The instructions of a Dockerfile; arrays where they are in the exec form. */
function instructions(): { readonly name: string; readonly value: string | string[] }[] {
  return DOCKERFILE.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const [, name, value] = /^([A-Z]+) (.+)$/.exec(line) ?? assert.fail(line);
    return { name: name!, value: value!.startsWith("[") ? JSON.parse(value!) as string[] : value! };
  });
}

/** Starts `deno run ...` with ports that are free where the tests run, and stops it. */
async function startsAndStops(words: readonly string[]): Promise<void> {
  const [deno, runs, ...rest] = words;
  assert.match(deno!, /(?:^|\/)deno$/);
  assert.equal(runs, "run");
  const args = rest.map((word) => /^\d{4,5}$/.test(word) ? "0" : word);
  await using program = new Program(args, { permission: "" });
  const first = await program.line();
  assert.match(first ?? "", /^The broker is running/);
  program.kill("SIGTERM");
  const { code, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, ""]);
}

Deno.test("examples/systemd: what the unit starts is a broker that ends in time on SIGTERM", async () => {
  const { Unit, Service, Install } = unit();
  assert.ok(Unit!.Description);
  assert.equal(Install!.WantedBy, "default.target");
  assert.equal(Service!.Restart, "on-failure");
  assert.ok(Number(Service!.TimeoutStopSec) > 5);
  await startsAndStops(Service!.ExecStart!.split(" "));
});

async function has(command: string, args: readonly string[]): Promise<boolean> {
  try {
    const child = new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" });
    return (await child.output()).success;
  } catch {
    return false;
  }
}

const hasSystemd = await has("systemd-analyze", ["--version"]);
Deno.test({
  name: `examples/systemd: systemd finds no fault in the unit${
    hasSystemd ? "" : " (ignored: no systemd-analyze)"
  }`,
  ignore: !hasSystemd,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/braviz-bus.service`;
      await Deno.writeTextFile(path, UNIT.replace("%h/.deno/bin/deno", Deno.execPath()));
      const { code, stderr } = await new Deno.Command("systemd-analyze", {
        args: ["verify", "--user", path],
        env: { XDG_RUNTIME_DIR: folder },
      }).output();
      assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("examples/docker: what the Dockerfile names is there, and its entry point is a broker", async () => {
  const all = instructions();
  const known = ["FROM", "WORKDIR", "COPY", "USER", "RUN", "ENV", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"];
  assert.deepEqual(all.filter(({ name }) => !known.includes(name)), []);
  const valueOf = (name: string) => all.find((item) => item.name === name)!.value;
  const [, version] = /^denoland\/deno:([\d.]+)$/.exec(valueOf("FROM") as string)!;
  assert.ok(Deno.readTextFileSync(`${ROOT}README.md`).includes(`deno@${version}`), version);
  const [deno, cache, ...files] = valueOf("RUN") as string[];
  assert.deepEqual([deno, cache], ["deno", "cache"]);
  for (const file of files) assert.ok(Deno.statSync(`${ROOT}${file}`).isFile, file);
  await startsAndStops(valueOf("ENTRYPOINT") as string[]);
});

Deno.test("examples/docker: the health check sees that the broker is there, and that it is not", async () => {
  const { value } = instructions().find(({ name }) => name === "HEALTHCHECK")!;
  const [deno, evaluate, code] = JSON.parse(/^CMD (\[.*\])$/.exec(value as string)![1]!);
  assert.deepEqual([deno, evaluate], ["deno", "eval"]);
  await using broker = new Program(["broker.ts", "--json", "--http", "0"]);
  const { http } = JSON.parse((await broker.line())!);
  const check = async () => {
    const args = ["eval", code.replace("http://127.0.0.1:8000", http)];
    return (await soon(new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output())).code;
  };
  assert.equal(await check(), 0);
  broker.kill("SIGKILL");
  await broker.ended();
  assert.notEqual(await check(), 0);
});

Deno.test("deno task start starts a broker with its live page", async () => {
  await startsAndStops(config.tasks.start.command.split(" "));
});

Deno.test("broker, web side and clients need nothing that is not in this folder: no download with empty caches", async () => {
  const cache = await Deno.makeTempDir();
  const options = { permission: "--no-remote", env: { DENO_DIR: cache } };
  const offline = ["--no-npm", "--allow-net=127.0.0.1"];
  try {
    await using broker = new Program([...offline, "broker.ts", "--json", "--http", "0"], options);
    const { receiveAddress, broadcastAddress, http } = JSON.parse((await broker.line())!);
    const page = await fetch(`${http}/monitor`);
    assert.match(await page.text(), /<title>/);
    for (
      const args of [
        ["client.ts", "send", "--receive", receiveAddress, "type=a"],
        ["client.ts", "last", "--broadcast", broadcastAddress],
        ["client.ts", "top", "--http", http, "--every", "0.1"],
        ["client.ts", "--completion", "bash"],
      ]
    ) {
      const { code, stderr } = await run([...offline, ...args], options);
      assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    }
    await using gateway = new Program(
      [...offline, "http.ts", "--json", "--port", "0", "--broadcast", broadcastAddress],
      options,
    );
    assert.ok(await gateway.line());
    const packages = [...Deno.readDirSync(cache)].filter(({ name }) => name === "npm").flatMap(
      () => [...Deno.readDirSync(`${cache}/npm`)],
    );
    assert.deepEqual(packages, []);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

/** Where Deno keeps the packages of npm that it has, if libsodium is one of them. */
async function sodiumCache(): Promise<string | undefined> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const hosts = [...Deno.readDirSync(npmCache)].map(({ name }) => `${npmCache}/${name}`);
  return hosts.find((host) =>
    ["libsodium", "libsodium-wrappers"].every((name) => {
      try {
        return Deno.statSync(`${host}/${name}`).isDirectory;
      } catch {
        return false;
      }
    })
  );
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

const sodium = await sodiumCache();
Deno.test({
  name: `with keys nothing but libsodium is downloaded${
    sodium === undefined ? " (ignored: Deno does not have it yet)" : ""
  }`,
  ignore: sodium === undefined,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const permission = `--allow-read=${folder}`;
    // A cache that has libsodium and nothing else, and a registry that cannot be reached.
    const env = { DENO_DIR: `${folder}/cache` };
    const offline = ["--cached-only", "--allow-net=127.0.0.1"];
    try {
      for (const name of ["libsodium", "libsodium-wrappers"]) {
        const host = sodium!.split(/[\\/]/).at(-1);
        await copyFolder(`${sodium}/${name}`, `${folder}/cache/npm/${host}/${name}`);
      }
      const made = await run(["broker.ts", "--curve-keygen", `${folder}/keys`, "--member", "alice"], {
        permission: `--allow-write=${folder}`,
      });
      assert.equal(made.code, 0, made.stderr);
      const keys = [
        "--curve-secret-file",
        `${folder}/keys/broker.key`,
        "--allow-keys",
        `${folder}/keys/members.txt`,
      ];
      await using broker = new Program([...offline, "broker.ts", "--json", ...keys], { permission, env });
      const { receiveAddress } = JSON.parse((await broker.line())!);
      const send = [
        "client.ts",
        "send",
        "--receive",
        receiveAddress,
        "--key-file",
        `${folder}/keys/alice.key`,
      ];
      const sent = await run([...offline, ...send, "type=a"], { permission, env });
      assert.deepEqual(sent, { code: 0, stdout: "sent 1\n", stderr: "" });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("docs/running.md: what it links to is there, and its commands have flags that exist", async () => {
  const document = Deno.readTextFileSync(`${ROOT}docs/running.md`);
  for (const [, target] of document.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
    assert.ok(Deno.statSync(new URL(`../docs/${target}`, import.meta.url)), target);
  }
  const { stdout } = await run(["broker.ts", "--help"], { permission: "" });
  for (const [, flag] of document.matchAll(/broker\.ts [^`\n]*?(--[a-z-]+)/g)) {
    assert.ok(stdout.includes(`${flag} `), flag);
  }
});
