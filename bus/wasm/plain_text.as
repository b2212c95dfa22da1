// AssemblyScript; `deno task wasm` compiles it into bus/plain_text_bytes.ts.
//
// Bytes of a JSON text that mean themselves: 20 to 7f but for the quote and the backslash. Here they are found 64 at a time.

/** How many of the first `size` bytes of the memory are plain, up to the first one that is not. */
export function plain(size: i32): i32 {
  const quote = i8x16.splat(0x22);
  const backslash = i8x16.splat(0x5c);
  const space = i8x16.splat(0x20);
  let at = 0;
  for (; at <= size - 64; at += 64) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const c = v128.load(at, 32);
    const d = v128.load(at, 48);
    const quotes = v128.or(
      v128.or(i8x16.eq(a, quote), i8x16.eq(b, quote)),
      v128.or(i8x16.eq(c, quote), i8x16.eq(d, quote)),
    );
    const backslashes = v128.or(
      v128.or(i8x16.eq(a, backslash), i8x16.eq(b, backslash)),
      v128.or(i8x16.eq(c, backslash), i8x16.eq(d, backslash)),
    );
    // As signed numbers, 80 to ff lie below the space like the control characters.
    const lowest = i8x16.min_s(i8x16.min_s(a, b), i8x16.min_s(c, d));
    if (v128.any_true(v128.or(v128.or(quotes, backslashes), i8x16.lt_s(lowest, space)))) break;
  }
  for (; at < size; at++) {
    const byte = load<i8>(at);
    if (byte < 0x20 || byte == 0x22 || byte == 0x5c) break;
  }
  return at;
}
