#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * The broker: everyone sends to its receive address, everyone listens at its broadcast address, and each message goes to
 * everyone.
 *
 * ```text
 *   applications ──PUSH──▶ receive address ─▶ MessageServer ─▶ broadcast address ──SUB──▶ applications
 * ```
 *
 * As a program: `deno run --allow-net=127.0.0.1 broker.ts`.
 *
 * @module
 */
export * from "./bus/server.ts";

if (import.meta.main) {
  const { runBroker } = await import("./programs/broker.ts");
  await runBroker();
}
