/** What a block looks like on disk: whatever is flipped, cut or made up there is noticed, and takes no memory. */
import assert from "node:assert/strict";
import { crc32, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { pack, unpack } from "../../archive/worker/file.js";

const encoder = new TextEncoder();

Deno.test("Bytes that were packed come back, compressed where that makes them smaller", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), fc.nat(20), (noise, times) => {
    const raw = new Uint8Array([...noise, ...encoder.encode("the same words ".repeat(times * 10))]);
    const packed = pack(raw);
    assert(packed.data.length <= raw.length);
    assert.deepEqual(new Uint8Array(unpack(packed)!), raw);
  }));
});

Deno.test("Flipped bits, cut ends and wrong sizes are noticed each time", () => {
  const raw = encoder.encode('{"type":"cursor","x":1}'.repeat(400));
  const packed = pack(raw);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(packed.data.length - 1), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 5,
      }),
      (flips) => {
        const data = new Uint8Array(packed.data);
        for (const [at, mask] of flips) data[at]! ^= mask;
        if (data.every((byte, i) => byte === packed.data[i])) return;
        assert.equal(unpack({ ...packed, data }), undefined);
      },
    ),
    { numRuns: 1000 },
  );
  for (let end = 0; end < packed.data.length; end++) {
    const data = new Uint8Array(packed.data).subarray(0, end);
    assert.equal(unpack({ ...packed, data }), undefined, "by its sum");
    // Only the last bytes, zstd's own sum, may be missing then.
    const found = unpack({ ...packed, data, crc: crc32(data) });
    if (found !== undefined) assert.deepEqual(new Uint8Array(found), raw, "by its size");
  }
  assert.equal(unpack({ ...packed, raw: packed.raw + 1 }), undefined);
  assert.equal(unpack({ ...packed, raw: packed.raw - 1 }), undefined);
});

Deno.test("A few bytes that would become hundreds of millions are stopped at the size that was said", () => {
  const data = zstdCompressSync(new Uint8Array(200_000_000));
  assert(data.length < 50_000);
  assert.equal(unpack({ data, codec: 1, raw: 1000, crc: crc32(data) }), undefined);
});
