/** A gateway to a broker of libzmq itself. */
import assert from "node:assert/strict";
import { soon } from "../support/deadline.ts";
import { LibzmqPub, LibzmqPull, receive, send } from "../support/libzmq.ts";
import { form } from "./support/bus.ts";
import { Child } from "./support/child.ts";

Deno.test("http.ts is a gateway to a broker of libzmq: what is posted comes back, and is polled", {
  // libzmq lives in threads of its own.
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  using pull = new LibzmqPull();
  using pub = new LibzmqPub();
  await pull.bind("tcp://127.0.0.1:0");
  await pub.bind("tcp://127.0.0.1:0");
  await using program = Child.deno(["--allow-net=127.0.0.1"], "http.ts", [
    "--broadcast",
    pub.lastEndpoint!,
    "--receive",
    pull.lastEndpoint!,
    "--port",
    "0",
    "--json",
  ]);
  const { http } = JSON.parse((await program.line())!);
  let isOver = false;
  const relaying = (async () => {
    while (!isOver) {
      try {
        for (const text of await receive(pull, 100)) await send(pub, text);
      } catch {
        // Nothing came for a while: look again, until the test is over.
      }
    }
  })();
  try {
    for (let status = 0; status !== 200;) {
      const response = await fetch(`${http}/readyz`);
      await response.text();
      status = response.status;
    }
    // A broker of libzmq does not say when a subscription has arrived: the first messages may pass unheard.
    let count = 0;
    for (let tries = 0; count === 0 && tries < 50; tries += 1) {
      const response = await soon(
        fetch(`${http}/messages?confirm=0.2`, form(`{"type":"ready","source_pid":${tries}}`)),
      );
      const text = await response.text();
      if (response.status === 200) count = JSON.parse(text).count;
    }
    assert.ok(count > 0);
    const { message } = await (await fetch(`${http}/messages?as=value`)).json();
    assert.equal(message.type, "ready");
  } finally {
    isOver = true;
    await relaying;
  }
});
