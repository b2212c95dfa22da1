/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { serveGateway } from "../../../http.ts";
import { until } from "../../support/deadline.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { quiet, startBus } from "../support/bus.ts";
import { Child } from "../support/child.ts";
import { TestBroker } from "../support/test_broker.ts";

const live = (page: Page) => page.locator("#link[data-state=good]").waitFor();
const rows = (page: Page) => page.locator("#list li");

async function fill(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.click("#send-form button[type=submit]");
}

Deno.test(
  browserTest(
    "page: what one page sends is seen by another page and by a terminal client",
    async (browser) => {
      await using bus = await startBus();
      await using terminal = Child.deno(["--allow-net=127.0.0.1"], "client.ts", [
        "listen",
        "--broadcast",
        bus.broker.broadcastAddress,
      ]);
      await until(() => bus.broker.stats().subscribers?.connections === 2, "the terminal client");
      const first = await openPage(browser, `${bus.url}/`);
      const second = await openPage(browser, `${bus.url}/monitor`);
      await live(first.page);
      await live(second.page);
      await first.page.selectOption("#template", "sample");
      assert.deepEqual(JSON.parse(await first.page.inputValue("#text")), {
        type: "sample",
        sample: [119, 31, 207],
      });
      const text = '{"type":"subject","subject":12345678901234567890}';
      await fill(first.page, text);
      await first.page.locator("#send-note", { hasText: "It is message 1 of the bus" }).waitFor();
      await second.page.locator("#list .text", { hasText: text }).waitFor();
      assert.match((await terminal.line())!, /12345678901234567890/);
      await second.page.locator("#list .head").click();
      assert.deepEqual(await second.page.locator("#list .node").allInnerTexts(), [
        '"type": "subject"',
        '"subject": 12345678901234567890',
      ]);
      assert.equal(await second.page.innerText("#types .type"), "subject");
      assert.deepEqual([...first.complaints, ...second.complaints], []);
    },
  ),
);

Deno.test(browserTest("page: all seven templates are sent as messages of their kind", async (browser) => {
  await using bus = await startBus();
  const { page } = await openPage(browser, bus.url);
  await live(page);
  const kinds = ["subject", "sample", "log", "reload", "variables", "visualization", "ready"];
  for (const [i, kind] of kinds.entries()) {
    await page.selectOption("#template", kind);
    await page.locator("#text").press("Control+Enter");
    await page.locator("#send-note", { hasText: `It is message ${i + 1} ` }).waitFor();
  }
  const { isMessageOfType } = await import("../../../bus/messages.ts");
  for (const [i, { text }] of bus.client.messagesAfter(0).entries.entries()) {
    assert.ok(isMessageOfType(JSON.parse(text), kinds[i] as "subject"), text);
  }
}));

Deno.test(browserTest("page: an error is shown beside the box, and what was typed stays", async (browser) => {
  await using client = new TestBroker();
  await using gateway = serveGateway(client.server, { port: 0, maxBodyBytes: 100, ...quiet });
  const { page } = await openPage(browser, gateway.url);
  await live(page);
  const note = page.locator("#send-note[data-state=bad]");
  await fill(page, "{'a':1}");
  await note.filter({ hasText: "Not sent. This is not JSON" }).waitFor();
  await fill(page, "[1]");
  await note.filter({ hasText: "not-an-object" }).waitFor();
  await fill(page, `{"a":"${"x".repeat(200)}"}`);
  await note.filter({ hasText: "too-large" }).waitFor();
  await client.stop();
  await fill(page, '{"a":1}');
  await note.filter({ hasText: "broker is not connected" }).waitFor();
  assert.equal(await page.inputValue("#text"), '{"a":1}');
  await page.locator("#broker[data-state=bad]", { hasText: "broker away" }).waitFor();
  assert.deepEqual(client.sent, []);
}));

