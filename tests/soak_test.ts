/** A short run of the soak; `deno task soak --minutes 20` is a long one. */
import assert from "node:assert/strict";
import { soak } from "../bench/soak.ts";
import { house } from "../bench/soak_house.ts";

Deno.test("a broker under mixed and hostile load accounts for every message and comes back to where it was", async () => {
  const lines: string[] = [];

  const { messages, delivered, dropped, attacks, visits, complaints } = await soak({
    seconds: 4,
    hasHouse: false,
    print: (line) => void lines.push(line),
  });

  assert.deepEqual(complaints, [], lines.join("\n"));
  assert.ok(messages > 500 && delivered > messages, `${messages} messages, ${delivered} deliveries`);
  assert.ok(dropped > 0, "the slow subscriber was too slow");
  assert.ok(attacks > 0 && visits > 0);
});

Deno.test("a house with everything on accounts for every message: keys, gateway, archive, page, a second site, kills and stops", async () => {
  const lines: string[] = [];

  const { messages, complaints } = await house(6, (line) => void lines.push(line));

  assert.deepEqual(complaints, [], lines.join("\n"));
  assert.ok(messages > 100, `${messages} messages`);
});
