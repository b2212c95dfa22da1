import assert from "node:assert/strict";
import { ProtocolError } from "../../base/errors.ts";
import { parseMetadata, socketTypeMetadata } from "../../zmtp/command.ts";
import { NullMechanism } from "../../zmtp/null.ts";
import { bytes, coreTest, hex, ready, thrownBy } from "./core_test_support.ts";

coreTest("NullMechanism says READY at once when it dials, and not again", () => {
  const mechanism = new NullMechanism(() => socketTypeMetadata("PUSH"), false);
  assert.equal(hex(mechanism.start()!), hex(ready("PUSH")));
  assert.equal(mechanism.accept(), undefined);
});

coreTest("NullMechanism says READY when it listens only after it has taken the peer's", () => {
  const mechanism = new NullMechanism(() => socketTypeMetadata("PULL"), true);
  assert.equal(mechanism.start(), undefined);
  assert.equal(hex(mechanism.accept()!), hex(ready("PULL")));
});

coreTest("NullMechanism hands on the peer's metadata", () => {
  const data = ready("PUSH").subarray(8);
  const step = new NullMechanism(() => [], true).handleCommand({ name: "READY", data });
  assert.deepEqual(step, { metadata: parseMetadata(data) });
});

coreTest("NullMechanism takes no command but READY", () => {
  for (const name of ["PING", "HELLO", "SUBSCRIBE", "ready"]) {
    const error = thrownBy(() => new NullMechanism(() => [], true).handleCommand({ name, data: bytes("") }));
    assert(error instanceof ProtocolError);
    assert.equal(error.code, "unexpected-before-ready");
  }
});
