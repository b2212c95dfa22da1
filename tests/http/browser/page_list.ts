/// <reference lib="dom" />
/** What the live page makes of large messages, and of many. */
import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";
import { browserTest, openPage } from "../support/browser.ts";
import { type Bus, startBus } from "../support/bus.ts";

const live = (page: Page) => page.locator("#link[data-state=good]").waitFor();
const total = (page: Page, text: string) => page.locator("#total").getByText(text, { exact: true }).waitFor();

/** The elements of the list, all in all. */
const elements = (page: Page) => page.locator("#list *").count();

const small = Array.from({ length: 10_000 }, (_, i) => ({ i }));
const DEPTH = 50_000;

/** What is large in one way, and how many elements one click may make. */
const LARGE: readonly (readonly [title: string, text: string])[] = [
  ["10,000 small objects", JSON.stringify({ type: "large", small })],
  ["10,000 members", JSON.stringify({ type: "large", ...small })],
  ["a depth of 50,000", `{"type":"large","deep":${"[".repeat(DEPTH)}1${"]".repeat(DEPTH)}}`],
  ["one long text", JSON.stringify({ type: "large", text: "x".repeat(1_000_000) })],
  ["one long key", JSON.stringify({ type: "large", ["k".repeat(1_000_000)]: 1 })],
];
const MOST_ELEMENTS = 700;

for (const [title, text] of LARGE) {
  Deno.test(
    browserTest(
      `page: to open a message with ${title} makes few elements, and each click inside as well`,
      async (browser) => {
        await using bus = await startBus();
        bus.client.sendJsonMessage(text);
        const { page, complaints } = await openPage(browser, bus.url);
        await live(page);
        const head = page.locator("#list .head");
        await head.click();
        await page.locator("#list .node").first().waitFor();
        let before = 0;
        for (let click = 0; click < 5; click += 1) {
          const now = await elements(page);
          assert.ok(now - before <= MOST_ELEMENTS, `${now - before} elements by click ${click}`);
          const length = await page.locator("#list").evaluate((list) => list.textContent!.length);
          assert.ok(length < 100_000, `${length} characters in the document`);
          before = now;
          const closed = page.locator("#list .twist[aria-expanded=false], #list .more").last();
          if (await closed.count() === 0) {
            break;
          }
          await closed.click();
        }
        assert.deepEqual(complaints, []);
      },
    ),
  );
}

Deno.test(browserTest("page: a long list opens in slices, whose parts open and close", async (browser) => {
  await using bus = await startBus();
  const parts = Array.from({ length: 250 }, (_, i) => ({ name: `n${i}`, inner: [i, { last: `${i}` }] }));
  bus.broker.sendMessage({ type: "parts", parts });
  const { page } = await openPage(browser, bus.url);
  await live(page);
  await page.locator("#list .head").click();
  const nodes = page.locator("#list .node");
  assert.deepEqual((await nodes.allInnerTexts()).map((text) => text.slice(0, 15)), [
    '"type": "parts"',
    '"parts": [{"nam',
  ]);
  await page.locator("#list .twist").click();
  await page.locator("#list .more", { hasText: "100 shown" }).click();
  await page.locator("#list .more", { hasText: "200 shown" }).click();
  assert.equal(await nodes.count(), 2 + 250);
  await page.locator("#list .twist", { hasText: "n249" }).click();
  assert.deepEqual(
    (await nodes.allInnerTexts()).slice(-5),
    ["249", '"name": "n249"', '"inner":', "0 249", "1", '"last": "249"'].slice(-5),
  );
  await page.locator("#list .twist", { hasText: '"parts":' }).click();
  assert.equal(await nodes.count(), 2);
}));

