/** docs/protocol.md: its conversation is what is said, byte by byte, and its example does what it promises. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { MessageServer } from "../broker.ts";
import { encodePing } from "../zmtp/command.ts";
import { encodeFrame } from "../zmtp/frame.ts";
import { encodeGreeting } from "../zmtp/greeting.ts";
import { until } from "./support/deadline.ts";
import { ROOT } from "./support/program.ts";
import { LineChild, pythonPath } from "./support/python.ts";
import { concat, hex, RawPeer } from "./support/raw_peer.ts";
import { Relay } from "./support/relay.ts";

/** The epoch of the document. */
const EPOCH = "k3v9x0qa71bz";
const DOCUMENT = await Deno.readTextFile(join(ROOT, "docs", "protocol.md"));

/** Bytes of the document, in the broker's present life. */
function inLife(bytes: Uint8Array, epoch: string): Uint8Array {
  const latin1 = new TextDecoder("latin1").decode(bytes);
  return Uint8Array.from(latin1.replaceAll(EPOCH, epoch), (character) => character.charCodeAt(0));
}

/** Who says what, in order. */
function conversation(): { readonly who: string; readonly what: string; readonly bytes: Uint8Array }[] {
  const lines: { who: string; what: string; bytes: Uint8Array }[] = [];
  for (const part of DOCUMENT.match(/```text\n(# [^`]*)```/)![1]!.split(/^# /m).slice(1)) {
    const [what, ...dump] = part.trimEnd().split("\n");
    const bytes = dump.map((line) => hex(line.slice(3, 75)));
    for (const [i, line] of dump.entries()) {
      const text = Array.from(
        bytes[i]!,
        (byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".",
      );
      assert.equal(line.slice(76), text.join(""), line);
    }
    lines.push({ who: dump[0]!.slice(0, 2), what: what!, bytes: concat(...bytes) });
  }
  return lines;
}

/** The next bytes but for heartbeats, which may come at any time. */
async function heard(peer: RawPeer, size: number): Promise<Uint8Array> {
  const ping = encodePing(0).subarray(0, 7);
  while (true) {
    const bytes = await peer.readBytes(Math.min(size, 7));
    if (bytes.every((byte, i) => byte === ping[i])) await peer.readBytes(2);
    else return concat(bytes, await peer.readBytes(size - bytes.length));
  }
}

Deno.test("docs/protocol.md: the conversation is what a broker takes and says, byte by byte", async () => {
  await using server = new MessageServer();
  const { epoch } = server.feed;
  for (const n of [1, 2]) server.sendMessage({ type: "n", n });
  await using b = await RawPeer.connect(server.broadcastAddress);
  await using r = await RawPeer.connect(server.receiveAddress);
  for (const peer of [b, r]) {
    await peer.write(encodeGreeting("NULL"));
    await peer.readBytes(64);
  }
  const lines = conversation();
  assert.equal(lines.length, 13);
  for (const { who, what, bytes } of lines) {
    const peer = who.startsWith("B") ? b : r;
    const expected = inLife(bytes, epoch);
    if (who.endsWith(">")) await peer.write(expected);
    else assert.deepEqual(await heard(peer, expected.length), expected, what);
  }
});

Deno.test("docs/protocol.md: every note of its table is one", async () => {
  const { parseNote } = await import("../bus/feed_note.ts");
  const notes = [...DOCUMENT.matchAll(/^\| `(\{.*?\})`/gm)].map(([, note]) => note!);
  assert.equal(notes.length, 5);
  for (const note of notes) assert.ok(parseNote(new TextEncoder().encode(`\0feed/1 ${note}`)), note);
});

const python = await pythonPath("zmq");
const why = python === undefined ? " (ignored: no Python with pyzmq on this machine)" : "";

Deno.test({
  name: `examples/python_follower.py goes on where it was after cuts, and says what is missing${why}`,
  ignore: python === undefined,
  fn: async () => {
    const first = new MessageServer({ history: { messages: 50 } });
    await using relay = new Relay(first.broadcastAddress);
    const example = (place: string) =>
      new LineChild(python!, [join(ROOT, "examples", "python_follower.py"), relay.address, place]);
    let n = 0;
    const say = (server: MessageServer, count: number) => {
      for (let i = 0; i < count; i++) server.sendMessage({ type: "n", n: ++n });
    };
    const line = (epoch: string, seq: number, n: number) => `${epoch}.${seq} {"type":"n","n":${n}}`;
    const { epoch } = first.feed;
    let place: string;
    {
      await using child = example("earliest");
      // Cut after any byte.
      for (const down of [40, 130, 200, 300]) {
        relay.cutNow();
        relay.cutNext({ down });
        say(first, 10);
        for (let i = n - 9; i <= n; i++) assert.equal(await child.line(), line(epoch, i, i));
      }
      relay.isClosed = true;
      relay.cutNow();
      say(first, 70);
      relay.isClosed = false;
      assert.equal(await child.line(), "missed 20");
      for (let i = n - 49; i <= n; i++) assert.equal(await child.line(), line(epoch, i, i));
      child.kill("SIGKILL");
      await child.ended();
      place = `${epoch}.${n}`;
    }
    // In its next life.
    say(first, 2);
    await using child = example(place);
    for (const i of [n - 1, n]) assert.equal(await child.line(), line(epoch, i, i));
    // And in the broker's next one.
    const broadcastPort = Number(first.broadcastAddress.split(":").at(-1));
    await first.close();
    await using second = new MessageServer({ broadcastPort });
    say(second, 2);
    assert.equal(await child.line(), "missed unknown");
    for (const i of [1, 2]) assert.equal(await child.line(), line(second.feed.epoch, i, n - 2 + i));
    await until(() => second.stats().subscribers!.connections === 1, "its connection");
  },
});

Deno.test("a frame that is no note and begins with NUL passes no broker of ours", async () => {
  await using server = new MessageServer();
  await using push = await RawPeer.join(server.receiveAddress, "PUSH");
  await push.write(encodeFrame(new TextEncoder().encode('\0feed/1 {"own":9,"link":1,"index":0}'), 0));
  await until(() => server.stats().refused["not-json"] === 1, "its refusal");
  assert.equal(server.feed.position, 0);
});
