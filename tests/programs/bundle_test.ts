/** The programs as `deno task bundle` makes them: few files, and the same behaviour. */
import assert from "node:assert/strict";
import { Program, ROOT, run } from "../support/program.ts";

const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));

/** What the task makes, somewhere else. */
class Bundle implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Bundle> {
    const folder = await Deno.makeTempDir();
    const args = tasks.bundle.command.split(" ").slice(1) as string[];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: args.map((arg) => arg === "--outdir=built" ? `--outdir=${folder}` : arg),
      cwd: ROOT,
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return new Bundle(folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("The bundled broker serves the web, and the bundled client sends to it, without more permission", async () => {
  await using bundle = await Bundle.make();
  const ports = ["--broadcast-port", "0", "--receive-port", "0", "--http", "0"];
  await using broker = new Program([`${bundle.folder}/broker.js`, ...ports, "--json"], {
    cwd: bundle.folder,
  });
  const { receiveAddress, http } = JSON.parse((await broker.line())!);

  const message = '{"type":"subject","subject":119}';
  const sent = await run([`${bundle.folder}/client.js`, "send", "--receive", receiveAddress, message]);

  assert.deepEqual([sent.code, sent.stderr], [0, ""]);
  const last = await (await fetch(`${http}/messages`)).json();
  assert.equal(last.message, message);
  const script = await (await fetch(`${http}/client.js`)).text();
  assert.equal(script, await Deno.readTextFile(`${ROOT}http/client.js`));
});
