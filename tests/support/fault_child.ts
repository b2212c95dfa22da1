/**
 * A sender or a subscriber as a process of its own, for tests that stop and kill it:
 * `fault_child.ts send ADDRESS NAME` and `fault_child.ts listen ADDRESS`. It says "ready" when it is, and answers each line of its
 * input with a line of JSON.
 */
import { GenericMessageClient, MessageClient } from "../../client.ts";
import { ConnectionError, QueueFullError } from "../../base/errors.ts";

/** What a sender says of itself. */
export interface SenderReport {
  /** Messages that its client took, numbered from 1. */
  readonly sent: number;
  /** Of these, those that the operating system took. */
  readonly written: number;
  /** Of these, those that were cut by the end of a connection. */
  readonly lost: number;
  /** At each connect, the number of the last message that went into a connection before. */
  readonly connects: readonly number[];
}

/** What a subscriber says of itself. */
export interface ListenerReport {
  /** Numbers that came from each sender without a gap: first and last. */
  readonly runs: Readonly<Record<string, readonly (readonly [first: number, last: number])[]>>;
  /** Messages that came twice or behind a later one. */
  readonly wrong: number;
}

const RECONNECT = { minMs: 5, maxMs: 50 };
/** A sender says so much at once … */
const PER_TURN = 5;
/** … with so many milliseconds between. */
const TURN_MS = 2;

async function send(address: string, name: string): Promise<void> {
  const client = new MessageClient({ serverReceive: address, reconnect: RECONNECT, lingerMs: 0 });
  const connects: number[] = [];
  const report = (): SenderReport => {
    const { sent, written, lost } = client.stats();
    return { sent, written, lost, connects };
  };
  client.addEventListener("connect", () => connects.push(report().written + report().lost));
  await client.ready;
  let number = 0;
  const flow = setInterval(() => {
    try {
      for (let i = 0; i < PER_TURN; i++) {
        client.sendMessage({ type: "n", name, number: number + 1 });
        number++;
      }
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
    }
  }, TURN_MS);
  await answer(async (line) => {
    if (line === "stop") {
      clearInterval(flow);
      // What was lost is in the report.
      await client.flush().catch((error) => {
        if (!(error instanceof ConnectionError)) throw error;
      });
    }
    return report();
  });
  clearInterval(flow);
  await client.close();
}

async function listen(address: string): Promise<void> {
  const runs: Record<string, [number, number][]> = {};
  let wrong = 0;
  const handleNewMessage = (message: { readonly type: string }) => {
    const { name, number } = message as unknown as { name: string; number: number };
    const known = runs[name] ??= [];
    const last = known.at(-1);
    if (last !== undefined && number <= last[1]) wrong++;
    else if (last !== undefined && number === last[1] + 1) last[1] = number;
    else known.push([number, number]);
  };
  const options = { serverBroadcast: address, reconnect: RECONNECT };
  await using client = new GenericMessageClient({ handleNewMessage }, options);
  await client.ready;
  await answer(() => Promise.resolve({ runs, wrong }));
}

async function answer(
  reply: (line: string) => Promise<SenderReport | ListenerReport>,
): Promise<void> {
  const encoder = new TextEncoder();
  const say = (value: unknown) => Deno.stdout.write(encoder.encode(`${JSON.stringify(value)}\n`));
  await say("ready");
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) await say(await reply(line));
  }
}

if (import.meta.main) {
  const [role, address, name] = Deno.args;
  await (role === "send" ? send(address!, name!) : listen(address!));
}
