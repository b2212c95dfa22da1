/**
 * A limit for the size of files (`ulimit -f`) ends a process that writes beyond it, unless it listens for that signal; then the write
 * fails, as with a full disk.
 *
 * @module
 */

let users = 0;
const ignore = () => {};

/** From now on such a limit is survived, until the function that it returns is called. */
export function survivesLimits(): () => void {
  if (Deno.build.os === "windows") return () => {};
  if (users++ === 0) Deno.addSignalListener("SIGXFSZ", ignore);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    if (--users === 0) Deno.removeSignalListener("SIGXFSZ", ignore);
  };
}
