/**
 * What is behind a `NatsBackbone`: dials, takes and gives messages, and decides how long local people wait for the others.
 *
 * @module
 */
import type { Backbone, BackboneBus, BackboneState, BackboneStatus, Relayed } from "../bus/backbone.ts";
import { typeOf } from "../bus/json_member.ts";
import { dial, Servers } from "./dial.ts";
import { Latency } from "./latency.ts";
import { loadLibrary, type NatsConnection, type NatsLibrary } from "./library.ts";
import { LocalSession } from "./local_session.ts";
import type { BackboneSettings } from "./options.ts";
import { makeInstance, MAX_HEADER_BYTES } from "./origin.ts";
import { Patience } from "./patience.ts";
import { BackboneProblem, explainDial } from "./problem.ts";
import { Receiver } from "./receiver.ts";
import { SendQueue } from "./send_queue.ts";
import {
  noCounts,
  type ReceiveCounts,
  type Session,
  type SessionHost,
  type StreamMemory,
  unknownStream,
} from "./session.ts";
import { StreamSession } from "./stream_session.ts";
import { Subjects } from "./subject.ts";

/** Takes what a bridge has to tell. */
export interface BridgeHandler {
  /** It is with the others, it is not any more, or local people do not wait for them any more. */
  handleChange(what: "joined" | "away" | "island"): void;
  /** Something that somebody has to know or do; told once until it is over. */
  handleProblem(problem: BackboneProblem): void;
}

/** Unconfirmed messages at once. */
const WINDOW = {
  stream: { windowMessages: 1024, windowBytes: 8 * 1024 * 1024 },
  local: { windowMessages: 1000, windowBytes: 1024 * 1024 },
} as const;
const TICK_MS = 100;
/** Between two attempts to dial. */
const REDIAL = { minMs: 200, maxMs: 5000 } as const;
/** Senders wait while the queue is fuller than the one, until it is emptier than the other. */
const SLOW_AT = 0.5;
const FAST_AT = 0.25;
const MAX_SITES = 100;

/** See the module. */
export class Bridge implements Backbone, SessionHost {
  /** Resolves when it is joined for the first time. Rejects when it never can be. */
  readonly ready: Promise<void>;
  readonly settings: BackboneSettings;
  readonly subjects: Subjects;
  readonly queue: SendQueue;
  readonly receiver: Receiver;
  readonly counts: ReceiveCounts = noCounts();
  readonly stream: StreamMemory = unknownStream();
  readonly forbidden: Set<string> = new Set();
  readonly #handler: BridgeHandler;
  #library: NatsLibrary | undefined;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #servers: Servers;
  readonly #patience: Patience;
  readonly #latency = new Latency();
  #bus: BackboneBus | undefined;
  #nc: NatsConnection | undefined;
  #session: Session | undefined;
  #state: BackboneState = "connecting";
  #stateAt: number = performance.now();
  #problem: BackboneProblem | undefined;
  #told: Set<string> = new Set();
  #isJoined = false;
  #isSlow = false;
  #isMute = false;
  #closing: Promise<void> | undefined;
  #isEnded = false;
  #running: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #undelivered: Relayed[] = [];
  #connects = 0;
  #rejected = 0;
  #islands = 0;
  #islandMessages = 0;
  #left = 0;
  #maxBytes = Infinity;

  /** Opens nothing: that begins when a broker takes it. */
  constructor(settings: BackboneSettings, handler: BridgeHandler) {
    this.#handler = handler;
    const { bus, order, site, queue, servers, holdMs } = settings;
    this.settings = settings;
    this.subjects = new Subjects(bus);
    this.queue = new SendQueue(makeInstance(site), { ...queue, ...WINDOW[order] }, this.subjects.lost);
    this.receiver = new Receiver(order);
    this.#servers = new Servers(servers);
    this.#patience = new Patience(holdMs, performance.now());
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
  }

  get library(): NatsLibrary {
    return this.#library!;
  }

  get connects(): number {
    return this.#connects;
  }

  get isMute(): boolean {
    return this.#isMute;
  }

  get state(): BackboneState {
    return this.#state;
  }

  get holds(): boolean {
    return this.settings.order === "stream" && !this.#patience.isIsland && !this.#isMute &&
      this.#closing === undefined;
  }

