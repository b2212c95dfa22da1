/** The answers have the members that /openapi.json tells of, and no others. */
import assert from "node:assert/strict";
import { SESSION_SCHEMAS } from "../../../http/openapi/session_schemas.ts";
import { log, Recorded } from "../support/recorded.ts";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
}

/** The members of a value must be those of its schema, down to the last one. */
function requireForm(value: unknown, schema: Schema, path: string): void {
  const name = schema.$ref?.split("/").at(-1);
  if (name === "Message" || value === null) return;
  if (name !== undefined) return requireForm(value, SESSION_SCHEMAS[name] as Schema, path);
  if (schema.anyOf !== undefined) return requireForm(value, schema.anyOf[0]!, path);
  if (schema.items !== undefined) {
    assert.ok(Array.isArray(value), path);
    for (const item of value) requireForm(item, schema.items, `${path}[]`);
  }
  if (schema.properties === undefined) return;
  assert.deepEqual(Object.keys(value as object).toSorted(), Object.keys(schema.properties).toSorted(), path);
  for (const [key, member] of Object.entries(schema.properties)) {
    requireForm((value as Record<string, unknown>)[key], member, `${path}.${key}`);
  }
}

Deno.test("Sessions: every answer has the form that /openapi.json tells of", async () => {
  await using bus = await Recorded.start({}, { maxWaitingBytes: 400_000 });
  await bus.say({ type: "subject", subject: 1 }, log("rotated"));
  await bus.flood(40_000);
  const note = await bus.ask("POST", "/sessions/1/notes", { at: 2, text: "look" });
  const sent = await bus.ask("POST", "/sessions/1/goto", { at: 2 });
  await bus.ask("POST", "/sessions", {});
  const replay = await bus.ask("POST", "/replay", { session: 1, paused: true });
  const forms: readonly (readonly [schema: string, value: unknown])[] = [
    ["Note", note.json],
    ["Sent", sent.json],
    ["Replay", replay.json],
    ["Recording", (await bus.get("/recording")).json],
    ["Sessions", (await bus.get("/sessions")).json],
    ["Session", (await bus.get("/sessions/1")).json],
    ["Events", (await bus.get("/sessions/1/events")).json],
    ["RecordedMessages", (await bus.get("/sessions/1/messages?since=5&limit=1000")).json],
    ["Timeline", (await bus.get("/sessions/1/timeline?buckets=5")).json],
    ["Plan", (await bus.get("/sessions/1/state?at=2")).json],
  ];
  for (const [schema, value] of forms) requireForm(value, { $ref: `#/${schema}` }, schema);
  await bus.ask("DELETE", "/replay");
});
