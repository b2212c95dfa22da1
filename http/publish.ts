/**
 * What a body or a WebSocket frame held goes to the bus.
 *
 * @module
 */
import { explainJsonText } from "../bus/intake.ts";
import { isJsonObjectText } from "../bus/json.ts";
import type { BusPort, Receipt } from "../bus/port.ts";
import { answer, json } from "./answers.ts";
import { decodeUtf8, parseMultipart, parseUrlEncoded } from "./form.ts";
import type { Gate } from "./gate.ts";
import { seqText } from "./entry_json.ts";
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
  // Whoever wants to know must have room to wait before anything is sent.
  if (confirmMs > 0) gate.waiting.requireRoom();
  const receipt = send(gate, texts);
  if (confirmMs === 0) return accept();
  if (receipt.position !== undefined) return confirm(gate, receipt.position);
  return new Confirmation(gate, receipt, confirmMs).wait(call.request.signal);
}

function accept(): Response {
  return accepted ??= answer(null, 202, []);
}

function confirm(gate: Gate, position: number): Response {
  const cursor = gate.hub.cursor(position);
  return json(`{"count":${seqText(cursor)},"cursor":"${cursor}"}`);
}

/** Throws unless messages can be sent right now. */
export function requireSending(gate: Gate): BusPort {
  const { port } = gate.hub;
  if (port?.isSending) return port;
  if (port !== undefined && port.serverReceive === undefined) {
    throw new Problem(
      "method-not-allowed",
      "Cannot take message: this gateway only listens, it was given no address to send to (http.ts --receive)",
      { headers: { allow: "GET, HEAD, OPTIONS" } },
    );
  }
  throw unavailable(
    "broker-unavailable",
    `Cannot send message: ${
      port === undefined ? "this gateway has no broker" : "the broker is not connected"
    }. Nothing was sent`,
  );
}

/** Throws when this address publishes too fast. */
export function takeRate(gate: Gate, remote: string, messages: number): void {
  if (gate.publishRate === undefined) return;
  const now = performance.now();
  const wait = gate.publishRate.of(remote, now).take(messages, now);
  if (wait === 0) return;
  throw new Problem(
    "too-many-requests",
    "Cannot take message: this address sends too many. Nothing was sent",
    {
      headers: { "retry-after": String(Math.ceil(wait)) },
    },
  );
}

/** Gives texts to the bus, all or none, and counts them. */
export function send(gate: Gate, texts: readonly string[]): Receipt {
  // The body took its time: the broker may have gone meanwhile.
  const port = requireSending(gate);
  let receipt: Receipt;
  try {
    receipt = port.publish(texts);
  } catch (error) {
    throw explain(error, texts);
  }
  const { published } = gate.counters;
  for (const text of texts) {
    published.messages += 1;
    published.bytes += text.length;
  }
  return receipt;
}

function splitLines(text: string): string[] {
  const lines = text.split("\n").map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
    .filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new Problem("missing-message", "Cannot find message: the body has no line");
  return lines;
}

/** The bus's error as a problem. Errors are matched by their code: they may come from another copy of the module. */
function explain(error: unknown, texts: readonly string[]): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const { code, message } = texts.length === 1 ? error : firstFault(texts) ?? error;
  switch (code) {
    case "not-json":
    case "not-utf8":
      return new Problem("invalid-json", message);
    case "not-an-object":
      return new Problem("not-an-object", message);
    case "too-large":
      return new Problem("too-large", message);
    case "queue-full":
      return unavailable("queue-full", message);
    case "closed":
      return unavailable("broker-unavailable", message);
    default:
      return error;
  }
}

/** Which of several texts is no message, and why; `undefined` when all are. */
function firstFault(
  texts: readonly string[],
): { readonly code: string; readonly message: string } | undefined {
  const index = texts.findIndex((text) => !isJsonObjectText(text));
  if (index < 0) return undefined;
  const { code, message } = explainJsonText(texts[index]!)!;
  return { code, message: `Message ${index + 1} of ${texts.length}: ${message}. Nothing was sent` };
}

/** Waits until it is known what became of a message. Where nobody can know, only the time ends it. */
class Confirmation implements Waiter {
  readonly kind = "confirm";
  readonly gate: Gate;
  readonly #receipt: Receipt;
  readonly #timeoutMs: number;
  readonly #end = new AbortController();

  constructor(gate: Gate, receipt: Receipt, timeoutMs: number) {
    this.gate = gate;
    this.#receipt = receipt;
    this.#timeoutMs = timeoutMs;
  }

  async wait(signal: AbortSignal): Promise<Response> {
    this.gate.waiting.enter(this);
    const timer = setTimeout(() => this.#end.abort(), this.#timeoutMs);
    if (signal.aborted) this.#handleGone();
    else signal.addEventListener("abort", this.#handleGone);
    try {
      const position = await this.#receipt.told(this.#end.signal);
      return position === undefined ? accept() : confirm(this.gate, position);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", this.#handleGone);
      this.gate.waiting.leave(this);
    }
  }

  /** The receipt tells it, not the feed. */
  deliver(): boolean {
    return false;
  }

  drain(): void {
    this.#end.abort();
  }

  fail(): void {
    this.#end.abort();
  }

  readonly #handleGone = (): void => {
    this.gate.counters.gone.confirm += 1;
    this.#end.abort();
  };
}
