/**
 * Loads the native library, or says what keeps it from being loaded.
 *
 * @module
 */
// deno-lint-ignore no-import-prefix -- a remote module does not see our import map
import type * as zeromq from "npm:zeromq@6.8.0";
import { TransportError } from "../../base/errors.ts";

/** A computed specifier: a literal one is resolved, and downloaded, before anything of ours runs. */
const PACKAGE = ["npm:zeromq", "6.8.0"].join("@");

/** What zeromq.js throws. */
export type LibzmqError = Error & { readonly code?: string | undefined };

async function load(): Promise<typeof zeromq> {
  try {
    return await import(PACKAGE);
  } catch (cause) {
    throw explainLoad(cause instanceof Error ? cause : new Error(String(cause)));
  }
}

function explainLoad(cause: Error): TransportError {
  // The loader only prints that the sandbox kept it from a file; what it throws then says nothing.
  const isDenied = cause.message.includes("NotCapable") ||
    Deno.permissions.querySync({ name: "ffi" }).state !== "granted";
  if (isDenied) {
    return new TransportError(
      "permission-denied",
      "Cannot load libzmq: Deno's sandbox does not allow native code, run with --allow-ffi --allow-read, " +
        "or leave out the transport: our own engine needs neither",
      { cause },
    );
  }
  return new TransportError(
    "not-available",
    `Cannot load libzmq: ${PACKAGE} gave no library for ${Deno.build.target}; leave out the transport: ` +
      "our own engine runs wherever Deno does",
    { cause },
  );
}

/** libzmq's classes. Importing this rejects with {@linkcode TransportError} where they cannot be had. */
export const library: typeof zeromq = await load();
