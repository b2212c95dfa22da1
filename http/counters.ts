/**
 * What a handler counts: everything that comes, goes, waits, is refused or is lost.
 *
 * @module
 */
import type { ProblemCode } from "./problem.ts";

/** The ways in which a client can wait. */
export type WaitKind = "longpoll" | "history" | "confirm" | "sse" | "websocket";
/** The ways by which messages leave. */
export type Delivery = "poll" | "longpoll" | "history" | "sse" | "websocket";

/** Messages and their bytes. */
export interface Traffic {
  /** How many. */
  messages: number;
  /** Bytes of their texts, in UTF-16 units as far as they are not known in UTF-8. */
  bytes: number;
}

/** A picture of the counters. */
export interface HandlerStats {
  /** Requests answered or upgraded, by route and status, such as `"longpoll 200"`. */
  readonly requests: Readonly<Record<string, number>>;
  /** Refusals by problem code. */
  readonly refused: Readonly<Partial<Record<ProblemCode, number>>>;
  /** Who waits right now. */
  readonly waiting: Readonly<Record<WaitKind, number>>;
  /** Clients that left before their answer was there, by kind. */
  readonly gone: Readonly<Record<WaitKind, number>>;
  /** Messages taken over POST and WebSocket and given to the client. */
  readonly published: Readonly<Traffic>;
  /** Messages that went out, by the way they went. */
  readonly sent: Readonly<Record<Delivery, Readonly<Traffic>>>;
  /** Messages handed from socket to socket because there is no broker to send to. */
  readonly relayed: number;
  /** Readers that were cut because too much waited for them, or waited for too long. */
  readonly slowClientsCut: Readonly<Record<"sse" | "websocket" | "answer", number>>;
  /**
   * Bytes held for clients: bodies on their way, unread answers, queues; how many there may be; and how many WebSockets were cut
   * because messages that never became complete took too much.
   */
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number; readonly cut: number };
  /** WebSockets that are not open yet, and those that never will be: each of these has cost a descriptor. */
  readonly upgrades: { readonly underWay: number; readonly lost: number };
  /** Gaps that clients were told of, and how many messages they missed as far as that is known. */
  readonly gaps: { readonly told: number; readonly missed: number };
  /** Rounds of handing out messages to those who wait, and the time they took. */
  readonly fanOut: {
    /** How many. */
    readonly rounds: number;
    /** Sum of their times in seconds. */
    readonly seconds: number;
    /** Rounds that took at most the bound of the same index in {@linkcode FAN_OUT_BOUNDS}. */
    readonly buckets: readonly number[];
  };
  /**
   * WebSockets that were closed by us and whose reader has not taken that in. Deno cannot end them by force, so they count
   * towards `maxWaiters` until they are gone.
   */
  readonly lingering: number;
  /** How often {@linkcode serveGateway} began to listen again after a fault. */
  readonly listenRestarts: number;
  /** Is it stopping? */
  readonly isDraining: boolean;
}

/** Upper bounds of the fan-out histogram, in seconds. */
export const FAN_OUT_BOUNDS: readonly number[] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];

/** The counters of one handler or gateway. */
export class Counters {
  /** By route, then by status. */
  readonly #requests: Map<string, Uint32Array> = new Map();
  /** By problem code. */
  readonly refused: Map<ProblemCode, number> = new Map();
  /** By kind. */
  readonly waiting: Record<WaitKind, number> = { longpoll: 0, history: 0, confirm: 0, sse: 0, websocket: 0 };
  /** By kind. */
  readonly gone: Record<WaitKind, number> = { longpoll: 0, history: 0, confirm: 0, sse: 0, websocket: 0 };
  /** Given to the client. */
  readonly published: Traffic = { messages: 0, bytes: 0 };
  /** By the way they went. */
  readonly sent: Record<Delivery, Traffic> = {
    poll: { messages: 0, bytes: 0 },
    longpoll: { messages: 0, bytes: 0 },
    history: { messages: 0, bytes: 0 },
    sse: { messages: 0, bytes: 0 },
    websocket: { messages: 0, bytes: 0 },
  };
  /** From socket to socket. */
  relayed = 0;
  /** Closed by us, not gone yet. */
  lingering = 0;
  /** After a fault. */
  listenRestarts = 0;
  /** By the way they went. */
  readonly slowClientsCut: Record<"sse" | "websocket" | "answer", number> = {
    sse: 0,
    websocket: 0,
    answer: 0,
  };
  /** Told, and known to be missed. */
  readonly gaps: { told: number; missed: number } = { told: 0, missed: 0 };
  readonly #fanOut = { rounds: 0, seconds: 0, buckets: FAN_OUT_BOUNDS.map(() => 0) };

  /** Counts an answer. */
  countRequest(route: string, status: number): void {
    let counts = this.#requests.get(route);
    if (counts === undefined) this.#requests.set(route, counts = new Uint32Array(600));
    counts[status]! += 1;
  }

  /** Counts a refusal. */
  countRefused(code: ProblemCode): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
  }

  /** Counts messages that went out. */
  countSent(delivery: Delivery, messages: number, bytes: number): void {
    const traffic = this.sent[delivery];
    traffic.messages += messages;
    traffic.bytes += bytes;
  }

  /** Counts a gap; `null` when nobody knows how large it is, 0 is none. */
  countGap(missed: number | null): void {
    if (missed === 0) return;
    this.gaps.told += 1;
    this.gaps.missed += missed ?? 0;
  }

  /** Takes the time of one round. */
  readonly handleFanOut = (seconds: number): void => {
    this.#fanOut.rounds += 1;
    this.#fanOut.seconds += seconds;
    FAN_OUT_BOUNDS.forEach((bound, i) => {
      if (seconds <= bound) this.#fanOut.buckets[i]! += 1;
    });
  };

  /** A copy that does not change any more. */
  snapshot(isDraining: boolean): Omit<HandlerStats, "memory" | "upgrades"> {
    const requests = [...this.#requests].flatMap(([route, counts]) =>
      [...counts].flatMap((count, status) => count === 0 ? [] : [[`${route} ${status}`, count] as const])
    );
    return structuredClone({
      requests: Object.fromEntries(requests),
      refused: Object.fromEntries(this.refused),
      waiting: this.waiting,
      gone: this.gone,
      published: this.published,
      sent: this.sent,
      relayed: this.relayed,
      slowClientsCut: this.slowClientsCut,
      gaps: this.gaps,
      fanOut: this.#fanOut,
      lingering: this.lingering,
      listenRestarts: this.listenRestarts,
      isDraining,
    });
  }
}
