/**
 * libzmq 4.3.5 at the other end of the wire, from npm:zeromq: inside Deno with zero timeouts, where nothing blocks, and under
 * Node in a process of its own, where it may.
 */
import * as zeromq from "zeromq";
import { until } from "./deadline.ts";

export { zeromq };

// All with zero timeouts: libzmq must not wait for its file descriptor, which Deno's uv_poll serves only once
// (denoland/deno#36317).

/** A PUSH of libzmq's that `using` closes. */
export class LibzmqPush extends zeromq.Push implements Disposable {
  constructor(options: zeromq.SocketOptions<zeromq.Push> = {}) {
    super({ sendTimeout: 0, linger: 0, ...options });
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A PULL of libzmq's that `using` closes. */
export class LibzmqPull extends zeromq.Pull implements Disposable {
  constructor(options: zeromq.SocketOptions<zeromq.Pull> = {}) {
    super({ receiveTimeout: 0, linger: 0, ...options });
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A PUB of libzmq's that `using` closes. */
export class LibzmqPub extends zeromq.Publisher implements Disposable {
  constructor(options: zeromq.SocketOptions<zeromq.Publisher> = {}) {
    super({ sendTimeout: 0, linger: 0, ...options });
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A SUB of libzmq's that `using` closes. */
export class LibzmqSub extends zeromq.Subscriber implements Disposable {
  constructor(options: zeromq.SocketOptions<zeromq.Subscriber> = {}) {
    super({ receiveTimeout: 0, linger: 0, ...options });
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Receives one message of a PULL or a SUB without libzmq waiting: asks again every millisecond. */
export async function receive(socket: zeromq.Pull | zeromq.Subscriber, ms = 20_000): Promise<string[]> {
  const end = performance.now() + ms;
  while (true) {
    try {
      return (await socket.receive()).map((part) => part.toString());
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
      if (performance.now() > end) throw new Error(`libzmq received nothing within ${ms} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Receives `count` messages of one frame. */
export async function receiveTexts(
  socket: zeromq.Pull | zeromq.Subscriber,
  count: number,
): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push((await receive(socket)).join("|"));
  return texts;
}

/** Sends without libzmq waiting: tries again while its queue is full or there is no peer. */
export async function send(
  socket: zeromq.Push | zeromq.Publisher,
  message: string | Uint8Array | (string | Uint8Array)[],
): Promise<void> {
  let done = false;
  const end = performance.now() + 20_000;
  while (!done) {
    try {
      await socket.send(message as zeromq.MessageLike);
      done = true;
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN" || performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** Waits until the broker has so many subscribers with a topic: libzmq itself tells nobody when it has subscribed. */
export function subscribed(
  server: { stats(): { subscribers?: { subscribers: readonly { topics: number }[] } } },
  count: number,
): Promise<void> {
  return until(
    () => server.stats().subscribers!.subscribers.filter(({ topics }) => topics > 0).length >= count,
    `${count} subscribers`,
  );
}
