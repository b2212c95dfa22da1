/// <reference lib="dom" />
/**
 * The pictures of docs/sessions.md, taken from the real page: an archive with an afternoon of work, a broker, a gateway, Chromium.
 * As a program it writes docs/sessions-*.png.
 */
import { chromium, type Page } from "playwright-core";
import { Archive } from "../../archive/mod.ts";
import { MessageServer, serveGateway } from "../../mod.ts";
import { CHROMIUM } from "../http/support/browser.ts";
import { story } from "../http/support/story.ts";

const DOCS = new URL("../../docs/", import.meta.url);
const SIZE = { width: 1080, height: 860 };
const TUESDAY = Date.parse("2026-01-13T09:12:00Z");
const HOUR = 3_600_000;

/** The clock of this process: the afternoon is told in a second, and lies in the past. */
let now = TUESDAY;
Date.now = () => now;
performance.now = () => now - TUESDAY + 1000;

const folder = Deno.makeTempDirSync();
const archive = await Archive.open(`${folder}/analysis.db`);

async function record(name: string, rounds: number, flood: number): Promise<MessageServer> {
  const recorder = await archive.record({ name, maxWaitingBytes: 400_000 });
  const server = new MessageServer({ recorder });
  for (const [n, { afterMs, message }] of (await story(rounds)).entries()) {
    now += afterMs;
    server.sendJsonMessage(JSON.stringify(message));
    await recorder.flushed();
    if (n !== flood) continue;
    for (let i = 0; i < 20_000; i += 1) server.sendJsonMessage(`{"type":"cursor","x":${i}}`);
    await recorder.flushed();
  }
  return server;
}

async function endOf(server: MessageServer): Promise<void> {
  await archive.recorder?.end();
  await server.close();
  now += 20 * HOUR;
}

async function shoot(page: Page, name: string): Promise<void> {
  // Pictures of events come a moment after their rows.
  await page.waitForFunction(() => [...document.images].every(({ complete }) => complete));
  await page.waitForTimeout(300);
  await page.screenshot({ path: new URL(`sessions-${name}.png`, DOCS).pathname });
}

await endOf(await record("Pilot", 3, -1));
await endOf(await record("Corpus callosum and FSIQ", 40, 300));
const server = await record("Thursday", 5, -1);
await archive.changeSession(2, {
  description: "Does the size of the corpus callosum go with FSIQ? For the meeting on Friday.",
  star: true,
});
const { events } = await archive.events(2);
const looked = events.find(({ hasPicture, action }, i) =>
  i > 3 && hasPicture && action.startsWith("Selected")
)!;
await archive.starEvent(2, looked.seq, true);
await archive.addNote(2, { seq: looked.seq }, "The third group stands out. Show this on Friday.");

const gateway = serveGateway(server, { port: 0, archive, log: () => {} });
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  headless: true,
  args: ["--headless", "--no-sandbox", "--disable-gpu"],
});
try {
  const context = await browser.newContext({ viewport: SIZE, timezoneId: "UTC", locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(`${gateway.url}/monitor/sessions#session=2`);
  await page.locator("#events li").first().waitFor();
  await shoot(page, "page");

  await page.goto(`${gateway.url}/monitor/sessions#session=2&seq=${looked.seq}`);
  await page.locator("#events .marked .event-head").click();
  await page.locator("#events .marked details summary").click();
  await page.locator("#events-box").scrollIntoViewIfNeeded();
  await shoot(page, "event");

  await page.locator("#events .marked .event-head").press("g");
  await page.locator("#dialog .plan-line").first().waitFor();
  await shoot(page, "plan");
  await page.keyboard.press("Escape");

  await page.locator("#events .marked .event-head").press("r");
  await page.locator("#dialog label", { hasText: "start paused" }).locator("input").check();
  await page.click("#dialog >> text=Start the replay");
  await page.locator("#replay-bar >> text=Go on").waitFor();
  for (let n = 0; n < 3; n += 1) await page.click("#replay-bar >> text=Step");
  await page.evaluate(() => scrollTo(0, 0));
  await shoot(page, "replay");
} finally {
  await browser.close();
  await gateway.close({ lingerMs: 0 });
  await server.close();
  await archive.close();
  Deno.removeSync(folder, { recursive: true });
}
