/**
 * WebSocket upgrades under way, and how many there may be.
 *
 * When a client resets its connection just while Deno upgrades it, Deno fires no event, ever, and never gives the descriptor back. So
 * at most as many are upgraded at once as may be lost in this way, all told: what is lost stays counted. The others wait for their
 * turn.
 *
 * @module
 */
import { isLoopback } from "./policy.ts";
import { Problem, unavailable } from "./problem.ts";

/**
 * Everybody waits for so long before the upgrade. Nearly all connections that were reset at once are seen to be gone then: of 300, all
 * after 5 ms, after one turn of the loop 170 to 280.
 */
const HOLD_MS = 5;
/** The moment of the upgrade shall not be known to the millisecond: whoever hits it costs us a descriptor. */
const HOLD_JITTER_MS = 5;
/** One other machine may have this part of all places. */
const ADDRESS_SHARE = 1 / 4;

/** The place of one upgrade under way. */
export interface UpgradePlace {
  /** It is open, or known to be gone. */
  give(): void;
  /** Nobody will ever tell what became of it: its descriptor is lost, and so is the place. */
  lose(): void;
}

/** See the module. */
export class Upgrades {
  /** How many did not open, and never will. */
  lost = 0;
  readonly #limit: number;
  readonly #timeoutMs: number;
  readonly #queue = new Set<Applicant>();
  // Invariant: places of upgrades under way and of lost ones.
  #taken = 0;
  readonly #takenBy = new Map<string, number>();
  #lostBy = new Map<string, number>();
  #isOver = false;

  constructor(limit: number, timeoutMs: number) {
    this.#limit = limit;
    this.#timeoutMs = timeoutMs;
  }

  /** Upgrades under way, those included that wait for their turn. */
  get underWay(): number {
    return this.#taken - this.lost + this.#queue.size;
  }

  /**
   * Waits for the turn of an upgrade.
   *
   * @throws {Problem} `too-many-upgrades`, when there is no place in time; `shutting-down`; `bad-upgrade`, when the client has gone.
   */
  async enter(request: Request, remote: string): Promise<UpgradePlace> {
    const { signal } = request;
    const lost = this.#lostBy.get(remote) ?? 0;
    if (this.lost >= this.#limit || lost >= this.#limitOf(remote)) throw this.#tooMany(remote);
    if (!this.#hasPlace(remote)) await this.#queueUp(remote, signal);
    else this.#take(remote);
    try {
      await new Promise((resolve) => setTimeout(resolve, HOLD_MS + Math.random() * HOLD_JITTER_MS));
      if (signal.aborted) throw gone();
      if (this.#isOver) throw stopping();
    } catch (error) {
      this.#give(remote);
      throw error;
    }
    return this.#placeOf(remote);
  }

  /** Sends home who waits for a turn. */
  end(): void {
    this.#isOver = true;
    for (const applicant of this.#queue) applicant.refuse(stopping());
    this.#queue.clear();
  }

  #placeOf(remote: string): UpgradePlace {
    let state: "taken" | "lost" | "given" = "taken";
    return {
      give: () => {
        if (state === "given") return;
        if (state === "lost") this.#countLost(remote, -1);
        state = "given";
        this.#give(remote);
      },
      lose: () => {
        if (state !== "taken") return;
        state = "lost";
        this.#countLost(remote, 1);
      },
    };
  }

  #countLost(remote: string, change: number): void {
    this.lost += change;
    add(this.#lostBy, remote, change);
  }

  #queueUp(remote: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const applicant: Applicant = { remote, accept: resolve, refuse: reject };
    this.#queue.add(applicant);
    const leave = (problem: Problem) => {
      if (this.#queue.delete(applicant)) reject(problem);
    };
    const timer = setTimeout(() => leave(this.#tooMany(remote)), this.#timeoutMs);
    const handleAbort = () => leave(gone());
    signal.addEventListener("abort", handleAbort);
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", handleAbort);
    });
  }

  #hasPlace(remote: string): boolean {
    return this.#taken < this.#limit && (this.#takenBy.get(remote) ?? 0) < this.#limitOf(remote);
  }

  #take(remote: string): void {
    this.#taken += 1;
    add(this.#takenBy, remote, 1);
  }

  #give(remote: string): void {
    this.#taken -= 1;
    add(this.#takenBy, remote, -1);
    for (const applicant of this.#queue) {
      if (!this.#hasPlace(applicant.remote)) continue;
      this.#queue.delete(applicant);
      this.#take(applicant.remote);
      applicant.accept();
      return;
    }
  }

  /** All programs of this machine, and all clients behind a proxy, have the same address. */
  #limitOf(remote: string): number {
    return remote === "" || isLoopback(remote)
      ? this.#limit
      : Math.max(1, Math.floor(this.#limit * ADDRESS_SHARE));
  }

  #tooMany(remote: string): Problem {
    const limit = this.#limitOf(remote);
    const who = limit === this.#limit ? "" : ` from ${remote}`;
    return unavailable(
      "too-many-upgrades",
      `Cannot open WebSocket: ${this.#taken} upgrades${who} are under way, of which ${this.lost} were broken off and hold ` +
        `a descriptor for ever, limit is ${limit} (maxUpgrades)`,
      { limit },
    );
  }
}

interface Applicant {
  readonly remote: string;
  accept(): void;
  refuse(problem: Problem): void;
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

function gone(): Problem {
  return new Problem("bad-upgrade", "Cannot open WebSocket: its client has gone");
}

function stopping(): Problem {
  return unavailable("shutting-down", "Cannot open WebSocket: the gateway is stopping");
}
