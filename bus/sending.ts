/**
 * What a client sends: in front of its PUSH, who waits for it, and what became of it.
 *
 * @module
 */
import { ConnectionError } from "../base/errors.ts";
import type { PushSocket, QueueLimit } from "../zmtp/mod.ts";
import { Waiters } from "./waiters.ts";

/** Messages have numbers in the order of sending: 1, 2, 3 … They leave in that order, written or lost. */
export class Sending {
  readonly #limit: QueueLimit;
  readonly #waiters: Waiters;
  #socket: PushSocket | undefined;
  #sent = 0;
  #written = 0;
  #lost = 0;
  /** The last ones that were lost together: the number of the last one, and how many. */
  #lastLost = { upTo: 0, messages: 0 };
  /** Of those that were lost, as many as `flush` has told of. */
  #told = 0;

  /** `limit` is that of the socket's queue; `closed` is aborted when nothing will leave any more. */
  constructor(limit: QueueLimit, closed: AbortSignal) {
    this.#limit = limit;
    this.#waiters = new Waiters(closed);
  }

  /** From now on messages go to it. */
  attach(socket: PushSocket): void {
    this.#socket = socket;
  }

  /** Messages that were queued. */
  get sent(): number {
    return this.#sent;
  }

  /** Those that the operating system has taken. */
  get written(): number {
    return this.#written;
  }

  /** Those that were cut by the end of a connection. */
  get lost(): number {
    return this.#lost;
  }

  /** Those that wait no longer, one way or the other. */
  get left(): number {
    return this.#written + this.#lost;
  }

  /**
   * Queues a text; `isRest` as in {@linkcode PushSocket.send}. Returns its number.
   *
   * @throws {QueueFullError} If there is no room.
   */
  enqueue(text: string, isRest: boolean): number {
    this.#socket!.send(text, isRest);
    return ++this.#sent;
  }

  /** The operating system has taken so many. */
  handleWritten(messages: number): void {
    this.#written += messages;
    this.#waiters.look();
  }

  /** So many were cut. */
  handleLost(messages: number): void {
    this.#lost += messages;
    this.#lastLost = { upTo: this.left, messages };
    this.#waiters.look();
  }

  /** Nothing will leave any more: what still waits is lost. */
  end(): void {
    this.#lost += this.#sent - this.left;
  }

  /** Waits until all that was sent so far is gone, whatever became of it. Returns how many of it were lost. */
  async allLeft(signal?: AbortSignal): Promise<number> {
    const upTo = this.#sent;
    let lost = 0;
    const isDone = () => {
      if (this.left < upTo) return false;
      // Of messages that were lost together some may have been sent later.
      const later = this.#lastLost.upTo - upTo;
      lost = this.#lost - Math.max(0, Math.min(later, this.#lastLost.messages));
      return true;
    };
    await this.#waiters.wait(isDone, "flush", signal);
    return lost;
  }

  /**
   * Waits until all that was sent so far is written.
   *
   * @throws {ConnectionError} `messages-lost`: some of it was cut, and no flush before this one has told so.
   */
  async flush(signal?: AbortSignal): Promise<void> {
    const told = this.#told;
    const lost = await this.allLeft(signal);
    this.#told = Math.max(this.#told, lost);
    if (lost <= told) return;
    const what = lost - told === 1 ? "1 message was" : `${lost - told} messages were`;
    throw new ConnectionError(
      "messages-lost",
      `Cannot flush: ${what} cut by the end of a connection, and may not have arrived`,
    );
  }

  /** Waits until less than half of the queue is in use. */
  drained(signal?: AbortSignal): Promise<void> {
    const { messages, bytes } = this.#limit;
    const isDone = () =>
      this.#socket === undefined ||
      (2 * this.#socket.queuedMessages <= messages && 2 * this.#socket.queuedBytes <= bytes);
    return this.#waiters.wait(isDone, "wait for room", signal);
  }
}
