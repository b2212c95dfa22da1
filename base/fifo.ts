/**
 * A first-in, first-out queue.
 *
 * @module
 */

/** Places in front that may stay unused before what is left is moved. */
const COMPACT_AT = 1024;

/** A queue over an array: adding and taking cost the same however long it is, and what was taken is not held any longer. */
export class Fifo<T> {
  /** Invariant: `#items[i]` is undefined for each `i < #head`. */
  #items: (T | undefined)[] = [];
  #head = 0;

  /** Number of items. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** The item that was added first. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  /** The item that was added last. */
  get last(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#items.length - 1];
  }

  /** The item with so many before it. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** Adds an item. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the item that was added first. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head >= COMPACT_AT && 2 * this.#head > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts an item in front of all others. */
  unshift(item: T): void {
    if (this.#head > 0) this.#items[--this.#head] = item;
    else this.#items.unshift(item);
  }

  /** Items from `from` on, `count` of them at most. */
  slice(from: number, count: number): T[] {
    const start = this.#head + from;
    return this.#items.slice(start, Math.min(this.#items.length, start + count)) as T[];
  }

  /** Forgets everything. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
