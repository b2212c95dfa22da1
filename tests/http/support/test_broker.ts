/**
 * A broker in the process of the test, as a gateway stands on it, with a record of what was posted.
 */
import { MessageServer, type MessageServerOptions } from "../../../broker.ts";

export class TestBroker implements AsyncDisposable {
  readonly server: MessageServer;
  /** What came in, not what was broadcast by the broker itself. */
  readonly sent: string[] = [];
  /** Those who listen to the feed. */
  listeners = 0;

  constructor(options: MessageServerOptions = {}) {
    this.server = new MessageServer(options);
    this.server.addEventListener("message", ({ text }) => this.sent.push(text));
    const { feed } = this.server;
    const listen = feed.listen.bind(feed);
    feed.listen = (listener) => {
      this.listeners += 1;
      const stop = listen(listener);
      return () => {
        this.listeners -= 1;
        stop();
      };
    };
  }

  /** One that holds so many messages. */
  static holding(messages: number): TestBroker {
    return new TestBroker({ history: { messages } });
  }

  /** Number of the newest message. */
  get count(): number {
    return this.server.feed.seq;
  }

  /** Number of the oldest message that is held. */
  get oldest(): number {
    return this.server.feed.oldest;
  }

  /** A message comes over the bus. */
  receive(text: string): void {
    this.server.sendJsonMessage(text);
  }

  /** So many messages come. */
  receiveMany(number: number, type = "subject"): void {
    for (let i = 0; i < number; i += 1) this.receive(JSON.stringify({ type, n: this.count + 1 }));
  }

  /** The broker is gone, for good. */
  stop(): Promise<void> {
    return this.server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
