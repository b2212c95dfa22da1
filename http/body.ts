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
  const length = declared === null ? undefined : Number(declared);
  const announced = length === undefined ? 0 : length <= SMALL_BYTES ? length : length + READ_BUFFER_BYTES;
  if (!gate.memory.take(announced)) throw gate.memory.short("a body", announced, remoteOf(call.info));
  const reading = new Reading(gate, call, headers, announced);
  gate.bodies.watch(reading);
  // A small one is read by Deno at one go, which is faster but cannot be broken off.
  const body = length !== undefined && length <= SMALL_BYTES
    ? request.bytes()
    : readCounted(request, length, limit, headers, reading);
  body.then((bytes) => reading.finish(bytes, use), (error: unknown) => reading.fail(error));
  return reading.later;
}

/** One body on its way. */
class Reading implements WatchedBody, MemoryHolder {
  readonly later: Later;
  deadline = Infinity;
  isOver = false;
  /** Lets go what has been read. */
  drop: (() => void) | undefined;
  #brokenBytes = 0;
  /** Bytes that were taken from the budget: those that were announced, or have come. */
  heldBytes: number;
  lastProgress = 0;
  #isSlow = false;
  readonly #gate: Gate;
  readonly #call: Call;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #isAnnounced: boolean;

  constructor(gate: Gate, call: Call, headers: Readonly<Record<string, string>>, heldBytes: number) {
    this.heldBytes = heldBytes;
    this.#isAnnounced = heldBytes > 0;
    this.#gate = gate;
    this.#call = call;
    this.#headers = headers;
    this.later = gate.exit.later(call);
  }

  finish(bytes: Uint8Array, use: (body: Uint8Array) => Response | Promise<Response>): void {
    if (this.isOver) return this.#handleEndOfBroken();
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
    if (this.isOver) return this.#handleEndOfBroken();
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

  /** More of it has come, and counts if nobody announced its length. */
  hold(bytes: number): void {
    if (this.isOver) return;
    this.lastProgress = performance.now();
    if (this.#isAnnounced) return;
    if (this.#gate.memory.take(bytes, this)) this.heldBytes += bytes;
    else this.#giveUp();
  }

  handleSlow(): void {
    this.#isSlow = true;
    this.lastProgress = performance.now();
    this.#gate.memory.join(this);
  }

  giveWay(): boolean {
    if (!this.#gate.memory.hasRoomForBroken(READ_BUFFER_BYTES)) return false;
    this.#giveUp();
    return true;
  }

  #giveUp(): void {
    const problem = this.#gate.memory.short("a body", this.heldBytes, remoteOf(this.#call.info));
    this.#gate.bodies.unwatch(this);
    this.#breakOff(problem);
  }

  handleLate(): void {
    this.#breakOff(
      new Problem(
        "request-timeout",
        `Cannot read body: it did not arrive within ${this.#gate.settings.bodyTimeoutMs} ms`,
        { headers: this.#headers },
      ),
    );
  }

  /** It is answered; but however that is done, Deno waits for the rest of the body, with a buffer, until the client goes. */
  #breakOff(problem: Problem): void {
    this.#release();
    this.#brokenBytes = this.#gate.memory.takeForBroken(READ_BUFFER_BYTES);
    this.drop?.();
    this.later.fail(problem);
  }

  /** The rest of it came, or its client has gone. */
  #handleEndOfBroken(): void {
    this.#gate.memory.giveFromBroken(this.#brokenBytes);
    this.#brokenBytes = 0;
  }

  #release(): void {
    this.#gate.memory.give(this.heldBytes);
    this.heldBytes = 0;
    if (this.#isSlow) this.#gate.memory.leave(this);
  }
}

/** A body whose length is not known gets room for so much at first. */
const MIN_BYTES = 64 * 1024;
/** Deno's own buffer for a larger one. */
const READ_BUFFER_BYTES = 400 * 1024;
/** Bodies up to this size need not be broken off when memory is short. */
const SMALL_BYTES = 64 * 1024;
const CLOSE: Readonly<Record<string, string>> = { connection: "close" };
const NO_HEADERS: Readonly<Record<string, string>> = {};

async function readCounted(
  request: Request,
  length: number | undefined,
  limit: number,
  headers: Readonly<Record<string, string>>,
  reading: Reading,
): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  // Where the length is known there is no second copy, and what was read is not kept alive by pieces of larger buffers.
  let body = new Uint8Array(length ?? MIN_BYTES);
  let size = 0;
  // Freed at once, without waiting for the garbage collector.
  reading.drop = () => void body.buffer.transfer(0);
  while (true) {
    const { done, value } = await reader.read();
    if (done) return body.subarray(0, size);
    // Read on, for only that tells when it is over.
    if (reading.isOver) continue;
    const end = size + value.byteLength;
    if (end > limit) {
      reader.cancel().catch(() => {});
      throw tooLarge(limit, headers);
    }
    reading.hold(value.byteLength);
    if (reading.isOver) continue;
    if (end > body.byteLength) {
      const larger = new Uint8Array(Math.min(limit, Math.max(end, 2 * size)));
      larger.set(body.subarray(0, size));
      body = larger;
    }
    body.set(value, size);
    size = end;
  }
}

function tooLarge(limit: number, headers: Readonly<Record<string, string>>): Problem {
  return new Problem("too-large", `Cannot take body: it is larger than ${limit} bytes`, {
    fields: { limit },
    headers,
  });
}
