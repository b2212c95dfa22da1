/**
 * Mutants of the bus: what may come in, the feed, those who follow it, echoes.
 *
 * @module
 */
import { type Mutant, mutantsOf } from "./mutant.ts";

const WORLDS = "seeds 1-40";

const JSON_CHECK = mutantsOf("bus/json.ts", ["tests/bus/json_test.ts"], [
  [
    "closes an object with a bracket",
    "      if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return false;",
    "      if (byte !== CLOSE_OBJECT && byte !== CLOSE_ARRAY) return false;",
  ],
  ["takes surrogates", "SECOND_MAX[0xed] = 0x9f;", "SECOND_MAX[0xed] = 0xbf;"],
  ["takes overlong characters", "SECOND_MIN[0xf0] = 0x90;", "SECOND_MIN[0xf0] = 0x80;"],
  [
    "takes a control character",
    "IN_STRING.fill(FORBIDDEN, 0x00, 0x20);",
    "IN_STRING.fill(FORBIDDEN, 0x00, 0x1f);",
  ],
  [
    "takes a zero in front",
    "  else {\n    if (IS_DIGIT[byte] === 0) return -1;",
    "  {\n    if (byte !== DOT && IS_DIGIT[byte] === 0) return -1;",
  ],
  [
    "takes what stands behind the object",
    "if (depth === 0) return at === last;",
    "if (depth === 0) return true;",
  ],
  ["takes an escape of three digits", "for (const stop = at + 4;", "for (const stop = at + 3;"],
  ["overlooks a quote in a long text", "const ABOVE_QUOTE = 0x21212121;", "const ABOVE_QUOTE = 0x20202020;"],
  ["takes a key without a colon", "      if (byte !== COLON) return false;\n", ""],
  [
    "takes half a character in a text",
    "return text.isWellFormed() && isJsonObject(SCRATCH",
    "return isJsonObject(SCRATCH",
  ],
  ["forgets in what it was", "inObject = open[--depth] === 1;", "inObject = open[--depth] !== 2;"],
  ["takes one level more than it has room for", "if (depth === open.length) open = grown(open);", ""],
]);

const EXCHANGE = mutantsOf("bus/exchange.ts", ["tests/bus/exchange_test.ts", "tests/bus/server_test.ts"], [
  [
    "passes on what it refused",
    "if (bytes !== this.#bytes || start !== this.#end) {",
    "if (bytes !== this.#bytes) {",
  ],
  [
    "does not tell whose message it refused",
    "        if (!isJsonObject(bytes, bodyStart, end)) {\n          sender?.handleRefused(index);",
    "        if (!isJsonObject(bytes, bodyStart, end)) {",
    "tests/protocol_test.ts",
  ],
  [
    "says its own before what came earlier",
    "    this.#passOn(); // What came in before goes out before.\n",
    "",
    "tests/bus/feed_test.ts",
    WORLDS,
  ],
  [
    "numbers messages by those that it accepted",
    "const index = sender === undefined ? 0 : sender.received++;\n        if (this.pause) return this.#ignore(sender, index);\n        if (!isJsonObject",
    "const index = sender === undefined ? 0 : sender.received;\n        if (sender !== undefined && isJsonObject(bytes, bodyStart, end)) sender.received++;\n        if (this.pause) return this.#ignore(sender, index);\n        if (!isJsonObject",
    "tests/resume_test.ts",
    WORLDS,
  ],
]);

