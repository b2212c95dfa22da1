/** Waits in tests: always for an event, never longer than a deadline. */
import { deadline as within } from "@std/async/deadline.js";
import type { ClientEvents } from "../../client.ts";
import type { MessageServerEvents } from "../../broker.ts";

/** Rejects when the promise has not settled in time; twenty seconds are plenty on a busy machine. */
export function soon<T>(promise: Promise<T>, what = "an event", ms = 20_000): Promise<T> {
  return within(promise, ms).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new Error(`Waited ${ms} ms in vain for ${what}`, { cause: error });
    }
    throw error;
  });
}

type Events = ClientEvents & Omit<MessageServerEvents, keyof ClientEvents>;

/** The next event of a broker or a client. */
export function nextEvent<K extends keyof Events>(
  target: EventTarget,
  type: K,
): Promise<Events[K]> {
  return soon(
    new Promise<Events[K]>((resolve) =>
      target.addEventListener(type, (event) => resolve(event as Events[K]), { once: true })
    ),
    `the event ${type}`,
  );
}

/** Polls a condition that no event tells of, such as a counter of another thread. */
export async function until(condition: () => boolean, what = "a condition", ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Waited ${ms} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
