/** A short run of the soak; `deno task soak --minutes 20` is a long one. */
import assert from "node:assert/strict";
import { soak } from "../bench/soak.ts";

Deno.test("a broker under mixed and hostile load accounts for every message and comes back to where it was", async () => {
  const lines: string[] = [];

  const { messages, delivered, dropped, attacks, visits, complaints } = await soak({
    seconds: 4,
    print: (line) => void lines.push(line),
  });

  assert.deepEqual(complaints, [], lines.join("\n"));
  assert.ok(messages > 500 && delivered > messages, `${messages} messages, ${delivered} deliveries`);
  assert.ok(dropped > 0, "the slow subscriber was too slow");
  assert.ok(attacks > 0 && visits > 0);
});
