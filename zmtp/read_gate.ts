/**
 * The gate in front of all senders: while it is closed nothing that they sent is taken, so that TCP makes them wait.
 *
 * @module
 */

/**
 * Lets senders through one after the other, in the order in which they came, and looks after each one whether there is room for the
 * next. So a fast sender has its turn as the slow ones have theirs.
 */
export class ReadGate {
  /** Those who wait for their turn, and what begins it. */
  readonly #waiting: Map<object, () => void> = new Map();
  /** Whose turn it is. */
  #current: object | undefined;
  /** Why it is closed; it is open when there is no reason. */
  readonly #reasons: Set<string> = new Set();

  /** Does nobody wait? Then whoever comes goes through without {@linkcode ReadGate.enter}. */
  get isOpen(): boolean {
    return this.#reasons.size === 0 && this.#current === undefined && this.#waiting.size === 0;
  }

  /** From now on everybody waits, until whoever closed it for this reason opens it. */
  close(reason: string = "subscribers"): void {
    this.#reasons.add(reason);
  }

  /** There is room, as far as this reason goes. */
  open(reason: string = "subscribers"): void {
    this.#reasons.delete(reason);
    this.#next();
  }

  /** Resolves when it is this one's turn. Its {@linkcode ReadGate.leave} must follow, and may come before that. */
  enter(who: object): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(who, resolve);
    this.#next();
    return promise;
  }

  /** Its turn is over, or it wants none any more. */
  leave(who: object): void {
    const begin = this.#waiting.get(who);
    this.#waiting.delete(who);
    begin?.();
    if (this.#current !== who) return;
    this.#current = undefined;
    this.#next();
  }

  #next(): void {
    if (this.#reasons.size > 0 || this.#current !== undefined) return;
    const first = this.#waiting.entries().next().value;
    if (first === undefined) return;
    const [who, begin] = first;
    this.#waiting.delete(who);
    this.#current = who;
    begin();
  }
}

/** The turns of one sender. */
export class Turn {
  readonly #gate: ReadGate;
  #isAwaited = false;
  #toldAt = -Infinity;
  #aliveMs = Infinity;
  #aliveAt = Infinity;

  constructor(gate: ReadGate) {
    this.#gate = gate;
  }

  /** Need it not wait? */
  get isFree(): boolean {
    return this.#gate.isOpen;
  }

  /** Does it wait? */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** While it waits: when the peer hears next that we are there. Its PINGs may lie behind much that takes many turns. */
  get aliveAt(): number {
    return this.#aliveAt;
  }

  /** Resolves when it is its turn; {@linkcode Turn.end} must follow. A peer that waits hears every `aliveMs` that we are there. */
  async begin(now: number, aliveMs: number): Promise<void> {
    this.#isAwaited = true;
    this.#aliveMs = aliveMs;
    this.#aliveAt = aliveMs === Infinity ? Infinity : Math.max(this.#toldAt + aliveMs, now);
    await this.#gate.enter(this);
    this.#isAwaited = false;
  }

  /** Must the peer hear now that we are there? */
  isAliveDue(now: number): boolean {
    if (now < this.#aliveAt) return false;
    this.#toldAt = now;
    this.#aliveAt = now + this.#aliveMs;
    return true;
  }

  /** Its turn is over, or it wants none any more. */
  end(): void {
    this.#gate.leave(this);
  }
}
