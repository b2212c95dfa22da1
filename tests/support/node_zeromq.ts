/**
 * Programs under Node with `import "zeromq"`, from the same package in Deno's cache that the tests import: npm is not asked
 * again, and there is one version only.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Never called: Deno fetches the packages that a program may import, and only then says where they are. */
export const loadZeromq = (): Promise<unknown> => import("./packages/zeromq.ts");

/** Where a Node program finds zeromq and the one package that it needs at run time. */
export async function makeNodeFolder(): Promise<string> {
  const zeromq = dirname(dirname(fileURLToPath(import.meta.resolve("npm:zeromq@6.8.0"))));
  const cache = dirname(dirname(zeromq));
  const folder = await Deno.makeTempDir({ prefix: "zeromq-" });
  await Deno.mkdir(join(folder, "node_modules"));
  await Deno.symlink(zeromq, join(folder, "node_modules", "zeromq"));
  for await (const version of Deno.readDir(join(cache, "cmake-ts"))) {
    if (version.isDirectory) {
      await Deno.symlink(join(cache, "cmake-ts", version.name), join(folder, "node_modules", "cmake-ts"));
    }
  }
  return folder;
}

/** A Node process that runs a module with `zeromq` at hand. Talks by lines. */
export class NodeProgram implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  private constructor(folder: string, child: Deno.ChildProcess) {
    this.#folder = folder;
    this.#child = child;
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = child.stdin.getWriter();
  }

  /** Starts a program given as the text of an ES module; its arguments are `process.argv.slice(2)`. */
  static async start(source: string, args: readonly string[] = []): Promise<NodeProgram> {
    const folder = await makeNodeFolder();
    const file = join(folder, "program.mjs");
    await Deno.writeTextFile(file, source);
    const child = new Deno.Command("node", {
      args: ["--preserve-symlinks", "--preserve-symlinks-main", file, ...args],
      cwd: folder,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    return new NodeProgram(folder, child);
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Its next line of output; undefined at the end. */
  async line(): Promise<string | undefined> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) return this.#rest === "" ? undefined : this.#rest;
      this.#rest += value;
    }
    const at = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, at);
    this.#rest = this.#rest.slice(at + 1);
    return line;
  }

  /** Writes a line to its input. */
  async say(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Sends it a signal. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    this.kill("SIGKILL");
    await this.#lines.cancel();
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
