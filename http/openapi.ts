/**
 * `GET /openapi.json`: the description of the gateway for machines. A test walks it and the routes, both ways.
 *
 * @module
 */
import { json as jsonAnswer } from "./answers.ts";
import type { Gate } from "./gate.ts";
import { DEFAULT_LIMIT, MAX_LIMIT } from "./history.ts";
import { PAGE_FILES } from "./live_page.ts";
import { MAX_TIMEOUT_S } from "./long_poll.ts";
import { PROBLEMS } from "./problem.ts";
import { MAX_CONFIRM_S } from "./post.ts";
import { DEFAULT_STATE_TYPES } from "./state.ts";
import { VERSION } from "../base/version.ts";

type Json = Readonly<Record<string, unknown>>;

/** See the module. */
export function openApi(gate: Gate): Response {
  return jsonAnswer(JSON.stringify(describe(gate)));
}

const ref = (kind: string, name: string): Json => ({ $ref: `#/components/${kind}/${name}` });
const text = (type: string, schema: Json = { type: "string" }): Json => ({ content: { [type]: { schema } } });
const json = (description: string, schema: Json, headers: Json = {}): Json => ({
  description,
  ...text("application/json", schema),
  headers,
});
const empty = (description: string, headers: Json = {}): Json => ({ description, headers });
const problems = (...statuses: readonly number[]): Json =>
  Object.fromEntries(statuses.map((status) => [status, ref("responses", `Problem${status}`)]));
const parameters = (...names: readonly string[]): Json[] => names.map((name) => ref("parameters", name));
const headers = (...names: readonly string[]): Json =>
  Object.fromEntries(names.map((name) => [name, ref("headers", name)]));
/** The same without a body. */
const head = (operation: Json): Json => ({ ...operation, operationId: `${operation.operationId}Head` });

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
  parameters: parameters("since", "limit", "timeout", "type", "strict"),
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

const service = (
  operationId: string,
  summary: string,
  response: Json,
  ...statuses: readonly number[]
): Json => ({
  operationId,
  summary,
  responses: { 200: response, ...problems(...statuses) },
});

const SUBSCRIBERS = service(
  "subscribers",
  "How many clients wait",
  json("Numbers", {
    type: "object",
    required: ["longpoll", "sse", "websocket"],
    properties: { longpoll: { type: "integer" }, sse: { type: "integer" }, websocket: { type: "integer" } },
  }),
  400,
  401,
  403,
  503,
);
const BROKER = service("broker", "Who is here", json("Lists", { type: "object" }), 400, 401, 403, 404, 503);
const HEALTH: Json = {
  ...service("health", "Is the process alive", json("Yes", { type: "object" }), 400, 403),
  security: [{}],
};
const READINESS_BODY: Json = {
  type: "object",
  required: ["broker", "draining"],
  properties: { broker: { type: "boolean" }, draining: { type: "boolean" } },
};
const READINESS: Json = {
  operationId: "readiness",
  summary: "Is the broker connected",
  responses: {
    200: json("Yes", READINESS_BODY),
    503: json("No", READINESS_BODY),
    ...problems(400, 401, 403),
  },
};
const METRICS = service(
  "metrics",
  "All counters as Prometheus text",
  { description: "Counters", ...text("text/plain") },
  400,
  401,
  403,
);
const DESCRIPTION = service(
  "description",
  "This text",
  json("OpenAPI 3.1", { type: "object" }),
  400,
  401,
  403,
  503,
);
const PROBLEM_PAGE: Json = {
  ...service(
    "problem",
    "What a problem code means",
    json("Its meaning", { type: "object" }),
    400,
    401,
    403,
    404,
    503,
  ),
  parameters: [{
    name: "code",
    in: "path",
    required: true,
    schema: { type: "string", enum: Object.keys(PROBLEMS) },
  }],
};
const file = (operationId: string, summary: string, type: string): Json => ({
  ...service(operationId, summary, { description: "The file", ...text(type) }, 400, 403, 503),
  security: [{}],
});

