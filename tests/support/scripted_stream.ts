/** A JetStream that does what a test says: a session over it, without a network. */
import type { Relayed } from "../../bus/backbone.ts";
import type { NatsConnection, NatsLibrary, NatsMessage, NatsStatus } from "../../backbone/library.ts";
import { readBackboneOptions } from "../../backbone/options.ts";
import { makeInstance } from "../../backbone/origin.ts";
import { Receiver } from "../../backbone/receiver.ts";
import { SendQueue } from "../../backbone/send_queue.ts";
import { noCounts, type SessionHost, unknownStream } from "../../backbone/session.ts";
import { StreamSession } from "../../backbone/stream_session.ts";
import { Subjects } from "../../backbone/subject.ts";
import { until } from "./deadline.ts";

/** A consumer that was asked for. */
export interface AskedConsumer {
  /** Where it delivers to. */
  readonly inbox: string;
  /** From which number on; undefined for the last message of each type. */
  readonly from: number | undefined;
  /** Deliveries so far. */
  count: number;
}

/** One session, what it has been given, and the stream behind it. */
export class ScriptedStream implements AsyncDisposable {
  /** What the stream says of itself. */
  created = "one";
  first = 1;
  last: number;
  /** How many there are for a consumer; undefined: it is not answered, and that times out. */
  pending: number | undefined = 0;
  /** The consumers that were asked for, the latest last. */
  readonly consumers: AskedConsumer[] = [];
  /** What was published, with where it is to be confirmed. */
  readonly published: { readonly subject: string; readonly reply: string }[] = [];
  /** The texts that were passed on. */
  readonly heard: string[] = [];
  readonly problems: string[] = [];
  readonly host: SessionHost;
  readonly session: StreamSession;
  readonly #began = Date.now() - 200_000;
  readonly #clock = performance.now;
  #passed = 0;
  readonly #running: Promise<void>;
  readonly #subscribers = new Map<string, (error: null, message: NatsMessage) => void>();
  readonly #closed = Promise.withResolvers<void>();

  /** `last` is the number of the last message that was there before. */
  constructor(last = 0) {
    this.last = last;
    performance.now = () => this.#clock.call(performance) + this.#passed;
    const settings = readBackboneOptions({ servers: "nats://127.0.0.1", bus: "lab" });
    const subjects = new Subjects("lab");
    const limits = { messages: 1000, bytes: 1e6, windowMessages: 100, windowBytes: 1e6 };
    this.host = {
      settings,
      subjects,
      library: { createInbox: () => "_INBOX.x" } as NatsLibrary,
      queue: new SendQueue(makeInstance("me"), limits, subjects.lost),
      receiver: new Receiver("stream"),
      counts: noCounts(),
      stream: unknownStream(),
      forbidden: new Set(),
      isMute: false,
      mute() {},
      connects: 1,
      deliver: ({ body }: Relayed) => void this.heard.push(new TextDecoder().decode(body)),
      drop() {},
      handleBack() {},
      handleLatency() {},
      look() {},
      tell: (problem) => void this.problems.push(problem.code),
      untell() {},
    };
    this.session = new StreamSession(this.#connection(), this.host);
    this.#running = this.session.run();
  }

  /** The consumer of that number, from 1 on, once it has been asked for. */
  async consumer(number: number): Promise<AskedConsumer> {
    await until(() => this.consumers.length >= number, `consumer ${number}`);
    return this.consumers[number - 1]!;
  }

  /** A message of the stream, stored at that second; `from` is the header's value. */
  deliver(consumer: AskedConsumer, seq: number, from: string | undefined, seconds: number = seq): void {
    const time = `${this.#began + 1000 * seconds}000000`;
    this.#send(consumer.inbox, {
      subject: "braviz.lab.x",
      reply: `$JS.ACK.BRAVIZ_lab.c.1.${seq}.${++consumer.count}.${time}.0`,
      data: new TextEncoder().encode(`${from ?? "foreign"} at ${seq}`),
      headers: headers(from === undefined ? {} : { "Bus-From": from }),
    });
  }

  /** The consumer lives. */
  beat(consumer: AskedConsumer): void {
    this.#send(consumer.inbox, {
      subject: consumer.inbox,
      data: new Uint8Array(0),
      headers: headers({ "Nats-Last-Consumer": String(consumer.count) }, 100),
    });
  }

  /** What was published as that one, from 1 on, is stored under this number. */
  confirm(number: number, seq: number): void {
    const { reply } = this.published[number - 1]!;
    this.#send(reply, { subject: reply, data: encode({ stream: "BRAVIZ_lab", seq }) });
  }

  /** So many milliseconds go by. */
  pass(ms: number): void {
    this.#passed += ms;
    this.session.tick(performance.now());
  }

  #send(subject: string, message: NatsMessage): void {
    for (const [pattern, callback] of this.#subscribers) {
      if (pattern === subject || subject.startsWith(pattern.replace(/\*.*$/, "*").slice(0, -1))) {
        callback(null, message);
      }
    }
  }

  #connection(): NatsConnection {
    return {
      info: { version: "2", max_payload: 1e6, jetstream: true },
      publish: (subject, _body, options) => {
        if (options?.reply !== undefined) this.published.push({ subject, reply: options.reply });
      },
      subscribe: (subject, { callback }) => {
        this.#subscribers.set(subject, callback);
        return { unsubscribe: () => {} }; // What is on its way still comes.
      },
      request: (subject, body) => this.#answer(subject, body),
      flush: () => Promise.resolve(),
      status: () => ({ [Symbol.asyncIterator]: () => ({ next: () => this.#ended() }) }),
      closed: () => this.#closed.promise,
      close: () => Promise.resolve(),
    };
  }

  async #ended(): Promise<IteratorResult<NatsStatus>> {
    await this.#closed.promise;
    return { done: true, value: undefined };
  }

  #answer(subject: string, body: string): Promise<NatsMessage> {
    if (subject === "$JS.API.STREAM.INFO.BRAVIZ_lab") {
      return answer({
        created: this.created,
        state: { first_seq: this.first, last_seq: this.last },
        config: { subjects: ["braviz.lab.>"], retention: "limits" },
      });
    }
    const { config } = JSON.parse(body);
    this.consumers.push({ inbox: config.deliver_subject, from: config.opt_start_seq, count: 0 });
    if (this.pending === undefined) return Promise.reject(new DOMException("timeout", "TimeoutError"));
    return answer({ num_pending: this.pending, delivered: { consumer_seq: 0 } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.resolve();
    await this.#running;
    performance.now = this.#clock;
  }
}

function headers(values: Record<string, string>, code = 0): NonNullable<NatsMessage["headers"]> {
  return { code, description: "", get: (name) => values[name] ?? "" };
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function answer(value: object): Promise<NatsMessage> {
  return Promise.resolve({ subject: "", data: encode(value) });
}
