/**
 * What libzmq tells of a socket: what became of its connections, and when it is closed.
 *
 * @module
 */
// deno-lint-ignore no-import-prefix -- a remote module does not see our import map
import type * as zeromq from "npm:zeromq@6.8.0";
import { library, type LibzmqError } from "./loader.ts";

/** How often a monitor is looked at when nothing has happened for a while. */
const MAX_MONITOR_MS = 200;
/** Ended observers of one monitor that are kept: those of 30 ms at least. */
const KEPT_OBSERVERS = 32;
/** libzmq may take so much longer than its linger time to close. */
const CLOSE_MARGIN_MS = 500;

/**
 * What libzmq tells of a socket's connections. An observer cannot be asked whether there is something to receive, and must
 * not wait. But a new observer ends the one before, whose last event is then known: up to that one, receiving never waits.
 *
 * Only for sockets that dial: while 2000 events are not fetched libzmq's I/O thread stands still, which a listening socket
 * with many peers can bring about.
 */
export class Monitor {
  readonly #socket: zeromq.Socket;
  #observer: zeromq.Observer;
  /** See {@linkcode observe}. */
  readonly #ended: zeromq.Observer[] = [];
  #pauseMs = 1;
  #due = 0;

  constructor(socket: zeromq.Socket) {
    this.#socket = socket;
    this.#observer = observe(socket);
  }

  /** What has happened since the last time; nothing if that was a moment ago. */
  async take(now: number): Promise<zeromq.Event[]> {
    if (now < this.#due) return [];
    const before = this.#observer;
    this.#observer = observe(this.#socket);
    this.#ended.push(before);
    if (this.#ended.length > KEPT_OBSERVERS) this.#ended.shift();
    const events: zeromq.Event[] = [];
    for (let event = await before.receive(); event.type !== "end"; event = await before.receive()) {
      events.push(event);
    }
    this.#pauseMs = events.length > 0 ? 1 : Math.min(2 * this.#pauseMs, MAX_MONITOR_MS);
    this.#due = now + this.#pauseMs;
    return events;
  }

  /** Looks no more. */
  stop(): void {
    this.#observer.close();
  }

  /** Closes the socket; see {@linkcode close}. */
  close(lingerMs: number): Promise<void> {
    return close(this.#socket, lingerMs, this.#observer);
  }
}

/**
 * An observer's address in libzmq is its place in memory, and libzmq forgets it a moment after the observer's end: a new one
 * in the same place may come too early. Ended ones are kept for a while, so that their places are not taken.
 */
function observe(socket: zeromq.Socket): zeromq.Observer {
  for (let tries = 1;; tries++) {
    try {
      return new library.Observer(socket);
    } catch (error) {
      if ((error as LibzmqError).code !== "EADDRINUSE" || tries === 10) throw error;
    }
  }
}

/** Closes a socket. Resolves when libzmq has let go of it: what lingered is written, and the port is free. */
export async function close(
  socket: zeromq.Socket,
  lingerMs: number,
  observer: zeromq.Observer = observe(socket),
): Promise<void> {
  socket.linger = lingerMs;
  socket.close();
  // Here the observer does wait. Should Deno not wake it, the timer does.
  const timer = setTimeout(() => observer.close(), lingerMs + CLOSE_MARGIN_MS);
  try {
    // The observer closes itself with its last event.
    while (!observer.closed) await observer.receive();
  } catch {
    // Closed while it waited.
  } finally {
    clearTimeout(timer);
  }
}
