/**
 * One sending connection of a program that follows the feed too, and wants to know what became of its messages.
 *
 * @module
 */
import { parseLink } from "./feed_note.ts";
import type { Sender } from "./feed_store.ts";

/** Messages that were not passed on, one behind the other. */
interface Refused {
  readonly index: number;
  messages: number;
}

/** So many runs of refused messages are told of one read; of more it hears nothing, and they stay unknown to it. */
const MAX_REFUSED = 16;

/** Counts what came over the connection. */
export class FeedSender implements Sender {
  readonly token: string;
  readonly link: number;
  /** Messages that came so far, whatever became of them. */
  received = 0;
  #refused: Refused[] = [];

  private constructor(token: string, link: number) {
    this.token = token;
    this.link = link;
  }

  /** For what the connection said of itself; undefined when it said nothing. */
  static of(property: string | undefined): FeedSender | undefined {
    const link = parseLink(property ?? "");
    return link && new FeedSender(link.token, link.link);
  }

  /** The message of that number is not passed on. */
  handleRefused(index: number): void {
    const last = this.#refused.at(-1);
    if (last !== undefined && last.index + last.messages === index) last.messages++;
    else if (this.#refused.length < MAX_REFUSED) this.#refused.push({ index, messages: 1 });
  }

  /** What was not passed on since the last time. */
  takeRefused(): readonly Refused[] {
    if (this.#refused.length === 0) return this.#refused;
    const refused = this.#refused;
    this.#refused = [];
    return refused;
  }
}
