/**
 * Peers that mean no good, written in raw bytes.
 *
 * @module
 */
import { feedTopic } from "../../bus/feed_note.ts";
import {
  encodeCommand,
  encodePing,
  encodeReady,
  encodeSubscription,
  socketTypeMetadata,
} from "../../zmtp/command.ts";
import { encodeFrame, encodeTextFrame } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import type { Random } from "./random.ts";

/** Where the broker is. */
export interface Ports {
  readonly broadcast: number;
  readonly receive: number;
}

/** What it does over one connection; it reads in the background unless it is deaf. */
type Attack = (
  say: (bytes: Uint8Array) => Promise<void>,
  random: Random,
  pause: (ms: number) => Promise<void>,
) => Promise<void>;

const hello = (socketType: string, ...more: (readonly [string, Uint8Array])[]): Uint8Array[] => [
  encodeGreeting("NULL"),
  encodeReady([...socketTypeMetadata(socketType), ...more]),
];
const subscribe = (topic: Uint8Array) => encodeSubscription({ subscribe: true, topic });
const everything = new Uint8Array(0);
const encoder = new TextEncoder();

function noise(random: Random, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => random.int(256));
}

const ATTACKS: Record<
  string,
  { readonly at: keyof Ports | "any"; readonly isDeaf?: boolean; readonly run: Attack }
> = {
  garbage: { at: "any", run: (say, random) => say(noise(random, 1 + random.int(300))) },
  "garbage behind a handshake": {
    at: "any",
    run: async (say, random) => {
      for (const bytes of hello(random.pick(["SUB", "PUSH", "XSUB", "REQ"]))) await say(bytes);
      await say(noise(random, 1 + random.int(300)));
    },
  },
  silent: { at: "any", run: async (_say, random, pause) => await pause(random.int(5000)) },
  "half a greeting": {
    at: "any",
    run: async (say, random, pause) => {
      await say(encodeGreeting("NULL").subarray(0, random.int(64)));
      await pause(random.int(3000));
    },
  },
  deaf: {
    at: "broadcast",
    isDeaf: true,
    run: async (say, random, pause) => {
      for (const bytes of hello("SUB")) await say(bytes);
      await say(
        subscribe(random.chance(0.5) ? everything : feedTopic(random.chance(0.5) ? "earliest" : "now")),
      );
      await pause(20_000);
    },
  },
  "resume flood": {
    at: "broadcast",
    run: async (say, random, pause) => {
      for (const bytes of hello("SUB")) await say(bytes);
      for (let i = 0; i < 60; i++) {
        const topic = feedTopic(
          random.pick(["earliest", "now", { epoch: "abc", seq: random.int(1000) }] as const),
        );
        await say(subscribe(topic));
        if (random.chance(0.3)) await say(encodeSubscription({ subscribe: false, topic }));
        if (random.chance(0.2)) await say(encodePing(0, noise(random, random.int(17))));
        if (random.chance(0.2)) await pause(random.int(50));
      }
      await pause(random.int(2000));
    },
  },
  "strange topics": {
    at: "broadcast",
    run: async (say, random, pause) => {
      for (const bytes of hello("SUB")) await say(bytes);
      for (let i = 0; i < 40; i++) {
        const topic = random.chance(0.5)
          ? encoder.encode(`{"type":"${random.int(3)}`)
          : encoder.encode("\0feed/1 x");
        await say(encodeSubscription({ subscribe: random.chance(0.6), topic }));
      }
      await pause(random.int(3000));
    },
  },
  "bad messages": {
    at: "receive",
    run: async (say, random, pause) => {
      const link = encoder.encode(`${"h".repeat(20)} 1`);
      for (const bytes of random.chance(0.5) ? hello("PUSH", ["X-Link", link]) : hello("PUSH")) {
        await say(bytes);
      }
      for (let i = 0; i < 30; i++) {
        switch (random.int(6)) {
          case 0:
            await say(encodeTextFrame("no json"));
            break;
          case 1:
            await say(encodeTextFrame(`{"type":"hostile","i":${i}}`));
            break;
          case 2:
            await say(encodeFrame(encoder.encode("{}"), 1));
            await say(encodeTextFrame("{}"));
            break;
          case 3:
            await say(encodeTextFrame(`{"pad":"${"y".repeat(random.int(60_000))}"}`));
            break;
          case 4:
            await say(encodeTextFrame('\0feed/1 {"place":"abc.7","reason":"slow"}'));
            break;
          case 5:
            await say(
              encodeCommand(
                random.pick(["NOISE", "SUBSCRIBE", "PONG", "READY"]),
                noise(random, random.int(20)),
              ),
            );
        }
        if (random.chance(0.2)) await pause(random.int(100));
      }
    },
  },
  "an unfinished message": {
    at: "receive",
    run: async (say, random, pause) => {
      for (const bytes of hello("PUSH")) await say(bytes);
      const frame = encodeTextFrame(`{"pad":"${"z".repeat(random.int(20_000))}"}`);
      await say(frame.subarray(0, random.int(frame.length)));
      await pause(random.int(8000));
    },
  },
};

/** Goes on until `signal` is aborted. Runs in a process of its own. */
export async function attack(ports: Ports, random: Random, signal: AbortSignal): Promise<void> {
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  while (!signal.aborted) {
    const { at, isDeaf, run } = ATTACKS[random.pick(Object.keys(ATTACKS))]!;
    const port = ports[at === "any" ? random.pick(["broadcast", "receive"] as const) : at];
    try {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      if (isDeaf !== true) void listen(conn);
      const say = async (bytes: Uint8Array) => {
        for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
      };
      await run(say, random, pause);
    } catch {
      // The broker does not let everything happen to it.
    }
    await pause(random.int(500));
  }
}

async function listen(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    while (await conn.read(buffer) !== null);
  } catch {
    // It is over.
  }
}
