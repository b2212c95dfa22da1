/**
 * Knows everything: what each life of the broker accepted, in its order, and what each reader may hear next.
 *
 * @module
 */
import type { MessageClient } from "../../bus/message_client.ts";
import type { PassiveMessageClient } from "../../bus/passive_client.ts";
import type { GapReason } from "../../bus/events.ts";
import { parsePlace, type Place } from "../../bus/place.ts";
import type { World } from "./world.ts";

/** One life of the broker. */
export interface Life {
  readonly epoch: string;
  /** What it accepted; number 1 comes first. */
  readonly texts: string[];
}

/** The text of a message of the world. */
export function textOf(from: string, number: number, size: number): string {
  return `{"type":"t","from":"${from}","n":${number},"pad":"${"x".repeat(size)}"}`;
}

/** Who sent it, and its number among that one's; undefined for what strangers sent. */
export function senderOf(text: string): { readonly from: string; readonly number: number } | undefined {
  const match = TEXT.exec(text);
  return match === null ? undefined : { from: match[1]!, number: Number(match[2]) };
}

const TEXT = /^\{"type":"t","from":"([^"]+)","n":(\d+),"pad":"/;

/** See the module. */
export class Model {
  readonly world: World;
  readonly lives: Map<string, Life> = new Map();
  life!: Life;
  /** Messages that were accepted, of each sender. */
  readonly accepted: Map<string, { last: number; count: number; readonly numbers: Set<number> }> = new Map();
  /** Over how many connections the broker hears this sender. */
  linesOf: (from: string) => number = () => 1;
  /** Messages that readers heard, and those that they were told missing. */
  readonly heard = { messages: 0, gaps: 0, missed: 0, unknown: 0, overtaken: 0 };

  constructor(world: World) {
    this.world = world;
  }

  /** The broker begins. */
  begin(epoch: string): void {
    this.life = { epoch, texts: [] };
    this.lives.set(epoch, this.life);
  }

  /** The broker accepted a message. */
  accept(text: string): void {
    this.life.texts.push(text);
    const sender = senderOf(text);
    if (sender === undefined) return;
    const { from, number } = sender;
    const known = this.accepted.get(from) ?? { last: 0, count: 0, numbers: new Set() };
    if (known.numbers.has(number)) this.world.fail(`the broker accepted number ${number} of ${from} twice`);
    known.numbers.add(number);
    // What is still under way over a line that the sender has given up may come after what it said over the next one.
    if (number < known.last && this.linesOf(from) < 2) {
      this.world.fail(`the broker accepted number ${number} of ${from} after its number ${known.last}`);
    }
    if (number < known.last) this.heard.overtaken++;
    known.last = Math.max(known.last, number);
    known.count++;
    this.accepted.set(from, known);
  }
}

/** Looks at what one client hears. */
export class Watcher {
  readonly name: string;
  /** What it calls itself in its messages. */
  readonly from: string;
  readonly client: MessageClient | PassiveMessageClient;
  /** Numbers of its messages. */
  sent = 0;
  /** Those of them that the broker may not refuse. */
  fit = 0;
  /** It keeps the pace, nothing befalls it, and there is room enough. */
  mustMissNothing = false;
  readonly #model: Model;
  readonly #hearsOwn: boolean;
  /** Where it is; undefined before it was anywhere. */
  #at: Place | undefined;

