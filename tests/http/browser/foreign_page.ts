/// <reference lib="dom" />
/**
 * A real browser on foreign pages: whatever they try, on every route, is refused, also when their name leads to the gateway.
 */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import { type GatewayServer, serveGateway } from "../../../http.ts";
import { ROUTES } from "../../../http/gateway.ts";
import { browserTest } from "../support/browser.ts";
import { quiet } from "../support/bus.ts";
import { TestBroker } from "../support/test_broker.ts";

/** What a page can do with an address, and what came of it. */
async function attack(page: Page, target: string, paths: readonly string[]): Promise<Record<string, string>> {
  // The form in the frame is sent when the frame shows the answer, whatever that is.
  const framed = page.waitForEvent(
    "framenavigated",
    (frame) => frame !== page.mainFrame() && frame.url() !== "about:srcdoc",
  );
  const results = await page.evaluate(async ({ target, paths }) => {
    const results: Record<string, string> = {};
    const message = '{"type":"evil"}';
    const form = () => new URLSearchParams({ message });
    const data = new FormData();
    data.append("message", message);
    const note = async (name: string, promise: Promise<unknown>) => {
      results[name] = await promise.then((value) => String(value), (error) => `refused: ${error}`);
    };
    const read = async (url: string, init?: RequestInit) => {
      const response = await fetch(url, init);
      if (response.status === 403) throw new Error("403");
      // What cannot be read says nothing here; the gateway's own counters tell.
      if (response.type === "opaque") throw new Error("opaque");
      return `read ${response.status}`;
    };
    for (const path of paths) {
      await note(`GET ${path}`, read(`${target}${path}`));
      await note(`no-cors GET ${path}`, read(`${target}${path}`, { mode: "no-cors" }));
    }
    for (const path of ["/messages", "/messages/longpoll"]) {
      await note(`form ${path}`, read(`${target}${path}`, { method: "POST", body: form() }));
      await note(
        `no-cors form ${path}`,
        read(`${target}${path}`, { method: "POST", mode: "no-cors", body: form() }),
      );
      await note(
        `multipart ${path}`,
        read(`${target}${path}`, { method: "POST", mode: "no-cors", body: data }),
      );
      await note(
        `text ${path}`,
        read(`${target}${path}`, { method: "POST", mode: "no-cors", body: message }),
      );
      const json = { method: "POST", headers: { "content-type": "application/json" }, body: message };
      await note(`JSON ${path}`, read(`${target}${path}`, json));
      navigator.sendBeacon(`${target}${path}`, form());
      navigator.sendBeacon(`${target}${path}`, new Blob([message]));
    }
    const element = (tag: "img" | "script", url: string) =>
      new Promise((resolve, reject) => {
        const made = document.createElement(tag);
        made.onload = () => resolve("loaded");
        made.onerror = () => reject(new Error("error"));
        made.src = url;
        document.body.append(made);
      });
    await note("image", element("img", `${target}/monitor/icon.svg`));
    await note("script", element("script", `${target}/messages`));
    await note(
      "EventSource",
      new Promise((resolve, reject) => {
        const source = new EventSource(`${target}/messages/stream`);
        source.onopen = () => resolve("open");
        source.onerror = () => {
          source.close();
          reject(new Error("error"));
        };
      }),
    );
    for (const path of ["/messages/ws", "/messages_ws"]) {
      await note(
        `WebSocket ${path}`,
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`${target.replace("http", "ws")}${path}`);
          socket.onopen = () => {
            socket.send(message);
            resolve("open");
          };
          socket.onerror = () => reject(new Error("error"));
        }),
      );
    }
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts allow-forms");
    frame.srcdoc =
      `<form method=post action="${target}/messages"><input name=message value='${message}'></form>
      <script>document.forms[0].submit()<\/script>`;
    document.body.append(frame);
    return results;
  }, { target, paths: [...paths] });
  await framed;
  return results;
}

/** Paths that answer a GET at once, so that a hole would show at once. */
const PATHS = [...ROUTES.keys()].map((path) =>
  path === "/messages/longpoll" ? `${path}?timeout=0` : path.replace("{code}", "not-found")
);

/** A server of pages with nothing in them. */
function servePages(): Deno.HttpServer<Deno.NetAddr> {
  const headers = { "content-type": "text/html" };
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("<!doctype html><body>page", { headers }),
  );
}

/** A page is opened, then its server goes and the gateway takes over the very same address: what rebinding a name does. */
async function openThenTakeOver(
  browser: Browser,
  host: string,
  client: TestBroker,
): Promise<{ readonly page: Page; readonly gateway: GatewayServer; readonly own: string }> {
  const pages = servePages();
  const { port } = pages.addr;
  const own = `http://${host}:${port}`;
  const page = await browser.newPage();
  await page.goto(`${own}/`);
  await pages.shutdown();
  return { page, gateway: serveGateway(client.server, { port, ...quiet }), own };
}

function assertUntouched(client: TestBroker, gateway: GatewayServer, results: Record<string, string>): void {
  const through = Object.entries(results).filter(([, result]) => !result.startsWith("refused"));
  assert.deepEqual(through, [], "nothing is answered");
  assert.ok(Object.keys(results).length > 40);
  assert.deepEqual(client.sent, [], "nothing reached the bus");
  const { waiting, requests } = gateway.stats();
  assert.deepEqual(Object.values(waiting).filter((number) => number > 0), [], "nobody waits");
  const answered = Object.keys(requests).filter((key) => !key.endsWith(" 403"));
  assert.deepEqual(answered, [], "every single request got 403");
  assert.ok(Object.values(requests).reduce((sum, number) => sum + number) >= 45);
}

for (const host of ["localhost", "127.0.0.1", "evil.example"]) {
  Deno.test(browserTest(`foreign page of http://${host}: refused on every route`, async (browser) => {
    await using client = new TestBroker();
    client.receive('{"secret":1}');
    await using gateway = serveGateway(client.server, { port: 0, ...quiet });
    await using pages = servePages();
    const page = await browser.newPage();
    await page.goto(`http://${host}:${pages.addr.port}/`);
    assertUntouched(client, gateway, await attack(page, gateway.url, PATHS));
    await page.close();
  }));
}

Deno.test(
  browserTest(
    "rebound name: a page whose name leads to the gateway is refused on every route",
    async (browser) => {
      await using client = new TestBroker();
      client.receive('{"secret":1}');
      const { page, gateway, own } = await openThenTakeOver(browser, "evil.example", client);
      await using _gateway = gateway;
      assertUntouched(client, gateway, await attack(page, own, PATHS));
      await page.close();
    },
  ),
);

Deno.test(browserTest("our own page may do what foreign ones may not", async (browser) => {
  await using client = new TestBroker();
  const { page, gateway, own } = await openThenTakeOver(browser, "127.0.0.1", client);
  await using _gateway = gateway;
  const results = await attack(page, own, ["/messages", "/messages/history"]);
  // The same code that is refused elsewhere gets through here: the tests above can fail.
  assert.equal(results["GET /messages"], "read 200");
  assert.equal(results["form /messages"], "read 202");
  assert.equal(results["JSON /messages"], "read 202");
  assert.equal(results["EventSource"], "open");
  assert.equal(results["WebSocket /messages/ws"], "open");
  assert.equal(results["image"], "loaded");
  assert.ok(client.sent.length >= 5);
  assert.equal(
    gateway.stats().refused["origin-not-allowed"],
    1,
    "the form of the sandboxed frame is refused",
  );
  await page.close();
}));
