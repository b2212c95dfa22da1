/**
 * What can stand between a backbone and the others, told once each, in words for whoever runs it.
 *
 * @module
 */
import { NotNatsError } from "./deno_transport.ts";

/** Something that somebody has to know or do. */
export class BackboneProblem extends Error {
  /** Always `"BackboneProblem"`. */
  override readonly name = "BackboneProblem";
  /** What it is. */
  readonly code:
    /** No server can be reached. It is tried again for ever. */
    | "unreachable"
    /** Whoever listens there does not answer as a NATS server does. */
    | "not-nats"
    /** The server does not know us, or not with these credentials. */
    | "refused"
    /** The certificate of the server is of an unknown authority, or for another name. */
    | "untrusted"
    /** Deno's sandbox does not allow connecting there. That is final. */
    | "permission-denied"
    /** The server has no JetStream, which the order `stream` needs. */
    | "no-jetstream"
    /** There is a stream of that name, and it is set up for something else. */
    | "stream-differs"
    /** We may not say something. */
    | "forbidden"
    /** We may say nothing at all, and listen. */
    | "mute"
    /** The servers take smaller messages than the broker does. */
    | "small-payload"
    /** A message was larger than the servers take. */
    | "too-large"
    /** The stream cannot be used for another reason. */
    | "stream-failed";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: BackboneProblem["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Is it no use to try again soon? */
  get isLasting(): boolean {
    return LASTING.has(this.code);
  }
}

const LASTING: ReadonlySet<string> = new Set([
  "refused",
  "no-jetstream",
  "stream-differs",
  "forbidden",
  "untrusted",
]);

/** Why a connection could not be made. */
export function explainDial(
  error: unknown,
  servers: readonly string[],
  refusedMs: number,
): BackboneProblem {
  const cause = error instanceof Error ? error : new Error(String(error));
  const where = servers.join(", ");
  const problem = (code: BackboneProblem["code"], message: string) =>
    new BackboneProblem(code, message, { cause });
  if (cause instanceof Deno.errors.NotCapable || cause instanceof Deno.errors.PermissionDenied) {
    const hosts = servers.map((server) => server.replace(/:\d+$/, "")).join(",");
    return problem(
      "permission-denied",
      `Cannot join the others at ${where}: the sandbox does not allow it; run with --allow-net=${hosts}`,
    );
  }
  if (/^(Authorization|UserAuthenticationExpired)Error$/.test(cause.name)) {
    return problem(
      "refused",
      `Cannot join the others at ${where}: the server does not accept who we say we are (${cause.message}); ` +
        `repair it here or there: it is read again, and tried, every ${refusedMs / 1000} seconds`,
    );
  }
  if (cause instanceof NotNatsError) {
    return problem("not-nats", `Cannot join the others at ${where}: ${cause.message}`);
  }
  if (/certificate|UnknownIssuer|handshake|tls/i.test(cause.message)) {
    return problem(
      "untrusted",
      `Cannot join the others at ${where}: the server's certificate cannot be trusted (${cause.message}); ` +
        "give its authority with --backbone-ca FILE",
    );
  }
  if (cause.name === "TimeoutError" || /said who it is/.test(cause.message)) {
    return problem(
      "not-nats",
      `Cannot join the others at ${where}: what listens there does not answer as NATS does`,
    );
  }
  return problem("unreachable", `Cannot join the others at ${where}: ${cause.message}`);
}
