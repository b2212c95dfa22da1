/**
 * Everything at once: libzmq's own sender at full speed, its own subscribers that read as fast as they can, with and without waiting
 * for them, and beside one that has stopped.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Child, nodeChild, startOurs } from "./child.ts";
import { type Figure, figure } from "./figure.ts";
import type { Effort } from "./rows.ts";
import { messageText } from "./wire.ts";

/** A subscriber's report. */
interface Heard {
  readonly heard: number;
  readonly seconds: number;
  readonly stallMs: number;
}

/** Time for subscriptions to arrive. */
const SETTLE_MS = 500;

/** One flood. Rate: messages a second of the slowest subscriber; lost: of all of them. */
interface Outcome {
  readonly rate: number;
  readonly lost: number;
  readonly stallMs: number;
}

async function flood(
  count: number,
  subscribers: number,
  slowestReader: number,
  stopped = 0,
): Promise<Outcome> {
  await using broker = await startOurs({ slowestReader });
  await using stack = new AsyncDisposableStack();
  const start = async (role: string, address: string) => {
    const child: Child = stack.use(
      await nodeChild("zmq_flood.mjs", [role, address, `${count}`, messageText(100)]),
    );
    await child.read();
    return child;
  };
  const listeners: Child[] = [];
  for (let i = 0; i < subscribers; i++) listeners.push(await start("listen", broker.broadcastAddress));
  const asleep: Child[] = [];
  for (let i = 0; i < stopped; i++) asleep.push(await start("listen", broker.broadcastAddress));
  const sender = await start("send", broker.receiveAddress);
  await pause(SETTLE_MS);
  for (const { pid } of asleep) Deno.kill(pid, "SIGSTOP");
  try {
    await sender.ask({});
    const heard = await Promise.all(listeners.map(async (child) => await child.read() as Heard));
    return {
      rate: Math.min(...heard.map(({ heard, seconds }) => heard / seconds)),
      lost: heard.reduce((sum, { heard }) => sum + count - heard, 0),
      stallMs: Math.max(...heard.map(({ stallMs }) => stallMs)),
    };
  } finally {
    for (const { pid } of asleep) Deno.kill(pid, "SIGCONT");
  }
}

/** The rows: rate with waiting beside that without, lost messages in the note. */
export async function measureFlood({ rounds, isQuick }: Effort): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [subscribers, count] of [[1, 1_000_000], [16, 100_000]] as const) {
    const [waiting, without]: Outcome[][] = [[], []];
    for (let round = 0; round < (isQuick ? 1 : Math.min(3, rounds)); round++) {
      waiting!.push(await flood(count, subscribers, 10_000));
      without!.push(await flood(count, subscribers, 0));
    }
    const lost = (outcomes: readonly Outcome[]) => outcomes.reduce((sum, { lost }) => sum + lost, 0);
    figures.push(figure({
      name: `flood-1to${subscribers}`,
      what: `${count.toLocaleString("en")} of 100 B at full speed to ${subscribers} reading, heard a second`,
      unit: "/s",
      ours: waiting!.map(({ rate }) => rate),
      peer: without!.map(({ rate }) => rate),
      peerName: "without waiting",
      isMoreBetter: true,
      note: `lost ${lost(waiting!)}, without waiting ${lost(without!)}`,
    }));
  }
  const beside = await flood(1_000_000, 1, 10_000, 1);
  const alone = await flood(1_000_000, 1, 10_000);
  figures.push(figure({
    name: "flood-beside-stopped",
    what: "1,000,000 of 100 B at full speed to 1 reading, beside one that has stopped",
    unit: "/s",
    ours: [beside.rate],
    peer: [alone.rate],
    peerName: "alone",
    isMoreBetter: true,
    note: `lost ${beside.lost}; longest silence ${Math.round(beside.stallMs)} ms, alone ${
      Math.round(alone.stallMs)
    }`,
  }));
  return figures;
}
