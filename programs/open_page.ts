/**
 * `--open`: the live page in the browser of the person who started the broker, where the sandbox lets us start one.
 *
 * @module
 */
import { complain } from "./log.ts";

/** The command that opens an address with what the person likes to open it with. */
export function openCommand(): string {
  return Deno.build.os === "darwin" ? "open" : Deno.build.os === "windows" ? "explorer" : "xdg-open";
}

/** Opens it, or says what is missing. Never asks for a permission, and never stands in the way of the broker. */
export function openPage(url: string): void {
  const command = openCommand();
  if (Deno.permissions.querySync({ name: "run", command }).state !== "granted") {
    complain(`Cannot open the browser: run with --allow-run=${command}, or open ${url} yourself`);
    return;
  }
  try {
    const child = new Deno.Command(command, { args: [url], stdin: "null", stdout: "null", stderr: "null" })
      .spawn();
    child.unref();
    child.status.then(({ success, code }) => {
      if (!success && Deno.build.os !== "windows") tellFailure(command, `exit code ${code}`, url);
    });
  } catch (error) {
    tellFailure(command, error instanceof Error ? error.message : String(error), url);
  }
}

function tellFailure(command: string, why: string, url: string): void {
  complain(`Cannot open the browser: ${command}: ${why}; open ${url} yourself`);
}
