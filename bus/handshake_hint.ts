/**
 * What may be wrong at the other end when a handshake fails: the mistakes that people make, by their signs.
 *
 * @module
 */

/** A sign of a mistake, and what to say about it. The first that fits is taken. */
interface Sign {
  readonly code: string;
  /** Where the peer had dialled; left out for both. */
  readonly role?: "send" | "listen";
  /** What stands in the error's text. */
  readonly text?: RegExp;
  readonly hint: string;
}

const SIGNS: readonly Sign[] = [
  {
    code: "socket-type-mismatch",
    role: "send",
    text: /"X?SUB"/,
    hint: "a SUB at the receive address: are the two addresses swapped?",
  },
  {
    code: "socket-type-mismatch",
    role: "listen",
    text: /"PUSH"/,
    hint: "a PUSH at the broadcast address: are the two addresses swapped?",
  },
  {
    code: "socket-type-mismatch",
    hint:
      "programs of this bus send with PUSH to the receive address, and listen with SUB at the broadcast address",
  },
  {
    code: "mechanism-mismatch",
    text: /"NULL"/,
    hint: "it came without keys: it needs the broker's public key",
  },
  {
    code: "mechanism-mismatch",
    text: /"CURVE"/,
    hint: "it came with keys, which this broker does not have",
  },
  { code: "mechanism-mismatch", hint: "this bus knows keys (CURVE), and no passwords" },
  { code: "bad-greeting", text: /ZMTP [12]/, hint: "older than libzmq 4, JeroMQ 0.6 or what stands on them" },
  { code: "bad-greeting", text: /HTTP/, hint: "the web has an address of its own" },
  { code: "bad-greeting", hint: "no program of ZeroMQ" },
  { code: "bad-crypto", hint: "does it have the right public key of the broker?" },
  { code: "denied", hint: "its key is not among those that may join" },
  { code: "handshake-timeout", hint: "it connected and then kept silent" },
];

/** What a person should look at; empty where there is nothing to guess. */
export function handshakeHint(role: "send" | "listen", code: string, message: string): string {
  // The error knows better where it says so itself.
  const own = /in the middle of the handshake; (.*)$/.exec(message)?.[1];
  if (own !== undefined) return own;
  return SIGNS.find((sign) =>
    sign.code === code && (sign.role ?? role) === role && (sign.text?.test(message) ?? true)
  )?.hint ?? "";
}
