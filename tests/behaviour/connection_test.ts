/** How brokers and clients find and lose each other, and how they fail, over each transport and mixed. */
import assert from "node:assert/strict";
import { curveKeyPair } from "../../mod.ts";
import {
  AddressError,
  ClosedError,
  HandshakeError,
  ListenError,
  MessageError,
  QueueFullError,
} from "../../base/errors.ts";
import { nextEvent, soon, until } from "../support/deadline.ts";
import { isError } from "../support/errors.ts";
import { LibzmqPub, send } from "../support/libzmq.ts";
import { addresses, ALONE, heard, MIXED, ports, ready } from "./bus.ts";

/** A hundred of them are more than the operating system holds for a connection. */
const LARGE = "x".repeat(200_000);

for (const over of MIXED) {
  Deno.test(over.test("A client may be made before the broker: what it sent waits", async (bus) => {
    const at = await bus.freeAddresses();
    const client = bus.client(at);
    await nextEvent(client, "error");
    client.sendMessage({ type: "early" });
    assert.equal(client.isReceiving || client.isSending, false);

    const server = bus.server(ports(at));
    await ready(client);
    await until(() => server.stats().received === 1, "the early message");

    assert.equal(client.isReceiving && client.isSending, true);
  }));
}

for (const over of MIXED) {
  Deno.test(
    over.test("A client tells of the broker's end and of its return on the same ports, and hears it again", async (bus) => {
      const first = bus.server();
      const at = addresses(first);
      const client = bus.passive(at);
      await ready(client);

      const left = ["broadcast", "receive"];
      const gone = new Promise<void>((resolve) =>
        client.addEventListener("disconnect", ({ endpoint }) => {
          left.splice(left.indexOf(endpoint), 1);
          if (left.length === 0) resolve();
        })
      );
      await first.close();
      await soon(gone, "both disconnect events");
      assert.equal(client.isReceiving || client.isSending, false);

      const second = bus.server(ports(at));
      await until(() => client.isReceiving && client.isSending, "both connections");
      second.sendMessage({ type: "back" });
      assert.deepEqual(await heard(client, 1), ['{"type":"back"}']);
    }),
  );
}

for (const over of MIXED) {
  Deno.test(
    over.test("Messages that are sent while the broker is away arrive in order when it is back", async (bus) => {
      const first = bus.server();
      const at = addresses(first);
      const client = bus.client({ serverReceive: at.serverReceive });
      await ready(client);
      const gone = nextEvent(client, "disconnect");
      await first.close();
      await gone;

      for (let n = 0; n < 100; n++) client.sendMessage({ type: "count", n });
      const second = bus.server(ports(at));
      const numbers: unknown[] = [];
      second.addEventListener("message", ({ text }) => numbers.push(JSON.parse(text).n));
      await until(() => numbers.length === 100, "all messages");

      assert.deepEqual(numbers, Array.from({ length: 100 }, (_, n) => n));
      assert.equal(client.stats().written, 100);
    }),
  );
}

