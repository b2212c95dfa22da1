/** What the routes of an archive refuse, and who may not come in. */
import assert from "node:assert/strict";
import { messageGateway } from "../../../http.ts";
import { SESSION_ROUTES } from "../../../http/sessions/routes.ts";
import { log, Recorded } from "../support/recorded.ts";

Deno.test("Sessions: parameters that cannot be are refused by name", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"));
  const rows: readonly (readonly [path: string, parameter: string])[] = [
    ["/sessions?limit=0", "limit"],
    ["/sessions?limit=201", "limit"],
    ["/sessions?cursor=x", "cursor"],
    ["/sessions?from=yesterday", "from"],
    ["/sessions?from=2026-01-02&to=2026-01-01", "to"],
    ["/sessions?from=2026-01-02T10:00", "from"],
    ["/sessions?starred=yes", "starred"],
    [`/sessions?q=${"x".repeat(1001)}`, "q"],
    ["/sessions/1/events?since=s2.1", "since"],
    ["/sessions/1/events?since=1&before=3", "before"],
    ["/sessions/1/events?limit=1001", "limit"],
    ["/sessions/1/messages?since=x", "since"],
    ["/sessions/1/messages?type=a*b", "type"],
    ["/sessions/1/messages?to=-1", "to"],
    ["/sessions/1/timeline?buckets=0", "buckets"],
    ["/sessions/1/state", "at"],
    ["/sessions/1/state?at=s2.1", "at"],
    ["/sessions/1/state?at=then", "at"],
    ["/sessions/1/export?json=2", "json"],
  ];
  for (const [path, parameter] of rows) {
    const { status, json } = await bus.get(path);
    assert.deepEqual([status, json.code, json.parameter], [400, "bad-parameter", parameter], path);
  }
});

Deno.test("Sessions: bodies that cannot be are refused by the member, and nothing is changed", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"));
  const rows:
    readonly (readonly [method: string, path: string, body: unknown, member: string | undefined])[] = [
      ["PATCH", "/sessions/1", {}, undefined],
      ["PATCH", "/sessions/1", "[]", undefined],
      ["PATCH", "/sessions/1", "{", undefined],
      ["PATCH", "/sessions/1", { name: " " }, "name"],
      ["PATCH", "/sessions/1", { name: 7 }, "name"],
      ["PATCH", "/sessions/1", { name: "x".repeat(201) }, "name"],
      ["PATCH", "/sessions/1", { star: "yes" }, "star"],
      ["PATCH", "/sessions/1", '{"description":"\\ud800"}', "description"],
      ["PATCH", "/sessions/1/events/1", {}, "star"],
      ["POST", "/sessions/1/notes", { text: "x" }, "at"],
      ["POST", "/sessions/1/notes", { at: 1 }, "text"],
      ["POST", "/sessions/1/notes", { at: 1, text: "\n" }, "text"],
      ["POST", "/sessions/1/notes", { at: "s2.1", text: "x" }, "at"],
      ["POST", "/sessions/1/notes", { at: -1, text: "x" }, "at"],
      ["POST", "/sessions/1/goto", {}, "at"],
      ["POST", "/sessions/1/goto", { at: 1, instances: "all" }, "instances"],
      ["POST", "/sessions/1/goto", { at: 1, values: [1] }, "values"],
      ["POST", "/replay", {}, "session"],
      ["POST", "/replay", { session: 1.5 }, "session"],
      ["POST", "/replay", { session: 1, speed: 0 }, "speed"],
      ["POST", "/replay", { session: 1, speed: "fast" }, "speed"],
      ["POST", "/replay", { session: 1, from: 3, to: 1 }, "to"],
      ["POST", "/replay", { session: 1, only: "subject" }, "only"],
      ["POST", "/replay", { session: 1, loop: 1 }, "loop"],
      ["PATCH", "/recording", {}, "paused"],
    ];
  const before = (await bus.get("/sessions/1")).text;
  for (const [method, path, body, member] of rows) {
    const { status, json } = await bus.ask(method, path, body);
    const title = `${method} ${path} ${JSON.stringify(body).slice(0, 60)}`;
    assert.deepEqual([status, json.code, json.member], [400, "bad-body", member], title);
  }
  assert.equal((await bus.get("/sessions/1")).text, before);
});

