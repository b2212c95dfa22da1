/**
 * Runs all tests: each file in a process of its own, as many at a time as there are cores. So a file can measure
 * its memory, and a crash of libzmq's addon costs the tests of one file and is told.
 *
 * Paths as arguments run these files or folders only. Types are checked by `deno task check`.
 */
// deno-lint-ignore-file no-console -- a program
import { filesIn } from "./support/imports.ts";

const ROOT = new URL("../", import.meta.url);

/** What a browser shows is slow enough by itself: it begins, with the light files beside it. */
const FIRST = ["tests/http/browser_test.ts"];

/** Floods, crowds and worlds, which take all of a core: they come when the browsers are done, the longest first. */
const HEAVY = [
  "tests/http/limits_test.ts",
  "tests/simulation_test.ts",
  "tests/hostile_test.ts",
  "tests/resume_test.ts",
  "tests/backbone/line_test.ts",
  "tests/soak_test.ts",
  "tests/pace_test.ts",
  "tests/faults_test.ts",
  "tests/hostile_memory_test.ts",
  "tests/backbone/pace_test.ts",
  "tests/fuzz_test.ts",
  "tests/fuzz_curve_test.ts",
  "tests/hostile_room_test.ts",
  "tests/http/waiters_test.ts",
  // Elections among three servers take their time, and need some of the machine.
  "tests/backbone/cluster_test.ts",
];

/** What one process said at its end. */
interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

/** The examples of the documentation are one more "file". */
function jobs(chosen: readonly string[]): (readonly string[])[] {
  const all = filesIn(ROOT, "tests", true).filter((file) => file.endsWith("_test.ts"));
  const isChosen = (file: string) => chosen.some((path) => file === path || file.startsWith(`${path}/`));
  const files = chosen.length === 0 ? all : all.filter(isChosen);
  const rank = (file: string) => FIRST.includes(file) ? -1 : 1 + HEAVY.indexOf(file);
  files.sort((a, b) => rank(a) - rank(b));
  const tests = files.map((file) => [file]);
  if (chosen.length > 0) return tests;
  const { test: { include } } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  const documented = (include as string[]).filter((path) => path !== "tests/");
  return [
    ["--doc", ...documented.flatMap((path) => path === "*.ts" ? filesIn(ROOT, "", false) : path)],
    ...tests,
  ];
}

async function run(job: readonly string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-P=test", "--lock=tests/deno.lock", "--no-check", ...job],
    cwd: ROOT,
    env: { NO_COLOR: "1" }, // Its last line is read below.
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  const end = text.match(/^(?:ok|FAILED) \| .*$/gm)?.at(-1);
  const number = (what: string) => Number(end?.match(new RegExp(String.raw`(\d+) ${what}`))?.[1] ?? 0);
  let failed = number("failed");
  if (code !== 0 && failed === 0) failed = 1; // It did not start, or did not come to its end.
  await Deno.stdout.write(stdout);
  // What it says beside its tests is for whoever looks for a failure.
  if (failed > 0) {
    console.log(`${job.join(" ")} ended with code ${code}`);
    await Deno.stdout.write(stderr);
  }
  return { passed: number("passed"), failed, ignored: number("ignored") };
}

/**
 * Packages that programs load when they are asked to, as a user's machine has them: without a lock file. Some tests let a program have
 * nothing but what is there already.
 */
async function cachePackages(): Promise<void> {
  const packages = ["zmtp/curve/libsodium.ts", "backbone/library.ts"].map((file) =>
    /"(npm:[^"]+@\d[^"]*)"/.exec(Deno.readTextFileSync(new URL(file, ROOT)))![1]!
  );
  await new Deno.Command(Deno.execPath(), { args: ["cache", ...packages], cwd: ROOT, stderr: "null" })
    .output();
}

if (import.meta.main) {
  const start = performance.now();
  const waiting = jobs(Deno.args.map((path) => path.replace(/^\.\//, "").replace(/\/$/, "")));
  const workers = Math.min(navigator.hardwareConcurrency, waiting.length);
  console.log(`${waiting.length} files of tests, ${workers} at a time`);
  await cachePackages();
  const broken: string[] = [];
  const sum = { passed: 0, failed: 0, ignored: 0 };
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const outcome = await run(job);
      if (outcome.failed > 0) broken.push(job[0] === "--doc" ? "an example of the documentation" : job[0]!);
      sum.passed += outcome.passed;
      sum.failed += outcome.failed;
      sum.ignored += outcome.ignored;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  const isOk = sum.failed === 0 && sum.passed > 0;
  for (const file of broken) console.log(`FAILED: ${file}`);
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(
    `\n${
      isOk ? "ok" : "FAILED"
    } | ${sum.passed} passed | ${sum.failed} failed | ${sum.ignored} ignored (${seconds}s)`,
  );
  Deno.exit(isOk ? 0 : 1);
}
