/**
 * The memory that Deno uses for WebSocket messages which are not complete yet.
 *
 * Deno collects the frames of a message, up to 64 MiB for each and without end for all of them, and tells nothing of it before the
 * last. So the only thing to look at is the memory of the whole process.
 *
 * @module
 */

/** A WebSocket that can be ended without its peer. */
export interface CuttableSocket {
  /** Has it been closed, and its peer does not go? */
  readonly isLingering: boolean;
  /** Ends it at once. */
  cut(): void;
}

/** What the process uses, as `Deno.memoryUsage()` tells it. */
export type MemoryUsage = Pick<Deno.MemoryUsage, "rss" | "heapTotal" | "external">;

/** How often the memory is looked at while there are WebSockets; it takes 10 µs. */
const LOOK_MS = 100;
/** What one client that waits takes of Deno's memory, quiet as it may be. */
const CLIENT_BYTES = 32 * 1024;
/** This part of the WebSockets is cut at each look, and at least so many. */
const CUT_SHARE = 1 / 4;
const MIN_CUT = 8;

/** See the module. */
export class MemoryWatch {
  /** WebSockets that were cut. */
  cut = 0;
  readonly #limit: number;
  readonly #known: () => { readonly bytes: number; readonly clients: number };
  readonly #tell: (cut: number, grownBytes: number) => void;
  readonly #usage: () => MemoryUsage;
  // Invariant: in the order in which they came.
  readonly #sockets: Set<CuttableSocket> = new Set();
  #timer: ReturnType<typeof setInterval> | undefined;
  #base = Infinity;

  /** Lets the process grow by so many bytes beyond what is known: bytes that are counted elsewhere, clients that wait. */
  constructor(
    limit: number,
    known: () => { readonly bytes: number; readonly clients: number },
    tell: (cut: number, grownBytes: number) => void,
    usage: () => MemoryUsage = Deno.memoryUsage,
  ) {
    this.#limit = limit;
    this.#known = known;
    this.#tell = tell;
    this.#usage = usage;
  }

  /** One more WebSocket. */
  add(socket: CuttableSocket): void {
    this.#sockets.add(socket);
    if (this.#timer !== undefined) return;
    this.#base = this.#unknown();
    this.#timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** It has gone. */
  delete(socket: CuttableSocket): void {
    if (this.#sockets.delete(socket)) this.#restIfAlone();
  }

  /** Cuts some WebSockets if the process has grown too much; whoever was told to go first, then whoever came last. */
  look(): void {
    const unknown = this.#unknown();
    this.#base = Math.min(this.#base, unknown);
    const grown = unknown - this.#base;
    if (grown <= this.#limit) return;
    const sockets = [...this.#sockets];
    const suspects = [
      ...sockets.filter(({ isLingering }) => isLingering),
      ...sockets.filter(({ isLingering }) => !isLingering).reverse(),
    ].slice(0, Math.max(MIN_CUT, Math.ceil(sockets.length * CUT_SHARE)));
    for (const socket of suspects) {
      this.#sockets.delete(socket);
      socket.cut();
    }
    this.cut += suspects.length;
    this.#tell(suspects.length, grown);
    this.#restIfAlone();
  }

  /** Without WebSockets it is none of them, and with the next one it is counted anew. */
  #restIfAlone(): void {
    if (this.#sockets.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Bytes of the process that nobody accounts for. */
  #unknown(): number {
    const { rss, heapTotal, external } = this.#usage();
    const { bytes, clients } = this.#known();
    return rss - heapTotal - external - bytes - clients * CLIENT_BYTES;
  }
}
