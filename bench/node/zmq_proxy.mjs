// libzmq's zmq_proxy, in C, in a thread of its own: PULL in front, PUB behind.
import process from "node:process";
import { Proxy, Publisher, Pull } from "zeromq";

const proxy = new Proxy(
  new Pull({ receiveHighWaterMark: 100_000 }),
  new Publisher({ sendHighWaterMark: 100_000 }),
);
await proxy.frontEnd.bind("tcp://127.0.0.1:*");
await proxy.backEnd.bind("tcp://127.0.0.1:*");
const receiveAddress = proxy.frontEnd.lastEndpoint;
const broadcastAddress = proxy.backEnd.lastEndpoint;
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ broadcastAddress, receiveAddress })}\n`);
await proxy.run();
