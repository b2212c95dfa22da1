/**
 * Hostile brokers: a client dials one that says what no broker says, tells why it gave up, dials again, and works with the
 * honest broker that is there then.
 */
import assert from "node:assert/strict";
import { MessageClient, PassiveMessageClient } from "../client.ts";
import { encodeCommand, encodeError, encodePing, encodeReady, socketTypeMetadata } from "../zmtp/command.ts";
import { encodeFrame } from "../zmtp/frame.ts";
import { encodeGreeting } from "../zmtp/greeting.ts";
import { soon } from "./support/deadline.ts";
import { concat, hex, type RawPeer } from "./support/raw_peer.ts";
import { RawServer } from "./support/raw_server.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const FAST = { reconnect: { minMs: 1, maxMs: 20 }, lingerMs: 0 };
const GREETING = encodeGreeting("NULL");
const HONEST = { SUB: "PUB", PUSH: "PULL" } as const;
type Role = keyof typeof HONEST;
const ROLES: readonly Role[] = ["SUB", "PUSH"];

/** A client of either kind, and the codes of what went wrong for it. */
function dial(
  role: Role,
  address: string,
  handshakeTimeoutMs = 30_000,
): { client: PassiveMessageClient | MessageClient; codes: string[] } {
  const client = role === "SUB"
    ? new PassiveMessageClient({ serverBroadcast: address, handshakeTimeoutMs, ...FAST })
    : new MessageClient({ serverReceive: address, handshakeTimeoutMs, ...FAST });
  const codes: string[] = [];
  client.addEventListener("error", ({ error }) => codes.push(error.code));
  client.addEventListener("disconnect", ({ reason }) => codes.push((reason as { code?: string }).code!));
  return { client, codes };
}

/** The honest broker that comes after: a message passes, in the direction of the role. */
async function serve(
  server: RawServer,
  role: Role,
  client: PassiveMessageClient | MessageClient,
): Promise<void> {
  await using peer = await server.welcome(HONEST[role]);
  if (role === "PUSH") {
    client.sendMessage({ type: "after" });
    assert.equal(await peer.readText(), '{"type":"after"}');
    return;
  }
  assert.equal(await peer.readText(), "\x09SUBSCRIBE");
  // It asks twice: a libzmq publisher may answer before it has looked at the subscription.
  for (let i = 0; i < 2; i++) {
    const { body } = (await peer.readFrame())!;
    assert.deepEqual(body.subarray(0, 5), new TextEncoder().encode("\x04PING"));
    await peer.write(encodeCommand("PONG"));
  }
  await soon(client.ready);
  await peer.send('{"type":"after"}');
  const { entries } = await soon((client as PassiveMessageClient).waitForMessages(0));
  assert.equal(entries.at(-1)!.text, '{"type":"after"}');
}

async function writeUntilClosed(peer: RawPeer, bytes: Uint8Array): Promise<void> {
  await peer.write(bytes).catch((error) => {
    const isClosed = error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset;
    if (!isClosed) throw error;
  });
}

/** What the broker says before the handshake is over, and the code that the client gives it. */
const BEFORE: readonly (readonly [what: string, words: (role: Role) => Uint8Array, code: string])[] = [
  ["an HTTP answer", () => bytes("HTTP/1.1 400 Bad Request\r\n\r\n"), "bad-greeting"],
  ["one byte 00", () => hex("00"), "bad-greeting"],
  ["ZMTP 1.0", () => hex("0100"), "bad-greeting"],
  ["ZMTP 2.0", () => hex("ff00000000000000017f0101"), "bad-greeting"],
  ["nothing", () => new Uint8Array(0), "handshake-timeout"],
  ["half a greeting", () => GREETING.subarray(0, 30), "handshake-timeout"],
  ["a greeting alone", () => GREETING, "handshake-timeout"],
  ["a message before READY", () => concat(GREETING, encodeFrame(bytes("{}"), 0)), "unexpected-before-ready"],
  ["PING before READY", () => concat(GREETING, encodePing(0)), "unexpected-before-ready"],
  ["READY without type", () => concat(GREETING, encodeReady([])), "bad-metadata"],
  ["a READY of 1 MB", () => concat(GREETING, hex("06 0000000000100000 05 5245414459")), "frame-too-large"],
];
/** The same after it. */
const AFTER: readonly (readonly [what: string, words: Uint8Array, code: string])[] = [
  ["reserved flags", hex("f8 02 7b7d"), "bad-frame"],
  ["a message of 2^63 bytes", hex("02 8000000000000000"), "frame-too-large"],
  ["a command of 2^40 bytes", hex("06 0000010000000000"), "frame-too-large"],
  ["an empty command", hex("0400 0407"), "bad-frame"],
  ["PING without ttl", encodeCommand("PING"), "bad-command"],
  [
    "a message of frames without end",
    concat(...Array<Uint8Array>(2000).fill(hex("0100"))),
    "frame-too-large",
  ],
  ["noise without end", concat(...Array<Uint8Array>(1000).fill(encodeCommand("FOO"))), "too-much-noise"],
];

