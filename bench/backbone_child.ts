/**
 * A process of the backbone's bench: a site, or the client library alone that publishes or counts. Told and asked in lines of JSON.
 *
 * @module
 */
import { TextLineStream } from "./text_lines.ts";
import { MessageServer } from "../broker.ts";
import { NatsBackbone } from "../backbone/mod.ts";
import { loadLibrary } from "../backbone/library.ts";

const { role, text, count, ...options } = JSON.parse(Deno.args[0]!);

function say(line: object): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
}

async function asked(answer: (what: string) => object | Promise<object>): Promise<void> {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) say(await answer(JSON.parse(line).what));
}

if (role === "site") {
  const backbone = new NatsBackbone({ bus: "bench", ...options });
  const server = new MessageServer({ backbone });
  const heardBefore = server.feed.count;
  let latenciesMs: number[] = [];
  let position = server.feed.position;
  let isStamped = false;
  server.feed.listen(() => {
    // Only while times are measured: a flood is not looked at.
    if (!isStamped) return;
    while (position < server.feed.position) {
      const slice = server.feed.after(position);
      position = slice.position;
      const now = performance.timeOrigin + performance.now();
      for (const entry of slice.entries) {
        if (entry.type === "stamp") latenciesMs.push(now - JSON.parse(entry.text).at);
      }
    }
  });
  await backbone.ready;
  say({ receiveAddress: server.receiveAddress });
  await asked((what) => {
    if (what === "reset") {
      [latenciesMs, isStamped, position] = [[], true, server.feed.position];
    }
    const told = {
      heard: server.feed.count - heardBefore,
      confirmed: backbone.status().counts.confirmed,
      latenciesMs,
    };
    if (what === "counts") isStamped = false;
    return told;
  });
  await server.close();
} else {
  const library = await loadLibrary();
  const nc = await library.connect({ servers: options.servers });
  let heard = 0;
  if (role === "count") nc.subscribe("bare", { callback: () => void heard++ });
  await nc.flush();
  say({});
  await asked(async (what) => {
    if (what === "go") {
      const body = new TextEncoder().encode(text);
      for (let i = 1; i <= count; i++) {
        nc.publish("bare", body);
        if (i % 1000 === 0) await nc.flush();
      }
      await nc.flush();
    }
    return { heard };
  });
  await nc.close();
}
