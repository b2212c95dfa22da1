import assert from "node:assert/strict";
import fc from "fast-check";
import { explainJson, explainJsonText } from "../../bus/intake.ts";
import { isJsonObject, isJsonObjectText, refusalOf } from "../../bus/json.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What `isJsonObject` must say: the platform's own answer. */
function isObjectForJsonParse(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Bytes of a text or of numbers, one behind the other. */
function bytesOf(...parts: readonly (string | number)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "string" ? [...encoder.encode(part)] : [part]),
  );
}

/** Why bytes are no JSON object, by the slow way. */
function refusalForJsonParse(bytes: Uint8Array): string {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return "not-utf8";
  }
  try {
    JSON.parse(text);
  } catch {
    return "not-json";
  }
  return "not-an-object";
}

/** Asks, with other bytes before and behind which must not matter. */
function check(bytes: Uint8Array): boolean {
  for (const around of [0x00, 0x22, 0x7b, 0x7d, 0x80]) {
    const padded = new Uint8Array(bytes.length + 6).fill(around);
    padded.set(bytes, 3);
    const answer = isJsonObject(padded, 3, 3 + bytes.length);
    assert.equal(answer, isJsonObject(bytes, 0, bytes.length), "bytes outside of the range matter");
  }
  return isJsonObject(bytes, 0, bytes.length);
}

/** The answer is right, and it is JSON.parse's. */
function expects(expected: boolean, bytes: Uint8Array, what: string): void {
  assert.equal(isObjectForJsonParse(bytes), expected, `JSON.parse: ${what}`);
  assert.equal(check(bytes), expected, what);
  assert.equal(explainJson(bytes) === undefined, expected, `explainJson: ${what}`);
  if (!expected) assert.equal(refusalOf(bytes, 0, bytes.length), refusalForJsonParse(bytes), what);
}

function example(
  name: string,
  expected: boolean,
  texts: readonly (string | Uint8Array)[],
): Deno.TestDefinition {
  return {
    name: `isJsonObject() ${expected ? "takes" : "refuses"} ${name}`,
    fn: () => {
      for (const text of texts) {
        const bytes = typeof text === "string" ? encoder.encode(text) : text;
        expects(expected, bytes, JSON.stringify(typeof text === "string" ? text.slice(0, 80) : [...text]));
      }
    },
  };
}

/** Values as a member's value, as a list's item, and deeper. */
function within(values: readonly string[]): string[] {
  return values.flatMap((value) => [
    `{"a":${value}}`,
    `{"a": ${value} ,"b":1}`,
    `{"a":[${value}]}`,
    `{"a":[1,${value},2]}`,
    `{"a":{"b":[[${value}]]}}`,
  ]);
}

