/**
 * What the operating system knows of a process (Linux: `/proc`).
 *
 * @module
 */

/** Ticks of a second in `/proc/PID/stat`: 100 on every Linux that Deno runs on. */
const TICKS = 100;

/** Seconds of CPU that a process has used so far, user and system, all its threads together; 0 where there is no `/proc`. */
export function cpuSeconds(pid: number): number {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name in parentheses may hold spaces; what follows it does not.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return 0;
  }
}

/** Bytes of memory that a process holds at the moment, and the most that it ever held. */
export function memoryBytes(pid: number): { readonly now: number; readonly peak: number } {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  const read = (name: string) => 1024 * Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1]);
  return { now: read("VmRSS"), peak: read("VmHWM") };
}

/** Keeps all threads of a process on one processor. Says whether that could be done: by `taskset`, which Linux has. */
export async function putOnProcessor(pid: number, processor: number): Promise<boolean> {
  const args = ["-acp", `${processor}`, `${pid}`];
  try {
    return (await new Deno.Command("taskset", { args, stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}
