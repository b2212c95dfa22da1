/**
 * Breaks a copy of the code in one place after the other, and shows which test or which simulated world notices: `deno task mutants`.
 * `--only "frame: ,pace: "` takes the mutants whose names have one of these, `--worlds` asks the simulated worlds alone, `--jobs N` uses N copies.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program
import { parseArgs } from "node:util";
import { MUTANTS } from "./list.ts";
import { copyProject, type Mutant, mutate } from "./mutant.ts";

const ROOT = new URL("../../", import.meta.url);
/** Whoever has not noticed by then, but has not come to its end either, hangs: that is noticed, too. */
const LIMIT_MS = 120_000;
const WORLDS = "seeds 1-100";

/** What a killer said. */
interface Verdict {
  readonly isPassed: boolean;
  /** The first test that failed, or what the world told. */
  readonly what: string;
}

/** Runs a file of tests, or some seeds, in a copy. */
async function ask(killer: string, folder: string): Promise<Verdict> {
  const seeds = /^seeds (\d+)-(\d+)$/.exec(killer);
  const args = seeds === null ? ["test", "-P=test", "--no-check", "--fail-fast", killer] : [
    "run",
    "--no-check",
    "tests/simulation/main.ts",
    ...[
      "--seed",
      seeds[1]!,
      "--seeds",
      String(1 + Number(seeds[2]) - Number(seeds[1])),
      "--lines",
      "0",
      "--shrink",
      "0",
      "--without",
      "until=3000",
    ],
  ];
  const signal = AbortSignal.timeout(LIMIT_MS);
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal,
  });
  const { success, stdout, stderr } = await child.output();
  if (success) return { isPassed: true, what: "" };
  if (signal.aborted) return { isPassed: false, what: `does not end in ${LIMIT_MS / 1000} s` };
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const failed = /^(.+?) \.\.\. FAILED/m.exec(text)?.[1] ??
    /^seed \d+ FAILED .*$/m.exec(text)?.[0];
  const last = () => text.trim().split("\n").find((line) => /error/i.test(line)) ?? "ends with an error";
  return { isPassed: false, what: (failed ?? last()).slice(0, 150) };
}

/** Says who kills the mutant; undefined when it survives. */
async function hunt(mutant: Mutant, killers: readonly string[], folder: string): Promise<string | undefined> {
  const path = `${folder}/${mutant.file}`;
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, mutate(text, mutant));
  try {
    for (const killer of killers) {
      const { isPassed, what } = await ask(killer, folder);
      if (!isPassed) return `${killer}: ${what}`;
    }
    return undefined;
  } finally {
    await Deno.writeTextFile(path, text);
  }
}

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    worlds: { type: "boolean", default: false },
    jobs: { type: "string", default: "1" },
  },
});
const chosen = MUTANTS.filter(({ name }) => values.only.split(",").some((part) => name.includes(part)));
const killersOf = ({ killers }: Mutant) => values.worlds ? [WORLDS] : killers;
const began = performance.now();
const base = await Deno.makeTempDir({ prefix: "mutants-" });
const survivors: string[] = [];
let isSound = chosen.length > 0;
try {
  const folders = Array.from({ length: Math.max(1, Number(values.jobs)) }, (_, i) => `${base}/${i}`);
  for (const folder of folders) await copyProject(ROOT, folder);
  // Whoever fails without a mutant notices nothing.
  const killers = [...new Set(chosen.flatMap(killersOf))];
  const waitingKillers = [...killers];
  await Promise.all(folders.map(async (folder) => {
    for (let killer; (killer = waitingKillers.shift()) !== undefined;) {
      const { isPassed, what } = await ask(killer, folder);
      if (isPassed) continue;
      isSound = false;
      console.log(`${killer} fails without a mutant: ${what}`);
    }
  }));
  if (isSound) {
    console.log(`${killers.length} killers pass without a mutant; ${chosen.length} mutants`);
    const waiting = [...chosen];
    await Promise.all(folders.map(async (folder) => {
      for (let mutant; (mutant = waiting.shift()) !== undefined;) {
        const killer = await hunt(mutant, killersOf(mutant), folder);
        if (killer === undefined) survivors.push(mutant.name);
        console.log(
          `${killer === undefined ? "SURVIVES" : "killed"}  ${mutant.name}  <- ${killer ?? "nobody"}`,
        );
      }
    }));
  }
} finally {
  await Deno.remove(base, { recursive: true });
}
const seconds = Math.round((performance.now() - began) / 1000);
console.log(
  isSound
    ? `${chosen.length - survivors.length} of ${chosen.length} mutants killed in ${seconds} s`
    : "nothing is known of any mutant: what has to notice fails without one",
);
for (const name of survivors) console.log(`survives: ${name}`);
Deno.exit(isSound && survivors.length === 0 ? 0 : 1);
