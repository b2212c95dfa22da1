// Where messages come in: one WebSocket for each tab. Event streams would not do: a browser opens six connections to one
// host for all its tabs together, and each open stream is one of them. WebSockets are not counted there.
//
// Its place is kept here. After a break it asks for what came after that place, so nothing is missed, or it is told how much.

import { ask, needsToken, openSocket } from "./gateway.js";

/** Messages from before the page was opened that are fetched at most. */
const MAX_EARLIER = 2000;
/** The gateway has answered a moment ago, so a socket opens soon or never. */
const OPEN_DEADLINE_MS = 5000;
const ASK_DEADLINE_MS = 5000;
const MAX_RETRY_MS = 8000;
const HEAD_END = ',"message":';
const PLACE_PATH = "/messages/history?since=now&limit=1";

export class Stream {
  /** What is called: `message(text, time, isLive)`, `gap(missed, reason)`, `state(state, text)` and `sign()`. */
  #on;
  #socket;
  /** Place of the last message that came. */
  #cursor;
  /** Number of the newest message when the page connected; what comes later is live. */
  #earlier = 0;
  /** The socket is open, and no message has come over it. */
  #isFresh = false;
  #retryMs = 0;
  #timer;
  #attempt = 0;
  #lastFrameAt = 0;
  #lastCheckAt = 0;
  #checkedPlace;
  /** Messages on the bus so far, as far as this page knows. */
  count = 0;

  constructor(on) {
    this.#on = on;
  }

  /** Starts, or starts again at once. */
  async connect() {
    const attempt = this.#begin();
    try {
      // Firefox makes those wait long who open WebSockets in vain, so it is opened only when the gateway answers.
      const { status, isOk, text } = await ask(PLACE_PATH, ASK_DEADLINE_MS);
      if (attempt !== this.#attempt) return;
      // 503: the broker was never there, so there is nothing from before.
      if (!isOk && status !== 503) throw new Error(`status ${status}`);
      let first = "earliest";
      if (isOk) {
        const places = JSON.parse(text);
        this.#earlier = this.count = parts(places.latest)[1];
        first = firstPlace(places);
      }
      const since = this.#cursor ?? first;
      this.#open(`/messages/ws?since=${encodeURIComponent(since)}`, attempt);
    } catch {
      if (attempt === this.#attempt) this.#retryLater();
    }
  }

  /**
   * Looks whether the socket is as far as the gateway. A network that was cut while the computer slept does not close a
   * socket; it only stays silent.
   */
  async check() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const socket = this.#socket;
    const askedAt = performance.now();
    const { isOk, text } = await ask(PLACE_PATH, ASK_DEADLINE_MS);
    if (!isOk || socket !== this.#socket) return;
    const { latest } = JSON.parse(text);
    const isSilent = this.#lastFrameAt < this.#lastCheckAt;
    this.#lastCheckAt = askedAt;
    // Once for each place: a gap at the end has a place that no message will ever have.
    if (latest === this.#cursor || !isSilent || latest === this.#checkedPlace) return;
    this.#checkedPlace = latest;
    this.connect();
  }

  #begin() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#attempt += 1;
    socket?.close();
    this.#on.state("wait", "connecting …");
    return this.#attempt;
  }

  #open(path, attempt) {
    const socket = this.#socket = openSocket(path, "braviz.v1");
    this.#timer = setTimeout(() => this.#retryLater(), OPEN_DEADLINE_MS);
    socket.addEventListener("message", ({ data }) => {
      if (attempt !== this.#attempt) return;
      this.#lastFrameAt = performance.now();
      this.#on.sign();
      this.#handleFrame(data);
    });
    // Every end comes as a close, those before it was open too.
    socket.addEventListener("close", () => {
      if (attempt === this.#attempt) this.#retryLater();
    });
  }

  #handleFrame(frame) {
    const at = frame.startsWith('{"seq":') ? frame.indexOf(HEAD_END) : -1;
    if (at > 0) {
      // The text as it is on the bus: JSON.parse would round large numbers.
      const { seq, cursor, time } = JSON.parse(`${frame.slice(0, at)}}`);
      if (cursor !== null) this.#cursor = cursor;
      this.#isFresh = false;
      const isLive = seq === null || seq > this.#earlier;
      if (isLive) this.count = seq ?? this.count + 1;
      return this.#on.message(frame.slice(at + HEAD_END.length, -1), time, isLive);
    }
    const { open, gap } = JSON.parse(frame);
    if (open !== undefined) {
      clearTimeout(this.#timer);
      this.#retryMs = 0;
      this.#cursor = open.cursor;
      this.#isFresh = true;
      this.#on.state("good", "live");
    } else if (gap !== undefined) {
      // Another life of the broker counts from 1. For a gap that is told at once, the page has asked in that life already.
      if (gap.missed === null && !this.#isFresh) this.#earlier = 0;
      this.#cursor = gap.cursor ?? this.#cursor;
      this.#on.gap(gap.missed, gap.reason);
    }
  }

  #retryLater() {
    this.#begin();
    this.#on.state("bad", needsToken() ? "token needed" : "gateway away, reconnecting …");
    this.#retryMs = Math.min(Math.max(500, this.#retryMs * 2), MAX_RETRY_MS);
    this.#timer = setTimeout(() => this.connect(), this.#retryMs * (0.8 + Math.random() * 0.4));
  }
}

/** Life and number of a place. */
function parts(cursor) {
  const dot = cursor.lastIndexOf(".");
  return [cursor.slice(0, dot), Number(cursor.slice(dot + 1))];
}

/** Behind which place the first messages are fetched. */
function firstPlace({ oldest, latest }) {
  const [epoch, number] = parts(latest);
  const [oldestEpoch, oldestNumber] = parts(oldest);
  const first = number - MAX_EARLIER;
  const isHeld = epoch !== oldestEpoch || first > oldestNumber;
  return first > 0 && isHeld ? `${epoch}.${first}` : "earliest";
}
