/**
 * A client for whoever asks from time to time.
 *
 * @module
 */
import { HISTORY_NUMBERS } from "../base/defaults.ts";
import { readNumbers } from "../base/options.ts";
import { BusClient, type ClientOptions, closedError } from "./base_client.ts";
import { History, type HistoryLimit, type HistorySlice } from "./history.ts";

/** Options of a {@linkcode PassiveMessageClient}. */
export interface PassiveMessageClientOptions extends ClientOptions {
  /** How much is remembered, and for how long. @default 1000 messages, 16 MiB, however old */
  readonly history?: Partial<HistoryLimit>;
}

/**
 * A client for whoever asks from time to time: it counts what comes, its own messages included, and remembers the latest.
 * The HTTP handlers stand on it.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../broker.ts";
 * import { PassiveMessageClient } from "../client.ts";
 *
 * await using server = new MessageServer();
 * await using client = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
 * await client.ready;
 * server.sendMessage({ type: "subject", subject: 119 });
 *
 * const { entries } = await client.waitForMessages(0);
 * console.assert(entries[0]?.text === '{"type":"subject","subject":119}');
 * console.assert(client.getLastMessage()[0] === 1);
 * ```
 */
export class PassiveMessageClient extends BusClient {
  readonly #history: History;
  readonly #waiters: Set<{ readonly count: number; readonly resolve: () => void }> = new Set();
  #lastText = "";

  /** See {@linkcode BusClient}. */
  constructor(options: PassiveMessageClientOptions) {
    const numbers = readNumbers(HISTORY_NUMBERS, options); // Before a connection is made that nobody could close.
    super(options);
    this.#history = new History({
      messages: numbers["history.messages"],
      bytes: numbers["history.bytes"],
      maxAgeMs: numbers["history.maxAgeMs"] || undefined,
    });
  }

  /** Number of messages that came so far. */
  get count(): number {
    return this.#history.count;
  }

  /** Number of the oldest message that is remembered; `count + 1` when none is. */
  get oldest(): number {
    this.#history.expire(Date.now());
    return this.#history.oldest;
  }

  /** How many messages came so far, and the text of the last one; `[0, ""]` before the first. */
  getLastMessage(): [count: number, messageText: string] {
    return [this.#history.count, this.#lastText];
  }

  /**
   * The messages after a count, oldest first, at most `limit` of them. `missed` says how many of them are no longer
   * remembered, so that no gap stays unseen.
   *
   * @throws {RangeError} If one of the two is negative or NaN.
   */
  messagesAfter(count: number, limit: number = Infinity): HistorySlice {
    checkCount("count", count);
    checkCount("limit", limit);
    this.#history.expire(Date.now());
    return this.#history.after(count, limit);
  }

  /**
   * The same, but waits until there is at least one.
   *
   * @throws The signal's reason when it is aborted.
   * @throws {ClosedError} If the client is closed before.
   * @throws {RangeError} If the count is negative or NaN.
   */
  async waitForMessages(
    count: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<HistorySlice> {
    const { signal } = options;
    checkCount("count", count);
    signal?.throwIfAborted();
    if (this.count <= count) {
      if (this.closedSignal.aborted) throw closedError("wait for messages");
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const waiter = { count, resolve };
      const abort = () => reject(signal!.reason);
      const end = () => reject(closedError("wait for messages"));
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", abort);
      this.closedSignal.addEventListener("abort", end);
      try {
        await promise;
      } finally {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", abort);
        this.closedSignal.removeEventListener("abort", end);
      }
    }
    return this.messagesAfter(count);
  }

  /** Counts and remembers it, wakes who waits for it, and delivers it. */
  protected override handleText(text: string, size: number): void {
    this.#history.add(text, size, Date.now());
    this.#lastText = text;
    for (const waiter of this.#waiters) if (waiter.count < this.count) waiter.resolve();
    this.deliver(text);
  }
}

function checkCount(name: string, count: number): void {
  if (!(typeof count === "number" && count >= 0)) {
    throw new RangeError(`Cannot look up messages: ${name} is ${count}, not a number from 0 on`);
  }
}
