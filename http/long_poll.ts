/**
 * `GET …/longpoll`: waits for one message. Plain it is the original's: the next message, however long that takes. With a
 * cursor nothing is lost between two polls: the oldest message after it is answered, at once if there is one.
 *
 * @module
 */
import type { FeedView } from "../bus/feed_view.ts";
import { answer, JSON_TYPE } from "./answers.ts";
import { type Cursor, parseEntityTags } from "./cursor.ts";
import type { Later } from "./exit.ts";
import type { Gate } from "./gate.ts";
import { encodeUtf8, type Waiter } from "./hub.ts";
import { entityTag, MESSAGE_FORMS, type MessageForm } from "./last_value.ts";
import { type Found, joinMissing, type Missing, NOTHING_MISSING, type Standing } from "./lookup.ts";
import { cursorExpired, missedText } from "./missing.ts";
import { Problem, unavailable } from "./problem.ts";
import type { Call } from "./route.ts";
import type { Format } from "./shared_bodies.ts";
import type { TypeFilter } from "./type_filter.ts";
import { isLarge, unreadAnswer } from "./unread.ts";

/** Longest `timeout`, in seconds. */
export const MAX_TIMEOUT_S = 300;

/** One message as an answer that is copied for everyone who waits for it: a copy costs half of a new answer. */
interface Ready {
  readonly response: Response;
  readonly bytes: number;
  /** The body, where it is so large that it is counted for each of them. */
  readonly large?: Uint8Array<ArrayBuffer>;
}

/** There is one format object for each gate and form, for the answers carry the gate's headers. */
const formats = new WeakMap<Gate, Map<MessageForm, Format<Ready>>>();

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
  const cursor = (condition === null ? query.cursor("since") : parseEntityTags(condition)) ?? { kind: "now" };
  gate.hub.requireBroker();
  const poll = new LongPoll(gate, {
    form,
    filter,
    standing: gate.hub.locate(cursor),
    timeoutMs,
    asTag: condition !== null,
    strictCursor: isStrict ? cursor : undefined,
  });
  return poll.look() ?? (timeoutMs === 0 ? poll.expire() : poll.wait(call));
}

interface LongPollParameters {
  readonly form: MessageForm;
  readonly filter: TypeFilter | undefined;
  readonly standing: Standing;
  readonly timeoutMs: number | undefined;
  /** The cursor came by `If-None-Match`: "nothing new" is then 304. */
  readonly asTag: boolean;
  /** From where it must go on without a gap; `undefined` when a gap is only to be told. */
  readonly strictCursor: Cursor | undefined;
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
  readonly #strictCursor: Cursor | undefined;
  #position: number;
  #missing: Missing;
  #later: Later | undefined;
  #hasEnded = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    gate: Gate,
    { form, filter, standing, timeoutMs, asTag, strictCursor }: LongPollParameters,
  ) {
    this.gate = gate;
    this.#form = form;
    this.#filter = filter;
    this.#format = formatOf(gate, form);
    this.#timeoutMs = timeoutMs;
    this.#asTag = asTag;
    this.#strictCursor = strictCursor;
    this.#position = standing.position;
    this.#missing = standing.missed === 0 ? NOTHING_MISSING : standing;
  }

  /** The answer, if there is one already. The position moves on past what the filter holds back. */
  look(): Response | undefined {
    const { hub, counters, exit } = this.gate;
    let ready: Ready | undefined;
    if (this.#position < hub.feed.position) {
      const found = hub.bodies.render(this.#position, this.#filter, this.#format);
      this.#position = found.position;
      this.#missing = joinMissing(this.#missing, found);
      if (found.entries.length > 0) ready = found.body;
    }
    if (this.#strictCursor !== undefined && this.#missing.missed !== 0) {
      return exit.refuse(cursorExpired(this.#missing, this.#strictCursor, hub.feed));
    }
    if (ready === undefined) return undefined;
    counters.countSent("longpoll", 1, ready.bytes);
    return this.#mark(
      ready.large === undefined
        ? ready.response.clone()
        : unreadAnswer(this.gate, undefined, ready.large, [...ready.response.headers]),
    );
  }

  /** The answer when nothing came. */
  expire(): Response {
    const cursor = this.gate.hub.cursor(this.#position);
    return this.#mark(answer(null, this.#asTag ? 304 : 204, [
      ["message-cursor", cursor],
      ["etag", entityTag(cursor, this.#form)],
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
    if (error instanceof Problem) return this.#refuse(error);
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
    if (this.#hasEnded) return;
    this.#finish(new Response(null, { status: 204 }));
    this.gate.counters.gone.longpoll += 1;
  }

  #finish(response: Response): void {
    if (!this.gate.waiting.leave(this)) return;
    this.#hasEnded = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#later?.settle(response);
  }

  #mark(response: Response): Response {
    const { missed } = this.#missing;
    if (missed === 0) return response;
    this.gate.counters.countGap(missed);
    response.headers.set("message-missed", missedText(missed));
    return response;
  }
}

function formatOf(gate: Gate, form: MessageForm): Format<Ready> {
  const byForm = formats.getOrInsertComputed(gate, () => new Map());
  return byForm.getOrInsertComputed(form, () => ({
    maxMessages: 1,
    maxLength: Infinity,
    render: ({ entries }: Found, feed: FeedView): Ready => {
      const entry = entries[0];
      if (entry === undefined) return { response: new Response(null), bytes: 0 };
      const body = encodeUtf8(`{"message":${form === "value" ? entry.text : JSON.stringify(entry.text)}}`);
      const cursor = feed.place(entry.position);
      const response = answer(body, 200, [
        ["content-type", JSON_TYPE],
        ["message-cursor", cursor],
        ["etag", entityTag(cursor, form)],
      ]);
      return { response, bytes: body.byteLength, ...(isLarge(body) ? { large: body } : {}) };
    },
  }));
}
