/**
 * libzmq's own C code at one end, called from Deno, since nothing here needs a compiler: `send ADDRESS COUNT BYTES` sends so many each time
 * it is asked, `listen ADDRESS COUNT BYTES` counts them, round by round; `idle ADDRESS MILLISECONDS` says how long the machine kept it waiting; `mix ADDRESS MILLISECONDS` sends a mixed load for so long, and
 * `probe RECEIVE BROADCAST MILLISECONDS` a message each millisecond, and says how long they took to come back. Debian's `libzmq5`, which
 * `python3-zmq` brings.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { stdin } from "node:process";

const ZMQ_PUSH = 8;
const ZMQ_SUB = 2;
const ZMQ_SUBSCRIBE = 6;
const ZMQ_SNDHWM = 23;
const ZMQ_RCVHWM = 24;
const ZMQ_RCVTIMEO = 27;
/** A round ends when nothing came for so long. */
const SILENT_MS = 1000;
const MESSAGE_STRUCT_BYTES = 64;

const { symbols: zmq } = Deno.dlopen("libzmq.so.5", {
  zmq_ctx_new: { parameters: [], result: "pointer" },
  zmq_socket: { parameters: ["pointer", "i32"], result: "pointer" },
  zmq_connect: { parameters: ["pointer", "buffer"], result: "i32" },
  zmq_setsockopt: { parameters: ["pointer", "i32", "buffer", "usize"], result: "i32" },
  zmq_send: { parameters: ["pointer", "buffer", "usize", "i32"], result: "i32" },
  zmq_recv: { parameters: ["pointer", "buffer", "usize", "i32"], result: "i32" },
  zmq_msg_init: { parameters: ["buffer"], result: "i32" },
  zmq_msg_recv: { parameters: ["buffer", "pointer", "i32"], result: "i32" },
});

const encoder = new TextEncoder();

function open(
  type: number,
  address: string,
  highWaterMark: number,
  topic: Uint8Array<ArrayBuffer> = new Uint8Array(0),
): Deno.PointerValue {
  const socket = zmq.zmq_socket(zmq.zmq_ctx_new(), type);
  zmq.zmq_setsockopt(socket, highWaterMark, new Int32Array([0]), 4n);
  if (type === ZMQ_SUB) {
    zmq.zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, BigInt(topic.length));
    zmq.zmq_setsockopt(socket, ZMQ_RCVTIMEO, new Int32Array([SILENT_MS]), 4n);
  }
  zmq.zmq_connect(socket, encoder.encode(`${address}\0`));
  return socket;
}

function say(value: unknown): void {
  // Not console.log: the other side reads lines.
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(value)}\n`));
}

/** A small message is about a subject; a large one is an action with its picture, which an archive searches too. */
function message(size: number): Uint8Array {
  const [head, tail] = size < 1000
    ? ['{"type":"subject","subject":119,"application":"', '"}']
    : ['{"type":"log","screenshot":"', '"}'];
  return encoder.encode(head + "A".repeat(Math.max(0, size - head.length - tail.length)) + tail);
}

function send(socket: Deno.PointerValue, count: number, body: Uint8Array<ArrayBuffer>): void {
  const size = BigInt(body.length);
  for (let n = 0; n < count; n++) zmq.zmq_send(socket, body, size, 0);
}

function listen(socket: Deno.PointerValue, count: number, struct: Uint8Array<ArrayBuffer>): unknown {
  let [heard, begun, last] = [0, 0, 0];
  while (heard < count) {
    if (zmq.zmq_msg_recv(struct, socket, 0) < 0) {
      if (heard === 0) continue;
      break;
    }
    last = performance.now();
    if (heard++ === 0) begun = last;
  }
  return { heard, seconds: (last - begun) / 1000 };
}

/** 2,000 of 100 bytes, 10 of 30 kB and one of 1 MB a second. */
function mix(socket: Deno.PointerValue, milliseconds: number): unknown {
  const kinds = [[2000, 100], [10, 30_000], [1, 1_000_000]] as const;
  const loads = kinds.map(([rate, size]) => ({
    rate,
    body: message(size) as Uint8Array<ArrayBuffer>,
    sent: 0,
  }));
  const start = performance.now();
  for (let now = 0; now < milliseconds; now = performance.now() - start) {
    for (const load of loads) {
      for (; load.sent < load.rate * now / 1000; load.sent++) {
        zmq.zmq_send(socket, load.body, BigInt(load.body.length), 0);
      }
    }
    sleep(1);
  }
  return loads.map(({ sent }) => sent);
}

/** Delays in milliseconds of messages that were sent one each millisecond. */
function probe(push: Deno.PointerValue, broadcast: string, milliseconds: number): unknown {
  const topic = encoder.encode('{"type":"probe",');
  const sub = open(ZMQ_SUB, broadcast, ZMQ_RCVHWM, topic);
  zmq.zmq_setsockopt(sub, ZMQ_RCVTIMEO, new Int32Array([1]), 4n);
  const received = new Uint8Array(256);
  const decoder = new TextDecoder();
  const delays = new Float64Array(milliseconds);
  const start = performance.now();
  let [sent, heard] = [0, 0];
  while (true) {
    const now = performance.now() - start;
    if (now > milliseconds + SILENT_MS) break;
    // The first second is for the subscription to arrive.
    for (; sent < Math.min(now, milliseconds); sent++) {
      const body = encoder.encode(`{"type":"probe","at":${now}}`);
      zmq.zmq_send(push, body, BigInt(body.length), 0);
    }
    for (let size; (size = zmq.zmq_recv(sub, received, 256n, 0)) > 0;) {
      const at = Number(decoder.decode(received.subarray(21, size - 1)));
      if (at > SILENT_MS) delays[heard++] = performance.now() - start - at;
      if (performance.now() - start > sent) break;
    }
  }
  const sorted = delays.subarray(0, heard).toSorted();
  return { heard, p50: sorted[heard >> 1], p99: sorted[Math.floor(0.99 * heard)], longest: sorted.at(-1) };
}

/** By how many milliseconds a sleep of one was ever too long: nobody can be quicker than that on this machine. */
function idle(milliseconds: number): unknown {
  let [now, longest] = [performance.now(), 0];
  for (const end = now + milliseconds; now < end;) {
    const before = now;
    sleep(1);
    now = performance.now();
    longest = Math.max(longest, now - before - 1);
  }
  return { longest };
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

const [role, address, count, bytes] = Deno.args as [string, string, string, string];
const socket = role === "listen" ? open(ZMQ_SUB, address, ZMQ_RCVHWM) : open(ZMQ_PUSH, address, ZMQ_SNDHWM);
const body = message(Number(bytes)) as Uint8Array<ArrayBuffer>;
const struct = new Uint8Array(MESSAGE_STRUCT_BYTES);
zmq.zmq_msg_init(struct);
say("ready");
for await (const _ of createInterface({ input: stdin })) {
  if (role === "mix") say(mix(socket, Number(count)));
  else if (role === "idle") say(idle(Number(count)));
  else if (role === "probe") say(probe(socket, count, Number(bytes)));
  else if (role === "listen") say(listen(socket, Number(count), struct));
  else {
    send(socket, Number(count), body);
    say("sent");
  }
}
Deno.exit(0);
