/** The hub of /client.js, which serves all tabs: here in Deno, with a real gateway and a port for each page. */
import assert from "node:assert/strict";
import { MessageServer, serveGateway } from "../../mod.ts";
// @ts-types="./support/hub.d.ts"
import { serve } from "../../http/client/hub.js";
import { soon, until } from "../support/deadline.ts";
import { quiet } from "./support/bus.ts";

interface Note {
  readonly items?: readonly { readonly text?: string; readonly missed?: number | null }[];
  readonly ready?: string;
}

/** A page that says that it took items only when it is told to. */
class Seat implements Disposable {
  readonly texts: string[] = [];
  readonly #port: MessagePort;
  readonly ready: Promise<void>;
  isAwake = true;
  #untold: { took: number; length: number }[] = [];

  constructor(base: string, since: string) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    port1.onmessage = ({ data }: MessageEvent<Note>) => {
      if (data.ready !== undefined) resolve();
      if (data.items === undefined) return;
      for (const { text, missed } of data.items) this.texts.push(text ?? `gap ${missed}`);
      const length = data.items.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
      this.#untold.push({ took: data.items.length, length });
      if (this.isAwake) this.wake();
    };
    serve(port2);
    port1.postMessage({ start: { base, token: "", since } });
  }

  wake(): void {
    this.isAwake = true;
    for (const note of this.#untold.splice(0)) this.#port.postMessage(note);
  }

  [Symbol.dispose](): void {
    this.#port.postMessage({ ask: "leave" });
    this.#port.close();
  }
}

function hubTest(name: string, run: () => Promise<void>): Deno.TestDefinition {
  // The hub is made for a worker that ends with its pages: what it waits for ends later than the test.
  return { name, fn: run, sanitizeOps: false, sanitizeResources: false };
}

Deno.test(
  hubTest(
    "client hub: a page that takes nothing is sent no more than a bit, and all of it later",
    async () => {
      await using broker = new MessageServer();
      await using gateway = serveGateway(broker, { port: 0, ...quiet });
      using asleep = new Seat(`${gateway.url}/`, "now");
      using awake = new Seat(`${gateway.url}/`, "now");
      await soon(Promise.all([asleep.ready, awake.ready]), "both pages");
      asleep.isAwake = false;
      const texts = Array.from({ length: 20_000 }, (_, n) => JSON.stringify({ type: "n", n }));
      for (const text of texts) broker.sendJsonMessage(text);
      await until(() => awake.texts.length === texts.length, "what the other page gets", 20_000);
      assert.ok(asleep.texts.length <= 1250, `${asleep.texts.length} were sent`);
      asleep.wake();
      await until(() => asleep.texts.length === texts.length, "the rest", 20_000);
      assert.deepEqual(asleep.texts, texts);
      assert.deepEqual(awake.texts, texts);
      assert.equal(gateway.stats().waiting.websocket, 1);
    },
  ),
);

Deno.test(hubTest("client hub: who comes from the history into a flood hears all once", async () => {
  await using broker = new MessageServer();
  await using gateway = serveGateway(broker, { port: 0, ...quiet });
  using first = new Seat(`${gateway.url}/`, "now");
  await soon(first.ready, "the first page");
  const texts = Array.from({ length: 6000 }, (_, n) => JSON.stringify({ type: "n", n }));
  for (const text of texts.slice(0, 3000)) broker.sendJsonMessage(text);
  using second = new Seat(`${gateway.url}/`, "earliest");
  for (let n = 3000; n < 6000; n += 30) {
    for (const text of texts.slice(n, n + 30)) broker.sendJsonMessage(text);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => second.texts.length >= texts.length, "all of them", 20_000);
  assert.deepEqual(second.texts, texts);
  assert.deepEqual(first.texts, texts);
}));

Deno.test(hubTest("client hub: its connection ends with the last page that leaves", async () => {
  await using broker = new MessageServer();
  await using gateway = serveGateway(broker, { port: 0, ...quiet });
  {
    using first = new Seat(`${gateway.url}/`, "now");
    {
      using second = new Seat(`${gateway.url}/`, "now");
      await soon(Promise.all([first.ready, second.ready]), "both pages");
    }
    broker.sendMessage({ type: "x" });
    await until(() => first.texts.length === 1, "what the first page hears");
    assert.equal(gateway.stats().waiting.websocket, 1);
  }
  await until(() => gateway.stats().waiting.websocket === 0, "the end of the connection");
}));