  get isFull(): boolean {
    return this.queue.fill >= 1;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  attach(bus: BackboneBus): void {
    this.#bus = bus;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#running = this.#run();
  }

  take(body: Uint8Array): number | undefined {
    if (this.#closing !== undefined) return undefined;
    const { queue } = this;
    if (body.length > this.#maxBytes) {
      queue.countTooLarge();
      this.tell(
        new BackboneProblem(
          "too-large",
          `Cannot send a message of ${body.length} bytes to the others: the servers take ${this.#maxBytes}; ` +
            "raise max_payload there",
        ),
      );
      return undefined;
    }
    const subject = this.subjects.of(typeOf(body, 0, body.length));
    if (this.#isMute || this.forbidden.has(subject)) {
      queue.countForbidden();
      return undefined;
    }
    const isHome = !this.holds;
    if (isHome && this.settings.order === "stream") this.#islandMessages++;
    const number = queue.push(subject, body.slice(), isHome);
    if (!isHome && !this.#isSlow && queue.fill >= SLOW_AT) this.#slow(true);
    this.#session?.pump();
    return number;
  }

  status(): BackboneStatus {
    const now = performance.now();
    const { bus, order, site } = this.settings;
    const { received, ...rest } = this.receiver.counts;
    const sites = this.receiver.sites(now, MAX_SITES + 1)
      .filter(({ instance }) => instance !== this.queue.instance).slice(0, MAX_SITES);
    return {
      state: this.#state,
      isIsland: this.#isIsland,
      stateMs: Math.round(now - this.#stateAt),
      bus,
      order,
      site,
      instance: this.queue.instance,
      server: this.#session === undefined ? undefined : this.#nc?.info?.server_name,
      problem: this.#problem?.message,
      sites,
      counts: {
        ...this.queue.counts,
        queuedBytes: this.queue.bytes,
        received: received - (order === "stream" ? this.counts.ownBack : 0),
        ...rest,
        ...this.counts,
        islands: this.#islands,
        islandMessages: this.#islandMessages,
        left: this.#left,
        connects: this.#connects,
        rejected: this.#rejected,
        lastSeq: this.stream.lastSeq ?? 0,
        lag: Math.max(0, this.stream.endSeq - (this.stream.lastSeq ?? 0)),
        ...this.#latency.counts,
      },
    };
  }

  close(lingerMs: number): Promise<void> {
    return this.#closing ??= this.#close(lingerMs);
  }

  async #close(lingerMs: number): Promise<void> {
    const until = performance.now() + lingerMs;
    const isDone = () => this.queue.isEmpty && (this.settings.order === "local" || this.queue.away === 0);
    while (!isDone() && performance.now() < until && this.#session !== undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 20);
      await promise;
      clearTimeout(timer);
    }
    this.#left = this.queue.unconfirmed;
    this.#bringHome();
    this.#isEnded = true;
    this.#setState("closed");
    this.#slow(false);
    clearInterval(this.#timer);
    this.#wake?.();
    await this.#nc?.close().catch(() => {});
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      this.#library = await loadLibrary();
    } catch (error) {
      return this.#fail(error as Error);
    }
    for (let waitMs: number = REDIAL.minMs; !this.#isEnded;) {
      const servers = this.#servers.all;
      try {
        const { site } = this.settings;
        this.#nc = await dial(this.#library, this.settings, servers, `braviz ${site || this.queue.instance}`);
      } catch (error) {
        const problem = explainDial(error, servers, this.settings.refusedMs);
        if (problem.code === "permission-denied") return this.#fail(problem);
        if (problem.code === "refused") {
          this.#rejected++;
          this.#setState("refused");
        }
        this.tell(problem);
        await this.#pause(
          problem.code === "refused" ? this.settings.refusedMs : waitMs * (0.5 + Math.random()),
        );
        waitMs = Math.min(2 * waitMs, REDIAL.maxMs);
        continue;
      }
      this.#connects++;
      const begin = performance.now();
      await this.#use(this.#nc);
      // One that closes as soon as it has answered is as good as none.
      if (performance.now() - begin > 1000) waitMs = REDIAL.minMs;
      await this.#pause(waitMs * (0.5 + Math.random()));
      if (performance.now() - begin < 1000) waitMs = Math.min(2 * waitMs, REDIAL.maxMs);
    }
  }

  /** One connection, until it is gone. */
  async #use(nc: NatsConnection): Promise<void> {
    if (this.#isEnded) return await nc.close().catch(() => {});
    this.forbidden.clear();
    this.#isMute = false;
    this.#servers.learn(nc.info?.connect_urls);
    const { max_payload: maxPayload = Infinity } = nc.info ?? {};
    this.#maxBytes = maxPayload - MAX_HEADER_BYTES;
    if (this.#maxBytes < this.#bus!.maxMessageBytes) {
      this.tell(
        new BackboneProblem(
          "small-payload",
          `The servers take messages up to ${this.#maxBytes} bytes, this broker up to ${
            this
              .#bus!.maxMessageBytes
          }: larger ones do not reach the others; raise max_payload there`,
        ),
      );
    }
    const session = this.settings.order === "stream"
      ? new StreamSession(nc, this)
      : new LocalSession(nc, this);
    this.#session = session;
    await session.run();
    this.#session = undefined;
    this.look();
  }

  /** It can never be joined. */
  #fail(error: Error): void {
    this.#problem = error instanceof BackboneProblem
      ? error
      : new BackboneProblem("unreachable", error.message, { cause: error });
    this.#ready.reject(error);
    this.#setState("refused");
    this.#handler.handleProblem(this.#problem);
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isEnded) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }

