/// <reference lib="dom" />
import assert from "node:assert/strict";
import { MessageServer } from "../../../broker.ts";
import { PassiveMessageClient } from "../../../client.ts";
import { serveGateway } from "../../../http.ts";
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

/** Opens it as a page of the gateway's origin; the lines of its console that begin with "heard". */
async function openReadme(
  context: BrowserContext,
  { url }: { url: string },
  html: string,
): Promise<{ readonly heard: readonly string[] }> {
  await context.route(
    `${url}/readme.html`,
    (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body: `<!DOCTYPE html>${html}` }),
  );
  const page = await context.newPage();
  const heard: string[] = [];
  page.on("console", async (message) => {
    const [what, value] = message.args();
    if (await what?.jsonValue() === "heard") heard.push(JSON.stringify(await value!.jsonValue()));
  });
  await page.goto(`${url}/readme.html`);
  return { heard };
}

Deno.test(
  browserTest(
    "README: the EventSource hears a broker that comes after it, and what the page sends",
    async (browser) => {
      const before = new MessageServer();
      const { broadcastAddress, receiveAddress } = before;
      await before.close();
      await using client = new PassiveMessageClient({
        serverBroadcast: broadcastAddress,
        serverReceive: receiveAddress,
      });
      await using gateway = serveGateway(client, { port: 0, ...quiet });
      const context = await browser.newContext();
      const { heard } = await openReadme(context, gateway, EVENT_STREAM!);
      await until(() => gateway.stats().waiting.sse === 1, "the event stream");
      await using broker = new MessageServer({
        broadcastPort: Number(new URL(broadcastAddress).port),
        receivePort: Number(new URL(receiveAddress).port),
      });
      await client.ready;
      broker.sendMessage({ type: "late" });
      await until(() => heard.includes('{"type":"late"}'), "the message in the page");
      await openReadme(context, gateway, EVENT_STREAM!);
      await until(() => heard.includes('{"type":"subject","subject":119}'), "what a page sent");
    },
  ),
);

Deno.test(browserTest("README: two tabs with the long-poll hear every message", async (browser) => {
  await using broker = new MessageServer();
  await using gateway = serveGateway(broker, { port: 0, ...quiet });
  const context = await browser.newContext();
  const tabs = [
    await openReadme(context, gateway, LONG_POLL!),
    await openReadme(context, gateway, LONG_POLL!),
  ];
  for (let n = 0; n < 20; n++) {
    await until(() => gateway.stats().waiting.longpoll === 2, "both tabs");
    broker.sendMessage({ type: "n", n });
    await until(() => tabs.every(({ heard }) => heard.length > n), "the message in both tabs");
  }
  const all = Array.from({ length: 20 }, (_, n) => `{"type":"n","n":${n}}`);
  assert.deepEqual(tabs.map(({ heard }) => heard), [all, all]);
}));
