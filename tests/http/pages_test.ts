/** A folder of web pages beside the API: what it serves, and what it keeps. */
import assert from "node:assert/strict";
import { messageGateway, serveGateway } from "../../http.ts";
import { quiet } from "./support/bus.ts";
import { raw, requestText } from "./support/raw.ts";

/** A folder with a page, a secret beside it, and links. */
async function makeFolder(): Promise<{ readonly folder: string } & AsyncDisposable> {
  const top = await Deno.makeTempDir();
  const folder = `${top}/site`;
  await Deno.mkdir(`${folder}/deep`, { recursive: true });
  await Deno.writeTextFile(`${top}/secret.txt`, "secret");
  await Deno.mkdir(`${top}/site-of-others`);
  await Deno.writeTextFile(`${top}/site-of-others/index.html`, "secret");
  await Deno.writeTextFile(`${folder}/a page.html`, "<title>mine</title>");
  await Deno.writeTextFile(`${folder}/script.js`, "export {};");
  await Deno.writeTextFile(`${folder}/data.unknown`, "?");
  await Deno.writeTextFile(`${folder}/.env`, "secret");
  await Deno.writeTextFile(`${folder}/deep/index.html`, "deep");
  await Deno.writeTextFile(`${folder}/metrics`, "not mine");
  await Deno.symlink(`${top}/secret.txt`, `${folder}/out.txt`);
  await Deno.symlink(`${top}/site-of-others`, `${folder}/others`);
  await Deno.symlink("deep/index.html", `${folder}/in.html`);
  await Deno.symlink("loop.html", `${folder}/loop.html`);
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(top, { recursive: true }) };
}

Deno.test("--pages: files are served with their types, and an index for its folder", async () => {
  await using made = await makeFolder();
  await using handler = messageGateway(null, { pages: made.folder, ...quiet });
  const get = (path: string) => handler(new Request(`http://127.0.0.1:8000${path}`));
  const page = await get("/a%20page.html?x=1");
  assert.deepEqual([page.status, page.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
  assert.equal(await page.text(), "<title>mine</title>");
  const script = await get("/script.js");
  assert.equal(script.headers.get("content-type"), "text/javascript; charset=utf-8");
  assert.equal(script.headers.get("x-content-type-options"), "nosniff");
  assert.equal(await script.text(), "export {};");
  const unknown = await get("/data.unknown");
  assert.equal(unknown.headers.get("content-type"), "application/octet-stream");
  await unknown.body?.cancel();
  assert.equal(await (await get("/deep/")).text(), "deep");
  assert.equal(await (await get("/in.html")).text(), "deep");
  const folder = await get("/deep");
  assert.deepEqual([folder.status, folder.headers.get("location")], [308, "/deep/"]);
});

Deno.test("--pages: a browser asks again, and is told that nothing has changed until it has", async () => {
  await using made = await makeFolder();
  await using handler = messageGateway(null, { pages: made.folder, ...quiet });
  const url = "http://127.0.0.1:8000/script.js";
  const first = await handler(new Request(url));
  const tag = first.headers.get("etag")!;
  assert.equal(first.headers.get("cache-control"), "no-cache");
  await first.body?.cancel();
  const headers = { "if-none-match": tag };
  assert.equal((await handler(new Request(url, { headers }))).status, 304);
  const head = await handler(new Request(url, { method: "HEAD" }));
  assert.deepEqual([head.status, head.body, head.headers.get("content-length")], [200, null, "10"]);
  await Deno.writeTextFile(`${made.folder}/script.js`, "export { };");
  const changed = await handler(new Request(url, { headers }));
  assert.equal(changed.status, 200);
  assert.equal(await changed.text(), "export { };");
});

Deno.test("--pages: nothing outside the folder is served, however it is asked for", async () => {
  await using made = await makeFolder();
  await using gateway = serveGateway(null, { port: 0, pages: made.folder, ...quiet });
  const paths = [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/deep/..%2f..%2fsecret.txt",
    "/deep/../../secret.txt",
    "/..%5csecret.txt",
    "//secret.txt",
    "/./../secret.txt",
    `/${encodeURIComponent(`${made.folder}/../secret.txt`)}`,
    "/out.txt",
    "/others/",
    "/others/index.html",
    "/.env",
    "/%2eenv",
    "/script.js%00.html",
    "/script.js/",
    "/script.js/x",
    "/loop.html",
    "/%zz",
    "/none.html",
    "/c:/x",
  ];
  for (const path of paths) {
    const answer = await raw(gateway.port, requestText("GET", path, [`Host: 127.0.0.1:${gateway.port}`]));
    assert.ok([400, 404, 308].includes(answer.status), `${path}: ${answer.status}`);
    assert.notEqual(answer.body, "secret", path);
  }
});

Deno.test("--pages: the API comes before files of the same name, and an index before the live page", async () => {
  await using made = await makeFolder();
  await using handler = messageGateway(null, { pages: made.folder, ...quiet });
  const get = async (path: string) =>
    await (await handler(new Request(`http://127.0.0.1:8000${path}`))).text();
  assert.match(await get("/metrics"), /^# HELP/);
  assert.match(await get("/"), /<title>Message bus/);
  await Deno.writeTextFile(`${made.folder}/index.html`, "my own");
  const other = await (await handler(new Request("http://127.0.0.1:8000/?again"))).text();
  assert.equal(other, "my own");
  assert.match(await get("/monitor"), /<title>Message bus/);
});

Deno.test("--pages: files need no token but are for pages of no other site", async () => {
  await using made = await makeFolder();
  await using handler = messageGateway(null, {
    pages: made.folder,
    token: "secret-token",
    prefix: "/bus",
    ...quiet,
  });
  const status = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await handler(new Request(`http://127.0.0.1:8000${path}`, { headers }));
    await answer.body?.cancel();
    return answer.status;
  };
  assert.equal(await status("/bus/script.js"), 200);
  assert.equal(await status("/bus/messages"), 401);
  assert.equal(await status("/script.js"), 401);
  assert.equal(await status("/bus/script.js", { origin: "http://evil.example" }), 403);
  assert.equal(
    await status("/bus/script.js", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }),
    403,
  );
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
  assert.equal(await status("/bus/deep/", link), 200);
});
