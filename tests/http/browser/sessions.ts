/// <reference lib="dom" />
/** What a person does on the Sessions page. */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import { PassiveMessageClient } from "../../../client.ts";
import { until } from "../../support/deadline.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { png } from "../support/png.ts";
import { log, Recorded } from "../support/recorded.ts";

const HARD = "a & b + 100 % <b>not bold</b> ü\u{1f9e0}";

async function open(browser: Browser, bus: Recorded, hash = "") {
  const opened = await openPage(browser, `${bus.url}/monitor/sessions${hash}`);
  await opened.page.locator("#session-list li").first().waitFor();
  return opened;
}

const events = (page: Page) => page.locator("#events > li");
const row = (page: Page, text: string) => events(page).filter({ hasText: text });

Deno.test(
  browserTest("sessions: found by a word, opened, renamed, described, marked, deleted", async (browser) => {
    await using bus = await Recorded.start();
    await bus.say(log("rotated the brain"), { type: "subject", subject: 1 });
    await bus.recorder.split({ name: "Wednesday" });
    await bus.say(log("zoomed"));
    const { page, complaints } = await open(browser, bus);
    await page.fill("#search-text", "rotated");
    await page.locator("#session-list li").getByText("Wednesday").waitFor({ state: "detached" });
    await page.locator("#session-list .open").click();
    // The words that found the session filter its events.
    await row(page, "rotated the brain").waitFor();
    assert.equal(await page.inputValue("#events-text"), "rotated");
    assert.match(page.url(), /#session=1$/);

    await page.click('[data-key="edit"]');
    await page.fill(".edit-form input", HARD);
    await page.fill(".edit-form textarea", "two\nlines");
    await page.click(".edit-form button[type=submit]");
    await page.locator("#session-name", { hasText: HARD }).waitFor();
    await page.click('#session-head [data-key="star"]');
    await page.locator('#session-head .star[aria-pressed="true"]').waitFor();
    const { name, description, star } = await bus.archive.session(1);
    assert.deepEqual([name, description, star], [HARD, "two\nlines", true]);
    await page.fill("#search-text", "");
    await page.check("#search-starred");
    await page.locator("#session-list li").getByText("Wednesday").waitFor({ state: "detached" });

    await page.click('[data-key="delete"]');
    await page.locator("#dialog", { hasText: "2 messages, 1 events" }).waitFor();
    await page.click("#dialog >> text=Keep it");
    assert.equal((await bus.archive.sessions()).sessions.length, 2);
    await page.click('[data-key="delete"]');
    await page.click("#dialog >> text=Delete it for good");
    await page.locator("#finder-note", { hasText: "No session passes" }).waitFor();
    assert.deepEqual((await bus.archive.sessions()).sessions.map(({ id }) => id), [2]);
    assert.equal(await page.locator("#session").isVisible(), false);
    assert.deepEqual(complaints, []);
  }),
);

Deno.test(
  browserTest(
    "sessions: the one that is recorded grows, cannot be deleted, and can be ended",
    async (browser) => {
      await using bus = await Recorded.start();
      await bus.say(log("first"));
      const { page, complaints } = await open(browser, bus, "#session=1");
      await row(page, "first").waitFor();
      assert.equal(await page.locator('[data-key="delete"]').isDisabled(), true);
      await bus.say(log("second"));
      await row(page, "second").waitFor();
      await page.locator("#events-title", { hasText: "Events (2)" }).waitFor();
      await page.click('[data-key="split"]');
      await page.locator("#session-list li").nth(1).waitFor();
      await page.locator("#no-events", { hasText: "No application has logged an event" }).waitFor();
      assert.match(page.url(), /#session=2$/);
      await page.locator('#session-list .open[aria-current="true"]', { hasText: "recording now" }).waitFor();
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "sessions: notes keep every character, are changed and deleted, and lead to their event",
    async (browser) => {
      await using bus = await Recorded.start();
      await bus.say(log("rotated"), log("zoomed"));
      const { page, complaints } = await open(browser, bus, "#session=1");
      await row(page, "zoomed").locator(".event-head").focus();
      await page.keyboard.press("n");
      await page.locator(".new-note textarea").fill(HARD);
      await page.keyboard.press("Control+Enter");
      await row(page, "zoomed").locator(".note-text", { hasText: HARD }).waitFor();
      assert.equal((await bus.archive.notes(1))[0]!.text, HARD);
      assert.equal((await bus.archive.notes(1))[0]!.seq, 2);
      // The keyboard goes on where it was.
      assert.equal(await page.evaluate(() => document.activeElement!.closest("li")!.dataset.seq), "2");
      await row(page, "zoomed").locator(".a-note >> text=Edit").click();
      await row(page, "zoomed").locator("textarea").fill(`${HARD}!`);
      await row(page, "zoomed").locator("text=Save").click();
      await row(page, "zoomed").locator(".note-text", { hasText: `${HARD}!` }).waitFor();
      await page.click("#all-notes summary");
      await page.locator("#all-notes .a-note .link").first().click();
      await row(page, "zoomed").and(page.locator(".marked")).waitFor();
      await page.locator("#all-notes .a-note >> text=Delete").click();
      await page.click("#dialog >> text=Delete it");
      await row(page, "zoomed").locator(".a-note").waitFor({ state: "detached" });
      assert.deepEqual(await bus.archive.notes(1), []);
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest("sessions: an event shows its picture, its state as it was, its star", async (browser) => {
    await using bus = await Recorded.start();
    const screenshot = await png((x, y) => [255 * x, 255 * y, 0]);
    const text =
      `{"type":"log","action":${JSON.stringify(HARD)},"state":{"big":12345678901234567890},"pid":1,` +
      `"application":"C:\\\\apps\\\\anova.py","time":0,"screenshot":"${screenshot}"}`;
    await bus.say(text, log("without a state", { state: {} }));
    const { page, complaints } = await open(browser, bus, "#session=1");
    const first = row(page, HARD);
    await page.waitForFunction(() =>
      (document.querySelector("#events img") as HTMLImageElement | null)?.naturalWidth === 128
    );
    assert.equal(await first.locator(".badge").innerText(), "anova");
    await first.locator(".event-head").click();
    await first.locator("details summary").click();
    await first.locator(".node").waitFor();
    assert.deepEqual(await first.locator(".node").allInnerTexts(), ['"big": 12345678901234567890']);
    await first.locator(".event-head").focus();
    await page.keyboard.press("s");
    await first.locator('.star[aria-pressed="true"]').waitFor();
    await page.click("#events-starred");
    await row(page, "without a state").waitFor({ state: "detached" });
    assert.equal(await events(page).count(), 1);
    assert.deepEqual(complaints, []);
  }),
);

Deno.test(browserTest("sessions: two instances of an application have numbers", async (browser) => {
  await using bus = await Recorded.start();
  await bus.say(log("one"), log("two", { pid: "a-2" }), log("three", { application: "menu", pid: 3 }));
  const { page } = await open(browser, bus, "#session=1");
  await row(page, "three").waitFor();
  assert.deepEqual(await page.locator("#events .badge").allInnerTexts(), ["anova\n1", "anova\n2", "menu"]);
  await page.selectOption("#events-application", "menu");
  await row(page, "one").waitFor({ state: "detached" });
  assert.equal(await events(page).count(), 1);
}));

Deno.test(
  browserTest("sessions: a link leads to its moment, and the page tells where it is", async (browser) => {
    await using bus = await Recorded.start();
    for (let n = 1; n <= 300; n += 1) await bus.server.sendMessage(log(`step ${n}`) as never);
    await bus.recorder.flushed();
    const { page, complaints } = await open(browser, bus, "#session=1&seq=150");
    await page.locator("#events .marked", { hasText: "step 150" }).waitFor();
    const isVisible = () =>
      page.evaluate(() => {
        const list = document.querySelector("#events")!.getBoundingClientRect();
        const { top, bottom } = document.querySelector("#events .marked")!.getBoundingClientRect();
        return top >= list.top - 1 && bottom <= list.bottom + 1;
      });
    assert.equal(await isVisible(), true);
    // Another moment in the same tab.
    await page.evaluate(() => location.hash = "session=1&seq=20");
    await page.locator("#events .marked", { hasText: /step 20$/ }).waitFor();
    assert.equal(await isVisible(), true);
    assert.deepEqual(complaints, []);
  }),
);

Deno.test(
  browserTest(
    "sessions: going back shows its plan first, sends what is chosen, and claims no more",
    async (browser) => {
      await using bus = await Recorded.start();
      await bus.say(
        { type: "subject", subject: 1 },
        log("rotated"),
        log("started", { state: {}, pid: 7, application: "menu" }),
        { type: "sample", sample: [1, 2] },
        log("later", { pid: "a-2" }),
      );
      await bus.recorder.split();
      const heard: string[] = [];
      await using client = new PassiveMessageClient({ serverBroadcast: bus.server.broadcastAddress });
      client.addEventListener("message", ({ text }) => heard.push(text));
      await client.ready;
      const { page, complaints } = await open(browser, bus, "#session=1&seq=5");
      await page.locator("#events .marked .event-head").focus();
      await page.keyboard.press("g");
      await page.locator("#dialog[open]").waitFor();
      assert.equal(await page.locator("#dialog .plan-line").count(), 5);
      assert.equal(
        await page.locator("#dialog .plan-line", { hasText: "it logged no state" }).locator("input")
          .isDisabled(),
        true,
      );
      await page.locator("#dialog >> text=Send 4 messages").waitFor();
      await page.click("#dialog >> text=Only the application of this event");
      await page.locator("#dialog >> text=Send 1 message").waitFor();
      await page.click("#dialog >> text=Only the application of this event");
      await page.locator("#dialog >> text=Send 4 messages").waitFor();
      await page.locator("#dialog .plan-line", { hasText: "sample" }).locator("input").uncheck();
      await page.locator("#dialog .plan-line", { hasText: "later" }).locator("input").uncheck();
      assert.deepEqual(heard, []);
      await page.click("#dialog >> text=Send 2 messages");
      await page.locator("#dialog .note[data-state=good]", { hasText: "2 messages were sent. Whether" })
        .waitFor();
      await until(() => heard.length === 2, "both messages");
      assert.deepEqual(heard.map((text) => JSON.parse(text).type), ["subject", "reload"]);
      await page.keyboard.press("Escape");
      assert.equal(await page.evaluate(() => document.activeElement!.closest("li")?.dataset.seq), "5");
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest("sessions: a dialog that follows another at once keeps what is in it", async (browser) => {
    await using bus = await Recorded.start();
    await bus.say(log("rotated"));
    await bus.recorder.split();
    const { page } = await open(browser, bus, "#session=1");
    await row(page, "rotated").waitFor();
    await page.click("#session-head >> text=Replay …");
    await page.locator("#dialog >> text=Start the replay").waitFor();
    await page.evaluate(() => {
      const dialog = document.querySelector("#dialog") as unknown as { close(): void };
      dialog.close();
      const button = [...document.querySelectorAll("button")].find((one) => one.textContent === "Replay …");
      (button as unknown as { click(): void }).click();
    });
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
    assert.equal(await page.locator("#dialog >> text=Start the replay").count(), 1);
  }),
);

Deno.test(browserTest("sessions: a replay is asked for once, and steered from the bar", async (browser) => {
  await using bus = await Recorded.start();
  for (let n = 1; n <= 20; n += 1) await bus.say({ type: "subject", subject: n }, log(`looked at ${n}`));
  await bus.recorder.split();
  const heard: { type: string; subject?: number }[] = [];
  await using client = new PassiveMessageClient({ serverBroadcast: bus.server.broadcastAddress });
  client.addEventListener("message", ({ text }) => heard.push(JSON.parse(text)));
  await client.ready;
  const subjects = () => heard.filter(({ type }) => type === "subject").map(({ subject }) => subject);
  const { page, complaints } = await open(browser, bus, "#session=1");
  const live = await openPage(browser, bus.url);
  await page.click('[data-key="replay"]');
  await page.locator("#dialog", { hasText: "What people look at changes" }).waitFor();
  assert.equal(
    await page.locator("#dialog label", { hasText: /^ *log$/ }).locator("input").isChecked(),
    false,
  );
  await page.locator("#dialog label", { hasText: "start paused" }).locator("input").check();
  await page.click("#dialog >> text=Start the replay");
  await page.locator("#replay-bar >> text=Go on").waitFor();
  await live.page.locator(".replay-sign", { hasText: "a replay runs" }).waitFor();
  await page.click("#replay-bar >> text=Step");
  await until(() => subjects().length === 1, "a step");
  await page.locator("#replay-bar .seek").evaluate((slider: HTMLInputElement) => {
    slider.value = slider.max;
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new Event("change"));
  });
  await page.waitForFunction(() =>
    Number((document.querySelector("#replay-bar .seek") as HTMLInputElement).value) > 900
  );
  await page.selectOption("#replay-bar select", "max");
  // A key steers it from anywhere on the page.
  await page.locator("#events").focus();
  await page.keyboard.press("p");
  await page.locator("#replay-bar").waitFor({ state: "hidden" });
  await page.locator("#replay-note", { hasText: "has ended" }).waitFor();
  await live.page.locator(".replay-sign").waitFor({ state: "hidden" });
  assert.ok(subjects().length < 20);
  assert.ok(heard.every(({ type }) => type !== "log"));
  assert.deepEqual([...complaints, ...live.complaints], []);
}));

Deno.test(
  browserTest("sessions: the strip tells what is missing, by mouse and by keyboard", async (browser) => {
    await using bus = await Recorded.start({}, { maxWaitingBytes: 400_000 });
    await bus.say({ type: "subject", subject: 1 }, log("before the flood"));
    await bus.flood(40_000);
    await bus.say(log("after the flood"));
    const { page, complaints } = await open(browser, bus, "#session=1");
    const missing = (await bus.archive.timeline(1)).gaps[0]!.missed!;
    await page.locator("#gaps summary", { hasText: "1 gap" }).click();
    await page.locator("#gaps li", {
      hasText: `${missing.toLocaleString("en")} messages: the disk was too slow`,
    }).waitFor();
    await page.locator("dl.facts [data-state=bad]", { hasText: missing.toLocaleString("en") }).waitFor();
    // Between the events, too, and passed over by the keyboard.
    await page.locator("#events > .gap", {
      hasText: `${missing.toLocaleString("en")} messages are missing here`,
    }).waitFor();
    assert.equal(await page.locator("#events > li").nth(1).getAttribute("class"), "gap");
    await page.locator("#events").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    assert.match(await page.evaluate(() => document.activeElement!.textContent!), /after the flood/);
    await page.locator("#strip").focus();
    await page.keyboard.press("Home");
    let text = "";
    for (let n = 0; n < 240 && !/missing/.test(text); n += 1) {
      await page.keyboard.press("ArrowRight");
      text = (await page.locator("#strip").getAttribute("aria-valuetext"))!;
    }
    assert.match(text, /missing \(the disk was too slow\)/);
    await page.click("#strip-actions >> text=Write a note");
    await page.locator("#strip-note textarea").fill("why?");
    await page.click("#strip-note >> text=Save");
    await page.locator("#all-notes summary", { hasText: "1 note" }).waitFor();
    await page.click("#strip", { position: { x: 5, y: 60 } });
    assert.ok(Number(await page.locator("#strip").getAttribute("aria-valuenow")) < 5);
    assert.deepEqual(complaints, []);
  }),
);

Deno.test(
  browserTest(
    "sessions: a hundred thousand events scroll in a window of a few hundred rows",
    async (browser) => {
      await using bus = await Recorded.start();
      const number = 100_000;
      for (let n = 1; n <= number; n += 1) {
        bus.server.sendJsonMessage(
          `{"type":"log","action":"step ${n}","state":{"n":${n}},"pid":"a","application":"anova","time":0}`,
        );
        if (n % 5000 === 0) await bus.recorder.flushed();
      }
      await bus.recorder.split();
      const { page, complaints } = await open(browser, bus, "#session=1");
      await page.locator("#events-title", { hasText: "Events (100,000)" }).waitFor();
      await page.locator("#events").focus();
      await page.keyboard.press("End");
      await events(page).filter({ hasText: "step 100000" }).waitFor();
      // Upwards, page by page, the rows that are in view stay where they are.
      for (let n = 0; n < 8; n += 1) {
        const moved = await page.evaluate(async () => {
          const list = document.querySelector("#events")!;
          list.scrollTop = 200;
          const top = list.getBoundingClientRect().top;
          const first = [...list.children].find((row) =>
            row.getBoundingClientRect().bottom > top + 1
          ) as HTMLElement;
          const before = first.getBoundingClientRect().top;
          const seq = (list.firstElementChild as HTMLElement).dataset.seq;
          while ((list.firstElementChild as HTMLElement).dataset.seq === seq) {
            await new Promise((resolve) => requestAnimationFrame(resolve));
          }
          return Math.abs(first.getBoundingClientRect().top - before);
        });
        assert.ok(moved < 2, `moved by ${moved} px`);
        assert.ok(await events(page).count() <= 300);
      }
      await page.keyboard.press("Home");
      await events(page).filter({ hasText: /step 1$/ }).waitFor();
      await page.fill("#events-text", "99999");
      await page.waitForFunction(() => document.querySelectorAll("#events > li").length === 1);
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "sessions: the live page says that it is recorded, where to, and pauses it",
    async (browser) => {
      await using bus = await Recorded.start();
      const { page, complaints } = await openPage(browser, bus.url);
      await page.locator("#recording", { hasText: "recording to analysis.db" }).waitFor();
      await page.click("#recording >> text=Pause recording");
      await page.locator("#recording", { hasText: "recording is paused" }).waitFor();
      assert.equal(bus.recorder.pause, true);
      await page.click("#recording >> text=Record again");
      await page.locator("#recording", { hasText: "recording to analysis.db" }).waitFor();
      assert.equal(bus.recorder.pause, false);
      await page.click("#pages >> text=Sessions");
      await page.locator("#session-list li").waitFor();
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest("sessions: a file that is full is told on both pages, with what is lost", async (browser) => {
    await using bus = await Recorded.start({}, { maxWaitingBytes: 1_000_000 }, { maxBytes: 400_000 });
    const noise = () => crypto.getRandomValues(new Uint8Array(30_000)).toBase64();
    const live = await openPage(browser, bus.url);
    const { page } = await open(browser, bus);
    for (let n = 0; n < 60; n += 1) {
      bus.server.sendJsonMessage(JSON.stringify({ type: "log", picture: noise() }));
    }
    for (const opened of [page, live.page]) {
      await opened.locator('#recording [data-state="bad"]', {
        hasText: /no room to record to analysis\.db, \d+ lost/,
      })
        .waitFor();
    }
    const { lost } = bus.recorder.stats();
    assert.ok(Object.values(lost).reduce((sum, number) => sum + number, 0) > 0);
  }),
);

Deno.test(browserTest("sessions: with a token, pictures and exports come as well", async (browser) => {
  await using bus = await Recorded.start({ token: "secret" });
  await bus.say(log("rotated", { screenshot: await png((x) => [255 * x, 0, 0]) }));
  const { page, complaints } = await openPage(browser, `${bus.url}/monitor/sessions`);
  await page.fill("#token", "secret");
  await page.click("#token-form button");
  await page.locator("#session-list .open").click();
  await page.waitForFunction(() =>
    (document.querySelector("#events img") as HTMLImageElement)?.naturalWidth === 128
  );
  const download = page.waitForEvent("download");
  await page.click('[data-key="export"]');
  const text = await Deno.readTextFile(await (await download).path());
  assert.equal(text.trimEnd().split("\n").length, 1);
  assert.deepEqual(complaints, []);
}));

Deno.test(browserTest("sessions: a gateway without an archive says so", async (browser) => {
  await using bus = await Recorded.start({ archive: undefined });
  const { page } = await openPage(browser, `${bus.url}/monitor/sessions`);
  await page.locator("#trouble", { hasText: "--archive FILE" }).waitFor();
  const live = await openPage(browser, bus.url);
  await live.page.locator("#link[data-state=good]").waitFor();
  assert.equal(await live.page.locator("#pages").isVisible(), false);
  assert.equal(await live.page.locator("#recording").isVisible(), false);
}));

Deno.test(
  browserTest(
    "sessions: what comes from outside is shown as text, however it looks, and is replayed",
    async (browser) => {
      await using bus = await Recorded.start();
      const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
      const messages = [
        '{"no":"type"}',
        { type: evil, n: 1 },
        log(evil, { application: evil, pid: { [evil]: evil }, state: { [evil]: evil } }),
        log("\u202egnp.exe", { application: "", pid: null }),
        // More kinds than the page shows.
        ...Array.from({ length: 70 }, (_, n) => ({ type: `kind ${n}` })),
        { type: "reload", target: "a", scenario: {} },
      ];
      await bus.say(...messages);
      await bus.archive.changeSession(1, { name: evil, description: evil });
      await bus.archive.addNote(1, { seq: 3 }, evil);
      await bus.recorder.split();
      const heard: { type?: string; state?: unknown }[] = [];
      await using client = new PassiveMessageClient({ serverBroadcast: bus.server.broadcastAddress });
      client.addEventListener("message", ({ text }) => heard.push(JSON.parse(text)));
      await client.ready;
      const { page, complaints } = await open(browser, bus, "#session=1&seq=3");
      await page.locator("#events .marked .event-head").click();
      await page.locator("#events .marked details summary").click();
      await page.locator("#events .marked .tree", { hasText: "onerror" }).waitFor();
      await page.locator("#kinds", { hasText: "(no type)" }).waitFor();
      await page.keyboard.press("Escape");
      await page.locator("#events .marked .event-head").press("g");
      await page.locator("#dialog .plan-line", { hasText: "onerror" }).waitFor();
      await page.keyboard.press("Escape");
      assert.equal(await page.title(), `${evil} – sessions`);
      assert.equal(await page.locator("#session img[src=x], #session script, #finder img").count(), 0);
      await page.click('[data-key="replay"]');
      await page.selectOption("#dialog select", "max");
      await page.click("#dialog >> text=Start the replay");
      await until(() => heard.some(({ type, state }) => type === "replay" && state === "end"), "the end");
      // All but the two log messages and the reload.
      assert.equal(heard.filter(({ type }) => type !== "replay").length, messages.length - 3);
      assert.deepEqual(complaints, []);
    },
  ),
);