Deno.test(
  example("objects", true, ["{}", '{"a":1}', '{"a":{"b":{}},"c":[]}', '{"":""}', '{"a":[{},[],[{}]]}']),
);
Deno.test(example("other JSON", false, ["[]", "[{}]", "null", "true", "false", "1", '"{}"', '[{"a":1}]']));
Deno.test(example("nothing", false, ["", " ", "\n\t\r "]));
Deno.test(example("white space around everything", true, [
  " {} ",
  '\t\n\r {\t\n\r "a"\t\n\r :\t\n\r [\t\n\r 1\t\n\r ,\t\n\r {\t\n\r }\t\n\r ]\t\n\r }\t\n\r ',
]));
Deno.test(example("other white space", false, [
  "\v{}",
  "{\f}",
  "\u00a0{}",
  "{}\u2028",
  "{\u3000}",
  "\0{}",
  "{}\0",
  "/**/{}",
  "{}//",
]));
Deno.test(
  example("a byte order mark", false, ["\ufeff{}", "{}\ufeff", "{\ufeff}", bytesOf(0xef, 0xbb, 0xbf, "{}")]),
);
Deno.test(example("a byte order mark in a text", true, ['{"a":"\ufeff"}']));
Deno.test(example("the same key twice", true, ['{"a":1,"a":2}', '{"__proto__":1,"__proto__":{}}']));
Deno.test(example("something behind the object", false, ["{}{}", "{},", "{}]", "{}}", "{} 1", '{"a":1}x']));
Deno.test(example("commas too many or too few", false, [
  "{,}",
  '{"a":1,}',
  '{,"a":1}',
  '{"a":1,,"b":2}',
  '{"a":1 "b":2}',
  '{"a":[,]}',
  '{"a":[1,]}',
  '{"a":[,1]}',
  '{"a":[1,,2]}',
  '{"a":[1 2]}',
]));
Deno.test(example("keys that are no texts", false, [
  "{a:1}",
  "{1:1}",
  "{'a':1}",
  "{null:1}",
  "{[]:1}",
  "{{}:1}",
  '{"a"}',
  '{"a":}',
  "{:1}",
  '{"a"::1}',
  '{"a",1}',
  '{"a"1}',
]));
Deno.test(example("brackets that do not belong together", false, [
  "{]",
  '{"a":[}',
  '{"a":[}]',
  '{"a":[1}',
  '{"a":{]}',
  "{",
  "}",
  "{{}}",
  '{"a":[{]}',
]));
Deno.test(example("words", true, within(["true", "false", "null"])));
Deno.test(example(
  "other words",
  false,
  within([
    "True",
    "tru",
    "truee",
    "nul",
    "nulll",
    "fals",
    "undefined",
    "NaN",
    "Infinity",
    "-Infinity",
    "t",
    "f",
    "n",
    "n ull",
  ]),
));
Deno.test(example(
  "numbers",
  true,
  within([
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "1234567890",
    "0.5",
    "-0.5",
    "10.25",
    "1e5",
    "1E5",
    "1e+5",
    "1e-5",
    "0e0",
    "0E+0",
    "-0.0e-0",
    "1e400",
    "123456789012345678901234567890",
    "0.00000000000000000000001",
  ]),
));
Deno.test(example(
  "other numbers",
  false,
  within([
    "+1",
    "01",
    "-01",
    "00",
    "-",
    ".5",
    "5.",
    "-.5",
    "5.e1",
    "1e",
    "1e+",
    "1e-",
    "1e1.5",
    "1.2.3",
    "0x10",
    "1_000",
    "1 2",
    "--1",
    "1-",
    "1e5e5",
    "0b1",
    "1n",
    "٣",
  ]),
));
Deno.test(example(
  "texts",
  true,
  within([
    '""',
    '"a"',
    '" "',
    '"/"',
    '"\u007f"',
    '"é€😀"',
    '"\u2028\u2029"',
    '"\uffff"',
    '"{}[],:"',
    `"${"x".repeat(1000)}"`,
  ]),
));
Deno.test(example(
  "escapes",
  true,
  within([
    '"\\""',
    '"\\\\"',
    '"\\/\\b\\f\\n\\r\\t"',
    '"\\u0000"',
    '"\\u00E9\\uabCD"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\udc00x"',
    '"\\\\u"',
    '"\\\\\\""',
  ]),
));
Deno.test(example(
  "other escapes",
  false,
  within([
    '"\\"',
    '"\\a"',
    '"\\x41"',
    '"\\0"',
    '"\\u"',
    '"\\u1"',
    '"\\u12"',
    '"\\u123"',
    '"\\u123g"',
    '"\\U0041"',
    '"\\u{41}"',
    '"\\\'"',
    '"\\ "',
    '"\\u 041"',
    '"\\é"',
  ]),
));
Deno.test(
  example(
    "texts in other quotes, or without an end",
    false,
    within(["'a'", '"a', 'a"', "`a`", '"a""b"', '"']),
  ),
);
Deno.test(example("keys like any text", true, ['{"\\u0061":1}', '{"é":1}', '{"\\"":1}', '{"a"  :1}']));
Deno.test(
  example("keys unlike any text", false, ['{"\\x":1}', '{"a\nb":1}', '{"a":1,"b\t":2}', '{"\\u12":1}']),
);

Deno.test("isJsonObject() refuses each control character in a text, as it is", () => {
  for (let byte = 0; byte < 0x20; byte++) expects(false, bytesOf('{"a":"', byte, '"}'), `${byte}`);
});

Deno.test("isJsonObject() refuses each byte where it does not belong, outside of texts", () => {
  const parts = ["", "{", '"a"', ":", "1", ",", '"b"', ":", "[", "2", "]", "}", ""];
  for (let byte = 0; byte < 256; byte++) {
    for (let at = 1; at < parts.length; at++) {
      const bytes = bytesOf(parts.slice(0, at).join(""), byte, parts.slice(at).join(""));
      assert.equal(check(bytes), isObjectForJsonParse(bytes), `${byte} at ${at}`);
    }
  }
});

Deno.test("isJsonObject() takes each character of UTF-8 in a text, and no surrogate", () => {
  for (let code = 0x80; code < 0x11_0000; code += code < 0x1_0000 ? 1 : 97) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const bytes = encoder.encode(`{"a":"${String.fromCodePoint(code)}"}`);
    if (!isJsonObject(bytes, 0, bytes.length)) assert.fail(`U+${code.toString(16)}`);
  }
  for (let code = 0xd800; code < 0xe000; code++) {
    const bytes = bytesOf('{"a":"', 0xe0 | code >> 12, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f, '"}');
    if (isJsonObject(bytes, 0, bytes.length)) assert.fail(`U+${code.toString(16)}`);
  }
});

