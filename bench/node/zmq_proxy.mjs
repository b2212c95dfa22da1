// libzmq's zmq_proxy, in C, in a thread of its own: PULL in front, PUB behind; with the argument "curve" behind CURVE.
import process from "node:process";
import { curveKeyPair, Proxy, Publisher, Pull } from "zeromq";

const keys = process.argv[2] === "curve" ? curveKeyPair() : undefined;
const curve = keys === undefined
  ? {}
  : { curveServer: true, curvePublicKey: keys.publicKey, curveSecretKey: keys.secretKey };
// As much as our broker holds for a subscriber.
const proxy = new Proxy(
  new Pull({ ...curve, receiveHighWaterMark: 100_000 }),
  new Publisher({ ...curve, sendHighWaterMark: 100_000 }),
);
await proxy.frontEnd.bind("tcp://127.0.0.1:*");
await proxy.backEnd.bind("tcp://127.0.0.1:*");
const addresses = {
  receiveAddress: proxy.frontEnd.lastEndpoint,
  broadcastAddress: proxy.backEnd.lastEndpoint,
  publicKey: keys?.publicKey,
};
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify(addresses)}\n`);
await proxy.run();
