/**
 * Who may talk to the gateway. A page of any web site can send requests to a server on this machine; the browser only tells
 * where they come from. So every handler checks, before anything else:
 *
 * 1. `Host`, and the authority of the request line too, against a list of names. It is the only thing that stops DNS
 *    rebinding: a page of `http://evil.example:8000` whose name leads to 127.0.0.1 sends no `Origin` with a GET, and with a
 *    POST an `Origin` that equals `Host`.
 * 2. `Origin`, exactly, on every method and before a WebSocket upgrade, to which CORS does not apply.
 * 3. `Sec-Fetch-Site` where there is no `Origin`: images, scripts and `no-cors` requests carry nothing else.
 * 4. The token, where one is set. A valid bearer header replaces 2 and 3, since no browser sends it by itself; never 1.
 *
 * A request with none of these headers is a script's and passes.
 *
 * @module
 */
import { OptionError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { Problem } from "./problem.ts";
import type { Settings } from "./options.ts";

/** What the checks need to know about a route. */
export interface RouteTraits {
  /** Needs no token, for it tells nothing. */
  readonly isOpen?: boolean;
  /** May be opened from a link on any site. */
  readonly isPage?: boolean;
  /** An EventSource cannot send headers, so the token may come in the query. */
  readonly takesQueryToken?: boolean;
  /** A browser's WebSocket cannot send headers either; the token comes as a subprotocol. */
  readonly isWebSocket?: boolean;
}

/** A host as it stands in a Host header. */
export interface Authority {
  /** Lower case; IPv6 in brackets. */
  readonly name: string;
  /** Digits, or empty. */
  readonly port: string;
}

/** Narrower than RFC 3986 on purpose: no user information, no percent signs, nothing that two parsers read differently. */
const AUTHORITY = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?)(?::(\d{1,5}))?$/;
const LOOPBACK_V4 = /^127\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){2}$/;
/** They mean "every address" to a server. A browser that dials them reaches this machine without any fetch metadata. */
const UNSPECIFIED: ReadonlySet<string> = new Set(["0.0.0.0", "[::]", "0", "[0:0:0:0:0:0:0:0]", "[::0]"]);
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s,]+$/;
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
/**
 * With a capital: once Deno has handed over all headers, it finds any name among names that it has made small once and for all,
 * but for the most common ones, written small, it makes the names of all headers small each time.
 */
const HOST = "Host";
/** How many different refusals are told before the log falls silent: a hostile page can make up names for ever. */
const MAX_LOGGED = 200;

/** Is this text of a Host header one? */
export function parseAuthority(text: string): Authority | undefined {
  const match = AUTHORITY.exec(text.toLowerCase());
  if (match === null || Number(match[2] ?? 0) > 65_535) return undefined;
  return { name: match[1]!, port: match[2] ?? "" };
}

/** Is it a name of this machine that no other machine can be meant by? */
export function isLoopback(name: string): boolean {
  return name === "localhost" || name === "[::1]" || name === "::1" || LOOPBACK_V4.test(name);
}

/** A token that nobody can guess: 256 random bits. */
export function createToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The policy of one handler or gateway. */
export class Policy {
  /** What clients must show; `undefined` when none is asked for. */
  readonly token: string | undefined;
  readonly #tokenBytes: Uint8Array;
  readonly #allowedHosts: ReadonlySet<string>;
  readonly #allowedSuffixes: readonly string[];
  readonly #allowedOrigins: ReadonlySet<string>;
  readonly #allowPrivateNetwork: boolean;
  readonly #log: (line: string) => void;
  readonly #logged = new Set<string>();
  // The last Host and beginning of the URL that passed: nearly every request has the same, and two comparisons are all it costs.
  #passedHost: string | null | undefined;
  #passedStart = "\n";

