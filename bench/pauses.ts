/**
 * How long a message takes, and the longest that one ever took, while small and large messages pass, four subscribers hear all of them and
 * twenty web pages listen.
 *
 * @module
 */
import { type Broker, type Child, libzmqChild, startProgram, startProxy } from "./child.ts";
import { type Figure, figure } from "./figure.ts";
import type { Effort } from "./rows.ts";

const LISTENERS = 4;
const PAGES = 20;

interface Delays {
  readonly heard: number;
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** What a program that only sleeps had to wait for at longest meanwhile. */
  readonly idle: number;
}

/** The web side of our broker has readers too. */
async function openPages(
  broker: Broker & { readonly http?: string },
  stack: AsyncDisposableStack,
): Promise<void> {
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  for (let i = 0; i < PAGES; i++) {
    const { body } = await fetch(`${broker.http}/messages/stream`, { signal: stop.signal });
    void body!.pipeTo(new WritableStream()).catch(() => {});
  }
}

async function delays(
  start: () => Promise<Broker>,
  milliseconds: number,
  hasPages: boolean,
): Promise<Delays> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await start());
  const child = async (...args: readonly (string | number)[]): Promise<Child> => {
    const started = stack.use(libzmqChild(...args));
    await started.read();
    return started;
  };
  if (hasPages) await openPages(broker, stack);
  for (let i = 0; i < LISTENERS; i++) {
    const listener = await child("listen", broker.broadcastAddress, 1e9, 100);
    void listener.ask({}).catch(() => {});
  }
  const mix = await child("mix", broker.receiveAddress, milliseconds);
  const probe = await child("probe", broker.receiveAddress, broker.broadcastAddress, milliseconds);
  const idle = await child("idle", broker.receiveAddress, milliseconds);
  const [found, { longest }] = await Promise.all([probe.ask({}), idle.ask({}), mix.ask({})]) as [
    Delays,
    { longest: number },
    unknown,
  ];
  return { ...found, idle: longest };
}

/** The rows, in milliseconds. */
export async function measurePauses({ isQuick }: Effort): Promise<Figure[]> {
  const milliseconds = isQuick ? 6000 : 61_000;
  const ours = await delays(() => startProgram(["--http", "0"]), milliseconds, true);
  const peer = await delays(startProxy, milliseconds, false);
  return (["p50", "p99", "longest"] as const).map((name) =>
    figure({
      name: `mixed-load-${name}`,
      what:
        `${name} of a message a millisecond among 1.5 MB/s of small and large ones, ${LISTENERS} + ${PAGES} listening`,
      unit: " ms",
      ours: [ours[name]],
      peer: [peer[name]],
      peerName: `zmq_proxy with ${LISTENERS} listening`,
      isMoreBetter: false,
      note: `${ours.heard} and ${peer.heard} heard; a program that only slept waited for ${
        ours.idle.toFixed(1)
      } and ${peer.idle.toFixed(1)} ms at longest`,
    })
  );
}
