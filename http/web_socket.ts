/**
 * The WebSocket, in two languages: without a subprotocol the original's (the text of each message and nothing else, both
 * ways), with `braviz.v1` frames that carry cursors, gaps and answers.
 *
 * @module
 */
import type { FeedView } from "../bus/feed_view.ts";
import { memberSpan } from "../bus/json_member.ts";
import { SLOW_READERS } from "./cut_stream.ts";
import { entryJson } from "./entry_json.ts";
import { decodeUtf8 } from "./form.ts";
import { cutSocket } from "./cut_socket.ts";
import type { Gate } from "./gate.ts";
import { encodeUtf8, type Waiter } from "./hub.ts";
import type { Found, Missing, Standing } from "./lookup.ts";
import type { CuttableSocket } from "./memory_watch.ts";
import { gapEnd, gapMembers } from "./missing.ts";
import { Problem } from "./problem.ts";
import { send, takeRate } from "./publish.ts";
import { type Call, remoteOf } from "./route.ts";
import type { Format } from "./shared_bodies.ts";
import type { TypeFilter } from "./type_filter.ts";
import type { UpgradePlace } from "./upgrades.ts";

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
/** What waits in a socket is counted from here on: a message that is on its way through is not worth it. */
const UNCOUNTED_BYTES = 16 * 1024;
/** Bytes of the header of a frame. */
const MAX_FRAME_HEADER = 10;
/** Whoever was told to go has so long for it. */
const LINGER_MS = 2000;
/** How often it is looked whether a queue has become shorter. */
const ACCOUNT_MS = 200;

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
  render: (found: Found, feed: FeedView) => {
    const frames = found.entries.map((entry) => entryJson(entry, feed.place(entry.position)));
    return found.missed === 0 ? frames : [gapFrame(found, gapEnd(found, feed), feed), ...frames];
  },
};

/** See the module. */
export async function webSocket(gate: Gate, { request, query, info }: Call): Promise<Response> {
  const filter = query.typeFilter();
  const cursor = query.cursor("since", "lastEventId");
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    throw new Problem("upgrade-required", "Cannot answer: this path is for WebSockets only", {
      headers: { "upgrade": "websocket", "connection": "upgrade" },
    });
  }
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  const protocol = offered.find((name) => name === FRAME_PROTOCOL || name === RAW_PROTOCOL);
  gate.waiting.requireRoom(gate.upgrades.underWay);
  const standing = gate.hub.locate(cursor ?? { kind: "now" });
  const remote = remoteOf(info);
  const place = await gate.upgrades.enter(request, remote);
  let upgraded: { readonly socket: WebSocket; readonly response: Response };
  try {
    // Others may have come in meanwhile.
    gate.waiting.requireRoom();
    upgraded = Deno.upgradeWebSocket(request, {
      idleTimeout: IDLE_TIMEOUT_S,
      ...(protocol === undefined ? {} : { protocol }),
    });
  } catch (error) {
    place.give();
    if (error instanceof Problem) throw error;
    throw new Problem(
      "bad-upgrade",
      `Cannot open WebSocket: ${error instanceof Error ? error.message : error}`,
    );
  }
  new BusSocket(gate, upgraded.socket, protocol === FRAME_PROTOCOL, filter, standing, remote, place);
  return upgraded.response;
}

class BusSocket implements Waiter, CuttableSocket {
  readonly kind = "websocket";
  readonly gate: Gate;
  readonly #socket: WebSocket;
  readonly #hasFrames: boolean;
  readonly #filter: TypeFilter | undefined;
  readonly #standing: Standing;
  readonly #remote: string;
  readonly #place: UpgradePlace;
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  // Invariant: so many bytes of the budget stand for what waits in the socket, at the last look.
  #heldBytes = 0;
  #position: number;
  #isOpen = false;
  isLingering = false;
  #isLost = false;
  #isGone = false;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #accounting: ReturnType<typeof setInterval> | undefined;
  #catchUp: ReturnType<typeof setTimeout> | undefined;
  #stalledSince: number | undefined;
  #lastBuffered = 0;

