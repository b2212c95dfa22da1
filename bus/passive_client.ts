/**
 * A client for whoever asks from time to time.
 *
 * @module
 */
import { HISTORY_NUMBERS } from "../base/defaults.ts";
import { readNumbers } from "../base/options.ts";
import { BusClient, playRole } from "./base_client.ts";
import type { ClientOptions } from "./client_options.ts";
import type { ClientBase, ClientRole, Frame } from "./client_role.ts";
import { Feed } from "./feed.ts";
import type { FeedView } from "./feed_view.ts";
import type { FeedLimit, FeedRecorder } from "./feed_store.ts";
import type { OwnMessage } from "./follower.ts";
import type { Value } from "./last_values.ts";
import { makeEpoch } from "./place.ts";
import type { BusPort, Receipt } from "./port.ts";
import { Receipts } from "./receipts.ts";
import { startOf } from "./since.ts";
import { Waiters } from "./waiters.ts";

/** One message that a {@linkcode PassiveMessageClient} remembers. */
export interface HistoryEntry {
  /** Its number: 1, 2, 3 … of the messages that came, since the client was made. */
  readonly count: number;
  /** Its JSON text exactly as it came. */
  readonly text: string;
  /** When it came, in milliseconds since 1970-01-01 UTC. */
  readonly time: number;
  /** Its `type`, if that is a text. */
  readonly type: string | undefined;
}

/** Messages in order, and how many there were before them that are no longer remembered. */
export interface HistorySlice {
  /** Oldest first. */
  readonly entries: readonly HistoryEntry[];
  /** Messages after the count asked for that are no longer remembered. */
  readonly missed: number;
}

/** Options of a {@linkcode PassiveMessageClient}. */
export interface PassiveMessageClientOptions extends ClientOptions {
  /** How much is remembered, and for how long. @default 1000 messages, 16 MiB, however old */
  readonly history?: Partial<FeedLimit>;
  /**
   * Records what comes, and knows what came in earlier runs; the option `since` says where to go on, `recorder.place` for example. See
   * the entry `/archive`.
   * @default nothing is recorded
   */
  readonly recorder?: FeedRecorder;
}

/**
 * A client for programs that ask from time to time: it counts what comes, its own messages included, and remembers the latest.
 * Beside a broker in another process, the HTTP handlers use it. What all clients can do is described with `BusClient` in `client.ts`.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../broker.ts";
 * import { PassiveMessageClient } from "../client.ts";
 *
 * await using server = new MessageServer();
 * await using client = new PassiveMessageClient(server.addresses);
 * await client.ready;
 * server.sendMessage({ type: "subject", subject: 119 });
 *
 * const { entries } = await client.waitForMessages(0);
 * console.assert(entries[0]?.text === '{"type":"subject","subject":119}');
 * console.assert(client.getLastMessage()[0] === 1);
 * ```
 */
