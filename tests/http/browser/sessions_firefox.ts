/// <reference lib="dom" />
/** The Sessions page in Firefox: one way through all of it. */
import assert from "node:assert/strict";
import axe from "axe-core";
import { firefoxTest } from "../support/firefox.ts";
import { png } from "../support/png.ts";
import { log, Recorded } from "../support/recorded.ts";

const HARD = "a & b + 100 % <b>not bold</b> ü\u{1f9e0}";

Deno.test(
  firefoxTest(
    "sessions in Firefox: search, star, note, picture, state, way back, replay, strip",
    async (browser) => {
      await using bus = await Recorded.start();
      await bus.say(
        { type: "subject", subject: 1 },
        log("rotated the brain", { screenshot: await png((x, y) => [255 * x, 255 * y, 0]) }),
        { type: "subject", subject: 2 },
        log("zoomed"),
      );
      await bus.recorder.split({ name: "Wednesday" });
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      await page.goto(`${bus.url}/monitor/sessions`);
      /** A background tab of a Firefox without a screen gets no mouse: the element is pressed itself. */
      const press = (selector: string) => page.$eval(selector, (element) => (element as HTMLElement).click());
      const shows = (selector: string, text: string) =>
        page.waitForFunction(
          (selector, text) => document.querySelector(selector)?.textContent?.includes(text) ?? false,
          { polling: 50 },
          selector,
          text,
        );
      await shows("#session-list", "Wednesday");
      await press('#session-list li[data-id="1"] .open');
      await shows("#events", "zoomed");
      await press("#events li:first-child .event-head");
      await press("#events li:first-child details summary");
      await shows("#events li:first-child .tree", '"zoom": 1');
      await page.$eval("#events img", (image) => image.scrollIntoView());
      await page.waitForFunction(
        () => (document.querySelector("#events img") as HTMLImageElement)?.naturalWidth === 128,
        { polling: 50 },
      );
      await press("#events li:first-child .star");
      await page.waitForFunction(
        () => document.querySelector("#events li:first-child .star")?.getAttribute("aria-pressed") === "true",
        { polling: 50 },
      );
      await page.$eval("#events li:last-child .event-head", (head) => {
        (head as HTMLElement).focus();
        head.dispatchEvent(new KeyboardEvent("keydown", { key: "n", bubbles: true }));
      });
      await page.$eval(
        "#events li:last-child textarea",
        (box, text) => (box as HTMLTextAreaElement).value = text,
        HARD,
      );
      await press("#events li:last-child .note-form button[type=submit]");
      await shows("#events li:last-child .note-text", HARD);
      assert.equal((await bus.archive.notes(1))[0]!.text, HARD);

      await page.$eval(
        "#events li:last-child .event-head",
        (head) => head.dispatchEvent(new KeyboardEvent("keydown", { key: "g", bubbles: true })),
      );
      await shows("#dialog", "Nothing has been sent yet");
      await press("#dialog .main");
      await shows("#dialog", "2 messages were sent");
      await press("#dialog .dialog-buttons button");

      await press('[data-key="replay"]');
      await shows("#dialog", "Replay session 1");
      await page.$eval("#dialog", (dialog) => {
        const label = [...dialog.querySelectorAll("label")].find(({ textContent }) =>
          textContent!.includes("start paused")
        )!;
        label.querySelector("input")!.click();
      });
      await press("#dialog .main");
      await shows("#replay-bar", "Go on");
      await press("#replay-bar .danger");
      await shows("#replay-note", "has ended");

      await page.$eval(
        "#strip",
        (strip) => strip.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true })),
      );
      await shows("#strip-text", ":");
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() =>
        (globalThis as unknown as { axe: typeof axe }).axe.run(document, { resultTypes: ["violations"] })
      );
      assert.deepEqual(
        violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`),
        [],
      );
      assert.deepEqual(complaints, []);
    },
  ),
);
