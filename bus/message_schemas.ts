/**
 * JSON Schemas of the messages, for other languages and for forms.
 *
 * @module
 */
import { type Kind, KINDS } from "./message_fields.ts";

type Json = Readonly<Record<string, unknown>>;

/** The values that `type` has in messages of a kind. */
function typeSchema(kind: string): Json {
  return kind === "visualization" ? { enum: ["Visualization", "visualization"] } : { const: kind };
}

function kindSchema(name: string, { about, fields }: Kind): Json {
  const names = Object.keys(fields);
  return {
    title: name,
    description: about,
    type: "object",
    required: ["type", ...names.filter((field) => !field.endsWith("?"))],
    properties: {
      type: typeSchema(name),
      ...Object.fromEntries(
        Object.entries(fields).map(([field, [type, description]]) =>
          [field.replace("?", ""), { description, ...type.schema }] as const
        ),
      ),
    },
  };
}

/**
 * The schema of every message (JSON Schema 2020-12). The seven kinds are in its `$defs`. A message of any other `type` may hold
 * what it likes.
 */
export function messageSchemas(): Json {
  const kinds = Object.keys(KINDS);
  const known = kinds.flatMap((kind) => kind === "visualization" ? ["Visualization", kind] : [kind]);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A message",
    oneOf: [...kinds, "other"].map((kind) => ({ $ref: `#/$defs/${kind}` })),
    $defs: {
      ...Object.fromEntries(Object.entries(KINDS).map(([name, kind]) => [name, kindSchema(name, kind)])),
      other: {
        title: "other",
        description: "Whatever applications agree upon among themselves.",
        type: "object",
        required: ["type"],
        properties: { type: { type: "string", not: { enum: known } } },
      },
    },
  };
}
