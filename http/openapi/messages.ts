/**
 * The description of the routes of messages.
 *
 * @module
 */
import { DEFAULT_LIMIT, MAX_LIMIT } from "../history.ts";
import { MAX_TIMEOUT_S } from "../long_poll.ts";
import { MAX_CONFIRM_S } from "../post.ts";
import { DEFAULT_STATE_TYPES } from "../state.ts";
import {
  CURSOR,
  empty,
  head,
  header,
  headers,
  type Json,
  json,
  parameters,
  type Paths,
  problems,
  query,
  ref,
  seconds,
} from "./parts.ts";

const MESSAGE = ref("schemas", "Message");
const WHERE = headers("Message-Cursor", "ETag");

const POLL: Json = {
  operationId: "lastMessage",
  summary: "The last message, and how many there were",
  parameters: parameters("as", "type", "If-None-Match"),
  responses: {
    200: json(
      "The last message",
      ref("schemas", "LastMessage"),
      headers("Message-Cursor", "Message-Count", "ETag"),
    ),
    304: empty("Nothing new since the ETag", WHERE),
    ...problems(400, 401, 403, 503),
  },
};

const publish = (operationId: string): Json => ({
  operationId,
  summary: "Send a message",
  parameters: parameters("confirm"),
  requestBody: {
    required: true,
    content: {
      "application/x-www-form-urlencoded": { schema: ref("schemas", "MessageForm") },
      "multipart/form-data": { schema: ref("schemas", "MessageForm") },
      "application/json": { schema: MESSAGE },
      "application/x-ndjson": {
        schema: { type: "string", description: "One message in each line; all or none are taken" },
      },
    },
  },
  responses: {
    200: json("It is on the bus (only with confirm)", ref("schemas", "Confirmation")),
    202: empty("Taken"),
    ...problems(400, 401, 403, 405, 408, 413, 415, 422, 429, 503),
  },
});

const LONG_POLL: Json = {
  operationId: "nextMessage",
  summary: "Wait for the next message, or for the oldest one after a cursor",
  parameters: parameters("since", "timeout", "type", "as", "strict", "If-None-Match"),
  responses: {
    200: json("A message", ref("schemas", "OneMessage"), headers("Message-Cursor", "Message-Missed", "ETag")),
    204: empty("Nothing came in time", WHERE),
    304: empty("Nothing came in time; the cursor was given by If-None-Match", WHERE),
    ...problems(400, 401, 403, 410, 503),
  },
};

const STATE: Json = {
  operationId: "state",
  summary: "What is valid now: the newest message of each kind",
  parameters: [ref("parameters", "stateType"), ref("parameters", "If-None-Match")],
  responses: {
    200: json("The newest message of each kind and target, oldest first", ref("schemas", "State"), WHERE),
    304: empty("Nothing new since the ETag", WHERE),
    ...problems(400, 401, 403, 503),
  },
};

const HISTORY: Json = {
  operationId: "history",
  summary: "Messages that are still held after a cursor",
  parameters: parameters("since", "before", "limit", "timeout", "type", "strict"),
  responses: {
    200: json(
      "The messages",
      ref("schemas", "History"),
      headers("Message-Cursor", "Message-Count", "Message-Missed"),
    ),
    ...problems(400, 401, 403, 410, 503),
  },
};

const STREAM: Json = {
  operationId: "stream",
  summary: "Every message as an event, or as a JSON line",
  parameters: parameters("since", "lastEventId", "type", "events", "format", "heartbeat", "Last-Event-ID"),
  security: [{}, { bearer: [] }, { query: [] }],
  responses: {
    200: {
      description: "Events `open`, `gap` and messages, each with its cursor as id",
      content: {
        "text/event-stream": { schema: { type: "string" } },
        "application/x-ndjson": { schema: { type: "string" } },
      },
    },
    ...problems(400, 401, 403, 503),
  },
};

const socket = (operationId: string): Json => ({
  operationId,
  summary: "A WebSocket, both ways; subprotocol braviz.v1 has cursors",
  parameters: parameters("since", "lastEventId", "type"),
  security: [{}, { bearer: [] }, { subprotocol: [] }],
  responses: { 101: empty("The WebSocket is open"), ...problems(400, 401, 403, 426, 503) },
});

/** See the module. */
export const MESSAGE_PATHS: Paths = {
  "/messages": { get: POLL, head: head(POLL), post: publish("send") },
  "/messages/longpoll": { get: LONG_POLL, post: publish("sendAsInTheOriginal") },
  "/messages/history": { get: HISTORY, head: head(HISTORY) },
  "/messages/state": { get: STATE, head: head(STATE) },
  "/messages/stream": { get: STREAM },
  "/messages/ws": { get: socket("socket") },
  "/messages_ws": { get: socket("socketAsInTheOriginal") },
};

