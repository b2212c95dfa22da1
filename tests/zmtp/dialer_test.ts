/** What keeps a link to an endpoint: the one thing of it that no other test sees. */
import assert from "node:assert/strict";
import { Push } from "../../zmtp/mod.ts";
import { soon } from "../support/deadline.ts";
import { RawServer } from "../support/raw_server.ts";

for (let microtasks = 0; microtasks <= 12; microtasks++) {
  Deno.test(`Dialer.close() ends a connection that came ${microtasks} microtasks before`, async () => {
    using server = new RawServer();
    const { connect } = Deno;
    const closing = Promise.withResolvers<void>();
    const events: string[] = [];
    const push = new Push(
      { address: server.address, reconnect: { minMs: 1, maxMs: 1 }, queue: { messages: 1, bytes: 100 } },
      {
        handleConnect: () => events.push("connect"),
        handleDisconnect: () => events.push("disconnect"),
        handleFailure: () => events.push("failure"),
        handleWritten: () => {},
        handleLost: () => {},
      },
    );
    Object.assign(Deno, {
      connect: async (options: Deno.ConnectOptions) => {
        const conn = await connect(options);
        void (async () => {
          for (let i = 0; i < microtasks; i++) await undefined;
          push.close().then(closing.resolve, closing.reject);
        })();
        return conn;
      },
    });
    try {
      const peer = await soon(server.accept());
      for (const buffer = new Uint8Array(100); await peer.conn.read(buffer).catch(() => null) !== null;);
      peer.close();
      await soon(closing.promise);
    } finally {
      Object.assign(Deno, { connect });
    }
    assert.deepEqual(events, []);
  });
}
