/**
 * Processes on one processor, for times of one request after the other.
 *
 * Whether the system puts the two ends of a ping-pong on one processor or on two is chance, and lasts for seconds. On two, each
 * half waits until the other processor is awake, which takes a virtual machine longer than the work that is measured.
 */
/** Moves processes to one processor until it is disposed of; where there is no `taskset`, they stay where they are. */
export class Pinned implements Disposable {
  readonly #before: readonly (readonly [pid: number, processors: string])[];

  private constructor(before: readonly (readonly [pid: number, processors: string])[]) {
    this.#before = before;
  }

  /** Moves them. */
  static together(...pids: readonly number[]): Pinned {
    const before = pids.map((pid) => [pid, processorsOf(pid)] as const);
    const last = before[0]?.[1]?.split(/[,-]/).at(-1);
    const movable = before.filter((entry): entry is readonly [number, string] => entry[1] !== undefined);
    if (last !== undefined) { for (const [pid] of movable) taskset("-apc", last, String(pid)); }
    return new Pinned(movable);
  }

  [Symbol.dispose](): void {
    for (const [pid, processors] of this.#before) taskset("-apc", processors, String(pid));
  }
}

/** Such as `0-3` or `0,2`; `undefined` where nobody says. */
function processorsOf(pid: number): string | undefined {
  return /: ([\d,-]+)\s*$/.exec(taskset("-pc", String(pid)))?.[1];
}

function taskset(...args: readonly string[]): string {
  try {
    return new TextDecoder().decode(new Deno.Command("taskset", { args: [...args] }).outputSync().stdout);
  } catch {
    return "";
  }
}
