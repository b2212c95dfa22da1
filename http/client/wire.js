// How a page reaches a hub: the one of a worker that all tabs share, or, where there is no such worker, one of its own.

/** Part of the worker's name: tabs that were loaded from an older gateway do not share one with newer tabs. */
const VERSION = 1;
/** A busy machine takes its time to start a worker. One that is forbidden tells so at once, in most browsers. */
const HELLO_DEADLINE_MS = 15_000;
const PING_MS = 10_000;
const WORKER_URL = new URL("./worker.js", import.meta.url);

export class Wire {
  #start;
  #handle;
  #isShared;
  #port;
  #isHeard = false;
  #timers = [];

  /** `start()` says what to begin with, each time anew; `handle` takes what the hub says. */
  constructor(isShared, start, handle) {
    this.#start = start;
    this.#handle = handle;
    this.#isShared = isShared && canShare();
    this.#open();
    if (this.#isShared) this.#timers.push(setInterval(() => this.#ping(), PING_MS));
    globalThis.addEventListener("pageshow", this.#handleShow);
    globalThis.addEventListener("pagehide", this.#handleHide);
    globalThis.document?.addEventListener("visibilitychange", this.#handleVisible);
    globalThis.document?.addEventListener("resume", this.#handleVisible);
    globalThis.addEventListener("online", this.#handleVisible);
  }

  post(note) {
    this.#port?.postMessage(note);
  }

  close() {
    this.#leave();
    for (const timer of this.#timers) clearInterval(timer);
    globalThis.removeEventListener("pageshow", this.#handleShow);
    globalThis.removeEventListener("pagehide", this.#handleHide);
    globalThis.document?.removeEventListener("visibilitychange", this.#handleVisible);
    globalThis.document?.removeEventListener("resume", this.#handleVisible);
    globalThis.removeEventListener("online", this.#handleVisible);
  }

  #handleHide = () => this.#leave();

  /** From the browser's cache of pages: the hub was told that it left. */
  #handleShow = ({ persisted }) => {
    if (persisted) this.#open();
  };

  /** After a sleep nobody likes to wait. */
  #handleVisible = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    this.post({ ask: "hurry" });
    if (this.#isShared) this.#ping();
  };

  #leave() {
    this.post({ ask: "leave" });
    this.#port?.close();
    this.#port = undefined;
  }

  async #open() {
    this.#leave();
    const worker = this.#isShared ? sharedWorker() : undefined;
    if (worker === undefined) return await this.#openOwn();
    const { port } = worker;
    this.#take(port);
    // A policy of the page may forbid workers.
    const goAlone = () => {
      if (this.#isHeard || port !== this.#port) return;
      this.#isShared = false;
      this.#open();
    };
    this.#expect(HELLO_DEADLINE_MS, goAlone);
    worker.onerror = goAlone;
  }

  async #openOwn() {
    const { serve } = await import("./hub.js");
    const { port1, port2 } = new MessageChannel();
    serve(port2);
    this.#take(port1);
  }

  #take(port) {
    this.#port = port;
    port.onmessage = ({ data }) => {
      if (port !== this.#port) return;
      this.#isHeard = true;
      this.#handle(data);
    };
    port.postMessage({ start: this.#start() });
  }

  /** A worker that ended with its process says nothing. */
  #ping() {
    if (this.#port === undefined) return;
    this.post({ ask: "ping" });
    this.#expect(PING_MS, () => this.#open());
  }

  #expect(deadlineMs, otherwise) {
    const port = this.#port;
    this.#isHeard = false;
    setTimeout(() => {
      if (!this.#isHeard && port === this.#port) otherwise();
    }, deadlineMs);
  }
}

function canShare() {
  return typeof SharedWorker === "function" && WORKER_URL.origin === globalThis.location?.origin;
}

function sharedWorker() {
  try {
    // Where a page demands it, scripts are loaded from trusted addresses only; this one is our own.
    const policy = globalThis.trustedTypes?.createPolicy("message-bus", { createScriptURL: (url) => url });
    const url = policy === undefined ? WORKER_URL.href : policy.createScriptURL(WORKER_URL.href);
    return new SharedWorker(url, { type: "module", name: `message bus ${VERSION}` });
  } catch {
    return undefined;
  }
}
