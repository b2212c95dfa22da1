/**
 * `GET …/longpoll`: waits for one message. Plain it is the original's: the next message, however long that takes. With a
 * cursor nothing is lost between two polls: the oldest message after it is answered, at once if there is one.
 *
 * @module
 */
import { type Cursor, parseEntityTags } from "./cursor.ts";
import { answer, JSON_TYPE } from "./answers.ts";
import type { Later } from "./exit.ts";
import type { Gate } from "./gate.ts";
import { encodeUtf8, type Format, type Found, type Hub, type Place, type Waiter } from "./hub.ts";
import { entityTag, MESSAGE_FORMS, type MessageForm } from "./last_value.ts";
import { Problem, unavailable } from "./problem.ts";
import type { Call } from "./route.ts";
import type { TypeFilter } from "./type_filter.ts";

/** Longest `timeout`, in seconds. */
export const MAX_TIMEOUT_S = 300;

/** One message as an answer that is copied for everyone who waits for it: a copy costs half of a new answer. */
interface Ready {
  readonly response: Response;
  readonly bytes: number;
}

/** There is one format object for each gate and form, for the answers carry the gate's headers. */
const formats = new WeakMap<Gate, Map<MessageForm, Format<Ready>>>();

/** Throws when the messages after a cursor are gone and the client wants to know. */
export function requireHeld(gate: Gate, cursor: Cursor | undefined, place: Place): void {
  if (place.missed === 0) return;
  const { hub } = gate;
  throw new Problem("cursor-expired", `Cannot go on from there: ${describeMissed(place.missed)}`, {
    fields: {
      missed: place.missed,
      oldest: hub.oldestCursor,
      latest: hub.cursor(hub.client.count),
      ...(cursor?.kind === "at" ? { since: hub.cursor(cursor.seq) } : {}),
    },
  });
}

/** For people. */
export function describeMissed(missed: number | null): string {
  return missed === null
    ? "the cursor is of an earlier life of the gateway, so nobody knows how many messages are missing"
    : `${missed} messages after it are no longer held`;
}

/** ±10 %, so that thousands who began to wait together do not all come back together. */
export function jitter(milliseconds: number): number {
  return milliseconds * (0.9 + Math.random() * 0.2);
}

/** See the module. */
export function longPoll(gate: Gate, call: Call): Response | Later {
  const { request, query } = call;
  const form = query.choice("as", MESSAGE_FORMS) ?? gate.settings.messageAs;
  const timeoutMs = query.milliseconds("timeout", 0, MAX_TIMEOUT_S);
  const filter = query.typeFilter();
  const isStrict = query.flag("strict");
  const condition = query.text("since") === undefined ? request.headers.get("if-none-match") : null;
  const cursor = condition === null ? query.cursor("since") : parseEntityTags(condition);
  gate.hub.requireBroker();
  const place = gate.hub.locate(cursor ?? { kind: "now" });
  if (isStrict) requireHeld(gate, cursor, place);
  const poll = new LongPoll(gate, { form, filter, place, timeoutMs, asTag: condition !== null });
  return poll.look() ?? (timeoutMs === 0 ? poll.expire() : poll.wait(call));
}

interface LongPollParameters {
  readonly form: MessageForm;
  readonly filter: TypeFilter | undefined;
  readonly place: Place;
  readonly timeoutMs: number | undefined;
  /** The cursor came by `If-None-Match`: "nothing new" is then 304. */
  readonly asTag: boolean;
}

