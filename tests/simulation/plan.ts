/**
 * What a seed makes of a world: who is in it, how they are connected, what befalls them and when. Parts of it can be left out, so that
 * a failure can be told with as little around it as it needs.
 *
 * @module
 */
import type { MessageServerOptions } from "../../broker.ts";
import type { Manners } from "./net.ts";
import { WAYS } from "./web.ts";
import type { World } from "./world.ts";

/** What may befall them. */
export const FAULTS = [
  "reset",
  "cut",
  "stall",
  "stop a client",
  "stop the broker",
  "kill a client",
  "kill the broker",
  "restart the broker",
  "refuse dials",
  "silent dials",
  "failing accepts",
  "clock jump",
  "pause",
  "kill the gateway",
  "slow disk",
  "full disk",
  "a Worker dies",
] as const;

/** What needs an archive. */
const OF_DISKS: readonly Fault[] = ["slow disk", "full disk", "a Worker dies"];

/** One of them. */
export type Fault = typeof FAULTS[number];

/** What ends even the connection of those whom nothing befalls. */
const UNFAIR: readonly Fault[] = [
  "stop the broker",
  "kill the broker",
  "restart the broker",
  "failing accepts",
  "pause",
];

/** Something befalls somebody. */
export interface Event {
  readonly number: number;
  readonly atMs: number;
  readonly fault: Fault;
}

/** One that takes part. */
export interface MemberPlan {
  readonly name: string;
  readonly isPassive: boolean;
  /** Nothing befalls it. */
  readonly isCalm: boolean;
  readonly manners: Manners;
  readonly heartbeatMs: number;
  readonly joinsAtMs: number;
}

/**
 * Parts that are left out: `hostile`, `plain`, `web`, `archive`, `curve`, `speech`, `flood`, `acts`, `large`, `member=2`, `visitor=0`,
 * `fault=reset`, `events=3,17` (all others), `until=4000`.
 */
export type Cut = ReadonlySet<string>;

/** Slower than senders, and faster than the slowest reader that is waited for. */
const STEADY: Manners = { latencyMs: [0.5, 1], capacity: 65_536, pieces: "any", readPauseMs: 0 };
/** Whoever is connected like this loses nothing by its own fault. */
export const CALM: Manners = { latencyMs: [0.05, 0.2], capacity: 1_000_000, pieces: "any", readPauseMs: 0 };
/** Of a text beside its padding. */
export const TEXT_BYTES = 80;
/** A quarter of it and one read of 256 KiB fit in, so that senders can be made to wait before it is full. */
export const ENOUGH_BYTES = 1_500_000;

/** See the module. */
export class Plan {
  readonly options: Omit<MessageServerOptions, "broadcastPort" | "receivePort" | "curve">;
  readonly members: readonly MemberPlan[];
  readonly hostile: number;
  readonly plain: readonly { readonly name: string; readonly manners: Manners; readonly joinsAtMs: number }[];
  readonly hasCurve: boolean;
  /** Where the gateway is: in the broker's process, in one of its own, or nowhere. */
  readonly gateway: "inside" | "beside" | "none";
  /** Does the broker record? */
  readonly hasArchive: boolean;
  readonly visitors: readonly { readonly way: typeof WAYS[number]; readonly isSlow: boolean }[];
  readonly faults: readonly Fault[];
  readonly events: readonly Event[];
  readonly maxMessageBytes: number;
  readonly sizes: readonly number[];
  readonly busyness: number;
  readonly durationMs: number;
  readonly room: "much" | "enough" | "little";
  readonly floodAtMs: number | undefined;
  readonly speaks: boolean;
  readonly acts: boolean;

