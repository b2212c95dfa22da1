import assert from "node:assert/strict";
import { hostToBind } from "../../base/host.ts";

Deno.test("hostToBind() takes 127.0.0.1 for localhost in any form, and nothing else for anything", () => {
  for (const name of ["localhost", "LocalHost", "localhost."]) assert.equal(hostToBind(name), "127.0.0.1");
  for (const name of ["::1", "127.0.0.2", "localhost.lan", "my-localhost", "0.0.0.0"]) {
    assert.equal(hostToBind(name), name);
  }
});
