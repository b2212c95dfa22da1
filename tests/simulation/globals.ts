/**
 * Puts the world in the place of all that a program can learn from its machine: time, timers, chance and TCP. It is total and
 * for the whole process, so whoever imports this does nothing else. Import it before the code that is to live in the world.
 *
 * @module
 */
import { Random } from "./random.ts";
import type { Net } from "./net.ts";
import type { Due, World } from "./world.ts";

/** The world that runs. */
let current: { readonly world: World; readonly net: Net } | undefined;

/** From here on, this world; without one nothing works. */
export function enter(world: World | undefined, net?: Net): void {
  current = world && { world, net: net! };
  timers.clear();
  loading = new Random(1);
}

/** The machine's own, for the program that drives worlds. */
export const real: {
  readonly setTimeout: typeof setTimeout;
  readonly now: () => number;
  readonly pid: number;
} = { setTimeout: globalThis.setTimeout, now: performance.now.bind(performance), pid: Deno.pid };

/** Chance outside of a world: what modules ask for while they are loaded. */
let loading = new Random(1);
const timers: Map<number, Due> = new Map();
let timerIds = 1;

function setTimer(
  what: string,
  callback: (...args: unknown[]) => void,
  ms: unknown,
  args: unknown[],
  every: boolean,
): number {
  const { world } = current!;
  const { process } = world;
  const id = timerIds++;
  const wait = Math.max(1, Number(ms) || 0);
  const start = () => {
    const due = world.after(wait, process, what, () => {
      if (!every) timers.delete(id);
      else start();
      callback(...args);
    });
    timers.set(id, due);
  };
  start();
  return id;
}

function clearTimer(id?: unknown): void {
  const due = timers.get(Number(id));
  if (due === undefined) return;
  due.run = undefined;
  timers.delete(Number(id));
}

function replace(target: object, members: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: true });
  }
}

const random = () => current?.world.random ?? loading;

function getRandomValues<T extends ArrayBufferView>(view: T): T {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random().int(256);
  return view;
}

function randomUUID(): string {
  const hex = [...getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([start, end]) => hex.slice(start, end)).join(
    "-",
  );
}

const RealDate = Date;
const wallClock = () => current?.world.wallClock ?? 0;

replace(globalThis, {
  setTimeout: (callback: () => void, ms: unknown, ...args: unknown[]) =>
    setTimer("timer", callback, ms, args, false),
  setInterval: (callback: () => void, ms: unknown, ...args: unknown[]) =>
    setTimer("interval", callback, ms, args, true),
  setImmediate: (callback: () => void, ...args: unknown[]) => {
    const { world } = current!;
    return world.after(
      0,
      world.process,
      "immediate",
      () => (callback as (...args: unknown[]) => void)(...args),
    );
  },
  clearTimeout: clearTimer,
  clearInterval: clearTimer,
  clearImmediate: (due: Due) => void (due.run = undefined),
  Date: class extends RealDate {
    constructor(...args: unknown[]) {
      // deno-lint-ignore no-explicit-any
      super(...(args.length === 0 ? [wallClock()] : args) as [any]);
    }
    static override now(): number {
      return wallClock();
    }
  },
});
replace(performance, { now: () => current?.world.now ?? 0 });
replace(Math, { random: () => random().next() });
replace(crypto, { getRandomValues, randomUUID });
replace(AbortSignal, {
  timeout: (ms: number) => {
    const controller = new AbortController();
    setTimer(
      "timeout",
      () => controller.abort(new DOMException("Signal timed out.", "TimeoutError")),
      ms,
      [],
      false,
    );
    return controller.signal;
  },
});
replace(Deno, {
  pid: 4242,
  listen: (options: { hostname?: string; port: number }) => current!.net.listen(options),
  connect: (options: { hostname?: string; port: number; signal?: AbortSignal }) =>
    current!.net.connect(options),
});
