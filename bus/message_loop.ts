/**
 * One `for await` loop over a client.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";

/** A `for await` loop may fall so many messages behind … */
const LOOP_MESSAGES = 10_000;
/** … of so many characters. */
const LOOP_CHARACTERS = 16 * 1024 * 1024;

/** The texts that one loop has not taken yet, bounded in number and size. */
export class MessageLoop<Message> implements AsyncIterableIterator<Message> {
  readonly #forget: () => void;
  readonly #texts: Fifo<string> = new Fifo();
  #characters = 0;
  #waiting: ((result: IteratorResult<Message, undefined>) => void)[] = [];
  #hasEnded = false;

  constructor(forget: () => void) {
    this.#forget = forget;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Returns false when there was no room. */
  push(text: string): boolean {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting({ value: JSON.parse(text), done: false });
      return true;
    }
    if (
      this.#texts.length >= LOOP_MESSAGES || this.#characters + text.length > LOOP_CHARACTERS
    ) return false;
    this.#texts.push(text);
    this.#characters += text.length;
    return true;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    const text = this.#texts.shift();
    if (text !== undefined) {
      this.#characters -= text.length;
      return Promise.resolve({ value: JSON.parse(text), done: false });
    }
    if (this.#hasEnded) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What is there already can still be read. */
  end(): void {
    this.#hasEnded = true;
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  }

  return(): Promise<IteratorResult<Message, undefined>> {
    this.#forget();
    this.#texts.clear();
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }
}
