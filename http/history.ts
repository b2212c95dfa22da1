/**
 * `GET …/history`: what is still held after a cursor, in batches; with `timeout` a long-poll that answers with many at once. With
 * `before` it pages back, see history_before.ts.
 *
 * @module
 */
import { JSON_TYPE } from "./answers.ts";
import type { Cursor } from "./cursor.ts";
import { entryJson, seqText } from "./entry_json.ts";
import type { Gate } from "./gate.ts";
import { historyBefore } from "./history_before.ts";
import type { Waiter } from "./hub.ts";
import { jitter, MAX_TIMEOUT_S } from "./long_poll.ts";
import { find, type Found, joinMissing, type Missing, NOTHING_MISSING, type Standing } from "./lookup.ts";
import { cursorExpired, missedText } from "./missing.ts";
import { Problem } from "./problem.ts";
import type { Call } from "./route.ts";
import type { TypeFilter } from "./type_filter.ts";
import { textAnswer } from "./unread.ts";

/** Most messages in one answer. */
export const MAX_LIMIT = 1000;
/** Messages in one answer when `limit` is not given. */
export const DEFAULT_LIMIT = 100;
/** Most bytes of messages in one answer; a single longer message still fits. The rest is told by `more`. */
const MAX_LENGTH = 8 * 1_048_576;

/** See the module. */
export function history(gate: Gate, call: Call): Response | Promise<Response> {
  const { request, query } = call;
  const cursor: Cursor = query.cursor("since") ?? { kind: "earliest" };
  const limit = query.integer("limit", 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
  const before = query.cursor("before");
  const timeoutMs = query.milliseconds("timeout", 0, MAX_TIMEOUT_S) ?? 0;
  const filter = query.typeFilter();
  const isStrict = query.flag("strict");
  gate.hub.requireBroker();
  if (before !== undefined) return historyBefore(gate, before, limit, filter, MAX_LENGTH);
  const standing = gate.hub.locate(cursor);
  const poll = new HistoryPoll(gate, {
    call,
    limit,
    filter,
    standing,
    strictCursor: isStrict ? cursor : undefined,
  });
  return poll.look() ??
    (timeoutMs === 0 || request.method === "HEAD" ? poll.expire() : poll.wait(request, timeoutMs));
}

interface HistoryParameters {
  readonly call: Call;
  readonly limit: number;
  readonly filter: TypeFilter | undefined;
  readonly standing: Standing;
  /** From where it must go on without a gap; `undefined` when a gap is only to be told. */
  readonly strictCursor: Cursor | undefined;
}

class HistoryPoll implements Waiter {
  readonly kind = "history";
  readonly gate: Gate;
  readonly #parameters: HistoryParameters;
  #position: number;
  #missing: Missing;
  #resolve: ((response: Response) => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #signal: AbortSignal | undefined;

  constructor(gate: Gate, parameters: HistoryParameters) {
    this.gate = gate;
    this.#parameters = parameters;
    this.#position = parameters.standing.position;
    this.#missing = parameters.standing;
  }

  look(): Response | undefined {
    const { filter, limit, strictCursor } = this.#parameters;
    const { hub, exit } = this.gate;
    const found = find(hub.feed, this.#position, filter, limit, MAX_LENGTH);
    this.#position = found.position;
    this.#missing = joinMissing(this.#missing, found);
    if (strictCursor !== undefined && this.#missing.missed !== 0) {
      return exit.refuse(cursorExpired(this.#missing, strictCursor, hub.feed));
    }
    return found.entries.length === 0 ? undefined : this.#answer(found);
  }

  expire(): Response {
    return this.#answer({ ...NOTHING_MISSING, entries: [], position: this.#position });
  }

  wait(request: Request, timeoutMs: number): Promise<Response> {
    this.gate.waiting.enter(this);
    this.#signal = request.signal;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.#resolve = resolve;
    if (this.#signal.aborted) this.#handleAbort();
    else this.#signal.addEventListener("abort", this.#handleAbort);
    this.#timer = setTimeout(() => this.#finish(this.expire()), jitter(timeoutMs));
    return promise;
  }

  deliver(): boolean {
    const response = this.look();
    if (response === undefined) return false;
    this.#finish(response);
    return true;
  }

  drain(): void {
    const response = this.expire();
    response.headers.set("connection", "close");
    this.#finish(response);
  }

  fail(error: unknown): void {
    if (error instanceof Problem) return this.#finish(this.gate.exit.refuse(error));
    this.gate.settings.log(`fault: history: ${String(error)}`);
    this.#finish(
      this.gate.exit.refuse(
        new Problem("internal-error", "Cannot wait any longer: the gateway made a mistake"),
      ),
    );
  }

  readonly #handleAbort = (): void => {
    this.gate.counters.gone.history += 1;
    this.#finish(new Response(null, { status: 204 }));
  };

  #finish(response: Response): void {
    if (!this.gate.waiting.leave(this)) return;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#handleAbort);
    this.#resolve?.(response);
  }

  #answer({ entries, position }: Found): Response {
    const { hub, counters } = this.gate;
    const { feed } = hub;
    const { missed } = this.#missing;
    const [cursor, latest] = [feed.place(position), feed.place(feed.position)];
    const messages = entries.map((entry) => entryJson(entry, feed.place(entry.position)));
    const body = `{"messages":[${messages.join(",")}],"cursor":"${cursor}",` +
      `"oldest":"${hub.oldestCursor}","latest":"${latest}",` +
      `"missed":${missed},"more":${position < feed.position}}`;
    counters.countGap(missed);
    counters.countSent("history", entries.length, body.length);
    return textAnswer(this.gate, this.#parameters.call, body, [
      ["content-type", JSON_TYPE],
      ["message-cursor", cursor],
      ["message-count", seqText(latest)],
      ...missed === 0 ? [] : [["message-missed", missedText(missed)] as const],
    ]);
  }
}
