/**
 * The receiver's rule: which messages of a stream are passed on. All sites read the same stream and follow the same rule, so all
 * decide alike. It reads no clock and does no I/O.
 *
 * ```text
 *   stream of one sender    1  2  3  5  6  4? no:  its sender goes back and says  3  4  5  6  7
 *   passed on               1  2  3  .  .                                        .  4  5  6  7
 *                                    └──┴─ out of turn                           └─ a repeat
 * ```
 *
 * @module
 */
import { type Origin, siteOf } from "./origin.ts";

/** What is to be done with a message. */
export type Verdict =
  /** It is passed on. */
  | "pass"
  /** It came before. */
  | "repeat"
  /** One before it is missing; its sender says both again. */
  | "out-of-turn";

/** What is known of one sender. */
interface Sender {
  /** The last number that was passed on. */
  last: number;
  /** Numbers in front of the next one may be missing for good. */
  isLoose: boolean;
  messages: number;
  missed: number;
  /** When it was heard, counted in messages of all senders. */
  heard: number;
  heardAt: number;
}

/** So many senders are remembered; of more, those that were heard longest ago are forgotten. */
export const MAX_SENDERS = 4096;

/** See the module. */
export class Receiver {
  readonly #isStrict: boolean;
  readonly #senders: Map<string, Sender> = new Map();
  #heard = 0;
  #missed = 0;
  #repeats = 0;
  #outOfTurn = 0;
  #passed = 0;

  /**
   * With `stream` a message waits for its turn, since its sender goes back. With `local` nobody does, so whatever is newer is passed
   * on and what is missing in front of it is counted.
   */
  constructor(order: "stream" | "local") {
    this.#isStrict = order === "stream";
  }

  /** What came of all senders: passed on, repeats, out of turn, and missing. */
  get counts(): { readonly [K in "received" | "repeats" | "outOfTurn" | "missed"]: number } {
    return {
      received: this.#passed,
      repeats: this.#repeats,
      outOfTurn: this.#outOfTurn,
      missed: this.#missed,
    };
  }

  /** A message came. `gone` is above 0 when it only says that so many of its sender's messages never will. */
  take({ instance, number, confirmed = 0 }: Origin, now: number, gone = 0): Verdict {
    const sender = this.#senders.get(instance);
    if (sender === undefined) {
      // The first number that is heard is the base: nobody knows what was before.
      this.#add(instance, number, now, gone);
      return "pass";
    }
    const { last } = sender;
    if (number <= last) {
      this.#repeats++;
      return "repeat";
    }
    // What is confirmed never comes again. Whoever has not heard it was not told of a hole, or the servers have lost it.
    if (number > last + 1 && this.#isStrict && !sender.isLoose && confirmed <= last) {
      this.#outOfTurn++;
      return "out-of-turn";
    }
    const missed = number - last - 1 + gone;
    sender.last = number;
    sender.isLoose = false;
    sender.missed += missed;
    sender.heard = ++this.#heard;
    sender.heardAt = now;
    this.#missed += missed;
    if (gone === 0) {
      sender.messages++;
      this.#passed++;
    }
    return "pass";
  }

  /**
   * A message that was there before we were: nobody here hears it. Whoever begins some messages earlier than it passes on knows
   * whose turn it is when a sender is just going back.
   */
  learn({ instance, number, confirmed = 0 }: Origin, now: number): void {
    const sender = this.#senders.get(instance);
    if (sender === undefined) this.#add(instance, number, now, 0, false);
    else if (number === sender.last + 1 || confirmed > sender.last) {
      sender.last = number;
    }
  }

  /** One of the messages that a site begins with, the last of each type: those between them it never was to hear. */
  replay({ instance, number }: Origin, now: number): Verdict {
    const sender = this.#senders.get(instance);
    if (sender === undefined) {
      this.#add(instance, number, now, 0);
      return "pass";
    }
    if (number > sender.last + 1) sender.last = number - 1;
    return this.take({ instance, number }, now);
  }

  /** Was this one heard before? */
  knows(instance: string): boolean {
    return this.#senders.has(instance);
  }

  /**
   * The stream itself has a hole: its limits cut what was not read yet. What is missing there never comes, so nobody waits for it:
   * the next message of each sender is passed on whatever its number, if only it is newer. Not of `own`, which is this site itself:
   * what of it is passed on out of turn would count as confirmed, and would not be said again to the others.
   */
  handleHole(own?: string): void {
    for (const [instance, sender] of this.#senders) if (instance !== own) sender.isLoose = true;
  }

  /** Who was heard, the latest first. */
  sites(
    now: number,
    limit: number,
  ): { name: string; instance: string; messages: number; missed: number; silentMs: number }[] {
    return [...this.#senders].sort(([, a], [, b]) => b.heard - a.heard).slice(0, limit).map((
      [instance, { messages, missed, heardAt }],
    ) => ({
      name: siteOf(instance),
      instance,
      messages,
      missed,
      silentMs: Math.max(0, Math.round(now - heardAt)),
    }));
  }

  #add(instance: string, number: number, now: number, gone: number, isHeard = true): void {
    if (this.#senders.size >= MAX_SENDERS) {
      const heard = [...this.#senders.values()].map((sender) => sender.heard).sort((a, b) => a - b);
      const middle = heard[heard.length >> 1]!;
      for (const [other, sender] of this.#senders) if (sender.heard < middle) this.#senders.delete(other);
    }
    this.#missed += gone;
    const messages = isHeard && gone === 0 ? 1 : 0;
    this.#passed += messages;
    this.#senders.set(instance, {
      last: number,
      isLoose: false,
      messages,
      missed: gone,
      heard: ++this.#heard,
      heardAt: now,
    });
  }
}
