/**
 * `POST`: what its head says is looked at before its body is read.
 *
 * @module
 */
import { quote } from "../base/quote.ts";
import { readBody } from "./body.ts";
import type { Later } from "./exit.ts";
import type { Gate } from "./gate.ts";
import { Problem } from "./problem.ts";
import { type BodyForm, publishBody, requireSending } from "./publish.ts";
import type { Call } from "./route.ts";

/** What a POST may be. */
export const ACCEPT_POST =
  "application/x-www-form-urlencoded, multipart/form-data, application/json, application/x-ndjson";
/** Longest `confirm`, in seconds. */
export const MAX_CONFIRM_S = 60;

const JSON_TYPE = /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json$/;

/** See the module. */
export function post(gate: Gate, call: Call): Later {
  const { request, query } = call;
  // With capitals: see `HOST` of the policy.
  const contentType = request.headers.get("Content-Type") ?? "";
  const form = bodyFormOf(contentType);
  const confirmMs = query.milliseconds("confirm", 0, MAX_CONFIRM_S) ?? 0;
  requireSending(gate);
  return readBody(gate, call, (body) => publishBody(gate, call, body, { form, contentType, confirmMs }));
}

/** A body without a type is what a foreign page can send without asking, so anything else is refused. */
function bodyFormOf(contentType: string): BodyForm {
  // Most clients write exactly this.
  if (contentType === "application/x-www-form-urlencoded") return "urlencoded";
  const mediaType = contentType.split(";", 1)[0]!.trim().toLowerCase();
  if (mediaType === "application/x-www-form-urlencoded") return "urlencoded";
  if (JSON_TYPE.test(mediaType)) return "json";
  if (mediaType === "multipart/form-data") return "multipart";
  if (mediaType === "application/x-ndjson") return "lines";
  throw new Problem(
    "unsupported-media-type",
    `Cannot take body: its type is ${quote(mediaType, 60)}`,
    { headers: { "accept-post": ACCEPT_POST } },
  );
}
