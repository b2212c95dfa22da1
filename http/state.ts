/**
 * `GET …/state`: what is valid now, the newest message of each kind. With the cursor of the answer a client goes on without a
 * gap and without a double.
 *
 * @module
 */
import type { Value } from "../bus/last_values.ts";
import { answer, JSON_TYPE } from "./answers.ts";
import { seqText } from "./entry_json.ts";
import type { Gate } from "./gate.ts";
import type { Hub } from "./hub.ts";
import { entityTag, isUnchanged } from "./last_value.ts";
import type { Call } from "./route.ts";
import { textAnswer } from "./unread.ts";

/** The kinds that are answered when none are asked for. */
export const DEFAULT_STATE_TYPES: readonly string[] = ["subject", "sample", "variables"];

/** See the module. */
export function state(gate: Gate, call: Call): Response {
  const { request, query } = call;
  const { hub, counters } = gate;
  hub.requireBroker();
  const types = query.stateTypes() ?? DEFAULT_STATE_TYPES;
  const cursor = hub.cursor(hub.feed.position);
  const tag = entityTag(cursor, "text");
  const headers = [["cache-control", "no-cache"], ["etag", tag], ["message-cursor", cursor]] as const;
  if (isUnchanged(request, tag)) return answer(null, 304, headers);
  const values = hub.feed.state(types);
  const body = `{"cursor":"${cursor}","values":[${values.map((value) => valueJson(value, hub)).join(",")}]}`;
  counters.countSent("poll", values.length, body.length);
  return textAnswer(gate, call, body, [["content-type", JSON_TYPE], ...headers]);
}

function valueJson({ type, target, entry }: Value, hub: Hub): string {
  const seq = seqText(hub.cursor(entry.position));
  return `{"type":${JSON.stringify(type)},"target":${target ?? null},"seq":${seq},"time":${entry.time},` +
    `"message":${entry.text}}`;
}
