/**
 * A few file descriptors that are kept back. When there are none left, whoever keeps them frees some of them, and goes on.
 *
 * @module
 */

/** Nobody starts a program for its reserve: it is made a while later. */
const FIRST_FILL_MS = 500;
/** How often a reserve that is not whole tries to be. */
const REFILL_MS = 1000;
const HOSTNAME = "127.0.0.1";

/** See the module. */
export class SpareDescriptors {
  /** Sockets that are connected to nobody any more. */
  readonly #spares: Deno.TcpConn[] = [];
  // Never the last that there are: half of what can be had when the reserve is made.
  #wanted: number;
  #isMade = false;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #filling: Promise<void> | undefined;

  /** What the first fill waits at; nothing but the end changes it. */
  readonly #start = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

  /** Keeps so many, where that leaves as many. */
  constructor(count: number) {
    this.#wanted = count;
    // The first timer of a process takes Deno 6 ms, a seventh of a broker's start. This one is JavaScript's own, and keeps no
    // process alive either.
    const waiting = Atomics.waitAsync(this.#start, 0, 0, FIRST_FILL_MS);
    if (waiting.async) void waiting.value.then(() => this.#isClosed ? undefined : this.fill());
  }

  /** Are all there? */
  get isWhole(): boolean {
    return this.#spares.length >= this.#wanted;
  }

  /** Gives one back to the system. Returns false when there is none. */
  free(): boolean {
    const spare = this.#spares.pop();
    this.#fillLater(REFILL_MS);
    spare?.[Symbol.dispose]();
    return spare !== undefined;
  }

  /** Takes what is missing, as far as that can be had. */
  fill(): Promise<void> {
    return this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
      this.#isMade = true;
      if (!this.isWhole) this.#fillLater(REFILL_MS);
    });
  }

  /** Gives back all of them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    Atomics.notify(this.#start, 0);
    await this.#filling;
    for (const spare of this.#spares.splice(0)) spare[Symbol.dispose]();
  }

  #fillLater(milliseconds: number): void {
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.fill();
    }, milliseconds);
    Deno.unrefTimer(this.#timer);
  }

  async #fill(): Promise<void> {
    if (!mayConnect()) return void (this.#wanted = 0);
    const missing = this.#wanted - this.#spares.length;
    const taken: Deno.TcpConn[] = [];
    try {
      // It never accepts: what dials it is connected by the system alone, and stays a descriptor after the listener is gone.
      using listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
      const { port } = listener.addr;
      while (taken.length < 2 * missing && !this.#isClosed) {
        taken.push(await Deno.connect({ hostname: HOSTNAME, port }));
      }
    } catch {
      // There are no more.
    }
    const kept = Math.floor(taken.length / 2);
    if (!this.#isMade) this.#wanted = kept;
    for (const conn of taken.splice(kept)) conn[Symbol.dispose]();
    this.#spares.push(...taken);
  }
}

/** Asks nobody: at a terminal, Deno would ask the person for a permission that is missing. */
function mayConnect(): boolean {
  return Deno.permissions.querySync({ name: "net", host: HOSTNAME }).state === "granted";
}
