/** Streams of bytes that begin as an honest peer's and do not stay so. */
import fc from "fast-check";
import {
  encodeCommand,
  encodeError,
  encodeLegacySubscription,
  encodePing,
  encodePong,
  encodeReady,
  encodeSubscription,
  socketTypeMetadata,
} from "../../zmtp/command.ts";
import { encodeFrame } from "../../zmtp/frame.ts";
import { encodeGreeting } from "../../zmtp/greeting.ts";
import { concat } from "./raw_peer.ts";

const text = new TextEncoder();

/** A piece of an honest stream. */
const piece: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.json({ maxDepth: 2 }).map((json) =>
      encodeFrame(text.encode(`{"type":"n","v":${json}}`), 0)
    ),
  },
  fc.uint8Array({ maxLength: 600 }).map((body) => encodeFrame(body, 0)),
  fc.uint8Array({ maxLength: 40 }).map((body) => encodeFrame(body, 1)),
  fc.record({ subscribe: fc.boolean(), topic: fc.uint8Array({ maxLength: 300 }) }).map(encodeSubscription),
  fc.record({ subscribe: fc.boolean(), topic: fc.uint8Array({ maxLength: 40 }) }).map(
    encodeLegacySubscription,
  ),
  fc.constant(encodeSubscription({ subscribe: true, topic: new Uint8Array(0) })),
  fc.tuple(fc.nat(60_000), fc.uint8Array({ maxLength: 20 })).map(([ttl, context]) =>
    encodePing(ttl, context)
  ),
  fc.uint8Array({ maxLength: 16 }).map(encodePong),
  fc.string({ maxLength: 20 }).map((reason) => encodeError(reason)),
  fc.tuple(fc.constantFrom("FOO", "JOIN", "HELLO", "MESSAGE", "READY"), fc.uint8Array({ maxLength: 60 }))
    .map(([name, data]) => encodeCommand(name, data)),
  // The long form of a short frame, and sizes that nobody means.
  fc.uint8Array({ maxLength: 30 }).map((body) =>
    concat(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, body.length), body)
  ),
  fc.uint8Array({ minLength: 8, maxLength: 8 }).map((size) => concat(Uint8Array.of(2), size)),
);

/** What may happen to a stream on its way. Places are parts of its length, so that a stream may shrink. */
export type Change = (stream: Uint8Array) => Uint8Array;

const place = fc.double({ min: 0, max: 1, noNaN: true });

export const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(([at, bit]): Change => (stream) => {
    const flipped = stream.slice();
    const index = Math.min(stream.length - 1, Math.floor(at * stream.length));
    if (index >= 0) flipped[index]! ^= 1 << bit;
    return flipped;
  }),
  fc.tuple(place, fc.nat(255)).map(([at, byte]): Change => (stream) => {
    const changed = stream.slice();
    if (stream.length > 0) changed[Math.min(stream.length - 1, Math.floor(at * stream.length))] = byte;
    return changed;
  }),
  fc.tuple(place, fc.nat(40)).map(([at, size]): Change => (stream) => {
    const from = Math.floor(at * stream.length);
    return concat(stream.subarray(0, from), stream.subarray(from + size));
  }),
  fc.tuple(place, fc.nat(100), fc.integer({ min: 1, max: 30 })).map(
    ([at, size, times]): Change => (stream) => {
      const from = Math.floor(at * stream.length);
      const repeated = stream.subarray(from, from + size);
      return concat(stream.subarray(0, from), ...Array(times).fill(repeated), stream.subarray(from));
    },
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 30 })).map(([at, bytes]): Change => (stream) => {
    const from = Math.floor(at * stream.length);
    return concat(stream.subarray(0, from), bytes, stream.subarray(from));
  }),
  place.map((at): Change => (stream) => stream.subarray(0, Math.floor(at * stream.length))),
);

/** One peer's stream, and the sizes of the chunks in which it is sent. */
export interface FuzzStream {
  readonly bytes: Uint8Array;
  readonly cuts: readonly number[];
}

/** Streams of peers of the given types: greeting, READY and some pieces, with a few changes behind the first so many bytes. */
export function fuzzStreams(socketTypes: readonly string[]): fc.Arbitrary<FuzzStream> {
  return fc.record({
    socketType: fc.constantFrom(...socketTypes),
    minor: fc.constantFrom(0, 1),
    pieces: fc.array(piece, { maxLength: 12 }),
    changes: fc.array(change, { maxLength: 4 }),
    // Half of the streams shake hands well, so that what comes behind is reached.
    spared: fc.boolean(),
    cuts: fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 6 }),
  }).map(({ socketType, minor, pieces, changes, spared, cuts }) => {
    const greeting = encodeGreeting("NULL");
    greeting[11] = minor;
    const start = concat(greeting, encodeReady(socketTypeMetadata(socketType)));
    let rest = concat(...pieces);
    if (!spared) rest = concat(start, rest);
    for (const apply of changes) rest = apply(rest);
    return { bytes: spared ? concat(start, rest) : rest, cuts };
  });
}

/** The stream in chunks, the sizes of which come again and again. */
export function* chunksOf({ bytes, cuts }: FuzzStream): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = cuts[i % cuts.length]!;
    yield bytes.slice(at, at + size);
    at += size;
  }
}
