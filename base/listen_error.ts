/**
 * Why an address cannot be listened on, whoever was asked: Deno, or a library that names its errors as the system does.
 *
 * @module
 */
import { ListenError } from "./errors.ts";

/** What to make of a failed attempt; `where` is the address for people, `hostname` what the sandbox must allow. */
export function explainListen(cause: unknown, where: string, hostname: string): ListenError {
  const refuse = (code: ListenError["code"], why: string) =>
    new ListenError(code, `Cannot listen on ${where}: ${why}`, { cause });
  if (cause instanceof Deno.errors.NotCapable) {
    return refuse(
      "permission-denied",
      `Deno's sandbox does not allow it, run with --allow-net=${hostname}`,
    );
  }
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return refuse("address-in-use", "another program uses the port");
    case "EADDRNOTAVAIL":
    case "ENODEV":
      return refuse("address-not-available", "this machine has no such address");
    case "EACCES":
      return refuse("permission-denied", "the operating system does not allow it, try a port above 1023");
  }
  return refuse("listen-failed", cause instanceof Error ? cause.message : String(cause));
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}