  /**
   * @throws {OptionError} If the token, a host or an origin cannot be one: `bad-option`.
   */
  constructor(settings: Settings) {
    this.token = settings.token === "auto" ? createToken() : settings.token;
    if (this.token !== undefined && !TOKEN.test(this.token)) {
      throw new OptionError(
        "bad-option",
        "Cannot use token: it is not made of letters, digits and . _ ~ + / - only",
      );
    }
    this.#tokenBytes = new TextEncoder().encode(this.token ?? "");
    const hosts = new Set<string>();
    const suffixes: string[] = [];
    for (const host of settings.allowedHosts) {
      const lower = host.toLowerCase();
      if (lower === "*" && this.token === undefined) {
        throw new OptionError(
          "bad-option",
          'Cannot use allowedHosts: "*" lets every web page in, so it needs the option token',
        );
      }
      const name = lower.startsWith(".") ? lower.slice(1) : lower;
      if (lower !== "*" && parseAuthority(name)?.port !== "") {
        throw new OptionError(
          "bad-option",
          `Cannot use allowedHosts: ${JSON.stringify(host)} is no name without port`,
        );
      }
      if (lower.startsWith(".") || lower === "*") suffixes.push(lower === "*" ? "" : lower);
      else hosts.add(lower);
    }
    const bound = settings.hostname?.toLowerCase();
    if (bound !== undefined) hosts.add(bound.includes(":") && !bound.startsWith("[") ? `[${bound}]` : bound);
    for (const name of UNSPECIFIED) hosts.delete(name);
    this.#allowedHosts = hosts;
    this.#allowedSuffixes = suffixes;
    for (const origin of settings.allowedOrigins) {
      if (!ORIGIN.test(origin)) {
        throw new OptionError(
          "bad-option",
          `Cannot use allowedOrigins: ${JSON.stringify(origin)} is not scheme://host or scheme://host:port`,
        );
      }
    }
    this.#allowedOrigins = new Set(settings.allowedOrigins);
    this.#allowPrivateNetwork = settings.allowPrivateNetwork;
    this.#log = settings.log;
  }

  /**
   * Lets a request pass, or throws the {@linkcode Problem} that answers it. Returns the origin to echo in CORS headers.
   */
  check(request: Request, traits: RouteTraits): string | undefined {
    const headers = request.headers;
    // Asking whether there is an Origin makes Deno hand over all headers in one go. It does so at the end of every request whose
    // headers were looked at; done here, each further look is cheap, and one who waits is answered sooner.
    const origin = headers.has("origin") ? headers.get("origin") : null;
    const host = headers.get(HOST);
    const url = request.url;
    if (host !== this.#passedHost || !url.startsWith(this.#passedStart)) this.#checkHost(host, url);

    const shown = this.token === undefined ? undefined : this.#shownToken(request, traits);
    const isTrusted = shown === "header";
    const echoed = origin !== null && this.#allowedOrigins.has(origin) ? origin : undefined;
    if (!isTrusted) {
      if (origin === null) this.#checkFetchMetadata(request, traits, host);
      else if (echoed === undefined) this.#checkOrigin(origin, host, url);
    }
    if (this.token !== undefined && shown === undefined && traits.isOpen !== true) {
      // A preflight never carries a token; it is answered for allowed origins only.
      const isPreflight = request.method === "OPTIONS" && echoed !== undefined;
      if (!isPreflight) this.#refuseToken(request);
    }
    return echoed;
  }

  /** The headers that let a page of an allowed origin read the answer. */
  corsHeaders(origin: string): [name: string, value: string][] {
    return [
      ["access-control-allow-origin", origin],
      [
        "access-control-expose-headers",
        "ETag, Message-Count, Message-Cursor, Message-Missed, Retry-After",
      ],
    ];
  }

  /** The further headers of a preflight's answer. */
  preflightHeaders(request: Request): [name: string, value: string][] {
    const headers: [string, string][] = [
      ["access-control-allow-methods", "GET, HEAD, POST, PATCH, DELETE"],
      ["access-control-allow-headers", "content-type, authorization, last-event-id, if-none-match"],
      ["access-control-max-age", "600"],
    ];
    if (this.#allowPrivateNetwork && request.headers.has("access-control-request-private-network")) {
      headers.push(["access-control-allow-private-network", "true"]);
    }
    return headers;
  }

  #checkHost(host: string | null, url: string): void {
    const start = url.indexOf("://") + 3;
    const end = url.slice(start).search(/[/?#]|$/) + start;
    // With HTTP/2 the name is only in the URL, with an absolute request target it may differ from the header: both must pass.
    for (const text of host === null ? [url.slice(start, end)] : [host, url.slice(start, end)]) {
      const authority = parseAuthority(text);
      if (authority === undefined) {
        this.#tell("bad-host", text);
        throw new Problem("bad-host", `Cannot read host: ${quote(text)} is not a name with an optional port`);
      }
      if (!this.#isAllowedHost(authority.name)) {
        this.#tell("host-not-allowed", authority.name);
        throw new Problem(
          "host-not-allowed",
          `Cannot answer to host ${quote(authority.name)}: it is not in allowedHosts. ` +
            `If it is a name of this gateway, start it with --allow-host ${authority.name}, ` +
            `or set allowedHosts: [${quote(authority.name)}]`,
          { fields: { option: "allowedHosts", flag: "--allow-host", value: authority.name } },
        );
      }
    }
    this.#passedHost = host;
    this.#passedStart = `${url.slice(0, end)}/`;
  }

  #isAllowedHost(name: string): boolean {
    if (isLoopback(name) || this.#allowedHosts.has(name)) return true;
    return !UNSPECIFIED.has(name) && this.#allowedSuffixes.some((suffix) => name.endsWith(suffix));
  }

  #checkOrigin(origin: string, host: string | null, url: string): void {
    const scheme = url.slice(0, url.indexOf("://"));
    if (origin === `${scheme}://${(host ?? authorityOf(url)).toLowerCase()}`) return;
    this.#tell("origin-not-allowed", origin);
    const canBeAllowed = ORIGIN.test(origin);
    throw new Problem(
      "origin-not-allowed",
      `Cannot take request from a page of ${
        quote(origin)
      }: it is not our own origin and not in allowedOrigins. ` +
        (canBeAllowed
          ? `If you trust that page, start the gateway with --allow-origin ${quote(origin)}, ` +
            `or set allowedOrigins: [${quote(origin)}]`
          : "Such an origin cannot be allowed; a page may use a bearer token instead"),
      {
        fields: {
          option: canBeAllowed ? "allowedOrigins" : "token",
          flag: canBeAllowed ? "--allow-origin" : "--token-file",
          value: origin.slice(0, 200),
        },
      },
    );
  }

  #checkFetchMetadata(request: Request, traits: RouteTraits, host: string | null): void {
    const headers = request.headers;
    const site = headers.get("sec-fetch-site");
    if (site !== null) {
      if (site === "same-origin" || site === "none") return;
      const isNavigation = request.method === "GET" && headers.get("sec-fetch-mode") === "navigate" &&
        headers.get("sec-fetch-dest") === "document";
      if (traits.isPage === true && isNavigation) return;
      this.#refuseCrossSite(site);
    }
    if (request.method === "GET" || request.method === "HEAD") return;
    const referer = headers.get("referer");
    if (referer === null) return;
    const from = URL.canParse(referer) ? new URL(referer) : undefined;
    const isOurs = from?.host === (host ?? authorityOf(request.url)).toLowerCase();
    if (!isOurs && !this.#allowedOrigins.has(from?.origin ?? "")) {
      this.#refuseCrossSite(from?.origin ?? "an unreadable referer");
    }
  }