  constructor(
    gate: Gate,
    socket: WebSocket,
    hasFrames: boolean,
    filter: TypeFilter | undefined,
    standing: Standing,
    remote: string,
    place: UpgradePlace,
  ) {
    this.gate = gate;
    this.#socket = socket;
    this.#hasFrames = hasFrames;
    this.#filter = filter;
    this.#standing = standing;
    this.#remote = remote;
    this.#place = place;
    this.#position = standing.position;
    socket.binaryType = "arraybuffer";
    // Counted from now on, so that a crowd that opens at once cannot pass the limit.
    gate.waiting.enter(this);
    this.#openTimer = setTimeout(() => this.#handleNeverOpen(), gate.settings.openTimeoutMs);
    socket.onopen = () => this.#handleOpen();
    socket.onmessage = (event) => this.#handleMessage(event.data);
    // Deno tells some ends twice, and some only as an error.
    socket.onclose = socket.onerror = () => {
      this.#handleTold();
      this.#handleGone();
    };
  }

  deliver(): boolean {
    const before = this.#position;
    this.#fill();
    return this.#position !== before;
  }

  drain(): void {
    this.#close(GOING_AWAY, "the gateway is stopping");
  }

  fail(error: unknown): void {
    this.gate.settings.log(`fault: WebSocket: ${String(error)}`);
    this.#close(TRY_AGAIN_LATER, "the gateway made a mistake");
  }

