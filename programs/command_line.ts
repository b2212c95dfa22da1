/**
 * What the programs have in common: arguments and exit codes.
 *
 * | exit code | means |
 * | --- | --- |
 * | 0 | done; also what runs until it is stopped, and was |
 * | 1 | it did not work: no permission, port in use, no broker, results that could not be written |
 * | 2 | the command line is wrong |
 * | 129, 130, 143 | SIGHUP, SIGINT (Ctrl+C) or SIGTERM came before the work was done, or a second time |
 *
 * @module
 */
import {
  AddressError,
  ArchiveError,
  ConnectionError,
  HandshakeError,
  ListenError,
  MessageError,
  OptionError,
  TransportError,
} from "../base/errors.ts";
import { parseDuration } from "../base/duration.ts";
import { quote } from "../base/quote.ts";
import { VERSION } from "../base/version.ts";
import { type Flags, type FlagValues, readArguments, UsageError } from "./arguments.ts";
import { COMMON_FLAGS } from "./command.ts";
import { complain, flushLines, print, printText, takeConsole } from "./log.ts";
import { Stop } from "./stop.ts";

/** The program cannot do its work: one line on stderr, exit code 1. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}

/** What a program is called and understands. */
export interface Program {
  /** For messages: `broker.ts`. */
  readonly name: string;
  /** Which of its commands this is. */
  readonly command?: string;
  /** The text of `--help`. */
  readonly help: string;
  /** Flags, apart from `--help` and `--version`. */
  readonly flags: Flags;
  /** Does the work until the signal of `stop` is aborted. The program ends when it resolves, with 0 or the code it answers. */
  run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number | void>;
  /** It runs until it is stopped, so being stopped is no failure. */
  readonly isService?: boolean;
}

/** A program with several commands: which one, the command line says. */
export interface ProgramWithCommands {
  /** For messages: `client.ts`. */
  readonly name: string;
  /** Loads the one that is asked for, and gives what is left of the command line. */
  choose(args: readonly string[]): Promise<{ readonly program: Program; readonly args: readonly string[] }>;
}

/** Runs a program: reads the command line, prints what went wrong in one line, and ends the process. */
export async function runProgram(
  what: Program | ProgramWithCommands,
  args: readonly string[] = Deno.args,
): Promise<never> {
  takeConsole();
  let program: Pick<Program, "name" | "command" | "isService"> = what;
  const stop = new Stop((code) => Deno.exit(program.isService === true ? 0 : code));
  const failed = Promise.withResolvers<never>();
  for (const type of ["error", "unhandledrejection"] as const) {
    addEventListener(type, (event) => {
      event.preventDefault(); // Deno would write to stderr itself, and wait for it.
      failed.reject(event instanceof ErrorEvent ? event.error : (event as PromiseRejectionEvent).reason);
    });
  }
  const work = async () => {
    const chosen = "choose" in what ? await what.choose(args) : { program: what, args };
    program = chosen.program;
    return await start(chosen.program, chosen.args, stop);
  };
  let code: number;
  try {
    code = await Promise.race([work(), failed.promise]);
  } catch (error) {
    code = explain(program, error);
  }
  const isLost = await flushLines(stop.signal) > 0;
  Deno.exit(code === 0 && isLost && program.isService !== true ? 1 : code);
}

async function start(program: Program, args: readonly string[], stop: Stop): Promise<number> {
  const { values, rest } = readArguments({ ...program.flags, ...COMMON_FLAGS }, args);
  if (values.help === true) printText(program.help);
  else if (values.version === true) print(VERSION);
  else return await program.run(values, rest, stop) ?? 0;
  return 0;
}

/** Says in one line what went wrong; a fault of ours is shown in full. Answers with the exit code. */
function explain({ name, command }: Pick<Program, "name" | "command">, error: unknown): number {
  const isUsage = error instanceof UsageError || error instanceof OptionError ||
    error instanceof AddressError ||
    error instanceof MessageError;
  const isKnown = isUsage || error instanceof ProgramError || error instanceof ListenError ||
    error instanceof ConnectionError || error instanceof HandshakeError || error instanceof TransportError ||
    error instanceof ArchiveError;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const text = error instanceof OptionError ? withFlags(message) : message;
  const help = command === undefined ? name : `${name} ${command}`;
  if (isKnown) complain(`${name}: ${text}${isUsage ? ` (see ${help} --help)` : ""}`);
  else for (const line of (stack ?? message).split("\n")) complain(`${name}: ${line}`);
  return isUsage ? 2 : 1;
}

/** What options are called by the person who has flags. */
const FLAG_OF: Readonly<Record<string, string>> = {
  allowedHosts: "--allow-host",
  allowedOrigins: "--allow-origin",
  maxBodyBytes: "--max-body",
  maxWaiters: "--max-waiters",
  prefix: "--prefix",
  since: "--since",
  "the option token": "--token auto or --token-file",
  token: "--token",
  "curve.serverKey": "--server-key",
};
const OPTION = new RegExp(`(?<=^Cannot use |needs )(${Object.keys(FLAG_OF).join("|")})\\b`, "g");

function withFlags(message: string): string {
  return message.replace(OPTION, (option) => FLAG_OF[option]!);
}

/** The value of a flag that is a whole number. */
export function integerFlag(values: FlagValues, name: string, min: number, max: number): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (typeof text !== "string" || !/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(
      `Cannot use --${name} ${quote(String(text))}: expected a whole number from ${min} to ${max}`,
    );
  }
  return value;
}

/** The milliseconds of a flag that is a duration: a bare number means the unit, `90s` and `10m` say their own. */
export function durationFlag(
  values: FlagValues,
  name: string,
  unit: "ms" | "s",
  minMs: number,
): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const ms = parseDuration(/^[\d.]+$/.test(String(text)) ? `${text}${unit}` : String(text));
  if (ms === undefined || ms < minMs || ms > MAX_TIMER_MS) {
    const what = unit === "s" ? "seconds" : "milliseconds";
    throw new UsageError(
      `Cannot use --${name} ${
        quote(String(text))
      }: expected ${what}, or a duration such as 500ms, 90s or 10m`,
    );
  }
  return ms;
}

/** A timer cannot be set for longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The value of a flag that is an address; a bare port stands for one of this machine, and `tcp://` may be left out. */
export function addressFlag(values: FlagValues, name: string): string | undefined {
  const text = values[name];
  return typeof text === "string" ? addressOf(text) : undefined;
}

/** The address that a person means. */
export function addressOf(text: string): string {
  if (/^:?\d{1,5}$/.test(text)) return `tcp://127.0.0.1:${text.replace(":", "")}`;
  // Deno allows 127.0.0.1 and localhost one by one, and 127.0.0.1 is the one that we ask for.
  const address = text.includes("://") ? text : `tcp://${text}`;
  return address.replace(/^tcp:\/\/localhost:/, "tcp://127.0.0.1:");
}
