/**
 * When a recorded message is due. Pure: the clock is passed in, and nothing is sent here.
 *
 * Due times are counted from one moment on, never from the message before, so nothing adds up: a replay of an hour ends after an
 * hour. Whoever comes late gets all that is due at once.
 *
 * @module
 */

/** A message that waits for its time. */
export interface Due {
  /** Its number in the session. */
  readonly seq: number;
  /** When it came, in milliseconds. */
  readonly time: number;
  /** Its text; undefined for one that is passed over. */
  readonly text: string | undefined;
}

/** Behind by more than this, it goes on later instead of catching up. */
const MAX_LATE_MS = 1000;

/** See the module. */
export class Schedule {
  readonly #maxGapMs: number;
  #speed: number;
  /** At `#now` of the clock the recording was at `#at`, cut pauses taken out. */
  #now = 0;
  #at = 0;
  /** Time of the last message that was added, and what the cut pauses before it add up to. */
  #last: number | undefined;
  #cut = 0;
  readonly #waiting: { readonly due: Due; readonly at: number }[] = [];
  #head = 0;
  #late = 0;
  #isRunning = false;

  constructor({ speed, maxGapMs = Infinity }: { readonly speed: number; readonly maxGapMs?: number }) {
    this.#speed = speed;
    this.#maxGapMs = maxGapMs;
  }

  /** How often it went on later. */
  get late(): number {
    return this.#late;
  }

  /** How often as fast as it was. */
  get speed(): number {
    return this.#speed;
  }

  /** Messages that wait. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** The recording is at `time`, in milliseconds, and nothing waits. */
  begin(time: number, now: number): void {
    this.#waiting.length = this.#head = 0;
    this.#cut = 0;
    this.#last = time;
    this.#at = time;
    this.#now = now;
  }

  /** From now on as fast as this. */
  setSpeed(speed: number, now: number): void {
    this.#rebase(now);
    this.#speed = speed;
  }

  /** Holds on, or goes on. */
  run(isRunning: boolean, now: number): void {
    this.#rebase(now);
    this.#isRunning = isRunning;
  }

  /** Adds the next message. */
  add(due: Due): void {
    if (due.text !== undefined) {
      const gap = due.time - (this.#last ?? due.time);
      if (gap > this.#maxGapMs) this.#cut += gap - this.#maxGapMs;
      this.#last = due.time;
    }
    this.#waiting.push({ due, at: due.time - this.#cut });
  }

  /** What is due by now, `most` at most. */
  take(now: number, most: number = Infinity): readonly Due[] {
    if (!this.#isRunning) return [];
    const found: Due[] = [];
    const first = this.#waiting[this.#head];
    if (first !== undefined && this.#speed !== Infinity && now - this.#timeOf(first.at) > MAX_LATE_MS) {
      this.#late++;
      this.#at = first.at;
      this.#now = now;
    }
    for (let next; found.length < most && (next = this.#waiting[this.#head]) !== undefined;) {
      if (this.#timeOf(next.at) > now) break;
      found.push(next.due);
      this.#head++;
    }
    this.#compact();
    return found;
  }

  /** The next message, whenever it is due: the recording is there now. */
  takeNext(now: number): Due | undefined {
    const next = this.#waiting[this.#head];
    if (next === undefined) return undefined;
    this.#head++;
    this.#compact();
    this.#at = next.at;
    this.#now = now;
    return next.due;
  }

  /** When the next message is due, on the clock; undefined when nothing waits or it holds on. */
  get next(): number | undefined {
    const next = this.#waiting[this.#head];
    return next === undefined || !this.#isRunning ? undefined : this.#timeOf(next.at);
  }

  #timeOf(at: number): number {
    return this.#speed === Infinity ? -Infinity : this.#now + (at - this.#at) / this.#speed;
  }

  #rebase(now: number): void {
    if (this.#isRunning && this.#speed !== Infinity) this.#at += (now - this.#now) * this.#speed;
    this.#now = now;
  }

  #compact(): void {
    if (this.#head < 1024 && this.#head < this.#waiting.length) return;
    this.#waiting.splice(0, this.#head);
    this.#head = 0;
  }
}
