/**
 * Mutants of the engine: frames, sessions, CURVE, queues, who is waited for, memory.
 *
 * @module
 */
import { type Mutant, mutantsOf } from "./mutant.ts";

const WORLDS = "seeds 1-40";

const FRAME = mutantsOf("zmtp/frame.ts", ["tests/zmtp/frame_test.ts"], [
  [
    "skips a message of just the limit",
    "if (size > this.#maxMessageBytes && (flags & FLAG_COMMAND) === 0) {",
    "if (size >= this.#maxMessageBytes && (flags & FLAG_COMMAND) === 0) {",
  ],
  ["takes one byte more than the limit", "    if (size > limit) {", "    if (size > limit + 1) {"],
  [
    "takes a command with MORE",
    "if (flags > (FLAG_COMMAND | FLAG_LONG) || flags === (FLAG_COMMAND | FLAG_MORE)) {",
    "if (flags > (FLAG_COMMAND | FLAG_LONG)) {",
  ],
  [
    "takes messages before READY",
    "if (this.commandsOnly && (flags & FLAG_COMMAND) === 0) {",
    "if (this.commandsOnly && flags === 0xff) {",
  ],
  ["keeps the memory of a frame that was handed over", "this.#memory?.give(this.#part.length);", ""],
  ["does not know the longest broken topic", "part[8]! > 0x0f", "part[8]! > 0x08"],
  [
    "says LONG of 255 bytes",
    "return bodySize > SHORT_BODY_MAX ? LONG_HEADER_SIZE",
    "return bodySize >= SHORT_BODY_MAX ? LONG_HEADER_SIZE",
  ],
  [
    "reads the largest sizes as negative ones",
    "const high = (bytes[at]! * 0x100_0000) +",
    "const high = (bytes[at]! << 24) +",
  ],
  ["skips one byte too few", "    this.#skipLeft = size;", "    this.#skipLeft = size - 1;"],
  [
    "reads in place though memory is short",
    "if (this.#memory?.takeSpare(size - this.#part.length) === false) return undefined;",
    "this.#memory?.takeSpare(size - this.#part.length);",
  ],
  [
    "forgets that it is skipping",
    "return this.#partSize > 0 || this.#skipLeft > 0;",
    "return this.#partSize > 0;",
    "tests/zmtp/session_test.ts",
  ],
  [
    "takes commands as large as messages",
    "(flags & FLAG_COMMAND) === 0 ? this.#maxSkippedBytes : this.#maxCommandBytes",
    "this.#maxSkippedBytes",
  ],
  [
    "allocates what was announced",
    "const planned = Math.min(this.#frameSize, Math.max(FIRST_ALLOCATION_BYTES, PART_GROWTH * came));",
    "const planned = Math.max(came, this.#frameSize);",
  ],
]);

const SESSION = mutantsOf("zmtp/session.ts", ["tests/zmtp/session_test.ts", "tests/zmtp/spec_test.ts"], [
  [
    "gives a slow handshake more time with every byte",
    "deadlines.pong = deadlines.ttl = Infinity;",
    "deadlines.pong = deadlines.ttl = Infinity;\n    if (deadlines.handshake < Infinity) deadlines.handshake = now + 10_000;",
  ],
  [
    "waits for ever for the next part",
    "this.#decoder.isUnfinished || this.#parts > 0 ? now",
    "this.#decoder.isUnfinished ? now",
  ],
  ["takes any number of parts", "if (this.#parts > MAX_PARTS || ", "if ("],
  [
    "calls all messages too large after one was",
    "    this.#partsTooLarge = false;\n    this.#handleUnfit(",
    "    this.#handleUnfit(",
  ],
  [
    "takes a peer of whom nobody knows",
    'if (decision !== "allow") throw',
    'if (decision === "deny") throw',
  ],
  [
    "holds any amount for an undecided peer",
    "if (undecided.bytes > FIRST_ALLOCATION_BYTES) throw tooEarly();",
    "",
    "tests/zmtp/curve_test.ts",
  ],
  ["talks to any socket", "if (!canTalk(our, socketType)) {", 'if (socketType === "") {'],
  [
    "takes another mechanism",
    "if (mechanism !== this.#mechanism.name) {",
    'if (mechanism === "") {',
  ],
  [
    "takes the ttl of a PING for good",
    "deadlines.pong = deadlines.ttl = Infinity;",
    "deadlines.pong = Infinity;",
  ],
  [
    "answers every PING of a flood",
    "this.#pong = encodePong(context);\n        this.#seeHeartbeat",
    "this.#sayFrame(encodePong(context));\n        this.#seeHeartbeat",
  ],
  ["takes any amount of noise", "if (++this.#noise > MAX_NOISE_PER_SECOND) {", "if (++this.#noise < 0) {"],
  [
    "never misses a PONG",
    "      deadlines.pong = Math.min(deadlines.pong, now + this.#heartbeatMs);\n",
    "",
  ],
  [
    "says in the open what belongs into a box",
    "this.#output.push(this.#box === undefined ? frame : this.#box.seal(frame));",
    "this.#output.push(frame);",
    "tests/zmtp/curve_test.ts",
  ],
  [
    "takes heartbeats for words",
    "if (wasReady && size > this.#lifeBytes) {",
    "if (wasReady) {",
  ],
  [
    "leaves secrets behind",
    "    this.#mechanism.forget?.();",
    "",
    "tests/zmtp/curve_test.ts",
  ],
]);

