/**
 * Runs worlds: `deno task simulate --seeds 1000`, or one of them again: `--seed 17 --trace`, with parts of it left out:
 * `--without "web,member=2"` (see plan.ts).
 *
 * @module
 */
// deno-lint-ignore-file no-console
import "./preload.ts";
import { real } from "./globals.ts";
import { parseArgs } from "node:util";
import type { Cut } from "./plan.ts";
import { type Outcome, prepare, simulate } from "./scenario.ts";
import { shrink } from "./shrink.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string" },
    minutes: { type: "string" },
    trace: { type: "boolean", default: false },
    lines: { type: "string", default: "60" },
    without: { type: "string", default: "" },
    shrink: { type: "string", default: "300" },
    twice: { type: "boolean", default: false },
    hashes: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});

const unhandled: string[] = [];
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  unhandled.push(String(event.reason?.stack ?? event.reason));
});

/** A turn of the machine's own event loop, in which it would tell of promises that nobody looked at. */
const turn = () => new Promise<void>((resolve) => real.setTimeout(resolve, 0));

/** Runs one world outside of any promise, since nothing else runs until those of the world have. */
async function run(seed: number, cut: Cut, trace?: (line: string) => void): Promise<Outcome> {
  let outcome: Outcome | undefined;
  let error: unknown;
  await new Promise<void>((resolve) => {
    real.setTimeout(() => {
      try {
        outcome = simulate(seed, { trace, cut });
      } catch (caught) {
        error = caught;
      }
      resolve();
    }, 0);
  });
  await turn();
  if (error !== undefined) throw error;
  if (unhandled.length === 0 || outcome!.failure !== undefined) return outcome!;
  return { ...outcome!, failure: `nobody looked at a promise that was rejected: ${unhandled.splice(0)[0]}` };
}

await prepare();
const first = Number(values.seed ?? 1);
const isOne = values.seed !== undefined && values.minutes === undefined &&
  !Deno.args.some((arg) => arg.startsWith("--seeds"));
const count = isOne ? 1 : values.minutes !== undefined ? Infinity : Number(values.seeds);
const until = values.minutes === undefined ? Infinity : real.now() + 60_000 * Number(values.minutes);
// Several parts may have commas: `events=3,17`.
const cut: Cut = new Set(values.without.split(/,(?=[a-z])/).filter((part) => part !== ""));
const began = real.now();
let [worlds, virtualMs, heard, missed, failed, told] = [0, 0, 0, 0, 0, began];

for (let seed = first; seed < first + count && real.now() < until; seed++) {
  const outcome = await run(seed, cut, values.trace ? (line) => console.log(line) : undefined);
  if (values.twice) {
    const again = await run(seed, cut);
    if (again.hash !== outcome.hash) {
      console.log(`seed ${seed}: not the same twice: ${outcome.hash} and ${again.hash}`);
      failed++;
    }
  }
  if (values.hashes) console.log(`seed ${seed}: ${outcome.hash.toString(16)}`);
  worlds++;
  virtualMs += outcome.virtualMs;
  heard += outcome.heard;
  missed += outcome.missed;
  if (isOne) {
    const { hash, steps, messages, lives } = outcome;
    console.log(`seed ${seed}: trace ${hash.toString(16)}`, { steps, messages, lives });
  }
  if (outcome.failure !== undefined) {
    failed++;
    console.log(`seed ${seed} FAILED ${outcome.failure}`);
    if (!values.trace) await tell(outcome);
    if (!values["keep-going"]) break;
  }
  if (real.now() - told > 5000) progress();
}
progress();
Deno.exitCode = failed === 0 ? 0 : 1;

/** The shortest way to the same failure: its last lines, and how to see it again. */
async function tell(outcome: Outcome): Promise<void> {
  const { seed } = outcome;
  const most = Number(values.lines);
  const least = await shrink(outcome, (cut) => run(seed, cut), Number(values.shrink));
  const lines: string[] = [];
  let all = 0;
  await run(seed, least.cut, (line) => {
    all++;
    lines.push(line);
    if (lines.length > 2 * most + 1) lines.splice(0, most);
  });
  if (least !== outcome) {
    console.log(`shrunk from ${outcome.steps} steps to ${least.steps}, ${all} lines: ${least.failure}`);
  }
  if (most > 0) { for (const line of lines.slice(-most)) console.log(line); }
  const parts = [...least.cut].join();
  console.log(
    `again: deno task simulate --seed ${seed} --trace${parts === "" ? "" : ` --without "${parts}"`}`,
  );
}

function progress(): void {
  told = real.now();
  const seconds = (told - began) / 1000;
  console.log(
    `${worlds} worlds, ${failed} failed, ${(worlds / seconds).toFixed(1)} a second, ${
      (virtualMs / 3_600_000).toFixed(2)
    } h of theirs, ` +
      `${heard} messages heard, ${missed} told missing`,
  );
}
