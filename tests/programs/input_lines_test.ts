import assert from "node:assert/strict";
import { type InputLine, inputLines } from "../../programs/input_lines.ts";

async function linesOf(chunks: readonly Uint8Array[], maxBytes?: number): Promise<InputLine[]> {
  async function* stream() {
    yield* chunks;
  }
  return await Array.fromAsync(inputLines(stream(), maxBytes));
}

const encode = (text: string) => new TextEncoder().encode(text);
const bytewise = (text: string) => [...encode(text)].map((byte) => Uint8Array.of(byte));

const CASES: readonly (readonly [what: string, input: string, lines: readonly string[]])[] = [
  ["nothing", "", []],
  ["a line without its break", "a", ["a"]],
  ["LF and CRLF", "a\nb\r\nc\n", ["a", "b", "c"]],
  ["empty lines", "\n\r\n\n", ["", "", ""]],
  ["characters of several bytes", "ä€😀\né", ["ä€😀", "é"]],
  ["the mark of a Windows editor, also of a second file", "\ufeffa\n\ufeffb", ["a", "b"]],
];
for (const [what, input, expected] of CASES) {
  Deno.test({ name: `inputLines() reads ${what}, however it is cut`, permissions: "none" }, async () => {
    const lines = expected.map((text, index) => ({ number: index + 1, text }));
    assert.deepEqual(await linesOf([encode(input)]), lines);
    assert.deepEqual(await linesOf(bytewise(input)), lines);
  });
}

Deno.test({
  name: "inputLines() tells the number of a line that is no text, and goes on",
  permissions: "none",
}, async () => {
  const lines = await linesOf([encode("a\n"), Uint8Array.of(0xff, 10), encode("abcdef\nb")], 3);
  assert.deepEqual(lines, [
    { number: 1, text: "a" },
    { number: 2, problem: "it is not UTF-8" },
    { number: 3, problem: "it is 6 bytes, limit is 3" },
    { number: 4, text: "b" },
  ]);
});

Deno.test({ name: "inputLines() holds no more of a line than its limit", permissions: "none" }, async () => {
  let taken = 0;
  async function* endless() {
    for (; taken < 64; taken++) yield new Uint8Array(65_536).fill(120);
  }
  const lines = await Array.fromAsync(inputLines(endless(), 100_000));
  assert.deepEqual(lines, [{ number: 1, problem: "it is 4194304 bytes, limit is 100000" }]);
});

/** Counts the bytes that are looked at for the end of a line. */
class Watched extends Uint8Array {
  static looked = 0;

  override indexOf(byte: number, from = 0): number {
    const found = super.indexOf(byte, from);
    Watched.looked += (found < 0 ? this.length : found + 1) - from;
    return found;
  }
}

for (
  const [what, chunk, chunks, lines] of [
    ["a line in 2,000 pieces", "x".repeat(500), 2000, 1],
    ["100,000 lines in one piece", "{}\n".repeat(100_000), 1, 100_000],
    ["lines of which each is cut", "12345\n7890", 10_000, 10_001],
  ] as const
) {
  Deno.test({ name: `inputLines() looks at no byte of ${what} twice`, permissions: "none" }, async () => {
    Watched.looked = 0;
    const bytes = new TextEncoder().encode(chunk);
    const stream = async function* () {
      for (let i = 0; i < chunks; i++) yield new Watched(bytes);
    };
    let count = 0;
    for await (const { text } of inputLines(stream())) count += text === undefined ? 0 : 1;
    assert.equal(count, lines);
    assert.equal(Watched.looked, chunk.length * chunks);
  });
}
