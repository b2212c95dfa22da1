/**
 * Forms: the short way for the usual body gives what the long way gives.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseUrlEncoded } from "../../http/form.ts";

/** A text, or the code of the problem. */
function outcome(body: Uint8Array): string {
  try {
    return JSON.stringify(parseUrlEncoded(body));
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function bytesOf(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const chunks = parts.map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part);
  const bytes = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Escapes, halves of escapes, BOM, white space, control characters, and everything else. */
const piece = fc.oneof(
  fc.constantFrom(
    "%",
    "%4",
    "%zz",
    "+",
    "%2B",
    "%26",
    "%EF%BB%BF",
    "%00",
    "%08",
    "%0e",
    "%1f",
    "%7F",
    "%C3",
    "%A9",
    "%c3%a9",
  ),
  fc.constantFrom(
    "%EF%BF%BD",
    "%F0%9F%98%80",
    "%ED%A0%80",
    "%C0%80",
    "=",
    " ",
    "\t",
    "\n",
    "\u0000",
    "{",
    "a",
    "\u00e9",
  ),
  fc.string(),
);
const value = fc.array(
  fc.oneof({ arbitrary: piece, weight: 9 }, { arbitrary: fc.uint8Array({ maxLength: 3 }), weight: 1 }),
)
  .map((parts) => bytesOf(...parts));

Deno.test("parseUrlEncoded() reads a lone field as it reads one among others", () => {
  fc.assert(
    fc.property(value, (bytes) => {
      assert.equal(outcome(bytesOf("message=", bytes)), outcome(bytesOf("other=&message=", bytes)));
    }),
    { numRuns: 5000 },
  );
});

Deno.test("parseUrlEncoded() takes the last of several, and control characters for spaces", () => {
  assert.equal(outcome(bytesOf("message=%7B%7D&message=+%5B\u0001%5D%0A")), JSON.stringify("[ ]"));
  assert.equal(outcome(bytesOf("message=%7B%01%7D")), JSON.stringify("{ }"));
});

Deno.test("parseUrlEncoded() refuses escapes that are not UTF-8", () => {
  assert.equal(outcome(bytesOf("message=%FF")), "invalid-json");
  assert.equal(outcome(bytesOf("message=%ED%A0%80")), "invalid-json");
});

Deno.test("parseUrlEncoded() reads a body longer than its scratch", () => {
  const long = "x".repeat(10_000);
  assert.equal(outcome(bytesOf("message=", long)), JSON.stringify(long));
});
