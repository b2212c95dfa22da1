/**
 * What the programs have in common: arguments, output, exit codes and signals.
 *
 * | exit code | means |
 * | --- | --- |
 * | 0 | done, or stopped by SIGINT or SIGTERM |
 * | 1 | it did not work: no permission, port in use, no broker |
 * | 2 | the command line is wrong |
 *
 * @module
 */
import type { ParseArgsConfig } from "node:util";
import {
  AddressError,
  ConnectionError,
  HandshakeError,
  ListenError,
  MessageError,
  OptionError,
  TransportError,
} from "../base/errors.ts";
import { VERSION } from "../base/version.ts";

/** The command line is wrong: one line on stderr, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The program cannot do its work: one line on stderr, exit code 1. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}

/** What a program is called and understands. */
export interface Program {
  /** For messages: `broker.ts`. */
  readonly name: string;
  /** The text of `--help`. */
  readonly help: string;
  /** Flags, apart from `--help` and `--version`. */
  readonly flags: NonNullable<ParseArgsConfig["options"]>;
  /** Does the work. The program ends when it resolves. */
  run(values: FlagValues, positionals: readonly string[]): Promise<void>;
}

/** The values of the flags that were given. */
export type FlagValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** Runs a program: reads the command line, prints what went wrong in one line and sets the exit code. */
export async function runProgram(program: Program, args: readonly string[] = Deno.args): Promise<void> {
  try {
    const { values, positionals } = await parse(program, args);
    if (values.help === true) return print(program.help);
    if (values.version === true) return print(VERSION);
    await program.run(values, positionals);
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof OptionError ||
      error instanceof AddressError ||
      error instanceof MessageError;
    const isKnown = isUsage || error instanceof ProgramError || error instanceof ListenError ||
      error instanceof ConnectionError || error instanceof HandshakeError || error instanceof TransportError;
    if (!isKnown) throw error;
    complain(`${program.name}: ${error.message}${isUsage ? ` (see ${program.name} --help)` : ""}`);
    Deno.exitCode = isUsage ? 2 : 1;
  }
}

/** The value of a flag that is a whole number. */
export function integerFlag(values: FlagValues, name: string, min: number, max: number): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (typeof text !== "string" || !/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(
      `Cannot use --${name} ${JSON.stringify(text)}: expected a whole number from ${min} to ${max}`,
    );
  }
  return value;
}

/** The value of a flag that is an address; a bare port stands for one of this machine. */
export function addressFlag(values: FlagValues, name: string): string | undefined {
  const text = values[name];
  return typeof text === "string" && /^\d{1,5}$/.test(text)
    ? `tcp://127.0.0.1:${text}`
    : text as string | undefined;
}

/** Resolves with the first SIGINT or SIGTERM. A second one ends the process at once. */
export function untilSignal(): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) Deno.exit(130);
    controller.abort();
  };
  const names: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const name of names) Deno.addSignalListener(name, handle);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of names) Deno.removeSignalListener(name, handle);
    },
  };
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Writes a line to stdout, at once and whole. A reader that has gone, such as `head`, ends the program in silence. */
export function print(line: string): void {
  try {
    writeAll(Deno.stdout, `${line}\n`);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}

/** Writes a line to stderr. */
export function complain(line: string): void {
  writeAll(Deno.stderr, `${line}\n`);
}

function writeAll(output: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(output.writeSync(bytes));
}

/** What stands on the command line. */
interface Arguments {
  readonly values: FlagValues;
  readonly positionals: readonly string[];
}

async function parse(program: Program, args: readonly string[]): Promise<Arguments> {
  // Most brokers are started without a flag, and loading node:util takes a fifth of the whole start.
  if (args.length === 0) return { values: {}, positionals: [] };
  const { parseArgs } = await import("node:util");
  try {
    const options = {
      ...program.flags,
      help: { type: "boolean", short: "h" },
      version: { type: "boolean", short: "V" },
    } as const;
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Node's text, without its hint about positional arguments behind a double dash.
    throw new UsageError(error.message.split(". To specify")[0]!.split("\n")[0]!);
  }
}
