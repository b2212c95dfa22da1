/**
 * `client.ts bench`: how fast a running broker is from here.
 *
 * @module
 */
import { PassiveMessageClient } from "../../bus/clients.ts";
import { QueueFullError } from "../../base/errors.ts";
import { unlessAborted, within } from "../../base/waits.ts";
import type { FlagValues } from "../arguments.ts";
import {
  BROADCAST_FLAG,
  KEY_FLAGS,
  keyOptions,
  needAddress,
  RECEIVE_FLAG,
  refuseRest,
} from "../client_flags.ts";
import type { Command } from "../command.ts";
import { durationFlag, integerFlag, ProgramError } from "../command_line.ts";
import { print } from "../log.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "[options]",
  flags: {
    broadcast: BROADCAST_FLAG,
    receive: RECEIVE_FLAG,
    rounds: { type: "string", value: "N", help: "round trips, one after the other; 1000 by default" },
    count: { type: "string", value: "N", help: "messages that are sent at full speed; 10000 by default" },
    size: { type: "string", value: "BYTES", help: "bytes of a message; 100 by default" },
    json: { type: "boolean", help: "print one line of JSON" },
    wait: {
      type: "string",
      value: "SECONDS",
      help: "how long to wait for the broker, and for a message; 5 by default",
    },
    ...KEY_FLAGS,
  },
  notes:
    `Everyone on the bus gets these messages, which have the type "bench", and the broker holds them in the place of
older ones. The few of the defaults are over in a second, and applications ignore types that they do not know. To
disturb nobody at all, start a broker for it: broker.ts --broadcast-port 0 --receive-port 0.`,
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<number> {
  refuseRest(rest);
  const serverBroadcast = needAddress(values, "broadcast");
  const serverReceive = needAddress(values, "receive");
  const rounds = integerFlag(values, "rounds", 1, 1_000_000) ?? 1000;
  const count = integerFlag(values, "count", 1, 100_000_000) ?? 10_000;
  const size = integerFlag(values, "size", MIN_SIZE, 16 * 1024 * 1024) ?? 100;
  const waitMs = durationFlag(values, "wait", "s", 1) ?? 5000;
  const keys = keyOptions(values);
  await using client = new PassiveMessageClient({
    ...{ name: "client.ts bench", serverBroadcast, serverReceive, ...keys },
    ...{ history: { messages: 0 }, lingerMs: 0 },
  });
  let trouble = "nobody answers";
  client.addEventListener("error", ({ message }) => trouble = message);
  const bench = new Bench(client, size, waitMs, stop.signal);
  try {
    if (!await within(client.ready, waitMs, stop.signal)) {
      throw new ProgramError(`Cannot measure: no broker within ${waitMs / 1000} s: ${trouble}`);
    }
    const trips = await bench.roundTrips(rounds);
    const flood = await bench.flood(count);
    const result = { rounds, count, size, ...trips, ...flood };
    if (values.json === true) print(JSON.stringify(result));
    else for (const line of described(result)) print(line);
    return flood.lost === 0 ? 0 : 1;
  } catch (error) {
    if (stop.signal.aborted) return stop.code;
    throw error;
  }
}

/** The results, in milliseconds, messages and seconds. */
interface Result {
  readonly rounds: number;
  readonly count: number;
  readonly size: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly perSecond: number;
  readonly lost: number;
}

/** Sends, and waits for what comes back. */
class Bench {
  readonly #client: PassiveMessageClient;
  readonly #size: number;
  readonly #waitMs: number;
  readonly #signal: AbortSignal;
  /** Ours among the messages of all others. */
  readonly #run: string = crypto.randomUUID().slice(0, 8);
  #heard = 0;
  #wanted = Infinity;
  #arrived: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(client: PassiveMessageClient, size: number, waitMs: number, signal: AbortSignal) {
    this.#client = client;
    this.#size = size;
    this.#waitMs = waitMs;
    this.#signal = signal;
    const mark = `"run":"${this.#run}"`;
    client.addEventListener("message", ({ text }) => {
      if (!text.startsWith(mark, MARK_AT)) return;
      if (++this.#heard === this.#wanted) this.#arrived.resolve();
    });
  }

  async roundTrips(rounds: number): Promise<Pick<Result, "medianMs" | "p99Ms" | "maxMs">> {
    const times: number[] = [];
    for (let n = 0; n < rounds; n++) {
      const start = performance.now();
      const arrived = this.#next(1);
      this.#client.sendJsonMessage(this.#text(n));
      if (!await within(arrived, this.#waitMs, this.#signal)) {
        throw new ProgramError(
          `Cannot measure: a message did not come back within ${
            this.#waitMs / 1000
          } s; are both addresses of the same broker?`,
        );
      }
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    const at = (part: number) => times[Math.min(rounds - 1, Math.floor(part * rounds))]!;
    return { medianMs: at(0.5), p99Ms: at(0.99), maxMs: times.at(-1)! };
  }

  async flood(count: number): Promise<Pick<Result, "perSecond" | "lost">> {
    const arrived = this.#next(count);
    const start = performance.now();
    for (let n = 0; n < count; n++) {
      try {
        this.#client.sendJsonMessage(this.#text(n));
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
        await this.#client.drained({ signal: this.#signal });
        n--;
      }
      this.#signal.throwIfAborted();
    }
    await unlessAborted(this.#client.flush(), this.#signal);
    // As long as something comes, the rest may come.
    let isThere = false;
    for (let before = -1; !isThere && this.#heard > before;) {
      before = this.#heard;
      isThere = await within(arrived, this.#waitMs, this.#signal);
    }
    const seconds = (performance.now() - start - (isThere ? 0 : this.#waitMs)) / 1000;
    return { perSecond: this.#heard / seconds, lost: count - this.#heard };
  }

  #next(messages: number): Promise<void> {
    this.#heard = 0;
    this.#wanted = messages;
    this.#arrived = Promise.withResolvers();
    return this.#arrived.promise;
  }

  #text(n: number): string {
    const head = `{"type":"bench","run":"${this.#run}","n":${n},"fill":"`;
    return `${head}${"x".repeat(Math.max(0, this.#size - head.length - 2))}"}`;
  }
}

const MARK_AT = '{"type":"bench",'.length;
/** What the members need. */
const MIN_SIZE = 64;

function described({ rounds, count, size, medianMs, p99Ms, maxMs, perSecond, lost }: Result): string[] {
  const whole = (value: number) => Math.round(value).toLocaleString("en-US");
  const ms = (value: number) => `${value.toPrecision(2)} ms`;
  const what = (messages: number) => `${whole(messages)} messages of ${whole(size)} bytes`;
  return [
    `${what(rounds)}, there and back one by one: half of them within ${ms(medianMs)}, 99 of 100 within ${
      ms(p99Ms)
    }, ` +
    `the slowest ${ms(maxMs)}`,
    `${what(count)} at full speed: ${whole(perSecond)} messages/s, ${
      (perSecond * size / 1e6).toPrecision(3)
    } MB/s, ` +
    `${whole(lost)} lost`,
  ];
}
