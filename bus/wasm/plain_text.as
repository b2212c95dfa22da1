// AssemblyScript; `deno task wasm` compiles it into bus/plain_text_bytes.ts.
//
// Bytes of a JSON text that mean themselves: 20 to 7f but for the quote and the backslash. Here they are found 64 at a time.
//
// Exchanging 20 with 22 puts the quote next to the control characters, so that one comparison finds both, and 80 to ff as well: as signed
// numbers they lie below, too.

/**
 * How many of the first `size` bytes of the memory are plain, up to the first one that is not. The other arguments are always 02, 5c and 21:
 * V8 would make a vector of a constant anew each time round, which takes as long as everything else.
 */
export function plain(size: i32, swapQuote: i32, backslash: i32, aboveQuote: i32): i32 {
  const swap = i8x16.splat(<i8>swapQuote);
  const slash = i8x16.splat(<i8>backslash);
  const above = i8x16.splat(<i8>aboveQuote);
  let at = 0;
  for (; at <= size - 64; at += 64) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const c = v128.load(at, 32);
    const d = v128.load(at, 48);
    const slashes = v128.or(
      v128.or(i8x16.eq(a, slash), i8x16.eq(b, slash)),
      v128.or(i8x16.eq(c, slash), i8x16.eq(d, slash)),
    );
    const lowest = i8x16.min_s(
      i8x16.min_s(v128.xor(a, swap), v128.xor(b, swap)),
      i8x16.min_s(v128.xor(c, swap), v128.xor(d, swap)),
    );
    if (v128.any_true(v128.or(slashes, i8x16.lt_s(lowest, above)))) break;
  }
  for (; at < size; at++) {
    const byte = load<i8>(at);
    if (byte < 0x20 || byte == 0x22 || byte == 0x5c) break;
  }
  return at;
}
