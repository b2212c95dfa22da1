/**
 * Reading the body of a request: bounded in bytes and in time.
 *
 * @module
 */
import type { MemoryHolder } from "../base/memory_budget.ts";
import type { WatchedBody } from "./bodies.ts";
import type { Later } from "./exit.ts";
import type { Gate } from "./gate.ts";
import { Problem } from "./problem.ts";
import { type Call, remoteOf } from "./route.ts";

/**
 * Reads the whole body and hands it to `use`, whose answer it settles with. The size is checked on the announced length, then
 * while it is read; Deno itself knows neither a limit nor a deadline.
 *
 * A callback rather than a promise to await, since each promise more is a tenth of what a POST costs. It is called once at most,
 * and never after the deadline.
 *
 * The answer is a {@linkcode Problem} when the body is `too-large` or late (`request-timeout`), and when the client went away in
 * the middle (`missing-message`).
 *
 * @throws {Problem} `too-large`, when the announced length says so; `memory-short`, when too much is held already.
 */
export function readBody(
  gate: Gate,
  call: Call,
  use: (body: Uint8Array) => Response | Promise<Response>,
): Later {
  const { request } = call;
  const limit = gate.settings.maxBodyBytes;
  const declared = request.headers.get("content-length");
  // Where the length is announced and the body not read, Deno closes the connection by itself.
  const headers = declared === null ? CLOSE : NO_HEADERS;
  if (declared !== null && Number(declared) > limit) throw tooLarge(limit, headers);
  const announced = Number(declared ?? 0);
  if (!gate.memory.take(announced)) throw gate.memory.short("a body", announced, remoteOf(call.info));
  const reading = new Reading(gate, call, headers, announced);
  gate.bodies.watch(reading);
  // With a length, the server holds the body to it; without one, we count.
  const body = declared === null ? readCounted(request, limit, headers, reading) : request.bytes();
  body.then((bytes) => reading.finish(bytes, use), (error: unknown) => reading.fail(error));
  return reading.later;
}

/** One body on its way. */
class Reading implements WatchedBody, MemoryHolder {
  readonly later: Later;
  deadline = Infinity;
  isOver = false;
  /** Ends a read that would never end. */
  cancel: (() => void) | undefined;
  /** Bytes that were taken from the budget: those that were announced, or have come. */
  heldBytes: number;
  lastProgress = 0;
  #isSlow = false;
  readonly #gate: Gate;
  readonly #call: Call;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(gate: Gate, call: Call, headers: Readonly<Record<string, string>>, heldBytes: number) {
    this.heldBytes = heldBytes;
    this.#gate = gate;
    this.#call = call;
    this.#headers = headers;
    this.later = gate.exit.later(call);
  }

  finish(bytes: Uint8Array, use: (body: Uint8Array) => Response | Promise<Response>): void {
    if (this.isOver) return;
    this.#gate.bodies.unwatch(this);
    try {
      const answer = use(bytes);
      this.#release();
      if (answer instanceof Response) this.later.settle(answer);
      else {
        answer.then((response) => this.later.settle(response), (error: unknown) => this.later.fail(error));
      }
    } catch (error) {
      this.#release();
      this.later.fail(error);
    }
  }

  fail(error: unknown): void {
    if (this.isOver) return;
    this.#gate.bodies.unwatch(this);
    this.#release();
    this.later.fail(
      error instanceof Problem
        ? error
        : new Problem("missing-message", "Cannot read body: it ended before its time", {
          headers: this.#headers,
        }),
    );
  }

  /** More of a body has come whose length nobody announced. */
  hold(bytes: number): void {
    if (this.isOver) return;
    this.lastProgress = performance.now();
    if (this.#gate.memory.take(bytes, this)) this.heldBytes += bytes;
    else this.giveWay();
  }

  handleSlow(): void {
    this.#isSlow = true;
    this.lastProgress = performance.now();
    this.#gate.memory.join(this);
  }

  giveWay(): boolean {
    const problem = this.#gate.memory.short("a body", this.heldBytes, remoteOf(this.#call.info));
    this.#gate.bodies.unwatch(this);
    this.#release();
    this.later.fail(problem);
    this.cancel?.();
    return true;
  }

  handleLate(): void {
    this.#release();
    this.later.fail(
      new Problem(
        "request-timeout",
        `Cannot read body: it did not arrive within ${this.#gate.settings.bodyTimeoutMs} ms`,
        { headers: this.#headers },
      ),
    );
    this.cancel?.();
  }

  #release(): void {
    this.#gate.memory.give(this.heldBytes);
    this.heldBytes = 0;
    if (this.#isSlow) this.#gate.memory.leave(this);
  }
}

const CLOSE: Readonly<Record<string, string>> = { connection: "close" };
const NO_HEADERS: Readonly<Record<string, string>> = {};

async function readCounted(
  request: Request,
  limit: number,
  headers: Readonly<Record<string, string>>,
  reading: Reading,
): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  // A read that never ends would keep the connection.
  reading.cancel = () => void reader.cancel().catch(() => {});
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > limit) {
      reader.cancel().catch(() => {});
      throw tooLarge(limit, headers);
    }
    reading.hold(value.byteLength);
    chunks.push(value);
  }
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

function tooLarge(limit: number, headers: Readonly<Record<string, string>>): Problem {
  return new Problem("too-large", `Cannot take body: it is larger than ${limit} bytes`, {
    fields: { limit },
    headers,
  });
}
