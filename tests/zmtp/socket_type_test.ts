import assert from "node:assert/strict";
import { canTalk, peersOf } from "../../zmtp/socket_type.ts";
import { PURE } from "./core_test_support.ts";

const TYPES = [
  "PAIR",
  "PUB",
  "SUB",
  "REQ",
  "REP",
  "DEALER",
  "ROUTER",
  "PULL",
  "PUSH",
  "XPUB",
  "XSUB",
  "RADIO",
];

for (
  const [our, peers] of [
    ["PULL", ["PUSH"]],
    ["PUSH", ["PULL"]],
    ["PUB", ["SUB", "XSUB"]],
    ["SUB", ["PUB", "XPUB"]],
  ] as const
) {
  Deno.test(`canTalk() lets a ${our} talk to ${peers.join(" and ")}, to nobody else`, PURE, () => {
    assert.deepEqual(TYPES.filter((type) => canTalk(our, type)), peers);
    assert.equal(peersOf(our), peers.join(" or "));
  });
}

Deno.test("canTalk() takes names exactly", PURE, () => {
  for (const name of ["push", "PUSH\0", "", "PUSHX"]) assert.equal(canTalk("PULL", name), false);
});
