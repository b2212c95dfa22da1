/**
 * Errors as RFC 9457 problem details. The original answered with HTML that no program could read, so the form is ours to choose.
 *
 * @module
 */

/** What went wrong; part of the API. The status and the title of each are in {@linkcode PROBLEMS}. */
export type ProblemCode =
  | "missing-message"
  | "invalid-json"
  | "bad-parameter"
  | "bad-host"
  | "bad-upgrade"
  | "unauthorized"
  | "host-not-allowed"
  | "origin-not-allowed"
  | "cross-site"
  | "not-found"
  | "method-not-allowed"
  | "request-timeout"
  | "cursor-expired"
  | "too-large"
  | "unsupported-media-type"
  | "not-an-object"
  | "upgrade-required"
  | "too-many-requests"
  | "internal-error"
  | "broker-unavailable"
  | "queue-full"
  | "too-many-waiters"
  | "too-many-upgrades"
  | "memory-short"
  | "shutting-down"
  | "bad-body"
  | "no-archive"
  | "no-session"
  | "no-entry"
  | "no-replay"
  | "not-recording"
  | "running"
  | "archive-read-only"
  | "archive-damaged"
  | "archive-unavailable"
  | "archive-full";

/** Status, title and advice of every problem. The advice is what `GET /problems/<code>` answers. */
export const PROBLEMS: Readonly<
  Record<ProblemCode, readonly [status: number, title: string, advice: string]>
> = {
  "missing-message": [
    400,
    "The request holds no message",
    "Send a form field `message`, or JSON as the body.",
  ],
  "invalid-json": [
    400,
    "The message is not JSON in UTF-8",
    "Check the text with a JSON parser before sending it.",
  ],
  "bad-parameter": [
    400,
    "A query parameter has a value that it cannot have",
    "See /openapi.json for what it may be.",
  ],
  "bad-host": [400, "The Host header is malformed", "Send `Host: name` or `Host: name:port`."],
  "bad-upgrade": [400, "The WebSocket handshake is malformed", "Use a WebSocket client of version 13."],
  "unauthorized": [
    401,
    "A token is needed",
    "Send `Authorization: Bearer <token>`; for a WebSocket the second subprotocol `bearer.<base64url of the token>`; " +
    "for an EventSource the query parameter `access_token`.",
  ],
  "host-not-allowed": [
    403,
    "This gateway does not answer to that host name",
    "Start the gateway with `--allow-host` and the name, or add it to the option `allowedHosts`. It is refused so that a foreign page cannot reach the gateway " +
    "through a name of its own that leads to this machine.",
  ],
  "origin-not-allowed": [
    403,
    "Pages of that origin may not use this gateway",
    "Start the gateway with `--allow-origin` and the origin, or add it to the option `allowedOrigins`, or send a bearer token.",
  ],
  "cross-site": [
    403,
    "Requests that another site causes are refused",
    "Start the gateway with `--allow-origin` and the site's origin, or add it to the option `allowedOrigins`, or send a bearer " +
    "token.",
  ],
  "not-found": [404, "There is nothing at this path", "See /openapi.json for the paths."],
  "method-not-allowed": [405, "This path does not have that method", "See the Allow header."],
  "request-timeout": [408, "The body did not arrive in time", "Send the body without a pause."],
  "cursor-expired": [
    410,
    "Messages after this cursor cannot be had",
    "Go on with `since=earliest` or with the cursor in `latest`, knowing that messages are missing.",
  ],
  "too-large": [
    413,
    "The body is too large",
    "Send less at once, or raise `--max-body`, in code the option `maxBodyBytes`.",
  ],
  "unsupported-media-type": [415, "This content type is not understood", "See the Accept-Post header."],
  "not-an-object": [
    422,
    "The message is JSON but no object",
    "A message is a JSON object, usually with a `type`.",
  ],
  "upgrade-required": [426, "This path is for WebSockets", "Open it with a WebSocket client."],
  "too-many-requests": [429, "Too many messages from this address", "Wait as long as Retry-After says."],
  "internal-error": [500, "The gateway made a mistake", "Please report it; the gateway's log says more."],
  "broker-unavailable": [503, "The broker is not connected", "Try again; nothing was sent."],
  "queue-full": [
    503,
    "Too much waits for the broker already",
    "Try again, with fewer messages at once; nothing was sent.",
  ],
  "too-many-waiters": [
    503,
    "Too many clients are waiting",
    "Try again later, or raise `--max-waiters`, in code the option `maxWaiters`.",
  ],
  "too-many-upgrades": [
    503,
    "Too many WebSockets are being opened",
    "Try again later, or use the event stream. Where WebSockets that were broken off take all places, which the text says, only a " +
    "new start of the gateway frees them; in code the option `maxUpgrades` says how many there may be.",
  ],
  "memory-short": [
    503,
    "The gateway holds too much for its clients already",
    "Try again later, send or ask for less at once, or raise in code the option `memoryBudgetBytes`.",
  ],
  "shutting-down": [503, "The gateway is stopping", "Try again; it may be back soon."],
  "bad-body": [
    400,
    "The body is not what this path takes",
    "Send a JSON object; see /openapi.json for what may be in it.",
  ],
  "no-archive": [404, "This gateway has no archive", "Start it with `--archive FILE`."],
  "no-session": [404, "The archive has no such session", "See /sessions for those it has."],
  "no-entry": [404, "The session has no such message, event, note or picture", "See its events and notes."],
  "no-replay": [404, "No replay goes on", "Begin one with a POST to /replay."],
  "not-recording": [
    409,
    "Nothing is being recorded",
    "Start a broker or a gateway with `--archive FILE`, or record by `client.ts record`.",
  ],
  "running": [
    409,
    "That cannot be done while the session is recorded, or while a replay goes on",
    "Begin another session with a POST to /sessions, or end the replay with a DELETE of /replay.",
  ],
  "archive-read-only": [
    403,
    "The archive may not be changed",
    "Start the gateway with `--allow-write` for the file as well.",
  ],
  "archive-damaged": [
    500,
    "Part of the archive is not what was written",
    "`client.ts check FILE` says which part, and can save the rest.",
  ],
  "archive-unavailable": [503, "The archive cannot be used at the moment", "Try again; its log says more."],
  "archive-full": [507, "There is no room for more", "Delete sessions, or make room on the disk."],
};

