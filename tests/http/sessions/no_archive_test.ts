/** The routes of an archive at a gateway without one. */
import assert from "node:assert/strict";
import { messageGateway } from "../../../http.ts";
import { SESSION_ROUTES } from "../../../http/sessions/routes.ts";
import { quiet } from "../support/bus.ts";

Deno.test("Sessions: without an archive every route and method answers 404 no-archive", async () => {
  await using gateway = messageGateway(null, quiet);
  for (const [template, { methods }] of SESSION_ROUTES) {
    const path = template.replace(/\{\w+\}/g, "7");
    for (const method of Object.keys(methods)) {
      const response = await gateway(new Request(`http://127.0.0.1${path}`, { method }));
      assert.equal(response.status, 404, `${method} ${path}`);
      assert.equal((await response.json()).code, "no-archive", `${method} ${path}`);
    }
  }
});

Deno.test("Sessions: a path whose number is none is no path", async () => {
  await using gateway = messageGateway(null, quiet);
  for (
    const path of [
      "/sessions/",
      "/sessions/x",
      "/sessions/0",
      "/sessions/01",
      "/sessions/1/nothing",
      "/sessions/-1",
    ]
  ) {
    const response = await gateway(new Request(`http://127.0.0.1${path}`));
    assert.equal((await response.json()).code, "not-found", path);
  }
});
