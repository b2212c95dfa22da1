/** npm:deno-std publishes the code of @std/async without its types; these are the ones that we use. */
declare module "@std/async/deadline.js" {
  export function deadline<T>(
    promise: Promise<T>,
    ms: number,
    options?: { signal?: AbortSignal },
  ): Promise<T>;
}
