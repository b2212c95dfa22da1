/**
 * How libzmq is waited for. Deno's `uv_poll` calls back once and then never again (denoland/deno#36317), so no socket may wait by
 * itself: all have zero timeouts, and one loop asks them again and again.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** The loop does not sleep until it has been silent for so long … */
const SPIN_MS = 3;
/** … and then for this part of the time that it has been silent … */
const SLEEP_PART = 1 / 20;
/** … but no longer than this: what an idle broker costs and how late it wakes (docs/libzmq.md). */
const MAX_SLEEP_MS = 25;

/** A socket that the loop asks. */
export interface Member {
  /** Does what there is to do; true if there was something, so that it is asked again at once. */
  turn(now: number): boolean | Promise<boolean>;
}

/** Asks all open sockets: without a pause while there is traffic, ever more seldom when there is none. */
class Loop {
  readonly #members: Set<Member> = new Set();
  #isRunning = false;
  #lastTraffic = 0;
  #wake: (() => void) | undefined;

  add(member: Member): void {
    this.#members.add(member);
    this.expectTraffic();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Also lets go of the process, if it was the last one. */
  remove(member: Member): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.#wake?.();
  }

  /** Something was sent, so something will come. */
  expectTraffic(): void {
    this.#lastTraffic = performance.now();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    // The constructor of the first member has to be through before it is asked.
    await Promise.resolve();
    while (this.#members.size > 0) {
      const now = performance.now();
      for (const member of this.#members) if (await member.turn(now)) this.#lastTraffic = now;
      const silentMs = performance.now() - this.#lastTraffic;
      if (silentMs < SPIN_MS) await new Promise<void>((resolve) => setImmediate(resolve));
      else if (this.#members.size > 0) await this.#sleep(Math.min(silentMs * SLEEP_PART, MAX_SLEEP_MS));
    }
    this.#isRunning = false;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(this.#wake, ms);
    });
  }
}

/** Asks the sockets of this process. */
export const loop: Loop = new Loop();