for (const over of MIXED) {
  Deno.test(over.test("MessageServer.close() gives subscribers what waits for them", async (bus) => {
    const server = bus.server();
    const listener = bus.passive({ serverBroadcast: server.broadcastAddress });
    await ready(listener);

    for (let n = 0; n < 100; n++) server.sendMessage({ type: "count", n, data: LARGE });
    await soon(server.close(), "the end of the broker");

    assert.equal(JSON.parse((await heard(listener, 100)).at(-1)!).n, 99);
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("MessageClient.close() sends what waits before it ends", async (bus) => {
    const server = bus.server();
    const client = bus.client({ serverReceive: server.receiveAddress });

    for (let n = 0; n < 100; n++) client.sendMessage({ type: "count", n, data: LARGE });
    await soon(client.close(), "the end of the client");

    await until(() => server.stats().received === 100, "all messages");
    assert.equal(client.stats().queued, 0);
  }));
}

for (const over of MIXED) {
  Deno.test(
    over.test("MessageClient.close() gives up after lingerMs when the broker is away, and counts what is lost", async (bus) => {
      const client = bus.client({ ...await bus.freeAddresses(), lingerMs: 50 });
      client.sendMessage({ type: "lost" });

      await soon(client.close(), "the end of the client");

      const { queued, lost } = client.stats();
      assert.deepEqual({ queued, lost }, { queued: 0, lost: 1 });
    }),
  );
}

for (const over of MIXED) {
  Deno.test(over.test("MessageClient.flush() waits while the broker is away", async (bus) => {
    const at = await bus.freeAddresses();
    const client = bus.client(at);
    client.sendMessage({ type: "early" });
    const flushed = client.flush();
    await assert.rejects(client.flush({ signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });

    bus.server(ports(at));

    await soon(flushed, "the flush");
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("MessageClient.sendMessage() finds room again when messages have left", async (bus) => {
    const server = bus.server();
    const client = bus.client({
      serverReceive: server.receiveAddress,
      sendQueue: { messages: 1, bytes: 100 },
    });
    await ready(client);

    for (let n = 0; n < 10; n++) {
      client.sendMessage({ type: "count", data: "x".repeat(50) });
      await soon(client.flush(), "the flush");
    }

    await until(() => server.stats().received === 10, "all messages");
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("An encrypted bus carries messages", async (bus) => {
    const keys = await curveKeyPair();
    const server = bus.server({ curve: keys });
    const curve = { serverKey: keys.publicKey };
    const listener = bus.passive({ ...addresses(server), curve });
    const sender = bus.client({ ...addresses(server), curve });
    await ready(listener, sender);

    sender.sendMessage({ type: "secret", data: "x".repeat(100_000) });

    assert.equal(JSON.parse((await heard(listener, 1))[0]!).data.length, 100_000);
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A client with clear text does not get onto an encrypted bus", async (bus) => {
    const server = bus.server({ curve: await curveKeyPair() });
    const client = bus.client({ serverReceive: server.receiveAddress, lingerMs: 0 });
    client.sendMessage({ type: "intruder" });

    await nextEvent(client, "error");

    assert.equal(client.isSending, false);
    assert.equal(server.stats().received, 0);
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A client with the wrong server key does not connect", async (bus) => {
    const server = bus.server({ curve: await curveKeyPair() });
    const { publicKey } = await curveKeyPair();
    const client = bus.client({ serverReceive: server.receiveAddress, curve: { serverKey: publicKey } });

    await nextEvent(client, "error");

    assert.equal(client.isSending, false);
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A client with the two addresses exchanged learns that it is refused", async (bus) => {
    const server = bus.server();
    const client = bus.client({ serverReceive: server.broadcastAddress });

    await assert.rejects(soon(client.ready), HandshakeError);
  }));
}

for (const over of ALONE) {
  Deno.test(over.test("MessageServer throws address-in-use for a port that is taken", async (bus) => {
    const { broadcastPort, receivePort } = ports(addresses(bus.server()));

    assert.throws(() => bus.server({ broadcastPort }), isError(ListenError, "address-in-use"));
    assert.throws(() => bus.server({ receivePort }), isError(ListenError, "address-in-use"));
    await Promise.resolve();
  }));
}

for (const over of ALONE) {
  Deno.test(
    over.test("MessageServer throws address-not-available for an address of another machine", async (bus) => {
      const elsewhere = { localOnly: false, allowAnonymous: true, hostname: "192.0.2.1" };

      assert.throws(() => bus.server(elsewhere), isError(ListenError, "address-not-available"));
      await Promise.resolve();
    }),
  );
}

for (const over of ALONE) {
  Deno.test(over.test("MessageServer.close() sets its ports free", async (bus) => {
    const at = await bus.freeAddresses();
    for (let i = 0; i < 5; i++) await bus.server(ports(at)).close();
  }));
}

for (const over of ALONE) {
  Deno.test(over.test("MessageServer is closed by its signal", async (bus) => {
    const stop = new AbortController();
    const server = bus.server({ signal: stop.signal });

    stop.abort();

    assert.throws(() => server.sendMessage({ type: "x" }), isError(ClosedError, "closed"));
    await soon(server.close(), "the end of the broker");
  }));
}

for (const over of ALONE) {
  Deno.test(over.test("MessageServer listens on the IPv6 loopback", async (bus) => {
    const server = bus.server({ hostname: "::1" });
    assert.match(server.receiveAddress, /^tcp:\/\/\[::1\]:\d+$/);
    const client = bus.passive(addresses(server));
    await ready(client);

    server.sendMessage({ type: "six" });

    await heard(client, 1);
  }));
}

for (const over of ALONE) {
  Deno.test(over.test("A closed client refuses to send with closed, and may be closed again", async (bus) => {
    const client = bus.client(addresses(bus.server()));
    await Promise.all([client.close(), client.close()]);

    assert.throws(() => client.sendMessage({ type: "x" }), isError(ClosedError, "closed"));
    await assert.rejects(client.ready, isError(ClosedError, "closed"));
  }));
}

for (const over of ALONE) {
  Deno.test(
    over.test("MessageClient.sendMessage() throws queue-full above sendQueue.messages", async (bus) => {
      const client = bus.client({ ...await bus.freeAddresses(), lingerMs: 0, sendQueue: { messages: 2 } });
      client.sendMessage({ type: "a" });
      client.sendMessage({ type: "b" });

      assert.throws(() => client.sendMessage({ type: "c" }), isError(QueueFullError, "queue-full"));
      assert.equal(client.stats().sent, 2);
    }),
  );
}

for (const over of ALONE) {
  Deno.test(over.test("MessageClient.sendMessage() throws queue-full above sendQueue.bytes", async (bus) => {
    const client = bus.client({ ...await bus.freeAddresses(), lingerMs: 0, sendQueue: { bytes: 100 } });
    client.sendMessage({ type: "x".repeat(50) });

    assert.throws(() => client.sendMessage({ type: "x".repeat(50) }), isError(QueueFullError, "queue-full"));
    client.sendMessage({ type: "x" });
  }));
}

for (const over of ALONE) {
  Deno.test(over.test("MessageClient.sendMessage() throws too-large above maxMessageBytes", async (bus) => {
    const client = bus.client({ ...await bus.freeAddresses(), maxMessageBytes: 20 });

    assert.throws(() => client.sendMessage({ type: "x".repeat(20) }), isError(MessageError, "too-large"));
  }));
}

for (const over of ALONE) {
  Deno.test(over.test("A client refuses an address that is none", async (bus) => {
    for (const serverReceive of ["tcp://127.0.0.1", "tcp://*:5555", "tcp://127.0.0.1:99999", "nonsense"]) {
      assert.throws(
        () => bus.client({ serverReceive }),
        isError(AddressError, "invalid-address"),
        serverReceive,
      );
    }
    await Promise.resolve();
  }));
}

for (const over of ALONE) {
  Deno.test(over.test("A client tells of what comes from a foreign broker and is no message", async (bus) => {
    using publisher = new LibzmqPub();
    await publisher.bind("tcp://127.0.0.1:*");
    const client = bus.passive({ serverBroadcast: publisher.lastEndpoint!, maxMessageBytes: 1000 });
    const reasons: string[] = [];
    client.addEventListener("messageerror", ({ reason }) => reasons.push(reason));
    await ready(client);

    for (
      const message of ["nonsense", "[]", ["{}", "{}"], `{"type":"${"x".repeat(1000)}"}`, '{"type":"good"}']
    ) {
      await send(publisher, message);
    }

    assert.deepEqual(await heard(client, 1), ['{"type":"good"}']);
    assert.deepEqual(reasons, ["not-json", "not-an-object", "multipart", "too-large"]);
  }));
}

for (const over of MIXED) {
  Deno.test(over.test("A silent bus with heartbeats stays connected", async (bus) => {
    const server = bus.server({ heartbeatMs: 400 });
    const client = bus.passive({ ...addresses(server), heartbeatMs: 400 });
    client.addEventListener("disconnect", ({ reason }) => assert.fail(String(reason)));
    await ready(client);

    // Three heartbeats: time itself is what this is about.
    await new Promise((resolve) => setTimeout(resolve, 1300));
    server.sendMessage({ type: "alive" });

    await heard(client, 1);
  }));
}
