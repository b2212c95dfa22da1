/// <reference lib="dom" />
/** The pages in examples/pages and in the README, as a broker serves them. */
import assert from "node:assert/strict";
import type { BrowserContext, Page } from "playwright-core";
import { MessageServer } from "../../../broker.ts";
import { PassiveMessageClient } from "../../../client.ts";
import { serveGateway } from "../../../http.ts";
import { until } from "../../support/deadline.ts";
import { ROOT } from "../../support/program.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { form, quiet } from "../support/bus.ts";
import { Child } from "../support/child.ts";
import { firefoxTest } from "../support/firefox.ts";

const PAGES = `${ROOT}examples/pages`;

/** The broker as the README starts it, on ports of its own, with this folder of pages. */
async function startBroker(folder = PAGES): Promise<{ readonly url: string } & AsyncDisposable> {
  const program = Child.deno(["--allow-net=127.0.0.1", `--allow-read=${folder}`], "broker.ts", [
    "--http=0",
    "--broadcast-port=0",
    "--receive-port=0",
    "--json",
    "--pages",
    folder,
  ]);
  const { http } = JSON.parse((await program.line())!);
  return { url: http, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

async function post(url: string, message: Record<string, unknown>): Promise<void> {
  await (await fetch(`${url}/messages?confirm=5`, form(JSON.stringify(message)))).text();
}

Deno.test(browserTest(
  "examples/pages: three ways without /client.js show what comes, and the one with a box sends",
  async (browser) => {
    await using broker = await startBroker();
    const context = await browser.newContext();
    const pages = [];
    // Two tabs with a long-poll: the browser must not let the one wait for the answer of the other.
    for (const name of ["event_stream", "long_poll", "web_socket", "long_poll"]) {
      pages.push(await openPage(context, `${broker.url}/${name}.html`));
    }
    let waiting = "";
    for (const end = AbortSignal.timeout(20_000); waiting !== '{"longpoll":2,"sse":1,"websocket":1}';) {
      assert.ok(!end.aborted, `not all of them wait at the gateway: ${waiting}`);
      waiting = await (await fetch(`${broker.url}/messages/subscribers`)).text();
    }
    await post(broker.url, { type: "from", n: 1 });
    for (const { page } of pages) await page.locator("li", { hasText: '{"type":"from","n":1}' }).waitFor();
    await pages[2]!.page.click("button");
    for (const { page } of pages) await page.locator("li", { hasText: '"subject":119' }).waitFor();
    assert.deepEqual(pages.flatMap(({ complaints }) => complaints), []);
  },
));

/** What a test does with a page, in Chromium as in Firefox. */
interface Tab {
  goto(url: string): Promise<unknown>;
  click(selector: string): Promise<void>;
  /** Waits until an element has this text. */
  shows(selector: string, text: string): Promise<void>;
}

/** The pages with /client.js in one browser, a tab for each. */
async function useExamples(url: string, openTab: () => Promise<Tab>): Promise<void> {
  await post(url, { type: "subject", subject: 7 });
  const [subject, sample, all] = [await openTab(), await openTab(), await openTab()];
  await subject.goto(`${url}/subject.html`);
  await sample.goto(`${url}/sample.html`);
  await all.goto(`${url}/all.html`);
  await all.shows("#state", "live");
  await all.shows("#list", '{"type":"subject","subject":7}');
  await subject.shows("#subject", "7");
  await post(url, { type: "sample", sample: [31, 207] });
  await sample.shows("#list", "31207");
  await sample.click("#list button:last-of-type");
  await subject.shows("#subject", "207");
  await subject.click("button");
  await subject.shows("#subject", "119");
  await all.shows("#list", '{"type":"subject","subject":119}');
  const subscribers = await (await fetch(`${url}/messages/subscribers`)).json();
  assert.equal(subscribers.websocket, 1);
}

Deno.test(browserTest(
  "examples/pages: the three with /client.js stay in step in Chromium, over one connection",
  async (browser) => {
    await using broker = await startBroker();
    const context = await browser.newContext();
    const complaints: (readonly string[])[] = [];
    await useExamples(broker.url, async () => {
      const tab = await openPage(context, "about:blank");
      complaints.push(tab.complaints);
      return {
        goto: (url) => tab.page.goto(url),
        click: (selector) => tab.page.locator(selector).last().click(),
        shows: (selector, text) => tab.page.locator(selector, { hasText: text }).first().waitFor(),
      };
    });
    assert.deepEqual(complaints.flat(), []);
  },
));

Deno.test(firefoxTest(
  "examples/pages: the three with /client.js stay in step in Firefox, over one connection",
  async (browser) => {
    await using broker = await startBroker();
    await useExamples(broker.url, async () => {
      const page = await browser.newPage();
      return {
        goto: (url) => page.goto(url),
        // Not by the mouse, whose click is lost in a tab that is not in front yet.
        click: async (selector) => {
          await page.$$eval(selector, (buttons) => (buttons.at(-1) as HTMLElement).click());
        },
        shows: async (selector, text) => {
          await page.waitForFunction(
            (selector, text) => document.querySelector(selector)?.textContent?.includes(text),
            { polling: 50, timeout: 20_000 },
            selector,
            text,
          );
        },
      };
    });
  },
));

Deno.test(browserTest("README: its web page works with its first command", async (browser) => {
  const [, html] = /^```html\n([\s\S]*?)^```$/m.exec(await Deno.readTextFile(`${ROOT}README.md`))!;
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/hello.html`, html!);
  try {
    await using broker = await startBroker(folder);
    const { page, complaints } = await openPage(browser, `${broker.url}/hello.html`);
    const second = await openPage(browser, `${broker.url}/hello.html`);
    await page.locator("output", { hasText: "not known yet" }).waitFor();
    await page.click("button");
    for (const each of [page, second.page]) await each.locator("output", { hasText: "119" }).waitFor();
    assert.deepEqual([...complaints, ...second.complaints], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}));

async function openExample(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

Deno.test(
  browserTest("examples/pages: the EventSource hears a broker that comes after it", async (browser) => {
    const before = new MessageServer();
    const { broadcastAddress, receiveAddress } = before;
    await before.close();
    await using client = new PassiveMessageClient({
      serverBroadcast: broadcastAddress,
      serverReceive: receiveAddress,
    });
    await using gateway = serveGateway(client, { port: 0, pages: PAGES, ...quiet });
    await using context = await browser.newContext();
    const page = await openExample(context, `${gateway.url}/event_stream.html`);
    await until(() => gateway.stats().waiting.sse === 1, "the event stream");
    await using broker = new MessageServer({
      broadcastPort: Number(new URL(broadcastAddress).port),
      receivePort: Number(new URL(receiveAddress).port),
    });
    await client.ready;
    broker.sendMessage({ type: "late" });
    await page.locator("li", { hasText: '{"type":"late"}' }).waitFor();
  }),
);

Deno.test(browserTest("examples/pages: two tabs with the long-poll hear every message", async (browser) => {
  await using broker = new MessageServer();
  await using gateway = serveGateway(broker, { port: 0, pages: PAGES, ...quiet });
  await using context = await browser.newContext();
  const url = `${gateway.url}/long_poll.html`;
  const tabs = [await openExample(context, url), await openExample(context, url)];
  const all: string[] = [];
  for (let n = 0; n < 20; n++) {
    await until(() => gateway.stats().waiting.longpoll === 2, "both tabs");
    broker.sendMessage({ type: "n", n });
    all.push(`{"type":"n","n":${n}}`);
    for (const tab of tabs) await tab.locator("li").nth(n).waitFor();
  }
  for (const tab of tabs) assert.deepEqual(await tab.locator("li").allInnerTexts(), all);
}));
