/**
 * A command of a program that has several, such as `client.ts listen`, and the text of its `--help`.
 *
 * @module
 */
import type { Flags, FlagValues } from "./arguments.ts";
import type { Stop } from "./stop.ts";

/** One command: a file in `programs/commands/` exports it. */
export interface Command {
  /** What follows its name on the command line: `--broadcast ADDRESS [options]`. */
  readonly usage: string;
  /** What it needs from the sandbox. @default "--allow-net=127.0.0.1" */
  readonly permission?: string;
  /** Its flags, apart from `--help` and `--version`, in the order of the help. */
  readonly flags: Flags;
  /** What the help says behind the flags: examples, and what is worth knowing. */
  readonly notes?: string;
  /** It runs until it is stopped, so being stopped is no failure. */
  readonly isService?: boolean;
  /** Does the work until the signal of `stop` is aborted. The program ends when it resolves, with 0 or the code it answers. */
  run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number | void>;
}

/** A command as the table of its program has it: nothing else of it is loaded until somebody asks for it. */
export interface CommandEntry {
  /** One line for the list of commands. */
  readonly about: string;
  /** Loads it. The path is a literal, so that it is checked and published. */
  load(): Promise<{ readonly command: Command }>;
}

/** Flags that everyone has. */
export const COMMON_FLAGS: Flags = {
  help: { type: "boolean", short: "h", help: "print this text" },
  version: { type: "boolean", short: "V", help: "print the version" },
};

/** The `--help` of one command. */
export function commandHelp(program: string, name: string, about: string, command: Command): string {
  const { usage, permission = "--allow-net=127.0.0.1", flags, notes } = command;
  return `${program} ${name}: ${about}

USAGE
  deno run ${permission} ${program} ${name} ${usage}

OPTIONS
${flagLines({ ...flags, ...COMMON_FLAGS })}${notes === undefined ? "" : `\n\n${notes}`}`;
}

/** A line for each flag, in columns. */
export function flagLines(flags: Flags): string {
  const rows = Object.entries(flags).flatMap(([name, { short, value, help }]) =>
    help === undefined ? [] : [{
      head: `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
      lines: help.split("\n"),
    }]
  );
  const width = Math.min(MAX_HEAD, Math.max(...rows.map(({ head }) => head.length)));
  return rows.flatMap(({ head, lines }) =>
    lines.map((line, i) => i === 0 ? `  ${head.padEnd(width)}  ${line}` : `  ${" ".repeat(width)}  ${line}`)
  ).join("\n");
}

/** A longer name moves its own text to the right, not that of all others. */
const MAX_HEAD = 22;
