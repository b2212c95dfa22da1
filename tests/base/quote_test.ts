import assert from "node:assert/strict";
import { quote, visible } from "../../base/quote.ts";

const HARMFUL: readonly (readonly [what: string, from: number, to: number])[] = [
  ["C0 controls", 0x00, 0x1f],
  ["DEL and C1 controls", 0x7f, 0x9f],
  ["the Arabic letter mark", 0x61c, 0x61c],
  ["marks of direction", 0x200e, 0x200f],
  ["separators of lines and paragraphs", 0x2028, 0x2029],
  ["embeddings and overrides of direction", 0x202a, 0x202e],
  ["isolates of direction", 0x2066, 0x2069],
  ["the byte order mark", 0xfeff, 0xfeff],
];
for (const [what, from, to] of HARMFUL) {
  Deno.test({ name: `visible() escapes ${what}, and nothing next to them`, permissions: "none" }, () => {
    for (let code = from; code <= to; code++) {
      assert.equal(visible(String.fromCharCode(code)), `\\u${code.toString(16).padStart(4, "0")}`);
    }
    const next = String.fromCharCode(to + 1);
    if (!HARMFUL.some(([, first]) => first === to + 1)) assert.equal(visible(next), next);
  });
}

Deno.test({
  name: "visible() leaves the value of a JSON text as it is, and its own output too",
  permissions: "none",
}, () => {
  const text = JSON.stringify({ a: "\u0085\u009b31m\u2028\u202e\u007fä", "\u2066": 1 });
  const once = visible(text);
  assert.notEqual(once, text);
  assert.deepEqual(JSON.parse(once), JSON.parse(text));
  assert.equal(visible(once), once);
});

Deno.test({ name: "quote() puts a text in quotes and cuts what is long", permissions: "none" }, () => {
  assert.equal(quote('a "b"\n\u009b'), '"a \\"b\\"\\n\\u009b"');
  assert.equal(quote("abcdef", 3), '"abc…"');
});
