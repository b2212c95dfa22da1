/**
 * A bus client without a bus: what is sent comes back at once, and the broker can be taken away.
 */
import { MessageError, QueueFullError } from "../../../base/errors.ts";
import type { GatewayClient, GatewayEntry, GatewaySlice } from "../../../http.ts";

export interface FakeOptions {
  readonly historyMessages?: number;
  readonly serverReceive?: string | undefined;
}

export class FakeClient extends EventTarget implements GatewayClient {
  readonly serverBroadcast = "tcp://127.0.0.1:1";
  readonly serverReceive: string | undefined = "tcp://127.0.0.1:2";
  readonly #ready = Promise.withResolvers<void>();
  readonly ready: Promise<void> = this.#ready.promise;
  readonly sent: string[] = [];
  isReceiving = false;
  isSending = false;
  isFull = false;
  echoes = true;
  count = 0;
  listeners = 0;
  readonly #historyMessages: number;
  #entries: GatewayEntry[] = [];

  constructor(options: FakeOptions = {}) {
    super();
    this.#historyMessages = options.historyMessages ?? 1000;
    if ("serverReceive" in options) this.serverReceive = options.serverReceive;
  }

  /** A client whose broker is there. */
  static connected(options: FakeOptions = {}): FakeClient {
    const client = new FakeClient(options);
    client.connect();
    return client;
  }

  connect(): void {
    this.isReceiving = true;
    this.isSending = this.serverReceive !== undefined;
    this.#ready.resolve();
  }

  disconnect(): void {
    this.isReceiving = this.isSending = false;
  }

  get oldest(): number {
    return this.count - this.#entries.length + 1;
  }

  getLastMessage(): [count: number, messageText: string] {
    return [this.count, this.#entries.at(-1)?.text ?? ""];
  }

  messagesAfter(count: number, limit: number = Infinity): GatewaySlice {
    const first = Math.max(0, count + 1 - this.oldest);
    return { entries: this.#entries.slice(first, first + limit) };
  }

  sendJsonMessage(text: string): void {
    if (this.isFull) throw new QueueFullError("Cannot send message: the queue is full");
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new MessageError("not-json", "Cannot send message: it is not JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new MessageError("not-an-object", "Cannot send message: it is no object");
    }
    this.sent.push(text);
    if (this.echoes) this.receive(text);
  }

  /** A message comes from the bus. */
  receive(text: string, time: number = Date.now()): void {
    const { type } = JSON.parse(text);
    this.count += 1;
    this.#entries.push({ count: this.count, text, time, type: typeof type === "string" ? type : undefined });
    if (this.#entries.length > this.#historyMessages) this.#entries.shift();
    this.dispatchEvent(new Event("message"));
  }

  /** So many messages come. */
  receiveMany(number: number, type = "subject"): void {
    for (let i = 0; i < number; i += 1) this.receive(JSON.stringify({ type, n: this.count + 1 }));
  }

  stats(): object {
    return { sent: this.sent.length, queue: { bytes: 0 } };
  }

  override addEventListener(type: string, listener: (event: Event) => void): void {
    this.listeners += 1;
    super.addEventListener(type, listener);
  }

  override removeEventListener(type: string, listener: (event: Event) => void): void {
    this.listeners -= 1;
    super.removeEventListener(type, listener);
  }
}
