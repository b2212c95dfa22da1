/**
 * `/sessions/{id}/messages`: all messages of a session, their texts as they came, and the gaps among them.
 *
 * @module
 */
import type { RecordedGap } from "../../bus/recording.ts";
import { answer, json, JSON_TYPE } from "../answers.ts";
import type { Gate } from "../gate.ts";
import { DEFAULT_LIMIT, MAX_LIMIT } from "../history.ts";
import type { Call } from "../route.ts";
import { placeOf } from "./place.ts";
import { MAX_SEARCH } from "./sessions.ts";

/** Most characters of messages in one answer; a single longer message still fits. The rest is told by `more`. */
const MAX_LENGTH = 8 * 1_048_576;

/** `GET …/messages`: a page behind `since`, in the form of the history. */
export async function listMessages(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  const { query, request } = call;
  const after = query.sessionPlace("since", session) ?? 0;
  const page = await archive.messages(session, {
    after,
    limit: query.integer("limit", 1, MAX_LIMIT) ?? DEFAULT_LIMIT,
    types: query.typeFilter()?.patterns,
    text: query.shortText("q", MAX_SEARCH),
    ...query.times(),
    signal: request.signal,
  });
  let length = 0;
  const fitting = page.messages.findIndex(({ text }, i) => (length += text.length) > MAX_LENGTH && i > 0);
  const messages = fitting < 0 ? page.messages : page.messages.slice(0, fitting);
  const last = messages.at(-1)?.seq ?? after;
  const next = fitting < 0 ? page.next : last;
  const gaps = fitting < 0 ? page.gaps : page.gaps.filter((gap) => gap.after < last);
  const texts = messages.map(({ seq, time, text }) =>
    `{"seq":${seq},"cursor":"s${session}.${seq}","time":${time},"message":${text}}`
  );
  return json(
    `{"messages":[${texts.join(",")}],"gaps":${JSON.stringify(gaps)},"missed":${missedIn(gaps)},` +
      `"cursor":"s${session}.${next ?? last}","more":${next !== null}}`,
  );
}

/** How many messages are missing; null when nobody can know. */
function missedIn(gaps: readonly RecordedGap[]): number | null {
  return gaps.reduce<number | null>(
    (sum, { missed }) => sum === null || missed === null ? null : sum + missed,
    0,
  );
}

/** `GET …/messages/{seq}`: the text of one message exactly as it came. */
export async function oneMessage(gate: Gate, call: Call): Promise<Response> {
  const { archive, session, entry } = placeOf(gate, call);
  return answer(await archive.messageText(session, entry), 200, [["content-type", JSON_TYPE]]);
}
