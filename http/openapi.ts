/**
 * `GET /openapi.json`: the description of the gateway for machines. Its parts lie in `openapi/`, by topic. A test walks it and the
 * routes, both ways.
 *
 * @module
 */
import { VERSION } from "../base/version.ts";
import { json as jsonAnswer } from "./answers.ts";
import type { Gate } from "./gate.ts";
import { MESSAGE_PARAMETERS, MESSAGE_PATHS, MESSAGE_SCHEMAS } from "./openapi/messages.ts";
import { type Json, type Paths, ref, text } from "./openapi/parts.ts";
import { SERVICE_PATHS } from "./openapi/service.ts";
import { SESSION_SCHEMAS } from "./openapi/session_schemas.ts";
import { SESSION_PARAMETERS, SESSION_PATHS } from "./openapi/sessions.ts";
import { PROBLEMS } from "./problem.ts";

/** See the module. */
export function openApi(gate: Gate): Response {
  return jsonAnswer(JSON.stringify(describe(gate)));
}

/** The operations. OPTIONS, which all paths have, is not described one by one. */
const PATHS: Paths = { ...MESSAGE_PATHS, ...SESSION_PATHS, ...SERVICE_PATHS };

const PROBLEM: Json = {
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
      parameters: { ...MESSAGE_PARAMETERS, ...SESSION_PARAMETERS },
      schemas: { ...MESSAGE_SCHEMAS, ...SESSION_SCHEMAS, Problem: PROBLEM },
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