  #handleOpen(): void {
    this.#handleTold();
    // Closed before it was open: then it had no way to tell.
    if (this.#isLost) return this.#socket.close(GOING_AWAY, "it took too long to open");
    if (this.isLingering) return this.#socket.close(GOING_AWAY, "the gateway is stopping");
    this.#isOpen = true;
    const { hub, counters, memoryWatch } = this.gate;
    memoryWatch.add(this);
    hub.relays.add(this.#handleRelay);
    const { missed } = this.#standing;
    counters.countGap(missed);
    if (this.#hasFrames) {
      const cursor = hub.cursor(this.#position);
      this.#socket.send(`{"open":{"cursor":"${cursor}"}}`);
      if (missed !== 0) this.#socket.send(gapFrame(this.#standing, cursor, hub.feed));
    }
    this.#fill();
  }

  /** Deno told something of it, so it is not lost. */
  #handleTold(): void {
    clearTimeout(this.#openTimer);
    this.#place.give();
  }

  /** Its client reset the connection while it was upgraded: nobody will ever hear of it again. */
  #handleNeverOpen(): void {
    this.#place.lose();
    if (this.gate.upgrades.lost === 1) {
      this.gate.settings.log(
        "WebSocket: a client broke off while its WebSocket was opened. Deno does not give the file descriptor back, so there may be " +
          `${this.gate.settings.maxUpgrades} of these (maxUpgrades); /metrics counts them`,
      );
    }
    this.#isLost = true;
    this.#handleGone();
  }

  /** Hands messages from the feed to the socket, as many as fit. */
  #fill(): void {
    const { hub, counters, settings } = this.gate;
    const format = this.#hasFrames ? FRAMES : RAW;
    // No more than this can wait in the socket.
    let most = 0;
    while (this.#isOpen && this.#position < hub.feed.position) {
      const buffered = this.#socket.bufferedAmount;
      if (buffered > settings.maxQueuedBytes || !this.#account(buffered)) return this.#handleFull();
      const found = hub.bodies.render(this.#position, this.#filter, format);
      this.#position = found.position;
      if (found.body === undefined) continue;
      counters.countGap(found.missed);
      let bytes = 0;
      for (const frame of found.body) {
        bytes += frame.length;
        this.#socket.send(frame);
      }
      counters.countSent("websocket", found.entries.length, bytes);
      most = buffered + MAX_FRAME_HEADER * found.body.length + 3 * bytes;
    }
    // Asking Deno for its queue costs a part of what sending does; a queue that cannot have become long is not worth it.
    if (most >= UNCOUNTED_BYTES || this.#heldBytes > 0) this.#account();
    this.#stalledSince = undefined;
  }

  /**
   * Counts what waits in the socket against the budget, where that is much. Says whether there is room for more. Nothing tells of a
   * queue that becomes shorter, so it is looked at again after a while.
   */
  #account(buffered = this.#isGone ? 0 : this.#socket.bufferedAmount): boolean {
    // Deno tells nothing any more of a socket that was closed, but holds its queue until its peer has gone.
    if (this.isLingering && !this.#isGone) return false;
    const { memory } = this.gate;
    const wanted = buffered < UNCOUNTED_BYTES ? 0 : buffered;
    if (wanted <= this.#heldBytes) memory.giveFromSocket(this.#heldBytes - wanted);
    else if (!memory.takeForSocket(wanted - this.#heldBytes)) return false;
    this.#heldBytes = wanted;
    if (wanted > 0) this.#accounting ??= setInterval(() => this.#account(), ACCOUNT_MS);
    else if (this.#accounting !== undefined) {
      clearInterval(this.#accounting);
      this.#accounting = undefined;
    }
    return true;
  }

  /** There is no event that tells of room in the queue, so it is looked at until there is some, or the reader has stalled. */
  #handleFull(): void {
    const buffered = this.#socket.bufferedAmount;
    const now = performance.now();
    if (this.#stalledSince === undefined || buffered < this.#lastBuffered) this.#stalledSince = now;
    this.#lastBuffered = buffered;
    const isLost = this.#position < this.gate.hub.feed.oldest - 1;
    if (isLost || now - this.#stalledSince > STALL_MS) return this.#cutSlow();
    this.#catchUp ??= setTimeout(() => {
      this.#catchUp = undefined;
      this.#fill();
    }, CATCH_UP_MS);
  }

  #cutSlow(): void {
    const { bufferedAmount } = this.#socket;
    this.gate.counters.slowClientsCut.websocket += 1;
    this.gate.settings.log(
      `A WebSocket was cut: its reader is too slow, ${bufferedAmount} bytes waited for it`,
      SLOW_READERS,
    );
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
    if (hub.port?.serverReceive !== undefined) {
      send(this.gate, [text]);
      return;
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
    if (this.#socket.bufferedAmount > this.gate.settings.maxQueuedBytes || !this.#account()) {
      return this.#cutSlow();
    }
    this.#socket.send(
      this.#hasFrames ? `{"seq":null,"cursor":null,"time":${Date.now()},"message":${text}}` : text,
    );
  };

  #close(code: number, reason: string): void {
    if (!this.#finish()) return;
    // Its slot stays taken until it is really gone: a reader that does not read does not take in a close frame either.
    this.isLingering = true;
    this.gate.counters.lingering += 1;
    // What waits to be written keeps its descriptor until its peer has gone, and then Deno tells it.
    if (this.#socket.bufferedAmount === 0) this.#linger = setTimeout(() => this.cut(), LINGER_MS);
    // It may be on its way out already, or not open yet.
    try {
      this.#socket.close(code, reason);
    } catch {
      return;
    }
  }

  /** Ends it, whatever its peer does. Deno tells that by the same events as any other end. */
  cut(): void {
    cutSocket(this.#socket);
  }

  #handleGone(): void {
    if (this.#finish()) this.gate.counters.gone.websocket += 1;
    this.#isGone = true;
    clearTimeout(this.#linger);
    this.gate.memoryWatch.delete(this);
    this.#account();
    if (!this.isLingering) return;
    this.isLingering = false;
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

function gapFrame(missing: Missing, cursor: string, feed: FeedView): string {
  return `{"gap":{${gapMembers(missing, cursor, feed)}}}`;
}

/** The text of a member as it stands there: after `JSON.parse`, 64-bit integers would have lost digits, and white space is gone. */
function memberText(object: string, name: string): string | undefined {
  const bytes = encodeUtf8(object);
  const span = memberSpan(bytes, 0, bytes.length, name);
  return span === undefined ? undefined : decodeUtf8(bytes.subarray(span.start, span.end));
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
