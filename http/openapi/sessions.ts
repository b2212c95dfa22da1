/**
 * The description of the routes of an archive.
 *
 * @module
 */
import { DEFAULT_LIMIT, MAX_LIMIT } from "../history.ts";
import { DEFAULT_EVENTS, MAX_EVENTS } from "../sessions/events.ts";
import { DEFAULT_BUCKETS, MAX_BUCKETS } from "../sessions/moments.ts";
import { MAX_NOTE } from "../sessions/notes.ts";
import { MAX_STEP } from "../sessions/replay.ts";
import {
  DEFAULT_SESSIONS,
  MAX_DESCRIPTION,
  MAX_NAME,
  MAX_SEARCH,
  MAX_SESSIONS,
} from "../sessions/sessions.ts";
import { empty, head, type Json, json, parameters, type Paths, problems, query, ref, text } from "./parts.ts";

/** What every route of an archive may answer besides. */
const ALWAYS = [400, 401, 403, 404, 500, 503];

interface Operation {
  readonly parameters?: readonly Json[];
  readonly body?: Json;
  readonly answers: Json;
  readonly problems?: readonly number[];
}

function operation(operationId: string, summary: string, given: Operation): Json {
  return {
    operationId,
    summary,
    ...(given.parameters === undefined ? {} : { parameters: given.parameters }),
    ...(given.body === undefined ? {} : {
      requestBody: { required: "required" in given.body, ...text("application/json", given.body) },
    }),
    responses: {
      ...given.answers,
      ...problems(...ALWAYS, ...(given.body === undefined ? [] : [408, 413, 415]), ...(given.problems ?? [])),
    },
  };
}

const read = (operationId: string, summary: string, answers: Json, ...names: readonly string[]): Json =>
  operation(operationId, summary, { parameters: parameters(...names), answers });
const both = (get: Json): Readonly<Record<string, Json>> => ({ get, head: head(get) });
const object = (properties: Json, required: readonly string[] = []): Json => ({
  type: "object",
  properties,
  ...(required.length === 0 ? {} : { required }),
});
const list = (items: Json): Json => ({ type: "array", items });

const TEXT: Json = { type: "string" };
const FLAG: Json = { type: "boolean" };
const MOMENT: Json = {
  type: ["integer", "string"],
  description: "The number of a message, or a time",
  examples: [812, "s3.812", "2026-01-31T10:00:00Z"],
};
const TYPES: Json = { ...list(TEXT), description: "A `*` at the end stands for anything" };
const SPEED: Json = { anyOf: [{ type: "number", minimum: 0.01, maximum: 1000 }, { const: "max" }] };
const STAR = object({ star: FLAG }, ["star"]);
const NOTE_TEXT: Json = { type: "string", minLength: 1, maxLength: MAX_NOTE };
const NAME: Json = { type: "string", maxLength: MAX_NAME };

const SESSION = json("The session", ref("schemas", "Session"));
const NOTE = json("The note", ref("schemas", "Note"));
const REPLAY = json("The replay", ref("schemas", "Replay"));
const RECORDING = json("What is recorded and replayed", ref("schemas", "Recording"));