Deno.test("isJsonObject() agrees with the platform about any two bytes in a text, and what may follow them", () => {
  // Each first byte with each second one; 80 as third and fourth, as far as they may be needed.
  for (let first = 0x80; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      for (const rest of [[], [0x80], [0x80, 0x80], [0xbf, 0xc0], [0x41]]) {
        const bytes = bytesOf('{"a":"', first, second, ...rest, '"}');
        if (isJsonObject(bytes, 0, bytes.length) !== isObjectForJsonParse(bytes)) {
          assert.fail([first, second, ...rest].map((byte) => byte.toString(16)).join(" "));
        }
      }
    }
  }
});

Deno.test("isJsonObject() agrees with the platform about any two bytes far inside of a text, at each place of a word", () => {
  const bytes = bytesOf('{"a":"', "x".repeat(48), '"}');
  for (let at = 35; at < 39; at++) {
    for (let first = 0; first < 256; first++) {
      for (let second = 0; second < 256; second++) {
        bytes[at] = first;
        bytes[at + 1] = second;
        if (isJsonObject(bytes, 0, bytes.length) !== isObjectForJsonParse(bytes)) {
          assert.fail([first, second].map((byte) => byte.toString(16)).join(" "));
        }
      }
    }
    bytes.fill(0x78, at, at + 2);
  }
});

Deno.test("isJsonObject() finds the end of a long text wherever in its buffer it lies, and looks at nothing behind the message", () => {
  for (let offset = 0; offset < 8; offset++) {
    for (let start = 0; start < 4; start++) {
      for (let size = 30; size < 40; size++) {
        const message = bytesOf('{"a":"', "x".repeat(size), '"}');
        // What lies around it would end the text, or break it.
        const buffer = new Uint8Array(offset + start + message.length + 5).fill(0x22);
        const bytes = buffer.subarray(offset);
        bytes.set(message, start);
        const end = start + message.length;
        const where = `offset ${offset}, start ${start}, size ${size}`;
        assert.equal(isJsonObject(bytes, start, end), true, where);
        bytes[end - 2] = 0x78;
        assert.equal(isJsonObject(bytes, start, end), false, `${where}, no quote`);
        bytes[end - 2] = 0x22;
        bytes[end - 3] = 0x0a;
        assert.equal(isJsonObject(bytes, start, end), false, `${where}, line break at the end`);
      }
    }
  }
});

Deno.test(example("overlong and impossible UTF-8", false, [
  bytesOf('{"a":"', 0xc0, 0x80, '"}'),
  bytesOf('{"a":"', 0xc1, 0xbf, '"}'),
  bytesOf('{"a":"', 0xe0, 0x9f, 0xbf, '"}'),
  bytesOf('{"a":"', 0xf0, 0x8f, 0xbf, 0xbf, '"}'),
  bytesOf('{"a":"', 0xf4, 0x90, 0x80, 0x80, '"}'),
  bytesOf('{"a":"', 0xf5, 0x80, 0x80, 0x80, '"}'),
  bytesOf('{"a":"', 0xf8, 0x88, 0x80, 0x80, 0x80, '"}'),
  bytesOf('{"a":"', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, '"}'), // CESU-8
  bytesOf('{"a":"', 0x80, '"}'),
  bytesOf('{"a":"', 0xc3, '"}'),
  bytesOf('{"a":"', 0xe2, 0x82, '"}'),
  bytesOf('{"a":"', 0xf0, 0x9f, 0x98, '"}'),
  bytesOf('{"', 0xff, '":1}'),
  bytesOf('{"a":"\\', 0xc3, 0xa9, '"}'),
  bytesOf('{"a":"', 0xe9, '"}'), // Latin-1
  bytesOf(0xff, 0xfe, "{", 0, "}", 0), // UTF-16
]));

Deno.test("isJsonObject() refuses an object that is cut at any byte, and takes it whole", () => {
  const whole = bytesOf(' {"é\\u00e9\\n":[1.5e+3,-0,true,false,null,"😀",{"a":{}},[]],"b":{"c":"\\\\"}}');
  for (let size = 0; size < whole.length; size++) expects(false, whole.subarray(0, size), `${size} bytes`);
  expects(true, whole, "whole");
});

for (const depth of [1023, 1024, 1025, 5000, 200_000]) {
  Deno.test(`isJsonObject() takes ${depth} objects and lists one in the other`, () => {
    const [open, close] = ['{"a":['.repeat(depth / 2), "]}".repeat(depth / 2)];
    expects(true, bytesOf(`{"a":${open}1${close}}`), "whole");
    expects(false, bytesOf(`{"a":${open}1${close}`), "one too few");
    expects(false, bytesOf(`{"a":${open}1${close}]}`), "one too many");
    expects(false, bytesOf(`{"a":${open}1${close.slice(0, -2)}}]}`), "crossed");
  });
}

