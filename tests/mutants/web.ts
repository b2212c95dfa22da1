/**
 * Mutants of the web side: who may talk to the gateway, where a cursor leads, what is told missing.
 *
 * @module
 */
import { type Mutant, mutantsOf } from "./mutant.ts";

const POLICY = mutantsOf("http/policy.ts", ["tests/http/policy_test.ts"], [
  [
    "answers to any host",
    "if (isLoopback(name) || this.#allowedHosts.has(name)) return true;",
    'if (isLoopback(name) || name !== "") return true;',
  ],
  [
    "answers to 0.0.0.0",
    "return !UNSPECIFIED.has(name) && this.#allowedSuffixes",
    "return this.#allowedSuffixes",
  ],
  ["looks at the header alone", "[host, url.slice(start, end)]) {", "[host]) {"],
  [
    "ignores what a browser says of the site",
    "if (origin === null) this.#checkFetchMetadata(request, traits, host);",
    'if (origin === null) request.headers.get("sec-fetch-site");',
  ],
  [
    "lets any navigation in",
    "if (traits.isPage === true && isNavigation) return;",
    "if (isNavigation) return;",
  ],
  [
    "takes a token with more behind it",
    "let difference = given.length ^ this.#tokenBytes.length;",
    "let difference = 0;",
  ],
  [
    "answers any preflight",
    'request.method === "OPTIONS" && echoed !== undefined;',
    'request.method === "OPTIONS";',
  ],
  ["logs without end", "    if (this.#logged.size >= MAX_LOGGED) return;\n", ""],
  [
    "looks at the first authority only",
    "if (host !== this.#passedHost || !url.startsWith(this.#passedStart)) this",
    "if (host !== this.#passedHost) this",
  ],
  [
    "takes a token in any query",
    "if (traits.takesQueryToken === true && request.method",
    "if (request.method",
  ],
  [
    "takes a POST with a token in its query",
    'traits.takesQueryToken === true && request.method === "GET"',
    "traits.takesQueryToken === true",
  ],
  [
    "lets all hosts in without a token",
    'if (lower === "*" && this.token === undefined) {',
    'if (lower === "" && this.token === undefined) {',
  ],
  [
    "lets any origin in",
    "if (origin === `${scheme}://${(host ?? authorityOf(url)).toLowerCase()}`) return;",
    "if (origin.startsWith(scheme)) return;",
  ],
  [
    "ignores where a form came from",
    'if (!isOurs && !this.#allowedOrigins.has(from?.origin ?? "")) {',
    'if (!isOurs && !this.#allowedOrigins.has(from?.origin ?? "") && referer === "") {',
  ],
]);

const CURSOR = mutantsOf("http/cursor.ts", [
  "tests/http/long_poll_test.ts",
  "tests/http/status_matrix_test.ts",
], [
  ["takes zeros in front", String.raw`/^(?:0|[1-9]\d{0,14})$/`, String.raw`/^\d{1,15}$/`],
  ["does not know the tag of a value", '([^"]*?)(?:-v)?"$/', '([^"]*?)"$/'],
  [
    "begins with the newest for a foreign tag",
    '    if (place !== undefined) return { kind: "at", ...place };\n  }\n  return { kind: "foreign" };',
    '    if (place !== undefined) return { kind: "at", ...place };\n  }\n  return { kind: "latest" };',
  ],
  [
    "begins now for a foreign event id",
    'return parseCursor(header) ?? { kind: "foreign" };',
    'return parseCursor(header) ?? { kind: "now" };',
    "tests/http/event_stream_test.ts",
  ],
]);

const LOOKUP = mutantsOf("http/lookup.ts", ["tests/http/lookup_test.ts"], [
  ["reads across a gap", "    if (slice.missed !== 0 && entries.length > 0) break;\n", ""],
  [
    "loses a message that does not fit",
    "        return { entries, position, ...missing };\n      }\n      position",
    "        return { entries, position: entry.position, ...missing };\n      }\n      position",
  ],
  [
    "gives one too many",
    "if (entries.push(entry) === maxMessages)",
    "if (entries.push(entry) > maxMessages)",
  ],
  [
    "forgets the first of two gaps",
    "  if (second.missed === 0) return first;\n",
    "  if (second.missed === 0) return first;\n  if (second.reason === undefined || second.reason !== first.reason) return second;\n",
  ],
  [
    "hides that nobody knows how many",
    "first.missed === null || second.missed === null ? null : first.missed",
    "first.missed === null ? null : second.missed === null ? 0 : first.missed",
  ],
  [
    "begins before the newest though it is not held",
    "last >= feed.oldest ? last - 1 : feed.position",
    "last > 0 ? last - 1 : feed.position",
  ],
]);

const FILTER = mutantsOf("http/type_filter.ts", ["tests/http/lookup_test.ts"], [
  [
    "lets messages without a type through",
    "return entry.type !== undefined && this.matchesType(entry.type);",
    'return this.matchesType(entry.type ?? "");',
  ],
  [
    "takes any number of patterns",
    "if (types.size + prefixes.size > MAX_PATTERNS)",
    "if (types.size + prefixes.size < 0)",
  ],
]);

/** See the module. */
export const WEB: readonly Mutant[] = [POLICY, CURSOR, LOOKUP, FILTER].flat();
