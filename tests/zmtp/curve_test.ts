import assert from "node:assert/strict";
import fc from "fast-check";
import { HandshakeError, OptionError, ProtocolError } from "../../base/errors.ts";
import { encodeMetadata, encodeSubscription, socketTypeMetadata } from "../../zmtp/command.ts";
import type { Cryptography, KeyPair, MessageCipher } from "../../zmtp/curve/crypto.ts";
import { CurveBox, type Nonce } from "../../zmtp/curve/box.ts";
import { CurveClient, CurveServer } from "../../zmtp/curve/handshake.ts";
import {
  curveKeyPair,
  formatPublicKey,
  parseClientKeys,
  parseKey,
  parseServerKeys,
} from "../../zmtp/curve/keys.ts";
import { encodeFrame, FrameDecoder } from "../../zmtp/frame.ts";
import { MemoryBudget } from "../../base/memory_budget.ts";
import { Session, type SessionOptions } from "../../zmtp/session.ts";
import type { SocketType } from "../../zmtp/socket_type.ts";
import { FLAG_COMMAND, FLAG_MORE } from "../../zmtp/wire.ts";
import { freshKeyPair, publicKeyOf } from "../../zmtp/curve/x25519.ts";
import { decodeZ85 } from "../../zmtp/curve/z85.ts";
import { ascii, counter, library, LOW_ORDER_KEYS } from "../support/curve_peer.ts";
import {
  bytes,
  concat,
  cuts,
  greeting,
  hex,
  isListening,
  latin1,
  openSession,
  PEER,
  PURE,
  ready,
  Recorder,
  repeated,
  thrownBy,
  Wire,
} from "./core_test_support.ts";

// The keys of libzmq's manual (zmq_curve), and for one connection those of the example of RFC 7748.
const SERVER = keyPair(
  "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
  "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
);
const CLIENT = keyPair(
  "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
  "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
);
const TRANSIENT: KeyPair = {
  publicKey: Uint8Array.fromHex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
  secretKey: Uint8Array.fromHex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
};

function keyPair(publicKey: string, secretKey: string): KeyPair {
  return { publicKey: decodeZ85(publicKey)!, secretKey: decodeZ85(secretKey)! };
}

/** A library with nothing left to chance: the same keys for each connection, all random bytes 07. */
function predictableOf(library: Cryptography): Cryptography {
  return {
    keyPair: () => ({ publicKey: TRANSIENT.publicKey.slice(), secretKey: TRANSIENT.secretKey.slice() }),
    random: (size) => repeated(7, size),
    beforenm: (publicKey, secretKey) => library.beforenm(publicKey, secretKey),
    seal: (key, nonce, content) => library.seal(key, nonce, content),
    open: (key, nonce, box) => library.open(key, nonce, box),
    messageCipher: (key, prefix) => library.messageCipher(key, prefix),
  };
}

const predictable = predictableOf(library);

function curveSession(
  socketType: SocketType,
  options: Partial<SessionOptions> = {},
  crypto: Cryptography = library,
  memory?: MemoryBudget,
): { session: Session; heard: Recorder } {
  const metadata = socketTypeMetadata(socketType);
  const mechanism = isListening(socketType)
    ? new CurveServer(crypto, { keys: SERVER, metadata: () => metadata, memory })
    : new CurveClient(crypto, { serverKey: SERVER.publicKey, keys: CLIENT, metadata: () => metadata });
  const heard = new Recorder();
  return { session: new Session({ socketType, mechanism, ...options }, heard, 0), heard };
}

/** A pair that has shaken hands. */
function joined(
  socketType: SocketType,
  options: Partial<SessionOptions> = {},
  memory?: MemoryBudget,
): { ours: Session; theirs: Session; heard: Recorder; theyHeard: Recorder; wire: Wire } {
  const { session: ours, heard } = curveSession(socketType, options, library, memory);
  const { session: theirs, heard: theyHeard } = curveSession(PEER[socketType]);
  const wire = new Wire(ours, theirs);
  wire.settle(0);
  assert.equal(ours.state, "ready");
  assert.equal(theirs.state, "ready");
  heard.take();
  theyHeard.take();
  return { ours, theirs, heard, theyHeard, wire };
}

// The library

Deno.test("libsodium gives NaCl's boxes byte by byte (tests/box.c)", PURE, () => {
  const alice = Uint8Array.fromHex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const nonce = Uint8Array.fromHex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  const content = Uint8Array.fromHex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129" +
      "6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde" +
      "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
  );
  const box =
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a" +
    "c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae" +
    "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74" +
    "e355a5";
  const key = library.beforenm(TRANSIENT.publicKey, alice);
  assert.equal(hex(key), "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
  assert.equal(hex(library.seal(key, nonce, content)), box);
  assert.equal(hex(library.open(key, nonce, Uint8Array.fromHex(box))!), hex(content));

  const room = concat(new Uint8Array(16), content);
  const cipher = library.messageCipher(key, nonce.subarray(0, 16));
  cipher.seal(room, 16, room.length, 0x8219e003, 0x6b7a0b37);
  assert.equal(hex(room), box);
  const into = new Uint8Array(content.length);
  assert(cipher.open(room, 0, room.length, 0x8219e003, 0x6b7a0b37, into, 0));
  assert.equal(hex(into), hex(content));
});

