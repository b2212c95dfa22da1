/**
 * Subscribers who want the same: one look at each message and one copy for all of them.
 *
 * @module
 */
import { Arena, type Block } from "./arena.ts";
import { frameBodyStart, frameEnd } from "./frame.ts";
import type { MemoryBudget } from "../base/memory_budget.ts";
import type { Outbox } from "./outbox.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** So many bytes in a row that match are not copied. */
const LONG_RUN_BYTES: number = 64 * 1024;

/** Frames that match and lie together. */
interface Piece {
  readonly block: Block;
  readonly start: number;
  end: number;
  messages: number;
}

/**
 * The matching frames of one publication, for all subscribers with equal topics. They are copied, but for long runs of them:
 * kept where it came, a short one would hold a whole block of messages that nobody here wants.
 */
export class TopicGroup {
  /** What its subscribers have in common; undefined for one that shares with nobody. */
  readonly signature: string | undefined;
  /** Subscribers that belong to it. */
  members = 0;
  readonly #arena: Arena;
  /** Invariant: held, and empty between two publications. */
  readonly #pieces: Piece[] = [];
  #isSelected = false;

  constructor(signature: string | undefined, memory: MemoryBudget | undefined) {
    this.signature = signature;
    this.#arena = new Arena(memory, true);
  }

  /** Has it looked at this publication already? */
  get isSelected(): boolean {
    return this.#isSelected;
  }

  /** Copies those of the frames `bytes[start, end)` that match; a long run of them stays where it is, in the block. */
  select(subscriptions: Subscriptions, bytes: Uint8Array, start: number, end: number, block?: Block): void {
    this.#isSelected = true;
    let runStart = start;
    let messages = 0;
    for (let at = start; at < end;) {
      const next = frameEnd(bytes, at);
      if (subscriptions.matches(bytes, frameBodyStart(bytes, at), next)) messages++;
      else {
        if (messages > 0) this.#take(bytes, runStart, at, messages, block);
        runStart = next;
        messages = 0;
      }
      at = next;
    }
    if (messages > 0) this.#take(bytes, runStart, end, messages, block);
  }

  /** Queues what was selected. */
  pushTo(outbox: Outbox): void {
    for (const { block, start, end, messages } of this.#pieces) {
      outbox.push(block.bytes, start, end, messages, block);
    }
  }

  /** The publication is over. */
  letGo(): void {
    for (const { block } of this.#pieces) block.release();
    this.#pieces.length = 0;
    this.#isSelected = false;
  }

  /** Nobody belongs to it any more. */
  release(): void {
    this.#arena.release();
  }

  #take(bytes: Uint8Array, start: number, end: number, messages: number, block: Block | undefined): void {
    if (block === undefined || end - start < LONG_RUN_BYTES) return this.#copy(bytes, start, end, messages);
    block.hold();
    this.#pieces.push({ block, start, end, messages });
  }

  #copy(bytes: Uint8Array, start: number, end: number, messages: number): void {
    const arena = this.#arena;
    arena.append(bytes, start, end);
    const block = arena.holder!;
    const from = arena.at - (end - start);
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.block === block && last.end === from) {
      last.end = arena.at;
      last.messages += messages;
      return;
    }
    block.hold();
    this.#pieces.push({ block, start: from, end: arena.at, messages });
  }
}
