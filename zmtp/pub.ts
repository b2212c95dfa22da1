/**
 * PUB, listening: sends to whoever connects and has subscribed (RFC 29).
 *
 * @module
 */
import { ChurnRate } from "./admission.ts";
import { decider } from "./authorize.ts";
import { formatEndpoint, parseBindEndpoint } from "./endpoint.ts";
import { FaultCounter } from "./fault_counter.ts";
import type { MemoryBudget } from "../base/memory_budget.ts";
import { Outbox } from "./outbox.ts";
import { BusPace, HIGH } from "./pace.ts";
import { metadataOf } from "./properties.ts";
import type { ReadGate } from "./read_gate.ts";
import { listenStats } from "./pull.ts";
import { listenSecurity } from "./security.ts";
import type { Connection } from "./connection.ts";
import { Link, type LinkClock } from "./link.ts";
import { SMALL_READ_BYTES } from "./read_buffers.ts";
import { Listener } from "./listener.ts";
import { TopicGroup } from "./topic_group.ts";
import type { PeerStats, Published, PubOptions, PubSocket, PubStats } from "./transport.ts";
import { MAX_COMMAND_BYTES, MESSAGE_TIMEOUT_MS } from "./wire.ts";
import { Subscriber } from "./subscriber.ts";

/**
 * A PUB that listens.
 *
 * - While a subscriber's queue is more than a quarter full the senders wait, as long as that subscriber keeps the pace (`pace.ts`).
 *   Anyone slower loses new messages when its queue is full, that subscriber only, and the loss is counted. It gets messages
 *   again when its queue is half empty, as with libzmq.
 * - Each subscriber gets the messages in the order of `publish`; each once, however many of its topics match.
 * - A subscriber gets what is published after its SUBSCRIBE was read.
 */
export class Pub implements PubSocket {
  readonly ready: Promise<void> | undefined;
  readonly #listener: Listener;
  readonly #faults = new FaultCounter();
  readonly #subscribers: Set<Subscriber> = new Set();
  /** Those who want something, but not everything, by what they want. */
  readonly #groups: Map<string, TopicGroup> = new Map();
  /** Invariant: empty between two publications. */
  readonly #selected: TopicGroup[] = [];
  readonly #memory: MemoryBudget | undefined;
  readonly #gone = { dropped: 0, discarded: 0 };
  readonly #churn = new ChurnRate();
  readonly #gate: ReadGate | undefined;
  readonly #pace: BusPace | undefined;
  /** Subscribers that are waited for, as far as all waiting together allows it. Invariant: without one the gate is open. */
  #waitedFor = 0;
  /** Published since the last flush. */
  #passedMessages = 0;
  #passedBytes = 0;

  /**
   * Binds at once.
   *
   * @throws {AddressError} If the address is no `tcp://host:port`.
   * @throws {ListenError} If it cannot listen there.
   * @throws {OptionError} If a key of CURVE is none.
   */
  constructor(options: PubOptions) {
    const endpoint = parseBindEndpoint(options.address);
    this.#memory = options.memory;
    const security = listenSecurity(metadataOf("PUB", options.properties), options);
    const decide = decider(options.authorize, "listen");
    const makeLink = (conn: Connection, clock: LinkClock): Link => {
      const outbox = new Outbox(options.queue);
      const subscriber = new Subscriber(
        outbox,
        this.#faults,
        options,
        {
          join: () => {
            this.#subscribers.add(subscriber);
            this.#memory?.join(subscriber);
          },
          regroup: () => this.#regroup(subscriber),
          leave: () => this.#leave(subscriber),
          wait: (change, now) => this.#wait(change, now),
        },
        clock,
        this.#churn.connection(conn.remoteAddr.hostname, clock.now()),
      );
      const mechanism = security.makeMechanism();
      // A subscriber's messages mean nothing but topics: larger ones are not worth the memory.
      subscriber.link = new Link(
        conn,
        {
          messageTimeoutMs: MESSAGE_TIMEOUT_MS,
          ...options,
          maxMessageBytes: MAX_COMMAND_BYTES,
          maxReadBytes: SMALL_READ_BYTES,
          socketType: "PUB",
          mechanism,
          decide,
        },
        outbox,
        subscriber,
        clock,
      );
      return subscriber.link;
    };
    this.ready = security.ready;
    this.#gate = options.pace?.gate;
    this.#pace = options.pace && new BusPace(options.pace.slowest);
    this.#listener = new Listener({ ...options, endpoint, ready: this.ready }, makeLink);
  }

