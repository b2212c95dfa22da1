/**
 * Readers and senders of a gateway, by requests that do not go through sockets: what is between them is late, or lost.
 *
 * @module
 */
import type { GatewayHandler } from "../../http/handlers.ts";
import { parsePlace, type Place } from "../../bus/place.ts";
import { type Model, textOf } from "./model.ts";
import type { Random } from "./random.ts";
import type { Process, World } from "./world.ts";

/** A gateway and the process that it runs in. */
export interface Door {
  readonly process: Process;
  readonly handler: GatewayHandler;
}

/** How readers ask. */
export const WAYS = ["long-poll", "stream", "history"] as const;

const ORIGIN = "http://127.0.0.1:8000";
/** A reader that hears nothing for so long asks again. */
const SILENCE_MS = 8000;

/** One page or script. */
export class Visitor {
  readonly name: string;
  readonly process: Process;
  readonly way: typeof WAYS[number];
  /** Numbers of what it said. */
  sent = 0;
  isLeaving = false;
  readonly #world: World;
  readonly #model: Model;
  readonly #random: Random;
  readonly #door: () => Door | undefined;
  isSlow: boolean;
  /** Where it is: all up to here was heard, or told missing. */
  #at: Place | undefined;
  /** What `Last-Event-ID` or `since` says next. */
  #cursor: string | undefined;
  /** It was told that it cannot know how many are missing in front of the next message. */
  #isLost = false;

  constructor(
    { world, model, process, way, random, door, isSlow }: {
      readonly world: World;
      readonly model: Model;
      readonly process: Process;
      readonly way: typeof WAYS[number];
      readonly random: Random;
      readonly door: () => Door | undefined;
      readonly isSlow: boolean;
    },
  ) {
    this.name = process.name;
    this.#world = world;
    this.#model = model;
    this.process = process;
    this.way = way;
    this.#random = random;
    this.#door = door;
    this.isSlow = isSlow;
  }

  /** Where it is now. */
  get place(): string | undefined {
    return this.#at && `${this.#at.epoch}.${this.#at.seq}`;
  }

