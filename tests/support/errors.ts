/** Expectations about errors. */
import assert from "node:assert/strict";

/** For `assert.throws` and `assert.rejects`: the class, the code, and a message of one line. */
// deno-lint-ignore no-explicit-any
export function isError(type: new (...args: any[]) => Error, code: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof type, String(error));
    assert.equal((error as Error & { code: string }).code, code);
    assert.doesNotMatch(error.message, /\n/, "one line");
    return true;
  };
}
