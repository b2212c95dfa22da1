/**
 * One connection of a PUB: its topics, its queue, and who fills that.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";
import { atTurnEnd } from "../base/waits.ts";
import type { SubscriptionChange } from "./command.ts";
import type { FaultCounter } from "./fault_counter.ts";
import { encodeFrame } from "./frame.ts";
import type { MemoryHolder } from "../base/memory_budget.ts";
import type { Outbox, QueueLimit } from "./outbox.ts";
import { HIGH, Pace } from "./pace.ts";
import { PeerRecord } from "./peer_record.ts";
import { propertyOf } from "./properties.ts";
import type { Peer } from "./session.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Link, LinkClock, LinkHandler } from "./link.ts";
import type { TopicGroup } from "./topic_group.ts";
import type {
  PeerStats,
  Published,
  PubOptions,
  SubscriberQueue,
  SubscriberReader,
  SubscriberStats,
} from "./transport.ts";

/** What a subscriber tells its PUB. */
export interface Membership {
  readonly join: () => void;
  readonly regroup: () => void;
  readonly leave: () => void;
  /** One is waited for that was not, or no longer, or time has passed meanwhile. */
  readonly wait: (change: -1 | 0 | 1, now: number) => void;
}

/** What a PUB keeps of one connection: its topics, its queue, and who fills that. */
export class Subscriber implements LinkHandler, SubscriberQueue, MemoryHolder {
  readonly subscriptions: Subscriptions;
  readonly outbox: Outbox;
  readonly limit: QueueLimit;
  link: Link | undefined;
  /** Undefined for one that wants everything, or nothing. */
  group: TopicGroup | undefined;
  /** Fills the queue; undefined where that is done by `publish`. */
  reader: SubscriberReader | undefined;
  readonly #faults: FaultCounter;
  readonly #membership: Membership;
  readonly #churn: (changes: number, now: number) => number;
  /** Subscriptions and cancellations of the read in progress. */
  #changes = 0;
  readonly #serve: PubOptions["serve"];
  readonly #clock: LinkClock;
  /** Undefined where nobody is waited for. */
  readonly #pace: Pace | undefined;
  /** Invariant: what the PUB was told last. */
  #isWaitedFor = false;
  #answersPing = false;
  /** What was written and will have been read when the next PONGs come. */
  readonly #marks: Fifo<{ readonly messages: number; readonly bytes: number }> = new Fifo();
  /** The number of the first of these marks. */
  #answered = 0;
  /** What was written behind the last PING. */
  readonly #unmarked = { messages: 0, bytes: 0 };
  readonly #record: PeerRecord;
  /** Written like this, the topic that the reader was asked for by. */
  #servedTopic = "";

  constructor(
    outbox: Outbox,
    faults: FaultCounter,
    { maxTopics, maxTopicBytes, queue, serve, pace, handleFailedHandshake }: PubOptions,
    membership: Membership,
    clock: LinkClock,
    churn: (changes: number, now: number) => number,
  ) {
    this.#clock = clock;
    this.#churn = churn;
    this.#pace = pace && new Pace(pace.slowest);
    this.outbox = outbox;
    this.limit = queue;
    this.#faults = faults;
    this.subscriptions = new Subscriptions({ maxTopics, maxTopicBytes });
    this.#membership = membership;
    this.#serve = serve;
    this.#record = new PeerRecord(clock, handleFailedHandshake);
  }

  stats(): SubscriberStats {
    return {
      address: this.address,
      topics: this.subscriptions.count,
      queuedMessages: this.outbox.messages + (this.reader?.waiting ?? 0),
      queuedBytes: this.outbox.bytes,
      dropped: this.outbox.dropped + (this.reader?.lost ?? 0),
      waitedMs: this.#pace?.waitedMs ?? 0,
    };
  }

  peerStats(): PeerStats {
    return this.#record.stats(this, this.link!, this.stats());
  }

  get address(): string {
    return this.link!.remoteAddress;
  }

  property(name: string): string | undefined {
    return propertyOf(this.link!.session.peer, name);
  }

  get bytes(): number {
    return this.outbox.bytes;
  }

  hasRoom(messages: number, bytes: number): boolean {
    return this.outbox.hasRoomFor(messages, bytes);
  }

  push({ bytes, start, end, messages, block }: Published): void {
    // Not `push` of the outbox, which would drop what a note has taken the room of, and the places would be wrong from there on.
    this.outbox.add(bytes, start, end, messages, block);
  }

  pushNote(body: Uint8Array): void {
    this.outbox.pushNote(encodeFrame(body, 0));
  }

  countDropped(messages: number): void {
    this.outbox.countDropped(messages);
  }

  get heldBytes(): number {
    return this.outbox.isEmpty ? 0 : this.outbox.bytes;
  }

  get lastProgress(): number {
    return this.link!.lastWrite;
  }

  /** Memory is short: what waits is dropped, or, where somebody can fill the queue again, taken back. */
  giveWay(): boolean {
    if (this.reader === undefined) return this.outbox.dropAll() > 0;
    const { bytes } = this.outbox;
    this.reader.handleTakenBack(this.outbox.takeBackAll());
    // Where nothing is being written, nothing else would call for more.
    if (this.outbox.bytes === 0) {
      atTurnEnd(() => {
        this.reader?.handleRoom();
        this.link!.wake();
      });
    }
    return this.outbox.bytes < bytes;
  }

  serveBy(reader: SubscriberReader | undefined): void {
    this.reader?.handleGone();
    this.reader = reader;
  }

