/**
 * The description of the routes for those who run the gateway, and of the pages.
 *
 * @module
 */
import { CLIENT_FILES } from "../client_files.ts";
import { PAGE_FILES } from "../live_page.ts";
import { PROBLEMS } from "../problem.ts";
import { SESSION_PAGE_FILES } from "../sessions/page.ts";
import { head, type Json, json, type Paths, problems, text } from "./parts.ts";

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

const summaryOf = (path: string) =>
  path.startsWith("/client") ? "The bus for web pages, or a file that it loads" : "A file of the page";

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
const SCHEMAS = service(
  "schemas",
  "What the seven kinds of messages hold",
  { description: "JSON Schema 2020-12", ...text("application/schema+json", { type: "object" }) },
  400,
  401,
  403,
  503,
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

/** See the module. */
export const SERVICE_PATHS: Paths = {
  "/messages/subscribers": { get: SUBSCRIBERS, head: head(SUBSCRIBERS) },
  "/broker": { get: BROKER, head: head(BROKER) },
  "/healthz": { get: HEALTH, head: head(HEALTH) },
  "/readyz": { get: READINESS, head: head(READINESS) },
  "/metrics": { get: METRICS, head: head(METRICS) },
  "/schemas": { get: SCHEMAS, head: head(SCHEMAS) },
  "/openapi.json": { get: DESCRIPTION, head: head(DESCRIPTION) },
  "/problems/{code}": { get: PROBLEM_PAGE, head: head(PROBLEM_PAGE) },
  ...Object.fromEntries(
    ([
      ["/", "page", "The live page", "text/html"],
      ["/monitor", "monitor", "The live page", "text/html"],
      ["/monitor/sessions", "sessionsPage", "The Sessions page", "text/html"],
      ...[...CLIENT_FILES, ...PAGE_FILES, ...SESSION_PAGE_FILES].map(({ path, contentType }) =>
        [path, path.slice(1).replace(/\W/g, "_"), summaryOf(path), contentType.split(";")[0]!] as const
      ),
    ] as const).map(([path, id, summary, type]) => {
      const operation = file(id, summary, type);
      return [path, { get: operation, head: head(operation) }];
    }),
  ),
};
