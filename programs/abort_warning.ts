/**
 * For programs only: keeps one warning of Deno's off their stderr.
 *
 * @module
 */

const WARNING = "Deno.serve: request.signal aborts on successful responses";

/**
 * Deno tells authors of handlers once per process that `request.signal` also fires after an answer, unless
 * `--unstable-no-legacy-abort` is given. Our handlers are right in both modes, and who only started a program can do nothing
 * about it. A library leaves the console alone; so this is called by programs.
 */
export function muteAbortWarning(): void {
  // deno-lint-ignore no-console -- it is what this is about
  const warn = console.warn;
  // deno-lint-ignore no-console -- it is what this is about
  console.warn = (...data: unknown[]) => {
    if (typeof data[0] !== "string" || !data[0].startsWith(WARNING)) warn(...data);
  };
}
