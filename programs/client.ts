/**
 * The clients as a program: what can be done with the bus from a terminal. A table of commands, each in a file of its own that is
 * loaded when somebody asks for it; `client.ts` loads this when it is run.
 *
 * @module
 */
import { quote } from "../base/quote.ts";
import { type Flags, UsageError } from "./arguments.ts";
import { withHint } from "./client_notes.ts";
import { type CommandEntry, commandHelp, COMMON_FLAGS, flagLines } from "./command.ts";
import { type Program, runProgram } from "./command_line.ts";
import { printText } from "./log.ts";
import { meant } from "./meant.ts";

/** In the order of the help. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  listen: {
    about: "print each message that comes, a line each",
    load: () => import("./commands/listen.ts"),
  },
  send: {
    about: "send messages: type=subject subject:=119, JSON objects, a file, or lines of stdin",
    load: () => import("./commands/send.ts"),
  },
  last: {
    about: "print the newest message; with a broker that is not ours, the next one",
    load: () => import("./commands/last.ts"),
  },
  top: {
    about: "show who is on the bus, at which rates, and who loses messages",
    load: () => import("./commands/top.ts"),
  },
  bench: {
    about: "measure messages a second and round trips through a running broker",
    load: () => import("./commands/bench.ts"),
  },
  record: {
    about: "keep what is broadcast in a file",
    load: () => import("./commands/record.ts"),
  },
  sessions: {
    about: "list the sessions of such a file, or the events of one",
    load: () => import("./commands/sessions.ts"),
  },
  replay: {
    about: "send a recorded session again",
    load: () => import("./commands/replay.ts"),
  },
  goto: {
    about: "send the applications back to a moment of a session",
    load: () => import("./commands/goto.ts"),
  },
  export: {
    about: "print what was recorded, a message a line",
    load: () => import("./commands/export.ts"),
  },
  import: {
    about: "read such lines into a file",
    load: () => import("./commands/import.ts"),
  },
  check: {
    about: "see whether a recording is whole, and copy what is good",
    load: () => import("./commands/check.ts"),
  },
};

/** Runs one of the commands. */
export function runClient(): Promise<void> {
  return runProgram({ name: NAME, choose });
}

const NAME = "client.ts";

const GENERAL_FLAGS: Flags = {
  completion: {
    type: "string",
    value: "SHELL",
    help: "print a script for bash, zsh or fish that makes a command bus of this, and completes it;\n" +
      "it says where to put it",
  },
};

/** The program without a command: it can only tell what there is. */
const GENERAL: Program = {
  name: NAME,
  get help() {
    return generalHelp();
  },
  flags: GENERAL_FLAGS,
  run: async ({ completion }, rest) => {
    if (typeof completion !== "string") throw noCommand(rest[0]);
    await printCompletion(completion);
  },
};

async function choose(args: readonly string[]): Promise<{ program: Program; args: readonly string[] }> {
  // Flags may stand in front of the command.
  if (args[0]?.startsWith("--completion")) return { program: GENERAL, args };
  const at = args.findIndex((arg) => Object.hasOwn(COMMANDS, arg));
  const first = args.find((arg) => !arg.startsWith("-"));
  if (at < 0 || (first !== args[at] && !args[0]!.startsWith("-"))) {
    if (first !== undefined) throw noCommand(first);
    return { program: GENERAL, args };
  }
  const name = args[at]!;
  const { about, load } = COMMANDS[name]!;
  const { command } = await load();
  return {
    args: [...args.slice(0, at), ...args.slice(at + 1)],
    program: {
      name: NAME,
      command: name,
      help: commandHelp(NAME, name, about, command),
      flags: command.flags,
      isService: command.isService === true,
      run: async (...given) => {
        try {
          return await command.run(...given);
        } catch (error) {
          throw withHint(error);
        }
      },
    },
  };
}

async function printCompletion(shell: string): Promise<void> {
  const { completionScript } = await import("./completion.ts");
  const { denoCommand, programPath } = await import("./printed_command.ts");
  const commands = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { about, load }]) => {
      const { command: { flags } } = await load();
      return { name, about, flags };
    }),
  );
  printText(completionScript(shell, denoCommand(), programPath(NAME), commands));
}

function noCommand(name: string | undefined): UsageError {
  const names = Object.keys(COMMANDS);
  const all = `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
  if (name === undefined) return new UsageError(`Cannot use command: it is missing, expected ${all}`);
  const near = meant(name, names);
  const way = near === undefined ? `expected ${all}` : `did you mean ${near}?`;
  return new UsageError(`Cannot use command: it is ${quote(name)}, ${way}`);
}

function generalHelp(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const commands = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`);
  return `The bus from a terminal.

USAGE
  deno run --allow-net=127.0.0.1 client.ts COMMAND [options]

COMMANDS
${commands.join("\n")}

client.ts COMMAND --help lists the options of a command.

OPTIONS
${flagLines({ ...GENERAL_FLAGS, ...COMMON_FLAGS })}`;
}
