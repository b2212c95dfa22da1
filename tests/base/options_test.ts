import assert from "node:assert/strict";
import { OptionError } from "../../base/errors.ts";
import { checkNumber, type NumberRules, readNumbers } from "../../base/options.ts";

const PORT = { default: 0, min: 0, max: 65_535 } as const;

/** The message of the refusal. */
function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    assert(error instanceof OptionError && error instanceof TypeError);
    assert.equal(error.code, "bad-option");
    return error.message;
  }
  assert.fail("nothing was refused");
}

Deno.test("checkNumber() gives back a whole number within its range", () => {
  for (const value of [0, 1, 65_535]) assert.equal(checkNumber("port", value, PORT), value);
  assert.equal(checkNumber("bytes", Number.MAX_SAFE_INTEGER, { min: 1 }), Number.MAX_SAFE_INTEGER);
});

Deno.test("checkNumber() takes the default for undefined, and undefined where there is none", () => {
  assert.equal(checkNumber("port", undefined, { ...PORT, default: 8000 }), 8000);
  assert.equal(checkNumber("limit", undefined, { min: 1 }), undefined);
});

for (
  const [value, shown] of [
    [-1, "-1"],
    [65_536, "65536"],
    [0.5, "0.5"],
    [NaN, "NaN"],
    [Infinity, "Infinity"],
    ["80", '"80"'],
    [null, "null"],
    [[80], "an object"],
    [80n, "80"],
    [true, "true"],
  ] as const
) {
  Deno.test(`checkNumber() refuses ${typeof value} ${shown} where 0 to 65535 may stand`, () => {
    assert.equal(
      refusal(() => checkNumber("port", value, PORT)),
      `Cannot use port: it is ${shown}, not a whole number from 0 to 65535`,
    );
  });
}

Deno.test("checkNumber() names no upper bound where there is none", () => {
  assert.equal(
    refusal(() => checkNumber("bytes", 0, { min: 1 })),
    "Cannot use bytes: it is 0, not a whole number from 1 on",
  );
});

Deno.test("checkNumber() takes no time that is longer than a timer can wait", () => {
  assert.equal(checkNumber("lingerMs", 2 ** 31 - 1, { min: 0 }), 2 ** 31 - 1);
  for (const value of [2 ** 31, Infinity]) {
    assert.equal(
      refusal(() => checkNumber("lingerMs", value, { min: 0 })),
      `Cannot use lingerMs: it is ${value}, not a whole number from 0 to 2147483647`,
    );
  }
});

Deno.test("checkNumber() takes a fraction only where one may stand", () => {
  const rule = { min: 0.001, isFraction: true };
  assert.equal(checkNumber("perSecond", 0.5, rule), 0.5);
  for (const value of [0, Infinity, NaN]) {
    assert.equal(
      refusal(() => checkNumber("perSecond", value, rule)),
      `Cannot use perSecond: it is ${value}, not a number from 0.001 on`,
    );
  }
});

const RULES = {
  port: { default: 80, min: 0, max: 65_535 },
  "queue.bytes": { default: 5, min: 1 },
  "queue.messages": { min: 1 },
} as const satisfies NumberRules;

Deno.test("readNumbers() finds each option, also within another, and fills in what is left out", () => {
  assert.deepEqual(readNumbers(RULES, {}), { port: 80, "queue.bytes": 5, "queue.messages": undefined });
  assert.deepEqual(readNumbers(RULES, { port: undefined, queue: { bytes: 7 } }), {
    port: 80,
    "queue.bytes": 7,
    "queue.messages": undefined,
  });
});

Deno.test("readNumbers() names the option that it refuses by its whole path", () => {
  assert.match(
    refusal(() => readNumbers(RULES, { queue: { bytes: 0 } })),
    /^Cannot use queue\.bytes: it is 0, /,
  );
  for (const queue of [null, 5, "5"]) {
    assert.match(
      refusal(() => readNumbers(RULES, { queue })),
      /^Cannot use queue: it is "?\w+"?, not an object$/,
    );
  }
});