const FEED = mutantsOf("bus/feed.ts", ["tests/bus/feed_test.ts"], [
  ["numbers from the last one", "first: this.#position + 1,", "first: this.#position,"],
  ["counts an unknown gap as one", "this.#missed += missed ?? 0;", "this.#missed += missed ?? 1;"],
  [
    "leaves no position for an unknown gap",
    "this.#position += missed ?? 1;",
    "this.#position += missed ?? 0;",
  ],
  [
    "forgets what its beginning was called",
    "    this.#alias = { epoch: this.epoch, position: this.#position };\n",
    "",
    WORLDS,
  ],
  ["runs from one life into the next", "Math.min(position, next.base - 1)", "position"],
  [
    "takes a place of the future",
    "return position > this.#position ? foreign",
    "return position > this.#position + 1 ? foreign",
  ],
  [
    "tells of a gap that was told",
    "hole.to > after && hole.after < to",
    "hole.to >= after && hole.after < to",
  ],
  [
    "knows numbers that it forgot",
    '    if (after <= this.#unknownUpTo) return { missed: null, reason: "expired" };\n',
    "",
  ],
  [
    "lends bytes that are freed",
    "  block?.pin(); // An entry reads its bytes whenever it is asked for its text.\n",
    "",
  ],
  [
    "lends bytes of the newest that are freed",
    "      block?.pin();\n      let { start } = this.#newest;",
    "      let { start } = this.#newest;",
  ],
  [
    "forgets lives of which it holds messages",
    "(this.#lives[1]!.base < this.oldest || this.#lives.length > MAX_LIVES)",
    "this.#lives.length > 1",
    WORLDS,
  ],
  [
    "gives the reason of another gap",
    "const isWhole = holes.length === 1 && holes[0]!.after <= after && holes[0]!.to >= to;",
    "const isWhole = holes.length === 1;",
  ],
  [
    "reads across a gap",
    "if (entries.length > 0 || to === at) break;",
    "if (to === at) break;",
    "tests/http/gaps_test.ts",
  ],
  [
    "remembers every gap",
    "} else if (this.#holes.push(hole) > MAX_HOLES) {",
    "} else if (this.#holes.push(hole) < 0) {",
  ],
]);

const STORE = mutantsOf("bus/memory_store.ts", ["tests/bus/feed_test.ts"], [
  [
    "gives the last one again",
    "if (piece.first + piece.messages - 1 <= position) low",
    "if (piece.first + piece.messages - 1 < position) low",
  ],
  ["keeps the memory of what it forgot", "    piece.block?.release();\n", "", WORLDS],
  ["holds messages for twice as long", "now - piece.since > maxAgeMs;", "now - piece.since > 2 * maxAgeMs;"],
  [
    "joins what came at different times",
    "    last.time === time && last.sender === sender &&",
    "    last.sender === sender &&",
  ],
  [
    "holds any number of bytes",
    "while (this.#count > messages || this.#bytes > bytes) {",
    "while (this.#count > messages) {",
  ],
  ["loses count of whose messages it holds", "    piece.index += messages;\n", "", WORLDS],
  [
    "joins what different connections sent",
    "last.time === time && last.sender === sender &&",
    "last.time === time &&",
    WORLDS,
  ],
]);

const READER = mutantsOf("bus/feed_reader.ts", ["tests/bus/feed_reader_test.ts"], [
  [
    "counts as its loss what was gone before",
    'if (this.#due !== "start" && missed !== null) queue',
    "if (missed !== null) queue",
  ],
  ["loses what is taken back", "    this.#position -= messages;\n", "", WORLDS],
  [
    "skips a message after each piece",
    "this.#position = piece.first + messages - 1;",
    "this.#position = piece.first + messages;",
  ],
  [
    "sends what comes before what waits",
    "    if (this.#isBehind) return;\n    if (this.#queue.hasRoom",
    "    if (this.#queue.hasRoom",
  ],
  [
    "calls every message its own",
    "if (sender !== undefined && sender.token === this.token) {",
    "if (sender !== undefined) {",
  ],
  ["begins behind the earliest", "return feed.oldest - 1;", "return feed.oldest;"],
  [
    "waits with what is lost",
    "this.#feed.position - this.#position - this.lost : 0;",
    "this.#feed.position - this.#position : 0;",
  ],
  [
    "is waited for before it was here once",
    "if (!this.#isBehind || !this.#hasCaughtUp) return 0;",
    "if (!this.#isBehind) return 0;",
  ],
  [
    "does not tell what it took back and lost",
    '    this.#isBehind = true;\n    this.#due ??= "slow";',
    "    this.#isBehind = true;",
    WORLDS,
  ],
  [
    "says nothing of refusals",
    "    if (this.#queue.hasRoom(1, NOTE_BYTES)) {",
    "    if (this.#queue.hasRoom(1_000_000, NOTE_BYTES)) {",
    "tests/resume_test.ts",
  ],
]);

