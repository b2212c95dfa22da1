/** Each entry of the package documents itself: whatever it refers to can be named from there. */
import assert from "node:assert/strict";
import { ROOT } from "../support/program.ts";

const { exports } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`)) as {
  exports: Record<string, string>;
};

for (const [name, file] of Object.entries(exports)) {
  Deno.test(`the entry ${name} documents all that it exports and refers to`, async () => {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["doc", "--lint", file],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  });
}
