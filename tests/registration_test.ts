/** Deno names a test by the line that calls Deno.test, so that line must be where the test stands, not in a helper. */
import assert from "node:assert/strict";
import { filesIn, readSource, type Source } from "./support/imports.ts";

const FOLDER = "tests";

function registrationFaults(sources: readonly Source[]): string[] {
  const makers = sources.flatMap(({ code }) =>
    [...code.matchAll(/\bfunction (\w+)\([^{]*\): Deno\.TestDefinition\b/g)].map(([, name]) => name)
  );
  const unregistered = new RegExp(String.raw`(?<=(?:^|[;{}])\s*)\b(?:${makers.join("|") || "$^"})\(`, "g");
  return sources.flatMap(({ file, code }) => {
    const lineOf = (index: number) => code.slice(0, index).split("\n").length;
    const faults = [...code.matchAll(/\bDeno\.test\(/g)].filter(({ index }) => {
      const outermost = code.slice(0, index + 1).split("\n").findLast((line) => /^[^\s)}\]]/.test(line)) ??
        "";
      return /^(?:export )?(?:default )?(?:async )?(?:function|class)\b|^(?:export )?const .*=>/.test(
        outermost,
      );
    }).map(({ index }) => `${file}:${lineOf(index)} registers a test inside of a function`);
    const lost = [...code.matchAll(unregistered)].map(({ index }) =>
      `${file}:${lineOf(index)} makes a test that is not given to Deno.test`
    );
    return [...faults, ...lost];
  });
}

Deno.test("Every test is registered where it stands", () => {
  const root = new URL("../", import.meta.url);
  const sources = filesIn(root, FOLDER, true).map((file) =>
    readSource(file, Deno.readTextFileSync(new URL(file, root)))
  );
  assert.ok(sources.length > 80);
  const faults = registrationFaults(sources);
  assert.ok(faults.length === 0, `\n${faults.join("\n")}`);
});

Deno.test("A test that a helper registers, or that nobody does, is found with file and line", () => {
  const text = [
    "export function made(name: string): Deno.TestDefinition {",
    "  return { name, fn: () => {} };",
    "}",
    "function registers(name: string): void {",
    "  Deno.test(name, () => {});",
    "}",
    'made("lost");',
    'Deno.test(made("kept"));',
    "for (const side of [1, 2]) {",
    "  Deno.test(",
    "    made(`kept ${side}`),",
    "  );",
    "  made(`lost ${side}`);",
    "}",
  ].join("\n");
  assert.deepEqual(registrationFaults([readSource("tests/a_test.ts", text)]), [
    "tests/a_test.ts:5 registers a test inside of a function",
    "tests/a_test.ts:7 makes a test that is not given to Deno.test",
    "tests/a_test.ts:13 makes a test that is not given to Deno.test",
  ]);
});
