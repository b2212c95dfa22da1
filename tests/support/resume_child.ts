/**
 * A client as a process of its own, for tests that stop and kill it: `resume_child.ts OPTIONS`. It says "ready" when it is, answers
 * "report" with a line of JSON, and sends a numbered message for "send N". With `keep` it writes each number and the place behind it
 * to a file before it takes the next one.
 */
import { type ClientOptions, MessageClient } from "../../client.ts";

/** What it heard. */
export interface ResumeReport {
  /** Numbers that came without one missing: first and last. */
  readonly runs: readonly (readonly [first: number, last: number])[];
  /** Numbers that came twice or behind a later one. */
  readonly wrong: number;
  /** What each gap told. */
  readonly gaps: readonly (number | null)[];
  /** Their sum, as the client counts it. */
  readonly missed: number;
  /** Where it is. */
  readonly place: string | undefined;
}

const { keep, ...options } = JSON.parse(Deno.args[0]!) as ClientOptions & { keep?: string };
const runs: [number, number][] = [];
const gaps: (number | null)[] = [];
let wrong = 0;
await using client = new MessageClient({ ...options, reconnect: { minMs: 5, maxMs: 50 } });
const file = keep === undefined ? undefined : Deno.openSync(keep, { append: true, create: true });
const encoder = new TextEncoder();
client.addEventListener("gap", ({ missed }) => void gaps.push(missed));
client.addEventListener("message", ({ text }) => {
  const { n } = JSON.parse(text) as { n: number };
  const last = runs.at(-1);
  if (last !== undefined && n <= last[1]) wrong++;
  else if (last !== undefined && n === last[1] + 1) last[1] = n;
  else runs.push([n, n]);
  file?.writeSync(encoder.encode(`${n} ${client.place}\n`));
});
await client.ready;

const say = (value: unknown) => Deno.stdout.write(encoder.encode(`${JSON.stringify(value)}\n`));
await say("ready");
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const [word, number] = line.split(" ");
    if (word === "send") {
      client.sendMessage({ type: "n", n: Number(number) });
      await client.flush();
      await say("sent");
    } else {
      const report: ResumeReport = { runs, wrong, gaps, missed: client.stats().missed, place: client.place };
      await say(report);
    }
  }
}
file?.close();
