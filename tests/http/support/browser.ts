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

/** The one browser of all tests: a start costs a second, a context next to nothing. */
let started: Promise<Browser> | undefined;

function start(): Promise<Browser> {
  // playwright makes a fresh profile and removes it.
  return started ??= chromium.launch({
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
      // A name of somebody else's that leads to this machine.
      "--host-resolver-rules=MAP evil.example 127.0.0.1",
    ],
  });
}

Deno.test.afterAll(async () => {
  await (await started)?.close();
});

/** A test in the browser. The driver keeps a process and pipes for longer than one test: no leaks of this one. */
export function browserTest(name: string, run: (browser: Browser) => Promise<void>): Deno.TestDefinition {
  return {
    name: missing === undefined ? name : `${name} (ignored: ${missing})`,
    ignore: missing !== undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const browser = await start();
      try {
        await run(browser);
      } finally {
        for (const context of browser.contexts()) await context.close();
      }
    },
  };
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
  page.setDefaultTimeout(20_000);
  await page.goto(url);
  return { page, complaints };
}
