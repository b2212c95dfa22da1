/** One rule for `type` everywhere: what takes a text takes any JSON object, what takes an object demands a text in `type`. */
import assert from "node:assert/strict";
import { MessageError } from "../base/errors.ts";
import { MessageServer } from "../broker.ts";
import { MessageClient, PassiveMessageClient } from "../client.ts";
import { messageHandler } from "../http.ts";
import { soon } from "./support/deadline.ts";
import { isError } from "./support/errors.ts";
import { run } from "./support/program.ts";

/** A slip of the pen that many applications would not notice. */
const TEXT = '{"Type":"x"}';

const WAYS: Readonly<Record<string, (server: MessageServer) => Promise<unknown> | void>> = {
  "MessageServer.sendJsonMessage()": (server) => server.sendJsonMessage(TEXT),
  "MessageClient.sendJsonMessage()": async (server) => {
    await using client = new MessageClient(server.addresses);
    client.sendJsonMessage(TEXT);
  },
  "a POST": async (server) => {
    await using handler = messageHandler(server, { log: () => {} });
    const { status } = await handler(
      new Request("http://127.0.0.1:8000/", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: TEXT,
      }),
    );
    assert.equal(status, 202);
  },
  "client.ts send": async (server) => {
    const { code, stderr } = await run(["client.ts", "send", "--receive", server.receiveAddress, TEXT]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /warning/);
  },
};

for (const [way, send] of Object.entries(WAYS)) {
  Deno.test(`${way} takes a message without type`, async () => {
    await using server = new MessageServer();
    await using listener = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
    await soon(listener.ready);

    await send(server);

    assert.equal((await soon(listener.waitForMessages(0))).entries[0]!.text, TEXT);
  });
}

Deno.test("sendMessage() of broker and client demands a text in type", async () => {
  await using server = new MessageServer();
  await using client = new MessageClient(server.addresses);
  const message = JSON.parse(TEXT);

  for (const sender of [server, client]) {
    assert.throws(() => sender.sendMessage(message), isError(MessageError, "missing-type"));
  }
});
