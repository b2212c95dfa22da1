/**
 * Many sites over one stream, in virtual time: the real queue, receiver's rule and patience of each, a network that delays, loses and
 * cuts, sites that die and come back. A model that knows everything checks what each site broadcast. From one seed, to the byte.
 */
import assert from "node:assert/strict";
import { Patience } from "../../backbone/patience.ts";
import { Receiver } from "../../backbone/receiver.ts";
import { SendQueue } from "../../backbone/send_queue.ts";

/** What the world is like. */
export interface WorldOptions {
  readonly seed: number;
  readonly sites: number;
  /** Messages that all sites together make. */
  readonly messages: number;
  /** Milliseconds in which they are made. */
  readonly ms: number;
  /** Chances for each message: the stream does not store it, its confirmation is lost. */
  readonly refused?: number;
  readonly unconfirmed?: number;
  /** Longest way to the stream and back, in milliseconds. */
  readonly delayMs?: number;
  /** How often a connection is cut in all, and how long at most. */
  readonly cuts?: number;
  readonly cutMs?: number;
  /** How often the stream is away for everybody, and how long at most. */
  readonly outages?: number;
  /** How often the stream loses messages at its end that it had confirmed, and how many at most. */
  readonly losses?: number;
  readonly lossMessages?: number;
  /** How often a site dies and comes back as another instance. */
  readonly restarts?: number;
  readonly holdMs?: number;
  readonly queue?: number;
  readonly window?: number;
}

/** A message in the stream. */
interface Stored {
  readonly instance: string;
  readonly number: number;
  readonly confirmed: number;
  readonly gone: number;
  readonly id: number;
}

/** What came of it. */
export interface Outcome {
  readonly stored: number;
  readonly made: number;
  readonly broadcasts: number;
  readonly islands: number;
  readonly resent: number;
  readonly repeats: number;
  readonly outOfTurn: number;
  readonly dropped: number;
  readonly lostByDeaths: number;
  readonly longestQueue: number;
  /** Virtual milliseconds until everything had settled. */
  readonly endMs: number;
}

const CONFIRM_MS = 300;
const RETRY_MS = 20;
const LEARNT = 4096;

/** Runs it to its end, and throws where a promise is broken. */
export function runSites(options: WorldOptions): Outcome {
  return new World(options).run();
}

class World {
  readonly options: Required<WorldOptions>;
  readonly log: Stored[] = [];
  isAway = false;
  now = 0;
  readonly #sites: Site[];
  readonly #events = new Events();
  #random: number;
  #made = 0;
  #lives = 0;
  /** What dead instances took with them. */
  readonly dead: { made: number; islands: number; resent: number; dropped: number; lost: number } = {
    made: 0,
    islands: 0,
    resent: 0,
    dropped: 0,
    lost: 0,
  };
  longestQueue = 0;

  constructor(options: WorldOptions) {
    this.options = {
      refused: 0.02,
      unconfirmed: 0.02,
      delayMs: 40,
      cuts: 0,
      cutMs: 3000,
      outages: 0,
      losses: 0,
      lossMessages: 50,
      restarts: 0,
      holdMs: 1000,
      queue: 1000,
      window: 32,
      ...options,
    };
    this.#random = options.seed >>> 0;
    this.#sites = Array.from({ length: options.sites }, () => new Site(this, this.nextInstance()));
  }

