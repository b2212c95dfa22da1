// zeromq.js as a client, with the same arguments and the same job as client_child.ts.
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { Push, Subscriber } from "zeromq";

const [what, kind, address, text] = process.argv.slice(2);
let count = 0;

async function send(push) {
  const message = JSON.parse(text);
  while (true) {
    for (let i = 0; i < 1000; i++) await push.send(kind === "text" ? text : JSON.stringify(message));
    await setImmediate();
  }
}

async function receive(sub) {
  for await (const [body] of sub) {
    const received = body.toString();
    if (kind === "text") {
      if (received.length > 0) count++;
    } else if (JSON.parse(received).type !== undefined) count++;
    if (count % 1000 === 0) await setImmediate();
  }
}

if (what === "send") {
  const push = new Push({ sendHighWaterMark: 10_000 });
  push.connect(address);
  void send(push);
} else {
  const sub = new Subscriber({ receiveHighWaterMark: 10_000 });
  sub.connect(address);
  sub.subscribe();
  void receive(sub);
}
process.stdout.write("{}\n");
process.stdin.on("data", () => {
  process.stdout.write(`${JSON.stringify({ count, now: performance.now() })}\n`);
});
process.stdin.on("end", () => process.exit(0));
