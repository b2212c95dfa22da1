/// <reference lib="dom" />
import assert from "node:assert/strict";
import { browserTest, openPage } from "../support/browser.ts";
import { form } from "../support/bus.ts";
import { Child } from "../support/child.ts";

Deno.test(
  browserTest(
    "examples/web: the three pages show what comes, and the one with a box sends",
    async (browser) => {
      await using program = Child.deno(["--allow-net=127.0.0.1"], "examples/web/serve.ts");
      const addresses: string[] = [];
      while (addresses.length < 4) addresses.push((await program.line())!);
      const { origin } = new URL(addresses[0]!);
      const pages = [];
      for (const name of ["event_stream", "long_poll", "web_socket"]) {
        assert.ok(addresses.includes(`${origin}/${name}.html`));
        pages.push(await openPage(browser, `${origin}/${name}.html`));
      }
      for (let waiting = ""; waiting !== '{"longpoll":1,"sse":1,"websocket":1}';) {
        waiting = await (await fetch(`${origin}/messages/subscribers`)).text();
      }
      await (await fetch(`${origin}/messages`, form('{"type":"from","n":1}'))).text();
      for (const { page } of pages) {
        await page.locator("li", { hasText: '{"type":"from","n":1}' }).waitFor();
      }
      await pages[2]!.page.click("button");
      for (const { page } of pages) await page.locator("li", { hasText: '"subject":119' }).waitFor();
      assert.deepEqual(pages.flatMap(({ complaints }) => complaints), []);
    },
  ),
);
