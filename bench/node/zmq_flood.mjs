// libzmq's own sender and subscriber: `send ADDRESS COUNT TEXT` says everything at once, `listen ADDRESS COUNT` counts until it has
// heard so many, or nothing more for a second.
import { once } from "node:events";
import process from "node:process";
import { Push, Subscriber } from "zeromq";

const SILENT_MS = 1000;

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function send(address, count, text) {
  const socket = new Push({ sendHighWaterMark: 0 });
  socket.connect(address);
  say("ready");
  await once(process.stdin, "data");
  process.stdin.resume();
  for (let n = 0; n < count; n++) await socket.send(text);
  say("sent");
}

async function listen(address, count) {
  const socket = new Subscriber({ receiveTimeout: SILENT_MS });
  socket.subscribe();
  socket.connect(address);
  say("ready");
  let [heard, begun, last, stallMs] = [0, 0, 0, 0];
  while (heard < count) {
    try {
      await socket.receive();
    } catch {
      if (heard === 0) continue;
      break;
    }
    const now = performance.now();
    if (heard === 0) begun = now;
    else stallMs = Math.max(stallMs, now - last);
    last = now;
    heard++;
  }
  say({ heard, seconds: (last - begun) / 1000, stallMs });
}

const [role, address, count, text] = process.argv.slice(2);
process.stdin.on("end", () => process.exit(0));
if (role === "listen") process.stdin.resume();
await { send, listen }[role](address, Number(count), text);
