#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * The clients: they send to a broker's receive address and listen at its broadcast address.
 *
 * | class | for |
 * | --- | --- |
 * | {@linkcode MessageClient} | applications that talk to each other: its own messages do not come back to it |
 * | {@linkcode PassiveMessageClient} | whoever asks from time to time: it counts and remembers what came |
 * | {@linkcode GenericMessageClient} | an object with a method for messages: everything that comes is handed to it |
 *
 * As a program: `deno run --allow-net=127.0.0.1 client.ts listen|send|last`.
 *
 * @module
 */
export * from "./bus/clients.ts";

if (import.meta.main) {
  const { runClient } = await import("./programs/client.ts");
  await runClient();
}
