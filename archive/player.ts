/**
 * A replay: a session is sent again, in its order and its pace. It reads pages ahead, and `schedule.ts` says what is due.
 *
 * @module
 */
import { OptionError, QueueFullError } from "../base/errors.ts";
import type {
  MessagePage,
  Moment,
  Plan,
  Replay,
  ReplayOptions,
  ReplayStatus,
  SessionInfo,
} from "../bus/recording.ts";
import { type Due, Schedule } from "./schedule.ts";
import { matcher } from "./types.ts";

/** What a player needs: the session, and a way to send. */
export interface PlayerSource {
  /** What it plays. */
  session(): Promise<SessionInfo>;
  /** A moment as number and time: the last message that it includes. */
  moment(moment: Moment): Promise<{ readonly seq: number; readonly time: number }>;
  /** The next messages. `types`: only those. */
  page(after: number, types?: readonly string[]): Promise<MessagePage>;
  /** What was valid. */
  stateAt(moment: Moment): Promise<Plan>;
  /** Sends texts, all or none; throws `QueueFullError`. */
  send(texts: readonly string[]): void;
  /** Writes into the file that this happened. */
  addDeed(detail: object): Promise<void>;
}

/** A clock, and a way to wait. */
export interface PlayerClock {
  /** Milliseconds that never go back. */
  now(): number;
  /** Resolves after so long, or when the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** Kinds that mean something else when they come again: nobody has started, and nobody shall load anything. */
export const LEFT_OUT: readonly string[] = ["log", "ready", "reload"];
/** Messages that go out in one turn at most. */
const BATCH = 500;
/** So many wait for their time at least, unless there are no more. */
const AHEAD = 500;
const BRACKET = "replay";

/** See the module. */
export class Player implements Replay {
  readonly finished: Promise<ReplayStatus>;
  readonly #source: PlayerSource;
  readonly #options: ReplayOptions;
  readonly #clock: PlayerClock;
  readonly #schedule: Schedule;
  readonly #passes: (type: string) => boolean;
  readonly #session: SessionInfo;
  readonly #from: { readonly seq: number; readonly time: number };
  readonly #to: { readonly seq: number; readonly time: number };
  /** Replays that were recorded: from one message to another one. */
  readonly #nested: readonly { readonly from: number; readonly to: number }[];
  readonly #id: string = crypto.randomUUID().slice(0, 8);
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #state: "playing" | "paused" | "ended";
  /** Read up to here, or undefined at the end. */
  #after: number | undefined;
  #loading: Promise<void> | undefined;
  /** Counts seeks, so that a page that comes late is not played. */
  #life = 0;
  #seq = 0;
  #time = 0;
  #sent = 0;
  #sentThisTime = 0;
  #leftOut = 0;
  #missed = 0;

  private constructor(
    source: PlayerSource,
    options: ReplayOptions,
    clock: PlayerClock,
    found: {
      readonly session: SessionInfo;
      readonly from: { readonly seq: number; readonly time: number };
      readonly to: { readonly seq: number; readonly time: number };
      readonly nested: readonly { readonly from: number; readonly to: number }[];
    },
  ) {
    this.#source = source;
    this.#options = options;
    this.#clock = clock;
    this.#session = found.session;
    this.#from = found.from;
    this.#to = found.to;
    this.#nested = found.nested;
    const { speed = 1, maxGapMs, only, except = only === undefined ? LEFT_OUT : [] } = options;
    this.#schedule = new Schedule({ speed, ...(maxGapMs === undefined ? {} : { maxGapMs }) });
    const [isOnly, isExcept] = [only && matcher(only), matcher(except)];
    this.#passes = (type) => (isOnly?.(type) ?? true) && !isExcept(type);
    this.#state = options.paused === true ? "paused" : "playing";
    options.signal?.addEventListener("abort", () => void this.stop(), { once: true });
    if (options.signal?.aborted) this.#stop.abort();
    this.finished = this.#run();
    this.finished.catch(() => {});
  }

