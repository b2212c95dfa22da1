/**
 * What a body or a WebSocket frame held goes to the bus.
 *
 * @module
 */
import { answer, json } from "./answers.ts";
import { decodeUtf8, parseMultipart, parseUrlEncoded } from "./form.ts";
import type { Gate } from "./gate.ts";
import type { Waiter } from "./hub.ts";
import { Problem, unavailable } from "./problem.ts";
import type { Call } from "./route.ts";

/** In what form a body holds messages. */
export type BodyForm = "json" | "lines" | "urlencoded" | "multipart";

/** What the head of a POST said. */
export interface PostHead {
  /** In what form the body holds messages. */
  readonly form: BodyForm;
  /** The header, for the boundary of a multipart body. */
  readonly contentType: string;
  /** How long to wait until the message is known to be on the bus; 0 not at all. */
  readonly confirmMs: number;
}

/** Always the same object: an answer without a body is not used up. */
let accepted: Response | undefined;

/** Sends what the body of a POST holds. */
export function publishBody(
  gate: Gate,
  call: Call,
  body: Uint8Array,
  { form, contentType, confirmMs }: PostHead,
): Response | Promise<Response> {
  if (form === "multipart") {
    return parseMultipart(body, contentType).then((text) => take(gate, call, [text], confirmMs));
  }
  return take(gate, call, textsOf(form, body), confirmMs);
}

function textsOf(form: Exclude<BodyForm, "multipart">, body: Uint8Array): readonly string[] {
  switch (form) {
    case "urlencoded":
      return [parseUrlEncoded(body)];
    case "lines":
      return splitLines(decodeUtf8(body));
    case "json": {
      const text = decodeUtf8(body);
      if (text === "") throw new Problem("missing-message", "Cannot find message: the body is empty");
      return [text];
    }
  }
}

/** Sends what a body held. */
function take(
  gate: Gate,
  call: Call,
  texts: readonly string[],
  confirmMs: number,
): Response | Promise<Response> {
  takeRate(gate, call.remote, texts.length);
  if (confirmMs > 0) return takeConfirmed(gate, call.request, texts, confirmMs);
  // The body took its time: the broker may have gone meanwhile.
  requireSending(gate);
  sendAll(gate, texts);
  return answerAccepted();
}

async function takeConfirmed(
  gate: Gate,
  request: Request,
  texts: readonly string[],
  confirmMs: number,
): Promise<Response> {
  const wait = new Confirmation(gate, texts.at(-1)!, confirmMs);
  try {
    requireSending(gate);
    sendAll(gate, texts);
  } catch (error) {
    wait.cancel();
    throw error;
  }
  wait.watch(request.signal);
  const seq = await wait.seq;
  return seq === undefined ? answerAccepted() : json(`{"count":${seq},"cursor":"${gate.hub.cursor(seq)}"}`);
}

function answerAccepted(): Response {
  return accepted ??= answer(null, 202, []);
}

/** Gives one message to the client, and counts it. */
export function send(gate: Gate, text: string): void {
  try {
    gate.hub.client.sendJsonMessage(text);
  } catch (error) {
    throw explain(error);
  }
  gate.counters.published.messages += 1;
  gate.counters.published.bytes += text.length;
}

/** Throws when nothing can be sent right now. Refused at once: waiting for a broker froze the original's whole server. */
export function requireSending(gate: Gate): void {
  const client = gate.hub.client;
  if (client.isSending) return;
  const why = client.serverReceive === undefined
    ? "this gateway only listens"
    : "the broker is not connected";
  throw unavailable("broker-unavailable", `Cannot send message: ${why}. Nothing was sent`);
}

/** Throws when this address publishes too fast. */
export function takeRate(gate: Gate, remote: string, messages: number): void {
  const now = performance.now();
  const wait = gate.publishRate?.of(remote, now).take(messages, now) ?? 0;
  if (wait === 0) return;
  throw new Problem(
    "too-many-requests",
    "Cannot take message: this address sends too many. Nothing was sent",
    {
      headers: { "retry-after": String(Math.ceil(wait)) },
    },
  );
}

function sendAll(gate: Gate, texts: readonly string[]): void {
  // One message is checked by the client; of several, all are checked before the first one goes.
  if (texts.length === 1) return send(gate, texts[0]!);
  texts.forEach(requireObject);
  texts.forEach((text, sent) => {
    try {
      send(gate, text);
    } catch (error) {
      if (sent === 0 || !(error instanceof Problem)) throw error;
      throw new Problem(
        error.code,
        `${error.message}. The first ${sent} of ${texts.length} messages were sent`,
        {
          fields: { sent },
          headers: error.headers,
        },
      );
    }
  });
}

function splitLines(text: string): string[] {
  const lines = text.split("\n").map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
    .filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new Problem("missing-message", "Cannot find message: the body has no line");
  return lines;
}

function requireObject(text: string, index: number): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Problem(
      "invalid-json",
      `Cannot take message ${index + 1}: ${(error as Error).message}. Nothing was sent`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Problem(
      "not-an-object",
      `Cannot take message ${index + 1}: it is JSON but no object. Nothing was sent`,
    );
  }
}

/** The client's error as a problem. Errors are matched by their code: they may come from another copy of the module. */
function explain(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  switch (error.code) {
    case "not-json":
    case "not-utf8":
      return new Problem("invalid-json", error.message);
    case "not-an-object":
    case "missing-type":
    case "bad-field":
      return new Problem("not-an-object", error.message);
    case "too-large":
      return new Problem("too-large", error.message);
    case "queue-full":
    case "closed":
      return unavailable("broker-unavailable", error.message);
    default:
      return error;
  }
}

/**
 * Waits until a text comes back from the bus. A PUSH socket gets no acknowledgement, so the echo is the only proof that the
 * broker took the message. When somebody else sends the very same text, that one counts as well: it is on the bus.
 */
class Confirmation implements Waiter {
  readonly kind = "confirm";
  readonly seq: Promise<number | undefined>;
  readonly gate: Gate;
  readonly #text: string;
  readonly #resolve: (seq: number | undefined) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #signal: AbortSignal | undefined;
  #place: number;

  constructor(gate: Gate, text: string, timeoutMs: number) {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    this.seq = promise;
    this.#resolve = resolve;
    this.gate = gate;
    this.#text = text;
    this.#place = gate.hub.client.count;
    gate.waiting.enter(this);
    this.#timer = setTimeout(() => this.#finish(undefined), timeoutMs);
  }

  watch(signal: AbortSignal): void {
    this.#signal = signal;
    if (signal.aborted) this.#handleAbort();
    else signal.addEventListener("abort", this.#handleAbort);
  }

  deliver(): boolean {
    const found = this.gate.hub.find(this.#place, undefined, Infinity, Infinity);
    this.#place = found.seq;
    const echo = found.entries.find((entry) => entry.text === this.#text);
    if (echo !== undefined) this.#finish(echo.count);
    return echo !== undefined;
  }

  drain(): void {
    this.#finish(undefined);
  }

  fail(): void {
    this.#finish(undefined);
  }

  cancel(): void {
    this.#finish(undefined);
  }

  readonly #handleAbort = (): void => {
    this.gate.counters.gone.confirm += 1;
    this.#finish(undefined);
  };

  #finish(seq: number | undefined): void {
    if (!this.gate.waiting.leave(this)) return;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#handleAbort);
    this.#resolve(seq);
  }
}
