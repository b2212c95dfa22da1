/**
 * Real NATS servers for the tests: Debian's `nats-server`, started, stopped and killed by pid. Where it is not installed the tests are
 * left out.
 */

/** Is it there? */
export const hasNatsServer: boolean = (() => {
  try {
    return new Deno.Command("nats-server", { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync()
      .success;
  } catch {
    return false;
  }
})();

/** A free port of this machine. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** One server. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  #config: string;
  readonly #isOwner: boolean;
  #process: Deno.ChildProcess | undefined;
  #output: Promise<unknown> = Promise.resolve();
  /** What the server wrote. */
  log = "";

  private constructor(port: number, directory: string, config: string, isOwner: boolean) {
    this.port = port;
    this.directory = directory;
    this.#config = config;
    this.#isOwner = isOwner;
  }

  /** Starts one with JetStream and whatever else the configuration says; `DIR` in it is a folder of its own. */
  static async start(
    { config = 'jetstream { store_dir: "DIR" }', port = freePort(), directory }: {
      config?: string;
      port?: number;
      directory?: string;
    } = {},
  ): Promise<NatsServer> {
    const folder = directory ?? await Deno.makeTempDir({ prefix: "nats-" });
    const text = configFor(port, folder, config);
    const server = new NatsServer(port, folder, text, directory === undefined);
    await server.start();
    return server;
  }

  /** Without JetStream. */
  static startPlain(config = ""): Promise<NatsServer> {
    return NatsServer.start({ config });
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process!.pid;
  }

  /** Starts it again where it was. */
  async start(): Promise<void> {
    const file = `${this.directory}/server-${this.port}.conf`;
    await Deno.writeTextFile(file, this.#config);
    const process = new Deno.Command("nats-server", {
      args: ["-c", file],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#process = process;
    const ready = Promise.withResolvers<void>();
    this.#output = (async () => {
      let text = "";
      for await (const chunk of process.stderr.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        this.log += chunk;
        if (text.includes("Server is ready")) ready.resolve();
      }
      ready.reject(new Error(`nats-server ended: ${text}`));
    })();
    await ready.promise;
  }

  /** Ends it at once. */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    try {
      process.kill(signal);
      if (signal !== "SIGKILL") process.kill("SIGCONT");
    } catch {
      // It has ended already.
    }
    await process.status;
    await this.#output.catch(() => {});
  }

  signal(signal: Deno.Signal): void {
    this.#process!.kill(signal);
  }

  /** Starts with another configuration the next time. */
  configure(config: string): void {
    this.#config = configFor(this.port, this.directory, config);
  }

  /** Loses everything that it has stored. Only while it does not run. */
  async empty(): Promise<void> {
    await Deno.remove(`${this.directory}/jetstream`, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#isOwner) await removed(this.directory);
  }
}

function configFor(port: number, folder: string, config: string): string {
  return `listen: "127.0.0.1:${port}"\n${config.replaceAll("DIR", folder)}\n`;
}

/** A server that was just killed may still be writing. */
async function removed(directory: string): Promise<void> {
  for (let i = 0; i < 20; i++) {
    try {
      return await Deno.remove(directory, { recursive: true });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