/** The operations, by path and method. OPTIONS, which all paths have, is not described one by one. */
const PATHS: Readonly<Record<string, Readonly<Record<string, Json>>>> = {
  "/messages": { get: POLL, head: head(POLL), post: publish("send") },
  "/messages/longpoll": { get: LONG_POLL, post: publish("sendAsInTheOriginal") },
  "/messages/history": { get: HISTORY, head: head(HISTORY) },
  "/messages/state": { get: STATE, head: head(STATE) },
  "/messages/stream": { get: STREAM },
  "/messages/ws": { get: socket("socket") },
  "/messages_ws": { get: socket("socketAsInTheOriginal") },
  "/messages/subscribers": { get: SUBSCRIBERS, head: head(SUBSCRIBERS) },
  "/broker": { get: BROKER, head: head(BROKER) },
  "/healthz": { get: HEALTH, head: head(HEALTH) },
  "/readyz": { get: READINESS, head: head(READINESS) },
  "/metrics": { get: METRICS, head: head(METRICS) },
  "/openapi.json": { get: DESCRIPTION, head: head(DESCRIPTION) },
  "/problems/{code}": { get: PROBLEM_PAGE, head: head(PROBLEM_PAGE) },
  ...Object.fromEntries(
    ([
      ["/", "page", "The live page", "text/html"],
      ["/monitor", "monitor", "The live page", "text/html"],
      ...PAGE_FILES.map(({ path, contentType }) =>
        [path, path.slice(1).replace(/\W/g, "_"), "A file of the page", contentType.split(";")[0]!] as const
      ),
    ] as const).map(([path, id, summary, type]) => {
      const operation = file(id, summary, type);
      return [path, { get: operation, head: head(operation) }];
    }),
  ),
};

const query = (name: string, description: string, schema: Json): Json => ({
  name,
  in: "query",
  description,
  schema,
});
const header = (name: string, description: string): Json => ({
  name,
  in: "header",
  description,
  schema: { type: "string" },
});
const seconds = (minimum: number, maximum: number): Json => ({ type: "number", minimum, maximum });
const CURSOR: Json = { type: "string", examples: ["k3f9x2ab.1841", "now", "earliest", "latest", "1841"] };

const PARAMETERS: Json = {
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

const SCHEMAS: Json = {
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
  Problem: {
    type: "object",
    description: "RFC 9457",
    required: ["type", "title", "status", "detail", "code"],
    properties: {
      type: { type: "string", format: "uri-reference" },
      title: { type: "string" },
      status: { type: "integer" },
      detail: { type: "string" },
      code: { type: "string", enum: Object.keys(PROBLEMS) },
    },
    additionalProperties: true,
  },
};

function problemResponses(): Json {
  const statuses = new Set(Object.values(PROBLEMS).map(([status]) => status));
  return Object.fromEntries([...statuses].map((status) => {
    const codes = Object.entries(PROBLEMS).filter(([, problem]) => problem[0] === status).map(([code]) =>
      `\`${code}\``
    );
    return [`Problem${status}`, {
      description: codes.join(", "),
      ...text("application/problem+json", ref("schemas", "Problem")),
    }];
  }));
}

function describe(gate: Gate): Json {
  const { prefix } = gate.settings;
  return {
    openapi: "3.1.0",
    info: {
      title: "Message bus over HTTP",
      version: VERSION,
      summary: "Small JSON messages that keep applications together",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: prefix === "" ? "/" : prefix }],
    security: gate.policy.token === undefined ? [{}] : [{ bearer: [] }],
    paths: PATHS,
    components: {
      parameters: PARAMETERS,
      schemas: SCHEMAS,
      responses: problemResponses(),
      headers: {
        "Message-Cursor": { description: "Send it back as since", schema: { type: "string" } },
        "Message-Count": { description: "Number of messages so far", schema: { type: "integer" } },
        "Message-Missed": {
          description: "Messages that can no longer be had, or `unknown`",
          schema: { type: "string" },
        },
        "ETag": { description: "The cursor in quotes", schema: { type: "string" } },
      },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        query: { type: "apiKey", in: "query", name: "access_token" },
        subprotocol: { type: "apiKey", in: "header", name: "Sec-WebSocket-Protocol" },
      },
    },
  };
}
