/** The broker and the clients with libzmq itself at the other end of the wire, in both directions. */
import assert from "node:assert/strict";
import { MessageServer } from "../broker.ts";
import { LibzmqPush, LibzmqSub, receiveTexts, send, subscribed } from "./support/libzmq.ts";

Deno.test("MessageServer passes messages of a libzmq PUSH on to a libzmq SUB", async () => {
  await using server = new MessageServer();
  using sub = new LibzmqSub();
  using push = new LibzmqPush();
  sub.connect(server.broadcastAddress);
  sub.subscribe("");
  push.connect(server.receiveAddress);
  await subscribed(server, 1);

  await send(push, '{"type":"subject","subject":119}');

  assert.deepEqual(await receiveTexts(sub, 1), ['{"type":"subject","subject":119}']);
});
