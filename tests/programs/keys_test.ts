/** Keys and tokens as a person handles them: files, flags, and what is printed about them. */
import assert from "node:assert/strict";
import { curveKeyPair, formatPublicKey } from "../../zmtp/mod.ts";
import { soon } from "../support/deadline.ts";
import { Program, ROOT, run } from "../support/program.ts";

/** A folder with the keys of a broker and of one client that it allows. */
async function keyFolder(): Promise<AsyncDisposable & { path: string; publicKey: string }> {
  const path = await Deno.makeTempDir();
  const [broker, client] = [await curveKeyPair(), await curveKeyPair()];
  await Deno.writeTextFile(`${path}/broker.key`, `${broker.secretKey}\n`, { mode: 0o600 });
  await Deno.writeTextFile(`${path}/client.key`, `${client.secretKey}\n`, { mode: 0o600 });
  await Deno.writeTextFile(`${path}/allowed.keys`, `# members\n${client.publicKey} alice\n`);
  return {
    path,
    publicKey: broker.publicKey,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("broker.ts --curve-keygen prints a pair of keys, without any permission", async () => {
  const { code, stdout } = await run(["broker.ts", "--curve-keygen", "--json"], { permission: "" });

  assert.equal(code, 0);
  const { publicKey, secretKey } = JSON.parse(stdout);
  assert.equal(formatPublicKey({ secretKey }), publicKey);
});

Deno.test("broker.ts with keys lets in whom --allow-keys names, and reads only the two files", async () => {
  await using keys = await keyFolder();
  const files = [`${keys.path}/broker.key`, `${keys.path}/allowed.keys`];
  await using broker = new Program([
    ...[
      `--allow-read=${files.join(",")}`,
      "broker.ts",
      "--json",
      "--http",
      "0",
      "--curve-secret-file",
      files[0]!,
      "--allow-keys",
      files[1]!,
    ],
  ]);
  const { receiveAddress, publicKey, http, token } = JSON.parse((await broker.line())!);
  assert.equal(publicKey, keys.publicKey);
  const send = (...args: string[]) =>
    run([
      ...[`--allow-read=${keys.path}`, "client.ts", "send", "--receive", receiveAddress, "--wait", "5"],
      ...[...args, '{"type":"a"}'],
    ]);

  const [member, stranger, plain] = await Promise.all([
    send(
      `--server-key=${publicKey}`,
      ...["--curve-secret-file", `${keys.path}/client.key`],
    ),
    send(`--server-key=${publicKey}`),
    send(),
  ]);

  assert.deepEqual(member, { code: 0, stdout: "sent 1\n", stderr: "" });
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /^client\.ts: .*does not allow your key.*\n$/);
  assert.equal(plain.code, 1);
  assert.match(plain.stderr, /^client\.ts: .*--server-key.*\n$/);
  // The gateway in the broker's own process takes part, too.
  // With keys, its web side has a token.
  const authorization = `Bearer ${token}`;
  const history = await (await fetch(`${http}/messages/history`, { headers: { authorization } })).json();
  assert.deepEqual(history.messages.map(({ message }: { message: unknown }) => message), [{ type: "a" }]);
});

const WRONG_KEYS: readonly [what: string, args: readonly string[], code: number, says: RegExp][] = [
  ["a file that is not there", ["--curve-secret-file", "no-such-file"], 1, /there is no such file/],
  [
    "a file that holds no key",
    ["--curve-secret-file", "LICENSE"],
    1,
    /neither one key of 40 characters nor a certificate/,
  ],
  ["a list of keys without a secret", ["--allow-keys", "LICENSE"], 2, /--curve-secret-file/],
  ["--public without keys", ["--public"], 2, /--curve-secret-file and --allow-keys, or --allow-anonymous/],
];
for (const [what, args, expected, says] of WRONG_KEYS) {
  Deno.test(`broker.ts with ${what} says in one line what to do`, async () => {
    const { code, stderr } = await run(["--allow-read=.", "broker.ts", ...args]);

    assert.equal(code, expected);
    assert.match(stderr, /^broker\.ts: .+\n$/);
    assert.match(stderr, says);
  });
}

Deno.test("broker.ts with a key file that it may not read names the flag to add", async () => {
  const { code, stderr } = await run(["broker.ts", "--curve-secret-file", "LICENSE"]);

  assert.equal(code, 1);
  assert.match(stderr, /^broker\.ts: .*--allow-read=LICENSE\n$/);
});

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function folder(): Promise<Folder> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function keygen(path: string, ...args: string[]) {
  const permission = `--allow-write=${path}`;
  return run(["broker.ts", "--curve-keygen", path, ...args], { permission });
}

Deno.test("broker.ts --curve-keygen DIR writes keys that only their owner can read, and needs --allow-write=DIR only", async () => {
  await using dir = await folder();

  const { code, stdout, stderr } = await keygen(`${dir.path}/keys`, "--member", "alice", "--member", "bob");

  assert.deepEqual([code, stderr], [0, ""]);
  assert.doesNotMatch(stdout, /secret-key/);
  const files = [...Deno.readDirSync(`${dir.path}/keys`)].map(({ name }) => name).sort();
  assert.deepEqual(files, [
    ...["alice.key", "alice.pub", "bob.key", "bob.pub", "broker.key", "broker.pub", "members.txt"],
  ]);
  if (Deno.build.os === "windows") return;
  for (const name of ["alice.key", "bob.key", "broker.key"]) {
    assert.equal(Deno.statSync(`${dir.path}/keys/${name}`).mode! & 0o777, 0o600, name);
  }
});

Deno.test("broker.ts --curve-keygen DIR adds members to a folder, and overwrites nothing", async () => {
  await using dir = await folder();
  await keygen(dir.path, "--member", "alice");
  const read = (name: string) => Deno.readTextFileSync(`${dir.path}/${name}`);
  const before = [read("broker.key"), read("alice.key")];
  const both = { permission: `--allow-write=${dir.path}` };
  const more = (name: string) =>
    run([`--allow-read=${dir.path}`, "broker.ts", "--curve-keygen", dir.path, "--member", name], both);

  const [bob, again] = [await more("bob"), await more("alice")];

  assert.equal(bob.code, 0, bob.stderr);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^broker\.ts: Cannot make keys of alice: .*alice\.key is there already\n$/);
  assert.deepEqual([read("broker.key"), read("alice.key")], before);
  assert.match(read("members.txt"), /^# .*\n\S{40} alice\n\S{40} bob\n$/);
  const serverKey = /public-key = "(.*)"/.exec(read("broker.pub"))![1];
  for (const name of ["alice", "bob"]) assert.ok(read(`${name}.key`).includes(`server-key = "${serverKey}"`));
});

const WRONG_KEYGEN: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
  [["--curve-keygen", "nowhere"], 1, /--allow-write=nowhere/],
  [["--curve-keygen", "--member", "alice"], 2, /--member: --curve-keygen has no folder/],
  [["--member", "alice"], 2, /--member: it goes with --curve-keygen DIR/],
  [["--curve-keygen", "nowhere", "--member", "../alice"], 2, /--member "\.\.\/alice"/],
  [["--curve-keygen", "nowhere", "--member", "broker"], 2, /--member "broker"/],
  [["--token", "auto"], 2, /--token: there is no web side without --http PORT/],
  [["--http", "0", "--token-file", "nowhere"], 1, /--token-file nowhere: .*--allow-read=nowhere/],
];
for (const [args, expected, says] of WRONG_KEYGEN) {
  Deno.test(`broker.ts ${args.join(" ")} says in one line what to do`, async () => {
    const { code, stderr } = await run(["broker.ts", ...args]);

    assert.equal(code, expected);
    assert.match(stderr, /^broker\.ts: .+\n$/);
    assert.match(stderr, says);
  });
}

