/** Whole buses in a simulated world: see tests/simulation/. Each run is a process of its own, which may touch nothing. */
import assert from "node:assert/strict";
import { SEEDS } from "./simulation/seeds.ts";

async function simulate(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly text: string }> {
  const main = new URL("simulation/main.ts", import.meta.url);
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--cached-only", main.pathname, ...args],
    stderr: "inherit",
  });
  const { code, stdout } = await command.output();
  return { code, text: new TextDecoder().decode(stdout) };
}

/** `deno task simulate` lets them live longer. */
const SHORT = ["--without", "until=2000"];

Deno.test("three hundred worlds keep every promise", async () => {
  const halves = ["1", "151"].map((seed) => simulate("--seed", seed, "--seeds", "150", ...SHORT));
  for (const { code, text } of await Promise.all(halves)) assert.equal(code, 0, text);
});

Deno.test("a seed gives the same world twice, in one process and in another", async () => {
  const { code, text } = await simulate("--seed", "3", "--seeds", "8", "--twice", "--hashes", ...SHORT);
  assert.equal(code, 0, text);
  const hashes = (text: string) => text.match(/^seed \d+: [0-9a-f]+$/gm);
  // The last one again, alone: nothing of the worlds before it is left in the process.
  const { text: alone } = await simulate("--seed", "10", "--seeds", "1", "--hashes", ...SHORT);
  assert.equal(hashes(text)?.length, 8);
  assert.equal(hashes(text)!.at(-1), hashes(alone)![0]);
});

for (const [seed, what] of SEEDS) {
  Deno.test(`seed ${seed} once found that ${what}`, async () => {
    const { code, text } = await simulate("--seed", String(seed), "--seeds", "1");
    assert.equal(code, 0, text);
  });
}
