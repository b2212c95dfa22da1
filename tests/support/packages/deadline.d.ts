/** As in `@std/async`. */
export function deadline<T>(
  promise: Promise<T>,
  ms: number,
  options?: { signal?: AbortSignal },
): Promise<T>;
