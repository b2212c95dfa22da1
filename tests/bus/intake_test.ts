import assert from "node:assert/strict";
import { MessageError } from "../../base/errors.ts";
import { type MessageErrorEvent, TypedEventTarget } from "../../bus/events.ts";
import { checkText, explainJson, explainJsonText, explainUnfit, Refusals } from "../../bus/intake.ts";
import { isError } from "../support/errors.ts";

const encoder = new TextEncoder();

/** Bytes of a text or of numbers, one behind the other. */
function bytesOf(...parts: readonly (string | number)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "string" ? [...encoder.encode(part)] : [part]),
  );
}

class Target extends TypedEventTarget<{ messageerror: MessageErrorEvent }> {}

Deno.test("Refusals counts by reason, and tells those who listen", () => {
  const target = new Target();
  const refusals = new Refusals(target);
  refusals.add(bytesOf("x[]x"), 1, 3);
  const told: MessageError[] = [];
  target.addEventListener("messageerror", ({ error }) => told.push(error));
  refusals.add(bytesOf("x[1]x"), 1, 4);
  refusals.add(bytesOf("{"), 0, 1);
  refusals.addUnfit("too-large", 17, 1);
  refusals.addUnfit("multipart", 17, 3);
  assert.deepEqual(refusals.counts, { "not-an-object": 2, "not-json": 1, "too-large": 1, multipart: 1 });
  assert.deepEqual(told.map(({ code }) => code), ["not-an-object", "not-json", "too-large", "multipart"]);
});

Deno.test("Refusals makes no error for nobody", () => {
  const target = new Target();
  let events = 0;
  target.dispatchEvent = () => {
    events++;
    return true;
  };
  new Refusals(target).add(bytesOf("[]"), 0, 2);
  assert.equal(events, 0);
});

Deno.test("checkText() takes a JSON object up to the limit in bytes of UTF-8", () => {
  checkText("{}", 2);
  checkText('{"a":"é"}', 10);
  assert.throws(() => checkText('{"a":"é"}', 9), isError(MessageError, "too-large"));
  assert.throws(
    () => checkText('{"a":"é"}', 9),
    /^MessageError: Cannot send message: it is 10 bytes, limit is 9$/,
  );
});

Deno.test("checkText() refuses what is no JSON object, however large", () => {
  assert.throws(() => checkText("[]", 1), isError(MessageError, "not-an-object"));
  assert.throws(() => checkText("{", 10), isError(MessageError, "not-json"));
  assert.throws(() => checkText('{"a":"\ud800"}', 100), isError(MessageError, "not-utf8"));
});

for (
  const [what, bytes, code, text] of [
    ["no UTF-8", bytesOf('{"a":"', 0xff, '"}'), "not-utf8", "Cannot take message: its 9 bytes are no UTF-8"],
    ["no JSON", bytesOf("{]"), "not-json", "Cannot take message: it is no JSON: "],
    ["nothing", bytesOf(""), "not-json", "Cannot take message: it is no JSON: "],
    [
      "a byte order mark",
      bytesOf(0xef, 0xbb, 0xbf, "{}"),
      "not-json",
      "Cannot take message: it is no JSON: ",
    ],
    [
      "a list",
      bytesOf("[]"),
      "not-an-object",
      "Cannot take message: it is JSON, but an array, not an object",
    ],
    ["null", bytesOf("null"), "not-an-object", "Cannot take message: it is JSON, but null, not an object"],
    [
      "a number",
      bytesOf("5"),
      "not-an-object",
      "Cannot take message: it is JSON, but a number, not an object",
    ],
  ] as const
) {
  Deno.test(`explainJson() says of ${what}: ${code}`, () => {
    const error = explainJson(bytes);
    assert.equal(error?.code, code);
    assert(error.message.startsWith(text), error.message);
    assert(error.message.length < 300);
  });
}

Deno.test("explainJson() builds nothing of a large list", () => {
  const { parse } = JSON;
  // It would take 2 s and 600 MB here.
  JSON.parse = () => assert.fail("JSON.parse builds what comes before the mistake");
  try {
    for (const [end, code] of [["]", "not-an-object"], ["", "not-json"]] as const) {
      const bytes = encoder.encode("[" + "{},".repeat(5_000_000) + "{}" + end);
      const { heapUsed } = Deno.memoryUsage();
      assert.equal(explainJson(bytes)?.code, code);
      assert.ok(Deno.memoryUsage().heapUsed - heapUsed < 128 * 1024 * 1024);
    }
  } finally {
    JSON.parse = parse;
  }
});

Deno.test("explainJson() has nothing against an object", () =>
  assert.equal(explainJson(bytesOf('{"a":1}')), undefined));

Deno.test("explainJsonText() says of a lone surrogate that UTF-8 cannot hold it", () => {
  assert.equal(explainJsonText('{"a":"\ud800"}')?.code, "not-utf8");
  assert.equal(explainJsonText('{"a":"\\ud800"}'), undefined);
});

Deno.test("explainUnfit() says how large a message was, or of how many frames", () => {
  assert.equal(
    explainUnfit("too-large", 17, 1).message,
    "Cannot take message: its 17 bytes are above the limit",
  );
  assert.equal(
    explainUnfit("multipart", 17, 3).message,
    "Cannot take message: it has 3 frames of 17 bytes, a message of the bus has one frame",
  );
  assert.deepEqual([explainUnfit("too-large", 1, 1).code, explainUnfit("multipart", 1, 2).code], [
    "too-large",
    "multipart",
  ]);
});
