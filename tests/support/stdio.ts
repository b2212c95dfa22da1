/** Programs of ours whose output leads nowhere good: real processes, started by a shell that bends their descriptors. */
import { ROOT } from "./program.ts";
import { soon } from "./deadline.ts";

/** What is at the other end of a stream. */
export const TROUBLES = [
  "a closed pipe",
  "a full device",
  "a pipe that nobody drains",
  "a full pipe that does not block",
  "a closed descriptor",
] as const;

/** One of them. */
export type Trouble = typeof TROUBLES[number];

/** The shell's words for it; descriptor 3 is a pipe that nobody reads, whose other end is ours, too. */
function redirection(fd: 1 | 2, trouble: Trouble): string {
  switch (trouble) {
    case "a closed pipe":
      return `${fd}> >(exec true)`;
    case "a full device":
      return `${fd}>/dev/full`;
    case "a closed descriptor":
      return `${fd}>&-`;
    default:
      return `${fd}>&3`;
  }
}

/** Makes descriptor 3 a pipe; a Python fills it and takes away its patience. */
function pipe(trouble: Trouble): string {
  const make = 'dir=$(mktemp -d); mkfifo "$dir/pipe"; exec 3<>"$dir/pipe"; rm -r "$dir"; ';
  if (trouble === "a pipe that nobody drains") return `${make}head -c 60000 /dev/zero >&3; `;
  if (trouble !== "a full pipe that does not block") return "";
  return `${make}/usr/bin/python3 -c '
import os
os.set_blocking(3, False)
try:
    while True: os.write(3, bytes(1000))
except BlockingIOError: pass'; `;
}

/** Does the machine have what the troubles need? */
export const HAS_TROUBLES: boolean = Deno.build.os === "linux" && exists("/usr/bin/python3") &&
  exists("/bin/bash");

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Bytes that came for the socket at `127.0.0.1:port`, and that its process has not read. */
export function unreadBytes(address: string): number {
  const [, port] = address.split(":");
  const local = `0100007F:${Number(port).toString(16).toUpperCase().padStart(4, "0")}`;
  const line = Deno.readTextFileSync("/proc/net/tcp").split("\n").find((line) =>
    line.trim().split(/\s+/)[1] === local
  );
  if (line === undefined) throw new Error(`there is no socket at ${address}`);
  return parseInt(line.trim().split(/\s+/)[4]!.split(":")[1]!, 16);
}

/** A running program one of whose streams has a trouble. */
export class TroubledProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  /** All that it writes to the other stream. */
  readonly other: Promise<string>;

  /** `deno run --allow-net=127.0.0.1 <args>` with few descriptors. */
  constructor(args: readonly string[], fd: 1 | 2, trouble: Trouble) {
    const words = [Deno.execPath(), "run", "--no-prompt", "--allow-net=127.0.0.1", ...args]
      .map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    this.#child = new Deno.Command("/bin/bash", {
      args: ["-c", `ulimit -n 48; ${pipe(trouble)}exec ${words} ${redirection(fd, trouble)}`],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const [stdout, stderr] = [this.#child.stdout, this.#child.stderr].map((s) => new Response(s).text());
    this.other = (fd === 1 ? stderr : stdout)!;
    void (fd === 1 ? stdout : stderr)!.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Ends it by a signal; answers with its exit code. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.#child.kill(signal);
    return await this.code();
  }

  /** Waits for its end. */
  async code(): Promise<number> {
    return (await soon(this.#child.status, "the end of the program", 20_000)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.other;
  }
}

/** Ports that were free a moment ago, for programs that cannot tell theirs. */
export function freePorts(count: number): number[] {
  const ports: number[] = [];
  while (ports.length < count) {
    // Below those that the system gives to whoever asks for any: another test must not get it meanwhile.
    const port = 10_000 + Math.floor(20_000 * Math.random());
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
    } catch {
      continue; // Somebody has it.
    }
    if (!ports.includes(port)) ports.push(port);
  }
  return ports;
}
