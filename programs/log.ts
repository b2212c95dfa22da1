/**
 * The one place through which every line of every program goes: results to stdout, notes to stderr.
 *
 * Writing never throws into the work and never holds it up. Lines wait in a bounded queue, one write at a time is under way in
 * a thread of Deno's, and what cannot be written (nobody drains the pipe, the disk is full, the reader has gone) is counted,
 * and told as soon as something can be written again.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";
import { visible } from "../base/quote.ts";

/** Where bytes go; `Deno.stdout` is one. */
export interface Sink {
  /** Writes a part of the bytes at least, and says how much. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Options of a {@linkcode LineWriter}. */
export interface LineWriterOptions {
  /** Characters that may wait; lines beyond are counted as lost. */
  readonly maxQueued: number;
  /** Characters of one line at most; the rest is cut. @default Infinity */
  readonly maxLine?: number;
  /** Called at the first write that fails after one that did not. */
  readonly handleFailure?: (error: unknown) => void;
  /** Called when lines get through again, with the number of those that did not. @default a line of its own */
  readonly handleLost?: (lines: number) => void;
}

/** Joined into one write: what a pipe of Linux holds. */
const MAX_CHUNK = 65_536;
/** A pipe that was made non-blocking, for example by a Node at its other end, says "full" instead of waiting. */
const MIN_RETRY_MS = 5;
const MAX_RETRY_MS = 200;

/** Writes lines, in order, one write after the other. */
export class LineWriter {
  readonly #sink: Sink;
  readonly #options: LineWriterOptions;
  readonly #queue: Fifo<string> = new Fifo();
  readonly #idle: Set<() => void> = new Set();
  #queued = 0;
  #isPumping = false;
  /** Lines that are in the write under way. */
  #writing = 0;
  #isFailing = false;
  #isGone = false;
  /** A line was written in part only: the next one begins with a line break. */
  #isCut = false;
  /** Lost since it was last told. */
  #untold = 0;
  #stamps = false;

