/** How a broker starts for a person: ports, the browser, other machines. */
import assert from "node:assert/strict";
import { Program, run } from "../support/program.ts";
import { openCommand } from "../../programs/open_page.ts";

/** All that it prints before the two commands. */
async function announced(program: Program): Promise<string> {
  let text = "";
  while (!text.includes("client.ts send")) {
    const line = await program.line();
    if (line === undefined) assert.fail(`it ended: ${(await program.ended()).stderr}`);
    text += `${line}\n`;
  }
  return text;
}

Deno.test("broker.ts takes 5555 and 5556, and says where they are when something else has one of them", async () => {
  // Whether they are free where the tests run, nobody knows; that the second one finds them taken, we do.
  await using _first = new Program(["broker.ts", "--json"]);
  await _first.line();
  await using second = new Program(["broker.ts"]);

  const text = await announced(second);

  assert.match(
    text,
    /^Something else uses (?:5555|5556|5555 and 5556) \(another broker\?\), so any free port was taken\.$/m,
  );
});

/** Set timers go to nobody: what needs one fails. */
const WITHOUT_TIMERS = `--preload=data:text/javascript,${
  encodeURIComponent(`
    for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
      globalThis[name] = () => { throw new Error("the program needs a timer"); };
    }`)
}`;

Deno.test("broker.ts prints its addresses before its first timer, which takes Deno a while", async () => {
  await using broker = new Program([
    WITHOUT_TIMERS,
    "broker.ts",
    "--broadcast-port",
    "0",
    "--receive-port",
    "0",
  ]);
  assert.match(await announced(broker), /^ {2}receive address \(send here\) +tcp:/m);
});

Deno.test("broker.ts with a port of its own does not look for another one", async () => {
  await using first = new Program(["broker.ts", "--json", "--broadcast-port", "0", "--http", "0"]);
  const { broadcastAddress, http } = JSON.parse((await first.line())!);
  const [broadcast, web] = [broadcastAddress, http].map((address) => new URL(address).port);

  const [taken, takenWeb] = [
    await run(["broker.ts", "--broadcast-port", broadcast!]),
    await run(["broker.ts", "--http", web!]),
  ];

  assert.equal(taken.code, 1);
  assert.match(
    taken.stderr,
    /^broker\.ts: .*:\d+: .*; choose another one with --broadcast-port N, 0 takes any free one\n$/,
  );
  assert.equal(takenWeb.code, 1);
  assert.match(takenWeb.stderr, /^broker\.ts: .*; choose another one with --http N, 0 takes any free one\n$/);
});

Deno.test("http.ts names the flag for a port that is in use", async () => {
  await using broker = new Program(["broker.ts", "--json", "--http", "0"]);
  const { broadcastAddress, http } = JSON.parse((await broker.line())!);

  const { code, stderr } = await run([
    "http.ts",
    "--broadcast",
    broadcastAddress,
    "--port",
    new URL(http).port,
  ]);

  assert.equal(code, 1);
  assert.match(stderr, /^http\.ts: .*; choose another one with --port N, 0 takes any free one\n$/);
});

Deno.test("broker.ts --open says the address where it may not start a browser, and asks for nothing", async () => {
  await using broker = new Program(["broker.ts", "--json", "--http", "0", "--open"]);
  const { http } = JSON.parse((await broker.line())!);

  broker.kill("SIGTERM");
  const { code, stderr } = await broker.ended();

  assert.equal(code, 0);
  const command = openCommand();
  assert.ok(stderr.includes(`run with --allow-run=${command}, or open ${http}/monitor yourself`), stderr);
});

Deno.test({
  name: "broker.ts --open opens the live page where it may start a browser (Linux and macOS)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const script =
        `#!/bin/sh\nprintf %s "$1" > '${folder}/opening' && mv '${folder}/opening' '${folder}/opened'\n`;
      await Deno.writeTextFile(`${folder}/${openCommand()}`, script, { mode: 0o755 });
      using watcher = Deno.watchFs(folder);
      await using broker = new Program(
        ["--allow-net=127.0.0.1", "broker.ts", "--json", "--http", "0", "--open"],
        { permission: `--allow-run=${openCommand()}`, env: { PATH: `${folder}:${Deno.env.get("PATH")}` } },
      );
      const { http } = JSON.parse((await broker.line())!);

      for await (const { paths } of watcher) if (paths.some((path) => path.endsWith("/opened"))) break;

      assert.equal(await Deno.readTextFile(`${folder}/opened`), `${http}/monitor`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("broker.ts --public prints the addresses of the machine where it may see them, else what to put there", async () => {
  const args = ["broker.ts", "--public", "--allow-anonymous", "--broadcast-port", "0", "--receive-port", "0"];
  await using blind = new Program(args, { permission: "--allow-net" });
  const hidden = await announced(blind);
  assert.match(
    hidden,
    /^ {2}listen {2}tcp:\/\/ADDRESS-OF-THIS-MACHINE:\d+\n {2}send {4}tcp:\/\/ADDRESS-OF-THIS-MACHINE:\d+$/m,
  );
  assert.match(hidden, /--allow-sys=networkInterfaces/);
  const isOnNetwork = Deno.networkInterfaces().some(({ family, address }) =>
    family === "IPv4" && !/^(?:127|169\.254)\./.test(address)
  );
  await using seeing = new Program(["--allow-net", ...args], { permission: "--allow-sys=networkInterfaces" });
  const seen = await announced(seeing);
  if (isOnNetwork) assert.match(seen, /^ {2}listen {2}tcp:\/\/(?!127\.)[\d.]+:\d+$/m);
  else assert.match(seen, /ADDRESS-OF-THIS-MACHINE/);
});