const FOLLOWER = mutantsOf("bus/follower.ts", ["tests/bus/follower_test.ts"], [
  [
    "tells one too few",
    "this.#handler.handleGap(seq - upTo, reason);",
    "this.#handler.handleGap(seq - upTo - 1, reason);",
  ],
  ["tells of slowness only", "if (seq > upTo) this", 'if (seq > upTo && reason === "slow") this'],
  [
    "believes a place that no broker told",
    "if (epoch === before && seq < upTo && wasTold) return;",
    "if (epoch === before && seq < upTo) return;",
  ],
  [
    "takes for its own what comes after a cut",
    "    this.#isFollowing = this.#isTold = true;\n    this.#own = 0;",
    "    this.#isFollowing = this.#isTold = true;",
  ],
  ["believes notes that anyone may have sent", "    if (!this.#isAsked) return false;\n", ""],
  [
    "is silent about what a foreign broker passed on",
    '    if (this.#broker === "foreign") this.#handler.handleGap(null, "disconnected");\n',
    "",
  ],
  ["numbers all of its own alike", "index: this.#ownIndex++ };", "index: this.#ownIndex };"],
  [
    "delivers again what came before",
    '    this.#seq++;\n    return "repeated";',
    "    this.#seq++;\n    return own;",
  ],
  ["asks for everything again", '    this.#start = "now";\n', ""],
  [
    "asks from the place of the last message, not the last place",
    "{ epoch: this.#epoch, seq: this.#upTo };\n      return",
    "{ epoch: this.#epoch, seq: this.#seq };\n      return",
  ],
]);

const RECEIPTS = mutantsOf("bus/receipts.ts", ["tests/bus/receipts_test.ts"], [
  [
    "tells the place of the next message",
    "return before === undefined ? undefined : before + index + 1;",
    "return before === undefined ? undefined : before + index;",
  ],
  [
    "refuses one more",
    "number >= first && number < first + messages",
    "number >= first && number <= first + messages",
  ],
  [
    "remembers every connection",
    "    if (this.#links.size > MAX_LINKS) this.#links.delete(this.#links.keys().next().value!);\n",
    "",
  ],
]);

const SENDER = mutantsOf("bus/feed_sender.ts", [
  "tests/bus/feed_reader_test.ts",
  "tests/bus/feed_test.ts",
  "tests/resume_test.ts",
], [
  [
    "joins refusals that are apart",
    "last !== undefined && last.index + last.messages === index",
    "last !== undefined",
  ],
]);

const ECHO = mutantsOf("bus/echo_filter.ts", ["tests/bus/echo_filter_test.ts"], [
  [
    "counts time in which it was stopped",
    "this.#clock += Math.min(elapsedMs, 2 * TICK_MS);",
    "this.#clock += elapsedMs;",
  ],
  [
    "waits from the moment of sending",
    "until: Infinity, isBack: false };",
    "until: this.#clock + ECHO_TIMEOUT_MS, isBack: false };",
  ],
  [
    "holds texts of any size",
    "this.#waitedFor > MAX_WAITED_FOR || this.#waitedForChars > MAX_WAITED_FOR_CHARS",
    "this.#waitedFor > MAX_WAITED_FOR",
  ],
  ["waits for what is back", "    this.#waitedFor--;\n", ""],
]);

const PLACE = mutantsOf("bus/place.ts", [
  "tests/bus/feed_test.ts",
  "tests/bus/follower_test.ts",
  "tests/http/long_poll_test.ts",
], [
  ["has two texts for one place", String.raw`\.(0|[1-9]\d{0,14})$/`, String.raw`\.(\d{1,15})$/`],
]);

const NOTE = mutantsOf("bus/feed_note.ts", ["tests/bus/follower_test.ts", "tests/protocol_test.ts"], [
  [
    "takes a negative count",
    "Number.isSafeInteger(value) && (value as number) >= 0",
    "Number.isSafeInteger(value)",
  ],
  ["reads notes of any size", "  if (body.length > MAX_NOTE_BYTES) return undefined;\n", ""],
]);

const BUCKET = mutantsOf("base/token_bucket.ts", ["tests/base/token_bucket_test.ts"], [
  ["saves up without end", "Math.min(burst, this.#tokens + (now", "(this.#tokens + (now"],
  [
    "never lets more than a burst through",
    "Math.min(count, burst) - this.tokens(now)",
    "count - this.tokens(now)",
  ],
  [
    "remembers everyone",
    "    if (this.#buckets.size > MAX_KEYS) this.#buckets.delete(this.#buckets.keys().next().value!);\n",
    "",
  ],
]);

/** See the module. */
export const BUS: readonly Mutant[] = [
  JSON_CHECK,
  EXCHANGE,
  FEED,
  STORE,
  READER,
  FOLLOWER,
  RECEIPTS,
  SENDER,
  ECHO,
  PLACE,
  NOTE,
  BUCKET,
].flat();
