/// <reference lib="dom" />
/** What the live page looks like, and whether everybody can use it. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { MessageServer } from "../../../broker.ts";
import { PassiveMessageClient } from "../../../client.ts";
import { serveGateway } from "../../../http.ts";
import { RawPeer } from "../../support/raw_peer.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { type Bus, quiet, startBus } from "../support/bus.ts";

/** Where the pictures go that a person looks at. */
const PICTURES = Deno.env.get("PAGE_PICTURES");

const NOW = 1_767_225_600_000;
/** What a broker in the process of the gateway tells. */
const BROKER = {
  connections: [
    {
      role: "send",
      address: "127.0.0.1:40112",
      since: NOW,
      lastHeard: NOW,
      messages: 1234,
      bytes: 56_789,
      queued: 0,
      dropped: 0,
      name: "anova",
      instanceId: "anova-1",
      pid: 4711,
    },
    {
      role: "listen",
      address: "127.0.0.1:40114",
      since: NOW,
      lastHeard: NOW,
      messages: 120_000,
      bytes: 12_345_678,
      queued: 17,
      dropped: 54_791,
      name: "anova",
      instanceId: "anova-1",
      pid: 4711,
    },
    {
      role: "listen",
      address: "127.0.0.1:40116",
      since: NOW,
      lastHeard: NOW,
      messages: 3,
      bytes: 300,
      queued: 0,
      dropped: 0,
    },
  ],
  refusals: [
    {
      time: NOW + 1000,
      reason: "multipart",
      sender: "127.0.0.1:40122",
      text: "(2 frames, 71 bytes)",
    },
    {
      time: NOW + 2000,
      reason: "not-json",
      sender: "127.0.0.1:40120 (explorer)",
      text: '{"type":"sample","sample":[NaN, 31, 207]}',
    },
  ],
  failedHandshakes: [
    {
      time: NOW,
      address: "127.0.0.1:40124",
      role: "send",
      code: "wrong-socket-type",
      message: "Cannot talk to a SUB here",
      hint: "are the two addresses swapped?",
    },
    {
      time: NOW - 100,
      address: "127.0.0.1:40126",
      role: "send",
      code: "wrong-socket-type",
      message: "Cannot talk to a SUB here",
      hint: "are the two addresses swapped?",
    },
  ],
  web: { longpoll: 0, sse: 0, websocket: 1 },
};

const KINDS = [
  '{"type":"subject","subject":119}',
  '{"type":"sample","sample":[119,31,207,144,12],"target":"explorer-2"}',
  '{"type":"log","action":"rotated the brain view","state":{"camera":{"position":[12.5,-3,88],"zoom":1.25}},"pid":"explorer-2","application":"subject_overview","time":1767225600}',
  '{"type":"variables","variables":["age","weight","FSIQ"]}',
  '{"type":"Visualization","source":"anova","scenario":{"variables":["age"],"plot":"scatter"}}',
  '{"type":"ready","source_pid":4711,"source_id":"explorer-2"}',
];

/** A page whose gateway has a broker in its process. */
async function pageWithPanels(browser: Browser, url: string) {
  const context = await browser.newContext();
  await context.route("**/broker", (route) => route.fulfill({ json: BROKER }));
  const opened = await openPage(context, url);
  await opened.page.locator("#link[data-state=good]").waitFor();
  return opened;
}

async function send(bus: Bus, page: Page, number: number): Promise<void> {
  for (let n = 0; n < number; n += 1) bus.client.sendJsonMessage(KINDS[(n * 7 + n % 3) % KINDS.length]!);
  await page.locator("#total").getByText(`${number}`, { exact: true }).waitFor();
}

/** Everything at once: messages, an opened one, a gap, the panels, a text that was not sent. */
async function fullPage(browser: Browser) {
  await using first = await startBus();
  const opened = await pageWithPanels(browser, first.url);
  const { page } = opened;
  await send(first, page, 20);
  await first.gateway.close();
  await page.locator("#link[data-state=bad]").waitFor();
  const bus = await startBus({ port: first.port });
  await page.locator("#link[data-state=good]").waitFor();
  await page.locator("#list li.gap").waitFor();
  await page.locator("#total").getByText("0", { exact: true }).waitFor();
  await send(bus, page, 8);
  await page.locator("#list .head", { hasText: "camera" }).first().click();
  await page.fill("#text", "{not json}");
  await page.click("#send-form button[type=submit]");
  await page.locator("#send-note[data-state=bad]").waitFor();
  await page.locator("#refused-rows li").first().waitFor();
  return { bus, ...opened };
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

const SIZES = [["wide", 1280, 900], ["phone", 390, 844], ["narrow", 320, 568]] as const;

Deno.test(
  browserTest(
    "page: light and dark, wide and narrow, axe finds nothing and nothing is too wide",
    async (browser) => {
      const { page, bus, complaints } = await fullPage(browser);
      await using _ = bus;
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        for (const [name, width, height] of SIZES) {
          await page.setViewportSize({ width, height });
          const look = `${name} and ${colorScheme}`;
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(overflow <= 0, `${look}: ${overflow} px too wide`);
          if (PICTURES !== undefined) {
            await page.screenshot({ path: `${PICTURES}/${name}-${colorScheme}.png`, fullPage: true });
          }
          assert.deepEqual(await findings(page), [], look);
        }
      }
      assert.deepEqual(complaints, []);
    },
  ),
);

