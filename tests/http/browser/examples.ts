/// <reference lib="dom" />
import assert from "node:assert/strict";
import { MessageServer } from "../../../broker.ts";
import { PassiveMessageClient } from "../../../client.ts";
import { type GatewayHandler, messageGateway } from "../../../http.ts";
import type { BrowserContext } from "playwright-core";
import { until } from "../../support/deadline.ts";
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

/** The programs for web pages that the README shows. */
const [EVENT_STREAM, LONG_POLL] = [
  ...Deno.readTextFileSync(new URL("../../../README.md", import.meta.url)).matchAll(
    /^```html\n([\s\S]*?)^```$/gm,
  ),
].map(([, html]) => html!);

/** A gateway that serves one page more, of its own origin. (Routes of playwright would switch off the browser's cache.) */
function serveWith(html: string, gateway: GatewayHandler): Deno.HttpServer<Deno.NetAddr> {
  const headers = { "content-type": "text/html; charset=utf-8" };
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request, info) => {
    if (new URL(request.url).pathname !== "/readme.html") return gateway(request, info);
    return new Response(`<!DOCTYPE html>${html}`, { headers });
  });
}

/** Opens that page. What it says that it heard is added to the list. */
async function openReadme(
  context: BrowserContext,
  { addr }: Deno.HttpServer<Deno.NetAddr>,
): Promise<string[]> {
  const page = await context.newPage();
  const heard: string[] = [];
  page.on("console", (message) => {
    if (message.text().startsWith("heard ")) heard.push(message.text());
  });
  await page.goto(`http://127.0.0.1:${addr.port}/readme.html`);
  return heard;
}

Deno.test(browserTest("README: the EventSource hears a broker that comes after it", async (browser) => {
  const before = new MessageServer();
  const { broadcastAddress, receiveAddress } = before;
  await before.close();
  await using client = new PassiveMessageClient({
    serverBroadcast: broadcastAddress,
    serverReceive: receiveAddress,
  });
  await using gateway = messageGateway(client, quiet);
  await using server = serveWith(EVENT_STREAM!, gateway);
  await using context = await browser.newContext();
  const heard = await openReadme(context, server);
  await until(() => gateway.stats().waiting.sse === 1, "the event stream");
  await using broker = new MessageServer({
    broadcastPort: Number(new URL(broadcastAddress).port),
    receivePort: Number(new URL(receiveAddress).port),
  });
  await client.ready;
  broker.sendMessage({ type: "late" });
  await until(() => heard.includes("heard {type: late}"), "the message in the page");
  await openReadme(context, server);
  await until(() => heard.includes("heard {type: subject, subject: 119}"), "what the other page sent");
}));

Deno.test(browserTest("README: two tabs with the long-poll hear every message", async (browser) => {
  await using broker = new MessageServer();
  await using gateway = messageGateway(broker, quiet);
  await using server = serveWith(LONG_POLL!, gateway);
  await using context = await browser.newContext();
  const tabs = [await openReadme(context, server), await openReadme(context, server)];
  for (let n = 0; n < 20; n++) {
    await until(() => gateway.stats().waiting.longpoll === 2, "both tabs");
    broker.sendMessage({ type: "n", n });
    await until(() => tabs.every((heard) => heard.length > n), "the message in both tabs");
  }
  const all = Array.from({ length: 20 }, (_, n) => `heard {type: n, n: ${n}}`);
  assert.deepEqual(tabs, [all, all]);
}));
