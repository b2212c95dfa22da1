// deno-lint-ignore-file no-console -- it is a program
/**
 * Broker and clients beside their peers, in one run on one machine: libzmq's `zmq_proxy` (`zeromq.Proxy` under Node) and
 * zeromq.js; and the gateway beside bare `Deno.serve` (`--only http`). Ratios count; the absolute figures are those of the machine and the hour.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { type Figure, figure, formatFigures } from "./figure.ts";
import { measureGrowth } from "./growth.ts";
import { type Effort, ROW_GROUPS, type RowGroup } from "./rows.ts";

const HELP = `Measures broker and clients beside libzmq's proxy and zeromq.js.

USAGE
  deno task bench [options]

OPTIONS
  --quick       fewer rows and shorter rounds: one and a half minutes
  --only NAME   only rows whose name contains this; may be given several times
  --rounds N    rounds of each measurement
  --json        print JSON
  --check       say which ratio fell by more than 15 % since the baseline; exit 1 if one did
  --save        make these ratios the baseline
  --growth      measure how cost grows, and write docs/performance.md with its picture
  -h, --help    print this text`;

const FULL: Effort = { rounds: 5, ms: 1000, warmupMs: 300, firstWarmupMs: 1000, isQuick: false };
const QUICK: Effort = { rounds: 3, ms: 250, warmupMs: 100, firstWarmupMs: 400, isQuick: true };
const BASELINE = new URL("baseline.json", import.meta.url);
/** A ratio that is so much worse than the baseline's has fallen. */
const TOLERANCE = 0.15;
/** Rows of which only the figures mean something, not their ratio: half a millisecond, and the load generator's own speed. */
const NOT_COMPARED = /-(?:post-answered|can-do)$|^ceiling-/;

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
  const groups = [...ROW_GROUPS, HTTP].filter(({ name, isQuick }) =>
    values.only.length > 0
      ? values.only.some((part) => name.includes(part) || part.startsWith(name))
      : isQuick || !values.quick
  );
  if (groups.length === 0) throw new TypeError("no row has such a name");
  const tell = (line: string) => console.error(line);
  const measure = (wanted: readonly RowGroup[]) => measureGroups(wanted, { ...effort, rounds }, tell);
  const figures = await measure(groups);
  if (values.json) console.log(JSON.stringify({ deno: Deno.version.deno, rounds, figures }, undefined, 2));
  else report(figures);
  if (values.save) await save(figures);
  return values.check ? await check(groups, figures, measure) : 0;
}

/** The gateway's rows. */
const HTTP: RowGroup = { name: "http", isQuick: true, measure: (effort) => measureHttp(effort.isQuick) };

async function measureGroups(
  groups: readonly RowGroup[],
  effort: Effort,
  tell: (line: string) => void,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const group of groups) {
    tell(`measuring ${group.name}`);
    figures.push(...await group.measure(effort));
  }
  return figures;
}

/** One row of `bench/http.ts --json`. */
interface HttpRow {
  readonly what: string;
  readonly unit: string;
  readonly ours: readonly number[];
  readonly bare: readonly number[];
  readonly bar: string;
  readonly holds: boolean;
}

/** The gateway beside bare `Deno.serve`: a program of its own, whose rows join ours. */
async function measureHttp(isQuick: boolean): Promise<Figure[]> {
  const program = fileURLToPath(new URL("http.ts", import.meta.url));
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, "--json", ...(isQuick ? ["--quick"] : [])],
    stderr: "null",
  }).output();
  if (code !== 0) throw new Error(`bench/http.ts ended with code ${code}`);
  const { figures } = JSON.parse(new TextDecoder().decode(stdout)) as { figures: HttpRow[] };
  return figures.map(({ what, unit, ours, bare, bar, holds }) => {
    const isMoreBetter = unit.includes("/s");
    const name = `http-${what.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
    const row = figure({
      name,
      what,
      unit: ` ${unit}`,
      ours,
      peer: bare,
      peerName: "Deno.serve",
      isMoreBetter,
    });
    const [, is, value] = /^([<>]=) ([\d.]+)/.exec(bar) ?? [];
    if (is === undefined) return row;
    const of = bar.endsWith("ms") ? "ours" as const : "ratio" as const;
    return {
      ...row,
      bar: { of, is: is === ">=" ? "at least" as const : "at most" as const, value: Number(value) },
      holds,
    };
  });
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
    if (ratio !== undefined && !NOT_COMPARED.test(name)) ratios[name] = Number(ratio.median.toPrecision(3));
  }
  await Deno.writeTextFile(BASELINE, `${JSON.stringify(ratios, undefined, 2)}\n`);
}

/** A row that fell is measured a second time: what a busy neighbour does to one run it hardly does to two. */
async function check(
  groups: readonly RowGroup[],
  figures: readonly Figure[],
  measure: (groups: readonly RowGroup[]) => Promise<Figure[]>,
): Promise<number> {
  const baseline = await readBaseline();
  const suspects = figures.filter((row) => hasFallen(row, baseline));
  const again = groups.filter(({ name }) => suspects.some((row) => row.name.startsWith(name)));
  const second = again.length === 0 ? [] : await measure(again);
  const fallen = second.filter((row) =>
    hasFallen(row, baseline) && suspects.some(({ name }) => name === row.name)
  );
  for (const { name, ratio } of fallen) {
    console.error(`fallen: ${name}, ratio ${baseline[name]} before, ${ratio!.median.toPrecision(3)} now`);
  }
  if (fallen.length === 0) console.error("no ratio fell by more than 15 %");
  return fallen.length === 0 ? 0 : 1;
}

function hasFallen({ name, ratio, isMoreBetter }: Figure, baseline: Baseline): boolean {
  const before = baseline[name];
  if (before === undefined || ratio === undefined || NOT_COMPARED.test(name)) return false;
  return (isMoreBetter ? ratio.median / before : before / ratio.median) < 1 - TOLERANCE;
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