/** See the module. */
export const SESSION_PATHS: Paths = {
  "/sessions": {
    ...both(read(
      "sessions",
      "Recorded sessions, newest first",
      { 200: json("A page; next is cursor of the page behind it", ref("schemas", "Sessions")) },
      "q",
      "from",
      "to",
      "starred",
      "sessionCursor",
      "sessionLimit",
    )),
    post: operation("beginSession", "End the running session and begin another", {
      body: object({ name: NAME }),
      answers: { 201: SESSION },
      problems: [409, 507],
    }),
  },
  "/sessions/{id}": {
    ...both(read("session", "One session", { 200: SESSION }, "id")),
    patch: operation("changeSession", "Rename, describe or mark a session", {
      parameters: parameters("id"),
      body: object({ name: NAME, description: { type: "string", maxLength: MAX_DESCRIPTION }, star: FLAG }),
      answers: { 200: SESSION },
      problems: [507],
    }),
    delete: operation("deleteSession", "Delete a session for good", {
      parameters: parameters("id"),
      answers: { 204: empty("It is gone") },
      problems: [409],
    }),
  },
  "/sessions/{id}/events": both(read(
    "events",
    "What was done: the log messages of a session, oldest first",
    { 200: json("A page", ref("schemas", "Events")) },
    "id",
    "place",
    "before",
    "eventLimit",
    "q",
    "instance",
    "application",
    "starred",
    "from",
    "to",
  )),
  "/sessions/{id}/events/{seq}": {
    patch: operation("starEvent", "Mark an event", {
      parameters: parameters("id", "seq"),
      body: STAR,
      answers: { 200: json("The event", ref("schemas", "Event")) },
      problems: [507],
    }),
  },
  "/sessions/{id}/events/{seq}/screenshot": both(read(
    "screenshot",
    "The picture of an event",
    { 200: { description: "The picture", ...text("image/png", { type: "string", format: "binary" }) } },
    "id",
    "seq",
  )),
  "/sessions/{id}/messages": both(read(
    "recordedMessages",
    "All messages of a session, as they came, and the gaps among them",
    { 200: json("A page", ref("schemas", "RecordedMessages")) },
    "id",
    "place",
    "messageLimit",
    "type",
    "q",
    "from",
    "to",
  )),
  "/sessions/{id}/messages/{seq}": both(read(
    "recordedMessage",
    "The text of one message exactly as it came",
    { 200: json("The message", ref("schemas", "Message")) },
    "id",
    "seq",
  )),
  "/sessions/{id}/notes": {
    ...both(read(
      "notes",
      "Notes on moments of a session",
      { 200: json("All notes", object({ notes: list(ref("schemas", "Note")) }, ["notes"])) },
      "id",
    )),
    post: operation("addNote", "Write a note on a moment", {
      parameters: parameters("id"),
      body: object({ at: MOMENT, text: NOTE_TEXT }, ["at", "text"]),
      answers: { 201: NOTE },
      problems: [507],
    }),
  },
  "/sessions/{id}/notes/{note}": {
    patch: operation("changeNote", "Change a note", {
      parameters: parameters("id", "note"),
      body: object({ text: NOTE_TEXT }, ["text"]),
      answers: { 200: NOTE },
      problems: [507],
    }),
    delete: operation("deleteNote", "Delete a note", {
      parameters: parameters("id", "note"),
      answers: { 204: empty("It is gone") },
    }),
  },
  "/sessions/{id}/timeline": both(read(
    "timeline",
    "A session over time: counts by kind, events, gaps, and what was done with it",
    { 200: json("Counts in equal parts of its time", ref("schemas", "Timeline")) },
    "id",
    "buckets",
  )),
  "/sessions/{id}/state": both(read(
    "plan",
    "What was valid at a moment: the plan of a way back. Nothing is sent",
    { 200: json("The plan", ref("schemas", "Plan")) },
    "id",
    "at",
  )),
  "/sessions/{id}/goto": {
    post: operation("goTo", "Send the values and states of a moment", {
      parameters: parameters("id"),
      body: object({
        at: MOMENT,
        instances: { ...list(TEXT), description: "All that are restorable when left out" },
        values: { ...list(TEXT), description: "Keys of the plan; all when left out" },
      }, ["at"]),
      answers: { 202: json("What was sent, and what was not", ref("schemas", "Sent")) },
      problems: [405, 429],
    }),
  },
  "/sessions/{id}/export": {
    get: read(
      "export",
      "A session as lines",
      { 200: { description: "One message in each line", ...text("application/x-ndjson") } },
      "id",
      "json",
    ),
  },
  "/recording": {
    ...both(
      operation("recording", "What is recorded and replayed right now", { answers: { 200: RECORDING } }),
    ),
    patch: operation("pauseRecording", "Pause the recorder, or let it go on", {
      body: object({ paused: FLAG }, ["paused"]),
      answers: { 200: RECORDING },
      problems: [409],
    }),
  },
  "/replay": {
    ...both(operation("replay", "How the replay is getting on", { answers: { 200: REPLAY } })),
    post: operation("beginReplay", "Play a session into the bus; one at a time", {
      body: object({
        session: { type: "integer" },
        from: MOMENT,
        to: MOMENT,
        speed: SPEED,
        only: TYPES,
        except: { ...TYPES, default: ["log", "ready", "reload"] },
        nested: { ...FLAG, description: "Also what was part of an earlier replay" },
        maxGapMs: { type: "number", description: "Longer pauses are cut to this" },
        restore: { ...FLAG, description: "First send what was valid at the start" },
        loop: FLAG,
        paused: FLAG,
      }, ["session"]),
      answers: { 201: REPLAY },
      problems: [405, 409, 429],
    }),
    patch: operation("changeReplay", "Pause, go on, faster, slower, elsewhere", {
      body: object({ paused: FLAG, speed: SPEED, at: MOMENT }),
      answers: { 200: REPLAY },
    }),
    delete: operation("endReplay", "End the replay", { answers: { 200: REPLAY } }),
  },
  "/replay/step": {
    post: operation("stepReplay", "Send the next messages now, also while it is paused", {
      body: object({ messages: { type: "integer", minimum: 1, maximum: MAX_STEP, default: 1 } }),
      answers: { 200: REPLAY },
      problems: [405, 429],
    }),
  },
};

