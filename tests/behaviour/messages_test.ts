/** What happens to messages between a broker and its clients, over each transport and mixed. */
import assert from "node:assert/strict";
import { nextEvent, soon, until } from "../support/deadline.ts";
import { LibzmqPush, send } from "../support/libzmq.ts";
import { addresses, heard, MIXED, ready } from "./bus.ts";

for (const over of MIXED) {
  Deno.test(over.test("A message reaches another client as the very text that was sent", async (bus) => {
    const server = bus.server();
    const sender = bus.client(addresses(server));
    const listener = bus.client(addresses(server));
    await ready(sender, listener);
    const message = nextEvent(listener, "message");

    sender.sendJsonMessage('{ "z":1, "type" : "x",\n "a": "é€😀", "n": 1e400 }');

    assert.equal((await message).text, '{ "z":1, "type" : "x",\n "a": "é€😀", "n": 1e400 }');
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A message reaches the broker's own listeners, parsed", async (bus) => {
    const server = bus.server();
    const sender = bus.client({ serverReceive: server.receiveAddress });
    const message = nextEvent(server, "message");

    sender.sendMessage({ type: "subject", subject: 119 });

    assert.deepEqual((await message).message, { type: "subject", subject: 119 });
    assert.equal(server.stats().received, 1);
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A message of the broker's own reaches every client", async (bus) => {
    const server = bus.server();
    const clients = [1, 2, 3].map(() => bus.passive({ serverBroadcast: server.broadcastAddress }));
    await ready(...clients);

    server.sendMessage({ type: "reload", target: "a", scenario: {} });

    for (const client of clients) {
      assert.deepEqual(await heard(client, 1), ['{"type":"reload","target":"a","scenario":{}}']);
    }
  }));
}

for (const over of MIXED) {
  Deno.test(
    over.test("A message that is sent when ready has resolved is not missed, whoever connected last", async (bus) => {
      const server = bus.server();
      for (let i = 0; i < 20; i++) {
        const client = bus.passive(addresses(server));
        await ready(client);
        client.sendMessage({ type: "present" });
        await heard(client, 1);
        await client.close();
      }
    }),
  );
}

for (const over of MIXED) {
  Deno.test(over.test("10,000 messages arrive complete and in order", async (bus) => {
    const server = bus.server({ subscriberQueue: { messages: 20_000 } });
    const listener = bus.passive({ serverBroadcast: server.broadcastAddress, history: { messages: 10_000 } });
    const sender = bus.client({ serverReceive: server.receiveAddress });
    await ready(listener, sender);
    const sent = Array.from({ length: 10_000 }, (_, n) => `{"type":"count","n":${n}}`);

    for (const text of sent) sender.sendJsonMessage(text);

    assert.deepEqual(await heard(listener, 10_000), sent);
    assert.equal(sender.stats().written, 10_000);
  }));
}

for (const over of MIXED) {
  Deno.test(
    over.test("Messages of several senders keep each sender's order, and all listeners hear the same", async (bus) => {
      const server = bus.server();
      const senders = ["a", "b", "c"].map((name) => ({
        name,
        client: bus.client({ serverReceive: server.receiveAddress }),
      }));
      const listeners = [1, 2].map(() => bus.passive({ serverBroadcast: server.broadcastAddress }));
      await ready(...listeners, ...senders.map(({ client }) => client));

      for (let n = 0; n < 200; n++) {
        for (const { name, client } of senders) client.sendMessage({ type: "count", name, n });
      }

      const [first, second] = await Promise.all(listeners.map((listener) => heard(listener, 600)));
      assert.deepEqual(first, second);
      for (const { name } of senders) {
        const numbers = first!.map((text) => JSON.parse(text)).filter((message) => message.name === name)
          .map(({ n }) => n);
        assert.deepEqual(numbers, Array.from({ length: 200 }, (_, n) => n), name);
      }
    }),
  );
}

for (const over of MIXED) {
  Deno.test(over.test("A message of 3 MB arrives unharmed, and a small one behind it", async (bus) => {
    const server = bus.server();
    const listener = bus.passive({ serverBroadcast: server.broadcastAddress });
    const sender = bus.client({ serverReceive: server.receiveAddress });
    await ready(listener, sender);
    const data = Array.from({ length: 100_000 }, (_, n) => `${n}`.padStart(29, "0")).join("\n");

    sender.sendMessage({ type: "large", data });
    sender.sendMessage({ type: "small" });

    const [large, small] = await heard(listener, 2);
    assert.ok(large === JSON.stringify({ type: "large", data }), "the large one");
    assert.equal(small, '{"type":"small"}');
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A paused broker ignores what comes in and counts it", async (bus) => {
    const server = bus.server();
    const listener = bus.passive({ serverBroadcast: server.broadcastAddress });
    const sender = bus.client({ serverReceive: server.receiveAddress });
    await ready(listener, sender);

    server.pause = true;
    sender.sendMessage({ type: "ignored" });
    await until(() => server.stats().ignored === 1, "the ignored message");
    server.pause = false;
    sender.sendMessage({ type: "heard" });

    assert.deepEqual(await heard(listener, 1), ['{"type":"heard"}']);
    assert.equal(server.stats().broadcast, 1);
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A paused broker still sends messages of its own", async (bus) => {
    const server = bus.server();
    const listener = bus.passive({ serverBroadcast: server.broadcastAddress });
    await ready(listener);

    server.pause = true;
    server.sendMessage({ type: "own" });

    assert.deepEqual(await heard(listener, 1), ['{"type":"own"}']);
  }));
}

