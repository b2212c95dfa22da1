import assert from "node:assert/strict";
import fc from "fast-check";
import { memberSpan, typeOf } from "../../bus/json_member.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The value of the member by its span, in the middle of other bytes. */
function memberOf(object: string, name: string): unknown {
  const body = encoder.encode(object);
  const bytes = new Uint8Array(body.length + 8).fill(0x22);
  bytes.set(body, 3);
  const span = memberSpan(bytes, 3, 3 + body.length, name);
  return span && JSON.parse(decoder.decode(bytes.subarray(span.start, span.end)));
}

function typeOfText(object: string): string | undefined {
  const bytes = encoder.encode(object);
  return typeOf(bytes, 0, bytes.length);
}

Deno.test("memberSpan() finds a member among others, whatever their values are", () => {
  for (const value of ["1", "-1.5e3", "true", "null", '"}\\"{,:"', "[[{}],[1,2]]", '{"a":{"a":[3]}}', '""']) {
    for (
      const object of [
        `{"a":${value}}`,
        ` { "x" : "a" , "a" : ${value} } `,
        `{"a":0,"x":{"a":1},"a":${value},"y":["a",{"a":2}],"z":"\\"a\\":5"}`,
      ]
    ) {
      assert.deepEqual(memberOf(object, "a"), JSON.parse(object).a, object);
    }
  }
});

Deno.test("memberSpan() takes neither white space nor what follows for a part of the value", () => {
  const object = '{"a" :\t7 \n,"b":"x" }';
  const bytes = encoder.encode(object);
  assert.deepEqual(memberSpan(bytes, 0, bytes.length, "a"), { start: 7, end: 8 });
  assert.deepEqual(memberSpan(bytes, 0, bytes.length, "b"), { start: 15, end: 18 });
});

Deno.test("memberSpan() finds no member that is deeper, only resembles the name, or is not there", () => {
  for (
    const object of [
      "{}",
      " {\n} ",
      '{"b":{"a":1}}',
      '{"b":["a"]}',
      '{"aa":1}',
      '{"A":1}',
      '{"":1}',
      '{"b":"a"}',
    ]
  ) assert.equal(memberOf(object, "a"), undefined, object);
});

Deno.test("memberSpan() reads a key with escapes as JSON.parse does", () => {
  assert.equal(memberOf('{"\\u0061":1}', "a"), 1);
  assert.equal(memberOf('{"\\u0074\\u0079\\u0070\\u0065":1}', "type"), 1);
  assert.equal(memberOf('{"\\ud83d\\ude00":1}', "\u{1f600}"), 1);
  assert.equal(memberOf('{"\u{1f600}":1}', "\u{1f600}"), 1);
  assert.equal(memberOf('{"\\/":1}', "/"), 1);
  assert.equal(memberOf('{"\\ud800":1}', "\ud800"), 1);
  assert.equal(memberOf('{"\ufffd":1}', "\ud800"), undefined);
  assert.equal(memberOf('{"type":1,"\\u0074ype":2}', "type"), 2);
});

Deno.test("memberSpan() steps over a member of any depth", () => {
  const depth = 1_000_000;
  assert.equal(memberOf(`{"b":${"[".repeat(depth)}${"]".repeat(depth)},"a":1}`, "a"), 1);
});

Deno.test("memberSpan() finds what JSON.parse() finds in any object, however it is written", () => {
  // Few keys, so that they repeat and one is the other's beginning. None of one character: V8 15.0's JSON.parse takes such a
  // key for a backslash when it is written with an escape, as in {"type":1,"\\u0061":2}.
  const key = fc.constantFrom("aa", "bb", "aab", "", "type", '""', "\\\\", "éé", "__proto__", "aa\u2028");
  const spelt = fc.tuple(key, fc.infiniteStream(fc.boolean())).map(([name, isEscaped]) =>
    `"${
      [...name].map((char) =>
        isEscaped.next().value
          ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
          : JSON.stringify(char).slice(1, -1)
      ).join("")
    }"`
  );
  const space = fc.constantFrom("", " ", "\n\t ");
  const value = fc.oneof(fc.json(), fc.jsonValue().map((value) => JSON.stringify(value, null, 2)));
  const member = fc.tuple(space, spelt, space, space, value, space)
    .map(([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`);
  const object = fc.tuple(space, fc.array(member, { maxLength: 6 }), space)
    .map(([a, members, b]) => `${a}{${members.join(",")}}${b}`);
  fc.assert(fc.property(object, key, (text, name) => {
    const parsed = JSON.parse(text);
    assert.deepEqual(memberOf(text, name), Object.hasOwn(parsed, name) ? parsed[name] : undefined);
  }));
});

Deno.test("typeOf() says the type of a message wherever it stands", () => {
  assert.equal(typeOfText('{"type":"subject","subject":119}'), "subject");
  assert.equal(typeOfText('{ "subject" : 119, "type" : "subject" }'), "subject");
  assert.equal(typeOfText('{"target":{"type":"x"},"type":"y"}'), "y");
  assert.equal(typeOfText('{"type":"x","type":"y"}'), "y");
  assert.equal(typeOfText('{"\\u0074ype":"\\u0078"}'), "x");
  assert.equal(typeOfText('{"type":"sujet d’étude"}'), "sujet d’étude");
  assert.equal(typeOfText('{"type":""}'), "");
  assert.equal(typeOfText('{"type": "recipe", "subtype": "type"}'), "recipe");
  assert.equal(typeOfText('{"type":"x","typ\\u0065":"y"}'), "y");
  assert.equal(typeOfText('{"type":"x\\"","a":1}'), 'x"');
  assert.equal(typeOfText(`{"type":"${"x".repeat(100)}"}`), "x".repeat(100));
});

Deno.test("typeOf() says nothing of a message whose type is no text, or missing", () => {
  for (
    const object of [
      "{}",
      '{"Type":"x"}',
      '{"type":7}',
      '{"type":null}',
      '{"type":["x"]}',
      '{"type":"x","type":7}',
    ]
  ) {
    assert.equal(typeOfText(object), undefined, object);
  }
});

Deno.test("typeOf() keeps types apart that share length, beginning and end", () => {
  for (let round = 0; round < 2; round++) {
    for (const type of ["abcd", "accd", "abcd", "a\\u0062d", "abcde"]) {
      assert.equal(typeOfText(`{"type":"${type}"}`), JSON.parse(`"${type}"`));
    }
  }
});

Deno.test("typeOf() agrees with JSON.parse() about any type", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "grapheme" }), fc.jsonValue()), fc.jsonValue(), (type, other) => {
      const text = JSON.stringify({ other, type });
      const parsed = JSON.parse(text).type;
      assert.equal(typeOfText(text), typeof parsed === "string" ? parsed : undefined);
    }),
  );
});
