/// <reference lib="dom" />
/** What a person does with the messages of the live page. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { MessageServer } from "../../../broker.ts";
import { type GatewayServer, serveGateway } from "../../../http.ts";
import { until } from "../../support/deadline.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { quiet } from "../support/bus.ts";
import { log, Recorded } from "../support/recorded.ts";

const live = (page: Page) => page.locator("#link[data-state=good]").waitFor();

async function start(): Promise<
  { readonly broker: MessageServer; readonly gateway: GatewayServer; readonly url: string } & AsyncDisposable
> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(new MessageServer());
  const gateway = stack.use(serveGateway(broker, { port: 0, ...quiet }));
  const moved = stack.move();
  return { broker, gateway, url: gateway.url, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** A PNG of one pixel. */
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** The head of a PNG that says it has 100,000 times 100,000 pixels. */
function bomb(): string {
  const bytes = Uint8Array.fromBase64(PIXEL);
  const view = new DataView(bytes.buffer);
  view.setUint32(16, 100_000);
  view.setUint32(20, 100_000);
  return bytes.toBase64();
}

Deno.test(
  browserTest("page: a screenshot in base64 is shown as a picture, with its size", async (browser) => {
    await using bus = await start();
    const { page, complaints } = await openPage(browser, bus.url);
    await live(page);
    const text = JSON.stringify({
      type: "log",
      screenshot: PIXEL,
      other: `data:image/png;base64,${PIXEL}`,
      text: "iVBOR",
    });
    bus.broker.sendJsonMessage(text);
    await page.locator("#list .head").click();
    assert.deepEqual(await page.locator("#list figcaption").allInnerTexts(), [
      "screenshot, 1 × 1 pixels, 70 B",
      "other, 1 × 1 pixels, 70 B",
    ]);
    await page.waitForFunction(() =>
      [...document.querySelectorAll<HTMLImageElement>("#list img")].every((image) => image.naturalWidth === 1)
    );
    bus.broker.sendJsonMessage(JSON.stringify({ type: "bomb", screenshot: bomb() }));
    await page.locator("#list .type", { hasText: "bomb" }).click();
    await page.locator("#list figcaption", { hasText: "too large to be shown" }).waitFor();
    assert.equal(await page.locator("#list img").count(), 2);
    assert.deepEqual(complaints, []);
  }),
);

