/**
 * The broker of the soak as a process of its own. It prints both addresses as a line of JSON, answers each line of its input
 * with its counters and its memory after a collection of garbage, and runs until its input ends. The one argument holds the
 * broker's options as JSON. Only with `--v8-flags=--expose-gc` it can collect.
 *
 * @module
 */
import { MessageServer, type MessageServerStats } from "../broker.ts";

/** What the broker knows of itself. */
export interface SoakReport {
  /** Its counters. */
  readonly stats: MessageServerStats;
  /** Bytes of live objects in V8's heap, after a collection of garbage. */
  readonly heapBytes: number;
  /** Bytes of array buffers, after a collection of garbage. */
  readonly bufferBytes: number;
}

if (import.meta.main) {
  const { gc } = globalThis as unknown as { gc?: () => void };
  const encoder = new TextEncoder();
  const say = async (value: unknown) => await Deno.stdout.write(encoder.encode(`${JSON.stringify(value)}\n`));
  const server = new MessageServer(JSON.parse(Deno.args[0] ?? "{}"));
  const { broadcastAddress, receiveAddress } = server;
  await say({ broadcastAddress, receiveAddress });
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (let i = 1; i < text.split("\n").length; i++) {
      gc?.();
      const { heapUsed: heapBytes, external: bufferBytes } = Deno.memoryUsage();
      const report: SoakReport = { stats: server.stats(), heapBytes, bufferBytes };
      await say(report);
    }
  }
  await server.close();
}
