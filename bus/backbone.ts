/**
 * The seam between a broker and what joins it with brokers elsewhere. The broker hands every message that it accepts to its
 * backbone, and the backbone says what is to be broadcast. A broker has one at most, and knows nothing of what is behind it.
 *
 * @module
 */

/** What joins a broker with brokers on other machines; `NatsBackbone` of `./backbone` is one. */
export interface Backbone {
  /**
   * Are accepted messages kept back now, until the backbone relays them in the order that all sites share? If not, the broker
   * broadcasts them at once.
   */
  readonly holds: boolean;
  /** Is there no room for more at the moment? */
  readonly isFull: boolean;
  /** The largest message that it can carry, in bytes, as far as that is known. */
  readonly maxBytes: number;
  /** The broker is there. Called once, before anything else. */
  attach(bus: BackboneBus): void;
  /**
   * Takes a message that the broker accepted; the bytes are only lent. Returns its number: 1, 2, 3 … Of a message that is too
   * large, or when there is no room, it counts what is to be counted and returns undefined: one that would have been held is then
   * lost, and its sender is told.
   */
  take(body: Uint8Array): number | undefined;
  /** What goes on, for people and metrics. */
  status(): BackboneStatus;
  /** Takes nothing more, gives what waits up to `lingerMs` to reach the others, and ends. */
  close(lingerMs: number): Promise<void>;
}

/** What a backbone may do with its broker. */
export interface BackboneBus {
  /** Bytes of a message at most. */
  readonly maxMessageBytes: number;
  /** Broadcasts messages, in this order. What is no message of the bus is refused and counted. Bytes are only lent. */
  relay(messages: readonly Relayed[]): void;
  /** Messages of ours that were held will never be broadcast. */
  drop(numbers: readonly number[]): void;
  /** From now on senders have to wait, or need not any more. */
  slow(isSlow: boolean): void;
}

/** A message that a backbone brings. */
export interface Relayed {
  /** Its body. */
  readonly body: Uint8Array;
  /** The number that {@linkcode Backbone.take} gave it; undefined for one from elsewhere. */
  readonly number?: number | undefined;
}

/** How a backbone fares. */
export type BackboneState =
  /** Not joined yet, and it has not been given up. */
  | "connecting"
  /** All is well. */
  | "joined"
  /** Away for a moment: what local people send waits. */
  | "holding"
  /** Alone: local people hear each other, nobody else hears them. */
  | "island"
  /** The server does not want us. */
  | "refused"
  /** Ended. */
  | "closed";

/** Another broker that is heard. */
export interface BackboneSite {
  /** What it calls itself; empty when it says nothing. */
  readonly name: string;
  /** Which of its lives. */
  readonly instance: string;
  /** Messages that came from it. */
  readonly messages: number;
  /** Messages of it that are missing here. */
  readonly missed: number;
  /** Milliseconds since it was heard last. */
  readonly silentMs: number;
}

/** What a backbone tells of itself. */
export interface BackboneStatus {
  /** How it fares. */
  readonly state: BackboneState;
  /** Are local messages broadcast without waiting for the others because these cannot be reached? */
  readonly isIsland: boolean;
  /** Milliseconds in this state. */
  readonly stateMs: number;
  /** The name of the bus that it joins. */
  readonly bus: string;
  /** `stream`: one order at all sites; `local`: local people first. */
  readonly order: "stream" | "local";
  /** What this broker calls itself. */
  readonly site: string;
  /** Its present life. */
  readonly instance: string;
  /** The server that it is connected to. */
  readonly server: string | undefined;
  /** What is wrong at the moment, in a sentence. */
  readonly problem: string | undefined;
  /** Who is heard, the latest first, 100 at most. */
  readonly sites: readonly BackboneSite[];
  /** Counters since the start. */
  readonly counts: Readonly<Record<string, number>>;
}
