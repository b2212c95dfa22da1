// A stand-in for the original's broker thread: receive, parse, send, one message after the other (there in Python).
import process from "node:process";
import { Publisher, Pull } from "zeromq";

const pull = new Pull({ receiveHighWaterMark: 100_000 });
const pub = new Publisher({ sendHighWaterMark: 100_000 });
await pull.bind("tcp://127.0.0.1:*");
await pub.bind("tcp://127.0.0.1:*");
const [receiveAddress, broadcastAddress] = [pull.lastEndpoint, pub.lastEndpoint];
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ broadcastAddress, receiveAddress })}\n`);
for await (const [body] of pull) {
  JSON.parse(body.toString());
  await pub.send(body);
}
