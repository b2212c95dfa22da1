/**
 * Leaves out of a world that fails whatever it can, as long as it fails in the same way: what is left is short enough to read.
 *
 * @module
 */
import { type Cut, FAULTS } from "./plan.ts";
import type { Outcome } from "./scenario.ts";

/** See the module. Tries `most` worlds. */
export async function shrink(
  outcome: Outcome,
  run: (cut: Cut) => Promise<Outcome>,
  most: number,
): Promise<Outcome> {
  const kind = kindOf(outcome);
  let best = outcome;
  let tried = 0;
  /** Takes the cut if what is left fails alike. */
  const attempt = async (cut: Iterable<string>): Promise<boolean> => {
    if (tried++ >= most) return false;
    const next = await run(new Set(cut));
    if (kindOf(next) !== kind) return false;
    best = next;
    return true;
  };
  const without = (prefix: string) => [...best.cut].filter((part) => !part.startsWith(prefix));

  for (let isBetter = true; isBetter && tried < most;) {
    const before = best.cut.size;
    for (const part of PARTS) if (!best.cut.has(part)) await attempt([...best.cut, part]);
    // Nothing happens after it failed.
    const { events, failedAtMs = Infinity } = best;
    let kept = events.filter(({ atMs }) => atMs <= failedAtMs).map(({ number }) => number);
    const keep = (numbers: readonly number[]) => [...without("events="), `events=${numbers.join()}`];
    if (kept.length < events.length) await attempt(keep(kept));
    for (let size = Math.ceil(kept.length / 2); size >= 1 && kept.length > 0; size = size >> 1) {
      for (let at = 0; at < kept.length && tried < most;) {
        const fewer = kept.toSpliced(at, size);
        if (await attempt(keep(fewer))) kept = fewer;
        else at += size;
      }
    }
    isBetter = best.cut.size > before;
  }
  for (const part of [0.25, 0.5, 0.75, 0.9]) {
    const until = Math.ceil(part * Math.min(best.virtualMs, 25_000));
    if (await attempt([...without("until="), `until=${until}`])) break;
  }
  return best;
}

/** Failures are alike that differ in their numbers and names only. */
function kindOf({ failure }: Outcome): string | undefined {
  return failure?.replace(/^after [\d.]+ s: /, "").replace(
    /"[^"]*"|\b[a-z]+-\d+(?:\.\d+)?\b|[a-z0-9]{12}\.\d+|\d+/g,
    "#",
  ).slice(0, 100);
}

/** What may be left out, the largest first. */
const PARTS: readonly string[] = [
  "hostile",
  "web",
  "archive",
  "plain",
  "curve",
  "flood",
  "speech",
  "acts",
  ...FAULTS.map((fault) => `fault=${fault}`),
  ...Array.from({ length: 7 }, (_, i) => `member=${i}`),
  "large",
];