Deno.test("libsodium opens no box with any byte changed, or without a whole tag", PURE, () => {
  const [key, nonce] = [repeated(1, 32), repeated(2, 24)];
  const box = library.seal(key, nonce, bytes("'subject'"));
  for (const at of box.keys()) {
    const changed = box.slice();
    changed[at]! ^= 1;
    assert.equal(library.open(key, nonce, changed), undefined);
  }
  for (let size = 0; size < 16; size++) {
    assert.equal(library.open(key, nonce, box.subarray(0, size)), undefined);
  }
});

for (const key of LOW_ORDER_KEYS) {
  const digits = hex(key);
  Deno.test(`libsodium refuses the key ${digits.slice(0, 8)}…${digits.slice(-2)}, of low order`, PURE, () => {
    const error = thrownBy(() => library.beforenm(key, SERVER.secretKey));
    assert(error instanceof ProtocolError);
    assert.equal(error.code, "bad-crypto");
  });
}

Deno.test(
  "libsodium's MessageCipher seals and opens as seal() and open() do around each border of blocks and room",
  PURE,
  () => {
    const key = repeated(3, 32);
    const prefix = ascii("CurveZMQMESSAGEC");
    const cipher = library.messageCipher(key, prefix);
    for (const border of [0, 16, 32, 64, 96, 4096, 65_536, 65_760, 1_000_000]) {
      for (let size = Math.max(0, border - 18); size <= border + 50; size += border < 1000 ? 1 : 17) {
        const content = Uint8Array.from({ length: size }, (_, i) => i * 7);
        const room = concat(repeated(8, 32), content, repeated(9, 3));
        cipher.seal(room, 32, 32 + size, 0, size);
        const expected = library.seal(key, concat(prefix, counter(BigInt(size))), content);
        assert.deepEqual(room, concat(repeated(8, 16), expected, repeated(9, 3)), `${size} bytes`);
        const into = repeated(8, size + 2);
        assert(cipher.open(room, 16, 32 + size, 0, size, into, 1));
        assert.deepEqual(into, concat(repeated(8, 1), content, repeated(8, 1)), `${size} bytes`);
      }
    }
  },
);

Deno.test(
  "libsodium's MessageCipher opens no box with any byte changed, or without a whole tag, and writes nothing",
  PURE,
  () => {
    const cipher = library.messageCipher(repeated(3, 32), ascii("CurveZMQMESSAGEC"));
    const room = repeated(1, 32 + 50);
    cipher.seal(room, 32, room.length, 0, 5);
    const into = repeated(8, 50);
    for (let at = 16; at < room.length; at++) {
      room[at]! ^= 0x80;
      assert(!cipher.open(room, 16, room.length, 0, 5, into, 0));
      room[at]! ^= 0x80;
    }
    assert(!cipher.open(room, 16, room.length, 0, 6, into, 0));
    assert(!cipher.open(room, 16, room.length, 1, 5, into, 0));
    for (let size = 0; size < 16; size++) assert(!cipher.open(room, 16, 16 + size, 0, 5, into, 0));
    assert(into.every((byte) => byte === 8));
    assert(cipher.open(room, 16, room.length, 0, 5, into, 0));
  },
);

Deno.test("libsodium's MessageCipher.forget() overwrites its key", PURE, () => {
  const prefix = ascii("CurveZMQMESSAGEC");
  const seal = (cipher: MessageCipher) => {
    const room = repeated(1, 32 + 50);
    cipher.seal(room, 32, room.length, 0, 5);
    return hex(room);
  };
  const [a, b] = [5, 6].map((byte) => library.messageCipher(repeated(byte, 32), prefix)) as [
    MessageCipher,
    MessageCipher,
  ];
  assert.notEqual(seal(a), seal(b));
  a.forget();
  b.forget();
  assert.equal(seal(a), seal(b));
});

Deno.test("libsodium's MessageCipher keeps no hold of the key that it was given", PURE, () => {
  const key = repeated(5, 32);
  const cipher = library.messageCipher(key, ascii("CurveZMQMESSAGEC"));
  key.fill(0);
  const room = repeated(1, 32 + 50);
  cipher.seal(room, 32, room.length, 0, 5);
  const nonce = concat(ascii("CurveZMQMESSAGEC"), counter(5n));
  assert.equal(
    hex(room.subarray(16)),
    hex(library.seal(repeated(5, 32), nonce, repeated(1, 50))),
  );
});

Deno.test("libsodium's MessageCipher seals and opens boxes for which its memory has to grow", PURE, () => {
  const [key, prefix] = [repeated(3, 32), ascii("CurveZMQMESSAGEC")];
  const cipher = library.messageCipher(key, prefix);
  // It begins with 4 MiB and grows by what it needs, so each of the two is the first of its size.
  for (const size of [8_000_000, 16_000_000]) {
    const room = concat(repeated(0, 32), repeated(7, size));
    cipher.seal(room, 32, room.length, 0, 5);
    const into = new Uint8Array(size);
    assert(cipher.open(room, 16, room.length, 0, 5, into, 0));
    assert(into.every((byte) => byte === 7));
  }
});

Deno.test(
  "libsodium's MessageCipher agrees with seal() and both sides with each other, whatever size, place and nonce",
  PURE,
  () => {
    const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
    fc.assert(
      fc.property(
        bytes(32),
        bytes(32),
        fc.uint8Array({ maxLength: 300 }),
        fc.nat({ max: 40 }),
        fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
        (secretKey, theirSecret, content, offset, number) => {
          const key = library.beforenm(publicKeyOf(theirSecret), secretKey);
          assert.equal(hex(library.beforenm(publicKeyOf(secretKey), theirSecret)), hex(key));
          const prefix = ascii("CurveZMQMESSAGES");
          const box = library.seal(key, concat(prefix, counter(number)), content);

          const [high, low] = [Number(number >> 32n), Number(number & 0xffff_ffffn)];
          const start = offset + 32;
          const room = concat(repeated(8, start), content);
          library.messageCipher(key, prefix).seal(room, start, room.length, high, low);
          assert.equal(hex(room), hex(concat(repeated(8, offset + 16), box)));
          const into = new Uint8Array(offset + content.length + 3);
          const opener = library.messageCipher(key, prefix);
          assert(opener.open(room, start - 16, room.length, high, low, into, offset));
          assert.equal(hex(into), hex(concat(repeated(0, offset), content, repeated(0, 3))));
        },
      ),
      { numRuns: 200 },
    );
  },
);

