/**
 * `GET …/stream`: server-sent events, or one JSON line for each message.
 *
 * A stream has a position in the feed and fills its queue from there: when the reader is behind, messages wait in the feed,
 * where they are held once for everyone, and not in the stream.
 *
 * @module
 */
import type { MemoryHolder } from "../base/memory_budget.ts";
import type { FeedView } from "../bus/feed_view.ts";
import type { FeedEntry } from "../bus/feed_entry.ts";
import { answer } from "./answers.ts";
import { parseLastEventId } from "./cursor.ts";
import { CutStream, SLOW_READERS, UNREAD_AT_STOP } from "./cut_stream.ts";
import { entryJson } from "./entry_json.ts";
import type { Gate } from "./gate.ts";
import { encodeUtf8, type Waiter } from "./hub.ts";
import type { Found, Missing, Standing } from "./lookup.ts";
import { gapEnd, gapMembers } from "./missing.ts";
import { retryAfter } from "./problem.ts";
import type { Call } from "./route.ts";
import type { Format } from "./shared_bodies.ts";
import type { TypeFilter } from "./type_filter.ts";

/** How long a browser waits before it connects again, in milliseconds. */
const RETRY_MS = 2000;
/** Most messages and most text in one chunk. */
const MAX_MESSAGES = 250;
const MAX_LENGTH = 256 * 1024;
/** A reader that takes nothing for so long while its queue is full is as good as gone. */
const STALL_MS = 2000;

/** What one form of stream looks like. */
interface StreamFormat extends Format<Uint8Array<ArrayBuffer>> {
  readonly contentType: string;
  /** The first thing that is sent, with the cursor from which it goes on. */
  open(cursor: string): string;
  /** Messages are missing here, up to a cursor. */
  gap(missing: Missing, cursor: string, feed: FeedView): string;
  /** A sign of life; tells the cursor when that moved on without a message. */
  heartbeat(cursor: string | undefined): string;
  /** The last thing that is sent. */
  end(): string;
}

/** A lone CR is a line break in an event stream, and could begin a field of its own. */
const LINE_BREAK = /\r\n|\r|\n/;
const ALL_LINE_BREAKS = /[\r\n]+/g;
/** Printable, one line. Names that the stream itself uses stay free. */
// deno-lint-ignore no-control-regex
const EVENT_NAME = /^(?!(?:open|gap|error|message)$)[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}$/;

function sseFormat(withTypes: boolean): StreamFormat {
  const event = (entry: FeedEntry, cursor: string): string => {
    const { text, type } = entry;
    const name = withTypes && type !== undefined && EVENT_NAME.test(type) ? `event: ${type}\n` : "";
    const data = text.includes("\n") || text.includes("\r") ? text.split(LINE_BREAK).join("\ndata: ") : text;
    return `id: ${cursor}\n${name}data: ${data}\n\n`;
  };
  const format: StreamFormat = {
    contentType: "text/event-stream; charset=UTF-8",
    maxMessages: MAX_MESSAGES,
    maxLength: MAX_LENGTH,
    // The id comes with the first event already: a client that reconnects before any message must know where it was.
    open: (cursor) =>
      `retry: ${RETRY_MS}\n: ${cursor}\nid: ${cursor}\nevent: open\ndata: {"cursor":"${cursor}"}\n\n`,
    // With an id: one who reconnects right behind the gap shall not be told of it again.
    gap: (missing, cursor, feed) =>
      `id: ${cursor}\nevent: gap\ndata: {${gapMembers(missing, cursor, feed)}}\n\n`,
    heartbeat: (cursor) => cursor === undefined ? ":\n\n" : `:\nid: ${cursor}\n\n`,
    end: () => `retry: ${retryAfter()}000\n\n`,
    render: (found, feed) => encodeUtf8(renderWith(format, event, found, feed)),
  };
  return format;
}

