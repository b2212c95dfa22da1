import assert from "node:assert/strict";
import { ClosedError, ConnectionError, HandshakeError, ProtocolError } from "../../base/errors.ts";
import { FaultCounter } from "../../zmtp/fault_counter.ts";
import { PURE } from "./core_test_support.ts";

Deno.test("FaultCounter.count() counts faults of the peer by their code", PURE, () => {
  const faults = new FaultCounter();
  faults.count(new ProtocolError("bad-frame", ""));
  faults.count(new ProtocolError("bad-frame", ""));
  faults.count(new HandshakeError("handshake-timeout", ""));
  faults.count(new ConnectionError("heartbeat-timeout", ""));
  faults.count(new ConnectionError("hung-up", ""));
  assert.deepEqual(faults.byCode(), {
    "bad-frame": 2,
    "handshake-timeout": 1,
    "heartbeat-timeout": 1,
    "hung-up": 1,
  });
});

Deno.test("FaultCounter.count() takes no leave for a fault, neither ours nor the peer's", PURE, () => {
  const faults = new FaultCounter();
  faults.count(new ConnectionError("peer-closed", ""));
  faults.count(new ConnectionError("connection-lost", ""));
  faults.count(new ClosedError(""));
  assert.deepEqual(faults.byCode(), {});
});