Deno.test(
  browserTest(
    "page: it shows what waits and what is lost, and joins what belongs together",
    async (browser) => {
      await using bus = await startBus();
      const { page } = await pageWithPanels(browser, bus.url);
      await page.locator("#people-note", { hasText: "Connections that send: 1, that listen: 2." }).waitFor();
      const people = await page.locator("#people-rows tr").allInnerTexts();
      assert.equal(people.length, 2);
      assert.match(
        people[0]!,
        /^anova\s+127\.0\.0\.1:40112, process 4711, since \S+\s+1,234\s+57 kB\s+120,000\s+12\.3 MB\s+17 wait\s+54,791 lost$/,
      );
      assert.match(people[1]!, /^127\.0\.0\.1:40116\s+since \S+\s+–\s+3\s+300 B$/);
      const refused = await page.locator("#refused-rows li").allInnerTexts();
      assert.equal(refused.length, 3);
      assert.match(
        refused[0]!,
        /not-json\s+from 127\.0\.0\.1:40120 \(explorer\)\s+\{"type":"sample","sample":\[NaN/,
      );
      assert.match(refused[1]!, /multipart\s+from 127\.0\.0\.1:40122\s+\(2 frames/);
      assert.match(
        refused[2]!,
        /no connection: wrong-socket-type, 2 times\s+from 127\.0\.0\.1:40124 at .+ send to\s+are the two/,
      );
    },
  ),
);

Deno.test(
  browserTest("page: it shows who is here, what was refused and who could not join", async (browser) => {
    await using server = new MessageServer();
    await using gateway = serveGateway(server, { port: 0, ...quiet });
    await using client = new PassiveMessageClient({ ...server.addresses, name: "viewer" });
    await client.ready;
    await using peer = await RawPeer.join(server.receiveAddress, "PUSH");
    await peer.send("[NaN]");
    await using _swapped = new PassiveMessageClient({ serverBroadcast: server.receiveAddress });
    const { page, complaints } = await openPage(browser, gateway.url);
    await page.locator("#people-rows tr", { hasText: /^viewer/ }).waitFor();
    assert.equal(await page.locator("#people-rows tr").count(), 2);
    await page.locator("#refused-rows li", { hasText: /not-json.*from 127\.0\.0\.1.*\[NaN\]/ }).waitFor();
    await page.locator("#refused-rows li", { hasText: "are the two addresses swapped?" }).waitFor();
    assert.deepEqual(complaints, []);
  }),
);

Deno.test(browserTest("page: a gateway beside the broker has no such panels", async (browser) => {
  await using bus = await startBus();
  const { page } = await openPage(browser, "about:blank");
  const told = page.waitForResponse(/\/broker$/);
  await page.goto(bus.url);
  assert.equal((await told).status(), 404);
  await page.locator("#link[data-state=good]").waitFor();
  assert.equal(await page.locator("#people").isVisible(), false);
  assert.equal(await page.locator("#refused").isVisible(), false);
}));

Deno.test(
  browserTest(
    "page: axe finds nothing while it is empty, nor with a plot and older messages",
    async (browser) => {
      await using bus = await startBus();
      const { page } = await openPage(browser, bus.url);
      await page.locator("#empty-more pre").first().waitFor();
      const look = async (what: string) => {
        for (const [name, width, height] of SIZES) {
          await page.setViewportSize({ width, height });
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(overflow <= 0, `${what}, ${name}: ${overflow} px too wide`);
          assert.deepEqual(await findings(page), [], `${what}, ${name}`);
        }
      };
      await look("empty");
      for (let n = 0; n < 2; n += 1) for (const text of KINDS) bus.client.sendJsonMessage(text);
      await page.locator("#list .head", { hasText: "camera" }).first().click();
      await page.selectOption("#list .plot-choice", "state.camera.zoom");
      await page.click("#older");
      await page.locator("#range-note", { hasText: "Nothing older" }).waitFor();
      await page.locator("#now-rows dd").first().waitFor();
      await look("full");
    },
  ),
);
