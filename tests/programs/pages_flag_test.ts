/** `--pages DIR`: what is wrong with the folder is told at the start, in one line that names the way out. */
import assert from "node:assert/strict";
import { Program, ROOT, run } from "../support/program.ts";

const FOLDER = "examples/pages";
const READ = `--allow-read=${FOLDER}`;

Deno.test("broker.ts --pages serves a folder under exactly the permission that it names", async () => {
  const args = [
    READ,
    "broker.ts",
    "--http",
    "0",
    "--broadcast-port=0",
    "--receive-port=0",
    "--json",
    "--pages",
    FOLDER,
  ];
  await using program = new Program(args);
  const { http } = JSON.parse((await program.line())!);
  const page = await fetch(`${http}/subject.html`);
  assert.equal(await page.text(), await Deno.readTextFile(`${ROOT}${FOLDER}/subject.html`));
});

for (
  const [what, args, expected] of [
    [
      "without permission",
      ["broker.ts", "--pages", FOLDER],
      /allow to read it, run with --allow-read=examples\/pages/,
    ],
    [
      "no such folder",
      ["--allow-read=examples/none", "broker.ts", "--pages", "examples/none"],
      /there is no such/,
    ],
    ["a file", ["--allow-read=README.md", "broker.ts", "--pages", "README.md"], /it is no folder/],
  ] as const
) {
  Deno.test(`broker.ts --pages says what is wrong: ${what}`, async () => {
    const { code, stdout, stderr } = await run([...args, "--http", "0"]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split("\n").length, 1);
  });
}
