/**
 * Virtual time, and processes that live in it. What happens in one step happens at once: the world goes on when nobody has anything
 * more to do, and time leaps to whatever is due next.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Random } from "./random.ts";

/** A program of the world, with its own timers and sockets. */
export class Process {
  readonly name: string;
  isAlive = true;
  isStopped = false;
  /** Its wall clock is so much ahead. */
  clockAheadMs = 0;
  /** What became due while it was stopped. */
  readonly held: Due[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

/** Something that happens at a time. */
export interface Due {
  at: number;
  order: number;
  /** Undefined: it happens whatever becomes of the processes. */
  readonly process: Process | undefined;
  readonly what: string;
  run: (() => void) | undefined;
}

/** Runs everything that was promised, and what follows from it, before it returns. */
const { runMicrotasks } = (Deno as unknown as Record<symbol, { core: { runMicrotasks(): void } }>)[
  (Deno as unknown as { internal: symbol }).internal
]!.core;

const running: AsyncLocalStorage<Process> = new AsyncLocalStorage();

/** See the module. */
export class World {
  readonly seed: number;
  /** Milliseconds since the world began. */
  now = 0;
  /** Steps that were taken. */
  steps = 0;
  /** Of all that happened; the same seed gives the same. */
  hash = 0x811c_9dc5;
  /** Is told what happens, for those who want to read it. */
  trace: ((line: string) => void) | undefined;
  /** What went wrong first. */
  failure: string | undefined;
  #orders = 0;
  readonly #heap: Due[] = [];
  readonly #streams: Map<string, Random> = new Map();

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Chance of its own for whatever has a name: so it stays as it is when something else is left out of the world. */
  stream(name: string): Random {
    let stream = this.#streams.get(name);
    if (stream === undefined) this.#streams.set(name, stream = new Random(hashOf(`${this.seed} ${name}`)));
    return stream;
  }

  /** Chance of whoever's code runs. */
  get random(): Random {
    return this.stream(`process ${this.process?.name}`);
  }

  /** Whose code runs. */
  get process(): Process | undefined {
    return running.getStore();
  }

  /** Milliseconds since 1970 as this process sees them. */
  get wallClock(): number {
    return 1_790_000_000_000 + Math.floor(this.now) + (this.process?.clockAheadMs ?? 0);
  }

  /** Something will happen after so many milliseconds. Setting its `run` to undefined takes it back. */
  after(ms: number, process: Process | undefined, what: string, run: () => void): Due {
    const due: Due = { at: this.now + Math.max(0, ms), order: this.#orders++, process, what, run };
    this.#push(due);
    return due;
  }

  /** Runs a piece of a program's code, with all that follows from it at once. */
  in(process: Process, run: () => void): void {
    if (!process.isAlive) return;
    running.run(process, () => {
      try {
        run();
      } catch (error) {
        this.fail(`${process.name} threw ${error instanceof Error ? error.stack : error}`);
      }
    });
    runMicrotasks();
  }

  /** Lets time pass until it is over or something went wrong. */
  run(ms: number, look?: () => void): void {
    const until = this.now + ms;
    while (this.failure === undefined) {
      const due = this.#heap[0];
      if (due === undefined || due.at > until) break;
      this.#pop();
      this.#step(due);
      look?.();
    }
    if (this.failure === undefined) this.now = until;
  }

  /** What is still to happen in processes. */
  pending(): readonly Due[] {
    return this.#heap.filter(({ run, process }) => run !== undefined && process?.isAlive === true);
  }

  /** SIGSTOP: none of its code runs; the operating system goes on for it. */
  stop(process: Process): void {
    this.note("stop", process.name);
    process.isStopped = true;
  }

  /** SIGCONT. */
  goOn(process: Process): void {
    if (!process.isStopped) return;
    this.note("go on", process.name);
    process.isStopped = false;
    for (const due of process.held.splice(0)) {
      due.at = this.now;
      due.order = this.#orders++;
      this.#push(due);
    }
  }

  /** SIGKILL. Its sockets are the network's to close. */
  kill(process: Process): void {
    this.note("kill", process.name);
    process.isAlive = false;
    process.held.length = 0;
  }

  /** Adds to the trace. */
  note(what: string, who: string, detail: number | string = ""): void {
    this.#mix(what);
    this.#mix(who);
    this.#mix(String(detail));
    this.trace?.(`${this.now.toFixed(3).padStart(12)} ${who.padEnd(12)} ${what} ${detail}`);
  }

  /** Something is not as it must be. */
  fail(why: string): void {
    this.failure ??= `after ${(this.now / 1000).toFixed(3)} s: ${why}`;
    this.trace?.(`FAILED ${why}`);
  }

  #step(due: Due): void {
    const { run, process } = due;
    if (run === undefined || process?.isAlive === false) return;
    this.now = Math.max(this.now, due.at);
    if (process?.isStopped) return void process.held.push(due);
    this.steps++;
    due.run = undefined;
    this.#mix(due.what);
    this.hash = Math.imul(this.hash ^ Math.floor(this.now * 1000), 0x0100_0193);
    if (process !== undefined) return this.in(process, run);
    run();
    runMicrotasks();
  }

  #mix(text: string): void {
    let hash = this.hash;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
    this.hash = hash;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(due, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** 52 bits. */
function hashOf(text: string): number {
  let [low, high] = [0x811c_9dc5, 0x1234_5678];
  for (let i = 0; i < text.length; i++) {
    low = Math.imul(low ^ text.charCodeAt(i), 0x0100_0193);
    high = Math.imul(high ^ text.charCodeAt(i), 0x85eb_ca6b) ^ (low >>> 13);
  }
  return (high >>> 12) * 0x1_0000_0000 + (low >>> 0);
}
