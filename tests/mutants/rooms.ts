/**
 * Mutants of the archive and of the backbone: blocks, the recorder, the receiver's rule, what waits for NATS.
 *
 * @module
 */
import { type Mutant, mutantsOf } from "./mutant.ts";

const BLOCK = [
  ...mutantsOf("archive/block_writer.ts", ["tests/archive/block_test.ts", "tests/archive/recorder_test.ts"], [
    [
      "takes a piece that has no room",
      "this.#at + BlockWriter.sizeFor(size) <= this.bytes.length;",
      "this.#at + size <= this.bytes.length + 64;",
    ],
    ["counts reads, not messages", "this.#count += messages;", "this.#count += 1;"],
    ["counts time from the beginning", "    this.#time = time;\n  }\n\n  #varint", "  }\n\n  #varint"],
    ["loses the upper bits of a number", "rest = Math.floor(rest / 128);", "rest = (rest >> 7) & 127;"],
    ["ends a number one too early", "while (rest >= 128) {", "while (rest > 128) {"],
  ]),
  ...mutantsOf("archive/worker/block.js", ["tests/archive/block_test.ts"], [
    [
      "takes a message that is cut",
      '      if (!(at <= bytes.length)) throw damagedBlock("a message is cut");\n',
      "",
    ],
    [
      "takes fewer messages than it says",
      '  if (seq !== end) throw damagedBlock("it has fewer messages than it says");\n',
      "",
    ],
    [
      "takes more messages than it says",
      "if (messages === 0 || seq + messages > end) throw",
      "if (messages === 0) throw",
    ],
    [
      "goes on when its visitor has had enough",
      "if (visit(seq++, time, start, at) === true) return;",
      "visit(seq++, time, start, at);",
    ],
    [
      "reads any number of bytes as a number",
      "i < MAX_VARINT_BYTES && at < bytes.length;",
      "at < bytes.length;",
    ],
    ["joins blocks without the time in between", "encodeVarint(after.t0 - before.t1);", "encodeVarint(0);"],
  ]),
];

const RECORDER = mutantsOf("archive/recorder.ts", ["tests/archive/recorder_test.ts"], [
  [
    "goes on as soon as there is any room",
    "this.#waitingBytes > this.#maxWaitingBytes / 2) return;",
    "this.#waitingBytes > this.#maxWaitingBytes) return;",
  ],
  [
    "loses messages without a gap",
    "    this.#isDropping = false;\n    this.#tellGap();",
    "    this.#isDropping = false;",
  ],
  [
    "puts into one block what does not follow",
    "place.seq === this.#blockNumber + this.#block!.count;",
    "place.seq >= this.#blockNumber;",
    "tests/archive/broker_test.ts",
  ],
  ["tells a gap after what came behind it", "    this.#finish();\n    this.#gap ??=", "    this.#gap ??="],

  ["joins gaps of different reasons", "this.#gap.reason !== reason || missed === null", "missed === null"],
  [
    "records what a replay says",
    "if (this.#isReplaying) this.#leftOutByReplay += messages;",
    "if (this.#isReplaying && messages < 0) this.#leftOutByReplay += messages;",
  ],
  [
    "records during a pause",
    "else if (this.#pause) this.#leftOutByPause += messages;",
    "else if (this.#pause && messages < 0) this.#leftOutByPause += messages;",
  ],
  [
    "keeps what waits until the block is full",
    "    this.#timer ??= setTimeout(() => {\n      this.#timer = undefined;\n      this.#finish();\n    }, FLUSH_MS);",
    "    this.#timer ??= setTimeout(() => {\n      this.#timer = undefined;\n    }, FLUSH_MS);",
  ],
]);

