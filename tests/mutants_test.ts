/** The mutants of tests/mutants/ still fit the code. Whether each is noticed, `deno task mutants` shows. */
import assert from "node:assert/strict";
import { MUTANTS } from "./mutants/list.ts";
import { mutate } from "./mutants/mutant.ts";

const ROOT = new URL("../", import.meta.url);

Deno.test("every mutant changes one place that is there, and has a name of its own", () => {
  for (const mutant of MUTANTS) mutate(Deno.readTextFileSync(new URL(mutant.file, ROOT)), mutant);
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
  assert.ok(MUTANTS.length >= 60);
});

Deno.test("a mutant of code that has moved fails loudly", () => {
  const mutant = { name: "a: b", file: "a.ts", find: "x", replace: "y", killers: [] };
  assert.equal(mutate("1x2", mutant), "1y2");
  assert.throws(() => mutate("12", mutant), /a: b: a\.ts has no "x" any more/);
  assert.throws(() => mutate("1x2x", mutant), /more than one/);
});