  /**
   * Begins.
   *
   * @throws {OptionError} If an option has a value that it cannot have.
   * @throws {ArchiveError} If there is no such session or moment.
   */
  static async start(
    source: PlayerSource,
    options: ReplayOptions = {},
    clock: PlayerClock = realClock,
  ): Promise<Player> {
    const { speed = 1, maxGapMs, from, to } = options;
    checkSpeed(speed);
    if (maxGapMs !== undefined && !(maxGapMs >= 0)) {
      throw new OptionError("bad-option", `Cannot use maxGapMs: it is ${maxGapMs}, not a time from 0 on`);
    }
    const session = await source.session();
    const last = await source.moment({ time: END_OF_TIME });
    const first = from === undefined
      ? { seq: 0, time: session.started }
      : "seq" in from
      ? { seq: from.seq - 1, time: (await source.moment(from)).time }
      : { seq: (await source.moment({ time: from.time - 0.001 })).seq, time: from.time };
    const end = to === undefined || ("time" in to && to.time >= END_OF_TIME)
      ? { seq: last.seq, time: (await source.moment({ seq: last.seq })).time }
      : await source.moment(to);
    if (end.seq < first.seq) {
      throw new OptionError("bad-option", "Cannot replay: it would end before it begins");
    }
    const nested = options.nested === true ? [] : await brackets(source, end.seq);
    return new Player(source, options, clock, { session, from: first, to: end, nested });
  }

  get speed(): number {
    return this.#schedule.speed;
  }

  set speed(speed: number) {
    checkSpeed(speed);
    this.#schedule.setSpeed(speed, this.#clock.now());
    this.#wakeUp();
  }

  status(): ReplayStatus {
    const { speed, late } = this.#schedule;
    return {
      session: this.#session.id,
      state: this.#state,
      speed: speed === Infinity ? null : speed,
      time: this.#time,
      seq: this.#seq,
      from: this.#from.time,
      to: this.#to.time,
      sent: this.#sent,
      leftOut: this.#leftOut,
      late,
      missed: this.#missed,
    };
  }

  pause(): void {
    if (this.#state !== "playing") return;
    this.#state = "paused";
    this.#schedule.run(false, this.#clock.now());
    this.#tell("pause");
  }

  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "playing";
    this.#schedule.run(true, this.#clock.now());
    this.#tell("resume");
    this.#wakeUp();
  }

