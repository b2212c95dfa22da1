import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../base/errors.ts";
import { checkGreetingStart, encodeGreeting, parseGreeting, printable } from "../../zmtp/greeting.ts";
import { bytes, concat, greeting, hex, latin1, PURE, repeated, thrownBy } from "./core_test_support.ts";

/** As libzmq 4.3.5 sends it, NULL, 3.1. */
const CAPTURED = concat(bytes("ff 00 00 00 00 00 00 00 01 7f 03 01 'NULL'"), repeated(0, 48));

Deno.test("encodeGreeting() gives the very bytes of libzmq 4.3.5", PURE, () => {
  assert.equal(hex(encodeGreeting("NULL")), hex(CAPTURED));
});

Deno.test("encodeGreeting() says as-server where it is asked to", PURE, () => {
  assert.equal(encodeGreeting("CURVE", true)[32], 1);
  assert.equal(latin1(encodeGreeting("CURVE", true).subarray(12, 18)), "CURVE\0");
});

Deno.test("parseGreeting() reads what libzmq 4.3.5 sends", PURE, () => {
  assert.deepEqual(parseGreeting(CAPTURED), { major: 3, minor: 1, mechanism: "NULL", asServer: false });
});

Deno.test("parseGreeting() reads what encodeGreeting() wrote", PURE, () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z0-9_.+-]{1,20}$/), fc.boolean(), (mechanism, asServer) => {
      assert.deepEqual(parseGreeting(encodeGreeting(mechanism, asServer)), {
        major: 3,
        minor: 1,
        mechanism,
        asServer,
      });
    }),
  );
});

Deno.test("parseGreeting() looks neither at the padding nor at the filler", PURE, () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      fc.uint8Array({ minLength: 31, maxLength: 31 }),
      (padding, filler) => {
        const bytes = CAPTURED.slice();
        bytes.set(padding, 1);
        bytes.set(filler, 33);
        assert.equal(parseGreeting(bytes).mechanism, "NULL");
      },
    ),
  );
});

Deno.test("parseGreeting() takes any minor version of 3, and talks 3.1 to later majors", PURE, () => {
  assert.equal(parseGreeting(greeting(0)).minor, 0);
  assert.equal(parseGreeting(greeting(9)).minor, 9);
  const later = greeting(0);
  later[10] = 4;
  assert.equal(parseGreeting(later).minor, 1);
});

for (
  const [name, mechanism] of [["in lower case", "null"], [
    "with something behind its NUL",
    "NULL\0X",
  ]] as const
) {
  Deno.test(`parseGreeting() keeps a mechanism ${name} apart from NULL`, PURE, () => {
    assert.equal(parseGreeting(greeting(1, mechanism)).mechanism, mechanism);
  });
}

Deno.test("checkGreetingStart() has nothing against any beginning of a ZMTP 3 greeting", PURE, () => {
  for (let size = 0; size <= 64; size++) checkGreetingStart(CAPTURED.subarray(0, size));
});

const STRANGERS: readonly (readonly [what: string, start: string, text: RegExp])[] = [
  ["a browser", "'GET / HTTP/1.1' 0d 0a", /speaks HTTP \("GET \/ HTTP\/1.1\\r\\"?/],
  ["a POST", "'POST / HTTP/1.1'", /speaks HTTP/],
  ["a HEAD", "'HEAD / HTTP/1.1'", /speaks HTTP/],
  ["an OPTIONS", "'OPTIONS * HTTP/1.1'", /speaks HTTP/],
  ["HTTP/2", "'PRI * HTTP/2.0'", /speaks HTTP/],
  ["TLS", "16 03 01 02 00 01", /speaks TLS \("\\u0016\\u0003/],
  ["SSH", "'SSH-2.0-OpenSSH_9.2'", /speaks SSH \("SSH-2.0-OpenSSH_"\)/],
  ["ZMTP 1.0 without identity", "01 00", /speaks ZMTP 1.0/],
  ["anything else", "00 80 fe", /speaks "\\u0000\\u0080\\u00fe", not ZMTP 3/],
  ["ZMTP 1.0 with a long identity", "ff 00 00 00 00 00 00 00 01 7e", /speaks ZMTP 1.0, needs libzmq >= 4.0/],
  ["ZMTP 1.0 by its revision", "ff 00 00 00 00 00 00 00 01 7f 00", /speaks ZMTP revision 0, needs/],
  ["libzmq 3.x", "ff 00 00 00 00 00 00 00 01 7f 01", /speaks ZMTP 2.0, needs libzmq >= 4.0/],
  ["revision 2", "ff 00 00 00 00 00 00 00 01 7f 02", /speaks ZMTP revision 2, needs libzmq >= 4.0/],
];
for (const [what, start, text] of STRANGERS) {
  Deno.test(`checkGreetingStart() tells ${what} from ZMTP 3`, PURE, () => {
    const error = thrownBy(() => checkGreetingStart(bytes(start)));
    assert(error instanceof ProtocolError);
    assert.equal(error.code, "bad-greeting");
    assert.match(error.message, text);
  });
}

Deno.test("checkGreetingStart() needs no more than the first byte that is wrong", PURE, () => {
  assert.equal(thrownBy(() => checkGreetingStart(bytes("'G'"))).code, "bad-greeting");
});

Deno.test("checkGreetingStart() quotes at most sixteen bytes", PURE, () => {
  const { message } = thrownBy(() => checkGreetingStart(repeated(0x41, 10_000)));
  assert.equal(message, `Cannot greet peer: it speaks "${"A".repeat(16)}", not ZMTP 3`);
});

Deno.test("printable() leaves nothing in a line of a log that does not print", PURE, () => {
  for (let byte = 0; byte < 256; byte++) {
    assert.match(printable(String.fromCharCode(byte)), /^"[\x20-\x7e]+"$/, `byte ${byte}`);
  }
});