/** What a {@linkcode Problem} may carry besides its text. */
export interface ProblemOptions {
  /** Further members of the body. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Further headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown anywhere while a request is handled; becomes the answer. */
export class Problem extends Error {
  override readonly name = "Problem";
  /** What went wrong. */
  readonly code: ProblemCode;
  /** Further members of the body. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Further headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;
  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(detail);
    this.code = code;
    this.fields = options.fields ?? {};
    this.headers = options.headers ?? {};
  }

  /** The HTTP status. */
  get status(): number {
    return PROBLEMS[this.code][0];
  }

  /** The body of the answer. `base` is the path under which `/problems/<code>` is found. */
  toBody(base: string): string {
    return JSON.stringify({
      type: `${base}/problems/${this.code}`,
      title: PROBLEMS[this.code][1],
      status: this.status,
      detail: this.message,
      code: this.code,
      ...this.fields,
    });
  }
}

/** 1 to 5 seconds at random, so that those who were turned away do not all come back at once. */
export function retryAfter(): string {
  return String(1 + Math.floor(Math.random() * 5));
}

/** A refusal that is worth another try soon. */
export function unavailable(
  code:
    | "broker-unavailable"
    | "queue-full"
    | "too-many-waiters"
    | "too-many-upgrades"
    | "memory-short"
    | "shutting-down",
  detail: string,
  fields: Readonly<Record<string, unknown>> = {},
): Problem {
  const headers: Record<string, string> = { "retry-after": retryAfter() };
  // A client that keeps its connection would hold up the stop, and what Deno has read of a body stays with the connection.
  if (code === "shutting-down" || code === "memory-short") headers.connection = "close";
  return new Problem(code, detail, { fields, headers });
}
