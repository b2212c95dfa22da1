/**
 * The topics of one connection: a set of prefixes, and which messages they let through (RFC 29).
 *
 * A set, not a counter, whatever the RFC says: a libzmq SUB that subscribes twice and cancels twice sends SUBSCRIBE twice
 * and CANCEL once.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import { MAX_TOPIC_BYTES, MAX_TOPICS } from "./wire.ts";

/** Limits of a connection's topics. */
export interface TopicLimits {
  /** Number of topics. @default 10_000 */
  readonly maxTopics?: number;
  /** Octets of one topic. @default 4096 */
  readonly maxTopicBytes?: number;
}

/** A set of prefixes. Iterative throughout: a long topic overflows libzmq's stack (#4671). */
export class Subscriptions {
  readonly #maxTopics: number;
  readonly #maxTopicBytes: number;
  /** Topics by their size; only few sizes are in use, so that a message is looked up a few times, not once a topic. */
  readonly #bySize: Map<number, Map<string, Uint8Array>> = new Map();
  #count = 0;

  constructor(limits: TopicLimits = {}) {
    this.#maxTopics = limits.maxTopics ?? MAX_TOPICS;
    this.#maxTopicBytes = limits.maxTopicBytes ?? MAX_TOPIC_BYTES;
  }

  /** Number of topics. */
  get count(): number {
    return this.#count;
  }

  /** Is the empty topic among them, which lets everything through? Then a message need not be looked at. */
  get isEverything(): boolean {
    return this.#bySize.has(0);
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
    let topics = this.#bySize.get(topic.length);
    const key = keyOf(topic, 0, topic.length);
    if (topics?.has(key)) return;
    if (this.#count >= this.#maxTopics) {
      throw new ProtocolError("too-many-topics", `Cannot subscribe: limit is ${this.#maxTopics} topics`);
    }
    if (topics === undefined) this.#bySize.set(topic.length, topics = new Map());
    topics.set(key, topic.slice());
    this.#count++;
  }

  /** Removes a topic; an unknown one is no error, as for libzmq (#2942). */
  remove(topic: Uint8Array): void {
    const topics = this.#bySize.get(topic.length);
    if (!topics?.delete(keyOf(topic, 0, topic.length))) return;
    this.#count--;
    if (topics.size === 0) this.#bySize.delete(topic.length);
  }

  /** Does a message with the body `bytes[start, end)` begin with one of the topics? */
  matches(bytes: Uint8Array, start: number, end: number): boolean {
    for (const [size, topics] of this.#bySize) {
      if (size > end - start) continue;
      if (topics.size > COMPARED_TOPICS) {
        if (topics.has(keyOf(bytes, start, start + size))) return true;
      } else {
        for (const topic of topics.values()) if (startsWith(bytes, start, topic)) return true;
      }
    }
    return false;
  }
}

/** Up to so many topics of one size are compared octet by octet, which is cheaper than to make a key. */
const COMPARED_TOPICS = 8;

function startsWith(bytes: Uint8Array, start: number, topic: Uint8Array): boolean {
  for (let i = 0; i < topic.length; i++) if (bytes[start + i] !== topic[i]) return false;
  return true;
}

/** Octets as a text that can be a key: one character each. */
function keyOf(bytes: Uint8Array, start: number, end: number): string {
  let key = "";
  for (let i = start; i < end; i++) key += String.fromCharCode(bytes[i]!);
  return key;
}
