/**
 * A real Chromium, where there is one.
 */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

export const CHROMIUM = "/usr/bin/chromium";

/** Why the tests of the page are ignored; `undefined` where they run. */
export const missing: string | undefined = hasChromium() ? undefined : `there is no ${CHROMIUM}`;

function hasChromium(): boolean {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch {
    return false;
  }
}

/** A test in a browser. Leaks of the driver are its own: it keeps a process and pipes for as long as it likes. */
export function browserTest(
  name: string,
  run: (browser: Browser) => Promise<void>,
  args: readonly string[] = [],
): void {
  Deno.test({
    name: missing === undefined ? name : `${name} (ignored: ${missing})`,
    ignore: missing !== undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      // playwright makes a fresh profile for each launch and removes it.
      const browser = await chromium.launch({
        executablePath: CHROMIUM,
        headless: true,
        args: [
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          ...args,
        ],
      });
      try {
        await run(browser);
      } finally {
        await browser.close();
      }
    },
  });
}

/** A page whose complaints are collected: errors of scripts and of the content security policy. */
export async function openPage(
  context: BrowserContext | Browser,
  url: string,
): Promise<{ readonly page: Page; readonly complaints: readonly string[] }> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A gateway that is away shows as an error of the network, which is no fault of the page.
    if (message.type() === "error" && !/net::ERR_|status of (?:401|4\d\d|503)/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  page.setDefaultTimeout(10_000);
  await page.goto(url);
  return { page, complaints };
}
