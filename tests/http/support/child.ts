/**
 * Programs as processes of their own, ended with the test whatever happens.
 */
import { soon } from "../../support/deadline.ts";

export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #stderr: Promise<string>;
  readonly status: Promise<Deno.CommandStatus>;

  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#process = new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", DENO_NO_PROMPT: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    }).spawn();
    this.status = this.#process.status;
    this.#lines = lines(this.#process.stdout);
    this.#stderr = new Response(this.#process.stderr).text();
  }

  /** Our own program, with these flags for the sandbox. */
  static deno(flags: readonly string[], file: string, args: readonly string[] = []): Child {
    const path = new URL(`../../../${file}`, import.meta.url).pathname;
    return new Child(Deno.execPath(), ["run", "--no-check", ...flags, path, ...args]);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The next line of its output; `undefined` at the end. */
  async line(): Promise<string | undefined> {
    const { done, value } = await soon(this.#lines.next(), "a line of the program", 20_000);
    return done ? undefined : value;
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Waits for its end; answers with its exit code and all it wrote to stderr. */
  async end(): Promise<{ readonly code: number; readonly stderr: string }> {
    const { code } = await soon(this.status, "the end of the program", 20_000);
    while (await this.line() !== undefined);
    return { code, stderr: await this.#stderr };
  }

  /** Resident memory in bytes. */
  residentBytes(): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.end();
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (text + chunk).split("\n");
    text = parts.pop()!;
    yield* parts;
  }
  if (text !== "") yield text;
}
