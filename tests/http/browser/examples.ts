/// <reference lib="dom" />
import assert from "node:assert/strict";
import { MessageServer } from "../../../broker.ts";
import { PassiveMessageClient } from "../../../client.ts";
import { serveGateway } from "../../../http.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { form, quiet } from "../support/bus.ts";
import { Child } from "../support/child.ts";

Deno.test(browserTest(
  "examples/web: the three pages show what comes, and the one with a box sends",
  async (browser) => {
    await using program = Child.deno(["--allow-net=127.0.0.1"], "examples/web/serve.ts");
    const addresses: string[] = [];
    while (addresses.length < 4) addresses.push((await program.line())!);
    const { origin } = new URL(addresses[0]!);
    const context = await browser.newContext();
    const pages = [];
    // Two tabs with a long-poll: the browser must not let the one wait for the answer of the other.
    for (const name of ["event_stream", "long_poll", "web_socket", "long_poll"]) {
      assert.ok(addresses.includes(`${origin}/${name}.html`));
      pages.push(await openPage(context, `${origin}/${name}.html`));
    }
    let waiting = "";
    for (const end = AbortSignal.timeout(10_000); waiting !== '{"longpoll":2,"sse":1,"websocket":1}';) {
      assert.ok(!end.aborted, `not all of them wait at the gateway: ${waiting}`);
      waiting = await (await fetch(`${origin}/messages/subscribers`)).text();
    }
    await (await fetch(`${origin}/messages`, form('{"type":"from","n":1}'))).text();
    for (const { page } of pages) await page.locator("li", { hasText: '{"type":"from","n":1}' }).waitFor();
    await pages[2]!.page.click("button");
    for (const { page } of pages) await page.locator("li", { hasText: '"subject":119' }).waitFor();
    assert.deepEqual(pages.flatMap(({ complaints }) => complaints), []);
  },
));

Deno.test(browserTest("README: the EventSource hears a broker that comes after it", async (browser) => {
  const before = new MessageServer();
  const { broadcastAddress, receiveAddress } = before;
  await before.close();
  await using client = new PassiveMessageClient({
    serverBroadcast: broadcastAddress,
    serverReceive: receiveAddress,
  });
  await using gateway = serveGateway(client, { port: 0, ...quiet });
  const { page } = await openPage(browser, gateway.url);
  await page.evaluate(async () => {
    const events = new EventSource("/messages/stream");
    events.onmessage = ({ data }) => document.title = data;
    await new Promise((resolve) => events.onopen = resolve);
  });
  await using broker = new MessageServer({
    broadcastPort: Number(new URL(broadcastAddress).port),
    receivePort: Number(new URL(receiveAddress).port),
  });
  await client.ready;
  broker.sendMessage({ type: "late" });
  await page.waitForFunction(() => document.title === '{"type":"late"}');
}));
