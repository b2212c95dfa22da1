import assert from "node:assert/strict";
import fc from "fast-check";
import { isJsonObject } from "../../bus/json.ts";
import { endOfPlain } from "../../bus/plain_text.ts";
import { buildWasm, sourceOf } from "../support/build_wasm.ts";

const PURE = { permissions: "none" } as const;
/** Longer than several pieces of what is looked at together. */
const LONG = 70_000;

/** By the byte, as JSON says it. */
function endOfPlainByTheByte(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at]! >= 0x20 && bytes[at]! < 0x80 && bytes[at] !== 0x22 && bytes[at] !== 0x5c) {
    at++;
  }
  return at;
}

function isObjectForJsonParse(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    );
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

Deno.test(
  "The end of plain text is found wherever it is, whatever ends it, from wherever one looks",
  PURE,
  () => {
    const bytes = new Uint8Array(LONG);
    for (let i = 0; i < LONG; i++) bytes[i] = 0x20 + i % 0x60;
    for (let i = 0; i < LONG; i++) if (bytes[i] === 0x22 || bytes[i] === 0x5c) bytes[i] = 0x41;
    fc.assert(
      fc.property(
        fc.nat(LONG - 1),
        fc.nat(LONG - 1),
        fc.nat(LONG),
        fc.integer({ min: 0, max: 255 }),
        (place, from, end, byte) => {
          const before = bytes[place]!;
          bytes[place] = byte;
          const found = endOfPlain(bytes, from, Math.max(from, end));
          const expected = endOfPlainByTheByte(bytes, from, Math.max(from, end));
          bytes[place] = before;
          assert.equal(found, expected);
        },
      ),
      { numRuns: 500 },
    );
  },
);

Deno.test("Each byte ends plain text or does not, at each place of a vector", PURE, () => {
  const bytes = new Uint8Array(200).fill(0x41);
  for (let byte = 0; byte < 256; byte++) {
    for (let place = 0; place < 130; place++) {
      bytes[place] = byte;
      assert.equal(endOfPlain(bytes, 0, 200), endOfPlainByTheByte(bytes, 0, 200), `${byte} at ${place}`);
      bytes[place] = 0x41;
    }
  }
});

Deno.test("A long text with anything in it is taken or refused as JSON.parse does it", PURE, () => {
  const piece = fc.oneof(
    fc.integer({ min: 0, max: 9000 }).map((size) => new TextEncoder().encode("A".repeat(size))),
    fc.constantFrom('"', "\\", "\\n", "\\u00e9", "\\u12", "é", "日本", "😀", "\n", "\x7f", '","b":"').map((
      text,
    ) => new TextEncoder().encode(text)),
    fc.uint8Array({ minLength: 1, maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (pieces) => {
      const bytes = Uint8Array.from([
        ...new TextEncoder().encode('{"a":"'),
        ...pieces.flatMap((bytes) => [...bytes]),
        ...new TextEncoder().encode('"}'),
      ]);
      assert.equal(isJsonObject(bytes, 0, bytes.length), isObjectForJsonParse(bytes));
    }),
    { numRuns: 300 },
  );
});

Deno.test("Where WebAssembly is missing, long texts are taken and refused all the same", async () => {
  const json = new URL("../../bus/json.ts", import.meta.url).href;
  const source = `import { isJsonObject } from ${JSON.stringify(json)};
    const check = (text) => isJsonObject(new TextEncoder().encode(text), 0, text.length);
    const long = "A".repeat(${LONG});
    console.log(typeof WebAssembly, check('{"a":"' + long + '"}'), check('{"a":"' + long + '\\\\n"}'), check('{"a":"' + long + '\\n"}'));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--v8-flags=--jitless", `data:text/javascript,${encodeURIComponent(source)}`],
  }).output();
  assert.equal(new TextDecoder().decode(stdout).trim(), "undefined true true false");
});

Deno.test("The committed WebAssembly is what its source compiles to", async () => {
  const built = await Deno.readTextFile(new URL("../../bus/plain_text_bytes.ts", import.meta.url));
  assert.equal(built, sourceOf(await buildWasm()));
});
