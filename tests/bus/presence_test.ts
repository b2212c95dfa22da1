import assert from "node:assert/strict";
import { HandshakeError } from "../../base/errors.ts";
import { handshakeHint } from "../../bus/handshake_hint.ts";
import { identityOf } from "../../bus/identity.ts";
import { Presence } from "../../bus/presence.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const peer = (address: string, properties: Record<string, string> = {}) => ({
  address,
  property: (name: string) => properties[name],
});

Deno.test({ name: "Presence.refusals() are the last 50, oldest first", permissions: "none" }, () => {
  const presence = new Presence();
  assert.deepEqual(presence.refusals(), []);
  for (let i = 0; i < 120; i++) {
    presence.refuse(i, "not-json", peer("127.0.0.1:1"), encode(`no ${i}`), 0, 5);
  }
  const refusals = presence.refusals();
  assert.equal(refusals.length, 50);
  assert.deepEqual(refusals.map(({ time }) => time), Array.from({ length: 50 }, (_, i) => 70 + i));
});

Deno.test({
  name: "Presence.refuse() keeps the first 100 characters and the name, not the bytes",
  permissions: "none",
}, () => {
  const presence = new Presence();
  const bytes = encode(`xx${"€".repeat(500)}`);
  presence.refuse(7, "not-an-object", peer("127.0.0.1:1", { "X-Name": "viewer" }), bytes, 2, bytes.length);
  bytes.fill(0);
  presence.refuse(8, "not-utf8", peer("127.0.0.1:2"), Uint8Array.of(0xff, 65), 0, 2);
  assert.deepEqual(presence.refusals(), [
    { time: 7, reason: "not-an-object", sender: "127.0.0.1:1 (viewer)", text: "€".repeat(100) },
    { time: 8, reason: "not-utf8", sender: "127.0.0.1:2", text: "\ufffdA" },
  ]);
});

Deno.test({ name: "Presence.refuseUnfit() says how large it was", permissions: "none" }, () => {
  const presence = new Presence();
  presence.refuseUnfit(1, "multipart", peer("a:1"), 120, 3);
  presence.refuseUnfit(2, "too-large", peer("a:1"), 5000, 1);
  assert.deepEqual(presence.refusals().map(({ text }) => text), ["(3 frames, 120 bytes)", "(5000 bytes)"]);
});

Deno.test({ name: "Presence.failedHandshakes() are the last 50 with a hint", permissions: "none" }, () => {
  const presence = new Presence();
  const error = new HandshakeError(
    "socket-type-mismatch",
    'Cannot shake hands: peer is a "SUB", a PULL talks to PUSH',
  );
  for (let i = 0; i < 60; i++) presence.failHandshake(i, "send", "127.0.0.1:1", error);
  const failed = presence.failedHandshakes();
  assert.equal(failed.length, 50);
  assert.deepEqual(failed[0], {
    time: 10,
    address: "127.0.0.1:1",
    role: "send",
    code: "socket-type-mismatch",
    message: error.message,
    hint: "a SUB at the receive address: are the two addresses swapped?",
  });
});

const HINTS: readonly (readonly [role: "send" | "listen", code: string, message: string, says: RegExp])[] = [
  [
    "listen",
    "socket-type-mismatch",
    'peer is a "PUSH", a PUB talks to SUB',
    /PUSH at the broadcast.*swapped/,
  ],
  ["send", "socket-type-mismatch", 'peer is a "REQ", a PULL talks to PUSH', /send with PUSH/],
  ["listen", "mechanism-mismatch", 'peer uses mechanism "NULL", we use CURVE', /without keys/],
  ["listen", "mechanism-mismatch", 'peer uses mechanism "CURVE", we use NULL', /with keys/],
  ["send", "bad-greeting", "peer speaks ZMTP 2.0, not ZMTP 3", /older than libzmq 4/],
  ["send", "bad-greeting", 'peer speaks HTTP ("GET /"), not ZMTP 3', /the web/],
  ["send", "hung-up", "a:1 closed it in the middle of the handshake; a wrong key?", /^a wrong key\?$/],
  ["send", "peer-closed", "a:1 closed it", /^$/],
];
for (const [role, code, message, says] of HINTS) {
  Deno.test({ name: `handshakeHint() reads ${code} at ${role}: ${message}`, permissions: "none" }, () => {
    assert.match(handshakeHint(role, code, message), says);
  });
}

Deno.test(
  { name: "identityOf() takes what a peer says of itself, cut and checked", permissions: "none" },
  () => {
    assert.deepEqual(identityOf(peer("a:1")), { name: undefined, instanceId: undefined, pid: undefined });
    const said = { "X-Name": "n".repeat(500), "X-Instance": "i", "X-Pid": "12" };
    assert.deepEqual(identityOf(peer("a:1", said)), { name: "n".repeat(100), instanceId: "i", pid: 12 });
    assert.equal(identityOf(peer("a:1", { "X-Pid": "1e99" })).pid, undefined);
  },
);
