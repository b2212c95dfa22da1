// deno-lint-ignore-file no-console -- it is a program
/**
 * Broker and clients beside their peers, in one run on one machine: libzmq's `zmq_proxy` (`zeromq.Proxy` under Node) and
 * zeromq.js. Ratios count; the absolute figures are those of the machine and the hour.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Figure, formatFigures } from "./figure.ts";
import { measureGrowth } from "./growth.ts";
import { type Effort, ROW_GROUPS } from "./rows.ts";

const HELP = `Measures broker and clients beside libzmq's proxy and zeromq.js.

USAGE
  deno task bench [options]

OPTIONS
  --quick       fewer rows and shorter rounds: less than a minute
  --only NAME   only rows whose name contains this; may be given several times
  --rounds N    rounds of each measurement
  --json        print JSON
  --check       say which ratio fell by more than 15 % since the baseline; exit 1 if one did
  --save        make these ratios the baseline
  --growth      measure how cost grows, and write docs/performance.md with its picture
  -h, --help    print this text`;

const FULL: Effort = { rounds: 5, ms: 1000, warmupMs: 300 };
const QUICK: Effort = { rounds: 3, ms: 350, warmupMs: 150 };
const BASELINE = new URL("baseline.json", import.meta.url);
/** A ratio that is so much worse than the baseline's has fallen. */
const TOLERANCE = 0.15;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      json: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      save: { type: "boolean", default: false },
      growth: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.growth) {
    await measureGrowth((line) => console.error(line));
    return 0;
  }
  const effort = values.quick ? QUICK : FULL;
  const rounds = values.rounds === undefined ? effort.rounds : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new TypeError("--rounds must be a whole number from 1 on");
  }
  const figures: Figure[] = [];
  for (const group of ROW_GROUPS) {
    const isWanted = values.only.length > 0
      ? values.only.some((part) => group.name.includes(part) || part.startsWith(group.name))
      : group.isQuick || !values.quick;
    if (!isWanted) continue;
    if (!values.json) console.error(`measuring ${group.name}`);
    figures.push(...await group.measure({ ...effort, rounds }));
  }
  if (figures.length === 0) throw new TypeError("no row has such a name");
  if (values.json) console.log(JSON.stringify({ deno: Deno.version.deno, rounds, figures }, undefined, 2));
  else report(figures);
  if (values.save) await save(figures);
  return values.check ? await check(figures, values.json) : 0;
}

function report(figures: readonly Figure[]): void {
  console.log(formatFigures(figures));
  const missed = figures.filter(({ holds }) => holds === false);
  const held = figures.filter(({ holds }) => holds === true);
  console.log(`\n${held.length} of ${held.length + missed.length} bars hold`);
  for (const { name, what } of missed) console.log(`missed: ${name} (${what})`);
}

/** Ratios only: times are those of a machine. */
type Baseline = Readonly<Record<string, number>>;

async function readBaseline(): Promise<Baseline> {
  try {
    return JSON.parse(await Deno.readTextFile(BASELINE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

async function save(figures: readonly Figure[]): Promise<void> {
  const ratios: Record<string, number> = { ...await readBaseline() };
  for (const { name, ratio } of figures) {
    if (ratio !== undefined) ratios[name] = Number(ratio.median.toPrecision(3));
  }
  await Deno.writeTextFile(BASELINE, `${JSON.stringify(ratios, undefined, 2)}\n`);
}

async function check(figures: readonly Figure[], isQuiet: boolean): Promise<number> {
  const baseline = await readBaseline();
  const fallen: string[] = [];
  for (const { name, ratio, isMoreBetter } of figures) {
    const before = baseline[name];
    if (before === undefined || ratio === undefined) continue;
    const change = isMoreBetter ? ratio.median / before : before / ratio.median;
    if (change < 1 - TOLERANCE) {
      fallen.push(`fallen: ${name}, ratio ${before} before, ${ratio.median.toPrecision(3)} now`);
    }
  }
  if (!isQuiet) console.log(fallen.length === 0 ? "no ratio fell by more than 15 %" : fallen.join("\n"));
  else for (const line of fallen) console.error(line);
  return fallen.length === 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`bench: ${error.message}`);
    Deno.exitCode = 2;
  }
}
