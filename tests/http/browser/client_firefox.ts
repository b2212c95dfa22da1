/// <reference lib="dom" />
/** /client.js in Firefox: eight tabs, a network that was away, a broker that was killed. */
import assert from "node:assert/strict";
import type { Page } from "puppeteer-core";
import { MessageServer } from "../../../broker.ts";
import { serveGateway } from "../../../http.ts";
import { until } from "../../support/deadline.ts";
import { quiet } from "../support/bus.ts";
import { Child } from "../support/child.ts";
import { firefoxTest } from "../support/firefox.ts";
import { Relay } from "../support/relay.ts";
import { pageFolder, type PageScope, pageUrl } from "../support/web_page.ts";

/** The global scope of the page, for what runs there. */
declare const scope: PageScope;
const TABS = 8;

async function heard(page: Page, number: number): Promise<readonly string[]> {
  // A tab in the background draws no frames, so time is what it looks by.
  const patience = { polling: 50, timeout: 30_000 };
  await page.waitForFunction((number) => scope.heard.length >= number, patience, number);
  return await page.evaluate(() => scope.heard);
}

const isIn = (page: Page, state: string) =>
  page.waitForFunction((state) => scope.bus.state === state, { polling: 50, timeout: 30_000 }, state);

Deno.test(
  firefoxTest(
    "client.js: eight tabs of Firefox share one connection, also after the network was away",
    async (browser) => {
      await using made = await pageFolder();
      await using broker = new MessageServer();
      await using gateway = serveGateway(broker, { port: 0, pages: made.folder, ...quiet });
      await using relay = new Relay(gateway.url.replace("http", "tcp"));
      const tabs: Page[] = [];
      for (let i = 0; i < TABS; i += 1) {
        const page = await browser.newPage();
        await page.goto(pageUrl(relay.address.replace("tcp", "http")));
        await page.evaluate(() => scope.bus.ready);
        tabs.push(page);
      }
      assert.equal(gateway.stats().waiting.websocket, 1);
      const texts = Array.from({ length: 2000 }, (_, n) => JSON.stringify({ type: "n", n }));
      for (const text of texts.slice(0, 1000)) broker.sendJsonMessage(text);
      for (const tab of tabs) await heard(tab, 1000);
      relay.cut();
      await isIn(tabs[0]!, "away");
      for (const text of texts.slice(1000)) broker.sendJsonMessage(text);
      relay.mend();
      for (const tab of tabs) assert.deepEqual(await heard(tab, 2000), texts);
      await until(() => gateway.stats().waiting.websocket === 1, "one connection");
    },
  ),
);

Deno.test(
  firefoxTest(
    "client.js: Firefox is told of a broker that was killed, and hears the next one",
    async (browser) => {
      await using made = await pageFolder();
      const startBroker = (port: number) =>
        Child.deno(["--allow-net=127.0.0.1", `--allow-read=${made.folder}`], "broker.ts", [
          "--http",
          String(port),
          "--broadcast-port=0",
          "--receive-port=0",
          "--json",
          "--pages",
          made.folder,
        ]);
      await using first = startBroker(0);
      const { http } = JSON.parse((await first.line())!);
      const page = await browser.newPage();
      await page.goto(pageUrl(http));
      await page.evaluate(() => scope.bus.ready);
      await page.evaluate(() => scope.bus.send({ type: "before" }));
      await heard(page, 1);
      first.kill("SIGKILL");
      await first.status;
      await isIn(page, "away");
      await using second = startBroker(Number(new URL(http).port));
      await second.line();
      await isIn(page, "live");
      await page.evaluate(() => scope.bus.send({ type: "after" }));
      const all = await heard(page, 3);
      assert.deepEqual([all.length, all[0], all.at(-1)], [3, '{"type":"before"}', '{"type":"after"}']);
      assert.match(all[1]!, /^gap null /);
    },
  ),
);
