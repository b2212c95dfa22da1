/**
 * Who may come in when: how often each address may connect, and how long a silent newcomer is waited for. Pure: time is a number of
 * milliseconds that is passed.
 *
 * @module
 */
import { type Rate, TokenBucket, TokenBuckets } from "../base/token_bucket.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./wire.ts";

/** Connections of one address, in tokens. All programs of a machine share the loopback. */
const LOOPBACK_RATE: Rate = { perSecond: 2000, burst: 4000 };
const RATE: Rate = { perSecond: 200, burst: 1000 };
/**
 * A handshake that fails costs so many more: a connection that is of no use costs us as much as one that is. Not where honest peers
 * have the same address: they would wait for half a minute for whoever is worse.
 */
const FAILURE_TOKENS = 10;
/** So many addresses are known at most. */
const MAX_KNOWN = 10_000;
/** Nobody has to wait longer for its turn; it is refused instead. */
const MAX_WAIT_MS = 30_000;

/** Whoever is silent for so long in the handshake, while others want to come in, has to give way: honest peers are faster. */
const PATIENCE_MS = 1000;
/** Whoever says a byte now and then has to be through after so many times as long. */
const SLOW_PATIENCE = 3;
/** The busiest moment is forgotten bit by bit, with each measurement. */
const FORGETTING = 0.98;

/** Is it this machine? */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/**
 * How often each address may connect. Above that nobody is refused, since that would only bring it back: it waits for its turn, the
 * first first. So a storm of reconnections costs those who make it, and whoever comes from the same address waits, but comes in.
 */
export class ConnectionRate {
  readonly #loopback = new TokenBuckets(LOOPBACK_RATE);
  readonly #known = new TokenBuckets(LOOPBACK_RATE);
  readonly #others = new TokenBuckets(RATE);
  /** Where peers came from whose keys were accepted; whoever was here last comes last. */
  readonly #knownAddresses = new Set<string>();

  /** A peer from there has proven a key that may join. From now on it is as good as this machine, whoever else comes from there. */
  know(hostname: string): void {
    this.#knownAddresses.delete(hostname);
    this.#knownAddresses.add(hostname);
    if (this.#knownAddresses.size <= MAX_KNOWN) return;
    const [oldest] = this.#knownAddresses;
    this.#knownAddresses.delete(oldest!);
  }

  /** A connection has come. Answers after how many milliseconds it is its turn; `Infinity` when too many wait already. */
  arrive(hostname: string, now: number): number {
    const bucket = this.#of(hostname, now);
    const { perSecond } = this.#isTrusted(hostname) ? LOOPBACK_RATE : RATE;
    const waitMs = Math.max(0, (1 - bucket.tokens(now)) / perSecond * 1000);
    if (waitMs > MAX_WAIT_MS) return Infinity;
    bucket.spend(1, now);
    return waitMs;
  }

  /** Its handshake has failed. */
  fail(hostname: string, now: number): void {
    if (!this.#isTrusted(hostname)) this.#of(hostname, now).spend(FAILURE_TOKENS, now);
  }

  #isTrusted(hostname: string): boolean {
    return isLoopback(hostname) || this.#knownAddresses.has(hostname);
  }

  #of(hostname: string, now: number): TokenBucket {
    const buckets = isLoopback(hostname)
      ? this.#loopback
      : this.#knownAddresses.has(hostname)
      ? this.#known
      : this.#others;
    return buckets.of(hostname, now);
  }
}

/**
 * How long newcomers are waited for while others want to come in. On a busy machine peers are slow, and so are we: how much too late
 * our own pauses end tells how busy it is. Who is given up too early only comes again, and nobody gets through.
 */
export class Patience {
  #slowness = 1;

  /** A pause of `ms` took that long. */
  measure(ms: number, took: number): void {
    this.#slowness = Math.max(1, this.#slowness * FORGETTING, took / ms);
  }

  /** May a peer be given up that connected at `since` and was heard last at `heardAt`? */
  isOver(since: number, heardAt: number, now: number): boolean {
    const ms = Math.min(PATIENCE_MS * this.#slowness, HANDSHAKE_TIMEOUT_MS);
    return now - heardAt >= ms || now - since >= SLOW_PATIENCE * ms;
  }
}

/** Subscriptions and cancellations of one connection, in tokens: all topics that it may have, twice, and then … */
const CHURN_RATE: Rate = { perSecond: 1000, burst: 20_000 };
/** … and of all connections of one address. */
const LOOPBACK_CHURN_RATE: Rate = { perSecond: 20_000, burst: 200_000 };
const ADDRESS_CHURN_RATE: Rate = { perSecond: 2000, burst: 40_000 };
/** Nobody is left unread for longer at a time: whoever shares the address of somebody worse still gets on. */
const MAX_REST_MS = 1000;

/** How often subscribers of each address may change what they want. Above that they are read more slowly. */
export class ChurnRate {
  readonly #loopback = new TokenBuckets(LOOPBACK_CHURN_RATE);
  readonly #others = new TokenBuckets(ADDRESS_CHURN_RATE);

  /** For one connection. Calls what it gets with the number of changes, which answers for how many milliseconds to read nothing. */
  connection(hostname: string, now: number): (changes: number, now: number) => number {
    const own = new TokenBucket(CHURN_RATE, now);
    const [others, { perSecond }] = isLoopback(hostname)
      ? [this.#loopback, LOOPBACK_CHURN_RATE]
      : [this.#others, ADDRESS_CHURN_RATE];
    return (changes, now) => {
      const shared = others.of(hostname, now);
      own.spend(changes, now);
      shared.spend(changes, now);
      const debtMs = Math.max(-own.tokens(now) / CHURN_RATE.perSecond, -shared.tokens(now) / perSecond) *
        1000;
      return Math.min(MAX_REST_MS, Math.max(0, debtMs));
    };
  }
}