Deno.test("Sessions: what is not there answers 404, by what it is", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"));
  for (const path of ["", "/events", "/messages", "/notes", "/timeline", "/state?at=1", "/export"]) {
    const { status, json } = await bus.get(`/sessions/9${path}`);
    assert.deepEqual([status, json.code], [404, "no-session"], path);
  }
  assert.equal((await bus.ask("PATCH", "/sessions/1/events/2", { star: true })).json.code, "no-entry");
  assert.equal((await bus.ask("POST", "/sessions/1/notes", { at: 99, text: "x" })).json.code, "no-entry");
  assert.equal((await bus.ask("POST", "/replay", { session: 9 })).json.code, "no-session");
});

Deno.test("Sessions: a body must be JSON by its type, and not larger than it may be", async () => {
  await using bus = await Recorded.start({ maxBodyBytes: 1000 });
  const text = { "content-type": "text/plain" };
  const wrong = await bus.ask("POST", "/sessions", '{"name":"x"}', text);
  assert.deepEqual([wrong.status, wrong.json.code], [415, "unsupported-media-type"]);
  const form = await bus.ask("POST", "/sessions", "name=x", {
    "content-type": "application/x-www-form-urlencoded",
  });
  assert.equal(form.status, 415);
  const large = await bus.ask("PATCH", "/sessions/1", { description: "x".repeat(2000) });
  assert.deepEqual([large.status, large.json.code], [413, "too-large"]);
  assert.equal((await bus.get("/sessions")).json.sessions.length, 1);
});

/** Every method of every route, with numbers in its path. */
const ALL = SESSION_ROUTES.flatMap(([path, { methods }]) =>
  Object.keys(methods).map((method) => [method, path.replace(/\{\w+\}/g, "1")] as const)
);

Deno.test("Sessions: no foreign page may do anything", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"));
  for (const [method, path] of ALL) {
    for (
      const headers of [
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
      ] as HeadersInit[]
    ) {
      const { status } = await bus.ask(method, path, undefined, headers);
      assert.equal(status, 403, `${method} ${path} ${JSON.stringify(headers)}`);
    }
  }
  assert.equal((await bus.get("/sessions")).json.sessions.length, 1);
});

Deno.test("Sessions: where a token is needed, it is needed for everything but the empty page", async () => {
  await using bus = await Recorded.start({ token: "secret" });
  for (const [method, path] of ALL) {
    assert.equal((await bus.ask(method, `${path}?access_token=secret`)).status, 401, `${method} ${path}`);
  }
  const bearer = { authorization: "Bearer secret" };
  assert.equal((await bus.ask("GET", "/sessions", undefined, bearer)).status, 200);
  for (
    const path of ["/monitor/sessions", "/monitor/sessions/sessions.js", "/monitor/sessions/sessions.css"]
  ) {
    assert.equal((await bus.get(path)).status, 200, path);
  }
});

Deno.test("Sessions: a method that a path does not have answers 405 with those it has", async () => {
  await using bus = await Recorded.start();
  for (
    const [path, allow] of [
      ["/sessions", "GET, HEAD, POST, OPTIONS"],
      ["/sessions/1", "GET, HEAD, PATCH, DELETE, OPTIONS"],
      ["/sessions/1/events/1", "PATCH, OPTIONS"],
      ["/replay", "GET, HEAD, POST, PATCH, DELETE, OPTIONS"],
    ] as const
  ) {
    const { status, headers } = await bus.ask("PUT", path);
    assert.deepEqual([status, headers.get("allow")], [405, allow]);
  }
});

Deno.test("Sessions: an archive that was closed answers 503", async () => {
  await using bus = await Recorded.start();
  await bus.recorder.end();
  await bus.archive.close();
  const { status, json, headers } = await bus.get("/sessions");
  assert.deepEqual([status, json.code], [503, "archive-unavailable"]);
  assert.ok(Number(headers.get("retry-after")) > 0);
});

Deno.test("Sessions: while the gateway stops, everything is refused, and what is on its way is answered", async () => {
  await using bus = await Recorded.start();
  await bus.say(log("rotated"));
  await using gateway = messageGateway(bus.server, { archive: bus.archive, log: () => {} });
  const asked = gateway(new Request("http://127.0.0.1/sessions"));
  const closed = gateway.close();
  for (const [method, path] of ALL) {
    const response = await gateway(new Request(`http://127.0.0.1${path}`, { method }));
    assert.equal(
      (await response.text()).includes("shutting-down") || method === "HEAD",
      true,
      `${method} ${path}`,
    );
    assert.equal(response.status, 503, `${method} ${path}`);
  }
  assert.equal((await asked).status, 200);
  assert.equal(await closed, true);
});
