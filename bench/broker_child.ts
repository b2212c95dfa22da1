/**
 * Our broker as a process of its own: prints both addresses as a line of JSON and runs until its input ends. The one
 * argument, if any, holds the broker's options as JSON; as `transport`, the name `"libzmq"`.
 *
 * @module
 */
import { MessageServer } from "../broker.ts";

const { transport, ...options } = JSON.parse(Deno.args[0] ?? "{}");
// Not a literal: the package that it needs shall be loaded by those who want it only.
const specifier = new URL("../zmtp/libzmq/mod.ts", import.meta.url).href;
const chosen = transport === "libzmq" ? { transport: (await import(specifier)).libzmq } : {};
const server = new MessageServer({ ...options, ...chosen });
await server.ready;
const { broadcastAddress, receiveAddress, publicKey } = server;
const line = new TextEncoder().encode(`${JSON.stringify({ broadcastAddress, receiveAddress, publicKey })}\n`);
await Deno.stdout.write(line);
for await (const chunk of Deno.stdin.readable) if (chunk.length < 0) break;
await server.close();
