/** The walk over a JSON text that the live page opens messages with. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { hasParts, memberOf, partsAfter } from "../../http/client/json_parts.js";

/** The value again, by asking for its parts, a few at a time. */
function rebuild(text: string, start: number, end: number, limit: number): unknown {
  const isObject = text[start] === "{";
  if (!hasParts(text, start)) return JSON.parse(text.slice(start, end));
  const found: [string, unknown][] = [];
  for (let at: number | undefined = start; at !== undefined;) {
    const { parts, next }: ReturnType<typeof partsAfter> = partsAfter(text, at, limit);
    assert.ok(parts.length <= limit);
    for (const part of parts) {
      assert.equal(part.key !== undefined, isObject);
      found.push([
        part.key === undefined ? "" : JSON.parse(part.key),
        rebuild(text, part.start, part.end, limit),
      ]);
    }
    at = next;
  }
  return isObject ? Object.fromEntries(found) : found.map(([, value]) => value);
}

Deno.test("partsAfter() finds what JSON.parse() finds, in slices of any size, with and without white space", () => {
  fc.assert(
    fc.property(
      fc.json(),
      fc.constantFrom(0, 1, "\t"),
      fc.integer({ min: 1, max: 5 }),
      (json, space, limit) => {
        const text = JSON.stringify(JSON.parse(json), null, space);
        const expected = JSON.parse(text);
        assert.deepEqual(rebuild(text, 0, text.length, limit), expected);
      },
    ),
  );
});

Deno.test("partsAfter() ends on any text, and never leaves it", () => {
  const text = fc.string({ unit: fc.constantFrom(...'{}[]",:\\ a1'), maxLength: 60 });
  fc.assert(
    fc.property(text, (text) => {
      let found = 0;
      for (let at: number | undefined = 0; at !== undefined;) {
        const { parts, next }: ReturnType<typeof partsAfter> = partsAfter(text, at, 3);
        found += parts.length;
        for (const { start, end } of parts) assert.ok(start <= end && end <= text.length);
        at = next;
      }
      assert.ok(found <= text.length + 1);
    }),
  );
});

Deno.test("memberOf() finds the text of a member as JSON.parse() would find its value", () => {
  const cases: readonly (readonly [text: string, found: string | undefined])[] = [
    ['{"type":"a"}', '"a"'],
    [' {"x":{"type":1} , "type" : 12345678901234567890 }', "12345678901234567890"],
    ['{"type":1,"type":[2]}', "[2]"],
    ['{"\\u0074ype":true}', "true"],
    ['{"a":"\\"type\\":1"}', undefined],
    ["{}", undefined],
    ["[]", undefined],
    ["", undefined],
  ];
  for (const [text, found] of cases) assert.equal(memberOf(text, "type"), found, text);
  const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)},"type":1}`;
  assert.equal(memberOf(deep, "type"), "1");
});
