/**
 * PUSH, dialling: sends to the one it is connected to (RFC 30).
 *
 * @module
 */
import { QueueFullError } from "../base/errors.ts";
import { atTurnEnd } from "../base/waits.ts";
import { Arena } from "./arena.ts";
import { parseEndpoint } from "./endpoint.ts";
import { Outbox } from "./outbox.ts";
import { metadataOf } from "./properties.ts";
import { dialSecurity, type Security } from "./security.ts";
import { Link, type LinkHandler } from "./link.ts";
import { Dialer, type DialerHandler } from "./dialer.ts";
import type { PushHandler, PushOptions, PushSocket } from "./transport.ts";

/**
 * A PUSH that dials.
 *
 * - Messages leave in the order of `send`, over reconnections too: what waits is kept (libzmq without ZMQ_IMMEDIATE).
 * - At most once: a message that is cut by the end of a connection is lost and told (`handleLost`), never sent twice.
 * - Never waits: above its limit the queue refuses.
 */
export class Push implements PushSocket {
  readonly #options: PushOptions;
  readonly #handler: PushHandler;
  readonly #outbox: Outbox;
  readonly #arena = new Arena();
  readonly #security: Security;
  readonly #dialer: Dialer;
  #isConnected = false;
  #isWakeScheduled = false;

  /**
   * Returns at once and dials in the background.
   *
   * @throws {AddressError} If the address is no `tcp://host:port`.
   * @throws {OptionError} If a key of CURVE is none.
   */
  constructor(options: PushOptions, handler: PushHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#outbox = new Outbox(options.queue);
    const endpoint = parseEndpoint(options.address);
    this.#security = dialSecurity(metadataOf("PUSH", options.properties), options.curve);
    this.#dialer = new Dialer(endpoint, options.reconnect, this.#dialing(), this.#security.ready);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get queuedMessages(): number {
    return this.#outbox.messages;
  }

  get queuedBytes(): number {
    return this.#outbox.bytes;
  }

  send(text: string, isRest = false): void {
    const size = this.#arena.appendMessage(text);
    if (!isRest && !this.#outbox.hasRoom(size)) {
      this.#arena.takeBack(size);
      const { messages, bytes } = this.#options.queue;
      throw new QueueFullError(
        `Cannot queue message: ${this.#outbox.messages} messages of ${this.#outbox.bytes} bytes wait, ` +
          `limits are ${messages} and ${bytes}`,
      );
    }
    this.#outbox.add(this.#arena.block, this.#arena.at - size, this.#arena.at, 1);
    if (this.#isConnected) this.#scheduleWake();
  }

  close(): Promise<void> {
    return this.#dialer.close();
  }

  /** What is sent in the same turn of the event loop leaves in one write: the answers to thirty requests, say. */
  #scheduleWake(): void {
    if (this.#isWakeScheduled) return;
    this.#isWakeScheduled = true;
    atTurnEnd(() => {
      this.#isWakeScheduled = false;
      this.#dialer.link?.wake();
    });
  }

  #dialing(): DialerHandler {
    const peer = this.#peer();
    return {
      makeLink: (conn, clock) => {
        const mechanism = this.#security.makeMechanism();
        return new Link(conn, { ...this.#options, socketType: "PUSH", mechanism }, this.#outbox, peer, clock);
      },
      handleFailure: (error, isFinal) => this.#handler.handleFailure(error, isFinal),
      handleGone: (link) => {
        const { written, lost } = this.#outbox.putBack(link.writtenBytes);
        if (written > 0) this.#handler.handleWritten(written);
        if (lost > 0) this.#handler.handleLost(lost);
      },
    };
  }

  #peer(): LinkHandler {
    return {
      handleReady: () => {
        this.#isConnected = true;
        this.#dialer.succeeded();
        this.#handler.handleConnect();
      },
      handleWritten: (messages) => this.#handler.handleWritten(messages),
      handleEnd: (reason) => {
        const wasConnected = this.#isConnected;
        this.#isConnected = false;
        if (wasConnected) this.#handler.handleDisconnect(reason);
        else this.#dialer.failed(reason);
      },
    };
  }
}