const SPOOL = mutantsOf("archive/spool.ts", ["tests/archive/recorder_test.ts"], [
  [
    "says that blocks are there which died with their Worker",
    "this.#handAgain(item, isThere[i] ?? false);",
    "this.#handAgain(item, true);",
  ],
  [
    "loses blocks that had been written",
    "this.#handAgain(item, isThere[i] ?? false);",
    "this.#handAgain(item, false);",
  ],
  [
    "counts what waits twice after its Worker died",
    "    this.#isOpen = true;\n    this.#bytes = 0;",
    "    this.#isOpen = true;",
  ],
  ["forgets to count what is on disk", "    this.#bytes -= bytes;\n", ""],
  [
    "tells one too few that were lost",
    'missed: messages, reason: "failed"',
    'missed: messages - 1, reason: "failed"',
  ],
]);

const RECEIVER = mutantsOf("backbone/receiver.ts", [
  "tests/backbone/receiver_test.ts",
  "tests/backbone/sites_test.ts",
], [
  ["passes on what came before", "if (number <= last) {", "if (number < last) {"],
  [
    "passes on what is out of turn",
    "if (number > last + 1 && this.#isStrict && !sender.isLoose && confirmed <= last) {",
    "if (number > last + 2 && this.#isStrict && !sender.isLoose && confirmed <= last) {",
  ],
  [
    "waits for ever for what was confirmed and lost",
    "!sender.isLoose && confirmed <= last) {",
    "!sender.isLoose) {",
  ],
  [
    "believes that what is out of turn was lost",
    "!sender.isLoose && confirmed <= last) {",
    "!sender.isLoose && confirmed < last) {",
  ],
  [
    "waits for ever behind a hole of the stream",
    "if (instance !== own) sender.isLoose = true;",
    "if (instance !== own) sender.isLoose = false;",
  ],
  [
    "is loose for its own site",
    "if (instance !== own) sender.isLoose = true;",
    "sender.isLoose = true;",
  ],
  [
    "misses what was before a replay",
    "if (number > sender.last + 1) sender.last = number - 1;",
    "",
  ],
  ["is loose for ever", "    sender.isLoose = false;\n", ""],
  [
    "counts one missing too few",
    "const missed = number - last - 1 + gone;",
    "const missed = number - last - 1;",
  ],
  [
    "learns what is out of turn",
    "else if (number === sender.last + 1 || confirmed > sender.last) {",
    "else if (number > sender.last) {",
  ],
  [
    "remembers every sender",
    "if (this.#senders.size >= MAX_SENDERS) {",
    "if (this.#senders.size < 0) {",
  ],
  [
    "forgets those that it heard last",
    "if (sender.heard < middle) this",
    "if (sender.heard > middle) this",
  ],
]);

const SEND_QUEUE = mutantsOf("backbone/send_queue.ts", [
  "tests/backbone/send_queue_test.ts",
  "tests/backbone/sites_test.ts",
], [
  [
    "believes a confirmation of an earlier round",
    "if (round !== this.#round || wireNumber > this.lastWireNumber) return false;",
    "if (wireNumber > this.lastWireNumber) return false;",
  ],
  [
    "sends on after a failure",
    "    this.#sentCount = this.#confirmedCount;\n    this.#windowBytes = 0;",
    "    this.#windowBytes = 0;",
  ],
  [
    "sends a second one before the first is stored",
    "if (this.inFlight > 0 && !this.#isRoundOpen) return undefined;",
    "",
  ],
  [
    "counts the bytes of what is done with",
    "this.#bytes -= this.#sent.shift()!.body.length;",
    "this.#sent.shift();",
  ],
  [
    "lets go of what is not at home",
    "this.#confirmedCount > 0 && this.#sent.first!.number <= this.#homeUpTo",
    "this.#confirmedCount > 0",
  ],
  ["tells nobody what it dropped", "    this.#goneBefore++;\n", ""],
]);

/** See the module. */
export const ROOMS: readonly Mutant[] = [BLOCK, RECORDER, SPOOL, RECEIVER, SEND_QUEUE].flat();
