/**
 * The WebSocket, in two languages: without a subprotocol the original's (the text of each message and nothing else, both
 * ways), with `braviz.v1` frames that carry cursors, gaps and answers.
 *
 * @module
 */
import type { GatewayEntry } from "./gateway_client.ts";
import { decodeUtf8 } from "./form.ts";
import type { Gate } from "./gate.ts";
import { entryJson } from "./history.ts";
import { encodeUtf8, type Format, type Found, type Hub, type Place, type Waiter } from "./hub.ts";
import { memberText } from "./member_text.ts";
import { Problem } from "./problem.ts";
import { requireSending, send, takeRate } from "./publish.ts";
import type { Call } from "./route.ts";
import type { TypeFilter } from "./type_filter.ts";

/** The subprotocol with cursors. */
export const FRAME_PROTOCOL = "braviz.v1";
/** A name for "no subprotocol", for browsers that show a token as a subprotocol and must be given another one back. */
export const RAW_PROTOCOL = "braviz.raw";
/** Seconds without a sign of life after which Deno pings; so many more without an answer, and the socket is closed. */
const IDLE_TIMEOUT_S = 30;
const MAX_MESSAGES = 250;
const MAX_LENGTH = 256 * 1024;
/** How often a socket that catches up looks whether there is room again: there is no event for that. */
const CATCH_UP_MS = 10;
/** A reader that takes nothing for so long while its queue is full is as good as gone. */
const STALL_MS = 2000;

/** Close codes of RFC 6455 and its registry. */
const GOING_AWAY = 1001;
const BAD_DATA = 1007;
const TOO_BIG = 1009;
const TRY_AGAIN_LATER = 1013;

/** Frames that are sent one by one. */
type SocketFormat = Format<readonly string[]>;

const RAW: SocketFormat = {
  maxMessages: MAX_MESSAGES,
  maxLength: MAX_LENGTH,
  render: ({ entries }: Found) => entries.map((entry) => entry.text),
};

const FRAMES: SocketFormat = {
  maxMessages: MAX_MESSAGES,
  maxLength: MAX_LENGTH,
  render: ({ entries, missed }: Found, hub: Hub) => {
    const frames = entries.map((entry: GatewayEntry) => entryJson(entry, hub.cursor(entry.count)));
    return missed === 0 ? frames : [gapFrame(missed, hub.oldestCursor), ...frames];
  },
};

/** See the module. */
export function webSocket(gate: Gate, { request, query, remote }: Call): Response {
  const filter = query.typeFilter();
  const cursor = query.cursor("since", "lastEventId");
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    throw new Problem("upgrade-required", "Cannot answer: this path is for WebSockets only", {
      headers: { "upgrade": "websocket", "connection": "upgrade" },
    });
  }
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  const protocol = offered.find((name) => name === FRAME_PROTOCOL || name === RAW_PROTOCOL);
  gate.waiting.requireRoom();
  const place = gate.hub.locate(cursor ?? { kind: "now" });
  let upgraded: { readonly socket: WebSocket; readonly response: Response };
  try {
    upgraded = Deno.upgradeWebSocket(request, {
      idleTimeout: IDLE_TIMEOUT_S,
      ...(protocol === undefined ? {} : { protocol }),
    });
  } catch (error) {
    throw new Problem(
      "bad-upgrade",
      `Cannot open WebSocket: ${error instanceof Error ? error.message : error}`,
    );
  }
  new BusSocket(gate, upgraded.socket, protocol === FRAME_PROTOCOL, filter, place, remote);
  return upgraded.response;
}

class BusSocket implements Waiter {
  readonly kind = "websocket";
  readonly gate: Gate;
  readonly #socket: WebSocket;
  readonly #hasFrames: boolean;
  readonly #filter: TypeFilter | undefined;
  readonly #place: Place;
  readonly #remote: string;
  #seq: number;
  #isOpen = false;
  #isLingering = false;
  #catchUp: ReturnType<typeof setTimeout> | undefined;
  #stalledSince: number | undefined;
  #lastBuffered = 0;

