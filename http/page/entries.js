// Messages and gaps in their order, newest last, within a number and a size.

/** Two bytes for each unit is what a text takes at most. */
const bytesOf = (entry) => 2 * entry.text.length;

export class Entries {
  all = [];
  #bytes = 0;
  #maxNumber;
  #maxBytes;

  constructor(maxNumber, maxBytes) {
    this.#maxNumber = maxNumber;
    this.#maxBytes = maxBytes;
  }

  push(entry) {
    this.all.push(entry);
    this.#bytes += bytesOf(entry);
  }

  /** Puts older ones in front, as many as fit, the newest of them. Says how many. */
  unshift(entries) {
    let first = entries.length;
    while (first > 0 && this.all.length + entries.length - first < this.#maxNumber) {
      const bytes = bytesOf(entries[first - 1]);
      if (this.#bytes + bytes > this.#maxBytes) break;
      this.#bytes += bytes;
      first -= 1;
    }
    this.all.unshift(...entries.slice(first));
    return entries.length - first;
  }

  /** Takes out what is too much, never the newest: the oldest of those that may go, and only then of the others. */
  trim(mayGo, maxNumber = this.#maxNumber, maxBytes = this.#maxBytes) {
    const gone = this.#trim(mayGo, maxNumber, maxBytes);
    return gone.concat(this.#trim(() => true, maxNumber, maxBytes));
  }

  #trim(mayGo, maxNumber, maxBytes) {
    const gone = [];
    let surplus = this.all.length - maxNumber;
    const isTooMuch = () => surplus > 0 || this.#bytes > maxBytes;
    if (!isTooMuch()) return gone;
    const newest = this.all.at(-1);
    this.all = this.all.filter((entry) => {
      if (!isTooMuch() || entry === newest || !mayGo(entry)) return true;
      surplus -= 1;
      this.#bytes -= bytesOf(entry);
      gone.push(entry);
      return false;
    });
    return gone;
  }

  /** Takes out the oldest ones as long as there is too much. Says how many. */
  dropOldest() {
    let dropped = 0;
    while (this.all.length > 1 && (this.all.length > this.#maxNumber || this.#bytes > this.#maxBytes)) {
      this.#bytes -= bytesOf(this.all.shift());
      dropped += 1;
    }
    return dropped;
  }

  take() {
    const all = this.all;
    this.all = [];
    this.#bytes = 0;
    return all;
  }
}
