/// <reference lib="dom" />
/** /client.js in Chromium: what a page hears, whatever happens to it, to the network and to the broker. */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import { MessageServer } from "../../../broker.ts";
import { type GatewayServer, serveGateway, type ServeGatewayOptions } from "../../../http.ts";
import { until } from "../../support/deadline.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { quiet } from "../support/bus.ts";
import { Child } from "../support/child.ts";
import { Relay } from "../support/relay.ts";
import { pageFolder, pageHtml, type PageScope, pageUrl } from "../support/web_page.ts";

/** The global scope of the page, for what runs there. */
declare const scope: PageScope;
const TABS = 8;
const OWN = { isShared: false };

/** A broker with a gateway that serves the page. */
async function start(options: ServeGatewayOptions = {}, history?: number): Promise<
  & { readonly broker: MessageServer; readonly gateway: GatewayServer; readonly folder: string }
  & AsyncDisposable
> {
  await using stack = new AsyncDisposableStack();
  const { folder } = stack.use(await pageFolder());
  const broker = stack.use(
    new MessageServer(history === undefined ? {} : { history: { messages: history } }),
  );
  const gateway = stack.use(serveGateway(broker, { port: 0, pages: folder, ...quiet, ...options }));
  const moved = stack.move();
  return { broker, gateway, folder, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

async function open(browser: Browser, url: string): Promise<Page> {
  const { page } = await openPage(browser, url);
  await page.evaluate(() => scope.bus.ready);
  return page;
}

/** Waits until the page was told so many things; answers with them. */
async function heard(page: Page, number: number): Promise<readonly string[]> {
  await page.waitForFunction((number) => scope.heard.length >= number, number, { timeout: 20_000 });
  return await page.evaluate(() => scope.heard);
}

function sendMany(broker: MessageServer, first: number, last: number): string[] {
  const texts = [];
  for (let n = first; n <= last; n += 1) texts.push(JSON.stringify({ type: "n", n }));
  for (const text of texts) broker.sendJsonMessage(text);
  return texts;
}

Deno.test(
  browserTest("client.js: eight tabs share one connection, and each hears all in order", async (browser) => {
    await using bus = await start();
    const context = await browser.newContext();
    const tabs = [];
    for (let i = 0; i < TABS; i += 1) {
      const { page } = await openPage(context, pageUrl(bus.gateway.url));
      await page.evaluate(() => scope.bus.ready);
      tabs.push(page);
    }
    assert.equal(bus.gateway.stats().waiting.websocket, 1);
    const texts = sendMany(bus.broker, 1, 3000);
    for (const tab of tabs) assert.deepEqual(await heard(tab, 3000), texts);
    // The tab that was first is gone, and the others do not notice.
    await tabs.shift()!.close();
    const more = sendMany(bus.broker, 3001, 3010);
    for (const tab of tabs) assert.deepEqual((await heard(tab, 3010)).slice(3000), more);
    assert.equal(bus.gateway.stats().waiting.websocket, 1);
    await context.close();
    await until(() => bus.gateway.stats().waiting.websocket === 0, "the end of the connection");
  }),
);

Deno.test(
  browserTest(
    "client.js: send() says the number, current() what is valid, watch() begins with it",
    async (browser) => {
      await using bus = await start();
      const page = await open(browser, pageUrl(bus.gateway.url));
      assert.deepEqual(
        await page.evaluate(async () => (await scope.bus.send({ type: "subject", subject: 119 })).seq),
        1,
      );
      assert.deepEqual(
        await page.evaluate(async () => (await scope.bus.current()).map(({ message }) => message)),
        [{ type: "subject", subject: 119 }],
      );
      const code = await page.evaluate(() => scope.bus.send("[1]").then(() => "", (error) => error.code));
      assert.equal(code, "not-an-object");
      const text = '{"type":"subject", "subject":12345678901234567890}';
      await page.evaluate((text) => scope.bus.send(text), text);
      assert.deepEqual(await heard(page, 2), ['{"type":"subject","subject":119}', text]);
      const watched = await page.evaluate(() =>
        new Promise((resolve) =>
          (scope.bus as unknown as { watch: typeof scope.bus.on }).watch("subject", resolve)
        )
      );
      assert.deepEqual(watched, { type: "subject", subject: 12345678901234567000 });
    },
  ),
);

Deno.test(
  browserTest("client.js: since begins where it says: earliest, the last ones, a place", async (browser) => {
    await using bus = await start();
    const texts = sendMany(bus.broker, 1, 2500);
    assert.deepEqual(
      await heard(await open(browser, pageUrl(bus.gateway.url, { since: "earliest" })), 2500),
      texts,
    );
    const last = await open(browser, pageUrl(bus.gateway.url, { since: { last: 10 } }));
    assert.deepEqual(await heard(last, 10), texts.slice(-10));
    const place = await last.evaluate(() => scope.bus.place);
    const more = sendMany(bus.broker, 2501, 2505);
    assert.deepEqual(await heard(await open(browser, pageUrl(bus.gateway.url, { since: place })), 5), more);
    const foreign = await open(browser, pageUrl(bus.gateway.url, { since: "zzzzzzzz.7" }));
    assert.equal((await heard(foreign, 1))[0], "gap null foreign-cursor");
  }),
);

for (const [name, options] of [["with the shared connection", {}], ["with one of its own", OWN]] as const) {
  Deno.test(browserTest(`client.js: a page that slept goes on where it was, ${name}`, async (browser) => {
    await using bus = await start();
    const page = await open(browser, pageUrl(bus.gateway.url, options));
    const before = sendMany(bus.broker, 1, 3);
    await heard(page, 3);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
    const meanwhile = sendMany(bus.broker, 4, 20_000);
    await devtools.send("Page.setWebLifecycleState", { state: "active" });
    assert.deepEqual(await heard(page, 20_000), [...before, ...meanwhile]);
  }));

  Deno.test(
    browserTest(
      `client.js: what a page slept through and is held no longer is told as a gap, ${name}`,
      async (browser) => {
        await using bus = await start({}, 100);
        const page = await open(browser, pageUrl(bus.gateway.url, options));
        const devtools = await page.context().newCDPSession(page);
        await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
        // The shared worker does not sleep: it has what it holds itself, and what is under way to the page.
        for (let n = 0; n < 5; n += 1) {
          sendMany(bus.broker, n * 2000 + 1, n * 2000 + 2000);
          await until(() => bus.gateway.stats().waiting.websocket <= 1, "a turn");
        }
        await devtools.send("Page.setWebLifecycleState", { state: "active" });
        await page.waitForFunction(() => scope.heard.at(-1) === '{"type":"n","n":10000}');
        let next = 1;
        for (const text of await page.evaluate(() => scope.heard)) {
          if (text.startsWith("gap ")) {
            next += Number(text.split(" ")[1]);
          } else {
            assert.equal(JSON.parse(text).n, next);
            next += 1;
          }
        }
        assert.equal(next, 10_001);
      },
    ),
  );

  Deno.test(
    browserTest(`client.js: when the network was away it misses nothing, ${name}`, async (browser) => {
      await using bus = await start();
      await using relay = new Relay(bus.gateway.url.replace("http", "tcp"));
      const page = await open(browser, pageUrl(relay.address.replace("tcp", "http"), options));
      const before = sendMany(bus.broker, 1, 3);
      await heard(page, 3);
      relay.cut();
      await page.waitForFunction(() => scope.bus.state === "away");
      const meanwhile = sendMany(bus.broker, 4, 1500);
      const code = await page.evaluate(() =>
        scope.bus.send({ type: "x" }).then(() => "", (error) => error.code)
      );
      assert.equal(code, "gateway-away");
      relay.mend();
      assert.deepEqual(await heard(page, 1500), [...before, ...meanwhile]);
      assert.equal(await page.evaluate(() => scope.bus.state), "live");
    }),
  );

  Deno.test(
    browserTest(
      `client.js: a broker that was killed and came back is told, and heard again, ${name}`,
      async (browser) => {
        await using made = await pageFolder();
        const startBroker = (port: number) =>
          Child.deno(["--allow-net=127.0.0.1", `--allow-read=${made.folder}`], "broker.ts", [
            "--http",
            String(port),
            "--broadcast-port=0",
            "--receive-port=0",
            "--json",
            "--pages",
            made.folder,
          ]);
        await using first = startBroker(0);
        const { http } = JSON.parse((await first.line())!);
        const page = await open(browser, pageUrl(http, options));
        await page.evaluate(() => scope.bus.send({ type: "before" }));
        await heard(page, 1);
        first.kill("SIGKILL");
        await first.status;
        await page.waitForFunction(() => scope.bus.state === "away");
        await using second = startBroker(Number(new URL(http).port));
        await second.line();
        await page.waitForFunction(() => scope.bus.state === "live", undefined, { timeout: 20_000 });
        await page.evaluate(() => scope.bus.send({ type: "after" }));
        const all = await heard(page, 3);
        assert.deepEqual([all[0], all.at(-1)], ['{"type":"before"}', '{"type":"after"}']);
        assert.match(all[1]!, /^gap null /);
        assert.equal(all.length, 3);
      },
    ),
  );
}

Deno.test(
  browserTest(
    "client.js: a socket that went silent, as after a sleep, is replaced without a loss",
    async (browser) => {
      await using bus = await start();
      const { page } = await openPage(browser, "about:blank");
      let isCut = false;
      let sockets = 0;
      await page.routeWebSocket(/messages\/ws/, (socket) => {
        const number = sockets += 1;
        socket.connectToServer().onMessage((frame) => {
          if (number > 1 || !isCut) socket.send(frame);
        });
      });
      await page.clock.install();
      await page.goto(pageUrl(bus.gateway.url, OWN));
      await page.evaluate(() => scope.bus.ready);
      const before = sendMany(bus.broker, 1, 1);
      await heard(page, 1);
      isCut = true;
      const lost = sendMany(bus.broker, 2, 2);
      // Checks come every 5 s of the page's time; two of them must find the socket silent.
      for (let check = 0; sockets === 1 && check < 4; check += 1) {
        const answer = page.waitForResponse(/since=now/);
        await page.clock.runFor(5000);
        await answer;
      }
      assert.deepEqual(await heard(page, 2), [...before, ...lost]);
    },
  ),
);

Deno.test(
  browserTest("client.js: with the token it is let in, with a wrong one it says so", async (browser) => {
    await using bus = await start({ token: "right-token" });
    const { page: wrong } = await openPage(browser, pageUrl(bus.gateway.url, { token: "wrong-token" }));
    await wrong.waitForFunction(() => scope.bus.state === "unauthorized");
    const page = await open(browser, pageUrl(bus.gateway.url, { token: "right-token" }));
    await page.evaluate(() => scope.bus.send({ type: "x" }));
    assert.deepEqual(await heard(page, 1), ['{"type":"x"}']);
    assert.deepEqual(await wrong.evaluate(() => scope.heard), []);
  }),
);

Deno.test(
  browserTest("client.js: a page that may have no workers has a connection of its own", async (browser) => {
    await using bus = await start();
    const policy = `<meta http-equiv="content-security-policy" content="worker-src 'none'">`;
    const html = pageHtml().replace("<script", `${policy}<script`);
    await Deno.writeTextFile(`${bus.folder}/page.html`, html);
    const page = await open(browser, pageUrl(bus.gateway.url));
    const texts = sendMany(bus.broker, 1, 3);
    assert.deepEqual(await heard(page, 3), texts);
  }),
);

Deno.test(
  browserTest(
    "client.js: a page of another origin takes part where --allow-origin says so, and only there",
    async (browser) => {
      const html = await Deno.readTextFile(
        new URL("../../../examples/other_origin/page.html", import.meta.url),
      );
      let gateway = "";
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen: () => {} },
        () =>
          new Response(html.replace("http://127.0.0.1:8000", gateway), {
            headers: { "content-type": "text/html" },
          }),
      );
      const origin = `http://localhost:${server.addr.port}`;
      await using broker = new MessageServer();
      await using admitted = serveGateway(broker, { port: 0, allowedOrigins: [origin], ...quiet });
      await using closed = serveGateway(broker, { port: 0, ...quiet });
      const texts: string[] = [];
      broker.addEventListener("message", ({ text }) => texts.push(text));
      broker.sendMessage({ type: "subject", subject: 7 });
      gateway = closed.url;
      const refused = await openPage(browser, origin);
      gateway = admitted.url;
      const { page } = await openPage(browser, origin);
      await page.locator("#subject", { hasText: "7" }).waitFor();
      await until(() => texts.length === 1, "what the page sends");
      assert.deepEqual(JSON.parse(texts[0]!), { type: "hello", from: origin });
      broker.sendMessage({ type: "subject", subject: 8 });
      await page.locator("#subject", { hasText: "8" }).waitFor();
      assert.equal(await refused.page.innerText("#subject"), "not chosen yet");
      await server.shutdown();
    },
  ),
);
