// Where messages come in: one WebSocket. Event streams would not do: a browser opens six connections to one host for all its
// tabs together, and each open stream is one of them. WebSockets are not counted there.
//
// Its place is kept here. After a break it asks for what came after that place, so nothing is missed, or it is told how much.

import { messageItem } from "./items.js";
import { ask, openSocket } from "./requests.js";

/** The gateway has answered a moment ago, so a socket opens soon or never. */
const OPEN_DEADLINE_MS = 5000;
const ASK_DEADLINE_MS = 5000;
const CHECK_MS = 5000;
const MAX_RETRY_MS = 8000;
/** The places of the oldest and of the newest message, and no message. */
export const PLACES_PATH = "messages/history?since=now&limit=1";

export class Link {
  /** Place of the last message or gap that came; undefined before the first connection. */
  place;
  /** `"connecting"`, `"live"`, `"away"` or `"unauthorized"`. */
  state = "connecting";
  #gateway;
  /** What is called: `item(item)` and `state(state)`. */
  #on;
  #socket;
  #retryMs = 0;
  #timer;
  #checkTimer;
  #attempt = 0;
  #lastFrameAt = 0;
  #lastCheckAt = 0;
  #checkedPlace;

  constructor(gateway, on) {
    this.#gateway = gateway;
    this.#on = on;
    this.#checkTimer = setInterval(() => this.check(), CHECK_MS);
  }

  /** Starts, or starts again at once. */
  async connect() {
    const attempt = this.#begin();
    this.#setState("connecting");
    try {
      // Firefox makes those wait long who open WebSockets in vain, so it is opened only when the gateway answers.
      const { status, isOk, text } = await ask(this.#gateway, PLACES_PATH, ASK_DEADLINE_MS);
      if (attempt !== this.#attempt) return;
      if (status === 401) return this.#retryLater("unauthorized");
      // 503: the broker was never there, so there is nothing from before.
      if (!isOk && status !== 503) throw new Error(`status ${status}`);
      const since = this.place ?? (isOk ? JSON.parse(text).latest : "earliest");
      this.#open(`messages/ws?since=${encodeURIComponent(since)}`, attempt);
    } catch {
      if (attempt === this.#attempt) this.#retryLater("away");
    }
  }

  /** Does not wait any longer for the next attempt, and looks after a socket that may be dead. */
  hurry() {
    if (this.state === "away" || this.state === "unauthorized") this.connect();
    else this.check(true);
  }

  /**
   * Looks whether the socket is as far as the gateway. A network that was cut while the computer slept does not close a
   * socket; it only stays silent.
   */
  async check(isNow = false) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const socket = this.#socket;
    const askedAt = performance.now();
    try {
      const { isOk, text } = await ask(this.#gateway, PLACES_PATH, ASK_DEADLINE_MS);
      if (!isOk || socket !== this.#socket) return;
      const { latest } = JSON.parse(text);
      const isSilent = this.#lastFrameAt < this.#lastCheckAt;
      this.#lastCheckAt = askedAt;
      // Once for each place: a gap at the end has a place that no message will ever have.
      if (latest === this.place || !isSilent || latest === this.#checkedPlace) return;
      this.#checkedPlace = latest;
      this.connect();
    } catch {
      // After a sleep nobody waits for the socket to notice by itself.
      if (isNow && socket === this.#socket) this.connect();
    }
  }

  close() {
    clearInterval(this.#checkTimer);
    this.#begin();
  }

  #begin() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#attempt += 1;
    socket?.close();
    return this.#attempt;
  }

  #open(path, attempt) {
    const socket = this.#socket = openSocket(this.#gateway, path, "braviz.v1");
    this.#timer = setTimeout(() => this.#retryLater("away"), OPEN_DEADLINE_MS);
    socket.addEventListener("message", ({ data }) => {
      if (attempt !== this.#attempt) return;
      this.#lastFrameAt = performance.now();
      this.#handleFrame(data);
    });
    // Every end comes as a close, those before it was open too.
    socket.addEventListener("close", () => {
      if (attempt === this.#attempt) this.#retryLater("away");
    });
  }

  #handleFrame(frame) {
    const item = messageItem(frame);
    if (item !== undefined) {
      this.place = item.place ?? this.place;
      return this.#on.item(item);
    }
    const { open, gap } = JSON.parse(frame);
    if (open !== undefined) {
      clearTimeout(this.#timer);
      this.#retryMs = 0;
      this.place ??= open.cursor;
      this.#setState("live");
    } else if (gap !== undefined) {
      this.place = gap.cursor ?? this.place;
      this.#on.item({ missed: gap.missed, reason: gap.reason, place: gap.cursor ?? undefined });
    }
  }

  #retryLater(state) {
    this.#begin();
    this.#setState(state);
    this.#retryMs = Math.min(Math.max(500, this.#retryMs * 2), MAX_RETRY_MS);
    this.#timer = setTimeout(() => this.connect(), this.#retryMs * (0.8 + Math.random() * 0.4));
  }

  #setState(state) {
    this.state = state;
    this.#on.state(state);
  }
}
