/**
 * The backbone of a broker over NATS, as its owner sees it.
 *
 * @module
 */
import type { Backbone, BackboneBus, BackboneState, BackboneStatus } from "../bus/backbone.ts";
import { TypedEventTarget } from "../bus/events.ts";
import { Bridge } from "./bridge.ts";
import { type NatsBackboneOptions, readBackboneOptions } from "./options.ts";
import type { BackboneProblem } from "./problem.ts";

/** Something that somebody has to know or do. */
export class BackboneProblemEvent extends Event {
  /** What, in words and as `code`. */
  readonly problem: BackboneProblem;

  /** For the problem. */
  constructor(problem: BackboneProblem) {
    super("problem");
    this.problem = problem;
  }
}

/** The events of a {@linkcode NatsBackbone}. */
export interface BackboneEvents {
  /** With the others: for the first time, or again. */
  joined: Event;
  /** The others cannot be reached; with `stream` local messages wait. */
  away: Event;
  /** Local people do not wait for the others any more. */
  island: Event;
  /** Something is wrong; told once until it is over. */
  problem: BackboneProblemEvent;
}

/**
 * Joins one broker with all others on the same bus.
 *
 * - With the order `stream` every message goes through one stream of JetStream and is broadcast when it comes back from there: all
 *   sites see the same messages in the same order. When the others cannot be reached local messages wait for `holdMs`; then the site
 *   is an island: local people hear each other at once, and what they said reaches the others when NATS is back. Nothing of it is
 *   lost or heard twice, only this site has heard it in another order.
 * - With the order `local` local people never wait. The messages of each sender keep their order everywhere; those of different
 *   senders may come in different orders at different sites. What others say while this site is away is missed, and counted.
 * - It needs no care: it dials until it is closed, and the broker closes it.
 *
 * @example
 * ```ts ignore
 * import { MessageServer } from "../broker.ts";
 * import { NatsBackbone } from "./mod.ts";
 *
 * const backbone = new NatsBackbone({ servers: "nats://127.0.0.1:4222", bus: "lab" });
 * await using server = new MessageServer({ backbone });
 * ```
 */
export class NatsBackbone extends TypedEventTarget<BackboneEvents> implements Backbone {
  /**
   * Resolves when it is joined for the first time, or hears the others and may not speak; there is no need to wait for it. Rejects when it never can be: with
   * `TransportError` when the library cannot be loaded, with `BackboneProblem` when Deno's sandbox forbids it.
   */
  readonly ready: Promise<void>;
  readonly #bridge: Bridge;

  /**
   * Opens nothing: that begins when a broker takes it.
   *
   * @throws {OptionError} If an option has a value that it cannot have (`bad-option`).
   */
  constructor(options: NatsBackboneOptions) {
    super();
    this.#bridge = new Bridge(readBackboneOptions(options), {
      handleChange: (what) => void this.dispatchEvent(new Event(what)),
      handleProblem: (problem) => void this.dispatchEvent(new BackboneProblemEvent(problem)),
    });
    this.ready = this.#bridge.ready;
  }

  /** How it fares. */
  get state(): BackboneState {
    return this.#bridge.state;
  }

  /** See {@linkcode Backbone.holds}. */
  get holds(): boolean {
    return this.#bridge.holds;
  }

  /** See {@linkcode Backbone.isFull}. */
  get isFull(): boolean {
    return this.#bridge.isFull;
  }

  /** See {@linkcode Backbone.maxBytes}. */
  get maxBytes(): number {
    return this.#bridge.maxBytes;
  }

  /** For the broker. */
  attach(bus: BackboneBus): void {
    this.#bridge.attach(bus);
  }

  /** For the broker. */
  take(body: Uint8Array): number | undefined {
    return this.#bridge.take(body);
  }

  /** How it fares, who is heard, and the counters. */
  status(): BackboneStatus {
    return this.#bridge.status();
  }

  /** The broker calls it when it is closed. */
  close(lingerMs: number): Promise<void> {
    return this.#bridge.close(lingerMs);
  }
}
