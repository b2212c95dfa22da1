/**
 * How far something is that takes longer than a second: one line on stderr that is written over, on a terminal only.
 *
 * @module
 */

/** See the module. */
export class Progress implements Disposable {
  readonly #what: string;
  readonly #began = performance.now();
  #told = 0;
  #isShown = false;

  /** `what` stands behind the number. */
  constructor(what: string) {
    this.#what = what;
  }

  /** So much is done. */
  tell(count: number): void {
    const now = performance.now();
    if (now - this.#began < 1000 || now - this.#told < 200 || !Deno.stderr.isTerminal()) return;
    this.#told = now;
    this.#isShown = true;
    Deno.stderr.writeSync(encoder.encode(`\r${count} ${this.#what}\x1b[K`));
  }

  /** The line goes. */
  [Symbol.dispose](): void {
    if (this.#isShown) Deno.stderr.writeSync(encoder.encode("\r\x1b[K"));
  }
}

const encoder = new TextEncoder();