  /** Goes on until it is told to leave. Runs in its process. */
  async read(): Promise<void> {
    while (!this.isLeaving) {
      let isFine = false;
      try {
        isFine = await (this.way === "stream" ? this.#stream() : this.#poll());
      } catch {
        // The gateway was away, or had no time.
      }
      await this.#pause(this.#random.between(1, isFine && !this.isSlow ? 5 : 100));
    }
  }

  /** Says something; with `confirm` it is told where that is. */
  async say(size: number): Promise<void> {
    const text = textOf(this.name, ++this.sent, size);
    const confirm = this.#random.chance(0.5);
    try {
      const response = await this.#ask(`/messages${confirm ? "?confirm=3" : ""}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: text,
      });
      if (response.status === 200) this.#checkReceipt((await response.json()).cursor, text);
    } catch {
      // It will never know.
    }
  }

  #checkReceipt(cursor: string, text: string): void {
    const place = parsePlace(cursor);
    const is = place && this.#model.lives.get(place.epoch)?.texts[place.seq - 1];
    if (is !== text) this.#fail(`was told that its message is at ${cursor}, where it is not`);
  }

  /** Says whether it was answered. */
  async #poll(): Promise<boolean> {
    const since = `since=${this.#cursor ?? "now"}`;
    if (this.way === "history") {
      const limit = 1 + this.#random.int(50);
      const response = await this.#ask(`/messages/history?${since}&limit=${limit}&timeout=2`);
      if (response.status !== 200) return false;
      const { messages, cursor, missed } = await response.json();
      this.#skip(missed);
      for (const { cursor, message } of messages) this.#hear(JSON.stringify(message), cursor);
      this.#goOn(cursor);
      return true;
    }
    const response = await this.#ask(`/messages/longpoll?${since}&timeout=2`);
    const missed = response.headers.get("message-missed");
    const cursor = response.headers.get("message-cursor");
    const body = await response.text();
    if (response.status !== 200 && response.status !== 204) return false;
    if (missed !== null) this.#skip(missed === "unknown" ? null : Number(missed));
    if (response.status === 200) this.#hear(JSON.parse(body).message, cursor!);
    this.#goOn(cursor!);
    return true;
  }

  async #stream(): Promise<boolean> {
    const response = await this.#ask(
      "/messages/stream",
      this.#cursor === undefined ? {} : { headers: { "last-event-id": this.#cursor } },
    );
    if (response.status !== 200) return false;
    const door = this.#door();
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let events = 0;
    try {
      while (!this.isLeaving) {
        if (this.isSlow) await this.#pause(this.#random.between(0, 400));
        // What a process that is no more had promised does not come.
        if (door === undefined || !door.process.isAlive) return false;
        const { done, value } = await within(reader.read(), SILENCE_MS);
        if (done) return false;
        for (const event of decoder.decode(value, { stream: true }).split("\n\n")) this.#take(event);
        if (++events % 50 === 0 && this.#random.chance(0.3)) return true;
      }
      return true;
    } finally {
      if (door?.process.isAlive) this.#world.in(door.process, () => void reader.cancel().catch(() => {}));
    }
  }

  #take(event: string): void {
    const fields = new Map(
      event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
    );
    const [id, data] = [fields.get("id"), fields.get("data")];
    if (id === undefined) return;
    switch (fields.get("event")) {
      case undefined:
        this.#hear(data!, id);
        break;
      case "gap":
        this.#skip(JSON.parse(data!).missed);
        break;
      case "open":
        // Until it is told otherwise it is still where it was.
        if (this.#at !== undefined) return;
    }
    this.#goOn(id);
  }

  /** So many are missing in front of what comes next. */
  #skip(missed: number | null): void {
    this.#world.note("miss", this.name, String(missed));
    if (missed === null) this.#isLost = true;
    else if (this.#at !== undefined) this.#at = { epoch: this.#at.epoch, seq: this.#at.seq + missed };
  }

  #hear(text: string, cursor: string): void {
    this.#world.note("hear", this.name, text.length);
    this.#model.heard.messages++;
    const place = parsePlace(cursor)!;
    const is = this.#model.lives.get(place.epoch)?.texts[place.seq - 1];
    if (is === undefined || JSON.stringify(JSON.parse(is)) !== JSON.stringify(JSON.parse(text))) {
      return this.#fail(`heard ${text.slice(0, 60)} at ${cursor}, where the broker has ${is?.slice(0, 60)}`);
    }
    if (this.#at !== undefined && !this.#isLost) {
      if (place.epoch !== this.#at.epoch) {
        return this.#fail(`went from ${this.place} to ${cursor} and was told of no gap`);
      }
      if (place.seq !== this.#at.seq + 1) return this.#fail(`was at ${this.place} and heard ${cursor}`);
    }
    this.#at = place;
    this.#isLost = false;
    this.#cursor = cursor;
  }

  /** Everything up to this cursor was heard, or told. */
  #goOn(cursor: string): void {
    const place = parsePlace(cursor)!;
    const life = this.#model.lives.get(place.epoch);
    if (life === undefined ? place.seq > 0 : place.seq > life.texts.length) {
      return this.#fail(`is sent to ${cursor}, where the broker never was`);
    }
    if (this.#at !== undefined && !this.#isLost && life !== undefined) {
      if (place.epoch !== this.#at.epoch || place.seq !== this.#at.seq) {
        return this.#fail(`is at ${this.place}, and is sent to ${cursor}`);
      }
    }
    // Before the broker is known its beginning has a name of its own.
    this.#at = life === undefined ? undefined : place;
    this.#isLost = false;
    this.#cursor = cursor;
  }

  /** Asks the gateway, if there is one. */
  #ask(path: string, init: RequestInit = {}): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const world = this.#world;
    const gone = new AbortController();
    const lateMs = () => this.#random.between(0, this.isSlow ? 100 : 2);
    world.after(lateMs(), undefined, "request", () => {
      const door = this.#door();
      if (door === undefined || !door.process.isAlive) {
        world.after(lateMs(), this.process, "refused", () => reject(new Error("refused")));
        return;
      }
      const arrive = () => {
        if (!door.process.isAlive) return;
        const answer = door.handler(new Request(`${ORIGIN}${path}`, { ...init, signal: gone.signal }));
        void Promise.resolve(answer).then((response) => {
          world.after(lateMs(), this.process, "response", () => resolve(response));
        });
      };
      world.after(0, door.process, "arrives", arrive);
    });
    return within(promise, SILENCE_MS, () => gone.abort());
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  #fail(why: string): void {
    this.#world.fail(`${this.name} ${why}`);
  }
}

/** Rejects when it takes longer. */
function within<T>(promise: Promise<T>, ms: number, giveUp: () => void = () => {}): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    giveUp();
    late.reject(new Error("silence"));
  }, ms);
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}
