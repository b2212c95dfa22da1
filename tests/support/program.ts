/** Programs of ours as real processes, under exactly the permission that the README names. */
import { fileURLToPath } from "node:url";
import { soon } from "./deadline.ts";

export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** What a program that has ended left behind. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How it is started. */
export interface ProgramOptions {
  /** The permission flag; empty for none. @default "--allow-net=127.0.0.1" */
  readonly permission?: string;
  /** @default the root of the project */
  readonly cwd?: string;
  /** Variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** A program that starts ours, such as nohup. */
  readonly command?: string;
}

/** A running program of ours that is read line by line. */
export class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  /** `deno run <permission> <args>`. */
  constructor(args: readonly string[], options: ProgramOptions = {}) {
    const { permission = "--allow-net=127.0.0.1", cwd = ROOT, command, env } = options;
    this.#child = new Deno.Command(command ?? Deno.execPath(), {
      args: [
        ...(command === undefined ? [] : [Deno.execPath()]),
        ...["run", "--no-prompt", ...(permission === "" ? [] : [permission]), ...args],
      ],
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stderr = new Response(this.#child.stderr).text();
    this.#stdin = this.#child.stdin.getWriter();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its next line of output; undefined when it has ended. */
  async line(): Promise<string | undefined> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await soon(this.#lines.read(), "a line of output");
      if (done) return undefined;
      this.#rest += value;
    }
    const at = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, at);
    this.#rest = this.#rest.slice(at + 1);
    return line;
  }

  async say(text: string): Promise<void> {
    await this.sayBytes(new TextEncoder().encode(text));
  }

  async sayBytes(bytes: Uint8Array): Promise<void> {
    await this.#stdin.write(bytes);
  }

  async endInput(): Promise<void> {
    await this.#stdin.close().catch(() => {});
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for its end; longer where it has to compile everything first. */
  async ended(ms?: number): Promise<Ended> {
    await this.endInput();
    let stdout = this.#rest;
    for (let result; !(result = await soon(this.#lines.read(), "the program's end", ms)).done;) {
      stdout += result.value;
    }
    const [status, stderr] = await soon(
      Promise.all([this.#child.status, this.#stderr]),
      "the program's end",
      ms,
    );
    return { code: status.code, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endInput();
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#lines.cancel();
    await Promise.all([this.#child.status, this.#stderr]);
  }
}

/** Runs a program of ours to its end. */
export async function run(
  args: readonly string[],
  options?: ProgramOptions,
): Promise<Ended> {
  await using program = new Program(args, options);
  return await program.ended();
}