class LongPoll implements Waiter {
  readonly kind = "longpoll";
  // There may be ten thousand of these: what one holds is memory, and work for the garbage collector while all are answered.
  readonly gate: Gate;
  readonly #form: MessageForm;
  readonly #filter: TypeFilter | undefined;
  readonly #format: Format<Ready>;
  readonly #timeoutMs: number | undefined;
  readonly #asTag: boolean;
  #seq: number;
  #missed: number | null;
  #later: Later | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(gate: Gate, { form, filter, place, timeoutMs, asTag }: LongPollParameters) {
    this.gate = gate;
    this.#form = form;
    this.#filter = filter;
    this.#format = formatOf(gate, form);
    this.#timeoutMs = timeoutMs;
    this.#asTag = asTag;
    this.#seq = place.seq;
    this.#missed = place.missed;
  }

  /** The answer, if there is one already. The place moves on past what the filter holds back. */
  look(): Response | undefined {
    const { hub, counters } = this.gate;
    if (this.#seq >= hub.client.count) return undefined;
    const found = hub.render(this.#seq, this.#filter, this.#format);
    this.#seq = found.seq;
    if (this.#missed !== null && found.missed !== null) this.#missed += found.missed;
    if (found.body === undefined || found.entries.length === 0) return undefined;
    counters.countSent("longpoll", 1, found.body.bytes);
    return this.#mark(found.body.response.clone());
  }

  /** The answer when nothing came. */
  expire(): Response {
    const { hub } = this.gate;
    return this.#mark(answer(null, this.#asTag ? 304 : 204, [
      ["message-cursor", hub.cursor(this.#seq)],
      ["etag", entityTag(hub, this.#seq, this.#form)],
    ]));
  }

  wait(call: Call): Later {
    this.gate.waiting.enter(this);
    const later = this.#later = this.gate.exit.later(call);
    // Only now: asking for the signal costs a third of a request. Without it the socket of a gone client would stay for ever.
    const signal = call.request.signal;
    if (signal.aborted) this.handleEvent();
    else signal.addEventListener("abort", this);
    const waitMs = this.#timeoutMs ?? (this.gate.settings.longPollMaxMs || Infinity);
    // setTimeout counts in 31 bits, about 24 days; a longer wait is as good as none.
    if (waitMs < 2 ** 30) this.#timer = setTimeout(() => this.#finish(this.expire()), jitter(waitMs));
    return later;
  }

  deliver(): boolean {
    const response = this.look();
    if (response === undefined) return false;
    this.#finish(response);
    return true;
  }

  drain(): void {
    if (this.#timeoutMs === undefined) {
      return this.#refuse(unavailable("shutting-down", "Cannot wait any longer: the gateway is stopping"));
    }
    const response = this.expire();
    response.headers.set("connection", "close");
    this.#finish(response);
  }

  fail(error: unknown): void {
    this.gate.settings.log(`fault: long-poll: ${String(error)}`);
    this.#refuse(new Problem("internal-error", "Cannot wait any longer: the gateway made a mistake"));
  }

  #refuse(problem: Problem): void {
    this.#finish(this.gate.exit.refuse(problem));
  }

  /**
   * The client is gone. In one of Deno's two modes the signal also fires after an answer, and then it means nothing: the signal
   * goes with its request, and to take the listener off it would only cost time.
   */
  handleEvent(): void {
    if (this.#finish(new Response(null, { status: 204 }))) this.gate.counters.gone.longpoll += 1;
  }

  /** Says whether it still waited. */
  #finish(response: Response): boolean {
    if (!this.gate.waiting.leave(this)) return false;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#later?.settle(response);
    return true;
  }

  #mark(response: Response): Response {
    if (this.#missed !== 0) {
      this.gate.counters.countGap(this.#missed);
      response.headers.set("message-missed", this.#missed === null ? "unknown" : String(this.#missed));
    }
    return response;
  }
}

function formatOf(gate: Gate, form: MessageForm): Format<Ready> {
  const byForm = formats.getOrInsertComputed(gate, () => new Map());
  return byForm.getOrInsertComputed(form, () => ({
    maxMessages: 1,
    maxLength: Infinity,
    render: ({ entries }: Found, hub: Hub): Ready => {
      const entry = entries[0];
      if (entry === undefined) return { response: new Response(null), bytes: 0 };
      const body = encodeUtf8(`{"message":${form === "value" ? entry.text : JSON.stringify(entry.text)}}`);
      const response = answer(body, 200, [
        ["content-type", JSON_TYPE],
        ["message-cursor", hub.cursor(entry.count)],
        ["etag", entityTag(hub, entry.count, form)],
      ]);
      return { response, bytes: body.byteLength };
    },
  }));
}
