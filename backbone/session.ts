/**
 * What both orders need of a connection: how it ends, how often something is tried, and what a session may do with its backbone.
 *
 * @module
 */
import type { Relayed } from "../bus/backbone.ts";
import type { NatsConnection, NatsLibrary, NatsMessage } from "./library.ts";
import type { BackboneSettings } from "./options.ts";
import type { BackboneProblem } from "./problem.ts";
import type { Receiver } from "./receiver.ts";
import type { SendQueue } from "./send_queue.ts";
import type { Subjects } from "./subject.ts";

/** Counters of what comes. */
export interface ReceiveCounts {
  foreign: number;
  ownBack: number;
  skippedOld: number;
  replayed: number;
  cut: number;
  consumers: number;
}

/** What of a stream is known beyond one connection. */
export interface StreamMemory {
  /** The stream's number of what was heard last; undefined before anything was. */
  lastSeq: number | undefined;
  /** When the stream was made: another time is another stream. */
  created: string | undefined;
  /** The stream's last number, as far as it is known. */
  endSeq: number;
  /** A consumer was made: what the site begins with has been asked for. */
  hasBegun: boolean;
  /** What is not newer is not passed on: it was there before we were. */
  learnUpTo: number;
  /** The highest number and the latest time that were heard: what is neither beyond the one nor the other was heard before. */
  highSeq: number;
  highTimeMs: number;
}

/** Nothing has come yet. */
export const noCounts = (): ReceiveCounts => ({
  foreign: 0,
  ownBack: 0,
  skippedOld: 0,
  replayed: 0,
  cut: 0,
  consumers: 0,
});

/** Nothing is known yet. */
export const unknownStream = (): StreamMemory => ({
  lastSeq: undefined,
  created: undefined,
  endSeq: 0,
  hasBegun: false,
  learnUpTo: 0,
  highSeq: 0,
  highTimeMs: 0,
});

/** What a session needs of the backbone. */
export interface SessionHost {
  readonly settings: BackboneSettings;
  readonly library: NatsLibrary;
  readonly subjects: Subjects;
  readonly queue: SendQueue;
  readonly receiver: Receiver;
  readonly counts: ReceiveCounts;
  readonly stream: StreamMemory;
  /** Subjects that we may not use. Emptied for each connection: permissions may have been given. */
  readonly forbidden: Set<string>;
  /** See {@linkcode SessionHost.mute}. */
  readonly isMute: boolean;
  /** How many connections there were before this one. */
  readonly connects: number;
  /** Broadcasts, soon and together. */
  deliver(message: Relayed): void;
  /** Messages of ours will never be broadcast. */
  drop(numbers: readonly number[]): void;
  /** A message of ours came back in its turn. */
  handleBack(now: number): void;
  /** So long it took NATS to confirm a message. */
  handleLatency(ms: number): void;
  /** How the session fares has changed. */
  look(): void;
  /** We may listen and not speak, as long as this connection lasts. */
  mute(): void;
  tell(problem: BackboneProblem): void;
  /** What was told is over. */
  untell(): void;
}

/** One connection, for as long as it lasts. */
export interface Session {
  /** Are we with the others: do we hear everything there is? */
  readonly isWell: boolean;
  /** Resolves when the connection is gone. */
  run(): Promise<void>;
  /** Sends what waits, as far as it may go. */
  pump(): void;
  /** Time has passed. */
  tick(now: number): void;
}

/**
 * Asks whether we may speak, before anybody says something: servers tell of permissions only when one is missed. No stream takes
 * this message, and brokers pass it over.
 */
export function probe(nc: NatsConnection, { lost }: Subjects): void {
  nc.publish(lost, NOTHING, { headers: { encode: () => PROBE } });
}

/** Is it what {@linkcode probe} sends? */
export function isProbe({ subject, data }: NatsMessage, { lost }: Subjects): boolean {
  return data.length === 0 && subject === lost;
}

const NOTHING = new Uint8Array(0);
const PROBE = new TextEncoder().encode("NATS/1.0\r\nNats-Expected-Stream: none\r\n\r\n");

/** Waits that end with the connection. */
export class Life {
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #isEnded = false;
  readonly #timers: Set<() => void> = new Set();

  constructor(nc: NatsConnection) {
    void nc.closed().then(() => this.end(), () => this.end());
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const stop of this.#timers) stop();
    this.#ended.resolve();
  }

  /** Resolves after that time, or when the connection is gone. */
  async pause(ms: number): Promise<void> {
    if (this.#isEnded) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#timers.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#timers.delete(resolve);
  }
}
