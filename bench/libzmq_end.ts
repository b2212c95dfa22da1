/**
 * libzmq's own C code at one end, called from Deno, since nothing here needs a compiler: `send ADDRESS COUNT BYTES` sends so many each time
 * it is asked, `listen ADDRESS COUNT BYTES` counts them, round by round. Debian's `libzmq5`, which `python3-zmq` brings.
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
  zmq_msg_init: { parameters: ["buffer"], result: "i32" },
  zmq_msg_recv: { parameters: ["buffer", "pointer", "i32"], result: "i32" },
});

const encoder = new TextEncoder();

function open(type: number, address: string, highWaterMark: number): Deno.PointerValue {
  const socket = zmq.zmq_socket(zmq.zmq_ctx_new(), type);
  zmq.zmq_setsockopt(socket, highWaterMark, new Int32Array([0]), 4n);
  if (type === ZMQ_SUB) {
    zmq.zmq_setsockopt(socket, ZMQ_SUBSCRIBE, new Uint8Array(0), 0n);
    zmq.zmq_setsockopt(socket, ZMQ_RCVTIMEO, new Int32Array([SILENT_MS]), 4n);
  }
  zmq.zmq_connect(socket, encoder.encode(`${address}\0`));
  return socket;
}

function say(value: unknown): void {
  // Not console.log: the other side reads lines.
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(value)}\n`));
}

/** A log message with a screenshot, as long as it has to be. */
function message(size: number): Uint8Array {
  const [head, tail] = ['{"type":"log","screenshot":"', '"}'];
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

const [role, address, count, bytes] = Deno.args as [string, string, string, string];
const socket = role === "send" ? open(ZMQ_PUSH, address, ZMQ_SNDHWM) : open(ZMQ_SUB, address, ZMQ_RCVHWM);
const body = message(Number(bytes)) as Uint8Array<ArrayBuffer>;
const struct = new Uint8Array(MESSAGE_STRUCT_BYTES);
zmq.zmq_msg_init(struct);
say("ready");
for await (const _ of createInterface({ input: stdin })) {
  if (role === "send") send(socket, Number(count), body);
  say(role === "send" ? "sent" : listen(socket, Number(count), struct));
}
Deno.exit(0);
