import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeZ85, encodeZ85 } from "../../zmtp/curve/z85.ts";
import { bytes, hex, PURE } from "./core_test_support.ts";

// RFC 32's own example, its limits, and two keys of libzmq's manual (zmq_curve).
const VECTORS: readonly (readonly [text: string, hex: string])[] = [
  ["", ""],
  ["HelloWorld", "864fd26fb559f75b"],
  ["00000", "00000000"],
  ["%nSc0", "ffffffff"],
  [
    "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
    "8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7",
  ],
  [
    "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
    "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518",
  ],
];

for (const [text, digits] of VECTORS) {
  Deno.test(
    `encodeZ85() makes ${JSON.stringify(text)} of ${digits || "nothing"}, decodeZ85() the reverse`,
    PURE,
    () => {
      const bytes = Uint8Array.fromHex(digits);
      assert.equal(encodeZ85(bytes), text);
      assert.equal(hex(decodeZ85(text)!), digits);
    },
  );
}

Deno.test("encodeZ85() throws a RangeError for a size that is no multiple of four", PURE, () => {
  assert.throws(() => encodeZ85(bytes("01 02 03")), RangeError);
});

const NO_Z85: readonly (readonly [text: string, why: string])[] = [
  ["0000", "a group of four characters"],
  ["00000 ", "a space behind a group"],
  ["000 0", "a space in a group"],
  ["0000~", "a character that is not in the alphabet"],
  ["0000é", "a character beyond ASCII"],
  ["%nSc1", "2^32, one more than four bytes hold"],
  ["#####", "the largest group, which libzmq 4.1 took modulo 2^32"],
];

for (const [text, why] of NO_Z85) {
  Deno.test(`decodeZ85() gives undefined for ${why}`, PURE, () => assert.equal(decodeZ85(text), undefined));
}

Deno.test("decodeZ85(encodeZ85(x)) equals x", PURE, () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    const whole = bytes.slice(0, bytes.length - bytes.length % 4);
    assert.deepEqual([...decodeZ85(encodeZ85(whole))!], [...whole]);
  }));
});
