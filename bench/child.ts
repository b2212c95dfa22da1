/**
 * Child processes of the bench. Each ends when its input ends, so none outlives the bench, whatever becomes of it.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { within } from "../base/waits.ts";
import { curveKeyPair } from "../zmtp/curve/keys.ts";
import type { LoadRequest } from "./load.ts";

const FOLDER = dirname(fileURLToPath(import.meta.url));

/** A process that talks in lines. */
export class Child implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onEnd: () => Promise<void>;
  #rest = "";

  /** Starts a program. */
  constructor(
    command: string,
    args: readonly string[],
    options: { cwd?: string; onEnd?: () => Promise<void>; isQuiet?: boolean } = {},
  ) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: "piped",
      stdout: "piped",
      stderr: options.isQuiet === true ? "null" : "inherit",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
    this.#onEnd = options.onEnd ?? (() => Promise.resolve());
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Its next line, as JSON. */
  async read(): Promise<unknown> {
    let at: number;
    while ((at = this.#rest.indexOf("\n")) < 0) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("a child of the bench ended unexpectedly");
      this.#rest += value;
    }
    const line = this.#rest.slice(0, at);
    this.#rest = this.#rest.slice(at + 1);
    return JSON.parse(line);
  }

  /** Writes a line of JSON and reads the answer. */
  async ask(request: unknown): Promise<unknown> {
    await this.write(request);
    return await this.read();
  }

  /** Writes a line of JSON. */
  async write(line: unknown): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  }

  /** Sends it a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Asks it to end by itself. Says whether it did in that time. */
  async end(ms: number): Promise<boolean> {
    this.#child.kill("SIGTERM");
    return await within(this.#child.status, ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
    await this.#child.status;
    clearTimeout(killer);
    await this.#lines.cancel();
    await this.#onEnd();
  }
}

/** The load generator. */
export class LoadGenerator implements AsyncDisposable {
  readonly #child = new Child(Deno.execPath(), ["run", "-A", "--no-prompt", join(FOLDER, "load.ts")]);

  /** Process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Asks it for something. */
  async ask<Result>(request: LoadRequest): Promise<Result> {
    const result = await this.#child.ask(request) as { readonly error?: string };
    if (result.error !== undefined) throw new Error(`load generator: ${result.error}`);
    return result as Result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}

/** Something with a receive address and a broadcast address. */
export interface Broker extends AsyncDisposable {
  readonly pid: number;
  readonly receiveAddress: string;
  readonly broadcastAddress: string;
  /** Its public key, if it speaks CURVE only. */
  readonly publicKey?: string;
}

/** A program of `bench/` under Deno, allowed no more than the README says. */
export function denoChild(file: string, args: readonly string[] = [], flags: readonly string[] = []): Child {
  const permissions = ["--allow-net=127.0.0.1", "--no-prompt"];
  return new Child(Deno.execPath(), ["run", ...permissions, ...flags, join(FOLDER, file), ...args]);
}

/** A program of `bench/node/` under Node, with the zeromq package of Deno's cache. */
export async function nodeChild(file: string, args: readonly string[] = []): Promise<Child> {
  const { makeNodeFolder } = await import("../tests/support/node_zeromq.ts");
  const folder = await makeNodeFolder();
  const program = join(folder, file);
  await Deno.copyFile(join(FOLDER, "node", file), program);
  return new Child("node", ["--preserve-symlinks", "--preserve-symlinks-main", program, ...args], {
    cwd: folder,
    onEnd: () => Deno.remove(folder, { recursive: true }),
  });
}

/** libzmq's C code at one end; see `libzmq_end.ts` for its roles and their arguments. */
export function libzmqChild(...args: readonly (string | number)[]): Child {
  const program = join(FOLDER, "libzmq_end.ts");
  return new Child(Deno.execPath(), ["run", "--allow-ffi", "--no-prompt", program, ...args.map(String)]);
}

/** Our broker as its users run it, with flags of its own. */
export async function startProgram(
  flags: readonly string[],
  permissions: readonly string[] = [],
): Promise<Broker> {
  const program = join(FOLDER, "../broker.ts");
  const args = ["run", "--allow-net=127.0.0.1", ...permissions, "--no-prompt", program, "--json", ...flags];
  return await brokerOf(new Child(Deno.execPath(), args));
}

async function brokerOf(child: Child): Promise<Broker> {
  return {
    ...await child.read() as Broker,
    pid: child.pid,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** Our broker; flags are Deno's. */
export async function startOurs(
  options: Readonly<Record<string, unknown>> = {},
  flags: readonly string[] = [],
): Promise<Broker> {
  return await brokerOf(denoChild("broker_child.ts", [JSON.stringify(options)], flags));
}

/** Our broker with libzmq as transport: native code, so the sandbox has to be left. */
export async function startOursOnLibzmq(): Promise<Broker> {
  return await startOurs({ transport: "libzmq" }, ["--allow-ffi", "--allow-read"]);
}

/** Our broker behind CURVE. */
export async function startOursWithCurve(): Promise<Broker> {
  return await startOurs({ curve: await curveKeyPair() });
}

/** libzmq's proxy. */
export async function startProxy(): Promise<Broker> {
  return await brokerOf(await nodeChild("zmq_proxy.mjs"));
}

/** libzmq's proxy behind CURVE. */
export async function startProxyWithCurve(): Promise<Broker> {
  return await brokerOf(await nodeChild("zmq_proxy.mjs", ["curve"]));
}

/** The stand-in for the original's loop. */
export async function startOriginal(): Promise<Broker> {
  return await brokerOf(await nodeChild("original_loop.mjs"));
}

/** Bytes in, bytes out. */
export async function startPipe(): Promise<Broker> {
  return await brokerOf(denoChild("pipe_child.ts"));
}
