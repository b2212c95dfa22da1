/**
 * The topics of one connection: a set of prefixes, and which messages they let through (RFC 29).
 *
 * A set, not a counter, whatever the RFC says: a libzmq SUB that subscribes twice and cancels twice sends SUBSCRIBE twice
 * and CANCEL once.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import { MAX_TOPIC_BYTES, MAX_TOPICS } from "./wire.ts";

/** Limits of a connection's topics. */
export interface TopicLimits {
  /** Number of topics. @default 10_000 */
  readonly maxTopics?: number | undefined;
  /** Bytes of one topic. @default 4096 */
  readonly maxTopicBytes?: number | undefined;
  /** Bytes of all topics together. @default 1024 times the longest one: 4 MiB */
  readonly maxBytes?: number;
}

/** Topics of the same size by their hash. Invariant: none of the lists is empty. */
interface Group {
  readonly size: number;
  readonly byHash: Map<number, Uint8Array[]>;
}

/**
 * A set of prefixes. Iterative throughout: a long topic overflows libzmq's stack (#4671). A message is looked at up to the
 * longest topic, byte by byte, however many topics there are and whoever chose them.
 */
export class Subscriptions {
  readonly #maxTopics: number;
  readonly #maxTopicBytes: number;
  readonly #maxBytes: number;
  /** Invariant: sorted by size, so that the hash of one size goes on where that of the one before ended. */
  readonly #groups: Group[] = [];
  #count = 0;
  #bytes = 0;

  constructor(limits: TopicLimits = {}) {
    this.#maxTopics = limits.maxTopics ?? MAX_TOPICS;
    this.#maxTopicBytes = limits.maxTopicBytes ?? MAX_TOPIC_BYTES;
    this.#maxBytes = limits.maxBytes ?? 1024 * this.#maxTopicBytes;
  }

  /** Number of topics. */
  get count(): number {
    return this.#count;
  }

  /** Is the empty topic among them, which lets everything through? Then a message need not be looked at. */
  get isEverything(): boolean {
    return this.#groups[0]?.size === 0;
  }

  /**
   * Adds a topic; once more is no change.
   *
   * @throws {ProtocolError} `too-many-topics`: above a limit.
   */
  add(topic: Uint8Array): void {
    if (topic.length > this.#maxTopicBytes) {
      throw new ProtocolError(
        "too-many-topics",
        `Cannot subscribe: topic is ${topic.length} bytes, limit is ${this.#maxTopicBytes}`,
      );
    }
    const at = this.#groupAt(topic.length);
    let group = this.#groups[at];
    const hash = hashOn(SEED, topic, 0, topic.length);
    const known = group?.size === topic.length ? group.byHash.get(hash) : undefined;
    if (known?.some((other) => startsWith(topic, 0, other))) return;
    if (this.#count >= this.#maxTopics || this.#bytes + topic.length > this.#maxBytes) {
      throw new ProtocolError(
        "too-many-topics",
        `Cannot subscribe: limits are ${this.#maxTopics} topics of ${this.#maxBytes} bytes together`,
      );
    }
    this.#count++;
    this.#bytes += topic.length;
    if (known !== undefined) {
      known.push(topic.slice());
      return;
    }
    if (group?.size !== topic.length) {
      group = { size: topic.length, byHash: new Map() };
      this.#groups.splice(at, 0, group);
    }
    group.byHash.set(hash, [topic.slice()]);
  }

  /** Removes a topic; an unknown one is no error, as for libzmq (#2942). */
  remove(topic: Uint8Array): void {
    const at = this.#groupAt(topic.length);
    const group = this.#groups[at];
    if (group?.size !== topic.length) return;
    const hash = hashOn(SEED, topic, 0, topic.length);
    const known = group.byHash.get(hash);
    const index = known?.findIndex((other) => startsWith(topic, 0, other)) ?? -1;
    if (known === undefined || index < 0) return;
    this.#count--;
    this.#bytes -= topic.length;
    known.splice(index, 1);
    if (known.length === 0) group.byHash.delete(hash);
    if (group.byHash.size === 0) this.#groups.splice(at, 1);
  }

  /** A text that is equal for sets that are equal; undefined for a large set, for which it would cost too much. */
  signature(): string | undefined {
    if (this.#count > SIGNED_TOPICS || this.#bytes > SIGNED_BYTES) return undefined;
    const topics: string[] = [];
    for (const { byHash } of this.#groups) {
      for (const same of byHash.values()) for (const topic of same) topics.push(topic.join());
    }
    return `${topics.length}:${topics.sort().join(";")}`;
  }

  /** Does a message with the body `bytes[start, end)` begin with one of the topics? */
  matches(bytes: Uint8Array, start: number, end: number): boolean {
    const isCompared = this.#count <= COMPARED_TOPICS;
    let hash = SEED;
    let at = start;
    for (const { size, byHash } of this.#groups) {
      if (size > end - start) return false;
      if (isCompared) {
        for (const topics of byHash.values()) {
          for (const topic of topics) if (startsWith(bytes, start, topic)) return true;
        }
        continue;
      }
      hash = hashOn(hash, bytes, at, start + size);
      at = start + size;
      const topics = byHash.get(hash);
      if (topics === undefined) continue;
      for (const topic of topics) if (startsWith(bytes, start, topic)) return true;
    }
    return false;
  }

  /** Where the topics of that size are, or would be. */
  #groupAt(size: number): number {
    const at = this.#groups.findIndex((group) => group.size >= size);
    return at < 0 ? this.#groups.length : at;
  }
}

/** Up to so many topics are compared byte by byte, which is cheaper than to hash. */
const COMPARED_TOPICS = 8;
/** Sets up to this size are compared with others. */
const SIGNED_TOPICS = 16;
const SIGNED_BYTES = 1024;

// By chance: a subscriber who knew them could choose topics that share a hash, and make every message cost as many
// comparisons as it has topics.
const RANDOM = crypto.getRandomValues(new Int32Array(2));
const SEED = RANDOM[0]!;
const FACTOR = RANDOM[1]! | 1;

/** The hash of some bytes and those that a hash stands for already. */
function hashOn(hash: number, bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ bytes[i]!, FACTOR);
    hash ^= hash >>> 15;
  }
  return hash;
}

function startsWith(bytes: Uint8Array, start: number, topic: Uint8Array): boolean {
  for (let i = 0; i < topic.length; i++) if (bytes[start + i] !== topic[i]) return false;
  return true;
}
