/**
 * Peers of the soak that nobody wants: each does one thing that an honest peer does not do, and leaves.
 *
 * @module
 */
import {
  encodeCommand,
  encodePing,
  encodeReady,
  encodeSubscription,
  socketTypeMetadata,
} from "../zmtp/command.ts";
import { encodeFrame } from "../zmtp/frame.ts";
import { encodeGreeting } from "../zmtp/greeting.ts";
import { concat, hex, RawPeer } from "../tests/support/raw_peer.ts";

/** Where they attack. */
export interface Targets {
  readonly receiveAddress: string;
  readonly broadcastAddress: string;
}

type Attack = (targets: Targets) => Promise<void>;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const GREETING = encodeGreeting("NULL");
const hello = (socketType: string) => concat(GREETING, encodeReady(socketTypeMetadata(socketType)));
const many = (bytes: Uint8Array, times: number) => concat(...Array<Uint8Array>(times).fill(bytes));

/** Writes bytes to both addresses and leaves when the other side does. */
function says(bytes: Uint8Array): Attack {
  return async ({ receiveAddress, broadcastAddress }) => {
    for (const address of [receiveAddress, broadcastAddress]) {
      using peer = await RawPeer.connect(address).then(disposable);
      await peer.write(bytes);
      await peer.ended();
    }
  };
}

/** Shakes hands, writes bytes, and leaves when a PING behind them is answered or the other side leaves. */
function joins(side: keyof Targets, bytes: Uint8Array): Attack {
  return async (targets) => {
    using peer = await RawPeer.join(targets[side], side === "receiveAddress" ? "PUSH" : "SUB").then(
      disposable,
    );
    await peer.write(concat(bytes, encodePing(0)));
    await peer.readFrame();
  };
}

/** Writes bytes, reads nothing and leaves: what was not read turns the end into a reset. */
function resets(bytes: Uint8Array): Attack {
  return async ({ receiveAddress, broadcastAddress }) => {
    for (const address of [receiveAddress, broadcastAddress]) {
      using peer = await RawPeer.connect(address).then(disposable);
      await peer.write(bytes);
      // One byte of the greeting: the rest of it is there too, unread.
      await peer.conn.read(new Uint8Array(1));
    }
  };
}

/** All attacks, by name. None of them sends a message that is one. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  "browser": says(text("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")),
  "TLS": says(hex("1603010200010001fc0303")),
  "ZMTP 2": says(hex("ff00000000000000017f01020000")),
  "wrong mechanism": says(encodeGreeting("CURVE")),
  "wrong type": says(hello("REQ")),
  "message before READY": says(concat(GREETING, encodeFrame(text("{}"), 0))),
  "absurd size": says(concat(hello("PUSH"), hex("02 8000000000000000"))),
  "reset before READY": resets(GREETING),
  "reset in a frame": resets(concat(hello("PUSH"), hex("00 ff 7b"))),
  "no JSON": joins("receiveAddress", many(encodeFrame(text("no JSON"), 0), 20)),
  "no UTF-8": joins("receiveAddress", many(encodeFrame(hex("7bff7d"), 0), 20)),
  "a list": joins("receiveAddress", many(encodeFrame(text("[{},{}]"), 0), 20)),
  "several frames": joins("receiveAddress", many(hex("0102 7b7d 0002 7b7d"), 20)),
  "too large": joins("receiveAddress", encodeFrame(new Uint8Array(1024 * 1024), 0)),
  "noise": joins("broadcastAddress", many(encodeCommand("FOO"), 1000)),
  "PINGs": joins("receiveAddress", many(encodePing(0, text("0123456789abcdef")), 1000)),
  "many topics": joins(
    "broadcastAddress",
    concat(
      ...Array.from(
        { length: 10_001 },
        (_, i) => encodeSubscription({ subscribe: true, topic: text(`${i}`) }),
      ),
    ),
  ),
  "long topic": joins(
    "broadcastAddress",
    encodeSubscription({ subscribe: true, topic: new Uint8Array(5000) }),
  ),
  "SUBSCRIBE and CANCEL": joins(
    "broadcastAddress",
    many(
      concat(
        encodeSubscription({ subscribe: true, topic: text("nobody says this") }),
        encodeSubscription({ subscribe: false, topic: text("nobody says this") }),
      ),
      1000,
    ),
  ),
};

/** Runs an attack. That the other side hangs up is what it is for. */
export async function attack(name: string, targets: Targets): Promise<void> {
  try {
    await ATTACKS[name]!(targets);
  } catch (error) {
    const isEnd = error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset;
    if (!isEnd) throw new Error(`attack ${name}`, { cause: error });
  }
}

function disposable(peer: RawPeer): RawPeer & Disposable {
  return Object.assign(peer, { [Symbol.dispose]: () => peer.close() });
}
