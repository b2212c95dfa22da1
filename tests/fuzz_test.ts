/**
 * Streams of valid bytes with flips, cuts, repeats and inserts, against a session and against a broker process. Runs for a few
 * seconds; `FUZZ_SECONDS=600 deno test -A tests/fuzz_test.ts` runs for longer, each time with another seed, which a failure
 * names: put it into `fuzz_seeds.ts`.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { memoryBytes } from "../bench/process_stats.ts";
import { ConnectionError, HandshakeError, ProtocolError } from "../base/errors.ts";
import { socketTypeMetadata } from "../zmtp/command.ts";
import { NullMechanism } from "../zmtp/null.ts";
import { Session, type SessionHandler } from "../zmtp/session.ts";
import type { SocketType } from "../zmtp/socket_type.ts";
import { Subscriptions } from "../zmtp/subscriptions.ts";
import { SEEDS } from "./fuzz_seeds.ts";
import { soon } from "./support/deadline.ts";
import { chunksOf, type FuzzStream, fuzzStreams } from "./support/fuzz_streams.ts";
import { type BrokerAddresses, HealthyPair } from "./support/healthy_pair.ts";
import { Program } from "./support/program.ts";

/** Seconds for each of the two. */
const SECONDS = Number(Deno.env.get("FUZZ_SECONDS") ?? 2);
const MIB = 1024 * 1024;

/** Runs the known seeds, then new ones until the time is over. */
async function fuzz(
  seeds: readonly number[],
  run: (seed: number, endAfterMs: number) => void | Promise<void>,
): Promise<void> {
  const end = performance.now() + 1000 * SECONDS;
  for (const seed of seeds) await run(seed, 1000 * SECONDS);
  while (performance.now() < end) await run(Math.floor(Math.random() * 0x7fff_ffff), end - performance.now());
}

/** As fc.assert does, but on a busy machine the time may be over before the first stream: that is no failure. */
function throwIfBroken<T>(details: fc.RunDetails<T>): void {
  if (details.counterexample === null) return;
  throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance });
}

const STREAMS = fuzzStreams(["PUSH", "SUB", "PULL", "PUB", "XSUB", "XPUB"]);

/** Ends that a session may come to. */
const FAULTS = [ProtocolError, HandshakeError, ConnectionError];

/** Gives a stream to a session, with time going by between the chunks. Returns how much it held at most, as far as can be seen. */
function feed(socketType: SocketType, stream: FuzzStream): void {
  const isListening = socketType === "PULL" || socketType === "PUB";
  const mechanism = new NullMechanism(() => socketTypeMetadata(socketType), isListening);
  const subscriptions = new Subscriptions();
  let isReady = false;
  const handler: SessionHandler = {
    handleReady() {
      assert.ok(!isReady, "ready once");
      isReady = true;
    },
    handleMessage(bytes, start, bodyStart, end) {
      assert.ok(isReady, "no message before READY");
      assert.ok(0 <= start && start < bodyStart && bodyStart <= end && end <= bytes.length, "a whole frame");
      assert.ok([0, 2].includes(bytes[start]!), "a frame of a message alone");
    },
    handleUnfit(reason, size, parts) {
      assert.ok(isReady);
      assert.ok(["multipart", "too-large"].includes(reason) && size >= 0 && parts >= 1);
    },
    handleSubscription({ subscribe, topic }) {
      assert.equal(socketType, "PUB");
      if (subscribe) subscriptions.add(topic);
      else subscriptions.remove(topic);
    },
    handlePong() {
      assert.ok(isReady);
    },
  };
  let now = 0;
  const options = { socketType, mechanism, maxMessageBytes: 500, heartbeatMs: 1000 };
  const session = new Session(options, handler, now);
  let said = session.takeOutput()?.length ?? 0;
  let heard = 0;
  for (const chunk of chunksOf(stream)) {
    heard += chunk.length;
    let fault = session.receive(chunk, now);
    fault ??= session.tick(now += 50);
    const words = session.takeOutput();
    said += words?.length ?? 0;
    // A PONG per chunk at most, so nobody can make us say much more than they say.
    assert.ok(said <= 64 + 64 + 40 * now / 50 + heard, `${said} bytes said for ${heard}`);
    if (fault === undefined) continue;
    assert.ok(FAULTS.some((type) => fault instanceof type), String(fault));
    assert.ok(fault.message.length < 100_000 && !fault.message.includes("\n"), "one line");
    assert.equal(session.state, "dead");
    assert.equal(session.deadline, Infinity);
    assert.equal(session.receive(chunk, now), fault, "it stays dead");
    return;
  }
  assert.notEqual(session.state, "dead");
}