const CURVE = [
  ...mutantsOf("zmtp/curve/box.ts", ["tests/zmtp/curve_test.ts"], [
    ["takes the same box twice", "low <= this.#theirLow", "low < this.#theirLow"],
    ["takes boxes of 2^32 ago", "if (high < this.#theirHigh || (", "if (("],
    ["takes inner flags that mean nothing", "if (inner > INNER_COMMAND) {", "if (inner > 7) {"],
    ["uses nonces again after 2^32", "      this.#ourHigh++;\n", ""],
    [
      "loses count of what was written",
      "if (left < size) return left > 0 ? at + 1 : at;",
      "if (left < size) return at;",
    ],
    ["takes a box that is marked as a command", "if ((bytes[start]! & ~FLAG_LONG) !== 0 || ", "if ("],
  ]),
  ...mutantsOf("zmtp/curve/handshake.ts", [
    "tests/zmtp/curve_test.ts",
    "tests/zmtp/curve_interop_test.ts",
  ], [
    [
      "takes a vouch for another server",
      "if (content === undefined || !isEqual(content, expected)) {",
      "if (content === undefined) {",
    ],
    [
      "takes any cookie",
      "const isOurs = content !== undefined && isEqual(content, expected);",
      "const isOurs = expected.length > 0;",
    ],
    [
      "takes an INITIATE with an old nonce",
      "if (!isHigher(nonce, this.#theirNonce)) {",
      "if (nonce.high < 0) {",
    ],
    [
      "takes an INITIATE of any size",
      "initiate.length < INITIATE.minEnd || initiate.length > MAX_INITIATE_SIZE",
      "initiate.length < INITIATE.minEnd",
    ],
    [
      "does not look into the box of HELLO",
      "    if (!isZero(content)) {",
      "    if (content.length === 0) {",
    ],
    [
      "takes HELLO twice",
      '    this.#expected = "INITIATE";\n',
      "",
    ],
    [
      "keeps the secret of the connection",
      "    this.#transient?.secretKey.fill(0);\n",
      "",
    ],
  ]),
];

const OUTBOX = mutantsOf("zmtp/outbox.ts", ["tests/zmtp/outbox_test.ts"], [
  [
    "drops when it is just full",
    "if (messages <= room && this.#bytes + end - start <= limit.bytes) {",
    "if (messages <= room && this.#bytes + end - start < limit.bytes) {",
  ],
  [
    "takes messages again before it is half empty",
    "2 * this.#messages <= limit.messages && 2 * this.#bytes <= limit.bytes",
    "this.#messages < limit.messages && this.#bytes < limit.bytes",
  ],
  [
    "counts a frame that was cut as still there",
    "const gone = written + (isCut ? 1 : 0);",
    "const gone = written;",
  ],
  ["sends again what was cut", "    if (isCut) at = frameEnd(range.bytes, at);\n", ""],
  [
    "keeps blocks whose bytes were written",
    "    block?.release();\n    this.#messages -= messages;",
    "    this.#messages -= messages;",
  ],
  ["frees what is still being written", "    this.#writing?.block?.pin();\n", ""],
  [
    "joins what does not touch",
    "last.bytes === bytes && last.end === start && end",
    "last.bytes === bytes && end",
  ],
  [
    "counts bytes that were taken back",
    "      messages += range.messages;\n      this.#bytes -= range.end - range.start;",
    "      messages += range.messages;",
  ],
  [
    "counts as dropped what fitted",
    "this.#dropped += messages - fitting;",
    "this.#dropped += messages;",
  ],
  ["does not hold the blocks of what waits", "      block?.hold();\n", ""],
]);

