/** The mutants of tests/mutants/ still fit the code. Whether each is noticed, `deno task mutants` shows. */
import assert from "node:assert/strict";
import { MUTANTS } from "./mutants/list.ts";
import { copyProject, mutate } from "./mutants/mutant.ts";

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

Deno.test("every mutant is code that could have been written: its types are right", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mutants-" });
  try {
    await copyProject(ROOT, folder);
    const config = `${folder}/deno.json`;
    // What a mutant looks at no longer may be left over.
    const options = await Deno.readTextFile(config);
    await Deno.writeTextFile(config, options.replace('"noUnusedParameters": true,', ""));
    const files: string[] = [];
    for (const [i, mutant] of MUTANTS.entries()) {
      if (!mutant.file.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(new URL(mutant.file, ROOT));
      // Beside the file that it is a mutant of, so that what it imports is there.
      const file = mutant.file.replace(/[^/]+$/, `mutant_${i}.ts`);
      await Deno.writeTextFile(`${folder}/${file}`, mutate(text, mutant));
      files.push(file);
    }
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", ...files],
      cwd: folder,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr).slice(0, 5000));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