for (const role of ROLES) {
  for (const [what, words, code] of BEFORE) {
    Deno.test(`a client's ${role} gives up ${what} as ${code}, and dials again`, async () => {
      using server = new RawServer();
      // The honest broker after it must keep the same deadline.
      const { client, codes } = dial(role, server.address, code === "handshake-timeout" ? 1000 : undefined);
      await using _closing = client;
      {
        await using hostile = await server.accept();
        await writeUntilClosed(hostile, words(role));
        await hostile.ended();
      }
      await serve(server, role, client);
      assert.equal(codes[0], code);
    });
  }
  for (const [what, words, code] of AFTER) {
    Deno.test(`a client's ${role} gives up ${what} after the handshake as ${code}, and dials again`, async () => {
      using server = new RawServer();
      const { client, codes } = dial(role, server.address);
      await using _closing = client;
      {
        await using hostile = await server.welcome(HONEST[role]);
        await writeUntilClosed(hostile, words);
        await hostile.ended();
      }
      await serve(server, role, client);
      assert.equal(codes[0], code);
    });
  }
  for (
    const [what, words, code] of [
      ["ERROR", concat(GREETING, encodeError("400")), "refused-by-peer"],
      ["another mechanism", encodeGreeting("PLAIN"), "mechanism-mismatch"],
      ["the wrong type", concat(GREETING, encodeReady(socketTypeMetadata("PAIR"))), "socket-type-mismatch"],
    ] as const
  ) {
    Deno.test(`a client's ${role} takes ${what} for an answer: ready rejects with ${code}`, async () => {
      using server = new RawServer();
      const { client } = dial(role, server.address);
      await using _closing = client;
      await using hostile = await server.accept();
      await writeUntilClosed(hostile, words);
      await assert.rejects(soon(client.ready), { code });
    });
  }
  Deno.test(`a client's ${role} survives a broker that accepts and hangs up at once, many times`, async () => {
    using server = new RawServer();
    const { client, codes } = dial(role, server.address);
    await using _closing = client;
    for (let i = 0; i < 20; i++) (await server.accept()).close();
    await serve(server, role, client);
    assert.ok(codes.length >= 20 && codes.every((code) => ["peer-closed", "connection-lost"].includes(code)));
  });
  Deno.test(`a client's ${role} answers a flood of PINGs in few PONGs`, async () => {
    using server = new RawServer();
    const { client, codes } = dial(role, server.address);
    await using _closing = client;
    await using hostile = await server.welcome(HONEST[role]);
    const writing = hostile.write(
      concat(...Array<Uint8Array>(20_000).fill(encodePing(0, bytes("old"))), encodePing(0, bytes("last"))),
    );
    let count = 0;
    while (await hostile.readText() !== "\x04PONGlast") count++;
    await writing;
    assert.ok(count < 5000, `${count} frames`);
    assert.deepEqual(codes, []);
  });
}

Deno.test("a client's PUSH drops the messages of a broker that sends to it", async () => {
  using server = new RawServer();
  const { client, codes } = dial("PUSH", server.address);
  await using _closing = client;
  await using peer = await server.welcome("PULL");
  await peer.write(
    concat(encodeFrame(bytes('{"type":"a"}'), 0), encodeFrame(new Uint8Array(1024 * 1024), 0)),
  );
  client.sendMessage({ type: "b" });
  assert.equal(await peer.readText(), '{"type":"b"}');
  assert.deepEqual([client.stats().received, codes], [0, []]);
});
