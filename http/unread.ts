/**
 * Answers that their reader may leave lying: large ones, which no socket takes whole. Each is counted until it is read, and given
 * up when nobody reads it.
 *
 * @module
 */
import type { MemoryHolder } from "../base/memory_budget.ts";
import { answer, type Header } from "./answers.ts";
import type { Gate } from "./gate.ts";
import { encodeUtf8 } from "./hub.ts";
import { remoteOf } from "./route.ts";

/** Up to here the system's own buffers take an answer, read or not. */
const SMALL_BYTES = 64 * 1024;
/** So much is handed on at once. */
const CHUNK_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array();

/** Would a body of this text lie with us until it is read? */
export function isLarge(body: string | Uint8Array): boolean {
  return body.length > SMALL_BYTES;
}

/**
 * A large body as an answer with status 200. It is a stream that knows how much of it was read, with its length as a header.
 *
 * @throws {Problem} `memory-short`, when too much lies here already.
 */
export function unreadAnswer(
  gate: Gate,
  info: Deno.ServeHandlerInfo | undefined,
  body: string | Uint8Array<ArrayBuffer>,
  headers: readonly Header[],
): Response {
  const bytes = typeof body === "string" ? encodeUtf8(body) : body;
  const { byteLength } = bytes;
  if (!gate.memory.take(byteLength)) throw gate.memory.short("an answer", byteLength, remoteOf(info));
  return answer(new UnreadAnswer(gate, bytes, typeof body === "string").stream, 200, [
    ["content-length", String(byteLength)],
    ...headers,
  ]);
}

/** A text as an answer with status 200, whatever its length. */
export function textAnswer(
  gate: Gate,
  { request, info }: { readonly request: Request; readonly info: Deno.ServeHandlerInfo | undefined },
  body: string,
  headers: readonly Header[],
): Response {
  return isLarge(body) && request.method !== "HEAD"
    ? unreadAnswer(gate, info, body, headers)
    : answer(body, 200, headers);
}

class UnreadAnswer implements MemoryHolder {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  lastProgress = performance.now();
  readonly #gate: Gate;
  // Let go when it is over: Deno keeps the stream of an answer that nobody reads as long as its connection.
  #bytes: Uint8Array<ArrayBuffer>;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #offset = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly #isOwn: boolean;

  /** Its bytes were taken from the budget. Are they its own, or do others have the same ones? */
  constructor(gate: Gate, bytes: Uint8Array<ArrayBuffer>, isOwn: boolean) {
    this.#gate = gate;
    this.#isOwn = isOwn;
    this.#bytes = bytes;
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#handlePull(),
      cancel: () => this.#finish(),
    }, { highWaterMark: 0 });
    gate.memory.join(this);
    gate.stop.hold();
    gate.unread.add(this);
    if (gate.settings.answerTimeoutMs > 0) this.#watch(gate.settings.answerTimeoutMs);
  }

  get heldBytes(): number {
    return this.#controller === undefined ? 0 : this.#bytes.byteLength;
  }

  giveWay(): boolean {
    this.cut("memory is short");
    return true;
  }

  /** Ends the connection: the head is gone, so there is no other way to say that the rest will not come. */
  cut(reason: string): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    this.#gate.counters.slowClientsCut.answer += 1;
    this.#finish();
    // Deno writes the reason of a broken body to stderr; this makes it one line.
    controller.error({ [Symbol.for("Deno.customInspect")]: () => `An answer was cut: ${reason}` });
  }

  #handlePull(): void {
    this.lastProgress = performance.now();
    // A copy, for a part that waits to be written would keep the whole.
    const chunk = this.#bytes.slice(this.#offset, this.#offset + CHUNK_BYTES);
    this.#offset += chunk.byteLength;
    const controller = this.#controller!;
    controller.enqueue(chunk);
    if (this.#offset < this.#bytes.byteLength) return;
    this.#finish();
    controller.close();
  }

  #watch(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      const left = this.lastProgress + this.#gate.settings.answerTimeoutMs - performance.now();
      if (left > 0) this.#watch(left);
      else this.cut(`nothing of it was read for ${this.#gate.settings.answerTimeoutMs} ms`);
    }, milliseconds);
  }

  #finish(): void {
    if (this.#controller === undefined) return;
    this.#controller = undefined;
    clearTimeout(this.#timer);
    this.#gate.memory.leave(this);
    this.#gate.memory.give(this.#bytes.byteLength);
    // Freed at once: under attack, what waits for the garbage collector is as much as what is held.
    if (this.#isOwn) this.#bytes.buffer.transfer(0);
    this.#bytes = NO_BYTES;
    this.#gate.unread.delete(this);
    this.#gate.stop.release();
  }
}
