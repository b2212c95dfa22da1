/**
 * How much memory many connections may use together, and who gives way when it is short.
 *
 * @module
 */

/** Something that holds memory that it can give back. */
export interface MemoryHolder {
  /** Bytes that it would give back now. */
  readonly heldBytes: number;
  /** When it got on last: when a byte of what it holds came, or left. */
  readonly lastProgress: number;
  /** Gives them back, whatever that costs its peer. Returns false if it could not. */
  giveWay(): boolean;
}

/** Needs up to this size are small: a frame that a read happened to cut. */
const SMALL_BYTES = 4096;
/** This part of the limit is there for small needs only, so that nobody has to give way for them. */
const RESERVED_PART = 1 / 64;
/** Read buffers may use this part of the limit: what one of them waits with for bytes cannot be taken from it. */
const READING_PART = 1 / 8;

/**
 * Counts bytes against a limit. Pure: it allocates nothing itself, and time is a number that others pass.
 *
 * When memory is short, whoever has held the most for the longest without getting on gives way: bytes times milliseconds count. So
 * it is the silent peer with a large unfinished message and the subscriber that does not read, never whoever asks next.
 */
export class MemoryBudget {
  /** Bytes that may be in use at once. */
  readonly limit: number;
  /** The time of the last read, by which it is told who has not got on for how long. */
  now = 0;
  readonly #reserved: number;
  readonly #forReading: number;
  readonly #holders: Set<MemoryHolder> = new Set();
  #used = 0;
  #reading = 0;

  /** For so many bytes. */
  constructor(limit: number) {
    this.limit = limit;
    this.#reserved = Math.floor(limit * RESERVED_PART);
    this.#forReading = Math.floor(limit * READING_PART);
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** From now on it may have to give way. */
  join(holder: MemoryHolder): void {
    this.#holders.add(holder);
  }

  /** It has nothing to give back any more. */
  leave(holder: MemoryHolder): void {
    this.#holders.delete(holder);
  }

  /**
   * Takes bytes, if need be after others gave some back; whoever asks is never one of them. Returns false, and takes nothing, when
   * there is not enough.
   */
  take(bytes: number, asker?: MemoryHolder): boolean {
    const limit = this.#limitFor(bytes);
    while (this.#used + bytes > limit) if (!this.#relieve(asker)) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes bytes if they are free; nobody has to give anything back for them. */
  takeSpare(bytes: number): boolean {
    if (this.#used + bytes > this.#limitFor(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes bytes that are in use already, whatever the limit is; first others give back what they can. */
  force(bytes: number): void {
    if (!this.take(bytes)) this.#used += bytes;
  }

  /** Gives bytes back. */
  give(bytes: number): void {
    this.#used -= bytes;
  }

  /** Takes bytes for a read buffer, if they are free and read buffers do not use their part of the limit yet. */
  takeForReading(bytes: number): boolean {
    if (this.#reading + bytes > this.#forReading || !this.takeSpare(bytes)) return false;
    this.#reading += bytes;
    return true;
  }

  /** Gives those back. */
  giveFromReading(bytes: number): void {
    this.#reading -= bytes;
    this.#used -= bytes;
  }

  #limitFor(bytes: number): number {
    return bytes <= SMALL_BYTES ? this.limit : this.limit - this.#reserved;
  }

  /** Lets one holder give way. Returns false when nobody can. */
  #relieve(asker: MemoryHolder | undefined): boolean {
    const unable = new Set<MemoryHolder>();
    while (true) {
      let [first, most]: [MemoryHolder | undefined, number] = [undefined, 0];
      for (const holder of this.#holders) {
        const { heldBytes } = holder;
        if (heldBytes <= 0 || holder === asker || unable.has(holder)) continue;
        const weight = heldBytes * (1 + Math.max(0, this.now - holder.lastProgress));
        if (weight > most) [first, most] = [holder, weight];
      }
      if (first === undefined) return false;
      if (first.giveWay()) return true;
      unable.add(first);
    }
  }
}