function ndjsonFormat(): StreamFormat {
  // A line break outside of a JSON string is white space, and inside of one there is none: a space means the same.
  const line = (entry: FeedEntry, cursor: string) =>
    `${entryJson(entry, cursor).replace(ALL_LINE_BREAKS, " ")}\n`;
  const format: StreamFormat = {
    contentType: "application/x-ndjson; charset=UTF-8",
    maxMessages: MAX_MESSAGES,
    maxLength: MAX_LENGTH,
    open: (cursor) => `{"open":{"cursor":"${cursor}"}}\n`,
    gap: (missing, cursor, feed) => `{"gap":{${gapMembers(missing, cursor, feed)}}}\n`,
    heartbeat: (cursor) => `{"heartbeat":{${cursor === undefined ? "" : `"cursor":"${cursor}"`}}}\n`,
    end: () => `{"end":{"retry":${retryAfter()}000}}\n`,
    render: (found, feed) => encodeUtf8(renderWith(format, line, found, feed)),
  };
  return format;
}

function renderWith(
  format: StreamFormat,
  event: (entry: FeedEntry, cursor: string) => string,
  found: Found,
  feed: FeedView,
): string {
  let text = found.missed === 0 ? "" : format.gap(found, gapEnd(found, feed), feed);
  for (const entry of found.entries) text += event(entry, feed.place(entry.position));
  return text;
}

const SSE = sseFormat(false);
const SSE_WITH_TYPES = sseFormat(true);
const NDJSON = ndjsonFormat();

/** See the module. */
export function eventStream(gate: Gate, { request, query }: Call): Response {
  const heartbeatMs = query.milliseconds("heartbeat", 5, 120) ?? gate.settings.heartbeatMs;
  const isNdjson = (query.choice("format", ["sse", "ndjson"]) ??
    (/application\/x-ndjson/i.test(request.headers.get("accept") ?? "") ? "ndjson" : "sse")) === "ndjson";
  const withTypes = query.choice("events", ["type"]) !== undefined;
  const filter = query.typeFilter();
  const asked = query.cursor("since", "lastEventId");
  const lastEventId = request.headers.get("last-event-id");
  const cursor = lastEventId === null || lastEventId === "" ? asked : parseLastEventId(lastEventId);
  // It may be opened while the broker is away: an EventSource that is refused never tries again.
  gate.hub.requireListening();
  const standing = gate.hub.locate(cursor ?? { kind: "now" });
  const stream = new EventStream(
    gate,
    isNdjson ? NDJSON : withTypes ? SSE_WITH_TYPES : SSE,
    filter,
    standing,
    heartbeatMs,
  );
  return stream.open();
}

class EventStream implements Waiter, MemoryHolder {
  readonly kind = "sse";
  readonly gate: Gate;
  readonly #format: StreamFormat;
  readonly #filter: TypeFilter | undefined;
  readonly #heartbeatMs: number;
  readonly #standing: Standing;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #stall: ReturnType<typeof setTimeout> | undefined;
  /** The reader has, or will have from the queue, everything up to here. */
  #position: number;
  /** The position whose cursor the reader was told last. */
  #toldPosition: number;
  #isSilent = true;
  /** When the oldest of what is in the queue was put there. */
  lastProgress = 0;
  // Invariant: at least what is in the queue. The queue counts in chunks; asking it costs more than keeping this.
  #queuedBytes = 0;

  constructor(
    gate: Gate,
    format: StreamFormat,
    filter: TypeFilter | undefined,
    standing: Standing,
    heartbeatMs: number,
  ) {
    this.gate = gate;
    this.#format = format;
    this.#filter = filter;
    this.#standing = standing;
    this.#position = this.#toldPosition = standing.position;
    this.#heartbeatMs = heartbeatMs;
  }

