/**
 * `deno task simulate:sites`: a thousand sites over one stream, in virtual time, with loss, delay, cuts, outages and restarts. It
 * needs no permission. `--sites N`, `--messages N`, `--seed S`.
 */
// deno-lint-ignore-file no-console -- a program
import { runSites } from "./sites.ts";

function numberOf(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(Deno.args[at + 1]);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`Cannot use --${name}: expected a whole number`);
  }
  return value;
}

const sites = numberOf("sites", 1000);
const messages = numberOf("messages", 5000);
const seed = numberOf("seed", 1 + Math.floor(Math.random() * 1e9));
console.log(`${sites} sites, ${messages} messages in 60 s, seed ${seed}`);
const start = performance.now();
const outcome = runSites({
  seed,
  sites,
  messages,
  ms: 60_000,
  refused: 0.02,
  unconfirmed: 0.02,
  delayMs: 200,
  cuts: sites,
  cutMs: 15_000,
  outages: 2,
  restarts: Math.ceil(sites / 20),
  holdMs: 10_000,
  queue: 10_000,
  window: 1024,
});
for (const [name, value] of Object.entries(outcome)) console.log(`${name.padEnd(14)} ${value}`);
console.log(
  `every site decided alike, and heard each of its own messages once; ${
    Math.round(performance.now() - start)
  } ms`,
);