  async step(messages: number = 1): Promise<number> {
    let stepped = 0;
    while (stepped < messages && this.#state !== "ended") {
      if (this.#schedule.waiting === 0) {
        if (this.#after === undefined) break;
        await this.#load();
        continue;
      }
      const due = this.#schedule.takeNext(this.#clock.now())!;
      if (await this.#send([due]) > 0) stepped++;
    }
    this.#wakeUp();
    return stepped;
  }

  async seek(moment: Moment): Promise<void> {
    if (this.#state === "ended") return;
    const { seq, time } = await this.#source.moment(moment);
    this.#tell("seek");
    await this.#goOnAfter("seq" in moment ? Math.max(0, seq - 1) : seq, time);
    this.#wakeUp();
  }

  stop(): Promise<ReplayStatus> {
    this.#stop.abort();
    this.#wakeUp();
    return this.finished;
  }

  async #run(): Promise<ReplayStatus> {
    const { signal } = this.#stop;
    try {
      this.#tell("start");
      await this.#goOnAfter(this.#from.seq, this.#from.time);
      this.#schedule.run(this.#state === "playing", this.#clock.now());
      while (!signal.aborted) {
        const wake = this.#wake.signal;
        if (this.#schedule.waiting < AHEAD && this.#after !== undefined) await this.#load();
        if (signal.aborted) break;
        if (this.#schedule.waiting === 0 && this.#after === undefined && this.#state === "playing") {
          if (this.#options.loop !== true || this.#sentThisTime === 0) break;
          this.#tell("seek");
          await this.#goOnAfter(this.#from.seq, this.#from.time);
          continue;
        }
        const due = this.#schedule.take(this.#clock.now(), BATCH);
        if (due.length > 0) {
          await this.#send(due);
          continue;
        }
        const { next } = this.#schedule;
        const ms = next === undefined ? Infinity : next - this.#clock.now();
        if (ms > 0) await this.#clock.wait(ms, wake);
      }
    } finally {
      this.#state = "ended";
      this.#tell("end");
      await this.#source.addDeed({ from: this.#from.seq, to: this.#seq, sent: this.#sent });
    }
    return this.status();
  }

  /** Nothing waits any more; the next message is the one behind this. */
  async #goOnAfter(seq: number, time: number): Promise<void> {
    this.#life++;
    this.#schedule.begin(time, this.#clock.now());
    this.#after = seq < this.#to.seq ? seq : undefined;
    this.#seq = seq;
    this.#time = time;
    this.#sentThisTime = 0;
    if (this.#options.restore !== true) return;
    const { values } = await this.#source.stateAt({ seq });
    const texts = values.filter(({ type }) => this.#passes(type)).map(({ text }) => text);
    await this.#publish(texts);
    this.#schedule.begin(time, this.#clock.now());
  }

  #load(): Promise<void> {
    return this.#loading ??= this.#loadPage().finally(() => this.#loading = undefined);
  }

  async #loadPage(): Promise<void> {
    const [life, after] = [this.#life, this.#after!];
    const { messages, gaps, next } = await this.#source.page(after);
    if (life !== this.#life) return;
    for (const { missed } of gaps) this.#missed += missed ?? 0;
    for (const { seq, time, text, type } of messages) {
      if (seq > this.#to.seq) break;
      this.#schedule.add({ seq, time, text: this.#isLeftOut(seq, type ?? "") ? undefined : text });
    }
    const isOver = next === null || (messages.at(-1)?.seq ?? next) >= this.#to.seq;
    this.#after = isOver ? undefined : next;
  }

  #isLeftOut(seq: number, type: string): boolean {
    return !this.#passes(type) || (type === BRACKET && this.#options.nested !== true) ||
      this.#nested.some(({ from, to }) => seq > from && seq < to);
  }

  /** Says how many were sent. */
  async #send(due: readonly Due[]): Promise<number> {
    const texts = due.flatMap(({ text }) => text === undefined ? [] : [text]);
    this.#leftOut += due.length - texts.length;
    await this.#publish(texts);
    const last = due.at(-1)!;
    this.#seq = last.seq;
    this.#time = last.time;
    this.#sent += texts.length;
    this.#sentThisTime += texts.length;
    return texts.length;
  }

  async #publish(texts: readonly string[]): Promise<void> {
    if (texts.length === 0) return;
    while (!this.#stop.signal.aborted) {
      try {
        return this.#source.send(texts);
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
        await this.#clock.wait(FULL_MS, this.#stop.signal);
      }
    }
  }

  /** For whoever listens, other recorders too: what comes from now on, or no longer, is a replay. */
  #tell(state: string): void {
    const { id: session, name } = this.#session;
    const speed = this.speed === Infinity ? "max" : this.speed;
    try {
      this.#source.send([
        JSON.stringify({ type: BRACKET, state, replay: this.#id, session, name: name.slice(0, 200), speed }),
      ]);
    } catch {
      // With a full queue or a closed bus there is nobody to tell.
    }
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = new AbortController();
    wake.abort();
  }
}

/** Replays in the recording, whose end was recorded as well: of others nobody knows where they ended. */
async function brackets(
  source: PlayerSource,
  upTo: number,
): Promise<readonly { readonly from: number; readonly to: number }[]> {
  const found: { from: number; to: number }[] = [];
  const open: Map<unknown, number> = new Map();
  for (let after: number | null = 0; after !== null && after < upTo;) {
    const page: MessagePage = await source.page(after, [BRACKET]);
    for (const { seq, text } of page.messages) {
      const { state, replay } = JSON.parse(text);
      if (state === "start") open.set(replay, seq);
      const from = open.get(replay);
      if (state !== "end" || from === undefined) continue;
      found.push({ from, to: seq });
      open.delete(replay);
    }
    after = page.next;
  }
  return found;
}

function checkSpeed(speed: number): void {
  if (speed === Infinity || (speed >= 0.01 && speed <= 1000)) return;
  throw new OptionError("bad-option", `Cannot use speed: it is ${speed}, not a number from 0.01 to 1000`);
}

const realClock: PlayerClock = {
  now: () => performance.now(),
  wait: (ms, signal) => {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    // Timers wait for 24 days at most.
    const timer = ms === Infinity ? undefined : setTimeout(resolve, Math.min(ms, 86_400_000));
    signal.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(() => clearTimeout(timer));
  },
};

/** Later than every message: the year 2255. */
const END_OF_TIME = 9_000_000_000_000;
const FULL_MS = 20;
