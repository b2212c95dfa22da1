/**
 * Our broker as a process of its own: prints both addresses as a line of JSON and runs until its input ends. The one
 * argument, if any, holds the broker's options as JSON.
 *
 * @module
 */
import { MessageServer } from "../broker.ts";

const server = new MessageServer(JSON.parse(Deno.args[0] ?? "{}"));
await server.ready;
const { broadcastAddress, receiveAddress, publicKey } = server;
const line = new TextEncoder().encode(`${JSON.stringify({ broadcastAddress, receiveAddress, publicKey })}\n`);
await Deno.stdout.write(line);
for await (const chunk of Deno.stdin.readable) if (chunk.length < 0) break;
await server.close();
