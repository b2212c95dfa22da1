import assert from "node:assert/strict";
import fc from "fast-check";
import { Arena } from "../../zmtp/arena.ts";
import { encodeTextFrame } from "../../zmtp/frame.ts";
import { allocatedBy, bytes, hex, PURE, repeated } from "./core_test_support.ts";

Deno.test("Arena.append() puts pieces one behind the other in one block", PURE, () => {
  const arena = new Arena();
  arena.append(bytes("'xaby'"), 1, 3);
  const { block } = arena;
  arena.append(bytes("'cd'"), 0, 2);
  assert.equal(arena.block, block);
  assert.equal(hex(block.subarray(0, arena.at)), hex(bytes("'abcd'")));
});

Deno.test("Arena.append() begins a new block rather than split a piece", PURE, () => {
  const arena = new Arena();
  arena.append(repeated(1, 100), 0, 100);
  const first = arena.block;
  arena.append(repeated(2, 70_000), 0, 70_000);
  assert.notEqual(arena.block, first);
  assert.equal(arena.at, 70_000);
  assert.equal(hex(arena.block.subarray(0, arena.at)), hex(repeated(2, 70_000)));
});

Deno.test("Arena allocates nothing before the first piece and little for the first", PURE, () => {
  let arena: Arena | undefined;
  assert.equal(allocatedBy(() => arena = new Arena()), 0);
  const piece = bytes("01");
  assert(allocatedBy(() => arena!.append(piece, 0, 1)) <= 4096);
});

Deno.test("Arena.takeBack() forgets the last piece, so that the next takes its place", PURE, () => {
  const arena = new Arena();
  arena.appendMessage("kept");
  const size = arena.appendMessage("taken back");
  arena.takeBack(size);
  arena.appendMessage("next");
  assert.equal(hex(arena.block.subarray(0, arena.at)), hex(bytes("00 04 'kept' 00 04 'next'")));
});

for (const length of [0, 1, 85, 86, 127, 128, 254, 255, 256, 1365, 4095, 4096, 4097, 70_000]) {
  for (const [script, char] of [["Latin", "a"], ["Greek", "λ"], ["Chinese", "中"]] as const) {
    Deno.test(
      `Arena.appendMessage() encodes ${length} ${script} characters as encodeTextFrame() does`,
      PURE,
      () => {
        const arena = new Arena();
        arena.append(bytes("ff ff ff"), 0, 3);
        const text = char.repeat(length);
        const size = arena.appendMessage(text);
        assert.equal(hex(arena.block.subarray(arena.at - size, arena.at)), hex(encodeTextFrame(text)));
      },
    );
  }
}

Deno.test("Arena.appendMessage() writes U+FFFD for a lone surrogate, as TextEncoder does", PURE, () => {
  const arena = new Arena();
  arena.appendMessage("\ud800");
  assert.equal(hex(arena.block.subarray(0, arena.at)), "0003efbfbd");
});

Deno.test("Arena never overwrites what was appended, whatever follows", PURE, () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 300, unit: "grapheme" }),
    fc.nat(20_000).map((length) => "é".repeat(length)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (texts) => {
      const arena = new Arena();
      const places = texts.map((text) => {
        const size = arena.appendMessage(text);
        return arena.block.subarray(arena.at - size, arena.at);
      });
      for (const [i, text] of texts.entries()) {
        assert(isEqual(places[i]!, encodeTextFrame(text)), `text ${i}`);
      }
    }),
  );
});

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

Deno.test(
  "Arena frees a block when nobody holds it any more, where those who look at it hold it",
  PURE,
  () => {
    const arena = new Arena(undefined, true);
    arena.append(new Uint8Array(60_000).fill(1), 0, 60_000);
    const [holder, bytes] = [arena.holder!, arena.block];
    holder.hold();
    arena.append(new Uint8Array(60_000).fill(2), 0, 60_000);
    assert.equal(bytes[0], 1);
    holder.release();
    assert.equal(bytes.length, 0);
  },
);

Deno.test(
  "Arena leaves a block that is pinned to the garbage collector, and all of them where nobody holds any",
  PURE,
  () => {
    for (const isFreed of [true, false]) {
      const arena = new Arena(undefined, isFreed);
      arena.append(new Uint8Array(60_000).fill(1), 0, 60_000);
      const bytes = arena.block;
      if (isFreed) arena.holder!.pin();
      arena.append(new Uint8Array(60_000).fill(2), 0, 60_000);
      assert.equal(bytes[0], 1);
    }
  },
);
