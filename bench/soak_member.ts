/**
 * One application of the soak's house, as a process of its own: it sends, it hears everything, and it tells on its output how far it
 * is, a line of JSON each time. It stops sending when a line comes, and ends when its input ends.
 *
 * @module
 */
import { QueueFullError } from "../base/errors.ts";
import { PassiveMessageClient } from "../bus/passive_client.ts";

/** What it is told at its start. */
export interface MemberOptions {
  readonly serverBroadcast: string;
  readonly serverReceive: string;
  /** Left out where the broker has no keys. */
  readonly serverKey?: string;
  /** What it calls itself in its messages. */
  readonly name: string;
  /** Where it goes on. */
  readonly since: string;
  readonly perSecond: number;
}

/** How far it is. */
export interface MemberReport {
  /** Place of the last message that it heard or was told missing. */
  readonly place: string;
  readonly heard: number;
  readonly missed: number;
  /** Gaps of which nobody knows the size. */
  readonly unknown: number;
  /** Messages that came twice or out of their sender's order. */
  readonly wrong: number;
  /** Messages that it sent, and those of them that have not left. */
  readonly sent: number;
  readonly queued: number;
  readonly lost: number;
  /** Does it still send? */
  readonly isSending: boolean;
}

const REPORT_MS = 250;
const NUMBERED = /^\{"type":"soak","sender":"([^"]+)","number":(\d+)/;
const PAD = "x".repeat(200);

if (import.meta.main) {
  const { name, perSecond, serverKey, ...options }: MemberOptions = JSON.parse(Deno.args[0]!);
  const client = new PassiveMessageClient({
    ...options,
    ...(serverKey === undefined ? {} : { curve: { serverKey } }),
    name,
    heartbeatMs: 2000,
    history: { messages: 100, bytes: 1_000_000 },
    reconnect: { minMs: 20, maxMs: 500 },
  });
  let [heard, missed, unknown, wrong, sent, isSending] = [0, 0, 0, 0, 0, true];
  const last = new Map<string, number>();
  client.addEventListener("message", ({ text }) => {
    heard++;
    const [, sender, number] = NUMBERED.exec(text) ?? [];
    if (sender === undefined) return;
    if (Number(number) <= (last.get(sender) ?? 0)) wrong++;
    last.set(sender, Number(number));
  });
  client.addEventListener("gap", (gap) => {
    missed += gap.missed ?? 0;
    if (gap.missed === null) unknown++;
  });
  await client.ready;
  const encoder = new TextEncoder();
  const report = () => {
    const { queued, lost } = client.stats();
    const line: MemberReport = {
      place: client.place!,
      ...{ heard, missed, unknown, wrong, sent, queued, lost, isSending },
    };
    // Whole lines only: it may be stopped or killed at any time.
    Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(line)}\n`));
  };
  report();
  const reporting = setInterval(report, REPORT_MS);
  const sending = setInterval(() => {
    for (let i = 0; isSending && i < perSecond / 20; i++) {
      try {
        client.sendJsonMessage(`{"type":"soak","sender":"${name}","number":${sent + 1},"pad":"${PAD}"}`);
        sent++;
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
        return;
      }
    }
  }, 50);
  for await (const _ of Deno.stdin.readable) isSending = false;
  clearInterval(sending);
  clearInterval(reporting);
  await client.close();
}
