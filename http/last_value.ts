/**
 * `GET`: the last message and how many there were, as the original answered it.
 *
 * @module
 */
import { answer, type Header, JSON_TYPE } from "./answers.ts";
import { seqText } from "./entry_json.ts";
import type { Gate } from "./gate.ts";
import type { Hub } from "./hub.ts";
import type { Call } from "./route.ts";
import type { TypeFilter } from "./type_filter.ts";
import { isLarge, textAnswer } from "./unread.ts";

/** In which form a message stands in an answer. */
export type MessageForm = "text" | "value";

/** The two forms, for `as=`. */
export const MESSAGE_FORMS: readonly MessageForm[] = ["text", "value"];

/** Answers ready to be copied, for each hub and form: a copy costs half of a new answer, and most polls find nothing new. */
const templates = new WeakMap<Hub, Map<MessageForm, Template>>();

interface Template {
  readonly position: number;
  readonly response: Response;
  readonly bytes: number;
}

/** See the module. */
export function lastValue(gate: Gate, call: Call): Response {
  const { request, query } = call;
  const { hub, counters } = gate;
  hub.requireBroker();
  const form = query.choice("as", MESSAGE_FORMS) ?? gate.settings.messageAs;
  const filter = query.typeFilter();
  const cursor = hub.cursor(hub.feed.position);
  if (isUnchanged(request, entityTag(cursor, form))) return answer(null, 304, headersOf(cursor, form));
  if (filter !== undefined) {
    const text = findLast(hub, filter);
    counters.countSent("poll", 1, text?.length ?? 0);
    return textAnswer(gate, call, bodyOf(cursor, text, form), [
      ["content-type", JSON_TYPE],
      ...headersOf(cursor, form),
    ]);
  }
  const byForm = templates.getOrInsertComputed(hub, () => new Map());
  let template: Template | undefined = byForm.get(form);
  if (isLarge(hub.feed.last?.text ?? "")) {
    const body = bodyOf(cursor, hub.feed.last?.text, form);
    counters.countSent("poll", 1, body.length);
    return textAnswer(gate, call, body, [["content-type", JSON_TYPE], ...headersOf(cursor, form)]);
  }
  if (template === undefined || template.position !== hub.feed.position) {
    const body = bodyOf(cursor, hub.feed.last?.text, form);
    const response = answer(body, 200, [["content-type", JSON_TYPE], ...headersOf(cursor, form)]);
    template = { position: hub.feed.position, response, bytes: body.length };
    byForm.set(form, template);
  }
  counters.countSent("poll", 1, template.bytes);
  return template.response.clone();
}

/** The tag of what is answered at this cursor. The form has its own: the bodies differ. */
export function entityTag(cursor: string, form: MessageForm): string {
  return form === "value" ? `"${cursor}-v"` : `"${cursor}"`;
}

/** Does the client have what this tag stands for? */
export function isUnchanged(request: Request, tag: string): boolean {
  const condition = request.headers.get("if-none-match");
  if (condition === null) return false;
  return condition === tag || condition.split(",").some((part) => part.trim().replace(/^W\//, "") === tag);
}

function headersOf(cursor: string, form: MessageForm): Header[] {
  return [
    ["cache-control", "no-cache"],
    ["etag", entityTag(cursor, form)],
    ["message-cursor", cursor],
    ["message-count", seqText(cursor)],
  ];
}

function bodyOf(cursor: string, text: string | undefined, form: MessageForm): string {
  const message = form === "value" ? text ?? "null" : JSON.stringify(text ?? "");
  return `{"count":${seqText(cursor)},"message":${message}}`;
}

function findLast({ feed }: Hub, filter: TypeFilter): string | undefined {
  // The feed keeps both spellings of this one type under one name.
  const passes = (type: string) =>
    filter.matchesType(type) || type === "visualization" && filter.matchesType("Visualization");
  return feed.lastOf(passes)?.text;
}
