/**
 * The options of a NATS backbone, each checked before anything is opened.
 *
 * @module
 */
import { OptionError } from "../base/errors.ts";
import { checkNumber, readNumbers } from "../base/options.ts";
import { quote } from "../base/quote.ts";

/** Who we are to the servers. Secrets are given as texts: read them from files that only you can read. */
export interface NatsAuth {
  /** A token that all clients share. */
  readonly token?: string;
  /** A user's name. */
  readonly user?: string;
  /** The user's password. */
  readonly password?: string;
  /** The seed of an nkey, which begins with `SU`. */
  readonly nkey?: string;
  /** The text of a `.creds` file: a JWT and a seed. */
  readonly creds?: string;
}

/** Options of a `NatsBackbone`. */
export interface NatsBackboneOptions {
  /** Addresses of NATS servers: `nats://host:4222`, or `tls://host:4222`. Others of the same cluster are learnt. */
  readonly servers: string | readonly string[];
  /** Which bus to join: 1 to 64 letters, digits, `_` and `-`. All brokers of one bus hear each other. @default "default" */
  readonly bus?: string;
  /**
   * `stream`: everything goes through one stream of JetStream, and all sites see one order. `local`: local people first, and different
   * sites may see the messages of different senders in different orders. @default "stream"
   */
  readonly order?: "stream" | "local";
  /** What this site calls itself when others list who they hear: 1 to 64 letters, digits, `_` and `-`. @default nothing */
  readonly site?: string;
  /**
   * With `stream`: milliseconds for which local messages wait when the others cannot be reached; then the site is an island.
   * `Infinity`: for ever. @default 10_000
   */
  readonly holdMs?: number;
  /** With `stream`: `last` begins with the last message of each type. @default "none" */
  readonly replay?: "none" | "last";
  /** With `stream`: milliseconds that a message may be old to be caught up with after an outage. @default 300_000 */
  readonly catchUpMs?: number;
  /** What may wait for NATS. @default 10_000 messages, 64 MiB */
  readonly queue?: { readonly messages?: number; readonly bytes?: number };
  /** With `stream`: copies of the stream in a cluster, when it has to be made. @default 1 */
  readonly replicas?: number;
  /** With `stream`: the JetStream domain where the stream lives, for servers that are leaf nodes. @default the server's own */
  readonly domain?: string;
  /**
   * Who we are. A function is called at once, and again each time it dials: credentials that are renewed or repaired need no new
   * start. @default nobody
   */
  readonly auth?: NatsAuth | (() => NatsAuth);
  /** The certificate authority of the servers, as PEM, for `tls://`. @default those of the system */
  readonly tls?: { readonly ca?: string };
  /** Allow servers beyond this machine without TLS: everything can be read and forged on the way. @default false */
  readonly allowPlain?: boolean;
  /** Milliseconds between two pings; after two without an answer it dials again. @default 1000 */
  readonly pingMs?: number;
  /** With `local`: milliseconds after a reconnect before what waits is sent: other sites dial at their own pace. @default 500 */
  readonly settleMs?: number;
  /** Milliseconds until it tries again what only a person can change, such as wrong credentials. @default 30_000 */
  readonly refusedMs?: number;
}

/** What they come to. */
export interface BackboneSettings {
  /** `host:port` each. */
  readonly servers: readonly string[];
  readonly isTls: boolean;
  readonly ca: string | undefined;
  readonly bus: string;
  readonly order: "stream" | "local";
  readonly site: string;
  readonly holdMs: number;
  readonly replay: "none" | "last";
  readonly catchUpMs: number;
  readonly queue: { readonly messages: number; readonly bytes: number };
  readonly replicas: number;
  readonly domain: string | undefined;
  /** Reads it anew. */
  readonly auth: () => NatsAuth;
  readonly pingMs: number;
  readonly settleMs: number;
  readonly refusedMs: number;
}

const NUMBERS = {
  catchUpMs: { default: 300_000, min: 0 },
  "queue.messages": { default: 10_000, min: 1, max: 10_000_000 },
  "queue.bytes": { default: 67_108_864, min: 1 },
  replicas: { default: 1, min: 1, max: 5 },
  pingMs: { default: 1000, min: 10 },
  settleMs: { default: 500, min: 0 },
  refusedMs: { default: 30_000, min: 10 },
} as const;

/**
 * Checks them and fills in the defaults.
 *
 * @throws {OptionError} `bad-option`.
 */
