/**
 * Finds the end of a long run of plain ASCII in a JSON text, 64 bytes at a time: a screenshot in base64 is one such run. The bytes are
 * copied to WebAssembly's memory for it, in pieces that are still in the processor's cache, and even so it takes half the time.
 *
 * @module
 */
import { PLAIN_TEXT } from "./plain_text_bytes.ts";

/** The first piece, and the largest: what is copied in vain is never more than what was found. */
const FIRST_BYTES = 2 * 1024;
const MOST_BYTES = 16 * 1024;

// What the bytes are compared with; see `bus/wasm/plain_text.as`.
const SWAP_QUOTE = 0x02;
const BACKSLASH = 0x5c;
const ABOVE_QUOTE = 0x21;

/** Looks at the first bytes of its memory. */
interface Scanner {
  readonly memory: Uint8Array;
  readonly plain: (size: number, swapQuote: number, backslash: number, aboveQuote: number) => number;
}

let scanner: Scanner | undefined;

/**
 * Where the plain bytes of `bytes[from, end)` end: 20 to 7f but for the quote and the backslash. Always `from` where there is no
 * WebAssembly with vectors, as with `--v8-flags=--jitless`.
 */
export function endOfPlain(bytes: Uint8Array, from: number, end: number): number {
  scanner ??= makeScanner();
  let at = from;
  for (let most = FIRST_BYTES; at < end; most = Math.min(MOST_BYTES, 2 * most)) {
    const size = Math.min(most, end - at);
    scanner.memory.set(bytes.subarray(at, at + size));
    const found = scanner.plain(size, SWAP_QUOTE, BACKSLASH, ABOVE_QUOTE);
    at += found;
    if (found < size) break;
  }
  return at;
}

function makeScanner(): Scanner {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.fromBase64(PLAIN_TEXT)));
    const { buffer } = exports["memory"] as WebAssembly.Memory;
    return { memory: new Uint8Array(buffer), plain: exports["plain"] as Scanner["plain"] };
  } catch {
    return { memory: new Uint8Array(MOST_BYTES), plain: () => 0 };
  }
}