Deno.test(
  browserTest("page: while it is paused it keeps at most 32 MB, and says what it let go", async (browser) => {
    await using bus = await startBus();
    const { page } = await openPage(browser, bus.url);
    await live(page);
    await page.click("#pause");
    const padding = "x".repeat(2_000_000);
    for (let n = 1; n <= 30; n += 1) {
      bus.broker.sendMessage({ type: "large", n, padding });
      await total(page, `${n}`);
    }
    // 16 MB of them, at two bytes for each character, are 4 at most.
    await page.locator("#list-note", { hasText: "30 new, the oldest 27 of them will not be shown" })
      .waitFor();
    await page.click("#pause");
    await page.locator("#list li.gap", { hasText: "27 messages came while the list was paused" }).waitFor();
    assert.equal(await page.locator("#list .head").count(), 3);
  }),
);

async function flood(bus: Bus, page: Page, number: number): Promise<void> {
  for (let n = 1; n <= number; n += 1) {
    bus.broker.sendMessage({ type: "flood", n, of: number });
    // A read of the gateway takes so many at once without a gap.
    if (n % 250 === 0 || n === number) {
      await page.locator("#list .text", { hasText: `"n":${n},"of":${number}}` }).waitFor();
    }
  }
}

Deno.test(
  browserTest(
    "page: an opened message stays, in its place on the screen, while thousands come",
    async (browser) => {
      await using bus = await startBus();
      const { page } = await openPage(browser, bus.url);
      await live(page);
      await flood(bus, page, 300);
      bus.broker.sendMessage({ type: "kept", inner: { deep: [1, 2] } });
      await page.locator("#list .head", { hasText: "kept" }).click();
      const row = page.locator("#list li", { hasText: "deep" });
      const { top } = await placeOf(row);
      await flood(bus, page, 250);
      assertNear((await placeOf(row)).top, top);
      await flood(bus, page, 3000);
      // It is the last one now, so there is nothing below that could hold it at the top.
      assertInside(await placeOf(row));
      assert.equal(await row.locator(".node").count(), 5);
      assert.equal(await page.locator("#list li").count(), 301);
      // The filter does not lose it either.
      await page.fill("#filter", "deep");
      await page.waitForFunction(() => document.querySelectorAll("#list li").length === 1);
      assert.equal(await row.locator(".node").count(), 5);
      await page.fill("#filter", "");
      await row.locator(".head").click();
      await page.waitForFunction(() => document.querySelectorAll("#list li").length === 300);
    },
  ),
);

/** Where a row is in the list, and how high the list is, both at one moment. */
function placeOf(
  row: Locator,
): Promise<{ readonly top: number; readonly bottom: number; readonly height: number }> {
  return row.evaluate((row) => {
    const list = row.parentElement!.getBoundingClientRect();
    const { top, bottom } = row.getBoundingClientRect();
    return { top: top - list.top, bottom: bottom - list.top, height: list.height };
  });
}

/** A browser scrolls by whole pixels, while rows have fractions of them. */
const PIXEL = 1;

function assertNear(now: number, before: number): void {
  assert.ok(Math.abs(now - before) <= PIXEL, `it was at ${before}, and is at ${now}`);
}

function assertInside(
  { top, bottom, height }: { readonly top: number; readonly bottom: number; readonly height: number },
) {
  assert.ok(top >= -PIXEL && bottom <= height + PIXEL, `it is at ${top} to ${bottom} of ${height}`);
}

/** One after the other, each in a frame of its own. */
async function sendSingly(bus: Bus, page: Page, number: number): Promise<void> {
  for (let n = 1; n <= number; n += 1) {
    bus.broker.sendMessage({ type: "single", n });
    await page.locator("#list .text", { hasText: `"n":${n}}` }).first().waitFor();
  }
}

Deno.test(
  browserTest("page: neither an opened message nor a list that is scrolled creeps", async (browser) => {
    await using bus = await startBus();
    const { page } = await openPage(browser, bus.url);
    await live(page);
    await flood(bus, page, 100);
    const row = page.locator("#list li", { hasText: '"n":90,' });
    await row.locator(".head").click();
    const opened = await placeOf(row);
    await sendSingly(bus, page, 40);
    assertNear((await placeOf(row)).top, opened.top);
    await row.locator(".head").click();
    const closed = await placeOf(row);
    await sendSingly(bus, page, 40);
    assertNear((await placeOf(row)).top, closed.top);
  }),
);