  #refuseCrossSite(value: string): never {
    this.#tell("cross-site", value);
    throw new Problem(
      "cross-site",
      `Cannot take request that another site caused (${
        quote(value)
      }). If you trust that site, start the gateway with --allow-origin and its origin, or set allowedOrigins to it`,
      { fields: { option: "allowedOrigins", flag: "--allow-origin", value: value.slice(0, 200) } },
    );
  }

  #refuseToken(request: Request): never {
    // A token in the query of any other route would be in the logs of every proxy on the way, so it is not even looked at.
    this.#tell("unauthorized", request.headers.has("authorization") ? "wrong token" : "no token");
    throw new Problem("unauthorized", "Cannot take request: it shows no valid token", {
      fields: { option: "token" },
      headers: { "www-authenticate": "Bearer" },
    });
  }

  /** Where a valid token was found. */
  #shownToken(request: Request, traits: RouteTraits): "header" | "elsewhere" | undefined {
    const header = request.headers.get("authorization");
    if (header !== null && /^bearer /i.test(header) && this.#isToken(header.slice(7).trim())) return "header";
    if (traits.isWebSocket === true) {
      for (const protocol of (request.headers.get("sec-websocket-protocol") ?? "").split(",")) {
        const encoded = protocol.trim();
        if (encoded.startsWith("bearer.") && this.#isToken(decodeBase64Url(encoded.slice(7)))) {
          return "elsewhere";
        }
      }
    }
    if (traits.takesQueryToken === true && request.method === "GET") {
      const query = request.url.split("?", 2)[1];
      const token = query === undefined ? null : new URLSearchParams(query).get("access_token");
      if (token !== null && this.#isToken(token)) return "elsewhere";
    }
    return undefined;
  }

  /** Takes the same time however much of the text is right. */
  #isToken(text: string): boolean {
    const given = new TextEncoder().encode(text);
    let difference = given.length ^ this.#tokenBytes.length;
    for (let i = 0; i < this.#tokenBytes.length; i += 1) difference |= (given[i] ?? 0) ^ this.#tokenBytes[i]!;
    return difference === 0;
  }

  /** One line for each new pair, so that a hostile page cannot fill the disk. */
  #tell(reason: string, value: string): void {
    if (this.#logged.size >= MAX_LOGGED) return;
    const line = `refused: ${reason} ${quote(value)}`;
    if (this.#logged.has(line)) return;
    this.#logged.add(line);
    this.#log(line);
    if (this.#logged.size === MAX_LOGGED) this.#log("refused: further kinds are only counted, see /metrics");
  }
}

function authorityOf(url: string): string {
  return url.slice(url.indexOf("://") + 3).split(/[/?#]/, 1)[0]!;
}

function decodeBase64Url(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(text, { alphabet: "base64url" }));
  } catch {
    return "";
  }
}
