/**
 * The forms of what the routes of an archive answer.
 *
 * @module
 */
import { type Json, ref } from "./parts.ts";

const TEXT: Json = { type: "string" };
const FLAG: Json = { type: "boolean" };
const COUNT: Json = { type: "integer", minimum: 0 };
const SEQ: Json = { type: "integer", description: "Number of a message in its session" };
const TIME: Json = {
  type: "number",
  description: "Milliseconds since 1970-01-01 UTC, microseconds behind the point",
};
const orNull = (schema: Json): Json => ({ ...schema, type: [schema.type, "null"] });
const list = (items: Json): Json => ({ type: "array", items });

/** All members are always there. */
const whole = (properties: Readonly<Record<string, Json>>): Json => ({
  type: "object",
  required: Object.keys(properties),
  properties,
});

const GAPS = list(ref("schemas", "Gap"));
const CURSOR: Json = { type: "string", examples: ["s3.812"], description: "Go on from here" };

/** See the module. */
export const SESSION_SCHEMAS: Json = {
  Session: whole({
    id: { type: "integer" },
    name: TEXT,
    description: TEXT,
    star: FLAG,
    started: TIME,
    ended: { ...orNull(TIME), description: "null while it is recorded" },
    clean: { ...orNull(FLAG), description: "false: it ended without a goodbye" },
    broker: orNull(TEXT),
    program: TEXT,
    messages: COUNT,
    events: COUNT,
    notes: COUNT,
    lost: { ...COUNT, description: "Missing messages, as far as their number is known" },
    gaps: COUNT,
    bytes: COUNT,
  }),
  Sessions: whole({ sessions: list(ref("schemas", "Session")), next: orNull({ type: "integer" }) }),
  Event: whole({
    seq: SEQ,
    time: TIME,
    sent: { ...orNull(TEXT), description: "What the message says of its own time" },
    instance: { ...orNull(TEXT), description: "JSON text of its pid" },
    application: TEXT,
    action: TEXT,
    hasState: FLAG,
    hasPicture: FLAG,
    star: FLAG,
  }),
  Events: whole({ events: list(ref("schemas", "Event")), cursor: CURSOR, more: FLAG }),
  Gap: whole({
    after: SEQ,
    missed: { ...orNull(COUNT), description: "null: nobody knows" },
    from: TIME,
    to: TIME,
    reason: TEXT,
  }),
  RecordedMessages: whole({
    messages: list(whole({ seq: SEQ, cursor: CURSOR, time: TIME, message: ref("schemas", "Message") })),
    gaps: GAPS,
    missed: { ...orNull(COUNT), description: "null: nobody knows" },
    cursor: CURSOR,
    more: FLAG,
  }),
  Note: whole({
    id: { type: "integer" },
    seq: orNull(SEQ),
    time: TIME,
    written: TIME,
    edited: orNull(TIME),
    text: TEXT,
  }),
  Timeline: whole({
    from: TIME,
    to: TIME,
    buckets: COUNT,
    types: list(whole({ type: TEXT, counts: list(COUNT) })),
    events: list(COUNT),
    gaps: GAPS,
    deeds: list(whole({ time: TIME, kind: TEXT, detail: TEXT })),
  }),
  Plan: whole({
    seq: SEQ,
    time: TIME,
    values: list(whole({
      key: TEXT,
      type: TEXT,
      target: orNull(TEXT),
      seq: SEQ,
      time: TIME,
      text: { ...TEXT, description: "The JSON text of the message" },
    })),
    instances: list(whole({
      instance: TEXT,
      application: TEXT,
      seq: SEQ,
      time: TIME,
      action: TEXT,
      restorable: FLAG,
      reason: { enum: ["no-state", "too-large", "damaged", null] },
    })),
  }),
  Sent: whole({
    sent: list(whole({ type: TEXT, instance: orNull(TEXT), seq: SEQ })),
    skipped: list(whole({ instance: TEXT, reason: TEXT })),
  }),
  Replay: whole({
    session: { type: "integer" },
    state: { enum: ["playing", "paused", "ended"] },
    speed: { type: ["number", "null"], description: "null: as fast as it goes" },
    time: TIME,
    seq: SEQ,
    from: TIME,
    to: TIME,
    sent: COUNT,
    leftOut: COUNT,
    late: COUNT,
    missed: COUNT,
    failed: { ...orNull(TEXT), description: "Why it ended before its time" },
  }),
  Recorder: {
    description: "Counters of who records in this process",
    ...whole({
      state: { enum: ["recording", "paused", "full", "failed", "ended"] },
      trouble: { ...orNull(TEXT), description: "What stands in the way" },
      session: { type: "integer" },
      received: COUNT,
      recorded: COUNT,
      onDisk: COUNT,
      waitingBytes: COUNT,
      lagMs: { type: "number", description: "Age of the oldest message that is not on disk" },
      leftOut: whole({ type: COUNT, paused: COUNT, replay: COUNT }),
      lost: { type: "object", additionalProperties: COUNT, description: "By reason" },
      gaps: COUNT,
      fileBytes: COUNT,
      paused: FLAG,
    }),
  },
  Recording: whole({
    path: { ...TEXT, description: "The file" },
    recorder: { anyOf: [ref("schemas", "Recorder"), { type: "null" }] },
    replay: { anyOf: [ref("schemas", "Replay"), { type: "null" }] },
  }),
};
