/**
 * The waiting room: who waits, and how much room there is. What they wait for is the hub's.
 *
 * @module
 */
import type { Counters } from "./counters.ts";
import type { Hub, Waiter } from "./hub.ts";
import { unavailable } from "./problem.ts";
import type { Stop } from "./stop.ts";

/** See the module. */
export class WaitingRoom {
  readonly #hub: Hub;
  readonly #counters: Counters;
  readonly #stop: Stop;
  readonly #limit: number;
  // Who they are, the hub knows: for each of thousands a second set would be memory, and work while all are answered.
  #count = 0;

  constructor(hub: Hub, counters: Counters, stop: Stop, limit: number) {
    this.#hub = hub;
    this.#counters = counters;
    this.#stop = stop;
    this.#limit = limit;
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  /** Throws when the house is full, or would be with so many more who are at the door. */
  requireRoom(arriving = 0): void {
    const { lingering } = this.#counters;
    if (this.#count + lingering + arriving < this.#limit) return;
    throw unavailable(
      "too-many-waiters",
      `Cannot wait: ${this.#count} clients wait already and ${lingering} connections are about to end, ` +
        `limit is ${this.#limit}`,
      { limit: this.#limit },
    );
  }

  /** Someone begins to wait. Throws when the house is full. */
  enter(waiter: Waiter): void {
    this.requireRoom();
    this.#count += 1;
    this.#counters.waiting[waiter.kind] += 1;
    this.#stop.hold();
    this.#hub.add(waiter);
  }

  /** Someone waits no longer. Says whether it did. */
  leave(waiter: Waiter): boolean {
    if (!this.#hub.remove(waiter)) return false;
    this.#counters.waiting[waiter.kind] -= 1;
    this.#count -= 1;
    this.#stop.release();
    return true;
  }

  /** Sends home this share of those who wait, who waits longest first. Says how many that were. */
  sendHome(gate: object, share: number): number {
    const leaving = this.#hub.waitersOf(gate).slice(0, Math.ceil(this.#count * share));
    for (const waiter of leaving) waiter.drain();
    return leaving.length;
  }
}
