/// <reference lib="dom" />
/** Many tabs of one browser, and a gateway that stops to answer. */
import assert from "node:assert/strict";
import { browserTest, openPage } from "../support/browser.ts";
import { startBus } from "../support/bus.ts";
import { Child } from "../support/child.ts";
import { firefoxTest } from "../support/firefox.ts";

/** More than the six connections that a browser opens to one host for all its tabs together. */
const TABS = 8;

Deno.test(browserTest("page: eight tabs of Chromium stay live, and each can send", async (browser) => {
  await using bus = await startBus();
  const context = await browser.newContext();
  const tabs = await Promise.all(Array.from({ length: TABS }, () => openPage(context, bus.url)));
  for (const { page } of tabs) await page.locator("#link[data-state=good]").waitFor();
  assert.equal(bus.gateway.stats().waiting.websocket, 1);
  bus.broker.sendMessage({ type: "for-all" });
  for (const { page } of tabs) await page.locator("#list .text", { hasText: "for-all" }).waitFor();
  for (const [i, { page }] of tabs.entries()) {
    await page.fill("#text", `{"type":"from-tab","n":${i}}`);
    await page.click("#send-form button[type=submit]");
    await page.locator("#send-note", { hasText: `It is message ${i + 2} of the bus` }).waitFor();
  }
  for (const { page } of tabs) await page.locator("#list .text", { hasText: '"n":7' }).waitFor();
  assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
  await context.close();
}));

/** What a tab needs for {@linkcode look}. */
interface Tab {
  bringToFront(): Promise<void>;
  $eval(selector: string, read: (element: Element) => string | null): Promise<string | null>;
}

/**
 * Looks at a tab until it shows a text. A tab in the background draws nothing, and Firefox without a screen does not always notice at
 * once that a tab has come to the front: then it is brought there again, as a person would click on it again.
 */
async function look(page: Tab, selector: string, text: string): Promise<void> {
  const end = performance.now() + 30_000;
  while (performance.now() < end) {
    await page.bringToFront();
    for (let tries = 0; tries < 20; tries += 1) {
      if ((await page.$eval(selector, (element) => element.textContent))?.includes(text)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const shown = await page.$eval(selector, (element) => element.textContent);
  assert.fail(
    `waited in vain for ${JSON.stringify(text)} in ${selector}: it shows ${
      JSON.stringify(shown?.slice(0, 200))
    }`,
  );
}

Deno.test(firefoxTest("page: eight tabs of Firefox stay live, and each can send", async (browser) => {
  await using bus = await startBus();
  const tabs = [];
  const complaints: string[] = [];
  for (let i = 0; i < TABS; i += 1) {
    const page = await browser.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(bus.url);
    await page.waitForSelector("#link[data-state=good]");
    tabs.push(page);
  }
  assert.equal(bus.gateway.stats().waiting.websocket, 1);
  bus.broker.sendMessage({ type: "for-all" });
  for (const [i, page] of tabs.entries()) {
    await look(page, "#list", "for-all");
    await page.$eval("#text", (box, n) => (box as HTMLTextAreaElement).value = `{"type":"tab","n":${n}}`, i);
    // Not by the mouse, whose click is lost in a tab that is not in front yet.
    await page.$eval("#send-form button[type=submit]", (button) => (button as HTMLButtonElement).click());
    await look(page, "#send-note", `It is message ${i + 2} of the bus`);
  }
  await look(tabs[0]!, "#list", '"n":7');
  assert.deepEqual(complaints, []);
}));

Deno.test(
  browserTest(
    "page: it says within 3 s that the gateway does not answer, and goes on with it",
    async (browser) => {
      await using broker = Child.deno(["--allow-net=127.0.0.1"], "broker.ts", ["--http", "0", "--json"]);
      const { http } = JSON.parse((await broker.line())!);
      const { page } = await openPage(browser, http);
      // The time of the page is in our hands: 3 s of it pass at once.
      await page.clock.install();
      await page.goto(http);
      await page.locator("#link[data-state=good]").waitFor();
      await page.locator("#broker[data-state=good]").waitFor();
      broker.kill("SIGSTOP");
      try {
        await page.clock.runFor(3000);
        assert.equal(await page.innerText("#link"), "gateway does not answer");
        assert.equal(await page.getAttribute("#link", "data-state"), "bad");
        await page.fill("#text", '{"type":"late"}');
        await page.click("#send-form button[type=submit]");
        await page.locator("#send-note", { hasText: "Sending" }).waitFor();
        await page.clock.runFor(7000);
        await page.locator("#send-note[data-state=bad]", { hasText: "nobody knows whether it was sent" })
          .waitFor();
      } finally {
        broker.kill("SIGCONT");
      }
      await page.locator("#link[data-state=good]").waitFor();
      await page.click("#send-form button[type=submit]");
      await page.locator("#send-note[data-state=good]").waitFor();
    },
  ),
);