  constructor(
    gate: Gate,
    socket: WebSocket,
    hasFrames: boolean,
    filter: TypeFilter | undefined,
    place: Place,
    remote: string,
  ) {
    this.gate = gate;
    this.#socket = socket;
    this.#hasFrames = hasFrames;
    this.#filter = filter;
    this.#place = place;
    this.#remote = remote;
    this.#seq = place.seq;
    socket.binaryType = "arraybuffer";
    // Counted from now on, so that a crowd that opens at once cannot pass the limit.
    gate.waiting.enter(this);
    socket.onopen = () => this.#handleOpen();
    socket.onmessage = (event) => this.#handleMessage(event.data);
    // Deno tells some ends twice, and some only as an error.
    socket.onclose = () => this.#handleGone();
    socket.onerror = () => this.#handleGone();
  }

  deliver(): boolean {
    const before = this.#seq;
    this.#fill();
    return this.#seq !== before;
  }

  drain(): void {
    this.#close(GOING_AWAY, "the gateway is stopping");
  }

  fail(error: unknown): void {
    this.gate.settings.log(`fault: WebSocket: ${String(error)}`);
    this.#close(TRY_AGAIN_LATER, "the gateway made a mistake");
  }

  #handleOpen(): void {
    // Closed before it was open: then it had no way to tell.
    if (this.#isLingering) return this.#socket.close(GOING_AWAY, "the gateway is stopping");
    this.#isOpen = true;
    const { hub, counters } = this.gate;
    hub.relays.add(this.#handleRelay);
    counters.countGap(this.#place.missed);
    if (this.#hasFrames) {
      this.#socket.send(`{"open":{"cursor":"${hub.cursor(this.#seq)}"}}`);
      if (this.#place.missed !== 0) this.#socket.send(gapFrame(this.#place.missed, hub.oldestCursor));
    }
    this.#fill();
  }

  /** Hands messages from the history to the socket, as many as fit. */
  #fill(): void {
    const { hub, counters, settings } = this.gate;
    const format = this.#hasFrames ? FRAMES : RAW;
    while (this.#isOpen && this.#seq < hub.client.count) {
      if (this.#socket.bufferedAmount > settings.maxQueuedBytes) return this.#handleFull();
      const found = hub.render(this.#seq, this.#filter, format);
      this.#seq = found.seq;
      if (found.body === undefined) continue;
      counters.countGap(found.missed);
      let bytes = 0;
      for (const frame of found.body) {
        bytes += frame.length;
        this.#socket.send(frame);
      }
      counters.countSent("websocket", found.entries.length, bytes);
    }
    this.#stalledSince = undefined;
  }

  /** There is no event that tells of room in the queue, so it is looked at until there is some, or the reader has stalled. */
  #handleFull(): void {
    const buffered = this.#socket.bufferedAmount;
    const now = performance.now();
    if (this.#stalledSince === undefined || buffered < this.#lastBuffered) this.#stalledSince = now;
    this.#lastBuffered = buffered;
    const isLost = this.#seq < this.gate.hub.client.oldest - 1;
    if (isLost || now - this.#stalledSince > STALL_MS) return this.#cutSlow();
    this.#catchUp ??= setTimeout(() => {
      this.#catchUp = undefined;
      this.#fill();
    }, CATCH_UP_MS);
  }

  #cutSlow(): void {
    this.gate.counters.slowClientsCut.websocket += 1;
    this.#close(TRY_AGAIN_LATER, "too slow");
  }

  #handleMessage(data: unknown): void {
    if (!this.#isOpen) return;
    const size = typeof data === "string"
      ? utf8Length(data, this.gate.settings.maxBodyBytes)
      : data instanceof ArrayBuffer
      ? data.byteLength
      : Infinity;
    if (size > this.gate.settings.maxBodyBytes) {
      return this.#close(TOO_BIG, `limit is ${this.gate.settings.maxBodyBytes} bytes`);
    }
    let text: string;
    try {
      text = typeof data === "string" ? data : decodeUtf8(new Uint8Array(data as ArrayBuffer));
    } catch {
      return this.#close(BAD_DATA, "not UTF-8");
    }
    if (this.#hasFrames) return this.#handleFrame(text);
    try {
      this.#publish(text);
    } catch (error) {
      if (!(error instanceof Problem)) return this.fail(error);
      this.gate.counters.countRefused(error.code);
      if (error.code === "too-large") return this.#close(TOO_BIG, error.code);
      this.#close(
        error.code === "invalid-json" || error.code === "not-an-object" ? BAD_DATA : TRY_AGAIN_LATER,
        error.code,
      );
    }
  }

  #handleFrame(text: string): void {
    const frame = parseObject(text);
    const publish = frame === undefined ? undefined : memberText(text, "publish");
    const id = frame?.id;
    if (publish === undefined || (id !== undefined && typeof id !== "number" && typeof id !== "string")) {
      return this.#close(BAD_DATA, 'a frame is {"publish":{…},"id":1}');
    }
    // The id goes back as it came: a large integer would be another one after JSON.parse.
    const idText = id === undefined ? "null" : memberText(text, "id")!;
    try {
      this.#publish(publish);
      if (id !== undefined) this.#socket.send(`{"ack":${idText}}`);
    } catch (error) {
      if (!(error instanceof Problem)) return this.fail(error);
      this.gate.counters.countRefused(error.code);
      const detail = JSON.stringify({ code: error.code, status: error.status, detail: error.message });
      this.#socket.send(`{"error":${detail},"id":${idText}}`);
    }
  }

  #publish(text: string): void {
    takeRate(this.gate, this.#remote, 1);
    const { hub, counters } = this.gate;
    if (hub.client.serverReceive !== undefined) {
      requireSending(this.gate);
      return send(this.gate, text);
    }
    // With no broker to send to, the sockets of the gateway hear each other, as in the original.
    if (parseObject(text) === undefined) {
      throw new Problem("invalid-json", "Cannot take message: it is no JSON object");
    }
    for (const relay of hub.relays) relay(text);
    counters.relayed += 1;
  }

  readonly #handleRelay = (text: string): void => {
    if (!this.#isOpen) return;
    if (this.#socket.bufferedAmount > this.gate.settings.maxQueuedBytes) return this.#cutSlow();
    this.#socket.send(
      this.#hasFrames ? `{"seq":null,"cursor":null,"time":${Date.now()},"message":${text}}` : text,
    );
  };

  #close(code: number, reason: string): void {
    if (!this.#finish()) return;
    // Its slot stays taken until it is really gone: a reader that does not read does not take in a close frame either.
    this.#isLingering = true;
    this.gate.counters.lingering += 1;
    // It may be on its way out already, or not open yet.
    try {
      this.#socket.close(code, reason);
    } catch {
      return;
    }
  }

  #handleGone(): void {
    if (this.#finish()) this.gate.counters.gone.websocket += 1;
    if (!this.#isLingering) return;
    this.#isLingering = false;
    this.gate.counters.lingering -= 1;
  }

  #finish(): boolean {
    this.#isOpen = false;
    clearTimeout(this.#catchUp);
    this.gate.hub.relays.delete(this.#handleRelay);
    return this.gate.waiting.leave(this);
  }
}

/** Bytes in UTF-8; not counted exactly while they cannot pass the limit. */
function utf8Length(text: string, limit: number): number {
  return text.length * 3 <= limit ? text.length : encodeUtf8(text).byteLength;
}

function gapFrame(missed: number | null, oldest: string): string {
  return `{"gap":{"missed":${missed},"oldest":"${oldest}"}}`;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}