  handleReady({ minor }: Peer): void {
    this.#record.join();
    this.#faults.accepted++;
    // A peer of ZMTP 3.0 may know no PING; what it takes is seen by what can be written.
    this.#answersPing = this.#pace !== undefined && minor >= 1;
    this.#membership.join();
  }

  handleNoise(): void {
    this.#faults.noise++;
  }

  handleSubscription({ subscribe, topic }: SubscriptionChange): void {
    this.#changes++;
    // An XSUB stands for others, to whom it would pass on what was meant for one of them.
    if (topic[0] === 0 && this.#serve !== undefined && this.link!.session.peer!.socketType === "SUB") {
      const written = latin1.decode(topic);
      if (subscribe) {
        const reader = this.#serve(topic, this);
        if (reader !== undefined) {
          this.#servedTopic = written;
          return this.serveBy(reader);
        }
      } else if (this.reader !== undefined && written === this.#servedTopic) return this.serveBy(undefined);
    }
    if (subscribe) this.subscriptions.add(topic);
    else this.subscriptions.remove(topic);
  }

  /** What a read has changed. Each change costs a token; whoever changes without end is read more slowly. */
  restMs(now: number): number {
    if (this.#changes === 0) return 0;
    const restMs = this.#churn(this.#changes, now);
    this.#changes = 0;
    return restMs;
  }

  get isWaiting(): boolean {
    return this.subscriptions.count > 0 || this.reader !== undefined;
  }

  handleEnd(reason: Error): void {
    this.#faults.count(reason);
    this.#membership.leave();
    this.#record.end(this.address, reason);
  }

  handleTurnEnd(): void {
    this.#record.hear();
    if (this.#changes > 0) this.#membership.regroup();
  }

  handleWritten(messages: number, bytes: number): void {
    this.#record.messages += messages;
    this.#record.bytes += bytes;
    this.reader?.handleRoom();
    const pace = this.#pace;
    if (pace === undefined) return;
    if (this.#answersPing) this.#mark(messages);
    else if (!pace.isAtRest) pace.take(messages, 0, this.#clock.now());
    if (!pace.isAtRest) this.look();
  }

  handleProgress(bytes: number): void {
    const pace = this.#pace;
    if (pace === undefined) return;
    // Nothing can be said in the middle of a message: of a large one we know only what was written.
    if (this.#answersPing && this.outbox.writingBytes <= LARGE_BYTES) this.#unmarked.bytes += bytes;
    else if (!pace.isAtRest) pace.take(0, bytes, this.#clock.now());
  }

  handlePong(context: Uint8Array): void {
    // A heartbeat's answer has no number, and of many PINGs together only the last one may be answered.
    if (context.length !== MARK_SIZE) return;
    const answered = new DataView(context.buffer, context.byteOffset).getUint32(0) + 1;
    if (answered > this.#answered + this.#marks.length) return;
    let [messages, bytes] = [0, 0];
    for (; this.#answered < answered; this.#answered++) {
      const mark = this.#marks.shift()!;
      messages += mark.messages;
      bytes += mark.bytes;
    }
    if (this.#pace!.isAtRest) return;
    this.#pace!.take(messages, bytes, this.#clock.now());
    this.look();
  }

  /**
   * The operating systems hold some megabytes between us and a reader, so that what we write tells late and in leaps what it
   * takes. A PING behind what was written is answered when it was read.
   */
  #mark(messages: number): void {
    const unmarked = this.#unmarked;
    unmarked.messages += messages;
    if (
      unmarked.bytes < (this.fill < HIGH / 4 ? SELDOM_BYTES : OFTEN_BYTES) || this.#marks.length >= MAX_MARKS
    ) return;
    const context = new Uint8Array(MARK_SIZE);
    new DataView(context.buffer).setUint32(0, this.#answered + this.#marks.length);
    this.#marks.push({ ...unmarked });
    unmarked.messages = unmarked.bytes = 0;
    this.link!.session.ping(context);
  }

  /** How full its queue is: 1 where it loses the next message. */
  get fill(): number {
    const { outbox, limit, reader } = this;
    const fill = Math.max(outbox.messages / limit.messages, outbox.bytes / limit.bytes);
    return reader === undefined ? fill : Math.max(fill, reader.fill);
  }

  /** Sees whether it is waited for. */
  look(): void {
    const pace = this.#pace;
    if (pace === undefined) return;
    const now = this.#clock.now();
    pace.look(this.fill, now);
    const wasWaitedFor = this.#isWaitedFor;
    this.#isWaitedFor = pace.isWaitedFor;
    if (pace.isWaitedFor) this.link!.expectTick();
    if (pace.isWaitedFor !== wasWaitedFor) this.#membership.wait(pace.isWaitedFor ? 1 : -1, now);
    else if (pace.isWaitedFor) this.#membership.wait(0, now);
  }

  get deadline(): number {
    return this.#pace?.deadline ?? Infinity;
  }

  handleTick(now: number): void {
    if (now >= this.deadline) this.look();
  }
}

/** A PING follows so many bytes, for a subscriber that keeps up: each costs as much as twenty messages … */
const SELDOM_BYTES: number = 2 * 1024 * 1024;
/** … and so many where more waits than one read brings. */
const OFTEN_BYTES: number = 64 * 1024;
/** A message is large from so many bytes on. */
const LARGE_BYTES: number = 512 * 1024;
/** Bytes of a mark's number, which a PONG brings back. */
const MARK_SIZE = 4;
/** So many PINGs may be unanswered. */
const MAX_MARKS = 1000;
/** Gives each byte a character of its own. */
const latin1 = new TextDecoder("latin1");
