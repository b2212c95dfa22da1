/**
 * A client for whoever asks from time to time.
 *
 * @module
 */
import { checkInteger } from "../base/options.ts";
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
    super(options);
    this.#history = new History({
      messages: checkInteger("history.messages", options.history?.messages ?? 1000, 0),
      bytes: checkInteger("history.bytes", options.history?.bytes ?? 16 * MIB, 0),
      maxAgeMs: options.history?.maxAgeMs === undefined
        ? undefined
        : checkInteger("history.maxAgeMs", options.history.maxAgeMs, 1),
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
   */
  messagesAfter(count: number, limit: number = Infinity): HistorySlice {
    this.#history.expire(Date.now());
    return this.#history.after(count, limit);
  }

  /**
   * The same, but waits until there is at least one.
   *
   * @throws The signal's reason when it is aborted.
   * @throws {ClosedError} If the client is closed before.
   */
  async waitForMessages(
    count: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<HistorySlice> {
    const { signal } = options;
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

const MIB: number = 1024 * 1024;