  open(): Response {
    const { hub, counters } = this.gate;
    this.gate.waiting.enter(this);
    this.gate.memory.join(this);
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      // Asked only when the queue is empty.
      pull: () => {
        this.#release();
        if (this.#stall !== undefined) {
          clearTimeout(this.#stall);
          this.#stall = undefined;
        }
        this.#fill();
      },
      // The client is gone; this is told also for a stream on which nothing happens.
      cancel: () => {
        counters.gone.sse += 1;
        this.#finish();
      },
    });
    const cursor = hub.cursor(this.#position);
    const { missed } = this.#standing;
    counters.countGap(missed);
    const gap = missed === 0 ? "" : this.#format.gap(this.#standing, cursor, hub.feed);
    this.#enqueue(encodeUtf8(this.#format.open(cursor) + gap));
    this.#fill();
    if (this.#heartbeatMs > 0) this.#heartbeat = setInterval(() => this.#beat(), this.#heartbeatMs);
    return answer(body, 200, [
      ["content-type", this.#format.contentType],
      ["cache-control", "no-store, no-transform"],
      // nginx would hold the events back otherwise.
      ["x-accel-buffering", "no"],
    ]);
  }

  deliver(): boolean {
    const before = this.#position;
    this.#fill();
    return this.#position !== before;
  }

  get heldBytes(): number {
    return this.#queuedBytes;
  }

  giveWay(): boolean {
    this.#cutSlow();
    return true;
  }

  drain(): void {
    // What waits for a slow reader would hold up the stop; it resumes by its cursor.
    if (this.#queuedBytes > 0) return this.#cut("the gateway is stopping", UNREAD_AT_STOP);
    this.#enqueue(encodeUtf8(this.#format.end()));
    this.#controller?.close();
    this.#finish();
  }

  fail(error: unknown): void {
    this.#cut(String(error));
  }

  /** Moves messages from the feed to the queue, as many as fit. */
  #fill(): void {
    const { hub, counters, settings } = this.gate;
    // Asked anew each time: filling the queue can be what tells that the client is gone.
    while (this.#controller !== undefined && this.#position < hub.feed.position) {
      if (this.#queuedBytes >= settings.maxQueuedBytes) return this.#handleFull();
      const found = hub.bodies.render(this.#position, this.#filter, this.#format);
      this.#position = found.position;
      if (found.body === undefined) continue;
      this.#toldPosition = found.entries.at(-1)?.position ?? found.position;
      counters.countGap(found.missed);
      counters.countSent("sse", found.entries.length, found.body.byteLength);
      this.#enqueue(found.body);
    }
  }

  /** The queue is full and there is more. A reader that makes progress may take its time; the feed holds the rest. */
  #handleFull(): void {
    if (this.#position < this.gate.hub.feed.oldest - 1) return this.#cutSlow();
    this.#stall ??= setTimeout(() => this.#cutSlow(), STALL_MS);
  }

  #cutSlow(): void {
    if (this.#controller === undefined) return;
    this.gate.counters.slowClientsCut.sse += 1;
    this.#cut(`its reader is too slow, ${this.#queuedBytes} bytes waited for it`, SLOW_READERS);
  }

  #beat(): void {
    const isSilent = this.#isSilent;
    this.#isSilent = true;
    if (!isSilent || this.#queuedBytes > 0) return;
    const hasMoved = this.#position > this.#toldPosition;
    this.#enqueue(
      encodeUtf8(this.#format.heartbeat(hasMoved ? this.gate.hub.cursor(this.#position) : undefined)),
    );
    this.#toldPosition = this.#position;
    this.#isSilent = true;
  }

  #enqueue(chunk: Uint8Array<ArrayBuffer>): void {
    this.#isSilent = false;
    const controller = this.#controller;
    if (controller === undefined) return;
    if (!this.gate.memory.take(chunk.byteLength, this)) return this.#cutSlow();
    if (this.#queuedBytes === 0) this.lastProgress = this.gate.hub.now();
    this.#queuedBytes += chunk.byteLength;
    controller.enqueue(chunk);
  }

  #release(): void {
    this.gate.memory.give(this.#queuedBytes);
    this.#queuedBytes = 0;
  }

  /** Ends the connection without its queue: closing politely would keep the queue in memory until the reader has read it. */
  #cut(reason: string, kind?: string): void {
    const controller = this.#controller;
    this.#finish();
    const line = `An event stream was cut: ${reason}`;
    this.gate.settings.log(line, kind);
    controller?.error(new CutStream(line));
  }

  #finish(): void {
    this.#controller = undefined;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#stall);
    this.#release();
    this.gate.memory.leave(this);
    this.gate.waiting.leave(this);
  }
}