  constructor(world: World, cut: Cut) {
    const random = world.stream("plan");
    const hasHeartbeats = random.chance(0.7);
    const wanted = FAULTS.filter(() => random.chance(0.4));
    this.maxMessageBytes = random.pick([400, 2000, 20_000]);
    const large = random.int(this.maxMessageBytes - TEXT_BYTES);
    this.sizes = cut.has("large") ? [0] : [0, 20, large];
    this.busyness = random.pick([1, 3, 10, 40]);
    const durationMs = random.between(3000, 25_000);
    this.durationMs = Math.min(durationMs, numberOf(cut, "until") ?? durationMs);
    const faultEveryMs = random.pick([100, 400, 1500, 4000]);
    this.room = random.pick(["much", "enough", "little", "little"]);
    const bytes = (least: number) => this.maxMessageBytes + 9 + random.int(least);
    this.options = {
      maxMessageBytes: this.maxMessageBytes,
      heartbeatMs: hasHeartbeats ? random.pick([300, 1000, 2000]) : 0,
      handshakeTimeoutMs: 2000,
      messageTimeoutMs: random.pick([1000, 5000]),
      slowestReader: random.pick([0, 1000, 10_000]),
      lingerMs: random.pick([0, 200, 1000]),
      ...(this.room === "much" ? {} : this.room === "enough" ? { history: { bytes: ENOUGH_BYTES } } : {
        subscriberQueue: { messages: random.pick([1, 8, 60, 1000]), bytes: bytes(100_000) },
        history: {
          messages: random.pick([0, 1, 10, 200, 5000]),
          bytes: random.pick([0, bytes(1000), bytes(200_000)]),
          maxAgeMs: random.pick([0, 0, 50, 2000]),
        },
        memoryBudgetBytes: random.pick([2 ** 30, Math.max(400_000, 4 * this.maxMessageBytes)]),
      }),
    };
    const web = world.stream("plan of the web");
    const gateway = web.pick(["none", "inside", "inside", "beside"] as const);
    this.gateway = cut.has("web") ? "none" : gateway;
    this.visitors = Array.from(
      { length: this.gateway === "none" ? 0 : 1 + web.int(4) },
      () => ({ way: web.pick(WAYS), isSlow: web.chance(0.3) }),
    );
    this.hasCurve = web.chance(0.3) && !cut.has("curve");
    this.hasArchive = web.chance(0.4) && !cut.has("archive");
    const possible = wanted.filter((fault) =>
      // Without heartbeats nobody can know that a peer is no more.
      (hasHeartbeats || fault !== "cut") && (fault !== "kill the gateway" || this.gateway === "beside") &&
      (this.hasArchive || !OF_DISKS.includes(fault))
    );
    this.faults = possible.filter((fault) => !cut.has(`fault=${fault}`));
    const members: MemberPlan[] = [];
    const count = 2 + random.int(5);
    for (let i = 0; i < count; i++) {
      const member = world.stream(`plan of member ${i}`);
      const isCalm = member.chance(0.3);
      members.push({
        name: `${isCalm ? "calm" : "client"}-${i}`,
        isPassive: member.chance(0.4),
        isCalm,
        manners: isCalm ? (member.chance(0.5) ? CALM : STEADY) : this.#makeManners(world, `member ${i}`),
        heartbeatMs: hasHeartbeats ? member.pick([300, 1000, 2000]) : 0,
        joinsAtMs: member.chance(0.7) ? 0 : member.int(3000),
      });
    }
    this.members = members.filter((_, i) => !cut.has(`member=${i}`));
    const others = world.stream("plan of others");
    const hostile = others.chance(0.4) ? 1 + others.int(4) : 0;
    this.hostile = cut.has("hostile") ? 0 : hostile;
    const plain = Array.from({ length: others.int(3) }, (_, i) => ({
      name: `plain-${i}`,
      manners: this.isFair && others.chance(0.5) ? CALM : this.#makeManners(world, `plain ${i}`),
      joinsAtMs: others.int(1000),
    }));
    this.plain = cut.has("plain") ? [] : plain;
    const floods = others.chance(0.5);
    const floodAtMs = others.between(2000, durationMs);
    const hasRoom = this.isFair && this.room === "enough";
    this.floodAtMs = hasRoom && floods && !cut.has("flood") ? floodAtMs : undefined;
    this.speaks = !cut.has("speech");
    this.acts = !cut.has("acts");
    this.events = this.#makeEvents(world, faultEveryMs, possible, cut);
  }

  /** Is there room for what those who keep the pace have to hear, and nothing that ends their connections? */
  get isFair(): boolean {
    if (this.room === "little" || this.options.slowestReader === 0) return false;
    return !UNFAIR.some((fault) => this.faults.includes(fault));
  }

  #makeEvents(world: World, everyMs: number, possible: readonly Fault[], cut: Cut): readonly Event[] {
    const random = world.stream("plan of events");
    const kept = [...cut].find((part) => part.startsWith("events="))?.slice(7).split(",").map(Number);
    const events: Event[] = [];
    let [atMs, number] = [0, 0];
    while ((atMs += random.between(0, 2 * everyMs)) < this.durationMs && possible.length > 0) {
      const fault = random.pick(possible);
      number++;
      if (this.faults.includes(fault) && kept?.includes(number) !== false) {
        events.push({ number, atMs, fault });
      }
    }
    return events;
  }

  #makeManners(world: World, name: string): Manners {
    const random = world.stream(`manners of ${name}`);
    const min = random.pick([0, 0.1, 2]);
    return {
      latencyMs: [min, min + random.pick([0.1, 3, 60])],
      capacity: Math.max(this.maxMessageBytes >> 4, random.pick([200, 4000, 65_536, 1_000_000])),
      pieces: random.pick(["whole", "any", "any", this.maxMessageBytes > 2000 ? "any" : "tiny"]),
      readPauseMs: random.pick([0, 0, 0, 1, 20, 300]),
    };
  }
}

function numberOf(cut: Cut, name: string): number | undefined {
  const part = [...cut].find((part) => part.startsWith(`${name}=`));
  return part === undefined ? undefined : Number(part.slice(name.length + 1));
}
