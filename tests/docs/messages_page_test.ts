/** docs/messages.md and `/schemas` say what the code checks. */
import assert from "node:assert/strict";
import { isMessageOfType } from "../../bus/messages.ts";
import { type KindName, KINDS } from "../../bus/message_fields.ts";
import { messageSchemas } from "../../bus/message_schemas.ts";
import { messageGateway } from "../../http.ts";
import { MESSAGES_PAGE, withFields } from "../support/messages_page.ts";

type Json = Readonly<Record<string, unknown>>;
const PAGE = Deno.readTextFileSync(MESSAGES_PAGE);
const NAMES = Object.keys(KINDS) as KindName[];
const SCHEMA = messageSchemas();
const DEFS = SCHEMA.$defs as Readonly<Record<string, Json>>;

/** As much of JSON Schema as ours use. */
function isValid(schema: Json, value: unknown): boolean {
  const kind = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return Object.entries(schema).every(([keyword, rule]) => {
    switch (keyword) {
      case "$schema":
      case "$defs":
      case "title":
      case "description":
        return true;
      case "type":
        return [rule].flat().includes(kind);
      case "const":
        return value === rule;
      case "enum":
        return (rule as unknown[]).includes(value);
      case "items":
        return !Array.isArray(value) || value.every((item) => isValid(rule as Json, item));
      case "required":
        return kind !== "object" || (rule as string[]).every((name) => Object.hasOwn(value as Json, name));
      case "properties":
        return kind !== "object" ||
          Object.entries(rule as Record<string, Json>).every(([name, property]) =>
            !Object.hasOwn(value as Json, name) || isValid(property, (value as Json)[name])
          );
      case "not":
        return !isValid(rule as Json, value);
      case "oneOf":
        return (rule as Json[]).filter(({ $ref }) => isValid(DEFS[String($ref).split("/").at(-1)!]!, value))
          .length === 1;
      default:
        throw new Error(`The test does not know ${keyword}`);
    }
  });
}

/** The example of each kind in the document. */
const EXAMPLES = new Map(
  [...PAGE.matchAll(/^## `(\w+)`\n[\s\S]*?^```json\n([\s\S]*?)\n```$/gm)]
    .map(([, name, text]) => [name as KindName, JSON.parse(text!) as Json]),
);

Deno.test("docs/messages.md has the fields and schemas of the code; deno task flags copies them anew", () => {
  assert.equal(PAGE, withFields(PAGE));
  assert.deepEqual([...EXAMPLES.keys()].toSorted(), NAMES.toSorted());
  assert.ok(PAGE.includes(JSON.stringify(SCHEMA, null, 2)));
});

Deno.test("docs/messages.md: each example is a message of its kind", () => {
  for (const [name, example] of EXAMPLES) {
    assert.ok(isMessageOfType(example, name), name);
    assert.ok(isValid(SCHEMA, example), name);
  }
});

Deno.test("JSON Schemas accept and refuse what isMessageOfType accepts and refuses", () => {
  const values = [undefined, null, 1, "text", true, {}, [], [1], ["a"], [1, "a"], [null], [[]]];
  let refused = 0;
  for (const [name, example] of EXAMPLES) {
    const schema = DEFS[name]!;
    for (const field of ["type", ...Object.keys(KINDS[name].fields).map((one) => one.replace("?", ""))]) {
      for (const value of values) {
        const { [field]: _, ...rest } = example;
        const changed: Json = value === undefined ? rest : { ...rest, [field]: value };
        const expected = isMessageOfType(changed, name);
        assert.equal(isValid(schema, changed), expected, `${name} with ${field} ${JSON.stringify(value)}`);
        if (!expected) refused++;
      }
    }
  }
  assert.ok(refused > 100);
  for (const type of ["Visualization", "visualization"]) {
    assert.ok(isValid(SCHEMA, { type, source: "a", scenario: {} }));
    assert.ok(!isValid(SCHEMA, { type, source: "a" }));
  }
  assert.ok(isValid(SCHEMA, { type: "zoom", factor: 2 }));
  assert.ok(!isValid(SCHEMA, {}));
});

Deno.test("GET /schemas answers with them", async () => {
  await using gateway = messageGateway(null, { log: () => {} });
  const response = await gateway(new Request("http://127.0.0.1/schemas"));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/schema+json");
  assert.deepEqual(await response.json(), SCHEMA);
  const head = await gateway(new Request("http://127.0.0.1/schemas", { method: "HEAD" }));
  assert.equal(head.status, 200);
  await head.body?.cancel();
});
