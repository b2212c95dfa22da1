/// <reference lib="dom" />
/** The panel of the other sites on the live page. */
import assert from "node:assert/strict";
import { NatsBackbone } from "../../../backbone/mod.ts";
import { MessageServer } from "../../../broker.ts";
import { serveGateway } from "../../../http.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { quiet } from "../support/bus.ts";
import { freePort, hasNatsServer, NatsServer } from "../../support/nats_server.ts";
import { TestSite } from "../../support/sites.ts";

Deno.test(
  browserTest("page: an island is told in red, and without a backbone there is no panel", async (browser) => {
    const backbone = new NatsBackbone({ servers: `127.0.0.1:${freePort()}`, bus: "lab", holdMs: 0 });
    await using server = new MessageServer({ backbone });
    await using gateway = serveGateway(server, { port: 0, ...quiet });
    const { page, complaints } = await openPage(browser, gateway.url);
    const note = page.locator("#sites-note", { hasText: "This site is an island" });
    await note.waitFor();
    const [red, usual] = await page.evaluate(() =>
      ["#sites-note", "#sites-bus"].map((id) => getComputedStyle(document.querySelector(id)!).color)
    );
    assert.notEqual(red, usual);
    await page.locator("#sites-bus", { hasText: "Bus lab, order stream." }).waitFor();
    await using alone = new MessageServer();
    await using plain = serveGateway(alone, { port: 0, ...quiet });
    const { page: other } = await openPage(browser, plain.url);
    await other.locator("#people").waitFor();
    assert.equal(await other.locator("#sites").isVisible(), false);
    assert.deepEqual(complaints, []);
  }),
);

Deno.test({
  ...browserTest("page: it lists the sites that are heard", async (browser) => {
    await using nats = await NatsServer.start();
    const [ward, lab] = await TestSite.joined(["ward", "lab"], { servers: nats.url }) as [TestSite, TestSite];
    await using gateway = serveGateway(lab.server, { port: 0, ...quiet });
    ward.say();
    ward.say();
    await lab.untilHeard(2);
    const { page, complaints } = await openPage(browser, gateway.url);
    await page.locator("#sites-rows tr", { hasText: /^ward\s*2$/ }).waitFor();
    await page.locator("#sites-note", { hasText: "Joined with the other sites." }).waitFor();
    assert.deepEqual(complaints, []);
    await gateway.close();
    await ward.server.close();
    await lab.server.close();
  }),
  ...(hasNatsServer ? {} : { ignore: true }),
});
