/**
 * How a program is asked to stop, and that it does: within a grace, whatever its peers do.
 *
 * @module
 */

/** From the first signal to the end of the process at most. Whoever starts services waits for 10 s or longer. */
export const STOP_MS = 5000;

/** What a shell shows of a process that ended by a signal: 128 and its number. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGBREAK: 149, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;

/** Listens for the signals that ask for an end. */
export class Stop {
  readonly #controller = new AbortController();
  #code = EXIT_CODES.SIGINT as number;

  /**
   * The first signal aborts `signal`; the second ends the process at once. When the time is over, `handleLate` is called.
   */
  constructor(handleLate: (code: number) => void) {
    const listen = (name: StopSignal) => {
      Deno.addSignalListener(name, () => {
        if (this.#controller.signal.aborted) Deno.exit(EXIT_CODES[name]);
        this.#code = EXIT_CODES[name];
        setTimeout(() => handleLate(this.#code), STOP_MS);
        this.#controller.abort();
      });
    };
    listen("SIGINT");
    if (Deno.build.os === "windows") {
      listen("SIGBREAK");
      return;
    }
    listen("SIGTERM");
    // Deno forgets that SIGHUP was ignored (`nohup`) as soon as it listens for any signal. Under `nohup` no stdio is a terminal;
    // and where none is, nothing of ours has hung up.
    if (hasTerminal()) listen("SIGHUP");
    else Deno.addSignalListener("SIGHUP", () => {});
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code that says: a signal came before the work was done. */
  get code(): number {
    return this.#code;
  }
}

function hasTerminal(): boolean {
  return Deno.stdin.isTerminal() || Deno.stdout.isTerminal() || Deno.stderr.isTerminal();
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