const PACE = mutantsOf("zmtp/pace.ts", ["tests/zmtp/pace_test.ts"], [
  [
    "waits for those who have no patience left",
    "this.#isPatient && this.#patience.leftMs > 0\n",
    "this.#isPatient\n",
    WORLDS,
  ],
  ["waits and goes on at the same mark", "if (fill <= LOW) {", "if (fill < HIGH) {"],
  [
    "counts time in which it was stopped itself",
    "return Math.min(now - lookedAt, 2 * LOOK_MS);",
    "return now - lookedAt;",
  ],
  [
    "lets all together wait without end",
    "      if (this.#patience.leftMs <= 0) this.#isSpent = true;\n",
    "",
  ],
  [
    "never waits again for who was slow once",
    "    if (this.#patience.isWhole) this.#isTooSlow = false;\n",
    "",
  ],
  [
    "earns by messages and bytes together",
    "this.#leftMs += Math.max(this.#messagesMs, this.#bytesMs) - before;",
    "this.#leftMs += this.#messagesMs + this.#bytesMs - before;",
  ],
  [
    "saves patience without end",
    "    this.#leftMs = this.#mostMs;\n    this.#messagesMs",
    "    this.#messagesMs",
  ],
  ["waits though it is told not to", "slowest.messages > 0;", "slowest.messages >= 0;"],
]);

const READ_GATE = mutantsOf("zmtp/read_gate.ts", ["tests/zmtp/read_gate_test.ts"], [
  ["opens for one reason of two", "    this.#reasons.delete(reason);\n", "    this.#reasons.clear();\n"],
  ["lets anybody end the turn of another", "    if (this.#current !== who) return;\n", ""],
  ["leaves one that has gone waiting", "    begin?.();\n    if", "    if"],
  ["lets all through at once", "|| this.#current !== undefined) return;", ") return;"],
  [
    "opens and calls nobody",
    "    this.#reasons.delete(reason);\n    this.#next();",
    "    this.#reasons.delete(reason);",
  ],
]);

const BUDGET = mutantsOf("base/memory_budget.ts", ["tests/base/memory_budget_test.ts"], [
  ["takes from the one who asks", "holder === asker || ", ""],
  [
    "takes from the largest, however busy",
    "const weight = heldBytes * (1 + Math.max(0, this.now - holder.lastProgress));",
    "const weight = heldBytes;",
  ],
  ["keeps nothing for small needs", "this.limit : this.limit - this.#reserved;", "this.limit : this.limit;"],
  ["does not give read buffers back", "    this.#reading -= bytes;\n", ""],
  ["is full one byte too early", "while (this.#used + bytes > limit)", "while (this.#used + bytes >= limit)"],
  [
    "asks the same one again and again",
    "      unable.add(first);\n",
    "      if (unable.size > 0) unable.add(first);\n",
  ],
]);

const SUBSCRIPTIONS = mutantsOf("zmtp/subscriptions.ts", ["tests/zmtp/subscriptions_test.ts"], [
  [
    "counts topics instead of knowing them",
    "    if (known?.some((other) => startsWith(topic, 0, other))) return;\n",
    "",
  ],
  ["takes one topic too many", "this.#count >= this.#maxTopics", "this.#count > this.#maxTopics"],
  [
    "hashes only a part",
    "hash = hashOn(hash, bytes, at, start + size);",
    "hash = hashOn(SEED, bytes, at, start + size);",
  ],
  [
    "looks beyond the end of a message",
    "if (size > end - start) return false;",
    "if (size > end - start + 1) return false;",
  ],
]);

const ARENA = mutantsOf("zmtp/arena.ts", ["tests/zmtp/arena_test.ts"], [
  ["frees what is still looked at", "if (this.#isFreed) freeBuffer(this.bytes);", "freeBuffer(this.bytes);"],
  ["frees one user too early", "if (--this.#users > 0) return;", "if (--this.#users > 1) return;"],
  [
    "keeps its last block",
    "  #begin(block: Uint8Array): void {\n    this.#holder?.release();",
    "  #begin(block: Uint8Array): void {",
  ],
]);

/** See the module. */
export const ENGINE: readonly Mutant[] = [
  FRAME,
  SESSION,
  CURVE,
  OUTBOX,
  PACE,
  READ_GATE,
  BUDGET,
  SUBSCRIPTIONS,
  ARENA,
].flat();