Deno.test(
  browserTest(
    "page: of 6,011 messages it has the newest 2,000, and goes back to the first and forth again",
    async (browser) => {
      await using bus = await start();
      for (let n = 1; n <= 6011; n += 1) bus.broker.sendMessage({ type: "n", n });
      const { page, complaints } = await openPage(browser, bus.url);
      await live(page);
      const range = page.locator("#range-text");
      await range.getByText("newest 2,000 of 6,011", { exact: true }).waitFor();
      const seen = new Set<number>();
      const look = async () => {
        for (const text of await page.locator("#list .text").allInnerTexts()) {
          seen.add(JSON.parse(text).n);
        }
      };
      await look();
      for (let click = 0; click < 60 && !seen.has(1); click += 1) {
        const before = await range.innerText();
        await page.click("#older");
        await page.waitForFunction(
          (before) => document.getElementById("range-text")!.textContent !== before,
          before,
        );
        assert.ok(await page.locator("#list li").count() <= 300);
        await look();
      }
      assert.deepEqual([...seen].sort((a, b) => a - b), Array.from({ length: 6011 }, (_, i) => i + 1));
      // What comes meanwhile waits, and does not move what is read.
      const top = await page.locator("#list .text").first().innerText();
      bus.broker.sendMessage({ type: "n", n: 6012 });
      await page.locator("#list-note", { hasText: "These are older messages. 1 new." }).waitFor();
      assert.equal(await page.locator("#list .text").first().innerText(), top);
      await page.click("#older");
      await page.locator("#range-note", { hasText: "Nothing older is held" }).waitFor();
      await page.click("#newer");
      await page.click("#newest");
      await page.locator("#list .text").first().getByText('{"type":"n","n":6012}').waitFor();
      await range.getByText("newest 2,000 of 6,012", { exact: true }).waitFor();
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "page: what the broker no longer holds is one click away in the recording, at that moment",
    async (browser) => {
      await using bus = await Recorded.start({}, {}, {}, { history: { messages: 10 } });
      await bus.say(...Array.from({ length: 30 }, (_, i) => log(`step ${i + 1}`)));
      await bus.recorder.split({ name: "Wednesday" });
      await bus.say({ type: "subject", subject: 119 });
      const { page, complaints } = await openPage(browser, bus.url);
      await live(page);
      await page.click("#older");
      await page.locator("#range-note", { hasText: "Nothing older is held" }).waitFor();
      await page.getByText("Go on in the recording").click();
      await page.locator("#events > li", { hasText: "step 20" }).waitFor();
      assert.match(page.url(), /#session=1&time=/);
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(browserTest("page: with a filter, older ones are looked for until some pass", async (browser) => {
  await using bus = await start();
  bus.broker.sendMessage({ type: "rare", n: 1 });
  for (let n = 1; n <= 3500; n += 1) bus.broker.sendMessage({ type: "often", n });
  const { page } = await openPage(browser, `${bus.url}/?type=rare`);
  await live(page);
  await page.locator("#empty-text", { hasText: "No message passes the filter" }).waitFor();
  await page.click("#older");
  await page.locator("#list .text", { hasText: '"rare"' }).waitFor();
}));

Deno.test(
  browserTest(
    "page: the filters by type, text and sender are in the address, and come from it",
    async (browser) => {
      await using bus = await start();
      const { page } = await openPage(browser, bus.url);
      await live(page);
      bus.broker.sendMessage({
        type: "log",
        action: "looked",
        state: {},
        pid: 7,
        application: "explorer",
        time: 1,
      });
      bus.broker.sendMessage({
        type: "log",
        action: "looked",
        state: {},
        pid: 7,
        application: "anova",
        time: 1,
      });
      bus.broker.sendMessage({ type: "ready", source_pid: 1, source_id: "explorer-2" });
      bus.broker.sendMessage({ type: "subject", subject: 119 });
      const rows = (page: Page, number: number) =>
        page.waitForFunction((number) => document.querySelectorAll("#list li").length === number, number);
      await rows(page, 4);
      await page.fill("#filter-from", "EXPLO");
      await rows(page, 2);
      await page.click("#types .type >> text=log");
      await rows(page, 1);
      await page.fill("#filter", "looked");
      assert.equal(await page.evaluate(() => location.search), "?from=EXPLO&type=log&text=looked");
      const second = await openPage(browser, page.url());
      await live(second.page);
      await rows(second.page, 1);
      assert.equal(await second.page.inputValue("#filter-from"), "EXPLO");
      assert.equal(await second.page.inputValue("#filter-type"), "log");
      for (const id of ["#filter", "#filter-from"]) await second.page.fill(id, "");
      await second.page.selectOption("#filter-type", "");
      await rows(second.page, 4);
      assert.equal(await second.page.evaluate(() => location.search), "");
      assert.match(await page.innerText("#range-text"), /^1 of the newest 4 of 4$/);
    },
  ),
);

Deno.test(
  browserTest(
    "page: it shows what is valid now, also when that is no longer in the list",
    async (browser) => {
      await using bus = await start();
      bus.broker.sendMessage({ type: "subject", subject: 7 });
      const { page } = await openPage(browser, bus.url);
      await live(page);
      await page.click("#clear");
      await page.locator("#now-rows dd", { hasText: "7" }).first().waitFor();
      bus.broker.sendJsonMessage('{"type":"subject","subject":12345678901234567890}');
      await page.locator("#now-rows dd", { hasText: "12345678901234567890" }).waitFor();
    },
  ),
);

Deno.test(
  browserTest("page: a time tells its date and zone on hover, and in the opened message", async (browser) => {
    await using bus = await start();
    const context = await browser.newContext({ timezoneId: "Europe/Amsterdam", locale: "en-GB" });
    const { page } = await openPage(context, bus.url);
    await live(page);
    bus.broker.sendMessage({ type: "ready", source_pid: 1, source_id: "me" });
    const time = page.locator("#list time");
    assert.equal(await time.getAttribute("title"), null);
    await time.hover();
    assert.match(
      (await time.getAttribute("title"))!,
      /\d{4} at \d\d:\d\d:\d\d CES?T \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC\)$/,
    );
    await time.click();
    assert.match(
      await page.innerText("#list .meta"),
      /CES?T \(.* UTC\) · message 1 · from me · \d+ characters$/,
    );
  }),
);

Deno.test(browserTest("page: a message is copied as a program, edited, and sent again", async (browser) => {
  await using bus = await start();
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = await openPage(context, bus.url);
  await live(page);
  const text = '{"type":"subject", "subject":12345678901234567890}';
  bus.broker.sendJsonMessage(text);
  await page.locator("#list .head").click();
  for (
    const [i, [name, line]] of [
      ["curl", `curl ${bus.url}/messages -H 'content-type: application/json' --data-binary '${text}'`],
      ["Python", `sender.connect("${bus.broker.receiveAddress}")`],
      ["R", `connect.socket(sender, "${bus.broker.receiveAddress}")`],
      ["JavaScript", `body: '${text}'`],
    ].entries()
  ) {
    const button = page.locator("#list .copy-as button").nth(i);
    assert.equal(await button.innerText(), name);
    await button.click();
    // The one before says so, too, for a while.
    await button.filter({ hasText: "Copied" }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.includes(line!), copied);
  }
  const texts: string[] = [];
  bus.broker.addEventListener("message", ({ text }) => texts.push(text));
  await page.click("#list .again");
  await page.locator("#list .again", { hasText: "Sent as 2" }).waitFor();
  await page.click("#list .edit");
  assert.equal(await page.inputValue("#text"), text);
  await page.fill("#text", text.replace('subject", ', 'subject",'));
  await page.keyboard.press("Control+Enter");
  await page.locator("#send-note[data-state=good]").waitFor();
  await until(() => texts.length === 2, "both messages");
  assert.deepEqual(texts, [text, '{"type":"subject","subject":12345678901234567890}']);
}));

Deno.test(browserTest("page: what passes the filter is saved, a message a line", async (browser) => {
  await using bus = await start();
  const { page } = await openPage(browser, `${bus.url}/?type=n`);
  await live(page);
  const texts = ['{"type":"n","n":12345678901234567890}', '{\n  "type": "n",\n  "text": "a\\nb"\n}'];
  for (const text of [...texts, '{"type":"other"}']) bus.broker.sendJsonMessage(text);
  await page.locator("#total", { hasText: "3" }).waitFor();
  await page.locator("#list li").nth(1).waitFor();
  const coming = page.waitForEvent("download");
  await page.click("#save");
  const download = await coming;
  assert.match(download.suggestedFilename(), /^messages-.*\.ndjson$/);
  const saved = await Deno.readTextFile((await download.path())!);
  assert.equal(saved, texts.map((text) => `${text.replaceAll("\n", " ")}\n`).join(""));
}));

Deno.test(browserTest("page: the title counts what came while nobody looked", async (browser) => {
  await using bus = await start();
  const { page } = await openPage(browser, "about:blank");
  await page.addInitScript(() => {
    let isHidden = false;
    Object.defineProperty(document, "hidden", { get: () => isHidden });
    Object.assign(globalThis, {
      hide: (value: boolean) => {
        isHidden = value;
        document.dispatchEvent(new Event("visibilitychange"));
      },
    });
  });
  await page.goto(bus.url);
  await live(page);
  bus.broker.sendMessage({ type: "seen" });
  await page.locator("#list li").waitFor();
  const hide = (value: boolean) =>
    page.evaluate((value) => (globalThis as unknown as { hide(value: boolean): void }).hide(value), value);
  await hide(true);
  for (let n = 0; n < 3; n += 1) bus.broker.sendMessage({ type: "unseen", n });
  await page.waitForFunction(() => document.title === "(3) Message bus");
  await hide(false);
  assert.equal(await page.title(), "Message bus");
}));

Deno.test(
  browserTest(
    "page: as long as nothing came it has commands with the addresses of this bus",
    async (browser) => {
      await using bus = await start();
      const { page, complaints } = await openPage(browser, bus.url);
      await live(page);
      const commands = page.locator("#empty-more pre");
      await commands.nth(3).waitFor();
      const texts = await commands.allInnerTexts();
      assert.ok(texts[0]!.includes(`client.ts send --receive ${bus.broker.receiveAddress} `));
      assert.ok(texts[1]!.startsWith(`curl ${bus.url}/messages `));
      bus.broker.sendMessage({ type: "first" });
      await page.locator("#list li").waitFor();
      assert.equal(await page.locator("#empty").isVisible(), false);
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "page: a number of a message is drawn over time, from before and from now on",
    async (browser) => {
      await using bus = await start();
      for (let n = 1; n <= 50; n += 1) bus.broker.sendMessage({ type: "zoom", camera: { factor: n } });
      const { page, complaints } = await openPage(browser, bus.url);
      await live(page);
      await page.locator("#list .head").first().click();
      await page.selectOption("#list .plot-choice", "camera.factor");
      assert.equal(await page.innerText("#number-title"), "zoom: camera.factor");
      await page.locator("#number-note", { hasText: "Now 50, between 1 and 50, 50 messages." }).waitFor();
      bus.broker.sendMessage({ type: "zoom", camera: { factor: 99 } });
      bus.broker.sendMessage({ type: "zoom", camera: "none" });
      await page.locator("#number-note", { hasText: "Now 99, between 1 and 99, 51 messages." }).waitFor();
      const isDrawn = await page.locator("#number-plot").evaluate((canvas) => {
        const { width, height } = canvas as HTMLCanvasElement;
        const { data } = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
        return data.some((value) => value > 0);
      });
      assert.ok(isDrawn);
      await page.click("#number-close");
      assert.equal(await page.locator("#number").isVisible(), false);
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "page: at 1,000 messages a second, with all of it open, a frame has little to do",
    async (browser) => {
      await using bus = await start();
      bus.broker.sendMessage({ type: "zoom", factor: 1, inner: { deep: [1, 2, 3] } });
      const { page, complaints } = await openPage(browser, bus.url);
      await live(page);
      await page.locator("#list .head").click();
      await page.selectOption("#list .plot-choice", "factor");
      await page.fill("#filter", "zoom");
      await page.evaluate(() => {
        const counts = { frames: 0, busiest: 0, touched: 0 };
        Object.assign(globalThis, { counts });
        new MutationObserver((records) => {
          for (const { addedNodes } of records) counts.touched += addedNodes.length;
        }).observe(document.body, { childList: true, subtree: true });
        const step = () => {
          counts.frames += 1;
          counts.busiest = Math.max(counts.busiest, counts.touched);
          counts.touched = 0;
          requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
      });
      await new Promise<void>((resolve) => {
        let n = 1;
        const timer = setInterval(() => {
          for (let i = 0; i < 20; i += 1) {
            bus.broker.sendMessage({ type: n % 2 === 0 ? "zoom" : "other", factor: n, n: n += 1 });
          }
          if (n < 3000) {
            return;
          }
          clearInterval(timer);
          resolve();
        }, 20);
      });
      await page.waitForFunction(
        (total) => document.getElementById("total")!.textContent === total,
        bus.broker.feed.seq.toLocaleString("en"),
      );
      const { busiest } = await page.evaluate(() =>
        (globalThis as unknown as { counts: { busiest: number } }).counts
      );
      // The rows of a list at most, and the few texts beside it; not the thousands that came.
      assert.ok(busiest > 0 && busiest < 500, `${busiest} nodes in one frame`);
      const elements = await page.evaluate(() => document.querySelectorAll("*").length);
      assert.ok(elements < 2500, `${elements} elements`);
      assert.equal(await page.locator("#list .body").count(), 1);
      assert.deepEqual(complaints, []);
    },
  ),
);
