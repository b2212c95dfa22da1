/**
 * `GET`: the last message and how many there were, as the original answered it.
 *
 * @module
 */
import type { GatewayEntry } from "./gateway_client.ts";
import { answer, JSON_TYPE } from "./answers.ts";
import type { Gate } from "./gate.ts";
import type { Hub } from "./hub.ts";
import type { Call } from "./route.ts";
import type { TypeFilter } from "./type_filter.ts";

/** In which form a message stands in an answer. */
export type MessageForm = "text" | "value";

/** The two forms, for `as=`. */
export const MESSAGE_FORMS: readonly MessageForm[] = ["text", "value"];

/** Answers ready to be copied, for each hub and form: a copy costs half of a new answer, and most polls find nothing new. */
const templates = new WeakMap<Hub, Map<MessageForm, Template>>();

interface Template {
  readonly count: number;
  readonly response: Response;
  readonly bytes: number;
}

/** See the module. */
export function lastValue(gate: Gate, { request, query }: Call): Response {
  gate.hub.requireBroker();
  const { hub, counters } = gate;
  const form = query.choice("as", MESSAGE_FORMS) ?? gate.settings.messageAs;
  const filter = query.typeFilter();
  const count = hub.client.count;
  const condition = request.headers.get("if-none-match");
  if (condition !== null && isUnchanged(condition, gate, form, count)) {
    return answer(null, 304, headersOf(hub, form, count));
  }
  if (filter !== undefined) {
    const entry = findLast(hub, filter);
    counters.countSent("poll", 1, entry?.text.length ?? 0);
    return answer(bodyOf(count, entry?.text, form), 200, [
      ["content-type", JSON_TYPE],
      ...headersOf(hub, form, count),
    ]);
  }
  const byForm = templates.getOrInsertComputed(hub, () => new Map());
  let template: Template | undefined = byForm.get(form);
  if (template === undefined || template.count !== count) {
    const text = count === 0 ? undefined : hub.client.getLastMessage()[1];
    const body = bodyOf(count, text, form);
    const response = answer(body, 200, [["content-type", JSON_TYPE], ...headersOf(hub, form, count)]);
    template = { count, response, bytes: body.length };
    byForm.set(form, template);
  }
  counters.countSent("poll", 1, template.bytes);
  return template.response.clone();
}

/** The tag of what is answered at this count. The form has its own: the bodies differ. */
export function entityTag(hub: Hub, seq: number, form: MessageForm): string {
  return form === "value" ? `"${hub.cursor(seq)}-v"` : `"${hub.cursor(seq)}"`;
}

function headersOf(hub: Hub, form: MessageForm, count: number): [string, string][] {
  return [
    ["cache-control", "no-cache"],
    ["etag", entityTag(hub, count, form)],
    ["message-cursor", hub.cursor(count)],
    ["message-count", String(count)],
  ];
}

function isUnchanged(condition: string, gate: Gate, form: MessageForm, count: number): boolean {
  const tag = entityTag(gate.hub, count, form);
  return condition === tag || condition.split(",").some((part) => part.trim().replace(/^W\//, "") === tag);
}

function bodyOf(count: number, text: string | undefined, form: MessageForm): string {
  const message = form === "value" ? text ?? "null" : JSON.stringify(text ?? "");
  return `{"count":${count},"message":${message}}`;
}

function findLast(hub: Hub, filter: TypeFilter): GatewayEntry | undefined {
  return hub.client.messagesAfter(hub.client.oldest - 1).entries.findLast((entry) => filter.matches(entry));
}
