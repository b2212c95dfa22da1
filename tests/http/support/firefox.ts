/**
 * A real Firefox, where there is one, driven over WebDriver BiDi.
 */
import puppeteer, { type Browser } from "puppeteer-core";

const FIREFOX = "/usr/bin/firefox-esr";

function hasFirefox(): boolean {
  try {
    return Deno.statSync(FIREFOX).isFile;
  } catch {
    return false;
  }
}

/** A test in Firefox. Leaks of the driver are its own. */
export function firefoxTest(name: string, run: (browser: Browser) => Promise<void>): Deno.TestDefinition {
  const ignore = !hasFirefox();
  return {
    name: ignore ? `${name} (ignored: there is no ${FIREFOX})` : name,
    ignore,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const browser = await puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, headless: true });
      try {
        await run(browser);
      } finally {
        await browser.close();
      }
    },
  };
}
