import assert from "node:assert/strict";
import { Problem } from "../../http/problem.ts";
import { type UpgradePlace, Upgrades } from "../../http/upgrades.ts";
import { soon } from "../support/deadline.ts";

const request = () => new Request("http://127.0.0.1/messages/ws");
const isTooMany = (error: unknown) => error instanceof Problem && error.code === "too-many-upgrades";

async function enterAll(upgrades: Upgrades, remote: string, count: number): Promise<UpgradePlace[]> {
  return await soon(Promise.all(Array.from({ length: count }, () => upgrades.enter(request(), remote))));
}

Deno.test("Upgrades: another machine has a quarter of the places, and this one all", async () => {
  const upgrades = new Upgrades(8, 20);
  const far = await enterAll(upgrades, "192.0.2.1", 2);
  await assert.rejects(upgrades.enter(request(), "192.0.2.1"), isTooMany);
  const near = await enterAll(upgrades, "127.0.0.1", 6);
  await assert.rejects(upgrades.enter(request(), "127.0.0.1"), isTooMany);
  for (const place of [...far, ...near]) place.give();
  assert.equal(upgrades.underWay, 0);
});

Deno.test("Upgrades: a place that is free again goes to whoever waits for it", async () => {
  const upgrades = new Upgrades(1, 10_000);
  const [first] = await enterAll(upgrades, "127.0.0.1", 1);
  const next = upgrades.enter(request(), "127.0.0.1");
  first!.give();
  (await soon(next)).give();
});

Deno.test("Upgrades: places that are lost are lost for good, and a late sign of life gives one back", async () => {
  const upgrades = new Upgrades(2, 20);
  const [first, second] = await enterAll(upgrades, "127.0.0.1", 2);
  first!.lose();
  second!.lose();
  assert.equal(upgrades.lost, 2);
  await assert.rejects(upgrades.enter(request(), "127.0.0.1"), isTooMany);
  first!.give();
  (await upgrades.enter(request(), "127.0.0.1")).give();
  assert.equal(upgrades.lost, 1);
});

Deno.test("Upgrades: whoever has gone meanwhile is not upgraded, and gives its place back", async () => {
  const upgrades = new Upgrades(1, 10_000);
  const gone = new AbortController();
  const entering = upgrades.enter(new Request(request(), { signal: gone.signal }), "127.0.0.1");
  gone.abort();
  await assert.rejects(entering, (error) => error instanceof Problem && error.code === "bad-upgrade");
  assert.equal(upgrades.underWay, 0);
});
