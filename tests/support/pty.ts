/** Programs of ours on a terminal: a pseudo-terminal that a Python opens, of a known width. */
import { ROOT } from "./program.ts";
import { LineChild } from "./python.ts";

/** Starts what its arguments say on a terminal of so many columns, and copies what that shows and what is typed. */
const PTY = `
import fcntl, os, pty, select, struct, sys, termios
columns, command = int(sys.argv[1]), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(command[0], command)
inputs = [fd, 0]
while True:
    for ready in select.select(inputs, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b""
        if ready == fd and not data:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        elif ready == 0 and not data:
            inputs.remove(0)
        else:
            os.write(1 if ready == fd else fd, data.replace(b"\\r\\n", b"\\n") if ready == fd else data)
`;

/** A program of ours on a terminal; \`environment\` is all that it finds there beside the paths. */
export function onTerminal(
  python: string,
  columns: number,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  permissions: readonly string[] = ["--allow-net=127.0.0.1"],
): LineChild {
  const kept = ["PATH", "HOME", "DENO_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const set = Object.entries({ TERM: "xterm", ...environment }).map(([name, value]) => `${name}=${value}`);
  const [file, ...rest] = args;
  return new LineChild(python, [
    ...["-c", PTY, String(columns), "env", "-i", ...kept, ...set],
    ...[Deno.execPath(), "run", "--no-prompt", ...permissions, `${ROOT}${file}`, ...rest],
  ]);
}
