import assert from "node:assert/strict";
import { OptionError } from "../../base/errors.ts";
import { checkInteger } from "../../base/options.ts";

Deno.test("checkInteger() gives back a whole number within its range", () => {
  for (const value of [0, 1, 65_535]) assert.equal(checkInteger("port", value, 0, 65_535), value);
  assert.equal(checkInteger("bytes", Number.MAX_SAFE_INTEGER, 1), Number.MAX_SAFE_INTEGER);
});

for (const value of [-1, 65_536, 0.5, NaN, Infinity, "80", undefined, null]) {
  Deno.test(`checkInteger() refuses ${JSON.stringify(value)} (${value}) where 0 to 65535 may stand`, () => {
    assert.throws(() => checkInteger("port", value as number, 0, 65_535), (error) => {
      assert(error instanceof OptionError && error instanceof TypeError);
      assert.equal(error.code, "bad-option");
      assert.equal(error.message, `Cannot use port: it is ${value}, not a whole number from 0 to 65535`);
      return true;
    });
  });
}

Deno.test("checkInteger() names no upper bound where there is none", () => {
  assert.throws(() => checkInteger("bytes", 0, 1), {
    message: "Cannot use bytes: it is 0, not a whole number from 1 on",
  });
});
