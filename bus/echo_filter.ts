/**
 * Which messages that come back from the bus are the client's own.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";

/** A message that was sent and has not come back yet. */
interface Sent {
  /** Its number among the messages that were sent. */
  readonly number: number;
  /** Empty when it is back: one that never comes must not hold on to the texts of all that follow it. */
  text: string;
  /** When it is no longer waited for. Invariant: `Infinity` until it has left this process. */
  until: number;
  isBack: boolean;
}

/** How often {@linkcode EchoFilter.tick} is to be called while something is waited for. */
export const TICK_MS = 500;
/** How long an echo is waited for, from the moment when the message left this process. */
const ECHO_TIMEOUT_MS = 5000;
/** So many messages may be waited for; one more and the oldest is forgotten, so that its echo would be heard. */
const MAX_WAITED_FOR = 100_000;
/** Characters of the texts that are waited for: each is held until it is back, and may have 16 MiB. */
const MAX_WAITED_FOR_CHARS = 64 * 1024 * 1024;

/**
 * For brokers that do not tell which messages are ours. Lets each message that was sent be recognised once when it comes back. Messages of others are never taken for an echo,
 * unless they are equal to one that is waited for; then the two cannot be told apart, and one of both gets through. Reads
 * no clock: the time that passed is told.
 */
export class EchoFilter {
  /** In the order of sending. */
  readonly #sent: Fifo<Sent> = new Fifo();
  /** How many of them have left this process. Invariant: the first ones. */
  #left = 0;
  #waitedFor = 0;
  #waitedForChars = 0;
  readonly #byText: Map<string, Fifo<Sent>> = new Map();
  #forgotten = 0;
  /** Milliseconds in which this process could read what came. */
  #clock = 0;

  /** Messages whose echo is not recognised, because too many were waited for. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Messages that are waited for. */
  get waitedFor(): number {
    return this.#waitedFor;
  }

  /** A message was queued; numbers rise by one. */
  add(number: number, text: string): void {
    const sent = { number, text, until: Infinity, isBack: false };
    this.#sent.push(sent);
    this.#waitedFor++;
    this.#waitedForChars += text.length;
    let same = this.#byText.get(text);
    if (same === undefined) this.#byText.set(text, same = new Fifo());
    same.push(sent);
    while (this.#waitedFor > MAX_WAITED_FOR || this.#waitedForChars > MAX_WAITED_FOR_CHARS) {
      if (!this.#sent.first!.isBack) this.#forgotten++;
      this.#forgetFirst();
    }
  }

  /** All messages up to this number have left this process. */
  left(upTo: number): void {
    for (let sent; (sent = this.#sent.at(this.#left)) !== undefined && sent.number <= upTo; this.#left++) {
      sent.until = this.#clock + ECHO_TIMEOUT_MS;
    }
  }

  /** Is this message an echo? Says so once for each message that was sent. */
  take(text: string): boolean {
    const same = this.#byText.get(text);
    if (same === undefined) return false;
    this.#drop(same.shift()!, same);
    this.#expire();
    return true;
  }

  /**
   * Time has passed in which messages could come: what was waited for long enough is forgotten. A longer time than
   * {@linkcode TICK_MS} does not count, for then this process stood still, and what came meanwhile is not read yet.
   */
  tick(elapsedMs: number): void {
    this.#clock += Math.min(elapsedMs, 2 * TICK_MS);
    this.#expire();
  }

  /** Nothing is waited for any more. */
  clear(): void {
    while (this.#sent.length > 0) this.#forgetFirst();
  }

  #expire(): void {
    for (let first; (first = this.#sent.first) !== undefined; this.#forgetFirst()) {
      if (!first.isBack && first.until > this.#clock) return;
    }
  }

  #forgetFirst(): void {
    const first = this.#sent.shift()!;
    this.#left = Math.max(0, this.#left - 1);
    if (first.isBack) return;
    // Equal ones are taken in the order of sending, so it is the first of them, too.
    const same = this.#byText.get(first.text)!;
    this.#drop(same.shift()!, same);
  }

  #drop(sent: Sent, same: Fifo<Sent>): void {
    sent.isBack = true;
    this.#waitedFor--;
    this.#waitedForChars -= sent.text.length;
    if (same.length === 0) this.#byText.delete(sent.text);
    sent.text = "";
  }
}