const inPath = (name: string, description: string): Json => ({
  name,
  in: "path",
  required: true,
  description,
  schema: { type: "integer", minimum: 1 },
});
const limit = (what: string, maximum: number, usual: number): Json =>
  query("limit", `Most ${what} in the answer`, { type: "integer", minimum: 1, maximum, default: usual });
const TIME: Json = { type: "string", examples: ["2026-01-31T10:00:00Z", "1769853600000"] };

/** Parameters of these routes. */
export const SESSION_PARAMETERS: Json = {
  id: inPath("id", "Number of the session"),
  seq: inPath("seq", "Number of the message in its session"),
  note: inPath("note", "Number of the note"),
  q: query("q", "Words to look for", { type: "string", maxLength: MAX_SEARCH }),
  from: query("from", "At this time or later", TIME),
  to: query("to", "At this time or before", TIME),
  starred: query("starred", "1: only what is marked", { enum: ["1", "0", "true", "false"] }),
  sessionCursor: query("cursor", "next of the page before", { type: "integer" }),
  sessionLimit: limit("sessions", MAX_SESSIONS, DEFAULT_SESSIONS),
  place: query("since", "Behind this message: the cursor of the page before", {
    type: "string",
    examples: ["s3.812", "812"],
  }),
  before: query("before", "The last ones before this message; not together with since", {
    type: "string",
    examples: ["s3.812", "812"],
  }),
  eventLimit: limit("events", MAX_EVENTS, DEFAULT_EVENTS),
  messageLimit: limit("messages", MAX_LIMIT, DEFAULT_LIMIT),
  instance: query("instance", "Only events of this instance, as JSON text", { type: "string" }),
  application: query("application", "Only events of this application", { type: "string" }),
  buckets: query("buckets", "In so many parts", {
    type: "integer",
    minimum: 1,
    maximum: MAX_BUCKETS,
    default: DEFAULT_BUCKETS,
  }),
  at: {
    ...query("at", "The moment", { type: "string", examples: ["s3.812", "2026-01-31T10:00:00Z"] }),
    required: true,
  },
  json: query("json", "1: each line with number and time, and lines for gaps", {
    enum: ["1", "0", "true", "false"],
  }),
};
