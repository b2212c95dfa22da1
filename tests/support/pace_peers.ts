/** Senders and subscribers of libzmq's at full speed, as processes of Python and of Node, and subscribers that take next to nothing. */
import { encodeSubscription } from "../../zmtp/command.ts";
import { soon } from "./deadline.ts";
import { makeNodeFolder } from "./node_zeromq.ts";
import { ROOT } from "./program.ts";
import { RawPeer } from "./raw_peer.ts";

/** Python with libzmq; undefined where there is none. */
export const PYTHON: string | undefined = await pythonWithLibzmq();

/** What a peer is told; see `pace_peer.py`. */
export interface PaceOptions {
  readonly hwm?: number | null;
  readonly name?: string;
  readonly count?: number;
  readonly types?: string;
  readonly size?: number;
  readonly nonblocking?: boolean;
  readonly stays?: boolean;
  readonly heartbeat?: number;
  readonly serverKey?: string;
  readonly topics?: readonly string[];
  readonly senders?: number;
  readonly sleepy?: boolean;
  readonly napMs?: number;
  readonly step?: number;
}

/** What a subscriber says at its end. */
export interface Heard {
  readonly count: number;
  readonly gaps: number;
  readonly wrong: number;
}

/** What a sender says at its end. */
export interface Sent {
  readonly refused: number;
  readonly seconds: number;
}

/** One of these peers. */
export class PacePeer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #folder: string | undefined;
  #rest = "";

  private constructor(command: string, args: readonly string[], folder?: string) {
    this.#folder = folder;
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  /** Resolves when it is connected, or about to. */
  static async start(
    language: "python" | "node",
    role: "send" | "listen",
    address: string,
    options: PaceOptions = {},
  ): Promise<PacePeer> {
    const file = `${ROOT}tests/support/pace_peer.`;
    const rest = [role, address, JSON.stringify(options)];
    let peer: PacePeer;
    if (language === "python") peer = new PacePeer(PYTHON!, [`${file}py`, ...rest]);
    else {
      const folder = await makeNodeFolder();
      await Deno.copyFile(`${file}mjs`, `${folder}/peer.mjs`);
      const flags = ["--preserve-symlinks", "--preserve-symlinks-main"];
      peer = new PacePeer("node", [...flags, `${folder}/peer.mjs`, ...rest], folder);
    }
    await peer.#line();
    return peer;
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** A sender begins. */
  async begin(): Promise<void> {
    await this.#input.write(new TextEncoder().encode("go\n"));
  }

  /** Waits until it is done. */
  async report<Report>(): Promise<Report> {
    return JSON.parse(await this.#line());
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
    if (this.#folder !== undefined) await Deno.remove(this.#folder, { recursive: true });
  }

  async #line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await soon(this.#lines.read(), "a line of a peer", 20_000);
      if (done) throw new Error(`A peer ended and said only: ${this.#rest}`);
      this.#rest += value;
    }
    const at = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, at);
    this.#rest = this.#rest.slice(at + 1);
    return line;
  }
}

/** A subscriber that takes nothing at all, or a byte now and then. */
export async function stuckSubscriber(address: string, everyMs?: number): Promise<AsyncDisposable> {
  const peer = await RawPeer.join(address, "SUB");
  await peer.write(encodeSubscription({ subscribe: true, topic: new Uint8Array(0) }));
  const timer = everyMs === undefined
    ? undefined
    : setInterval(() => void peer.conn.read(new Uint8Array(1)).catch(() => {}), everyMs);
  return {
    [Symbol.asyncDispose]: () => {
      clearInterval(timer);
      return peer[Symbol.asyncDispose]();
    },
  };
}

async function pythonWithLibzmq(): Promise<string | undefined> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      const { success } = await new Deno.Command(python, { args: ["-c", "import zmq"], stderr: "null" })
        .output();
      if (success) return python;
    } catch {
      // There is none.
    }
  }
  return undefined;
}
