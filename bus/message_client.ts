/**
 * A client for applications that talk to each other.
 *
 * @module
 */
import { BusClient, playRole } from "./base_client.ts";
import type { ClientOptions } from "./client_options.ts";
import type { ClientBase, ClientRole, Frame } from "./client_role.ts";
import { EchoFilter, TICK_MS } from "./echo_filter.ts";
import type { OwnMessage } from "./follower.ts";

/**
 * A client for applications that talk to each other: its own messages do not come back to it. What all clients can do is described
 * with `BusClient` in `client.ts`.
 *
 * Our broker tells which messages are the client's own, even after a cut, so that is exact. With other brokers, the first equal text
 * that comes back within 5 s is taken for the client's own; it may have been somebody else's.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../broker.ts";
 * import { MessageClient } from "../client.ts";
 *
 * await using server = new MessageServer();
 * await using listener = new MessageClient(server.addresses);
 * await using sender = new MessageClient(server.addresses);
 * await Promise.all([listener.ready, sender.ready]);
 *
 * sender.sendMessage({ type: "subject", subject: 119 });
 * for await (const message of listener) {
 *   console.assert(message.type === "subject");
 *   break;
 * }
 * ```
 */
export class MessageClient<Own extends { readonly type: string } = never> extends BusClient<Own> {
  /**
   * Returns at once and connects in the background.
   *
   * @throws {AddressError} If an address is not `tcp://host:port` (`invalid-address`).
   * @throws {OptionError} If no address is given, or an option has a value that it cannot have (`bad-option`).
   */
  constructor(options: ClientOptions) {
    super(options);
    playRole(this, (base) => new WithoutOwn(base, this.serverBroadcast !== undefined));
  }
}

/** Delivers what others sent. */
class WithoutOwn implements ClientRole {
  readonly #base: ClientBase;
  readonly #isListening: boolean;
  /** For brokers that do not tell which messages are ours. */
  readonly #echoes = new EchoFilter();
  #timer: ReturnType<typeof setInterval> | undefined;
  #tickedAt = 0;

  constructor(base: ClientBase, isListening: boolean) {
    this.#base = base;
    this.#isListening = isListening;
    base.closed.addEventListener("abort", () => this.#stopTicking());
  }

  handleSent(number: number, text: string): void {
    if (!this.#isListening) return;
    if (this.#base.isFollowing) return this.#echoes.waitedFor > 0 ? this.#echoes.clear() : undefined;
    this.#echoes.add(number, text);
    if (this.#timer === undefined && !this.#base.closed.aborted) {
      this.#tickedAt = performance.now();
      this.#timer = setInterval(() => this.#tick(), TICK_MS);
    }
  }

  /** An echo is waited for from now on. */
  handleLeft(upTo: number): void {
    if (this.#echoes.waitedFor > 0) this.#echoes.left(upTo);
  }

  handleFrame(frame: Frame, own: OwnMessage | undefined): void {
    if (own !== undefined) return;
    if (!this.#base.isFollowing && this.#echoes.waitedFor > 0) {
      const { bytes, bodyStart, end } = frame;
      if (this.#echoes.take(decoder.decode(bytes.subarray(bodyStart, end)))) return;
    }
    this.#base.deliver(frame);
  }

  #tick(): void {
    const now = performance.now();
    this.#echoes.tick(now - this.#tickedAt);
    this.#tickedAt = now;
    if (this.#echoes.waitedFor === 0) this.#stopTicking();
  }

  #stopTicking(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