  #tick(): void {
    this.#session?.tick(performance.now());
    this.look();
  }

  look(): void {
    if (this.#isEnded) return;
    const isWell = this.#session?.isWell ?? false;
    const { queue } = this;
    if (this.settings.order === "stream") {
      const isWaiting = this.holds && queue.away > 0;
      const change = this.#patience.look(performance.now(), { isWell, isWaiting, isEmpty: queue.isEmpty });
      if (change === "island") {
        this.#islands++;
        this.#slow(false);
        this.#bringHome();
      }
    }
    if (this.#isSlow && queue.fill < FAST_AT) this.#slow(false);
    if (isWell && !this.#isIsland) this.#setState("joined");
    else if (this.#state !== "refused" || isWell) this.#setState(this.#awayState);
  }

  get #awayState(): BackboneState {
    if (this.#isIsland) return "island";
    return this.#isJoined ? "holding" : "connecting";
  }

  get #isIsland(): boolean {
    if (this.#isMute) return true;
    if (this.settings.order === "stream") return this.#patience.isIsland;
    return !(this.#session?.isWell ?? false);
  }

  #setState(state: BackboneState): void {
    if (state === this.#state) return;
    const before = this.#state;
    this.#state = state;
    this.#stateAt = performance.now();
    if (state === "joined") {
      this.#isJoined = true;
      this.#ready.resolve();
      this.#handler.handleChange("joined");
    }
    if (before === "joined" && state !== "closed") this.#handler.handleChange("away");
    if (state === "island") this.#handler.handleChange("island");
  }

  #slow(isSlow: boolean): void {
    if (isSlow === this.#isSlow) return;
    this.#isSlow = isSlow;
    this.#bus?.slow(isSlow);
  }

  /** Local people have waited long enough. */
  #bringHome(): void {
    this.#flush();
    const waiting = this.queue.bringHome();
    if (waiting.length > 0) this.#bus!.relay(waiting);
  }

  deliver(message: Relayed): void {
    if (this.#undelivered.push(message) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#undelivered.length === 0) return;
    const messages = this.#undelivered;
    this.#undelivered = [];
    this.#bus!.relay(messages);
    if (this.#isSlow) this.look();
  }

  mute(): void {
    if (this.#isMute) return;
    this.#isMute = true;
    this.#slow(false);
    this.#bringHome();
    this.queue.forbidAll();
    this.tell(
      new BackboneProblem(
        "mute",
        `The others cannot hear this site: the server forbids this user to send to ${this.subjects.lost}; ` +
          `let it publish to ${this.subjects.all}`,
      ),
    );
    this.look();
    this.#ready.resolve();
  }

  drop(numbers: readonly number[]): void {
    this.#bus!.drop(numbers);
  }

  handleBack(now: number): void {
    this.#patience.handleBack(now);
  }

  handleLatency(ms: number): void {
    this.#latency.add(ms);
  }

  tell(problem: BackboneProblem): void {
    if (!WARNINGS.has(problem.code)) this.#problem = problem;
    const key = problem.code === "forbidden" ? problem.message : problem.code;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#handler.handleProblem(problem);
  }

  untell(): void {
    if (!this.#isMute) this.#problem = undefined;
    for (const code of this.#told) {
      const isLeft = WARNINGS.has(code) || code.startsWith("Cannot") || (code === "mute" && this.#isMute);
      if (!isLeft) this.#told.delete(code);
    }
  }
}

/** Told once for all; the others are over when all is well. */
const WARNINGS: ReadonlySet<string> = new Set(["small-payload", "too-large"]);