Deno.test("isJsonObject() is not confused by a deep message when the next one comes", () => {
  isJsonObject(bytesOf('{"a":['.repeat(3000)), 0, 18_000);
  expects(true, bytesOf('{"a":[1,{"b":2}]}'), "shallow");
  expects(false, bytesOf('{"a":[1,{"b":2]}]'), "crossed");
});

Deno.test("isJsonObject() takes any object that JSON.stringify() gives, with any indentation", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" })),
      fc.nat(10),
      (value, indent) => {
        assert.equal(check(encoder.encode(JSON.stringify(value, undefined, indent))), true);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("isJsonObject() takes of all JSON the objects alone", () => {
  fc.assert(
    fc.property(
      fc.json(),
      (text) => assert.equal(check(encoder.encode(text)), text.trimStart().startsWith("{")),
    ),
    { numRuns: 300 },
  );
});

Deno.test("isJsonObject() agrees with JSON.parse() about objects with a few bytes changed, left out or put in", () => {
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(...encoder.encode('{}[]",:\\u0123e.-+ \ntfn')));
  const change = fc.record({ at: fc.nat(), byte, kind: fc.constantFrom("change", "leave out", "put in") });
  let agreed = 0;
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: "grapheme", maxLength: 5 }), fc.jsonValue({ maxDepth: 3 }), {
        maxKeys: 4,
      }),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      (value, changes) => {
        const bytes = [...encoder.encode(JSON.stringify(value))];
        for (const { at, byte, kind } of changes) {
          const index = at % (bytes.length + 1);
          bytes.splice(index, kind === "put in" ? 0 : 1, ...(kind === "leave out" ? [] : [byte]));
        }
        const changed = Uint8Array.from(bytes);
        const expected = isObjectForJsonParse(changed);
        if (expected) agreed++;
        assert.equal(check(changed), expected, decoder.encoding);
      },
    ),
    { numRuns: 10_000 },
  );
  assert(agreed > 100, `only ${agreed} changed objects were still objects: the test shows little`);
});

Deno.test("isJsonObject() agrees with JSON.parse() about any row of JSON's tokens", () => {
  const token = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"a"',
    '"',
    "1",
    "-",
    "0",
    ".5",
    "e1",
    "true",
    "null",
    " ",
    "\\",
    "\n",
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
      const bytes = encoder.encode(`{${tokens.join("")}}`);
      assert.equal(check(bytes), isObjectForJsonParse(bytes));
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("isJsonObject() agrees with JSON.parse() about any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      const inText = bytesOf('{"', ...bytes, '":0}');
      for (const text of [bytes, inText]) {
        assert.equal(check(text), isObjectForJsonParse(text));
        if (!check(text)) assert.equal(refusalOf(text, 0, text.length), refusalForJsonParse(text));
      }
    }),
    { numRuns: 5000 },
  );
});

// Why not

Deno.test("refusalOf() takes for a value only what is one value", () => {
  for (
    const text of ["1,2", '1,"a":2', "1]", "1}", '1],"a":[2', '1},{"":2', "[1", '"a', ",", "[1,]", "[1],[2]"]
  ) {
    const bytes = bytesOf(text);
    assert.equal(refusalForJsonParse(bytes), "not-json");
    assert.equal(refusalOf(bytes, 0, bytes.length), "not-json", text);
  }
});

Deno.test("isJsonObjectText() takes a text exactly when its bytes are a JSON object and it has no lone surrogate", () => {
  const texts = [
    ...["{}", " {}\n", "[]", "", "{", '{"a":1}', '{"é":"\u{1f600}"}', '{"a":"\ud800"}', "\ufeff{}", "null"],
    `{"a":"${"é".repeat(2000)}"}`,
    `{"a":"${"é".repeat(20_000)}"}`,
    ...[503, 504, 505].flatMap((
      length,
    ) => [`{"a":"${"x".repeat(length)}"}`, `{"a":"${"\u20ac".repeat(length)}"}`]),
    `{"a":"${"\u20ac".repeat(5000)}`,
  ];
  for (const text of texts) {
    assert.equal(
      isJsonObjectText(text),
      text.isWellFormed() && check(encoder.encode(text)),
      text.slice(0, 20),
    );
    assert.equal(isJsonObjectText(text), explainJsonText(text) === undefined, text.slice(0, 20));
  }
});

Deno.test("isJsonObjectText() equals JSON.parse for any JSON", () => {
  fc.assert(fc.property(fc.json(), (text) => {
    assert.equal(isJsonObjectText(text), text.isWellFormed() && isObjectForJsonParse(encoder.encode(text)));
  }));
});