Deno.test(
  browserTest(
    "page: an opened message at the end of the list stays in view when the list gets smaller",
    async (browser) => {
      await using bus = await startBus();
      bus.broker.sendMessage({ type: "kept", inner: { deep: [1, 2] } });
      const { page } = await openPage(browser, bus.url);
      await live(page);
      const row = page.locator("#list li", { hasText: "deep" });
      await row.locator(".head").click();
      await flood(bus, page, 100);
      await row.locator(".head").click();
      await row.locator(".head").click();
      const before = await placeOf(row);
      assertInside(before);
      await page.click("#pause");
      await page.locator("#list-note", { hasText: "Paused" }).waitFor();
      const paused = await placeOf(row);
      assert.ok(paused.height < before.height);
      assertInside(paused);
      await page.setViewportSize({ width: 1280, height: 600 });
      await page.waitForFunction(
        (height) => document.querySelector("#list")!.clientHeight < height - 50,
        paused.height,
      );
      assertInside(await placeOf(row));
    },
  ),
);

Deno.test(
  browserTest("page: what stands below the list comes with the first message, not later", async (browser) => {
    await using bus = await startBus();
    const { page } = await openPage(browser, bus.url);
    await live(page);
    const isHidden = page.evaluate(() => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const observer = new MutationObserver(() =>
        resolve(document.querySelector("#range")!.hasAttribute("hidden"))
      );
      observer.observe(document.querySelector("#list")!, { childList: true });
      return promise;
    });
    // An answer tells that the observer is there.
    await page.evaluate(() => {});
    bus.broker.sendMessage({ type: "first" });
    assert.equal(await isHidden, false);
  }),
);

Deno.test(browserTest("page: of more than 20 opened messages the first ones close", async (browser) => {
  await using bus = await startBus();
  for (let n = 1; n <= 25; n += 1) bus.broker.sendMessage({ type: "x", n });
  const { page } = await openPage(browser, bus.url);
  await live(page);
  await page.locator("#list li").nth(24).waitFor();
  for (const head of await page.locator("#list .head").all()) await head.click();
  assert.equal(await page.locator("#list .body").count(), 20);
  assert.equal(
    await page.locator("#list li .body").first().locator("..").locator(".text").innerText(),
    '{"type":"x","n":20}',
  );
}));

Deno.test(browserTest("page: totals say since when they count", async (browser) => {
  await using bus = await startBus();
  bus.broker.sendMessage({ type: "before" });
  const { time } = await until1(bus);
  const { page } = await openPage(browser, bus.url);
  await live(page);
  await page.locator("#types .type", { hasText: "before" }).waitFor();
  const clock = await page.evaluate((time) => new Date(time).toTimeString().slice(0, 8), time);
  await page.locator("#types-since", { hasText: `Totals since ${clock}` }).waitFor();
}));

/** The first message as the gateway holds it. */
async function until1(bus: Bus): Promise<{ readonly time: number }> {
  const answer = await fetch(`${bus.url}/messages/history?since=earliest&timeout=10`);
  return (await answer.json()).messages[0];
}

Deno.test(browserTest("page: the parts of a message open and close by keyboard", async (browser) => {
  await using bus = await startBus();
  bus.broker.sendMessage({ type: "keys", outer: { inner: 1 } });
  const { page } = await openPage(browser, bus.url);
  await live(page);
  const nodes = page.locator("#list .node");
  await page.locator("#list .head").waitFor();
  await page.focus("#list");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.equal(await nodes.count(), 3);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await nodes.count(), 2);
  await page.keyboard.press("Space");
  assert.equal(await nodes.count(), 3);
}));
