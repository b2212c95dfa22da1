/**
 * Waiting, with an end.
 *
 * @module
 */

/** Resolves after the time, or as soon as the signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.resolve();
  const done = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", done);
    resolve();
  };
  const timer = setTimeout(done, ms);
  signal?.addEventListener("abort", done);
  return promise;
}

/** Did it resolve in time? Rejects as the promise does, or with the signal's reason as soon as that is aborted. */
export async function within(promise: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    const outcome = Promise.race([promise.then(() => true), late]);
    return signal === undefined ? await outcome : await unlessAborted(outcome, signal);
  } finally {
    clearTimeout(timer);
  }
}

/** The promise's outcome, or a rejection with the signal's reason as soon as that is aborted. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Calls back when everything that is due in this turn of the event loop is done; a microtask comes after each part of it. */
export function atTurnEnd(callback: () => void): void {
  setImmediate(callback);
}
