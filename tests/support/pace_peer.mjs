// The same as pace_peer.py, with zeromq.js under Node.
import { once } from "node:events";
import { Push, Subscriber } from "zeromq";

const END = '{"type":"end"';

function configure(socket, mark, { hwm, heartbeat }) {
  if (typeof hwm === "number") socket[mark] = hwm;
  if (heartbeat !== undefined) socket.heartbeatInterval = heartbeat;
  return socket;
}

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function send(address, options) {
  const { name, count, types = "a", size = 100, nonblocking = false } = options;
  const socket = configure(new Push(nonblocking ? { sendTimeout: 0 } : {}), "sendHighWaterMark", options);
  socket.connect(address);
  const heads = [...types].map((type) => `{"type":"${type}","s":"${name}","n":"`);
  const pad = `","x":"${"x".repeat(size - heads[0].length - 18)}"}`;
  say("ready");
  await once(process.stdin, "data");
  process.stdin.pause();
  const begun = performance.now();
  let refused = 0;
  for (let n = 0; n < count; n++) {
    const body = heads[n % heads.length] + String(n).padStart(9, "0") + pad;
    while (true) {
      try {
        await socket.send(body);
        break;
      } catch (error) {
        if (!nonblocking || error.code !== "EAGAIN") throw error;
        refused++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  }
  socket.sendTimeout = -1;
  await socket.send(`${END}}`);
  say({ refused, seconds: (performance.now() - begun) / 1000 });
}

async function listen(address, options) {
  const { topics = [""], senders = 1, sleepy = false, step = 1 } = options;
  const socket = configure(new Subscriber(), "receiveHighWaterMark", options);
  socket.subscribe(...topics);
  socket.connect(address);
  say("ready");
  let [count, gaps, wrong, ends] = [0, 0, 0, senders];
  const last = new Map();
  while (ends > 0) {
    const [message] = await socket.receive();
    const text = message.latin1Slice(0, Math.min(34, message.length));
    if (text.startsWith(END)) {
      ends--;
      continue;
    }
    const [sender, n] = [text[17], Number(text.slice(25, 34))];
    const before = last.get(sender);
    if (before !== undefined && n !== before + step) n > before ? gaps++ : wrong++;
    last.set(sender, n);
    count++;
    if (sleepy && count % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  say({ count, gaps, wrong });
}

const [role, address, options] = process.argv.slice(2);
await { send, listen }[role](address, JSON.parse(options));