for (const socketType of ["PULL", "PUB", "PUSH", "SUB"] as const) {
  Deno.test(`Session as ${socketType}: any stream gives events or one fault, nothing else`, async () => {
    await fuzz(
      SEEDS.session,
      (seed, ms) => {
        const details = fc.check(fc.property(STREAMS, (stream) => feed(socketType, stream)), {
          seed,
          numRuns: 2000,
          interruptAfterTimeLimit: Math.max(1, Math.min(ms, 250 * SECONDS)),
          endOnFailure: true,
        });
        throwIfBroken(details);
      },
    );
  });
}

/** Writes a stream to an address, reads nothing or everything, and leaves in one of the ways that there are. */
async function attack(address: string, stream: FuzzStream, reads: boolean): Promise<void> {
  const { hostname, port } = new URL(address.replace("tcp:", "http:"));
  using conn = await Deno.connect({ hostname, port: Number(port) });
  conn.setNoDelay(true);
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (const chunk of chunksOf(stream)) {
      for (let at = 0; at < chunk.length;) {
        at += await soon(conn.write(chunk.subarray(at)), "the broker to read");
      }
    }
    if (!reads) return;
    await conn.closeWrite();
    while (await soon(conn.read(buffer), "the broker to close") !== null);
  } catch (error) {
    const isClosed = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset ||
      error instanceof Deno.errors.NotConnected;
    if (!isClosed) throw error;
  }
}

Deno.test("a broker process outlives any streams, serves a healthy pair meanwhile, and does not grow", async () => {
  await using broker = new Program(["broker.ts", "--json"]);
  const addresses = JSON.parse((await broker.line())!) as BrokerAddresses;
  using pair = await HealthyPair.join(addresses);
  const both = [addresses.receiveAddress, addresses.broadcastAddress];
  const batch = fc.array(fc.record({ stream: STREAMS, at: fc.nat(1), reads: fc.boolean() }), {
    minLength: 10,
    maxLength: 40,
  });
  let grownFrom = 0;
  let batches = 0;
  const run = async (peers: { stream: FuzzStream; at: number; reads: boolean }[]): Promise<void> => {
    await Promise.all(peers.map(({ stream, at, reads }) => attack(both[at]!, stream, reads)));
    await pair.pass();
    const { now } = memoryBytes(broker.pid);
    // What the first batches leave is the compiler's and the garbage collector's.
    if (++batches === 20) grownFrom = now;
    if (batches > 20) assert.ok(now - grownFrom < 128 * MIB, `memory grew by ${(now - grownFrom) / MIB} MiB`);
  };
  await fuzz(SEEDS.process, async (seed, ms) =>
    throwIfBroken(
      await fc.check(fc.asyncProperty(batch, run), {
        seed,
        numRuns: 50,
        interruptAfterTimeLimit: Math.max(1, ms),
        endOnFailure: true,
      }),
    ));
  broker.kill("SIGTERM");
  const { code, stdout, stderr } = await broker.ended();
  assert.deepEqual({ code, stdout }, { code: 0, stdout: "" });
  // What it says to a person: who was refused, and who could not join. Nothing of it acts on a terminal.
  for (const line of stderr.split("\n").slice(0, -1)) {
    assert.match(line, /^\S+ (127\.0\.0\.1:\d+ could not join|refused \(|.* in the last )/);
    assert.match(line, /^[^\p{Cc}\p{Cf}]+$/u);
  }
});