  get address(): string {
    return formatEndpoint(this.#listener.endpoint);
  }

  publish(piece: Published): void {
    const { bytes, start, end, messages, block } = piece;
    this.#passedMessages += messages;
    this.#passedBytes += end - start;
    const selected = this.#selected;
    for (const subscriber of this.#subscribers) {
      if (subscriber.reader !== undefined) continue;
      if (subscriber.subscriptions.isEverything) {
        subscriber.outbox.push(bytes, start, end, messages, block);
        continue;
      }
      const { group } = subscriber;
      if (group === undefined) continue;
      if (!group.isSelected) {
        group.select(subscriber.subscriptions, bytes, start, end, block);
        selected.push(group);
      }
      group.pushTo(subscriber.outbox);
    }
    if (selected.length > 0) {
      for (const group of selected) group.letGo();
      selected.length = 0;
    }
  }

  flush(): void {
    this.#pace?.pass(this.#passedMessages, this.#passedBytes);
    this.#passedMessages = this.#passedBytes = 0;
    for (const subscriber of this.#subscribers) {
      if (!subscriber.outbox.isEmpty) subscriber.link!.wake();
      if (subscriber.fill >= HIGH) subscriber.look();
    }
  }

  stats(): PubStats {
    const subscribers = [...this.#subscribers].map((subscriber) => subscriber.stats());
    return {
      ...listenStats(this.#listener, this.#faults),
      subscribers,
      dropped: this.#gone.dropped + subscribers.reduce((sum, { dropped }) => sum + dropped, 0),
      discarded: this.#gone.discarded,
      waitedMs: this.#pace?.waitedMs ?? 0,
      waitedFor: this.#waitedFor,
    };
  }

  peers(): readonly PeerStats[] {
    return [...this.#subscribers].map((subscriber) => subscriber.peerStats());
  }

  close(lingerMs: number): Promise<void> {
    return this.#listener.close(lingerMs);
  }

  #leave(subscriber: Subscriber): void {
    if (!this.#subscribers.delete(subscriber)) return;
    this.#memory?.leave(subscriber);
    const { dropped, queuedMessages } = subscriber.stats();
    this.#gone.dropped += dropped;
    this.#gone.discarded += queuedMessages;
    subscriber.outbox.clear();
    subscriber.serveBy(undefined);
    subscriber.look();
    this.#leaveGroup(subscriber);
  }

  /** One subscriber more is waited for, or one less, or time has passed. */
  #wait(change: -1 | 0 | 1, now: number): void {
    const pace = this.#pace!;
    this.#waitedFor += change;
    const wasWaiting = pace.isWaiting;
    pace.look(this.#waitedFor > 0, now);
    if (pace.isWaiting === wasWaiting) return;
    if (pace.isWaiting) this.#gate!.close();
    else this.#gate!.open();
  }

  /** A subscriber's topics have changed. */
  #regroup(subscriber: Subscriber): void {
    this.#leaveGroup(subscriber);
    const { subscriptions } = subscriber;
    if (subscriptions.count === 0 || subscriptions.isEverything) return;
    const signature = subscriptions.signature();
    let group = signature === undefined ? undefined : this.#groups.get(signature);
    if (group === undefined) {
      group = new TopicGroup(signature, this.#memory);
      if (signature !== undefined) this.#groups.set(signature, group);
    }
    group.members++;
    subscriber.group = group;
  }

  #leaveGroup(subscriber: Subscriber): void {
    const { group } = subscriber;
    subscriber.group = undefined;
    if (group === undefined || --group.members > 0) return;
    if (group.signature !== undefined) this.#groups.delete(group.signature);
    group.release();
  }
}