const BAD_MESSAGES: readonly {
  readonly what: string;
  readonly reason: string;
  readonly message: string | Uint8Array | string[];
}[] = [
  { what: "text that is no JSON", reason: "not-json", message: "{type:1}" },
  { what: "an empty message", reason: "not-json", message: "" },
  { what: "JSON that is no object", reason: "not-an-object", message: "[1]" },
  {
    what: "bytes that are no UTF-8",
    reason: "not-utf8",
    message: Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
  },
  { what: "a message of two frames", reason: "multipart", message: ['{"type":"x"}', "{}"] },
  {
    what: "a message above maxMessageBytes",
    reason: "too-large",
    message: `{"type":"x","data":"${"x".repeat(1000)}"}`,
  },
];

for (const { what, reason, message } of BAD_MESSAGES) {
  for (const over of MIXED) {
    Deno.test(over.test(`The broker refuses ${what} as ${reason}, and the sender lives on`, async (bus) => {
      const server = bus.server({ maxMessageBytes: 1000 });
      const listener = bus.passive({ serverBroadcast: server.broadcastAddress });
      await ready(listener);
      using sender = new LibzmqPush();
      sender.connect(server.receiveAddress);
      const refusal = nextEvent(server, "messageerror");

      await send(sender, message);
      assert.equal((await refusal).reason, reason);
      await send(sender, '{"type":"good"}');

      assert.deepEqual(await heard(listener, 1), ['{"type":"good"}']);
      assert.deepEqual(server.stats().refused, { [reason]: 1 });
    }));
  }
}

for (const over of MIXED) {
  Deno.test(
    over.test("MessageClient does not hear its own message, but an equal one of another client", async (bus) => {
      const server = bus.server();
      const client = bus.client(addresses(server));
      const other = bus.client(addresses(server));
      await ready(client, other);
      const texts: string[] = [];
      client.addEventListener("message", ({ text }) => texts.push(text));

      client.sendMessage({ type: "same" });
      await nextEvent(other, "message");
      other.sendMessage({ type: "same" });
      await until(() => client.stats().received === 2, "both messages");

      assert.deepEqual(texts, ['{"type":"same"}']);
    }),
  );
}

for (const over of MIXED) {
  Deno.test(
    over.test("PassiveMessageClient counts and remembers what comes, its own included", async (bus) => {
      const server = bus.server();
      const client = bus.passive(addresses(server));
      const other = bus.client(addresses(server));
      await ready(client, other);
      assert.deepEqual(client.getLastMessage(), [0, ""]);

      client.sendMessage({ type: "own" });
      await heard(client, 1);
      other.sendMessage({ type: "other" });
      await heard(client, 2);

      assert.deepEqual(client.getLastMessage(), [2, '{"type":"other"}']);
      assert.deepEqual(client.messagesAfter(1).entries.map(({ count, text }) => [count, text]), [
        [2, '{"type":"other"}'],
      ]);
    }),
  );
}

for (const over of MIXED) {
  Deno.test(
    over.test("GenericMessageClient hands each message over as object and as text, its own included", async (bus) => {
      const server = bus.server();
      const calls: unknown[] = [];
      const client = bus.generic({
        handleNewMessage: (message) => calls.push(message),
        handleJsonMessage: (text) => calls.push(text),
      }, addresses(server));
      await ready(client);

      client.sendMessage({ type: "own" });
      await until(() => calls.length === 2, "both calls");

      assert.deepEqual(calls, [{ type: "own" }, '{"type":"own"}']);
    }),
  );
}

for (const over of MIXED) {
  Deno.test(over.test("A loop over a client gets the messages and ends with the client", async (bus) => {
    const server = bus.server();
    const client = bus.client({ serverBroadcast: server.broadcastAddress });
    await ready(client);
    const types: string[] = [];
    const loop = (async () => {
      for await (const message of client) {
        const type: string = message.type;
        types.push(type);
        if (type === "second") await client.close();
      }
    })();

    server.sendMessage({ type: "first" });
    server.sendMessage({ type: "second" });
    await soon(loop, "the end of the loop");

    assert.deepEqual(types, ["first", "second"]);
  }));
}
