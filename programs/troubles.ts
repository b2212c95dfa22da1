/**
 * What a person is told without asking: the first trouble of each kind and of each one who causes it, then one line a minute with
 * how many there were. Pure: time comes as a number.
 *
 * @module
 */

/** A summary comes so often, where there is something to tell. */
export const SUMMARY_MS = 60_000;
/** So many first lines may come between two summaries: a program that dials again and again has a new address each time. */
const MAX_FIRST = 10;
/** So many that caused trouble are remembered. */
const MAX_KNOWN = 1000;
/** So many kinds are named in a summary. */
const MAX_NAMED = 5;

/** See the module. */
export class Troubles {
  readonly #tell: (line: string) => void;
  readonly #known: Set<string> = new Set();
  /** What was not told since the last summary, by what it is called there. */
  readonly #untold: Map<string, number> = new Map();
  #first = 0;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  /** `who` caused a trouble of that kind, of which there are a few, `count` times; `line` tells of it in full. */
  add(kind: string, who: string, line: () => string, count: number = 1): void {
    const key = `${kind}\n${who}`;
    if (!this.#known.has(key) && this.#first < MAX_FIRST) {
      this.#first++;
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.add(key);
      this.#tell(line());
      return;
    }
    this.#untold.set(kind, (this.#untold.get(kind) ?? 0) + count);
  }

  /** A minute is over. */
  summarize(): void {
    this.#first = 0;
    if (this.#untold.size === 0) return;
    const all = [...this.#untold].sort(([, a], [, b]) => b - a);
    const named = all.slice(0, MAX_NAMED).map(([kind, count]) => `${kind}: ${count}`);
    const others = all.slice(MAX_NAMED).reduce((sum, [, count]) => sum + count, 0);
    if (others > 0) named.push(`others: ${others}`);
    this.#untold.clear();
    this.#tell(`in the last minute: ${named.join(", ")}`);
  }
}
