/**
 * Looks at the deadlines of links, with one timer for many.
 *
 * @module
 */
import type { Link, LinkClock } from "./link.ts";

/** Deadlines are looked at no more often than this. */
const SWEEP_FLOOR_MS = 10;
/** A longer timer would fire at once. */
const MAX_TIMER_MS = 0x7fff_ffff;
/** A sweep that comes so much too late gives way to reads that are due as well. */
const LATE_MS = 100;

/** The time, and the timer, which runs only while some link has a deadline. */
export class Clock implements LinkClock {
  readonly #links: Set<Link> = new Set();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;
  #hasWaited = false;

  /** Milliseconds from an arbitrary start; never goes back. */
  now(): number {
    return performance.now();
  }

  /** A link whose deadlines count from now on. */
  add(link: Link): void {
    this.#links.add(link);
    this.expect(link.deadline);
  }

  /** A link that is gone. */
  remove(link: Link): void {
    this.#links.delete(link);
    if (this.#links.size === 0) this.#set(Infinity);
  }

  /** Some link's deadline may have come nearer. */
  expect(due: number): void {
    if (due < this.#due) this.#set(due);
  }

  #set(due: number): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = due;
    if (due === Infinity) return;
    const ms = Math.min(MAX_TIMER_MS, Math.max(SWEEP_FLOOR_MS, due - this.now()));
    this.#timer = setTimeout(() => this.#sweep(), ms);
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = this.now();
    const isLate = now - this.#due > LATE_MS;
    this.#due = Infinity;
    if (isLate && !this.#hasWaited) {
      // This process was stopped or busy: what peers have sent meanwhile is read before they are called silent.
      this.#hasWaited = true;
      return this.expect(now);
    }
    this.#hasWaited = false;
    for (const link of [...this.#links]) link.tick(now);
    let due = Infinity;
    for (const link of this.#links) due = Math.min(due, link.deadline);
    this.expect(due);
  }
}