export function readBackboneOptions(options: NatsBackboneOptions): BackboneSettings {
  const numbers = readNumbers(NUMBERS, options);
  const { servers, isTls } = readServers(options);
  const { holdMs = 10_000, auth: given = {}, tls } = options;
  const auth = () => checkAuth(typeof given === "function" ? given() : given);
  auth();
  return {
    servers,
    isTls,
    ca: tls?.ca === undefined ? undefined : checkText("tls.ca", tls.ca, /-----BEGIN CERTIFICATE-----/, "PEM"),
    bus: checkName("bus", options.bus ?? "default"),
    order: checkChoice("order", options.order ?? "stream", ["stream", "local"]),
    site: options.site === undefined ? "" : checkName("site", options.site),
    holdMs: holdMs === Infinity ? Infinity : checkNumber("holdMs", holdMs, { min: 0 }),
    replay: checkChoice("replay", options.replay ?? "none", ["none", "last"]),
    catchUpMs: numbers.catchUpMs,
    queue: { messages: numbers["queue.messages"], bytes: numbers["queue.bytes"] },
    replicas: numbers.replicas,
    domain: options.domain === undefined ? undefined : checkName("domain", options.domain),
    auth,
    pingMs: numbers.pingMs,
    settleMs: numbers.settleMs,
    refusedMs: numbers.refusedMs,
  };
}

function readServers(
  { servers, allowPlain = false }: NatsBackboneOptions,
): { readonly servers: readonly string[]; readonly isTls: boolean } {
  const list = typeof servers === "string" ? servers.split(",") : servers;
  if (!Array.isArray(list) || list.length === 0) {
    throw new OptionError("bad-option", "Cannot use servers: none is given, such as nats://127.0.0.1:4222");
  }
  const read = list.map((text) => readServer(text));
  const isTls = read.some(({ isTls }) => isTls);
  if (isTls && !read.every(({ isTls }) => isTls)) {
    throw new OptionError("bad-option", "Cannot use servers: some say tls:// and some do not");
  }
  const far = read.find(({ host }) => !LOOPBACK.test(host));
  if (far !== undefined && !isTls && !allowPlain) {
    throw new OptionError(
      "bad-option",
      `Cannot use server ${far.host}: everything could be read on the way there; ` +
        "say tls://, or allowPlain: true if the network can be trusted",
    );
  }
  return { servers: read.map(({ host, port }) => `${host}:${port}`), isTls };
}

function readServer(
  text: unknown,
): { readonly host: string; readonly port: number; readonly isTls: boolean } {
  // An error that quoted a password would put it into logs.
  const match = typeof text === "string" ? SERVER.exec(text.trim()) : null;
  if (match === null) {
    if (typeof text === "string" && text.includes("@")) {
      throw new OptionError(
        "bad-option",
        "Cannot use server: there is a user or a password in it, which would stand in lists of processes and in logs; " +
          "put it into a file: --backbone-creds, --backbone-nkey or --backbone-token-file",
      );
    }
    throw new OptionError(
      "bad-option",
      `Cannot use server ${quote(String(text))}: expected nats://host:port or tls://host:port`,
    );
  }
  const port = Number(match[3] ?? "4222");
  if (port < 1 || port > 65_535) {
    throw new OptionError("bad-option", `Cannot use server ${quote(String(text))}: there is no port ${port}`);
  }
  return { host: match[2]!, port, isTls: match[1] === "tls" };
}

function checkAuth(auth: NatsAuth): NatsAuth {
  const { token, user, password, nkey, creds } = auth;
  const kinds = [token, user, nkey, creds].filter((kind) => kind !== undefined);
  if (kinds.length > 1 || (password !== undefined && user === undefined)) {
    throw new OptionError(
      "bad-option",
      "Cannot use auth: give one of token, user with password, nkey and creds",
    );
  }
  if (nkey !== undefined) checkText("auth.nkey", nkey, /^SU[A-Z2-7]{56}$/, "the seed of a user's nkey");
  if (creds !== undefined) {
    checkText("auth.creds", creds, /BEGIN NATS USER JWT[\s\S]*BEGIN USER NKEY SEED/, "a .creds file");
  }
  if (token !== undefined) checkText("auth.token", token, /^[\x21-\x7e]+$/, "a token");
  return auth;
}

/** The value is not quoted: it may be a secret. */
function checkText(name: string, text: unknown, pattern: RegExp, what: string): string {
  if (typeof text === "string" && pattern.test(text)) return text;
  throw new OptionError("bad-option", `Cannot use ${name}: it is not ${what}`);
}

function checkName(name: string, value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(value)) return value;
  throw new OptionError(
    "bad-option",
    `Cannot use ${name}: it is ${quote(String(value))}, not 1 to 64 letters, digits, _ and -`,
  );
}

function checkChoice<const T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  const choice = choices.find((choice) => choice === value);
  if (choice !== undefined) return choice;
  throw new OptionError(
    "bad-option",
    `Cannot use ${name}: it is ${quote(String(value))}, not ${choices.join(" or ")}`,
  );
}

/** A name, an IPv4 address, or an IPv6 address in brackets. No user, no path, no query. */
const SERVER = /^(?:(nats|tls):\/\/)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?\/?$/;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
