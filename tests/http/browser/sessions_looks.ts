/// <reference lib="dom" />
/** What the Sessions page looks like, and whether everybody can use it. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { browserTest, openPage } from "../support/browser.ts";
import { Recorded } from "../support/recorded.ts";
import { story } from "../support/story.ts";

/** Where the pictures go that a person looks at. */
const PICTURES = Deno.env.get("PAGE_PICTURES");
const SIZES = [["wide", 1280, 900], ["phone", 390, 844], ["narrow", 320, 568]] as const;
const LONG = `${"Averylongwordwithoutaspace".repeat(6)} and more`;

async function recorded(): Promise<Recorded> {
  const bus = await Recorded.start({}, { maxWaitingBytes: 400_000 });
  await bus.say(...(await story(6)).map(({ message }) => message));
  await bus.flood(40_000);
  await bus.archive.changeSession(1, { name: LONG, description: `Why?\n${LONG}`, star: true });
  await bus.archive.addNote(1, { seq: 11 }, `Look here again.\n${LONG}`);
  await bus.recorder.split({ name: "Wednesday" });
  return bus;
}

async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run(document, { resultTypes: ["violations"] })
  );
  return violations.map(({ id, nodes }) =>
    `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join("\n")}`
  );
}

/** Every look of the page as it is now. */
async function look(page: Page, what: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    for (const [name, width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      const title = `${what}, ${name} and ${colorScheme}`;
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${title}: ${overflow} px too wide`);
      if (PICTURES !== undefined) {
        await page.screenshot({ path: `${PICTURES}/${what}-${name}-${colorScheme}.png`, fullPage: true });
      }
      assert.deepEqual(await findings(page), [], title);
    }
  }
}

async function open(browser: Browser, bus: Recorded, hash: string) {
  const opened = await openPage(browser, `${bus.url}/monitor/sessions${hash}`);
  await opened.page.locator("#session-list li").first().waitFor({ state: "attached" });
  return opened;
}

Deno.test(
  browserTest("sessions: the list, light and dark, wide and narrow, axe finds nothing", async (browser) => {
    await using bus = await recorded();
    const { page, complaints } = await open(browser, bus, "");
    await look(page, "sessions-list");
    assert.deepEqual(complaints, []);
  }),
);

Deno.test(
  browserTest(
    "sessions: a session with everything open, light and dark, wide and narrow",
    async (browser) => {
      await using bus = await recorded();
      const { page, complaints } = await open(browser, bus, "#session=1&seq=11");
      const marked = page.locator("#events .marked");
      await marked.locator(".event-head").click();
      await marked.locator("details summary").click();
      await marked.locator(".tree").waitFor();
      await marked.locator(".event-body >> text=Write a note").click();
      await page.click("#gaps summary");
      await page.click("#all-notes summary");
      await page.locator("#strip").press("End");
      await look(page, "sessions-one");
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "sessions: the dialogs and the replay bar, light and dark, wide and narrow",
    async (browser) => {
      await using bus = await recorded();
      const { page, complaints } = await open(browser, bus, "#session=1&seq=11");
      await page.locator("#events .marked .event-head").press("g");
      await page.locator("#dialog .plan-line").first().waitFor();
      await look(page, "sessions-plan");
      await page.keyboard.press("Escape");
      await page.locator("#events .marked .event-head").press("r");
      await page.locator("#dialog >> text=Start the replay").waitFor();
      await look(page, "sessions-replay");
      await page.locator("#dialog label", { hasText: "start paused" }).locator("input").check();
      await page.click("#dialog >> text=Start the replay");
      await page.locator("#replay-bar >> text=Go on").waitFor();
      await look(page, "sessions-bar");
      await page.click('[data-key="edit"]');
      await look(page, "sessions-edit");
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "sessions: the live page while it is recorded and a replay runs, light and dark, wide and narrow",
    async (browser) => {
      await using bus = await recorded();
      await bus.ask("POST", "/replay", { session: 1, paused: true });
      const { page, complaints } = await openPage(browser, bus.url);
      await page.locator(".replay-sign").waitFor();
      await look(page, "live-recorded");
      assert.deepEqual(complaints, []);
    },
  ),
);
