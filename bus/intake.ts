/**
 * What may come in and go out: every JSON object, up to a size. What is refused is counted by reason and told.
 *
 * @module
 */
import { MessageError } from "../base/errors.ts";
import { isWanted, MessageErrorEvent, type TypedEventTarget } from "./events.ts";
import { isJsonObject, isJsonObjectText, refusalOf } from "./json.ts";

/** Why something is no message of the bus. */
type Reason = MessageError["code"];

/** What one broker or client refused. */
export class Refusals {
  readonly #target: TypedEventTarget<{ messageerror: MessageErrorEvent }>;
  readonly #counts: Partial<Record<Reason, number>> = {};

  /** Told by `messageerror` events of the target. */
  constructor(target: TypedEventTarget<{ messageerror: MessageErrorEvent }>) {
    this.#target = target;
  }

  /** Numbers by reason. */
  get counts(): Readonly<Partial<Record<Reason, number>>> {
    return { ...this.#counts };
  }

  /** For `bytes[start, end)`, which are no JSON object. Says why. */
  add(bytes: Uint8Array, start: number, end: number): Reason {
    const reason = refusalOf(bytes, start, end);
    this.#add(reason, () => explainJson(bytes.subarray(start, end))!);
    return reason;
  }

  /** For a message that was too large or had several frames, so that its bytes were not kept. */
  addUnfit(reason: "multipart" | "too-large", size: number, parts: number): void {
    this.#add(reason, () => explainUnfit(reason, size, parts));
  }

  /** For a message that came before. */
  addRepeated(): void {
    this.#add("repeated", () => new MessageError("repeated", "Cannot take message: it has come before"));
  }

  /** An error with its stack costs a hundred times what counting does, so it is made only for those who listen. */
  #add(reason: Reason, explain: () => MessageError): void {
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1;
    if (isWanted(this.#target, "messageerror")) this.#target.dispatchEvent(new MessageErrorEvent(explain()));
  }
}

/**
 * Looks whether a text may go out.
 *
 * @throws {MessageError} If it is no JSON object (`not-json`, `not-an-object`, `not-utf8`) or has more bytes of UTF-8 than the
 * limit (`too-large`).
 */
export function checkText(text: string, maxBytes: number): void {
  if (!isJsonObjectText(text)) throw explainJsonText(text)!;
  checkSize(text, maxBytes);
}

/**
 * The same for a text that is known to be a JSON object.
 *
 * @throws {MessageError} `too-large`.
 */
export function checkSize(text: string, maxBytes: number): void {
  // A character takes three bytes at most; only large texts have to be measured.
  if (3 * text.length <= maxBytes) return;
  const size = encoder.encode(text).length;
  if (size <= maxBytes) return;
  throw new MessageError("too-large", `Cannot send message: it is ${size} bytes, limit is ${maxBytes}`);
}

/**
 * Says why bytes are no JSON object, for people. Slower than `refusalOf`, by an error that knows its place.
 *
 * @throws Never; a reason is returned, undefined when there is none.
 */
export function explainJson(bytes: Uint8Array): MessageError | undefined {
  if (isJsonObject(bytes, 0, bytes.length)) return undefined;
  const code = refusalOf(bytes, 0, bytes.length);
  if (code === "not-utf8") {
    return new MessageError(code, `Cannot take message: its ${bytes.length} bytes are no UTF-8`);
  }
  // JSON.parse builds what comes before the mistake: a refused list of 16 MB took two seconds and 600 MB.
  if (bytes.length <= EXPLAINED_BYTES) return explainJsonText(decoder.decode(bytes));
  const why = code === "not-json" ? "it is no JSON" : "it is JSON, but not an object";
  return new MessageError(code, `Cannot take message: ${why}; it has ${bytes.length} bytes`);
}

/** The same for a text. */
export function explainJsonText(text: string): MessageError | undefined {
  if (!text.isWellFormed()) {
    return new MessageError(
      "not-utf8",
      "Cannot take message: the text has a lone surrogate, which UTF-8 cannot hold",
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = (cause as Error).message.slice(0, 200);
    return new MessageError("not-json", `Cannot take message: it is no JSON: ${why}`, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return undefined;
  const what = value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
  return new MessageError("not-an-object", `Cannot take message: it is JSON, but ${what}, not an object`);
}

/** What is wrong with a message that was too large or had several frames. */
export function explainUnfit(reason: "multipart" | "too-large", size: number, parts: number): MessageError {
  const why = reason === "too-large"
    ? `its ${size} bytes are above the limit`
    : `it has ${parts} frames of ${size} bytes, a message of the bus has one frame`;
  return new MessageError(reason, `Cannot take message: ${why}`);
}

/** JSON.parse is only asked about so much. */
const EXPLAINED_BYTES: number = 64 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
