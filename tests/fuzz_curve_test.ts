/**
 * CURVE with somebody in between who flips, cuts, repeats and inserts: two honest sessions in memory, and what one says to the other
 * is changed on its way, in the greeting, in the handshake, or behind it. Whatever happens, nothing is heard that was not said.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionError, HandshakeError, ProtocolError } from "../base/errors.ts";
import { socketTypeMetadata } from "../zmtp/command.ts";
import { CurveClient, CurveServer } from "../zmtp/curve/handshake.ts";
import { encodeFrame } from "../zmtp/frame.ts";
import { Session, type SessionHandler } from "../zmtp/session.ts";
import type { SocketType } from "../zmtp/socket_type.ts";
import { library } from "./support/curve_peer.ts";
import { type Change, change, chunksOf } from "./support/fuzz_streams.ts";
import { concat } from "./support/raw_peer.ts";

const SECONDS = Number(Deno.env.get("FUZZ_SECONDS") ?? 2);
const KEYS = { server: library.keyPair(), client: library.keyPair() };
const FAULTS = [ProtocolError, HandshakeError, ConnectionError];
/** What a sender says one after the other; the number is what its message is known by. */
const MESSAGES = 8;
const PEER = { PULL: "PUSH", SUB: "PUB" } as const;

function sessionOf(socketType: SocketType, handler: SessionHandler): Session {
  const metadata = () => socketTypeMetadata(socketType);
  const mechanism = socketType === "PULL" || socketType === "PUB"
    ? new CurveServer(library, { keys: KEYS.server, metadata })
    : new CurveClient(library, { serverKey: KEYS.server.publicKey, keys: KEYS.client, metadata });
  return new Session({ socketType, mechanism, maxMessageBytes: 500 }, handler, 0);
}

/** What is changed: the first, second, third … thing that the honest one says. */
interface Attack {
  readonly at: number;
  readonly changes: readonly Change[];
  /** Behind it comes once more what was said so many things before. */
  readonly again?: number | undefined;
  readonly cuts: readonly number[];
}

/** Runs until nobody has anything to say, or one of them has given up. Returns the numbers that were heard. */
function talk(socketType: keyof typeof PEER, { at, changes, again, cuts }: Attack): number[] {
  const heard: number[] = [];
  const ours = sessionOf(socketType, {
    handleReady: () => {},
    handleMessage: (bytes, _start, bodyStart, end) =>
      void heard.push(JSON.parse(new TextDecoder().decode(bytes.subarray(bodyStart, end))).n),
    handleUnfit: () => {},
    handleNoise: () => {},
  });
  const theirs = sessionOf(PEER[socketType], { handleReady: () => {} });
  const said: Uint8Array[] = [];
  const deliver = (words: Uint8Array): boolean => {
    const isChanged = said.push(words) - 1 === at;
    const changed = isChanged ? changes.reduce((stream, apply) => apply(stream), words) : words;
    const bytes = isChanged && again !== undefined ? concat(changed, said[at - again] ?? words) : changed;
    for (const chunk of chunksOf({ bytes, cuts })) {
      const fault = ours.receive(chunk, 0);
      ours.endTurn();
      if (fault === undefined) continue;
      assert.ok(FAULTS.some((type) => fault instanceof type), String(fault));
      assert.equal(ours.receive(chunk, 0), fault, "it stays dead");
      return false;
    }
    return true;
  };
  for (let isTalking = true; isTalking;) {
    const words = theirs.takeOutput();
    if (words !== undefined && !deliver(words)) return heard;
    const answer = ours.takeOutput();
    if (answer !== undefined && theirs.receive(answer, 0) !== undefined) return heard;
    isTalking = words !== undefined || answer !== undefined;
  }
  if (theirs.state !== "ready") return heard;
  for (let n = 0; n < MESSAGES; n++) {
    const frame = encodeFrame(new TextEncoder().encode(`{"n":${n},"pad":"${"x".repeat(n * 50)}"}`), 0);
    if (!deliver(theirs.box!.seal(frame))) break;
  }
  return heard;
}

const attacks: fc.Arbitrary<Attack> = fc.record({
  at: fc.nat(4 + MESSAGES),
  changes: fc.array(change, { maxLength: 3 }),
  again: fc.option(fc.nat(3), { nil: undefined }),
  cuts: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
});

for (const socketType of ["PULL", "SUB"] as const) {
  Deno.test(`${socketType} under CURVE hears what was said when nobody changes it`, () => {
    const heard = talk(socketType, { at: -1, changes: [], cuts: [7] });
    assert.deepEqual(heard, Array.from({ length: MESSAGES }, (_, n) => n));
  });

  Deno.test(`${socketType} under CURVE hears nothing that was not said, nothing twice and nothing out of order, however it is changed`, () => {
    fc.assert(
      fc.property(attacks, (attack) => {
        const heard = talk(socketType, attack);
        assert.deepEqual(heard, [...new Set(heard)].sort((a, b) => a - b));
        assert.ok(heard.every((n) => n >= 0 && n < MESSAGES));
      }),
      { numRuns: 1_000_000, interruptAfterTimeLimit: 1000 * SECONDS, endOnFailure: true },
    );
  });
}
