/**
 * SUB, dialling: receives from the one it is connected to what begins with its topics (RFC 29).
 *
 * @module
 */
import { parseEndpoint } from "./endpoint.ts";
import { Outbox } from "./outbox.ts";
import { metadataOf, propertyOf } from "./properties.ts";
import { dialSecurity, type Security } from "./security.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Link, type LinkHandler } from "./link.ts";
import { Dialer, type DialerHandler } from "./dialer.ts";
import type { ConnectionHandler, MessageHandler, SubOptions, SubSocket } from "./transport.ts";

/** Gives each byte a character of its own, which is all that a key needs. */
const latin1 = new TextDecoder("latin1");

/** Answers to wait for after SUBSCRIBE. With one, a libzmq publisher on a busy machine lost the first messages (2 of 1200). */
const PONGS = 2;

/**
 * A SUB that dials.
 *
 * - Subscriptions survive reconnections: all topics are said again after each READY.
 * - `handleConnect` comes when the publisher has taken the subscriptions: SUBSCRIBE is followed by PING, and a publisher
 *   answers in order. A second PING follows, since libzmq answers the first before it passes on what came with it. Peers of
 *   ZMTP 3.0 may know no PING; for them it comes when SUBSCRIBE is on its way.
 * - What does not match any more, because CANCEL is still under way, is filtered here, as libzmq does.
 */
export class Sub implements SubSocket {
  readonly #options: SubOptions;
  readonly #handler: MessageHandler & ConnectionHandler;
  readonly #security: Security;
  readonly #dialer: Dialer;
  /** How often each topic was subscribed to, by its bytes as a text. */
  readonly #topics: Map<string, { readonly topic: Uint8Array; uses: number }> = new Map();
  readonly #filter = new Subscriptions({ maxTopics: Infinity, maxTopicBytes: Infinity });
  /** READY was exchanged, so SUBSCRIBE may be said. */
  #isReady = false;
  #isConnected = false;
  /** Topics that this connection alone was told of; the owner knows what comes for them. */
  #greeted: readonly Uint8Array[] = [];
  /** PONGs to come until the publisher has taken our subscriptions. */
  #pongsLeft = 0;

  /**
   * Returns at once and dials in the background.
   *
   * @throws {AddressError} If the address is no `tcp://host:port`.
   * @throws {OptionError} If a key of CURVE is none.
   */
  constructor(options: SubOptions, handler: MessageHandler & ConnectionHandler) {
    this.#options = options;
    this.#handler = handler;
    const endpoint = parseEndpoint(options.address);
    this.#security = dialSecurity(metadataOf("SUB", options.properties), options.curve);
    this.#dialer = new Dialer(endpoint, options.reconnect, this.#dialing(), this.#security.ready);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  subscribe(topic: Uint8Array): void {
    const key = latin1.decode(topic);
    const known = this.#topics.get(key);
    if (known !== undefined) {
      known.uses++;
      return;
    }
    const copy = topic.slice();
    this.#topics.set(key, { topic: copy, uses: 1 });
    this.#filter.add(copy);
    this.#say(true, copy);
  }

  unsubscribe(topic: Uint8Array): void {
    const key = latin1.decode(topic);
    const known = this.#topics.get(key);
    if (known === undefined || --known.uses > 0) return;
    this.#topics.delete(key);
    this.#filter.remove(topic);
    this.#say(false, known.topic);
  }

  close(): Promise<void> {
    return this.#dialer.close();
  }

  #say(subscribe: boolean, topic: Uint8Array): void {
    const { link } = this.#dialer;
    if (!this.#isReady || link === undefined) return;
    link.session.changeSubscription({ subscribe, topic });
    link.wake();
  }

  #dialing(): DialerHandler {
    const peer = this.#peer();
    return {
      makeLink: (conn, clock) => {
        const mechanism = this.#security.makeMechanism();
        const outbox = new Outbox({ messages: 0, bytes: 0 });
        return new Link(conn, { ...this.#options, socketType: "SUB", mechanism }, outbox, peer, clock);
      },
      handleFailure: (error, isFinal) => this.#handler.handleFailure(error, isFinal),
      handleGone: () => {},
    };
  }

  #peer(): LinkHandler {
    return {
      handleReady: ({ minor }) => {
        this.#isReady = true;
        this.#dialer.succeeded();
        const { session, remoteAddress } = this.#dialer.link!;
        const peer = { address: remoteAddress, property: (name: string) => propertyOf(session.peer, name) };
        this.#greeted = this.#options.greet?.(peer) ?? [];
        for (const topic of this.#greeted) session.changeSubscription({ subscribe: true, topic });
        for (const { topic } of this.#topics.values()) session.changeSubscription({ subscribe: true, topic });
        this.#pongsLeft = PONGS;
        if (minor >= 1) session.ping();
        else this.#handleSubscribed();
      },
      handlePong: () => {
        if (--this.#pongsLeft > 0) this.#dialer.link!.session.ping();
        else this.#handleSubscribed();
      },
      handleMessage: (bytes, start, bodyStart, end) => {
        if (
          !this.#filter.isEverything && this.#greeted.length === 0 &&
          !this.#filter.matches(bytes, bodyStart, end)
        ) {
          return;
        }
        this.#handler.handleMessage(bytes, start, bodyStart, end);
      },
      handleUnfit: (reason, size, parts) => this.#handler.handleUnfit(reason, size, parts),
      handleTurnEnd: () => this.#handler.handleTurnEnd(),
      handleEnd: (reason) => {
        const wasConnected = this.#isConnected;
        this.#isReady = false;
        this.#isConnected = false;
        if (wasConnected) this.#handler.handleDisconnect(reason);
        else this.#dialer.failed(reason);
      },
    };
  }

  #handleSubscribed(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#handler.handleConnect();
  }
}
