/** Python at the other end of the wire, where there is one. */
import { soon } from "./deadline.ts";

/** The first Python that can import this; undefined where there is none. */
export async function pythonPath(module: "zmq" | "socket"): Promise<string | undefined> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      const command = new Deno.Command(python, { args: ["-c", `import ${module}`], stderr: "null" });
      if ((await command.output()).success) return python;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/** A program that is read and told line by line. */
export class LineChild implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  constructor(command: string, args: readonly string[]) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  /** Its next line; undefined when it has ended. */
  async line(ms = 90_000): Promise<string | undefined> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await soon(this.#lines.read(), "a line", ms);
      if (done) return undefined;
      this.#rest += value;
    }
    const at = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, at);
    this.#rest = this.#rest.slice(at + 1);
    return line;
  }

  async say(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Its end, and with which code. */
  async ended(): Promise<number> {
    return (await soon(this.#child.status, "its end")).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#lines.cancel();
    await this.#child.status;
  }
}
