/**
 * Compiles `bus/wasm/plain_text.as` with AssemblyScript and writes the bytes, with their text form for people, into
 * `bus/plain_text_bytes.ts`: `deno task wasm`. A test shows that they are the same.
 *
 * @module
 */
import asc from "assemblyscript/asc";

const SOURCE = new URL("../../bus/wasm/plain_text.as", import.meta.url);
const BUILT = new URL("../../bus/plain_text_bytes.ts", import.meta.url);

/** The module that the compiler makes of the source, as bytes. */
export async function buildWasm(): Promise<Uint8Array> {
  const source = await Deno.readTextFile(SOURCE);
  let built: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ["plain.ts", "-o", "plain.wasm", "-O3", "--runtime", "stub", "--enable", "simd"].concat(
      ["--initialMemory", "1", "--maximumMemory", "1"],
    ),
    {
      readFile: (name: string) => name === "plain.ts" ? source : null,
      writeFile: (name: string, contents: unknown) => {
        if (name === "plain.wasm") built = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || built === undefined) throw new Error(`Cannot compile: ${stderr.toString()}`);
  return built;
}

/** The committed file for these bytes. */
export function sourceOf(bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,100}/g)!.map((line) => `  "${line}"`);
  return `/**
 * Made by \`deno task wasm\` from \`bus/wasm/plain_text.as\`: do not edit.
 *
 * @module
 */

/** A WebAssembly module, in base64. */
export const PLAIN_TEXT: string =
${lines.join(" +\n")};
`;
}

if (import.meta.main) await Deno.writeTextFile(BUILT, sourceOf(await buildWasm()));
