import assert from "node:assert/strict";
import { Troubles } from "../../programs/troubles.ts";

function listen(): { readonly troubles: Troubles; readonly lines: string[] } {
  const lines: string[] = [];
  return { troubles: new Troubles((line) => lines.push(line)), lines };
}

Deno.test({
  name: "Troubles tells the first of each kind and of each one, then how many there were",
  permissions: "none",
}, () => {
  const { troubles, lines } = listen();
  for (let i = 0; i < 3; i++) {
    troubles.add("not-json", "a", () => `not-json of a, ${i}`);
    troubles.add("not-json", "b", () => `not-json of b, ${i}`);
    troubles.add("too-large", "a", () => `too-large of a, ${i}`, 5);
  }
  assert.deepEqual(lines, ["not-json of a, 0", "not-json of b, 0", "too-large of a, 0"]);
  troubles.summarize();
  assert.deepEqual(lines.slice(3), ["in the last minute: too-large: 10, not-json: 4"]);
  troubles.summarize();
  assert.equal(lines.length, 4, "nothing to tell");
});

Deno.test({ name: "Troubles stays short whoever comes how often", permissions: "none" }, () => {
  const { troubles, lines } = listen();
  for (let minute = 0; minute < 3; minute++) {
    for (let i = 0; i < 5000; i++) troubles.add(`kind ${i % 20}`, `who ${minute} ${i}`, () => "first");
    troubles.summarize();
    assert.equal(lines.length, 11 * (minute + 1));
    assert.match(lines.at(-1)!, /^in the last minute: (kind \d+: \d+, ){5}others: \d+$/);
  }
});
