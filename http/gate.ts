/**
 * What all routes of one handler or gateway share. It does nothing itself: each part has a file of its own.
 *
 * @module
 */
import { TokenBuckets } from "../base/token_bucket.ts";
import type { BusPort } from "../bus/port.ts";
import { Bodies } from "./bodies.ts";
import { Counters, type HandlerStats } from "./counters.ts";
import { Exit } from "./exit.ts";
import { type Hub, hubOf } from "./hub.ts";
import { WebMemory } from "./memory.ts";
import { MemoryWatch } from "./memory_watch.ts";
import { type GatewayOptions, resolveOptions, type Settings } from "./options.ts";
import { Policy } from "./policy.ts";
import { Stop } from "./stop.ts";
import { Upgrades } from "./upgrades.ts";
import { WaitingRoom } from "./waiting.ts";

/**
 * What a gateway stands on: a `MessageServer` in the same process, which needs no socket for it and loses nothing on the way, or
 * a `PassiveMessageClient` of a broker elsewhere. Their messages may be of any kinds.
 */
export type GatewayBus = { readonly local: BusPort } | BusPort;

/** Unfinished WebSocket messages may use as much as this part of the budget. */
const UNFINISHED_PART = 1 / 2;

/** See the module. */
export class Gate {
  /** The options with their defaults. */
  readonly settings: Settings;
  /** Who may come in. */
  readonly policy: Policy;
  /** Everything that is counted. */
  readonly counters: Counters = new Counters();
  /** Has it been told to end? */
  readonly stop: Stop = new Stop();
  /** Shared with all other gates of the same bus. */
  readonly hub: Hub;
  /** Who waits. */
  readonly waiting: WaitingRoom;
  /** Bodies of requests under way. */
  readonly bodies: Bodies;
  /** What is held in memory for clients. */
  readonly memory: WebMemory;
  /** What Deno holds for WebSockets. */
  readonly memoryWatch: MemoryWatch;
  /** Large answers that are not read to their end. */
  readonly unread: Set<{ cut(reason: string): void }> = new Set();
  /** WebSockets that are not open yet. */
  readonly upgrades: Upgrades;
  /** How answers leave. */
  readonly exit: Exit;
  /** `undefined` when publishing is not limited. */
  readonly publishRate: TokenBuckets | undefined;

  constructor(bus: GatewayBus | null, options: GatewayOptions) {
    this.settings = resolveOptions(options);
    this.policy = new Policy(this.settings);
    this.hub = hubOf(portOf(bus));
    this.hub.addFanOutListener(this.counters.handleFanOut);
    this.waiting = new WaitingRoom(this.hub, this.counters, this.stop, this.settings.maxWaiters);
    this.bodies = new Bodies(this.settings.bodyTimeoutMs);
    this.memory = new WebMemory(this.settings.memoryBudgetBytes);
    this.memoryWatch = new MemoryWatch(
      this.memory.limitBytes * UNFINISHED_PART,
      () => ({ bytes: this.memory.socketBytes, clients: this.waiting.count + this.counters.lingering }),
      (cut, bytes) =>
        this.settings.log(
          `memory: Deno holds ${bytes} bytes for messages of WebSockets that are not complete, probably; ${cut} WebSockets were cut`,
        ),
    );
    this.upgrades = new Upgrades(this.settings.maxUpgrades, this.settings.openTimeoutMs);
    this.exit = new Exit(this.settings, this.policy, this.counters, this.stop);
    this.publishRate = this.settings.publishRate === undefined
      ? undefined
      : new TokenBuckets(this.settings.publishRate);
  }

  /** The counters as they are now. */
  stats(): HandlerStats {
    return {
      ...this.counters.snapshot(this.stop.hasBegun),
      memory: {
        usedBytes: this.memory.usedBytes,
        limitBytes: this.memory.limitBytes,
        cut: this.memoryWatch.cut,
      },
      upgrades: { underWay: this.upgrades.underWay, lost: this.upgrades.lost },
    };
  }

  /** Refuses what is new, sends home who waits, and resolves when nothing is left, or when the time is over; says which. */
  async close(lingerMs: number): Promise<boolean> {
    this.stop.begin();
    this.upgrades.end();
    this.waiting.sendHome(this, 1);
    const isIdle = await this.stop.idle(lingerMs);
    for (const answer of [...this.unread]) answer.cut("the gateway is stopping");
    this.hub.removeFanOutListener(this.counters.handleFanOut);
    return isIdle;
  }
}

function portOf(bus: GatewayBus | null): BusPort | undefined {
  if (bus === null) return undefined;
  return "local" in bus ? bus.local : bus;
}