const PYTHON = "/usr/bin/python3";
const HAS_PYZMQ = await hasPyzmq();

async function hasPyzmq(): Promise<boolean> {
  try {
    return (await new Deno.Command(PYTHON, { args: ["-c", "import zmq.auth"], stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

async function python(code: string, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(PYTHON, { args: ["-c", code, ...args], stderr: "inherit" })
    .output();
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "pyzmq takes the key files of broker.ts --curve-keygen",
  ignore: !HAS_PYZMQ,
  fn: async () => {
    await using dir = await folder();
    await keygen(dir.path, "--member", "alice");

    const text = await python(
      `import sys, zmq.auth
for name in sys.argv[2:]: print(*[key.decode() if key else "" for key in zmq.auth.load_certificate(f"{sys.argv[1]}/{name}")])`,
      ...[dir.path, "alice.key", "alice.pub", "broker.key"],
    );

    const [alice, pub, broker] = text.split("\n").map((line) => line.split(" "));
    assert.equal(formatPublicKey({ secretKey: alice![1]! }), alice![0]);
    assert.deepEqual(pub, [alice![0], ""]);
    assert.equal(formatPublicKey({ secretKey: broker![1]! }), broker![0]);
  },
});

Deno.test({
  name: "broker.ts and client.ts take the certificates of pyzmq, and the broker lets in whom they name only",
  ignore: !HAS_PYZMQ,
  fn: async () => {
    await using dir = await folder();
    await python(
      "import sys, zmq.auth\nfor name in ('server', 'alice', 'eve'): zmq.auth.create_certificates(sys.argv[1], name)",
      dir.path,
    );
    for (const name of ["server", "alice", "eve"]) await Deno.chmod(`${dir.path}/${name}.key_secret`, 0o600);
    await using broker = new Program([
      ...[`--allow-read=${dir.path}`, "broker.ts", "--json"],
      ...["--curve-secret-file", `${dir.path}/server.key_secret`, "--allow-keys", `${dir.path}/alice.key`],
    ]);
    const { receiveAddress } = JSON.parse((await broker.line())!);
    const send = (name: string) =>
      run([
        ...[`--allow-read=${dir.path}`, "client.ts", "send", "--receive", receiveAddress],
        ...["--server-key", `${dir.path}/server.key`, "--key-file", `${dir.path}/${name}`, '{"type":"a"}'],
      ]);

    assert.deepEqual(await send("alice.key_secret"), { code: 0, stdout: "sent 1\n", stderr: "" });
    const eve = await send("eve.key_secret");
    assert.equal(eve.code, 1);
    assert.match(eve.stderr, /does not allow your key, see --key-file/);
    const half = await send("alice.key");
    assert.equal(half.code, 1);
    assert.match(half.stderr, /holds no secret key; pyzmq has it in the file that ends with _secret/);
  },
});

Deno.test({
  name: "a secret that others can read is used with a warning that says how to hide it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await folder();
    const file = `${dir.path}/token`;
    await Deno.writeTextFile(file, "abc\n", { mode: 0o600 });
    const start = () =>
      new Program([`--allow-read=${file}`, "broker.ts", "--json", "--http", "0", "--token-file", file]);
    await using quiet = start();
    assert.equal(JSON.parse((await quiet.line())!).token, "abc");
    await Deno.chmod(file, 0o640);
    await using warned = start();
    assert.equal(JSON.parse((await warned.line())!).token, "abc");

    quiet.kill("SIGTERM");
    warned.kill("SIGTERM");

    assert.equal((await quiet.ended()).stderr, "");
    assert.equal(
      (await warned.ended()).stderr,
      `warning: --token-file ${file} can be read by others who use this machine: chmod 600 ${file}\n`,
    );
  },
});

Deno.test("a token on the command line is used with a warning that everyone can see it", async () => {
  await using program = new Program(["broker.ts", "--json", "--http", "0", "--token", "abc"]);
  assert.equal(JSON.parse((await program.line())!).token, "abc");

  program.kill("SIGTERM");

  assert.match((await program.ended()).stderr, /^warning: .*list of processes; use --token-file or auto\n$/);
});

Deno.test("with keys the web side of broker.ts and of http.ts has a token, unless --no-token is given", async () => {
  await using dir = await folder();
  await keygen(dir.path, "--member", "alice");
  const read = `--allow-read=${dir.path}`;
  const keys = ["--curve-secret-file", `${dir.path}/broker.key`, "--allow-keys", `${dir.path}/members.txt`];
  const statusOf = async (http: string, token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`${http}/messages/subscribers`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  await using broker = new Program([read, "broker.ts", "--json", "--http", "0", ...keys]);
  const bus = JSON.parse((await broker.line())!);
  assert.deepEqual([await statusOf(bus.http), await statusOf(bus.http, bus.token)], [401, 200]);

  const addresses = ["--broadcast", bus.broadcastAddress, "--receive", bus.receiveAddress];
  for (const [flags, status] of [[[], 401], [["--no-token"], 200]] as const) {
    await using gateway = new Program([
      ...[read, "http.ts", "--json", "--port", "0", ...addresses],
      ...["--key-file", `${dir.path}/alice.key`, ...flags],
    ]);
    const { http, token } = JSON.parse((await gateway.line())!);
    assert.equal(await statusOf(http), status);
    // It is a member of the bus.
    const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
    for (let isReady = false; !isReady;) {
      const answer = await fetch(`${http}/readyz`, { headers });
      await answer.body?.cancel();
      isReady = answer.ok;
    }
  }
});

/** The commands in a text of ours, as a person copies them. */
function commandsIn(text: string): string[] {
  return text.split("\n").filter((line) => /^ {2}(deno|npx) /.test(line)).map((line) => line.trim());
}

/** A folder for the PATH whose `deno` and `npx -y deno@…` are the Deno that runs: no download, and signals reach it. */
async function denoFolder(): Promise<Folder> {
  const bin = await folder();
  const deno = Deno.execPath();
  await Deno.writeTextFile(`${bin.path}/deno`, `#!/bin/sh\nexec "${deno}" "$@"\n`, { mode: 0o755 });
  await Deno.writeTextFile(`${bin.path}/npx`, `#!/bin/sh\nshift 2\nexec "${deno}" "$@"\n`, { mode: 0o755 });
  return bin;
}

/** Runs a command as a shell does. */
function shell(command: string, bin: Folder, cwd: string): Deno.ChildProcess {
  return new Deno.Command("/bin/bash", {
    args: ["-c", `exec ${command}`],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", PATH: `${bin.path}:/usr/bin:/bin` },
  }).spawn();
}

/** Both commands that a broker prints, run as they stand: what one sends the other hears. */
async function tryPrinted(broker: Program, cwd: string): Promise<void> {
  let text = "";
  while (commandsIn(text).length < 2) {
    const line = await broker.line();
    if (line === undefined) assert.fail((await broker.ended()).stderr);
    text += `${line}\n`;
  }
  const [listen, send] = commandsIn(text) as [string, string];
  await using bin = await denoFolder();
  const listener = shell(`${listen} --count 1 --json`, bin, cwd);
  const notes = listener.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let told = "";
  while (!told.includes("Listening")) {
    const { value, done } = await soon(notes.read(), "the listener", 20_000);
    assert.ok(!done, `${listen}: ${told}`);
    told += value;
  }
  const { code, stderr } = await soon(shell(send, bin, cwd).output(), "the sender", 20_000);
  assert.equal(code, 0, `${send}: ${new TextDecoder().decode(stderr)}`);
  const heard = await soon(new Response(listener.stdout).text(), "the message", 20_000);
  assert.equal(heard, '{"type":"subject","subject":119}\n');
  await notes.cancel();
  await listener.status;
}

type Try = (path: string) => readonly string[];
const SECRET: Try = (path) => ["--curve-secret-file", `${path}/broker.key`];
const LIST: Try = (path) => [...SECRET(path), "--allow-keys", `${path}/members.txt`];
const PRINTED: Readonly<Record<string, Try>> = {
  "without flags": () => [],
  "with a token": () => ["--http", "0", "--token", "auto"],
  "with keys": SECRET,
  "with keys and a list": LIST,
  "with keys, a list and the web": (path) => ["--http", "0", ...LIST(path)],
  "for everyone": () => ["--public", "--allow-anonymous"],
  "for all machines with keys and a list": (path) => ["--public", ...LIST(path)],
};
for (const [what, flags] of Object.entries(PRINTED)) {
  Deno.test({
    name: `the commands that broker.ts prints work as they stand: ${what}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      // What a shell splits at, and what it opens.
      await using dir = await folder();
      const path = `${dir.path}/it's $HOME here`;
      const made = await keygen(path, "--member", "alice");
      assert.equal(made.code, 0, made.stderr);
      const args = flags(path);
      const read = args.some((word) => word.startsWith("/")) ? [`--allow-read=${dir.path}`] : [];
      const permission = args.includes("--public") ? "--allow-net" : "--allow-net=127.0.0.1";
      await using broker = new Program([...read, "broker.ts", ...args], { permission });

      await tryPrinted(broker, ROOT);
    },
  });
}

Deno.test({
  name: "the commands that broker.ts prints work from another folder, too",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await folder();
    await using broker = new Program([`${ROOT}broker.ts`], { cwd: dir.path });

    await tryPrinted(broker, dir.path);
  },
});

Deno.test({
  name: "the command that broker.ts --curve-keygen DIR prints starts that broker",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await folder();
    const { stdout } = await keygen(dir.path, "--member", "alice");
    await using bin = await denoFolder();
    const broker = shell(`${commandsIn(stdout)[0]} --json`, bin, ROOT);
    const lines = broker.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { publicKey } = JSON.parse((await soon(lines.read(), "the broker", 20_000)).value!);
    broker.kill("SIGTERM");
    await Promise.all([broker.status, broker.stderr.cancel(), lines.cancel()]);

    assert.ok(Deno.readTextFileSync(`${dir.path}/broker.pub`).includes(publicKey));
  },
});
