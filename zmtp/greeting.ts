/**
 * The 64 bytes that each side sends first, without waiting for the other (RFC 37 §2.2; bytes seen from libzmq 4.3.5).
 *
 * ```text
 *   0        1 … 8      9    10    11     12 … 31      32         33 … 63
 *   ff   padding(8)    7f    03    01    mechanism   as-server    filler
 * ```
 *
 * @module
 */
import { quote } from "../base/quote.ts";
import { ProtocolError } from "../base/errors.ts";
import { GREETING_SIZE, MAJOR, MECHANISM_SIZE, MINOR } from "./wire.ts";

const SIGNATURE_END = 9;
const MAJOR_AT = 10;
const MINOR_AT = 11;
const MECHANISM_AT = 12;
const AS_SERVER_AT = 32;

/** What a peer says in its greeting. */
export interface Greeting {
  /** Always 3: anything older is refused, anything newer talks our version. */
  readonly major: number;
  /** Minor version; 0 means that the peer takes subscriptions as messages, not as commands. */
  readonly minor: number;
  /** Name of the security mechanism: all 20 bytes but the trailing NULs. */
  readonly mechanism: string;
  /** Written for the RFC's sake; libzmq neither sets nor reads it, so nothing may depend on it. */
  readonly asServer: boolean;
}

/** Our greeting. */
export function encodeGreeting(mechanism: string, asServer = false): Uint8Array {
  const bytes = new Uint8Array(GREETING_SIZE);
  bytes[0] = 0xff;
  bytes[8] = 0x01; // libzmq puts the size of its identity + 1 here; nobody may read it
  bytes[SIGNATURE_END] = 0x7f;
  bytes[MAJOR_AT] = MAJOR;
  bytes[MINOR_AT] = MINOR;
  for (let i = 0; i < mechanism.length; i++) bytes[MECHANISM_AT + i] = mechanism.charCodeAt(i);
  bytes[AS_SERVER_AT] = asServer ? 1 : 0;
  return bytes;
}

/**
 * Looks at the first bytes of a connection as soon as they are there, so that a browser or a port scanner is turned away
 * with its first byte, not at the deadline.
 *
 * @throws {ProtocolError} `bad-greeting`: what it is instead, as far as can be told.
 */
export function checkGreetingStart(bytes: Uint8Array): void {
  if (bytes.length > 0 && bytes[0] !== 0xff) {
    throw new ProtocolError(
      "bad-greeting",
      `Cannot greet peer: it speaks ${guessProtocol(bytes)}, not ZMTP 3`,
    );
  }
  if (bytes.length > SIGNATURE_END && (bytes[SIGNATURE_END]! & 1) === 0) {
    throw new ProtocolError("bad-greeting", "Cannot greet peer: it speaks ZMTP 1.0, needs libzmq >= 4.0");
  }
  if (bytes.length > MAJOR_AT && bytes[MAJOR_AT]! < MAJOR) {
    const version = bytes[MAJOR_AT] === 1 ? "ZMTP 2.0" : `ZMTP revision ${bytes[MAJOR_AT]}`;
    throw new ProtocolError("bad-greeting", `Cannot greet peer: it speaks ${version}, needs libzmq >= 4.0`);
  }
}

/**
 * Reads a whole greeting. Padding and filler are never looked at: libzmq accepts anything there, too.
 *
 * @throws {ProtocolError} As {@linkcode checkGreetingStart}.
 */
export function parseGreeting(bytes: Uint8Array): Greeting {
  checkGreetingStart(bytes);
  let end = MECHANISM_AT + MECHANISM_SIZE;
  while (end > MECHANISM_AT && bytes[end - 1] === 0) end--;
  return {
    major: bytes[MAJOR_AT]!,
    minor: bytes[MAJOR_AT]! > MAJOR ? MINOR : bytes[MINOR_AT]!,
    mechanism: String.fromCharCode(...bytes.subarray(MECHANISM_AT, end)),
    asServer: bytes[AS_SERVER_AT] === 1,
  };
}

const OPENINGS: readonly (readonly [pattern: RegExp, protocol: string])[] = [
  [/^(GET|POST|HEAD|PUT|OPTI|DELE|PATC|CONN|PRI )/, "HTTP"],
  // deno-lint-ignore no-control-regex
  [/^\x16\x03/, "TLS"],
  [/^SSH-/, "SSH"],
  // deno-lint-ignore no-control-regex
  [/^\x01\x00/, "ZMTP 1.0"],
];

function guessProtocol(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  for (const [pattern, protocol] of OPENINGS) {
    if (pattern.test(start)) return `${protocol} (${printable(start)})`;
  }
  return printable(start);
}

/** Bytes as text for one line of a log: what does not print is escaped. */
export function printable(text: string): string {
  return quote(text, Infinity).replaceAll(
    /[\u00a0-\u00ff]/g,
    (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
  );
}
