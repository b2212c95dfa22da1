/** Records a flood of numbered messages into a file, and prints the recorder's counters when it is asked for them. */
import { Archive } from "../../../archive/mod.ts";
import { feedOf, frames } from "./files.ts";

const [path, size] = Deno.args;
const archive = await Archive.open(path!);
const recorder = await archive.record({ maxWaitingBytes: 2 * 1024 * 1024 });
const feed = feedOf(recorder);
let n = 0;

/** Noise, which no compression makes smaller. */
function text(): string {
  const noise = crypto.getRandomValues(new Uint8Array(Number(size ?? 600))).toBase64();
  return `{"type":"a","n":${++n},"x":"${noise}"}`;
}

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).getReader();
let rest = "";
while (true) {
  const { value, done } = await lines.read();
  if (done) break;
  rest += value;
  for (let at; (at = rest.indexOf("\n")) >= 0; rest = rest.slice(at + 1)) {
    const [what, count] = rest.slice(0, at).split(" ");
    if (what === "add") {
      for (let i = 0; i < Number(count); i += 50) {
        const bytes = frames(...Array.from({ length: 50 }, text));
        feed.append(bytes, 0, bytes.length, 50, Date.now(), performance.now());
        await new Promise((resolve) => setTimeout(resolve));
      }
    }
    if (what === "delete") await archive.deleteSession(Number(count));
    if (what === "end") await archive.close();
    Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ ...recorder.stats(), n })}\n`));
  }
}
