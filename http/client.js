// The message bus for web pages: `import { connect } from "/client.js"`. Its types are in /client.d.ts.

import { ask } from "./client/requests.js";
import { Wire } from "./client/wire.js";

const CONFIRM_S = 3;
const SEND_DEADLINE_MS = 6000;
const ASK_DEADLINE_MS = 10_000;
const HERE = new URL(".", import.meta.url).href;

/** Joins the bus of the gateway that this file was loaded from, or of the one at `url`. */
export function connect(options = {}) {
  return new Bus(options);
}

/** Something could not be done; `code` says what, as in the gateway's answers. */
export class BusError extends Error {
  name = "BusError";
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}

export class BusMessageEvent extends Event {
  #message;
  constructor({ text, time, place, seq }, isEarlier) {
    super("message");
    Object.assign(this, { text, time, place, seq, isEarlier: isEarlier === true });
  }

  /** Parsed when it is asked for, and once. */
  get message() {
    return this.#message ??= JSON.parse(this.text);
  }
}

export class BusGapEvent extends Event {
  constructor({ missed, reason, place }) {
    super("gap");
    Object.assign(this, { missed, reason, place });
  }
}

class Bus extends EventTarget {
  state = "connecting";
  place;
  ready;
  #gateway;
  #since;
  #wire;
  #resolveReady;

  constructor({ url = HERE, token = "", since = "now", isShared = true }) {
    super();
    const base = new URL(url, globalThis.location?.href).href;
    this.#gateway = { base: base.endsWith("/") ? base : `${base}/`, token };
    this.#since = since;
    const { promise, resolve } = Promise.withResolvers();
    this.ready = promise;
    this.#resolveReady = resolve;
    this.#wire = new Wire(
      isShared,
      () => ({ ...this.#gateway, since: this.place ?? this.#since }),
      (note) => this.#handle(note),
    );
  }

  on(type, listener) {
    const handle = (event) => {
      const { message } = event;
      const isWanted = type === "*" || message.type === type ||
        (type === "visualization" && message.type === "Visualization");
      if (isWanted) listener(message, event);
    };
    this.addEventListener("message", handle);
    return () => this.removeEventListener("message", handle);
  }

  watch(type, listener) {
    let isNews = false;
    let isOver = false;
    const stop = this.on(type, (message, event) => {
      isNews = true;
      listener(message, event);
    });
    // Only once the stream has begun: between the two nothing must be missed.
    this.ready.then(() => this.current(type)).then((values) => {
      // What came meanwhile is newer.
      for (const { message } of values) if (!isNews && !isOver) listener(message, undefined);
    }, () => {});
    return () => {
      isOver = true;
      stop();
    };
  }

  async send(message) {
    const body = typeof message === "string" ? message : JSON.stringify(message);
    let answer;
    try {
      answer = await ask(this.#gateway, `messages?confirm=${CONFIRM_S}`, SEND_DEADLINE_MS, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
    } catch (cause) {
      throw cause.name === "AbortError"
        ? new BusError(
          "timeout",
          `No answer within ${SEND_DEADLINE_MS / 1000} s: nobody knows whether it was sent.`,
          { cause },
        )
        : new BusError("gateway-away", "Not sent: the gateway does not answer.", { cause });
    }
    if (!answer.isOk) throw problemOf(answer);
    if (answer.status !== 200) return { isConfirmed: false, place: undefined, seq: undefined };
    const { count, cursor } = JSON.parse(answer.text);
    return { isConfirmed: true, place: cursor, seq: count };
  }

  async current(...types) {
    const query = types.length === 0 ? "" : `?type=${types.map(encodeURIComponent).join(",")}`;
    const answer = await ask(this.#gateway, `messages/state${query}`, ASK_DEADLINE_MS);
    if (!answer.isOk) throw problemOf(answer);
    return JSON.parse(answer.text).values;
  }

  close() {
    this.#wire.close();
    this.#setState("closed");
  }

  [Symbol.dispose]() {
    this.close();
  }

  #handle({ items, isEarlier, place, state, ready }) {
    if (this.state === "closed") return;
    if (items !== undefined) {
      let length = 0;
      for (const item of items) {
        if (item.text === undefined) {
          this.place = item.place ?? this.place;
          this.dispatchEvent(new BusGapEvent(item));
        } else {
          length += item.text.length;
          this.place = item.place ?? this.place;
          this.dispatchEvent(new BusMessageEvent(item, isEarlier));
        }
      }
      this.place = place ?? this.place;
      this.#wire.post({ took: items.length, length });
    } else if (state !== undefined) {
      this.#setState(state);
    } else if (ready !== undefined) {
      this.place ??= ready;
      this.#resolveReady();
    }
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

function problemOf({ status, text }) {
  try {
    const { detail, code } = JSON.parse(text);
    return new BusError(code, detail);
  } catch {
    return new BusError("bad-answer", `The gateway answers ${status}.`);
  }
}
