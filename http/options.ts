/**
 * The options of the handlers, their defaults, and what each number is good for.
 *
 * @module
 */
import { HANDLER_NUMBERS } from "../base/defaults.ts";
import { OptionError } from "../base/errors.ts";
import { readNumbers } from "../base/options.ts";
import type { ArchivePort } from "../bus/recording.ts";

/** How often one address may publish: a bucket of tokens, one for each message. */
export interface PublishRate {
  /** Messages per second in the long run. */
  readonly perSecond: number;
  /** Messages at once. */
  readonly burst: number;
}

/** Options of every handler. All have defaults that suit a gateway on the local machine. */
export interface HandlerOptions {
  /**
   * Form of `message` in the answers: its JSON text, as the original's documentation says, or the value itself, as the
   * original's later code answers. A request may ask for the other one with `as=`.
   *
   * @default "text"
   */
  readonly messageAs?: "text" | "value";
  /**
   * The most clients that may wait at the same time: long-polls, streams, WebSockets and confirmations together. One more is
   * answered 503. Keep it well below the limit of open files.
   *
   * @default 2000
   */
  readonly maxWaiters?: number;
  /**
   * The largest body of a POST and the largest WebSocket message, in bytes.
   *
   * @default 1_048_576
   */
  readonly maxBodyBytes?: number;
  /**
   * The most bytes that may wait for one slow reader of a stream or a WebSocket. Beyond that it is cut; with its cursor it can resume.
   *
   * @default 1_048_576
   */
  readonly maxQueuedBytes?: number;
  /**
   * The longest time in milliseconds that a long-poll without `timeout` waits; 0 for no limit. Deno sets no TCP keepalive, so there
   * should be a limit where other machines can connect: {@linkcode serveGateway} then takes 300_000.
   *
   * @default 0
   */
  readonly longPollMaxMs?: number;
  /**
   * Time in milliseconds between two signs of life in a silent stream; 0 for none.
   *
   * @default 15_000
   */
  readonly heartbeatMs?: number;
  /**
   * Time in milliseconds in which the body of a POST must have arrived.
   *
   * @default 30_000
   */
  readonly bodyTimeoutMs?: number;
  /**
   * Time in milliseconds after which a large answer is given up of which its reader takes nothing; 0 for no limit.
   *
   * @default 30_000
   */
  readonly answerTimeoutMs?: number;
  /**
   * Time in milliseconds in which a WebSocket must be open after its upgrade, or get its turn for one.
   *
   * @default 10_000
   */
  readonly openTimeoutMs?: number;
  /**
   * Most WebSockets that are upgraded at once, a quarter of them for one other machine; more wait for their turn. It is also how many
   * file descriptors can be lost for good to clients that reset their connection in that moment, which Deno never gives back: with all
   * of them lost, WebSockets are answered 503. Keep it to an eighth of the limit of open files.
   *
   * @default 128
   */
  readonly maxUpgrades?: number;
  /**
   * Bytes of memory for bodies on their way, unread answers, and queues of streams and WebSockets, of all clients together. When it is
   * short, those who have held the most for the longest are cut, and what does not fit even then is answered 503.
   *
   * @default 268_435_456
   */
  readonly memoryBudgetBytes?: number;
  /**
   * The most messages a second from one remote address, over POST and WebSocket. Left out, there is no limit.
   */
  readonly publishRate?: PublishRate;
  /**
   * Further host names by which the gateway may be reached, besides `localhost`, `127.0.0.0/8` and `[::1]`. A leading dot stands
   * for all names below it, `"*"` for any name, which only a `token` makes safe. Ports do not matter.
   */
  readonly allowedHosts?: readonly string[];
  /**
   * Origins of foreign pages that may use the gateway, such as `https://lab.example:8443`. They get CORS headers.
   */
  readonly allowedOrigins?: readonly string[];
  /**
   * Everything but `/healthz` and the empty live page then needs this token. `"auto"` makes one: read it from `token` of the handler.
   */
  readonly token?: string;
  /**
   * Name or address that the server is bound to; it becomes an allowed host. {@linkcode serveGateway} fills it in.
   */
  readonly hostname?: string;
  /**
   * Whether to answer `Access-Control-Allow-Private-Network` to the preflights of allowed origins.
   *
   * @default false
   */
  readonly allowPrivateNetwork?: boolean;
  /**
   * Takes one line for each new kind of refusal, for each reader that is cut off because it is too slow, and for each internal
   * fault. It never holds a token. `kind` is given where many of a kind may come at once: it is enough to show the first of them.
   *
   * @default console.warn
   */
  readonly log?: (line: string, kind?: string) => void;
}

/** Options of {@linkcode messageGateway}. */
export interface GatewayOptions extends HandlerOptions {
  /**
   * Path under which all routes are mounted, such as `/bus`.
   *
   * @default ""
   */
  readonly prefix?: string;
  /**
   * A folder of web pages to serve beside the API, from the same origin. Its files need no token. A path of the gateway comes before
   * a file of the same name, but `index.html` before the live page at `/`, which is at `/monitor` too.
   */
  readonly pages?: string | undefined;
  /**
   * Recorded sessions to show, to replay and to go back to: an `Archive` of `./archive`. Left out, the paths that need one answer 404.
   */
  readonly archive?: ArchivePort | undefined;
}

/** The options with every default filled in. */
export type Settings =
  & Required<Omit<GatewayOptions, "publishRate" | "token" | "hostname" | "archive" | "pages">>
  & Pick<GatewayOptions, "publishRate" | "token" | "hostname" | "archive" | "pages">;

const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * Fills in the defaults.
 *
 * @throws {OptionError} If one has a value that it cannot have: `bad-option`.
 */
export function resolveOptions(options: GatewayOptions): Settings {
  const { "publishRate.perSecond": perSecond, "publishRate.burst": burst, ...numbers } = readNumbers(
    HANDLER_NUMBERS,
    options,
  );
  const settings: Settings = {
    ...numbers,
    prefix: options.prefix ?? "",
    messageAs: options.messageAs ?? "text",
    allowedHosts: options.allowedHosts ?? [],
    allowedOrigins: options.allowedOrigins ?? [],
    allowPrivateNetwork: options.allowPrivateNetwork ?? false,
    // deno-lint-ignore no-console -- a refusal that nobody sees costs an afternoon; `log` turns it off
    log: options.log ?? ((line) => console.warn(line)),
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    ...(options.archive === undefined ? {} : { archive: options.archive }),
    ...(options.pages === undefined ? {} : { pages: options.pages }),
  };
  if (!PREFIX.test(settings.prefix)) {
    throw bad("prefix", JSON.stringify(settings.prefix), "a path such as /bus");
  }
  if (settings.messageAs !== "text" && settings.messageAs !== "value") {
    throw bad("messageAs", String(settings.messageAs), '"text" or "value"');
  }
  if (options.publishRate === undefined) return settings;
  if (perSecond === undefined || burst === undefined) {
    throw bad("publishRate", "without one of the two", "perSecond and burst");
  }
  return { ...settings, publishRate: { perSecond, burst } };
}

function bad(name: string, value: string, expected: string): OptionError {
  return new OptionError("bad-option", `Cannot use ${name}: it is ${value}, not ${expected}`);
}
