/**
 * `GET /schemas`: what the messages hold, as JSON Schema.
 *
 * @module
 */
import { messageSchemas } from "../bus/message_schemas.ts";
import { answer } from "./answers.ts";

let text: string | undefined;

/** See the module. */
export function schemas(): Response {
  text ??= JSON.stringify(messageSchemas());
  return answer(text, 200, [["content-type", "application/schema+json"]]);
}
