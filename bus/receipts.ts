/**
 * Who waits to hear what became of a message that was sent.
 *
 * @module
 */
import type { FeedView } from "./feed_view.ts";
import type { OwnMessage } from "./follower.ts";

/** So many sending connections are remembered; what an older one carried is not told any more. */
const MAX_LINKS = 16;

/** Knows messages by their number among all that were sent: 1, 2, 3 … */
export class Receipts {
  readonly #waiting: Map<number, (position: number | undefined) => void> = new Map();
  /** How many messages were sent before each connection. */
  readonly #links: Map<number, number> = new Map();

  /** The connection `link` is there; the next message over it has the number `number + 1`. */
  handleLink(link: number, number: number): void {
    this.#links.set(link, number);
    if (this.#links.size > MAX_LINKS) this.#links.delete(this.#links.keys().next().value!);
  }

  /** The number of a message of ours; undefined when that is not known any more. */
  numberOf({ link, index }: OwnMessage): number | undefined {
    const before = this.#links.get(link);
    return before === undefined ? undefined : before + index + 1;
  }

  /** The broker gave a message of ours this position. */
  handleOwn(own: OwnMessage, position: number): void {
    if (this.#waiting.size === 0) return;
    const number = this.numberOf(own);
    if (number !== undefined) this.#waiting.get(number)?.(position);
  }

  /** The broker did not pass on so many messages of ours, that one and those that followed. */
  handleRefused(messages: number, { link, index }: OwnMessage): void {
    const before = this.#links.get(link);
    if (before === undefined) return;
    const first = before + index + 1;
    // A broker may name any number of messages; those that somebody waits for are few.
    for (const [number, resolve] of this.#waiting) {
      if (number >= first && number < first + messages) resolve(undefined);
    }
  }

  /** Waits until that is known; undefined when it was not passed on, or when the signal is aborted before. */
  wait(number: number, signal: AbortSignal): Promise<number | undefined> {
    return until(signal, (resolve) => {
      this.#waiting.set(number, resolve);
      return () => this.#waiting.delete(number);
    });
  }

  /**
   * For brokers that tell nothing: waits until a message with this text comes back. When somebody else sends the very same text,
   * that one counts as well: it is on the bus.
   */
  waitForText(feed: FeedView, from: number, text: string, signal: AbortSignal): Promise<number | undefined> {
    let position = from;
    return until(signal, (resolve) => {
      const look = () => {
        while (position < feed.position) {
          const slice = feed.after(position);
          position = slice.position;
          const echo = slice.entries.find((entry) => entry.text === text);
          if (echo !== undefined) return resolve(echo.position);
        }
      };
      look();
      return feed.listen(look);
    });
  }
}

/** What `begin` resolves with, or undefined when the signal is aborted before. */
async function until<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T | undefined) => void) => () => void,
): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T | undefined>();
  const abort = () => resolve(undefined);
  if (signal.aborted) return undefined;
  const stop = begin(resolve);
  signal.addEventListener("abort", abort);
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    stop();
  }
}
