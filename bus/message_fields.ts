/**
 * The fields of the seven kinds of messages: the one table from which checks, JSON Schemas and docs/messages.md are made.
 *
 * @module
 */

/** What a field may hold: its name for people, a check, and the same as a JSON Schema. */
export interface FieldType {
  /** For people: "a text". */
  readonly expected: string;
  /** Is it one? */
  readonly test: (value: unknown) => boolean;
  /** The same for machines. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/** A kind of messages. */
export interface Kind {
  /** What it says to those who hear it. */
  readonly about: string;
  /** The fields beside `type`, each with what it means; a name with a question mark may be missing. */
  readonly fields: Readonly<Record<string, readonly [type: FieldType, about: string]>>;
}

const TEXT: FieldType = {
  expected: "a text",
  test: (value) => typeof value === "string",
  schema: { type: "string" },
};
const NUMBER: FieldType = {
  expected: "a number",
  test: (value) => typeof value === "number" && Number.isFinite(value),
  schema: { type: "number" },
};
const ID: FieldType = {
  expected: "a number or a text",
  test: (value) => NUMBER.test(value) || TEXT.test(value),
  schema: { type: ["number", "string"] },
};
const OBJECT: FieldType = { expected: "an object", test: isObject, schema: { type: "object" } };
const listOf = (item: FieldType, expected: string): FieldType => ({
  expected,
  test: (value) => Array.isArray(value) && value.every(item.test),
  schema: { type: "array", items: item.schema },
});
const IDS = listOf(ID, "a list of numbers or texts");
const TEXTS = listOf(TEXT, "a list of texts");

const TARGET = [ID, "The only instance that it is meant for. Without it, it is for everyone."] as const;

/** The names of the kinds. `visualization` stands for both spellings. */
export type KindName = "subject" | "sample" | "log" | "reload" | "variables" | "visualization" | "ready";

/** The kinds by name. */
export const KINDS: Readonly<Record<KindName, Kind>> = {
  subject: {
    about: "The subject of the study that is now in focus, in every application.",
    fields: { subject: [ID, "Which subject."] },
  },
  sample: {
    about: "The subjects that are now being looked at together.",
    fields: { sample: [IDS, "Which subjects."], "target?": TARGET },
  },
  log: {
    about: "Something that a person did, with what it takes to come back to it.",
    fields: {
      action: [TEXT, "What was done, in words."],
      state: [OBJECT, "Enough to restore the application as it was. Its fields are the application's own."],
      pid: [ID, "The instance of the application, the same as `source_id` of `ready`."],
      application: [TEXT, "The name of the application."],
      time: [NUMBER, "When, in seconds since 1970-01-01 UTC. Fractions are allowed."],
      "screenshot?": [TEXT, "A small picture: a PNG in base64, usually of 128 x 128 pixels."],
    },
  },
  reload: {
    about: "Asks one instance to load a scenario.",
    fields: { target: [ID, "The instance that is to load it."], scenario: [OBJECT, "What to load."] },
  },
  variables: {
    about: "Variables that the sender suggests to the other applications.",
    fields: { variables: [TEXTS, "Their names."] },
  },
  visualization: {
    about: "A view to show in another application.",
    fields: {
      source: [TEXT, "The name of the application that it comes from."],
      "target?": TARGET,
      scenario: [OBJECT, "What to show."],
    },
  },
  ready: {
    about: "An application has started and can take messages.",
    fields: {
      source_pid: [NUMBER, "Its process."],
      source_id: [ID, "This instance. Others name it in `target`."],
    },
  },
};

/** Is it an object, and neither a list nor `null`? */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
