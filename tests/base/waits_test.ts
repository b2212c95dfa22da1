import assert from "node:assert/strict";
import { pause, unlessAborted, within } from "../../base/waits.ts";

const never = new Promise<never>(() => {});

Deno.test("pause() ends as soon as the signal is aborted", async () => {
  const stop = new AbortController();
  const paused = pause(1_000_000, stop.signal);
  stop.abort();
  await paused;
  await pause(1_000_000, stop.signal);
});

Deno.test("within() tells whether the promise resolved in time", async () => {
  assert.equal(await within(Promise.resolve(), 1_000_000), true);
  assert.equal(await within(never, 1), false);
});

Deno.test("within() rejects as the promise does, or with the signal's reason", async () => {
  await assert.rejects(within(Promise.reject(new Error("no")), 1_000_000), /no/);
  await assert.rejects(within(never, 1_000_000, AbortSignal.abort(new Error("stop"))), /stop/);
});

Deno.test("unlessAborted() is the promise's outcome until the signal is aborted", async () => {
  const stop = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(5), stop.signal), 5);
  const waiting = unlessAborted(never, stop.signal);
  stop.abort(new Error("stop"));
  await assert.rejects(waiting, /stop/);
});