Deno.test("publicKeyOf() gives the public keys of RFC 7748, 6.1", PURE, () => {
  const pairs = [
    [
      "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
      "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    ],
    [
      "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
      "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ],
  ] as const;
  for (const [secretKey, publicKey] of pairs) {
    assert.equal(hex(publicKeyOf(Uint8Array.fromHex(secretKey))), publicKey);
  }
});

Deno.test("freshKeyPair() gives another pair each time, both of whose keys belong together", PURE, () => {
  const [a, b] = [freshKeyPair(), freshKeyPair()];
  assert.notEqual(hex(a.secretKey), hex(b.secretKey));
  for (const { publicKey, secretKey } of [a, b]) assert.equal(hex(publicKeyOf(secretKey)), hex(publicKey));
});

// Keys

Deno.test("parseServerKeys() finds the public keys of libzmq's manual", PURE, () => {
  for (const { publicKey, secretKey } of [SERVER, CLIENT]) {
    assert.equal(hex(parseServerKeys({ secretKey }).publicKey), hex(publicKey));
  }
  assert.equal(
    formatPublicKey({ secretKey: "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6" }),
    "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
  );
});

Deno.test("parseKey() takes 40 characters of Z85 and 32 bytes, which it copies", PURE, () => {
  assert.equal(hex(parseKey("key", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")), hex(SERVER.publicKey));
  const key = SERVER.publicKey.slice();
  const parsed = parseKey("key", key);
  key.fill(0);
  assert.equal(hex(parsed), hex(SERVER.publicKey));
});

const NO_KEYS: readonly (readonly [what: string, key: unknown, message: RegExp])[] = [
  ["39 characters", "q:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", /39 characters/],
  ["45 characters of Z85", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf700000", /45 characters/],
  ["a character beyond Z85", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf~", /not 40 of Z85/],
  ["hex", "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518", /64 characters/],
  ["31 bytes", new Uint8Array(31), /31 bytes/],
  ["a number", 5, /neither a text nor a Uint8Array/],
];

for (const [what, key, message] of NO_KEYS) {
  Deno.test(`parseKey() throws bad-option for ${what}, and does not show it`, PURE, () => {
    const error = thrownBy(() => parseKey("curve.secretKey", key as string));
    assert(error instanceof OptionError);
    assert.equal(error.code, "bad-option");
    assert.match(error.message, message);
    assert.match(error.message, /curve\.secretKey/);
    if (typeof key === "string") assert(!error.message.includes(key));
  });
}

Deno.test(
  "parseServerKeys() and parseClientKeys() throw bad-option for keys that do not belong together",
  PURE,
  () => {
    const { publicKey } = CLIENT;
    const { publicKey: serverKey, secretKey } = SERVER;
    assert.throws(() => parseServerKeys({ publicKey, secretKey }), OptionError);
    assert.throws(() => parseClientKeys({ serverKey, publicKey, secretKey }), OptionError);
    assert.throws(() => parseClientKeys({ serverKey, publicKey }), OptionError);
  },
);

Deno.test("parseClientKeys() makes fresh keys where there are none", PURE, () => {
  const [a, b] = [1, 2].map(() => parseClientKeys({ serverKey: SERVER.publicKey }).keys);
  assert.notEqual(hex(a!.secretKey), hex(b!.secretKey));
  assert.equal(hex(parseServerKeys({ secretKey: a!.secretKey }).publicKey), hex(a!.publicKey));
});

Deno.test("curveKeyPair() makes a pair of 40 characters each, another one each time", PURE, async () => {
  const [a, b] = [await curveKeyPair(), await curveKeyPair()];
  assert.equal(a.secretKey.length, 40);
  assert.equal(formatPublicKey(a), a.publicKey);
  assert.notEqual(a.secretKey, b.secretKey);
});

// What libzmq 4.3.5 wrote to a predictable peer with these keys

const LIBZMQ: readonly (readonly [SocketType, stream: string, heard: readonly string[]])[] = [
  [
    "PULL",
    `
    ff00000000000000017f0301435552564500000000000000000000000000000000000000000000000000000000000000
    0000000000000000000000000000000004c80548454c4c4f010000000000000000000000000000000000000000000000
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
    0000cfb55c32e99830115cf9deeab0ab80197ae33c6951b9c657f88cf24acad7e0570000000000000001c6ded39609d4
    28578f6a4f2a7690ff35043d9eb82d0836e9b128895539cb13199968b64c40c9173198e0c9cfd69069b1ca2531ed995c
    21f4e2d596a26c52d74a9dd006aadc27b1fbe48c4c3953dcfffb06000000000000011508494e49544941544507070707
    07070707070707070707070741607a893861c9af72a6dffe39b0e96620ffaf424be90f4902c140904d567dcf489c393a
    5c6a4d480a98fba0bdca55af5c833484b5f3f46465329e5aef484c87f39ee97e86dfe066ea763d77834b9b0f00000000
    0000000253ab94d63a0dbc5315d5092d6b30098850a7149496d6399462e1de38a74dce3cbc30dd889e4e79bac80e1db4
    fa88a5b5a59109a2c7b5c90315d6f49e614ac1c164a828359d68a2f4b94a65cd003a772b44161cb7e3cfc6cff2afce8a
    6b14eaa624c235331dc849b8bff8d308fe2f7b50d123e7beb6c96c23514c5987cd8caaf42e9797d2d395a4dee770a388
    5f924d5beeda0956fc41fbd19a634d8530519eef60ea92050026074d45535341474500000000000000033d979b2a87b9
    cc2100374c39642a3c2e1ec7f01b7b83
  `,
    ["ready PUSH 3.1", "message hello"],
  ],
  [
    "PUB",
    `
    ff00000000000000017f0301435552564500000000000000000000000000000000000000000000000000000000000000
    0000000000000000000000000000000004c80548454c4c4f010000000000000000000000000000000000000000000000
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
    000029b926065a0fb01076db9f3e4eb5c5f186d81496d3e03e31605a1dc6d4723774000000000000000149865fef785c
    6fb46780e8f35874189a8772247a38d1a7bb5a2ceda514195a26d405777655c614a7fd35e929bbcdfe2cde6680432ff1
    b31f19aea605fc4f0870760358fc32b12694c22bb97651b8102f06000000000000011408494e49544941544507070707
    0707070707070707070707073b7777059893399fe3c11ebc6e24d472c6f3d576f87e8f4828e30144b3483827b4a711c5
    de33b52e924e142ca36f828c5c833484b5f3f46465329e5aef484c87f39ee97e86dfe066ea763d77834b9b0f00000000
    00000002ea6f532d18c024bf81b1d94c10ac995ea2ccfc8ef40fca3663bbf386a8d90f89a733c607fcd042f496aee813
    41aa233dce0e9f15086e131c030342360f6e67cbfbfddce5cc831d9f3b13b191be06ca0dc7bbccaa46c97b7fcbda7642
    e7760b08653d658c6a0c93167936e427caaf1e88b71997450daf2ec7acfe6273a454827745137d8db9bb21c97998d997
    6a26da0b706726b009f1e9ad34180c95e3ee7b9a71eeb3002d074d45535341474500000000000000039cfba93bcfe235
    d93ca38747a1f706042f35f4f831875f76f425039bac
  `,
    ["ready SUB 3.1", "subscribe to"],
  ],
  [
    "PUSH",
    `
    ff00000000000000017f0301435552564500000000000000000000000000000000000000000000000000000000000000
    0000000000000000000000000000000004a80757454c434f4d45abe724cac21ed388a7ed71c3e661ad7d40660a489e18
    1d8495fb6023b52f876f07add1ae484ee73f4b132307e74173936a0d4ee1d802d5d11d19c025c8a7559f9dd3e5c5679f
    be22bd77181439db9a05b9523cefcca51f8d15ff1a82bb28554ef0ee09188dce3dc9f9e07e9af594cb2ba4e02af259ba
    269d9260198b59869a35f5f298fe1586122a5b6eeb30907cc337a175caa317f2aa996bda7f3e5fb07932043205524541
    44590000000000000001d14349fabcaa73e83b9f3a3aaafa5653de8d8ef65b89e2502a5b6771b983c9e4ee9312eb0026
    074d45535341474500000000000000021a473d19203d6a276e07993fae0119a49016d43970d1
  `,
    ["ready PULL 3.1", "pong"],
  ],
  [
    "SUB",
    `
    ff00000000000000017f0301435552564500000000000000000000000000000000000000000000000000000000000000
    0000000000000000000000000000000004a80757454c434f4d4557c19b098a2ccbc9000490a947d62451813cf1209e23
    5db19b8c6b4fab7935f210f5739f04422a02d3f4b21091dc4c53138385c499896772b08d306e76a1f3a02e8cd6beecc1
    83c5a7d629ac066d8bdf81aee894abbe5ba982965ba3c19d9f3c9df69bddf49d405d38b2cbed483adcd7f9e2cc9dc9b9
    4ebd3425cb7eae62b0b6599bf1786a1bc926ab453150cca3dbcf964ed4b70cedb2926e5728b7b85f17b9043105524541
    445900000000000000017f0c59162e60d47e65d502a90c0ea0d3522c9c0ab375e88d4541ccbde8844cf7f8c3d1002607
    4d455353414745000000000000000235dd0e131d58c5ca57010694efc1589e1ca039c530730026074d45535341474500
    00000000000003582bb029f98ac59e39aeb7fd2eba34d44951aff8344e
  `,
    ["ready PUB 3.1", "pong", "message hello"],
  ],
];

for (const [socketType, stream, lines] of LIBZMQ) {
  const mechanism = isListening(socketType) ? "CurveServer" : "CurveClient";
  Deno.test(
    `${mechanism} of a ${socketType} takes what libzmq 4.3.5 wrote, in one piece and byte by byte`,
    PURE,
    () => {
      for (const [cut, chunks] of [...cuts(Uint8Array.fromHex(stream.replaceAll(/\s/g, "")))].slice(0, 2)) {
        const { session, heard } = curveSession(socketType, {}, predictable);
        for (const chunk of chunks) assert.equal(session.receive(chunk, 0), undefined, cut);
        assert.deepEqual(heard.take(), lines, cut);
      }
    },
  );
}

Deno.test(
  "Session under CURVE gives events or a fault, nothing else, for what libzmq wrote with bytes changed",
  PURE,
  () => {
    const streams = LIBZMQ.map(([socketType, stream]) =>
      [socketType, Uint8Array.fromHex(stream.replaceAll(/\s/g, ""))] as const
    );
    const change = fc.record({ at: fc.nat({ max: 1000 }), byte: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(...streams),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.nat({ max: 1000 }),
        ([socketType, stream], changes, repeatAt) => {
          const bytes = stream.slice();
          for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
          const { session } = curveSession(socketType, {}, predictable);
          const [, fault] = [bytes, bytes.subarray(repeatAt % bytes.length)].map((chunk) =>
            session.receive(chunk, 0)
          );
          session.takeOutput();
          assert.equal(session.state === "dead", fault !== undefined);
        },
      ),
      { numRuns: 300 },
    );
  },
);

// The handshake

Deno.test(
  "CURVE's handshake has the sizes of RFC 26: HELLO 200, WELCOME 168, INITIATE 257, READY 30, both plus metadata",
  PURE,
  () => {
    const { session: client } = curveSession("PUSH");
    const { session: server } = curveSession("PULL");
    const wire = new Wire(client, server);
    wire.settle(0);
    const [said, answered] = wire.carried.map((bytes) => frames(Uint8Array.from(bytes).subarray(64)));
    assert.deepEqual(said!.map(({ flags, body }) => [flags, body.length]), [[0x04, 200], [0x06, 257 + 20]]);
    assert.deepEqual(answered!.map(({ flags, body }) => [flags, body.length]), [[0x04, 168], [
      0x04,
      30 + 20,
    ]]);
  },
);

Deno.test("CURVE's handshake never says long-term keys, metadata or messages in the clear", PURE, () => {
  const { ours, theirs, wire, theyHeard } = joined("PUSH");
  ours.ping();
  wire.settle(0);
  theirs.receive(ours.box!.seal(encodeFrame(bytes("'a secret subject'"), 0)), 0);
  assert.deepEqual(theyHeard.take(), ["message a secret subject"]);
  const carried = wire.carried.map((bytes) => latin1(Uint8Array.from(bytes))).join("");
  for (const secret of [latin1(CLIENT.publicKey), latin1(SERVER.publicKey), "Socket-Type", "PING", "PONG"]) {
    assert(!carried.includes(secret), secret);
  }
});

Deno.test("CURVE joins a PULL and a PUSH, messages of each size", PURE, () => {
  const { session: pull, heard } = curveSession("PULL");
  const { session: push } = curveSession("PUSH");
  const wire = new Wire(pull, push);
  wire.settle(0);
  push.ping();
  wire.settle(0);
  assert.deepEqual([pull.state, push.state], ["ready", "ready"]);
  heard.take();
  for (const size of [0, 100, 300, 70_000]) {
    assert.equal(pull.receive(push.box!.seal(encodeFrame(repeated(0x61, size), 0)), 0), undefined);
    assert.deepEqual(heard.take(), [`message ${"a".repeat(size)}`]);
  }
});

for (const [socketType, peerType] of [["PULL", "PUSH"], ["PUB", "SUB"]] as const) {
  Deno.test(
    `CURVE joins a ${socketType} and a ${peerType} in any cut of the stream, commands and messages both ways`,
    PURE,
    () => {
      const { session: a } = curveSession(socketType);
      const { session: b } = curveSession(peerType);
      const oneByOne = (chunk: Uint8Array) => Array.from(chunk, (byte) => Uint8Array.of(byte));
      const wire = new Wire(a, b, oneByOne);
      wire.settle(0);
      a.ping();
      b.ping();
      wire.settle(0);
      assert.deepEqual([a.state, b.state], ["ready", "ready"]);
    },
  );
}

Deno.test("CurveServer tells the client's key only when it has proven to own it", PURE, () => {
  const { ours } = joined("PULL");
  assert.equal(hex(ours.peerKey!), hex(CLIENT.publicKey));
  assert.equal(curveSession("PULL").session.peerKey, undefined);
});

Deno.test("CURVE uses keys of its own for each connection, on both sides", PURE, () => {
  const openings = [0, 1].map(() => {
    const { wire } = joined("PUSH");
    return wire.carried.map((bytes) => latin1(Uint8Array.from(bytes)));
  });
  const [first, second] = openings as [string[], string[]];
  const transientKey = (client: string) => client.slice(64 + 2 + 80, 64 + 2 + 112);
  assert.notEqual(transientKey(first[0]!), transientKey(second[0]!));
  const cookieAndReady = (server: string) => server.slice(64);
  assert.notEqual(cookieAndReady(first[1]!), cookieAndReady(second[1]!));
});

Deno.test("CurveServer refuses a peer of the NULL mechanism, and the other way round", PURE, () => {
  const { session } = curveSession("PULL");
  const fault = session.receive(greeting(1, "NULL"), 0);
  assert(fault instanceof HandshakeError);
  assert.equal(fault.code, "mechanism-mismatch");
});

// Messages

Deno.test(
  "CURVE seals SUBSCRIBE to a peer of 3.1 as inner command 02, to a peer of 3.0 as message 01",
  PURE,
  () => {
    for (const [minor, inner] of [[1, "02 09 'SUBSCRIBE' 'to'"], [0, "00 01 'to'"]] as const) {
      const { session: server } = curveSession("PUB", {}, predictable);
      const { session: client, heard } = curveSession("SUB");
      const old = (chunk: Uint8Array) => {
        if (chunk[0] === 0xff) chunk[11] = minor;
        return [chunk];
      };
      new Wire(client, server, old).settle(0);
      heard.take();
      client.changeSubscription({ subscribe: true, topic: bytes("'to'") });
      const [frame] = frames(client.takeOutput()!);
      assert.equal(frame!.flags, 0);
      assert.equal(server.receive(encodeFrame(frame!.body, 0), 0), undefined);
      assert.equal(frame!.body.length, 32 + bytes(inner).length);
    }
  },
);

Deno.test(
  "CURVE seals each kind of frame as libzmq does: MORE 01, COMMAND 02, the outer frame without either",
  PURE,
  () => {
    const { box, theirs } = boxes();
    const plain = concat(
      encodeFrame(bytes("'one'"), FLAG_MORE),
      encodeFrame(bytes("'two'"), 0),
      encodeSubscription({ subscribe: true, topic: bytes("'to'") }),
    );
    const sealed = frames(box.seal(plain));
    assert.deepEqual(sealed.map(({ flags }) => flags), [0, 0, 0]);
    const opened = sealed.map(({ body }) =>
      library.open(KEY, concat(OUR_PREFIX, body.subarray(8, 16)), body.subarray(16))!
    );
    assert.deepEqual(opened.map(hex), [
      hex(bytes("01 'one'")),
      hex(bytes("00 'two'")),
      hex(bytes("02 09 'SUBSCRIBE' 'to'")),
    ]);
    assert.deepEqual(sealed.map(({ body }) => hex(body.subarray(0, 16))), [
      hex(bytes("07 'MESSAGE' 00 00 00 00 00 00 00 03")),
      hex(bytes("07 'MESSAGE' 00 00 00 00 00 00 00 04")),
      hex(bytes("07 'MESSAGE' 00 00 00 00 00 00 00 05")),
    ]);
    let back = new Uint8Array(0);
    for (const { body } of sealed) back = concat(back, open(theirs, encodeFrame(body, 0)));
    assert.equal(hex(back), hex(plain));
  },
);

Deno.test("CurveBox.open(seal(x)) equals x for bodies around each border of the headers", PURE, () => {
  const { box, theirs } = boxes();
  for (const size of [0, 1, 221, 222, 223, 254, 255, 256, 257, 65_535, 65_536, 70_000]) {
    const plain = encodeFrame(repeated(size & 0xff, size), 0);
    assert.equal(hex(open(theirs, box.seal(plain))), hex(plain), `${size} bytes`);
  }
});

Deno.test(
  "CurveBox.open() lays frames one behind the other, so that a broker can pass them on together",
  PURE,
  () => {
    const { box, theirs } = boxes();
    const first = box.seal(encodeFrame(bytes("'one'"), 0));
    const second = box.seal(encodeFrame(bytes("'two'"), 0));
    const a = theirs.open(first, 0, 2, first.length);
    const { block } = theirs;
    const b = theirs.open(second, 0, 2, second.length);
    assert.equal(theirs.block, block);
    assert.equal(b, a + 5);
    assert.equal(hex(block.subarray(a, b + 5)), hex(bytes("00 03 'one' 00 03 'two'")));
  },
);

Deno.test("CurveBox.plainOffset() is exact where frames meet, and within the frame elsewhere", PURE, () => {
  const { box } = boxes();
  const plain = concat(...[0, 1, 100, 222, 223, 300].map((size) => encodeFrame(repeated(1, size), 0)));
  const starts = borders(plain);
  const sealedStarts = borders(box.seal(plain));
  for (let i = 0; i + 1 < starts.length; i++) {
    assert.equal(box.plainOffset(plain, sealedStarts[i]!), starts[i]);
    for (const offset of [sealedStarts[i]! + 1, sealedStarts[i + 1]! - 1]) {
      const at = box.plainOffset(plain, offset);
      assert(starts[i]! < at && at < starts[i + 1]!, `frame ${i}, byte ${offset}`);
    }
  }
  assert.equal(box.plainOffset(plain, sealedStarts.at(-1)!), plain.length);
});

const BAD_MESSAGES: readonly (readonly [what: string, code: string, frame: () => Uint8Array])[] = [
  ["a nonce that was used before", "bad-crypto", () => theirMessage(2n, "00 'x'")],
  ["a nonce below the one before", "bad-crypto", () => theirMessage(1n, "00 'x'")],
  ["a box for another key", "bad-crypto", () => theirMessage(3n, "00 'x'", repeated(3, 32))],
  ["a box with another nonce than the one beside it", "bad-crypto", () => {
    const frame = theirMessage(4n, "00 'x'");
    frame[2 + 15] = 3;
    return frame;
  }],
  ["a box of ours sent back", "bad-crypto", () => boxes().box.seal(encodeFrame(bytes("'x'"), 0))],
  ["inner flags 03, a command with MORE", "bad-frame", () => theirMessage(3n, "03 'x'")],
  ["inner flags 04, which is COMMAND outside only", "bad-frame", () => theirMessage(3n, "04 'x'")],
  ["an empty box", "bad-frame", () => theirMessage(3n, "")],
  ["a MESSAGE shorter than its nonce", "bad-frame", () => encodeFrame(bytes("07 'MESSAGE'"), 0)],
  ["a MESSAGE in a command's frame", "bad-frame", () => flagged(theirMessage(3n, "00 'x'"), FLAG_COMMAND)],
  ["a MESSAGE with MORE outside", "bad-frame", () => flagged(theirMessage(3n, "00 'x'"), FLAG_MORE)],
  ["a message in the clear", "bad-frame", () => encodeFrame(repeated(0x41, 100), 0)],
  ["a PING in the clear", "bad-frame", () => bytes("04 07 04 'PING' 00 0a")],
];

for (const [what, code, frame] of BAD_MESSAGES) {
  Deno.test(`CurveBox.open() throws ${code} for ${what}`, PURE, () => {
    const { box: theirs } = boxes();
    const bytes = frame();
    const error = thrownBy(() => theirs.open(bytes, 0, 2, bytes.length));
    assert(error instanceof ProtocolError, String(error));
    assert.equal(error.code, code);
  });
}

Deno.test(
  "CurveBox.open() takes nonces with gaps, the largest of all too, after which nothing can come",
  PURE,
  () => {
    const { box: ours } = boxes();
    for (const nonce of [5n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 53n + 1n, 2n ** 53n + 2n, 2n ** 64n - 1n]) {
      const message = theirMessage(nonce, "00 'x'");
      assert.equal(hex(open(ours, message)), hex(bytes("00 01 'x'")));
    }
    const last = theirMessage(2n ** 64n - 1n, "00 'x'");
    assert.throws(() => open(ours, last), ProtocolError);
  },
);

Deno.test("CurveBox.open() takes no nonce of 2^32 before, whatever its lower half is", PURE, () => {
  const { box: ours } = boxes();
  open(ours, theirMessage(0x1_0000_0005n, "00 'x'"));
  const old = theirMessage(6n, "00 'x'");
  assert.equal(thrownBy(() => open(ours, old)).code, "bad-crypto");
  open(ours, theirMessage(0x1_0000_0006n, "00 'x'"));
});

Deno.test("CurveBox.seal() carries its nonce over 2^32 and refuses to go beyond 2^64 - 1", PURE, () => {
  const frame = encodeFrame(bytes("'x'"), 0);
  const nonceOf = (sealed: Uint8Array) => hex(sealed.subarray(10, 18));
  const carrying = boxes({ high: 0, low: 0xffff_fffe }).box;
  assert.equal(nonceOf(carrying.seal(frame)), "00000000ffffffff");
  assert.equal(nonceOf(carrying.seal(frame)), "0000000100000000");
  const ending = boxes({ high: 0xffff_ffff, low: 0xffff_fffe }).box;
  assert.equal(nonceOf(ending.seal(frame)), "ffffffffffffffff");
  assert.equal(thrownBy(() => ending.seal(frame)).code, "bad-crypto");
});

Deno.test(
  "Session under CURVE takes a message of maxMessageBytes, and dies of one more byte at its header",
  PURE,
  () => {
    const { ours, theirs, heard } = joined("PULL", { maxMessageBytes: 1000 });
    assert.equal(ours.receive(theirs.box!.seal(encodeFrame(repeated(0x61, 1000), 0)), 0), undefined);
    assert.deepEqual(heard.take(), [`message ${"a".repeat(1000)}`]);
    const fault = ours.receive(theirs.box!.seal(encodeFrame(repeated(0x61, 1001), 0)).subarray(0, 9), 0);
    assert.equal(fault?.code, "frame-too-large");
  },
);

Deno.test("CurveClient goes on from READY's nonce, whatever it was", PURE, () => {
  const metadata = socketTypeMetadata("PULL");
  const readyData = (nonce: bigint) =>
    concat(
      counter(nonce),
      library.seal(KEY, concat(ascii("CurveZMQREADY---"), counter(nonce)), encodeMetadata(metadata)),
    );
  const fixed = { ...predictable, beforenm: () => KEY.slice(), open: predictable.open };
  const client = new CurveClient(fixed, { serverKey: SERVER.publicKey, keys: CLIENT, metadata: () => [] });
  const nonce = repeated(7, 16);
  const welcome = concat(nonce, library.seal(KEY, concat(ascii("WELCOME-"), nonce), new Uint8Array(128)));
  client.handleCommand({ name: "WELCOME", data: welcome });
  client.handleCommand({ name: "READY", data: readyData(7n) });
  const replayed = theirMessage(7n, "00 'x'");
  assert.throws(() => client.box!.open(replayed, 0, 2, replayed.length), ProtocolError);
  const next = theirMessage(8n, "00 'x'");
  client.box!.open(next, 0, 2, next.length);
});

Deno.test(
  "Session under CURVE dies of a command above 64 KiB, the limit of commands in the clear",
  PURE,
  () => {
    const { ours, theirs } = joined("PUB");
    const command = (size: number) =>
      encodeFrame(concat(bytes("01 'X'"), repeated(0, size - 2)), FLAG_COMMAND);
    assert.equal(ours.receive(theirs.box!.seal(command(65_536)), 0), undefined);
    assert.equal(ours.receive(theirs.box!.seal(command(65_537)), 0)?.code, "frame-too-large");
  },
);

Deno.test("Session that is undecided keeps 64 KiB of what comes behind READY, and dies of more", PURE, () => {
  for (const [size, code] of [[65_000, undefined], [66_000, "unexpected-before-ready"]] as const) {
    const { session } = openSession("PULL", { decides: true });
    session.receive(concat(greeting(), ready("PUSH")), 0);
    assert.equal(session.state, "undecided");
    assert.equal(session.receive(encodeFrame(repeated(0x61, size), 0), 0)?.code, code);
  }
});

Deno.test("Session that is undecided dies of a message above its limit", PURE, () => {
  const { session, heard } = openSession("PULL", { decides: true, maxMessageBytes: 10 });
  const fault = session.receive(concat(greeting(), ready("PUSH"), encodeFrame(repeated(0x61, 11), 0)), 0);
  assert.equal(fault?.code, "unexpected-before-ready");
  assert.deepEqual(heard.take(), []);
});

Deno.test("Session under CURVE counts a message of several frames as one, and takes the next", PURE, () => {
  const { ours, theirs, heard } = joined("PULL");
  const frames = [
    encodeFrame(bytes("'one'"), FLAG_MORE),
    encodeFrame(bytes("'two'"), 0),
    encodeFrame(bytes("'next'"), 0),
  ];
  assert.equal(ours.receive(theirs.box!.seal(concat(...frames)), 0), undefined);
  assert.deepEqual(heard.take(), ["unfit multipart, 6 bytes, 2 parts", "message next"]);
});

Deno.test("Session under CURVE answers a PING in a box with a PONG in a box", PURE, () => {
  const { ours, theirs, theyHeard, wire } = joined("PULL");
  theirs.ping();
  wire.settle(0);
  assert.deepEqual(theyHeard.take(), ["pong"]);
  assert.equal(ours.state, "ready");
});

Deno.test(
  "Session under CURVE lets the room of a large message go, and gives all back to the memory budget",
  PURE,
  () => {
    const memory = new MemoryBudget(100_000_000);
    const { ours, theirs, heard } = joined("PULL", {}, memory);
    const before = memory.used;
    const sealed = theirs.box!.seal(encodeFrame(repeated(0x61, 1_000_000), 0));
    assert.equal(ours.receive(sealed, 0), undefined);
    assert.equal(heard.take().length, 1);
    assert.equal(memory.used, before);
    ours.receive(theirs.box!.seal(encodeFrame(bytes("'small'"), 0)), 0);
    assert.deepEqual(heard.take(), ["message small"]);
    assert(memory.used > 0, "a small block is kept for the next message");
    for (let i = 0; i < 100; i++) {
      ours.receive(theirs.box!.seal(encodeFrame(repeated(0x61, 300), 0)), 0);
      assert(memory.used - before <= 4096, "and no larger one once its messages are handed over");
    }
    ours.forget();
    assert.equal(memory.used, 0);
  },
);

Deno.test("Session.forget() overwrites the connection's keys", PURE, () => {
  const keys: Uint8Array[] = [];
  const spying = {
    ...predictable,
    keyPair: () => {
      const pair = predictable.keyPair();
      keys.push(pair.secretKey);
      return pair;
    },
    beforenm: (publicKey: Uint8Array, secretKey: Uint8Array) => {
      const key = library.beforenm(publicKey, secretKey);
      keys.push(key);
      return key;
    },
  };
  const { session: server } = curveSession("PULL", {}, spying);
  const { session: client } = curveSession("PUSH", {}, spying);
  new Wire(client, server).settle(0);
  assert.equal(client.state, "ready");
  server.forget();
  client.forget();
  assert(keys.length >= 8);
  for (const key of keys) assert.equal(hex(key), "00".repeat(32));
});

// What the tests of boxes share

const KEY = repeated(5, 32);
const OUR_PREFIX = ascii("CurveZMQMESSAGEC");
const THEIR_PREFIX = ascii("CurveZMQMESSAGES");

/** The boxes of a client and of its server; the client's last nonce was 2 unless told otherwise, the server's 2. */
function boxes(ourNonce: Nonce = { high: 0, low: 2 }): { box: CurveBox; theirs: CurveBox } {
  const theirNonce = { high: 0, low: 2 };
  return {
    box: new CurveBox(library, {
      key: KEY,
      ourPrefix: OUR_PREFIX,
      theirPrefix: THEIR_PREFIX,
      ourNonce,
      theirNonce,
    }),
    theirs: new CurveBox(library, {
      key: KEY,
      ourPrefix: THEIR_PREFIX,
      theirPrefix: OUR_PREFIX,
      ourNonce: theirNonce,
      theirNonce: ourNonce,
    }),
  };
}

/** A short MESSAGE of the server's. */
function theirMessage(nonce: bigint, content: string, key: Uint8Array = KEY): Uint8Array {
  const sealed = library.seal(key, concat(THEIR_PREFIX, counter(nonce)), bytes(content));
  return encodeFrame(concat(bytes("07 'MESSAGE'"), counter(nonce), sealed), 0);
}

function flagged(frame: Uint8Array, flags: number): Uint8Array {
  frame[0]! |= flags;
  return frame;
}

/** The frame in the box of a frame. */
function open(box: CurveBox, sealed: Uint8Array): Uint8Array {
  const start = box.open(sealed, 0, sealed[0] === 0 ? 2 : 9, sealed.length);
  const [frame] = frames(box.block.subarray(start), 1);
  return encodeFrame(frame!.body, frame!.flags & ~0x02);
}

function frames(stream: Uint8Array, limit = Infinity): { flags: number; body: Uint8Array }[] {
  const found: { flags: number; body: Uint8Array }[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: 1_000_000 }, {
    handleFrame: (bytes, start, bodyStart, end) => {
      if (found.length < limit) found.push({ flags: bytes[start]!, body: bytes.slice(bodyStart, end) });
    },
    handleSkippedFrame: () => assert.fail("a frame was skipped"),
  });
  try {
    decoder.push(stream);
  } catch (error) {
    if (found.length < limit) throw error; // Behind what was asked for, the block is not in use yet.
  }
  return found;
}

/** Where the frames of a stream begin, and where it ends. */
function borders(stream: Uint8Array): number[] {
  const places = [0];
  for (const { body } of frames(stream)) {
    places.push(places.at(-1)! + body.length + (body.length > 255 ? 9 : 2));
  }
  return places;
}
