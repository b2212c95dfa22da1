/**
 * Two brokers that are joined by NATS, beside a loop over the same client library that forwards without looking: what is confirmed a
 * second, what a message costs our process, and how long it takes to be heard elsewhere. Needs `nats-server`.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { PassiveMessageClient } from "../client.ts";
import { endAll, startCluster } from "../tests/support/nats_cluster.ts";
import { hasNatsServer, NatsServer } from "../tests/support/nats_server.ts";
import { Child } from "./child.ts";
import { type Figure, figure } from "./figure.ts";
import { cpuSeconds } from "./process_stats.ts";
import type { Effort } from "./rows.ts";
import { messageText } from "./wire.ts";

const CHILD = new URL("backbone_child.ts", import.meta.url).pathname;
const SIZE = 100;
/** With the order local nobody waits, so a flood needs a queue that holds it. */
const QUEUE = { local: { queue: { messages: 1_000_000 } }, stream: {} } as const;

/** What a child tells. */
interface Told {
  readonly receiveAddress: string;
  readonly heard: number;
  readonly confirmed: number;
  readonly latenciesMs: readonly number[];
}

function startChild(options: object): Child {
  return new Child(Deno.execPath(), ["run", "-A", "--no-prompt", CHILD, JSON.stringify(options)]);
}

interface Outcome {
  readonly rate: number;
  readonly cpuThere: number;
  readonly cpuHere: number;
}

/** Sends a flood into one site, and waits until all of it is confirmed and heard at the other. */
async function flood(a: Child, b: Child, address: string, count: number): Promise<Outcome> {
  await using sender = new PassiveMessageClient({
    serverReceive: address,
    sendQueue: { messages: count, bytes: 1 << 30 },
  });
  await sender.ready;
  const ask = async (child: Child) => await child.ask({ what: "counts" }) as Told;
  const [startA, startB] = [await ask(a), await ask(b)];
  const cpu = [cpuSeconds(a.pid), cpuSeconds(b.pid)];
  const start = performance.now();
  const text = messageText(SIZE);
  for (let i = 0; i < count; i++) sender.sendJsonMessage(text);
  for (let done = false; !done; await pause(20)) {
    const [atA, atB] = [await ask(a), await ask(b)];
    done = atA.confirmed - startA.confirmed >= count && atB.heard - startB.heard >= count;
    if (performance.now() - start > 60_000) throw new Error(`lost: ${JSON.stringify([atA, atB])}`);
  }
  const seconds = (performance.now() - start) / 1000;
  return {
    rate: count / seconds,
    cpuHere: 1e6 * (cpuSeconds(a.pid) - cpu[0]!) / count,
    cpuThere: 1e6 * (cpuSeconds(b.pid) - cpu[1]!) / count,
  };
}

/** One message at a time, 300 a second: milliseconds until it is heard at the other site. */
async function latency(b: Child, address: string, count: number): Promise<number> {
  await using sender = new PassiveMessageClient({ serverReceive: address });
  await sender.ready;
  await b.ask({ what: "reset" });
  for (let i = 0; i < count; i++) {
    sender.sendJsonMessage(JSON.stringify({ type: "stamp", at: performance.timeOrigin + performance.now() }));
    await pause(3);
  }
  await pause(100);
  const { latenciesMs } = await b.ask({ what: "counts" }) as Told;
  return latenciesMs.toSorted((x, y) => x - y)[latenciesMs.length >> 1] ?? NaN;
}

/** The library alone: one process publishes and flushes, another one counts. */
async function bare(server: string, count: number): Promise<{ readonly rate: number; readonly cpu: number }> {
  await using b = startChild({ role: "count", servers: server });
  await b.read();
  await using a = startChild({ role: "publish", servers: server, count, text: messageText(SIZE) });
  await a.read();
  const cpu = cpuSeconds(a.pid);
  const start = performance.now();
  await a.ask({ what: "go" });
  while ((await b.ask({ what: "counts" }) as Told).heard < count) await pause(20);
  const seconds = (performance.now() - start) / 1000;
  return { rate: count / seconds, cpu: 1e6 * (cpuSeconds(a.pid) - cpu) / count };
}

/** All rows. */
export async function measureBackbone({ rounds, isQuick }: Effort): Promise<Figure[]> {
  if (!hasNatsServer) return [];
  const count = isQuick ? 50_000 : 100_000;
  const figures: Figure[] = [];
  for (
    const [name, what, order, isCluster] of [
      ["backbone-stream", "two brokers, one order, one server", "stream", false],
      ["backbone-local", "two brokers, local first, one server", "local", false],
      ["backbone-stream-3", "two brokers, one order, three servers", "stream", true],
    ] as const
  ) {
    const servers = isCluster ? await startCluster() : [await NatsServer.start()];
    try {
      const urls = servers.map(({ url }) => url);
      const options = { role: "site", servers: urls, order, replicas: isCluster ? 3 : 1, ...QUEUE[order] };
      await using a = startChild({ ...options, site: "a" });
      const { receiveAddress } = await a.read() as Told;
      await using b = startChild({ ...options, site: "b" });
      await b.read();
      await flood(a, b, receiveAddress, Math.ceil(count / 4)); // The compiler has seen everything.
      const [ours, theirs]: [Outcome[], { rate: number; cpu: number }[]] = [[], []];
      const times: number[] = [];
      for (let round = 0; round < Math.min(rounds, 3); round++) {
        ours.push(await flood(a, b, receiveAddress, count));
        theirs.push(await bare(urls[0]!, count));
        times.push(await latency(b, receiveAddress, isQuick ? 100 : 300));
      }
      figures.push(
        figure({
          name,
          what: `${what}: confirmed, and heard there`,
          unit: "messages/s",
          ours: ours.map(({ rate }) => rate),
          peer: theirs.map(({ rate }) => rate),
          peerName: "bare loop",
          isMoreBetter: true,
        }),
        figure({
          name: `${name}-cpu`,
          what: `${what}: CPU of the sender's broker`,
          unit: "µs a message",
          ours: ours.map(({ cpuHere }) => cpuHere),
          peer: theirs.map(({ cpu }) => cpu),
          peerName: "bare loop",
          isMoreBetter: false,
          note: `at the other broker ${
            Math.max(...ours.map(({ cpuThere }) => cpuThere)).toFixed(1)
          } µs at most`,
        }),
        figure({
          name: `${name}-p50`,
          what: `${what}: until it is heard there`,
          unit: "ms",
          ours: times,
          isMoreBetter: false,
        }),
      );
    } finally {
      await endAll(servers);
    }
  }
  return figures;
}
