/**
 * Completion for shells: a script that makes a command `bus` of `client.ts`, and completes what is typed behind it. The script knows
 * the flags as they were when it was printed; nothing of ours runs while somebody types.
 *
 * @module
 */
import { quote } from "../base/quote.ts";
import { type Flags, UsageError } from "./arguments.ts";
import { COMMON_FLAGS } from "./command.ts";

/** A command, for a shell. */
export interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly flags: Flags;
}

/** What may stand behind a flag: some words, a file, or what nobody can guess. */
type Values = readonly string[] | "file" | "any";

const WORDS: Readonly<Record<string, readonly string[]>> = {
  type: ["subject", "sample", "log", "reload", "variables", "visualization", "ready"],
  except: ["subject", "sample", "log", "reload", "variables", "visualization", "ready"],
  since: ["earliest", "10m", "1h", "1d"],
};
/** What flags call their value when it is a file or a folder. */
const FILES: readonly string[] = ["F", "FILE", "DIR"];

/** The script. `deno` is what runs Deno here, `path` where `client.ts` is. */
export function completionScript(
  shell: string,
  deno: string,
  path: string,
  commands: readonly CompletedCommand[],
): string {
  switch (shell) {
    case "bash":
      return bash(deno, path, commands);
    case "zsh":
      return zsh(deno, path, commands);
    case "fish":
      return fish(deno, path, commands);
  }
  throw new UsageError(`Cannot use --completion ${quote(shell)}: expected bash, zsh or fish`);
}

/** A flag as a shell shows it. */
interface ShellFlag {
  readonly name: string;
  readonly help: string;
  /** Undefined where it has no value. */
  readonly values: Values | undefined;
}

function shellFlags(flags: Flags): ShellFlag[] {
  return Object.entries({ ...flags, ...COMMON_FLAGS }).flatMap(([name, { type, value, help }]) =>
    help === undefined ? [] : [{
      name,
      help: help.split("\n")[0]!,
      values: type === "boolean"
        ? undefined
        : WORDS[name] ?? (FILES.includes(value ?? "") ? "file" as const : "any" as const),
    }]
  );
}

/** What follows each flag with a value, as the arms of a `case`. */
function arms(
  commands: readonly CompletedCommand[],
  arm: (pattern: string, values: Values) => string,
): string {
  return commands.flatMap(({ name, flags }) =>
    shellFlags(flags).flatMap((flag) =>
      flag.values === undefined ? [] : [arm(`"${name} --${flag.name}"`, flag.values)]
    )
  ).join("\n");
}

function bash(deno: string, path: string, commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name);
  const values = arms(commands, (pattern, values) => {
    const reply = values === "any"
      ? "COMPREPLY=()"
      : values === "file"
      ? "local IFS=$'\\n'; COMPREPLY=($(compgen -f -- \"$word\"))"
      : `COMPREPLY=($(compgen -W ${word(values.join(" "))} -- "$word"))`;
    return `    ${pattern}) ${reply}; return ;;`;
  });
  const flags = commands.map(({ name, flags }) =>
    `    ${name}) words=${word(shellFlags(flags).map(({ name }) => `--${name}`).join(" "))} ;;`
  ).join("\n");
  return `# In ~/.bashrc: eval "$(deno run client.ts --completion bash)", with the path of client.ts.
bus() { ${deno} run \${BUS_PERMISSIONS:---allow-net=127.0.0.1} ${word(path)} "$@"; }
_bus() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" command="" words i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in ${names.join("|")}) command="\${COMP_WORDS[i]}"; break ;; esac
  done
  case "$command $before" in
${values}
  esac
  case "$command" in
    "") words=${word([...names, "--help", "--version", "--completion"].join(" "))} ;;
${flags}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o filenames -F _bus bus`;
}

function zsh(deno: string, path: string, commands: readonly CompletedCommand[]): string {
  const values = arms(commands, (pattern, values) => {
    const reply = values === "any"
      ? ""
      : values === "file"
      ? "_files; "
      : `compadd -- ${values.map(word).join(" ")}; `;
    return `    ${pattern}) ${reply}return ;;`;
  });
  const described = (items: readonly (readonly [string, string])[]) =>
    items.map(([name, about]) => word(`${name}:${about}`)).join(" ");
  const flags = commands.map(({ name, flags }) =>
    `    ${name}) items=(${described(shellFlags(flags).map(({ name, help }) => [`--${name}`, help]))}) ;;`
  ).join("\n");
  return `# In ~/.zshrc, behind compinit: eval "$(deno run client.ts --completion zsh)", with the path of client.ts.
bus() { ${deno} run \${=BUS_PERMISSIONS:---allow-net=127.0.0.1} ${word(path)} "$@" }
_bus() {
  local name="" item
  local -a items
  for item in \${words[2,CURRENT - 1]}; do
    case "$item" in ${commands.map(({ name }) => name).join("|")}) name="$item"; break ;; esac
  done
  case "$name \${words[CURRENT - 1]}" in
${values}
  esac
  case "$name" in
    "") items=(${described(commands.map(({ name, about }) => [name, about]))}) ;;
${flags}
  esac
  _describe 'bus' items
}
compdef _bus bus`;
}

function fish(deno: string, path: string, commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, about, flags }) => [
    `complete -c bus -n __fish_use_subcommand -a ${name} -d ${fishWord(about)}`,
    ...shellFlags(flags).map(({ name: flag, help, values }) => {
      const what = values === undefined
        ? ""
        : values === "file"
        ? " -r -F"
        : values === "any"
        ? " -x"
        : ` -x -a ${fishWord(values.join(" "))}`;
      return `complete -c bus -n '__fish_seen_subcommand_from ${name}' -l ${flag}${what} -d ${
        fishWord(help)
      }`;
    }),
  ]);
  return `# In ~/.config/fish/config.fish: deno run client.ts --completion fish | source, with the path of client.ts.
function bus
    set -l permissions --allow-net=127.0.0.1
    set -q BUS_PERMISSIONS; and set permissions (string split ' ' -- $BUS_PERMISSIONS)
    ${deno} run $permissions ${fishWord(path)} $argv
end
complete -c bus -f
${lines.join("\n")}`;
}

/** As bash and zsh take it for one word. */
function word(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function fishWord(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