  constructor(sink: Sink, options: LineWriterOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Lines that are not written yet. */
  get waiting(): number {
    return this.#queue.length + this.#writing;
  }

  /** Nobody will ever read what is written. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** From now on each line begins with the time. */
  startStamps(): void {
    this.#stamps = true;
  }

  /** A line. What would act on a terminal is escaped, line breaks too; not where the caller says that it is done, or meant. */
  line(text: string, isClean = false): void {
    const { maxLine = Infinity, maxQueued } = this.#options;
    const cut = text.length > maxLine ? `${text.slice(0, maxLine)}… (${text.length} characters)` : text;
    const line = this.#stamped(isClean ? cut : visible(cut));
    // One line alone may be longer than all that may wait.
    const isFull = this.#queued > 0 && this.#queued + line.length > maxQueued;
    if (this.#isGone || isFull) this.#untold++;
    else this.#push(line);
  }

  #stamped(text: string): string {
    return `${this.#stamps ? `${new Date().toISOString()} ` : ""}${text}\n`;
  }

  #push(line: string): void {
    this.#queue.push(line);
    this.#queued += line.length;
    if (this.#isPumping) return;
    this.#isPumping = true;
    // Not at once: what is said together is written together.
    queueMicrotask(() => void this.#pump());
  }

  /** Resolves when nothing waits any longer, or when the signal is aborted; says which. */
  flush(signal: AbortSignal): Promise<boolean> {
    if (this.waiting === 0) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const handleIdle = () => resolve(true);
    const handleAbort = () => resolve(false);
    this.#idle.add(handleIdle);
    signal.addEventListener("abort", handleAbort);
    if (signal.aborted) handleAbort();
    return promise.finally(() => {
      this.#idle.delete(handleIdle);
      signal.removeEventListener("abort", handleAbort);
    });
  }

  /** How many lines were lost since this was last asked or told. */
  takeLost(): number {
    const lines = this.#untold;
    this.#untold = 0;
    return lines;
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      const chunk = this.#take();
      const error = await this.#write(encoder.encode(this.#isCut ? `\n${chunk}` : chunk));
      if (error !== undefined) this.#fail(error);
      this.#isFailing = error !== undefined;
      this.#writing = 0;
      if (!this.#isFailing && this.#untold > 0) this.#tellLost();
    }
    this.#isPumping = false;
    for (const handleIdle of this.#idle) handleIdle();
  }

  #take(): string {
    let chunk = "";
    do {
      chunk += this.#queue.shift()!;
      this.#writing++;
    } while (this.#queue.length > 0 && chunk.length + this.#queue.first!.length <= MAX_CHUNK);
    this.#queued -= chunk.length;
    return chunk;
  }

  /** Answers with the error when not all of it was written. */
  async #write(bytes: Uint8Array): Promise<unknown> {
    let rest = bytes;
    for (let retryMs = MIN_RETRY_MS; rest.length > 0;) {
      try {
        rest = rest.subarray(await this.#sink.write(rest));
        retryMs = MIN_RETRY_MS;
      } catch (error) {
        if (error instanceof Deno.errors.WouldBlock) {
          await new Promise((resolve) => setTimeout(resolve, retryMs));
          retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
          continue;
        }
        const written = bytes.length - rest.length;
        if (written > 0) this.#isCut = bytes[written - 1] !== LINE_BREAK;
        return error;
      }
    }
    this.#isCut = false;
    return undefined;
  }

  #fail(error: unknown): void {
    this.#untold += this.#writing;
    if (error instanceof Deno.errors.BrokenPipe) {
      this.#isGone = true;
      this.#untold += this.#queue.length;
      this.#queue.clear();
      this.#queued = 0;
    }
    if (!this.#isFailing) this.#options.handleFailure?.(error);
  }

  #tellLost(): void {
    const lines = this.takeLost();
    if (this.#options.handleLost !== undefined) return this.#options.handleLost(lines);
    // Even when the queue is full again: the number would be lost with it.
    this.#push(this.#stamped(`${linesText(lines)} not written`));
  }
}

const LINE_BREAK = 10;
const encoder = new TextEncoder();

function linesText(lines: number): string {
  return lines === 1 ? "1 line was" : `${lines} lines were`;
}

const notes = new LineWriter(Deno.stderr, { maxQueued: 262_144, maxLine: 4096 });
const results = new LineWriter(Deno.stdout, {
  maxQueued: 64 * 1024 * 1024,
  handleFailure: (error) => {
    if (results.isGone && readerGone.signal.aborted === false) readerGone.abort();
    if (isQuietWithoutReader && results.isGone) return;
    complain(`Cannot write to stdout: ${error instanceof Error ? error.message : String(error)}`);
  },
  handleLost: (lines) => complain(`${linesText(lines)} not written to stdout`),
});
const readerGone = new AbortController();
let isQuietWithoutReader = false;

/** Writes a line to stdout. */
export function print(line: string): void {
  results.line(line);
}

/** Writes a line to stdout that may have colours and tabs: whatever comes from others in it is escaped already. */
export function printClean(line: string): void {
  results.line(line, true);
}

/** Writes a text of our own to stdout, line by line. */
export function printText(text: string): void {
  for (const line of text.split("\n")) results.line(line);
}

/** Resolves when all that was printed so far is written, or lost. */
export function printed(): Promise<unknown> {
  return results.flush(new AbortController().signal);
}

/** Writes a line to stderr. */
export function complain(line: string): void {
  notes.line(line);
}

/** The program runs from now on: who reads its notes in a file wants to know when something was. */
export function startStamps(): void {
  if (!Deno.stderr.isTerminal()) notes.startStamps();
}

/** Aborted when the reader of stdout, such as `head`, has gone. For programs that then have nothing more to do. */
export function untilReaderGone(): AbortSignal {
  isQuietWithoutReader = true;
  return readerGone.signal;
}

/** After a signal, a person would not wait longer for results … */
const MAX_RESULTS_MS = 500;
/** … or ever for notes, that nobody reads. */
const MAX_NOTES_MS = 300;

/**
 * Waits until all lines are written: results until shortly after the signal, notes for a moment. Says on stderr how many
 * results were not written, and answers with it; 0 when their reader has gone.
 */
export async function flushLines(signal: AbortSignal): Promise<number> {
  const gaveUp = new AbortController();
  const giveUp = () => setTimeout(() => gaveUp.abort(), MAX_RESULTS_MS);
  if (signal.aborted) giveUp();
  else signal.addEventListener("abort", giveUp);
  await results.flush(gaveUp.signal);
  const lost = results.takeLost() + results.waiting;
  const isFine = lost === 0 || (results.isGone && isQuietWithoutReader);
  if (!isFine) complain(`${linesText(lost)} not written to stdout`);
  await notes.flush(AbortSignal.timeout(MAX_NOTES_MS));
  return isFine ? 0 : lost;
}

/** Said by Deno to authors of handlers once per process. Ours are right in both modes. */
const ABORT_WARNING = "Deno.serve: request.signal aborts on successful responses";

/**
 * Libraries and Deno itself write to the console, which waits for a pipe that nobody drains. A library leaves the console
 * alone; so this is called by programs.
 */
export function takeConsole(): void {
  const write = (...data: unknown[]) => {
    if (typeof data[0] === "string" && data[0].startsWith(ABORT_WARNING)) return;
    complain(data.map((item) => typeof item === "string" ? item : Deno.inspect(item)).join(" "));
  };
  // deno-lint-ignore no-console -- it is what this is about
  for (const method of ["debug", "log", "info", "warn", "error", "trace"] as const) console[method] = write;
}
