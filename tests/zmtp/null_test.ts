import assert from "node:assert/strict";
import { ProtocolError } from "../../base/errors.ts";
import { parseMetadata, socketTypeMetadata } from "../../zmtp/command.ts";
import { NullMechanism } from "../../zmtp/null.ts";
import { bytes, hex, PURE, ready, thrownBy } from "./core_test_support.ts";

Deno.test("NullMechanism says READY at once when it dials, and not again", PURE, () => {
  const mechanism = new NullMechanism(() => socketTypeMetadata("PUSH"), false);
  assert.equal(hex(mechanism.start()!), hex(ready("PUSH")));
  assert.equal(mechanism.accept(), undefined);
});

Deno.test("NullMechanism says READY when it listens only after it has taken the peer's", PURE, () => {
  const mechanism = new NullMechanism(() => socketTypeMetadata("PULL"), true);
  assert.equal(mechanism.start(), undefined);
  assert.equal(hex(mechanism.accept()!), hex(ready("PULL")));
});

Deno.test("NullMechanism hands on the peer's metadata", PURE, () => {
  const data = ready("PUSH").subarray(8);
  const step = new NullMechanism(() => [], true).handleCommand({ name: "READY", data });
  assert.deepEqual(step, { metadata: parseMetadata(data) });
});

Deno.test("NullMechanism takes no command but READY", PURE, () => {
  for (const name of ["PING", "HELLO", "SUBSCRIBE", "ready"]) {
    const error = thrownBy(() => new NullMechanism(() => [], true).handleCommand({ name, data: bytes("") }));
    assert(error instanceof ProtocolError);
    assert.equal(error.code, "unexpected-before-ready");
  }
});
