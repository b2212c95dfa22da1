/**
 * What a program with a client tells on stderr: a broker that is away or refuses it, and messages that are missing.
 *
 * @module
 */
import { ConnectionError, HandshakeError, ProtocolError } from "../base/errors.ts";
import type { PassiveMessageClient } from "../bus/clients.ts";
import { handshakeHint } from "../bus/handshake_hint.ts";
import type { GapReason } from "../bus/events.ts";
import { ProgramError } from "./command_line.ts";

/** Tells each new reason why the broker cannot be reached, once. What makes `ready` reject is told by whoever waits for that. */
export function tellTrouble(client: PassiveMessageClient, tell: (line: string) => void): void {
  let told = "";
  let isReady = false;
  client.ready.then(() => isReady = true, () => {});
  client.addEventListener("connect", () => told = "");
  client.addEventListener("error", ({ error, message }) => {
    if (!isReady && isHopeless(error)) return;
    if (message !== told) tell(`${message}${guess(error)}; trying again`);
    told = message;
  });
  client.addEventListener("disconnect", ({ reason }) => tell(`${reason?.message}; trying again`));
}

/** What listens there, where it is no broker. */
function guess(error: unknown): string {
  if (isRefused(error)) return "; is a broker running there?";
  if (!(error instanceof ProtocolError)) return "";
  const hint = handshakeHint("listen", error.code, error.message);
  return hint === "" ? "" : `: ${hint}`;
}

/** Nothing listens there. */
export function isRefused(error: unknown): boolean {
  return error instanceof ConnectionError && error.cause instanceof Deno.errors.ConnectionRefused;
}

/** Trying again is of no use when the sandbox forbids it or the broker refuses us. */
function isHopeless(error: unknown): boolean {
  return error instanceof HandshakeError ||
    (error instanceof ConnectionError && error.code === "permission-denied");
}

/** The error with what the person who typed the command can do, where it is the broker who refuses. */
export function withHint(error: unknown): unknown {
  if (!(error instanceof HandshakeError)) return error;
  return new ProgramError(`${error.message}; ${hintFor(error)}`, { cause: error });
}

function hintFor({ code, message }: HandshakeError): string {
  if (code === "mechanism-mismatch") return "give --server-key exactly when the broker has a public key";
  if (/ERROR "[345]00"/.test(message)) return "the broker does not allow your key, see --key-file";
  if (code === "crypto-unavailable") return "see docs/curve.md for a machine without a network";
  return "is this the broker's other address?"; // By far the most frequent reason: the two look alike.
}

const GAP_REASONS: Readonly<Record<GapReason, string>> = {
  expired: "the broker no longer holds them",
  slow: "this program was too slow for them",
  restarted: "the broker has begun a new life",
  disconnected: "the connection to a broker that does not number its messages was cut",
  refused: "what came is no message",
};

/** A hole in what came. */
export function gapText(missed: number | null, reason: GapReason): string {
  const what = missed === null
    ? "messages may be missing"
    : missed === 1
    ? "1 message is missing"
    : `${missed} messages are missing`;
  return `${what} here: ${GAP_REASONS[reason]}`;
}

/** Throws what ended a wait, where it is an error and no mere end. */
export function throwReason({ reason }: AbortSignal): void {
  if (reason instanceof Error && !(reason instanceof DOMException)) throw reason;
}