Deno.test(
  browserTest(
    "page: it comes back after the gateway was started anew, and says that something may be missing",
    async (browser) => {
      await using client = new TestBroker();
      const first = serveGateway(client.server, { port: 0, ...quiet });
      const { port } = first;
      const { page, complaints } = await openPage(browser, first.url);
      await live(page);
      client.receive('{"type":"before"}');
      await page.locator("#list .text", { hasText: "before" }).waitFor();
      await first.close();
      await page.locator("#link[data-state=bad]").waitFor();
      await using next = new TestBroker();
      next.receive('{"type":"meanwhile"}');
      await using _second = serveGateway(next.server, { port, ...quiet });
      await live(page);
      await page.locator("#list .text", { hasText: "meanwhile" }).waitFor();
      await page.locator("#list li.gap", { hasText: "started anew" }).waitFor();
      assert.equal(await page.innerText("#missed"), "some");
      next.receive('{"type":"after"}');
      await page.locator("#list .text", { hasText: "after" }).waitFor();
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "page: messages that were no longer held are shown as a gap with their number",
    async (browser) => {
      await using client = TestBroker.holding(10);
      const first = serveGateway(client.server, { port: 0, ...quiet });
      const { page } = await openPage(browser, first.url);
      await live(page);
      client.receiveMany(1);
      await rows(page).first().waitFor();
      await first.close();
      await page.locator("#link[data-state=bad]").waitFor();
      client.receiveMany(50);
      await using _second = serveGateway(client.server, { port: first.port, ...quiet });
      await page.locator("#list li.gap", { hasText: "40 messages are missing here" }).waitFor();
      assert.equal(await page.innerText("#missed"), "40");
      await page.waitForFunction(() => document.querySelectorAll("#list li").length >= 12);
      assert.equal(await rows(page).count(), 12);
    },
  ),
);

Deno.test(
  browserTest(
    "page: a token is taken from the address, kept for the tab and removed from the address",
    async (browser) => {
      await using client = new TestBroker();
      await using gateway = serveGateway(client.server, { port: 0, token: "auto", ...quiet });
      const { page } = await openPage(browser, gateway.pageUrl);
      await live(page);
      assert.equal(page.url(), `${gateway.url}/monitor`);
      await page.reload();
      await live(page);
      await fill(page, '{"type":"x"}');
      await page.locator("#send-note[data-state=good]").waitFor();
      assert.deepEqual(client.sent, ['{"type":"x"}']);
    },
  ),
);

Deno.test(browserTest("page: without its token it asks for it; a wrong one is told", async (browser) => {
  await using client = new TestBroker();
  await using gateway = serveGateway(client.server, { port: 0, token: "right-token", ...quiet });
  client.receive('{"type":"held"}');
  const { page, complaints } = await openPage(browser, gateway.url);
  await page.fill("#token", "wrong-token");
  await page.click("#token-form button");
  await page.locator("#token-note", { hasText: "does not take" }).waitFor();
  assert.equal(await rows(page).count(), 0);
  await page.fill("#token", "right-token");
  await page.keyboard.press("Enter");
  await live(page);
  await page.locator("#list .text", { hasText: "held" }).waitFor();
  assert.equal(await page.locator("#token-form").isVisible(), false);
  assert.deepEqual(complaints, []);
}));

Deno.test(browserTest("page: it can be used with the keyboard alone", async (browser) => {
  await using client = new TestBroker();
  await using gateway = serveGateway(client.server, { port: 0, ...quiet });
  for (const type of ["alpha", "beta", "gamma"]) client.receive(`{"type":"${type}","deep":{"list":[1,{}]}}`);
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = await openPage(context, gateway.url);
  await live(page);
  await rows(page).nth(2).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("BETA");
  await page.waitForFunction(() => document.querySelectorAll("#list li").length === 1);
  await page.keyboard.press("Escape");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.deepEqual(await page.locator("#list .node").allInnerTexts(), [
    '"type": "beta"',
    '"deep":',
    '"list":',
    "0 1",
    "1 {}",
  ]);
  await page.keyboard.press("c");
  await page.locator("#list button", { hasText: "Copied" }).waitFor();
  assert.equal(
    await page.evaluate(() => navigator.clipboard.readText()),
    '{"type":"beta","deep":{"list":[1,{}]}}',
  );
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#list .body").count(), 0);
  await page.keyboard.press("p");
  assert.equal(await page.getAttribute("#pause", "aria-pressed"), "true");
  client.receiveMany(7, "beta");
  await page.locator("#list-note", { hasText: "Paused. 7 new." }).waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.keyboard.press("p");
  await page.fill("#filter", "");
  await page.waitForFunction(() => document.querySelectorAll("#list li").length === 10);
  await page.click("#types .type >> text=gamma");
  await page.waitForFunction(() => document.querySelectorAll("#list li").length === 1);
  await page.keyboard.press("s");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "text");
  await context.close();
}));

Deno.test(
  browserTest(
    "page: of 3,000 messages it misses none, and touches the list once a frame",
    async (browser) => {
      await using bus = await startBus();
      const { page, complaints } = await openPage(browser, bus.url);
      await live(page);
      await page.evaluate(() => {
        const counts = { touches: 0, frames: 0 };
        Object.assign(globalThis, { counts });
        const list = document.getElementById("list")!;
        const prepend = list.prepend;
        list.prepend = (...nodes) => {
          counts.touches += 1;
          prepend.apply(list, nodes);
        };
        const step = () => {
          counts.frames += 1;
          requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
      });
      let sent = 0;
      const types = ["subject", "sample", "log", "variables"];
      await new Promise<void>((resolve) => {
        const timer = setInterval(() => {
          for (let i = 0; i < 20; i += 1) {
            sent += 1;
            bus.broker.sendMessage({
              type: types[sent % 4]!,
              n: sent,
              text: "a message of ordinary size, with some words",
            });
          }
          if (sent < 3000) return;
          clearInterval(timer);
          resolve();
        }, 20);
      });
      await page.locator("#total", { hasText: "3,000" }).waitFor();
      const { touches, frames } = await page.evaluate(() =>
        (globalThis as unknown as { counts: { touches: number; frames: number } }).counts
      );
      assert.ok(touches > 0 && touches <= frames + 1, `touched ${touches} times in ${frames} frames`);
      assert.ok(await rows(page).count() <= 300);
      assert.equal(await page.innerText("#missed"), "0");
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "page: it shows what hostile messages hold as text, and runs nothing of it",
    async (browser) => {
      await using client = new TestBroker();
      await using gateway = serveGateway(client.server, { port: 0, ...quiet });
      const { page, complaints } = await openPage(browser, gateway.url);
      await live(page);
      const evil = `<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>`;
      client.receive(JSON.stringify({ type: evil, [evil]: evil, "__proto__": 1 }));
      client.receive('{"type":"__proto__"}');
      client.receive('{"type":"constructor","message":"\\ud800"}');
      for (let n = 0; n < 100; n += 1) client.receive(`{"type":"made-up-${n}"}`);
      client.receive(`{"type":"large","data":"${"x".repeat(500_000)}"}`);
      await page.locator("#list .type", { hasText: "large" }).click();
      await page.locator("#list .more", { hasText: "499,502 more characters" }).waitFor();
      await page.fill("#filter", "onerror");
      await page.locator("#list .head").click();
      assert.equal(await page.title(), "Message bus");
      assert.equal(await page.locator("#list img, #list script").count(), 0);
      assert.ok(await page.locator("#types tr").count() <= 31);
      assert.deepEqual(complaints, []);
    },
  ),
);