export class PassiveMessageClient<Own extends { readonly type: string } = never> extends BusClient<Own>
  implements BusPort {
  /** What came, with its gaps, by the broker's numbers if it has any. */
  readonly feed: FeedView;
  readonly #feed: Feed;
  readonly #base: ClientBase;
  readonly #waiters: Waiters;
  /** Counts know no holes, positions do: from the message `count + 1` on a position is so much larger. In order, never empty. */
  readonly #shifts: { readonly count: number; readonly offset: number }[] = [];
  readonly #receipts = new Receipts();
  readonly #recorder: FeedRecorder | undefined;
  /** Numbers of messages of ours that are not to be recorded when they come back. Invariant: {@linkcode MAX_UNRECORDED} at most. */
  readonly #unrecorded: Set<number> = new Set();
  #hasNews = false;

  /**
   * Returns at once and connects in the background.
   *
   * @throws {AddressError} If an address is not `tcp://host:port` (`invalid-address`).
   * @throws {OptionError} If no address is given, or an option has a value that it cannot have (`bad-option`).
   */
  constructor(options: PassiveMessageClientOptions) {
    const numbers = readNumbers(HISTORY_NUMBERS, options); // Before a connection is made that nobody could close.
    super(options);
    this.#base = playRole(this, () => this.#role());
    this.#waiters = new Waiters(this.#base.closed);
    const start = startOf(options.since);
    this.#feed = new Feed({
      // From a place on, the numbers are those of its epoch at once: the broker only says that it goes on.
      ...(typeof start === "string" ? { epoch: makeEpoch() } : start),
      limit: {
        messages: numbers["history.messages"],
        bytes: numbers["history.bytes"],
        maxAgeMs: numbers["history.maxAgeMs"] || undefined,
      },
      recorder: options.recorder,
    });
    this.#recorder = options.recorder;
    this.#feed.watchTypes();
    this.feed = this.#feed;
    this.#shift();
  }

  /** Number of messages that came so far. */
  get count(): number {
    return this.feed.count;
  }

  /** Number of the oldest message that is remembered; `count + 1` when none is. */
  get oldest(): number {
    this.feed.expire(performance.now());
    return this.count - this.feed.held.messages + 1;
  }

  /** How many messages came so far, and the text of the last one; `[0, ""]` before the first. */
  getLastMessage(): [count: number, messageText: string] {
    return [this.count, this.feed.last?.text ?? ""];
  }

  /**
   * The newest message of each of these types, of each `target` where they have one, oldest first: what is valid now.
   *
   * @default subject, sample and variables
   */
  getState(types: readonly string[] = ["subject", "sample", "variables"]): readonly Value[] {
    return this.feed.state(types);
  }

  /**
   * The messages after a count, oldest first, at most `limit` of them. `missed` says how many of them are no longer
   * remembered. What did not come at all is not counted; a `gap` event told of it.
   *
   * @throws {RangeError} If one of them is negative or `NaN`.
   */
  messagesAfter(count: number, limit: number = Infinity): HistorySlice {
    checkCount("count", count);
    checkCount("limit", limit);
    const first = Math.max(count + 1, this.oldest);
    const entries: HistoryEntry[] = [];
    for (let next = first; next <= this.count && entries.length < limit;) {
      const { offset, until } = this.#shiftAt(next);
      const slice = this.feed.after(next + offset - 1, Math.min(limit - entries.length, until - next));
      for (const entry of slice.entries) {
        const { text, time, type, position } = entry;
        entries.push({ count: position - offset, text, time, type });
      }
      next += Math.max(1, slice.entries.length);
    }
    return { entries, missed: Math.max(0, Math.min(first, this.count + 1) - 1 - count) };
  }

  /**
   * The same, but waits until there is at least one.
   *
   * @throws The signal's reason when it is aborted.
   * @throws {ClosedError} If the client is closed first (`closed`).
   * @throws {RangeError} If the count is negative or `NaN`.
   */
  async waitForMessages(
    count: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<HistorySlice> {
    checkCount("count", count);
    await this.#waiters.wait(() => this.count > count, "wait for messages", options.signal);
    return this.messagesAfter(count);
  }

  /**
   * Sends texts, all or none, in their order.
   *
   * @throws {MessageError} If one of them is not a JSON object, or is too large. Nothing was sent.
   * @throws {QueueFullError} If the queue is full. Nothing was sent.
   * @throws {ClosedError} If the client is closed.
   * @throws {OptionError} If the client has no `serverReceive`.
   */
  publish(texts: readonly string[]): Receipt {
    const from = this.feed.position;
    const number = this.#base.sendAll(texts);
    if (this.#recorder?.isExcluding === true) this.#excludeUpTo(number, texts.length);
    const told = (signal: AbortSignal) =>
      this.#base.isFollowing
        ? this.#receipts.wait(number, signal)
        : this.#receipts.waitForText(this.feed, from, texts.at(-1)!, signal);
    return { position: undefined, told };
  }

  #role(): ClientRole {
    return {
      handleFrame: (frame, own) => this.#handleFrame(frame, own),
      // Whoever waits for the feed hears of what one read brought.
      handleTurnEnd: () => {
        if (!this.#hasNews) return;
        this.#hasNews = false;
        this.#feed.tell();
      },
      handleLife: (epoch, seq, isFirst) => {
        if (isFirst) this.#feed.join(epoch!, seq);
        else this.#feed.begin(epoch ?? makeEpoch(), seq);
        this.#shift();
        this.#hasNews = true;
      },
      handleGap: (missed, reason) => {
        // Another life begins with a gap of its own.
        if (reason !== "restarted") this.#feed.skip(missed, reason);
        this.#shift();
        this.#hasNews = true;
      },
      handleRefused: (messages, link, index) => {
        this.#receipts.handleRefused(messages, { link, index });
      },
      handleLink: (link, number) => this.#receipts.handleLink(link, number),
    };
  }

  /** Counts and remembers it, and delivers it. */
  #handleFrame(frame: Frame, own: OwnMessage | undefined): void {
    const { bytes, start, end } = frame;
    const time = this.#base.time ?? Date.now();
    const append = () => void this.#feed.append(bytes, start, end, 1, time, performance.now());
    if (own !== undefined && this.#isUnrecorded(own)) this.#recorder!.exclude(append);
    else append();
    this.#hasNews = true;
    if (own !== undefined) this.#receipts.handleOwn(own, this.feed.position);
    this.#waiters.look();
    this.#base.deliver(frame);
  }

  /** The last so many messages up to this number are not to be recorded when they come back. */
  #excludeUpTo(number: number, messages: number): void {
    for (let i = messages - 1; i >= 0; i--) this.#unrecorded.add(number - i);
    // Those that were refused or lost never come back.
    while (this.#unrecorded.size > MAX_UNRECORDED) {
      this.#unrecorded.delete(this.#unrecorded.values().next().value!);
    }
  }

  #isUnrecorded(own: OwnMessage): boolean {
    if (this.#unrecorded.size === 0) return false;
    const number = this.#receipts.numberOf(own);
    return number !== undefined && this.#unrecorded.delete(number);
  }

  /** The next messages have positions that are farther from their counts. */
  #shift(): void {
    const [count, offset] = [this.count, this.feed.position - this.count];
    if (this.#shifts.at(-1)?.count === count) this.#shifts.pop();
    if (this.#shifts.push({ count, offset }) > MAX_SHIFTS) this.#shifts.shift();
  }

  /** What to add to a count for its position, and the first count for which that changes. */
  #shiftAt(count: number): { readonly offset: number; readonly until: number } {
    const at = Math.max(0, this.#shifts.findLastIndex((shift) => shift.count < count));
    return { offset: this.#shifts[at]!.offset, until: (this.#shifts[at + 1]?.count ?? Infinity) + 1 };
  }
}

function checkCount(name: string, count: number): void {
  if (!(typeof count === "number" && count >= 0)) {
    throw new RangeError(`Cannot look up messages: ${name} is ${count}, not a number from 0 on`);
  }
}

/** So many holes are remembered; messages in front of older ones are found no more. */
const MAX_SHIFTS = 1000;
/** More of our messages are not on their way at once. */
const MAX_UNRECORDED = 100_000;
