/** client.ts --completion: the scripts, in the shells that they are for. */
import assert from "node:assert/strict";
import { COMMANDS } from "../../programs/client.ts";
import { VERSION } from "../../base/version.ts";
import { ROOT, run } from "../support/program.ts";

/** What a shell prints of this, with the script read; Deno is the one that runs the tests. */
async function inShell(
  shell: string,
  args: readonly string[],
  script: string,
  then: string,
): Promise<string> {
  const deno = shell === "fish"
    ? "function deno; $DENO $argv; end; function npx; $DENO $argv[3..]; end\n"
    : 'deno() { "$DENO" "$@"; }; npx() { shift 2; "$DENO" "$@"; }\n';
  const { code, stdout, stderr } = await new Deno.Command(shell, {
    args: [...args, "-c", `${deno}${script}\n${then}`],
    cwd: ROOT,
    env: { DENO: Deno.execPath(), NO_COLOR: "1" },
    stderr: "piped",
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 0, error);
  return out!;
}

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await run(["client.ts", "--completion", shell], { permission: "" });
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

async function hasShell(shell: string): Promise<string> {
  try {
    await new Deno.Command(shell, { args: ["-c", "true"], stdout: "null", stderr: "null" }).output();
    return "";
  } catch {
    return ` (ignored: no ${shell} here)`;
  }
}

/** What is offered behind these words. */
const OFFERED: readonly (readonly [line: readonly string[], offered: readonly string[]])[] = [
  [["bus", "li"], ["listen"]],
  [["bus", "listen", "--s"], ["--since", "--server-key"]],
  [["bus", "send", "--re"], ["--receive", "--repeat"]],
  [["bus", "listen", "--type", "sub"], ["subject"]],
  [["bus", "listen", "--json", "--since", "e"], ["earliest"]],
];

const noBash = await hasShell("bash");
Deno.test({
  name: `client.ts --completion bash completes commands, flags, types and files in bash${noBash}`,
  ignore: noBash !== "",
  fn: async () => {
    const text = await script("bash");
    const complete = ([...words]: readonly string[]) => {
      const list = words.map((word) => `'${word}'`).join(" ");
      return `COMP_WORDS=(${list}); COMP_CWORD=${
        words.length - 1
      }; COMPREPLY=(); _bus; printf '%s,' "\${COMPREPLY[@]}"; echo`;
    };
    const lines = [
      ...OFFERED.map(([words]) => words),
      ["bus", "send", "--file", "deno.js"],
      ["bus", "listen", "--count", ""],
      ["bus", ""],
    ];
    const out = await inShell("bash", ["--norc"], text, lines.map(complete).join("\n"));
    const offered = out.trimEnd().split("\n").map((line) => line.split(",").slice(0, -1));
    assert.deepEqual(offered.slice(0, OFFERED.length), OFFERED.map(([, offered]) => offered));
    assert.deepEqual(offered.slice(OFFERED.length), [
      ["deno.json"],
      [""],
      [...Object.keys(COMMANDS), "--help", "--version", "--completion"],
    ]);
    assert.equal(
      await inShell("bash", ["--norc"], text, "bus --version; complete -p bus"),
      `${VERSION}\ncomplete -o filenames -F _bus bus\n`,
    );
  },
});

const noFish = await hasShell("fish");
Deno.test({
  name: `client.ts --completion fish completes commands, flags, types and files in fish${noFish}`,
  ignore: noFish !== "",
  fn: async () => {
    const text = await script("fish");
    const lines = [...OFFERED.map(([words]) => words), ["bus", "send", "--file", "deno.js"]];
    const then = lines.map((words) => `complete -C '${words.join(" ")}'; echo .`).join("\n");
    const out = await inShell("fish", ["--no-config"], text, then);
    const offered = out.split(".\n").slice(0, -1).map((part) =>
      part.trim().split("\n").map((line) => line.split("\t")[0]).sort()
    );
    assert.deepEqual(offered, [...OFFERED.map(([, offered]) => [...offered].sort()), ["deno.json"]]);
    assert.equal(await inShell("fish", ["--no-config"], text, "bus --version"), `${VERSION}\n`);
  },
});

const noZsh = await hasShell("zsh");
Deno.test({
  name: `client.ts --completion zsh is a script that zsh takes, and that completes bus${noZsh}`,
  ignore: noZsh !== "",
  fn: async () => {
    const text = await script("zsh");
    // Where zsh completes, two functions of its own take what is offered.
    const stubs = `autoload -Uz compinit; compinit -D -u
_describe() { print -rl -- \${items%%:*}; }; compadd() { shift; print -rl -- "$@"; }; _files() { print files; }`;
    const complete = (given: readonly string[]) =>
      `words=(${given.map((word) => `'${word}'`).join(" ")}); CURRENT=${given.length}; _bus; print .`;
    const lines = [["bus", ""], ["bus", "listen", "--type", ""], ["bus", "send", "--file", ""], [
      "bus",
      "last",
      "--",
    ]];
    const then = `${lines.map(complete).join("\n")}\nbus --version; print -r -- $_comps[bus]`;
    const out = (await inShell("zsh", ["-f"], `${stubs}\n${text}`, then)).split(".\n");
    const [commands, types, files, flags] = out.map((part) => part.trim().split("\n"));
    assert.deepEqual(commands, Object.keys(COMMANDS));
    assert.ok(types!.includes("subject"));
    assert.deepEqual(files, ["files"]);
    assert.ok(flags!.includes("--broadcast") && flags!.includes("--help"));
    assert.ok(out.slice(4).join(".\n").endsWith(`${VERSION}\n_bus\n`), out.at(-1));
  },
});

Deno.test("client.ts --completion of another shell says which there are", async () => {
  const { code, stderr } = await run(["client.ts", "--completion", "tcsh"]);
  assert.equal(code, 2);
  assert.match(stderr, /expected bash, zsh or fish/);
});