/** Parameters of these routes. */
export const MESSAGE_PARAMETERS: Json = {
  "as": query("as", "Form of `message`: its JSON text, or the value itself", {
    type: "string",
    enum: ["text", "value"],
  }),
  "type": query("type", "Only these types, separated by commas; a `*` at the end stands for anything", {
    type: "string",
  }),
  "stateType": query(
    "type",
    `Only these types, separated by commas; ${
      DEFAULT_STATE_TYPES.join(", ")
    } when left out. Never log, ready or reload`,
    { type: "string" },
  ),
  "since": query("since", "Cursor of the last message that the client has", CURSOR),
  "before": query(
    "before",
    "Cursor in front of which the newest messages are wanted, oldest first; `since`, `timeout` and `strict` do not matter then. " +
      "`more` of the answer says whether there are older ones, and its `before` is what to ask for them with",
    CURSOR,
  ),
  "lastEventId": query("lastEventId", "The same as since", CURSOR),
  "timeout": query(
    "timeout",
    "Longest wait in seconds; ±10 % are added at random",
    seconds(0, MAX_TIMEOUT_S),
  ),
  "strict": query("strict", "1: answer 410 when messages after the cursor cannot be had", {
    enum: ["1", "0", "true", "false"],
  }),
  "limit": query("limit", "Most messages in the answer", {
    type: "integer",
    minimum: 1,
    maximum: MAX_LIMIT,
    default: DEFAULT_LIMIT,
  }),
  "events": query("events", "`type`: the event's name is the type of the message", {
    type: "string",
    enum: ["type"],
  }),
  "format": query("format", "Form of the stream", { type: "string", enum: ["sse", "ndjson"] }),
  "heartbeat": query("heartbeat", "Seconds between two signs of life", seconds(5, 120)),
  "confirm": query(
    "confirm",
    "Wait so many seconds until it is known that the message is on the bus",
    seconds(0, MAX_CONFIRM_S),
  ),
  "If-None-Match": header("If-None-Match", "The ETag of the last answer"),
  "Last-Event-ID": header("Last-Event-ID", "The id of the last event; wins over since"),
};

/** Forms of their bodies. */
export const MESSAGE_SCHEMAS: Json = {
  Message: {
    type: "object",
    properties: { type: { type: "string", examples: ["subject"] } },
    additionalProperties: true,
    examples: [{ type: "subject", subject: 119 }],
  },
  MessageForm: {
    type: "object",
    required: ["message"],
    properties: { message: { type: "string", contentMediaType: "application/json" } },
  },
  LastMessage: {
    type: "object",
    required: ["count", "message"],
    properties: { count: { type: "integer" }, message: { type: ["string", "object", "null"] } },
    additionalProperties: false,
  },
  OneMessage: {
    type: "object",
    required: ["message"],
    properties: { message: { type: ["string", "object"] } },
    additionalProperties: false,
  },
  Confirmation: {
    type: "object",
    required: ["count", "cursor"],
    properties: { count: { type: "integer" }, cursor: { type: "string" } },
  },
  History: {
    type: "object",
    required: ["messages", "cursor", "oldest", "latest", "missed", "more"],
    properties: {
      messages: {
        type: "array",
        items: {
          type: "object",
          required: ["seq", "cursor", "time", "message"],
          properties: {
            seq: { type: "integer" },
            cursor: { type: "string" },
            time: { type: "integer", description: "Milliseconds since 1970-01-01 UTC" },
            message: MESSAGE,
          },
        },
      },
      cursor: { type: "string" },
      oldest: { type: "string" },
      latest: { type: "string" },
      missed: { type: ["integer", "null"], description: "null: nobody knows" },
      more: { type: "boolean" },
      before: {
        type: "string",
        description: "With the parameter before: what to ask for still older ones with",
      },
    },
  },
  State: {
    type: "object",
    required: ["cursor", "values"],
    properties: {
      cursor: { type: "string", description: "Go on from here with since" },
      values: {
        type: "array",
        items: {
          type: "object",
          required: ["type", "target", "seq", "time", "message"],
          properties: {
            type: { type: "string" },
            target: { description: "The message's target, null where it has none" },
            seq: { type: "integer" },
            time: { type: "integer", description: "Milliseconds since 1970-01-01 UTC" },
            message: MESSAGE,
          },
        },
      },
    },
  },
};