  constructor(
    model: Model,
    name: string,
    from: string,
    client: MessageClient | PassiveMessageClient,
    hearsOwn: boolean,
    at: string | undefined,
  ) {
    this.#model = model;
    this.name = name;
    this.from = from;
    this.client = client;
    this.#hearsOwn = hearsOwn;
    this.#at = at === undefined ? undefined : parsePlace(at);
    client.addEventListener("message", ({ text }) => this.#hear(text));
    client.addEventListener("gap", ({ missed, reason }) => this.#miss(missed, reason));
    client.addEventListener(
      "messageerror",
      ({ error }) => this.#fail(`was sent what is no message: ${error.message}`),
    );
    client.addEventListener("connect", ({ endpoint }) => endpoint === "broadcast" && this.#join());
  }

  /** Where it is. */
  get at(): Place | undefined {
    return this.#at;
  }

  /** Its place must be this one now, everything up to it heard or told. */
  expectAt(epoch: string, seq: number): void {
    const place = this.#place();
    if (place?.epoch !== epoch || place.seq !== seq) {
      return this.#fail(`is at ${this.client.place}, the broker at ${epoch}.${seq}`);
    }
    this.#passOwn(place.seq);
  }

  #join(): void {
    const place = this.#place();
    if (place === undefined) return this.#fail("is connected and has no place");
    // Whatever the broker accepted by now comes later, or came already.
    this.#at ??= place;
    this.#check(place);
  }

  #hear(text: string): void {
    this.#model.world.note("hear", this.name, text.length);
    this.#model.heard.messages++;
    const place = this.#place();
    if (place === undefined) return this.#fail("hears a message and has no place");
    const life = this.#check(place);
    if (life === undefined) return;
    const is = life.texts[place.seq - 1];
    if (is !== text) {
      return this.#fail(`heard ${short(text)} at ${this.client.place}, where the broker has ${short(is)}`);
    }
    if (!this.#hearsOwn && this.#isOwn(text)) return this.#fail(`heard its own message ${short(text)}`);
    if (this.#at !== undefined && this.#at.epoch !== place.epoch) {
      return this.#fail(`went from ${this.#at.epoch} to ${place.epoch} and was told of no gap`);
    }
    if (this.#at !== undefined && place.seq <= this.#at.seq) {
      return this.#fail(`heard number ${place.seq} after ${this.#at.seq}`);
    }
    this.#passOwn(place.seq - 1);
    this.#at = place;
  }

  #miss(missed: number | null, reason: GapReason): void {
    this.#model.world.note("miss", this.name, `${missed} ${reason}`);
    this.#model.heard.gaps++;
    this.#model.heard.missed += missed ?? 0;
    if (missed === null) this.#model.heard.unknown++;
    const place = this.#place();
    if (place === undefined) return this.#fail("is told of a gap and has no place");
    if (this.#check(place) === undefined) return;
    if (this.#at === undefined) {
      // It was told where it is, and cut off before we could ask.
      this.#at = place;
      return;
    }
    if (missed === null) {
      if (reason !== "restarted") return this.#fail(`is told of an unknown gap: ${reason}`);
      if (place.epoch === this.#at.epoch) return this.#fail("is told of a new life that is the old one");
    } else {
      if (place.epoch !== this.#at.epoch) return this.#fail(`is told of ${missed} missing between two lives`);
      if (missed < 1) return this.#fail(`is told that ${missed} are missing`);
      if (this.mustMissNothing) return this.#fail(`keeps the pace and misses ${missed}: ${reason}`);
      this.#passOwn(place.seq - missed);
      if (this.#at.seq !== place.seq - missed) {
        return this.#fail(`is at ${this.#at.seq}, told that ${missed} are missing, and then at ${place.seq}`);
      }
    }
    this.#at = place;
  }

  /** All up to this number, which it did not hear, must be its own. */
  #passOwn(upTo: number): void {
    if (this.#at === undefined) return;
    const texts = this.#model.lives.get(this.#at.epoch)!.texts;
    for (let seq = this.#at.seq + 1; seq <= upTo; seq++) {
      const text = texts[seq - 1];
      if (text === undefined || this.#hearsOwn || !this.#isOwn(text)) {
        return this.#fail(
          `did not hear number ${seq} (${short(text)}) in front of ${upTo + 1}, and no gap told of it`,
        );
      }
    }
    if (upTo > this.#at.seq) this.#at = { epoch: this.#at.epoch, seq: upTo };
  }

  #check({ epoch, seq }: Place): Life | undefined {
    const life = this.#model.lives.get(epoch);
    if (life !== undefined && seq <= life.texts.length) return life;
    this.#fail(`is at ${epoch}.${seq}, where the broker never was`);
    return undefined;
  }

  #place(): Place | undefined {
    const { place } = this.client;
    return place === undefined ? undefined : parsePlace(place);
  }

  #isOwn(text: string): boolean {
    return senderOf(text)?.from === this.from;
  }

  #fail(why: string): void {
    this.#model.world.fail(`${this.name} ${why}`);
  }
}

/** Looks at what a subscriber hears that knows nothing of places, such as one of libzmq. */
export class PlainWatcher {
  readonly name: string;
  /** Messages that it did not hear, behind the first that it heard. */
  missed = 0;
  readonly #model: Model;
  #life: Life | undefined;
  /** Messages of that life, up to the last one that it heard. */
  #at = 0;

  constructor(model: Model, name: string) {
    this.#model = model;
    this.name = name;
  }

  /** Everything up to here was written to it or dropped. */
  end(): void {
    if (this.#life !== undefined) this.missed += this.#life.texts.length - this.#at;
  }

  hear(text: string): void {
    const { world, life, lives } = this.#model;
    world.note("hear", this.name, text.length);
    if (this.#life === undefined) {
      this.#life = life;
      this.#at = life.texts.indexOf(text);
    }
    for (let at = this.#at; at < this.#life.texts.length; at++) {
      if (this.#life.texts[at] !== text) continue;
      this.missed += at - this.#at;
      this.#at = at + 1;
      return;
    }
    const next = [...lives.values()].find(({ texts }) => texts.includes(text));
    if (next === undefined || next === this.#life) {
      return world.fail(`${this.name} heard ${short(text)} twice, late, or out of nothing`);
    }
    this.#life = next;
    this.#at = 0;
    this.hear(text);
  }
}

function short(text: string | undefined): string {
  return text === undefined ? "nothing" : text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