  /** From 0 up to 1; mulberry32. */
  random(): number {
    let t = this.#random = (this.#random + 0x6d2b79f5) >>> 0;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  nextInstance(): string {
    return (++this.#lives).toString(36).padStart(12, "0");
  }

  after(ms: number, what: () => void): void {
    this.#events.push(this.now + ms, what);
  }

  /** A message arrives at the stream. Returns whether it is stored. */
  store(message: Stored): boolean {
    if (this.isAway || this.random() < this.options.refused) return false;
    this.log.push(message);
    for (const site of this.#sites) site.handleStored();
    return true;
  }

  run(): Outcome {
    const { messages, ms, cuts, cutMs, outages, losses, lossMessages, restarts } = this.options;
    const pick = () => Math.floor(this.random() * this.#sites.length);
    for (let id = 1; id <= messages; id++) {
      this.after(this.random() * ms, () => this.#sites[pick()]!.make(id));
    }
    for (let i = 0; i < cuts; i++) {
      this.after(this.random() * ms, () => this.#sites[pick()]!.cut(this.random() * cutMs));
    }
    for (let i = 0; i < outages; i++) {
      this.after(this.random() * ms, () => {
        this.isAway = true;
        this.after(this.random() * cutMs, () => this.isAway = false);
      });
    }
    for (let i = 0; i < losses; i++) {
      this.after(this.random() * ms, () => {
        this.log.length = Math.max(0, this.log.length - Math.ceil(this.random() * lossMessages));
        for (const site of this.#sites) site.handleLoss();
      });
    }
    for (let i = 0; i < restarts; i++) {
      this.after(this.random() * ms, () => {
        const at = pick();
        this.#sites[at]!.die();
        this.#sites[at] = new Site(this, this.nextInstance());
      });
    }
    const last = new Map<Site, number>();
    const tick = () => {
      let isSettled = this.now > ms && !this.isAway;
      for (const site of this.#sites) {
        site.tick();
        isSettled &&= site.isSettled;
      }
      assert.ok(this.now < ms + 600_000, "the world does not settle");
      if (isSettled && last.size === 0) {
        // Nobody is silenced for good: whatever happened, everybody hears what each says then.
        for (const [i, site] of this.#sites.entries()) {
          last.set(site, messages + 1 + i);
          site.make(messages + 1 + i);
        }
        isSettled = false;
      }
      if (!isSettled) this.after(10, tick);
    };
    tick();
    for (let event; (event = this.#events.shift()) !== undefined;) {
      this.now = event.at;
      event.what();
    }
    for (const [from, id] of last) {
      for (const site of this.#sites) {
        assert.ok(site.heardSet.has(id) || from.refused.has(id), "a site does not hear another one any more");
      }
    }
    return this.#check();
  }

  countMade(): void {
    this.#made++;
  }

  #check(): Outcome {
    // What a site that was there from the start must have passed on: one rule, one answer.
    let reference: readonly number[] | undefined;
    let [broadcasts, islands, resent, repeats, outOfTurn, dropped] = [0, 0, 0, 0, 0, 0];
    for (const site of this.#sites) {
      const counts = site.queue.counts;
      const { sent, confirmed, queued, tooLarge, forbidden } = counts;
      assert.equal(
        sent,
        confirmed + queued + counts.dropped + tooLarge + forbidden,
        "the counters do not add up",
      );
      assert.equal(queued, 0);
      assert.equal(new Set(site.heard).size, site.heard.length, "a message was broadcast twice");
      assert.equal(
        site.made.filter((id) => !site.heardSet.has(id) && !site.refused.has(id)).length,
        0,
        "a message of its own was never broadcast at home",
      );
      if (this.options.losses > 0) {
        // Who had read what is lost now has heard more than the others.
      } else if (site.isFromStart) {
        reference ??= site.passed;
        assert.deepEqual(site.passed, reference, "two sites decided differently");
      } else if (reference !== undefined && this.log.length <= LEARNT) {
        const tail = reference.slice(reference.length - site.passed.length);
        assert.deepEqual(site.passed, tail, "a site that came later decided differently");
      }
      broadcasts += site.heard.length;
      islands += site.islands;
      resent += counts.resent;
      dropped += counts.dropped;
      repeats += site.receiver.counts.repeats;
      outOfTurn += site.receiver.counts.outOfTurn;
    }
    const { dead } = this;
    return {
      stored: this.log.length,
      made: this.#made,
      broadcasts,
      islands: islands + dead.islands,
      resent: resent + dead.resent,
      repeats,
      outOfTurn,
      dropped: dropped + dead.dropped,
      lostByDeaths: dead.lost,
      longestQueue: this.longestQueue,
      endMs: Math.round(this.now),
    };
  }
}

class Site {
  readonly queue: SendQueue;
  readonly receiver = new Receiver("stream");
  readonly heard: number[] = [];
  readonly heardSet = new Set<number>();
  /** What the rule passed on, whether or not it had been heard before at home. */
  readonly passed: number[] = [];
  readonly made: number[] = [];
  readonly refused = new Set<number>();
  readonly isFromStart: boolean;
  islands = 0;
  readonly #world: World;
  readonly #patience: Patience;
  readonly #ids = new Map<number, number>();
  #cursor: number;
  #isConnected = true;
  #isDead = false;
  #life = 0;
  #isReading = false;
  #progressAt = 0;
  #notBefore = 0;

  constructor(world: World, instance: string) {
    const { queue, window, holdMs } = world.options;
    this.#world = world;
    this.isFromStart = world.now === 0;
    this.#cursor = Math.max(0, world.log.length - LEARNT);
    while (this.#cursor < world.log.length) this.receiver.learn(world.log[this.#cursor++]!, 0);
    this.queue = new SendQueue(instance, {
      messages: queue,
      bytes: Infinity,
      windowMessages: window,
      windowBytes: Infinity,
    }, "lost");
    this.#patience = new Patience(holdMs, world.now);
  }

  get #isWell(): boolean {
    return this.#isConnected && this.#cursor === this.#world.log.length;
  }

  get isSettled(): boolean {
    return this.#isWell && this.queue.isEmpty && this.queue.away === 0 && !this.#patience.isIsland;
  }

  make(id: number): void {
    this.#world.countMade();
    this.made.push(id);
    const isIsland = this.#patience.isIsland;
    if (isIsland) this.#broadcast(id);
    const number = this.queue.push("t", encodeId(id), isIsland);
    if (number === undefined) this.refused.add(id);
    else this.#ids.set(number, id);
    if (isIsland) this.#world.longestQueue = Math.max(this.#world.longestQueue, this.queue.length);
    this.#pump();
  }

  cut(ms: number): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#life++;
    this.#world.after(ms, () => {
      if (this.#isDead) return;
      this.#isConnected = true;
      this.queue.goBack();
      this.#pump();
      this.#read();
    });
  }

  die(): void {
    const { counts } = this.queue;
    this.#isDead = true;
    this.#life++;
    this.#isConnected = false;
    const { dead } = this.#world;
    dead.islands += this.islands;
    dead.resent += counts.resent;
    dead.dropped += counts.dropped;
    dead.lost += counts.queued;
  }

  /** Its stream has become shorter. */
  handleLoss(): void {
    this.#cursor = Math.min(this.#cursor, this.#world.log.length);
  }

  tick(): void {
    const { now } = this.#world;
    if (this.queue.inFlight > 0 && now - this.#progressAt > CONFIRM_MS) this.#goBack();
    this.#pump();
    this.#read();
    const change = this.#patience.look(now, {
      isWell: this.#isWell,
      isWaiting: !this.#patience.isIsland && this.queue.away > 0,
      isEmpty: this.queue.isEmpty,
    });
    if (change !== "island") return;
    this.islands++;
    for (const { number } of this.queue.bringHome()) this.#broadcast(this.#ids.get(number)!);
  }

  handleStored(): void {
    this.#read();
  }

  /** One read at a time, some time after something came. */
  #read(): void {
    if (this.#isReading || this.#isDead || !this.#isConnected || this.#cursor === this.#world.log.length) {
      return;
    }
    this.#isReading = true;
    this.#world.after(this.#world.random() * this.#world.options.delayMs, () => {
      this.#isReading = false;
      if (!this.#isConnected || this.#isDead) return;
      while (this.#cursor < this.#world.log.length) this.#judge(this.#world.log[this.#cursor++]!);
      this.#pump();
    });
  }

  #judge({ instance, number, confirmed, gone, id }: Stored): void {
    if (this.receiver.take({ instance, number, confirmed }, this.#world.now, gone) !== "pass") return;
    if (gone === 0) this.passed.push(id);
    if (instance !== this.queue.instance) {
      if (gone === 0) this.#broadcast(id);
      return;
    }
    const lost: number[] = [];
    const own = this.queue.comeBack(number, lost);
    this.#patience.handleBack(this.#world.now);
    if (this.#world.options.losses > 0) { for (const given of lost) this.refused.add(this.#ids.get(given)!); }
    else assert.deepEqual(lost, [], "a message of its own was confirmed and never came back");
    if (own !== undefined) this.#broadcast(this.#ids.get(own)!);
  }

  #broadcast(id: number): void {
    this.heard.push(id);
    this.heardSet.add(id);
  }

  #goBack(): void {
    this.queue.goBack();
    this.#progressAt = this.#world.now;
    this.#notBefore = this.#world.now + RETRY_MS;
  }

  #pump(): void {
    const world = this.#world;
    if (!this.#isConnected || world.now < this.#notBefore) return;
    if (this.queue.inFlight === 0) this.#progressAt = world.now;
    const life = this.#life;
    // One connection keeps the order: all that leave now arrive together.
    const out: (Stored & { readonly round: number })[] = [];
    for (let next; (next = this.queue.next(Infinity, [])) !== undefined;) {
      const { round, gone, body } = next;
      const id = gone > 0 ? 0 : decodeId(body);
      out.push({
        instance: this.queue.instance,
        number: this.queue.lastWireNumber,
        confirmed: this.queue.confirmedWireNumber,
        gone,
        id,
        round,
      });
    }
    if (out.length === 0) return;
    this.#arriveAt = Math.max(this.#arriveAt, world.now + world.random() * world.options.delayMs);
    world.after(this.#arriveAt - world.now, () => {
      // What was on the way when the connection was cut arrived in part.
      const cutAt = life === this.#life ? out.length : Math.floor(world.random() * (out.length + 1));
      for (const message of out.slice(0, cutAt)) {
        const isStored = world.store(message);
        if (world.isAway || world.random() < world.options.unconfirmed) continue;
        this.#confirmAt = Math.max(this.#confirmAt, world.now + world.random() * world.options.delayMs);
        world.after(this.#confirmAt - world.now, () => {
          if (life !== this.#life) return;
          if (!isStored) this.queue.fail(message.round);
          else if (this.queue.confirm(message.round, message.number)) this.#progressAt = world.now;
          this.#pump();
        });
      }
    });
  }

  #arriveAt = 0;
  #confirmAt = 0;
}

function encodeId(id: number): Uint8Array {
  return new Uint8Array(new Uint32Array([id]).buffer);
}

function decodeId(body: Uint8Array): number {
  return new Uint32Array(body.buffer)[0]!;
}

/** Events in the order of their time; of the same time, in the order in which they were made. */
class Events {
  readonly #heap: { readonly at: number; readonly order: number; readonly what: () => void }[] = [];
  #order = 0;

  push(at: number, what: () => void): void {
    const heap = this.#heap;
    heap.push({ at, order: this.#order++, what });
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!isBefore(heap[i]!, heap[parent]!)) break;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }

  shift(): { readonly at: number; readonly what: () => void } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || heap.length === 0) return first;
    heap[0] = last!;
    for (let i = 0;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      }
      if (least === i) break;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
    return first;
  }
}

function isBefore(
  a: { readonly at: number; readonly order: number },
  b: { readonly at: number; readonly order: number },
): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
