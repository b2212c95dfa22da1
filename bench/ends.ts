/**
 * Rows with libzmq's own C code at both ends, as most users have it: one sender at full speed, one subscriber that reads as fast as it can.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Broker, type Child, libzmqChild, startOurs, startProxy } from "./child.ts";
import { type Figure, figure } from "./figure.ts";
import { cpuSeconds } from "./process_stats.ts";
import type { Effort } from "./rows.ts";

/** Messages of a round, by their size: about half a second each. */
const LOADS: readonly (readonly [name: string, bytes: number, count: number])[] = [
  ["100B", 100, 800_000],
  ["1kB", 1000, 200_000],
  ["30kB", 30_000, 15_000],
  ["1MB", 1_000_000, 500],
];
/** Time for a subscription to arrive. */
const SETTLE_MS = 500;

/** A broker between the two. */
interface Line {
  readonly broker: Broker;
  readonly sender: Child;
  readonly listener: Child;
}

/** One round. */
interface Outcome {
  readonly rate: number;
  readonly cpuMicroseconds: number;
  readonly lost: number;
}

async function round({ broker, sender, listener }: Line, count: number): Promise<Outcome> {
  const before = cpuSeconds(broker.pid);
  const [heard] = await Promise.all([listener.ask({}), sender.ask({})]) as [
    { heard: number; seconds: number },
    unknown,
  ];
  return {
    rate: heard.heard / heard.seconds,
    cpuMicroseconds: 1e6 * (cpuSeconds(broker.pid) - before) / heard.heard,
    lost: count - heard.heard,
  };
}

async function measure(name: string, bytes: number, count: number, rounds: number): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const lines: Line[] = [];
  for (const start of [startOurs, startProxy]) {
    const broker = stack.use(await start());
    const [listener, sender] = [
      stack.use(libzmqChild("listen", broker.broadcastAddress, count, bytes)),
      stack.use(libzmqChild("send", broker.receiveAddress, count, bytes)),
    ];
    await Promise.all([listener.read(), sender.read()]);
    lines.push({ broker, sender, listener });
  }
  await pause(SETTLE_MS);
  const outcomes: Outcome[][] = [[], []];
  for (let n = -1; n < rounds; n++) {
    for (const i of n % 2 === 0 ? [0, 1] : [1, 0]) {
      const outcome = await round(lines[i]!, count);
      if (n >= 0) outcomes[i]!.push(outcome);
    }
  }
  const [ours, peer] = outcomes as [Outcome[], Outcome[]];
  const lost = (outcomes: readonly Outcome[]) => outcomes.reduce((sum, { lost }) => sum + lost, 0);
  const note = lost(ours) + lost(peer) === 0 ? "" : `ours lost ${lost(ours)}, the peer ${lost(peer)}`;
  return [
    figure({
      name: `libzmq-ends-${name}`,
      what: `${name}, libzmq's C code at both ends, heard`,
      unit: "/s",
      ours: ours.map(({ rate }) => rate),
      peer: peer.map(({ rate }) => rate),
      peerName: "zmq_proxy",
      isMoreBetter: true,
      note,
    }),
    figure({
      name: `libzmq-ends-${name}-cpu`,
      what: `${name}, libzmq's C code at both ends, CPU a message`,
      unit: " us",
      ours: ours.map(({ cpuMicroseconds }) => cpuMicroseconds),
      peer: peer.map(({ cpuMicroseconds }) => cpuMicroseconds),
      peerName: "zmq_proxy",
      isMoreBetter: false,
      note,
    }),
  ];
}

/** The rows; none where the machine has no libzmq of its own. */
export async function measureLibzmqEnds({ rounds, isQuick }: Effort): Promise<Figure[]> {
  if (!hasLibzmq()) return [];
  const figures: Figure[] = [];
  for (const [name, bytes, count] of LOADS) {
    figures.push(...await measure(name, bytes, isQuick ? count / 4 : count, isQuick ? rounds : rounds + 2));
  }
  return figures;
}

function hasLibzmq(): boolean {
  try {
    Deno.dlopen("libzmq.so.5", {}).close();
    return true;
  } catch {
    return false;
  }
}
