// One link to a gateway for many pages. Each page has a seat, and its own place in the stream: one that does not read, for it
// is frozen or sleeps, is not sent any more, and later goes on where it was.

import { isAtOrBefore, isGap, parseHistory, placeBeforeLast, placeParts } from "./items.js";
import { Link, PLACES_PATH } from "./link.js";
import { ask } from "./requests.js";

/** The newest items are held here; who is further behind asks the gateway. */
const MAX_HELD = 2000;
const MAX_HELD_LENGTH = 4_000_000;
/** What may be under way to a page that has not said that it took it. */
const MAX_UNDERWAY = 1000;
const MAX_UNDERWAY_LENGTH = 8_000_000;
const BATCH = 250;
const HISTORY_LIMIT = 1000;
const HISTORY_DEADLINE_MS = 20_000;
const RETRY_MS = 2000;

const lengthOf = (item) => isGap(item) ? 0 : item.text.length;

export class Hub {
  #gateway;
  #link;
  #seats = new Set();
  /** Items in a row; the first one has the number `#first`, and `#before` is a place that is not behind the first one's. */
  #held = [];
  #heldLength = 0;
  #first = 0;
  #before;
  #isPumpDue = false;
  #tick = new MessageChannel();

  constructor(gateway) {
    this.#gateway = gateway;
    // Timers of hidden pages are slow; this is not.
    this.#tick.port1.onmessage = () => this.#pumpAll();
    this.#link = new Link(gateway, {
      item: (item) => this.#hold(item),
      state: (state) => this.#handleState(state),
    });
    this.#link.connect();
  }

  get isEmpty() {
    return this.#seats.size === 0;
  }

  /** A page that begins at `since`: `"now"`, `"earliest"`, a place, or `{ last: number }`. What it is sent goes to `post`. */
  sit(since, post) {
    const seat = { post, since, place: undefined, next: undefined, underway: 0, underwayLength: 0 };
    this.#seats.add(seat);
    post({ state: this.#link.state });
    this.#pump(seat);
    return seat;
  }

  /** A page took items. */
  took(seat, number, length) {
    seat.underway -= number;
    seat.underwayLength -= length;
    this.#pump(seat);
  }

  leave(seat) {
    this.#seats.delete(seat);
  }

  hurry() {
    this.#link.hurry();
  }

  close() {
    this.#link.close();
    this.#tick.port1.close();
  }

  #handleState(state) {
    if (state === "live") this.#before ??= this.#link.place;
    this.#tell({ state });
    if (state === "live") this.#requestPump();
  }

  #tell(note) {
    for (const { post } of this.#seats) post(note);
  }

  #hold(item) {
    const { place } = item;
    if (place !== undefined && this.#before !== undefined) {
      const [life, number] = placeParts(place);
      if (life !== placeParts(this.#before)[0]) {
        // Another life of the broker: places of the two cannot be compared.
        this.#drop(this.#held.length);
        this.#before = isGap(item) ? place : `${life}.${number - 1}`;
      }
    }
    this.#held.push(item);
    this.#heldLength += lengthOf(item);
    let surplus = Math.max(0, this.#held.length - MAX_HELD);
    let length = this.#heldLength;
    for (let i = 0; i < surplus; i += 1) length -= lengthOf(this.#held[i]);
    while (length > MAX_HELD_LENGTH && surplus < this.#held.length - 1) {
      length -= lengthOf(this.#held[surplus]);
      surplus += 1;
    }
    // In one go, for shift() of a long array costs its length.
    if (surplus > MAX_HELD / 4 || length < this.#heldLength / 2) {
      this.#pumpAll();
      this.#drop(surplus);
    }
    this.#requestPump();
  }

  #drop(number) {
    for (const item of this.#held.splice(0, number)) {
      this.#heldLength -= lengthOf(item);
      this.#before = item.place ?? this.#before;
    }
    this.#first += number;
  }

  #requestPump() {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#tick.port2.postMessage(0);
  }

  #pumpAll() {
    this.#isPumpDue = false;
    for (const seat of this.#seats) this.#pump(seat);
  }

  #pump(seat) {
    if (this.#before === undefined) return; // There was no connection yet.
    if (seat.since === "now") this.#join(seat, this.#first + this.#held.length, this.#link.place);
    if (seat.next === undefined || seat.next < this.#first) return void this.#fetch(seat);
    let batch = [];
    let length = 0;
    const flush = () => {
      if (batch.length > 0) this.#send(seat, batch);
      batch = [];
      length = 0;
    };
    const end = this.#first + this.#held.length;
    while (seat.next < end) {
      if (seat.underway + batch.length >= MAX_UNDERWAY) break;
      if (seat.underwayLength + length >= MAX_UNDERWAY_LENGTH) break;
      const item = this.#held[seat.next - this.#first];
      seat.next += 1;
      // It had that one from the history.
      if (item.place !== undefined && seat.place !== undefined && isAtOrBefore(item.place, seat.place)) {
        continue;
      }
      seat.place = item.place ?? seat.place;
      batch.push(item);
      length += lengthOf(item);
      if (batch.length === BATCH) flush();
    }
    flush();
  }

  #send(seat, items, isEarlier = false) {
    seat.underway += items.length;
    for (const item of items) seat.underwayLength += lengthOf(item);
    seat.post({ items, isEarlier, place: seat.place });
  }

  /** From here on it gets what is held. */
  #join(seat, next, place) {
    seat.next = next;
    seat.place = place;
    if (seat.since === undefined) return;
    seat.since = undefined;
    seat.post({ ready: place });
  }

  /** What a seat lacks that is not held here. One question at a time, and none while answers are under way. */
  async #fetch(seat) {
    if (seat.isFetching || seat.underway > 0 || this.#link.state !== "live") return;
    seat.isFetching = true;
    try {
      await this.#fetchOnce(seat);
    } catch {
      setTimeout(() => this.#requestPump(), RETRY_MS);
      return;
    } finally {
      seat.isFetching = false;
    }
    if (this.#seats.has(seat)) this.#pump(seat);
  }

  async #fetchOnce(seat) {
    const from = seat.place ?? await this.#startOf(seat.since);
    const path = `messages/history?since=${encodeURIComponent(from)}&limit=${HISTORY_LIMIT}`;
    const { isOk, status, text } = await ask(this.#gateway, path, HISTORY_DEADLINE_MS);
    // It is no place: who asks again is told the same.
    if (status === 400) this.#send(seat, [{ missed: null, reason: "foreign-cursor", place: undefined }]);
    // The broker was never there, so there is no history.
    if (status === 503 || status === 400) {
      return this.#join(seat, this.#first + this.#held.length, this.#link.place);
    }
    if (!isOk) throw new Error(`status ${status}`);
    const { items, cursor, missed } = parseHistory(text);
    if (missed !== 0) {
      const reason = missed === null ? "foreign-cursor" : "expired";
      items.unshift({ missed, reason, place: undefined });
    }
    seat.place = cursor;
    if (items.length > 0) this.#send(seat, items, true);
    const isHeldFromHere = isAtOrBefore(this.#before, cursor);
    const isOfAnotherLife = placeParts(this.#before)[0] !== placeParts(cursor)[0];
    // In another life than the link: it will notice soon, and hold what comes from then on.
    if (isHeldFromHere) this.#join(seat, this.#first, cursor);
    else if (isOfAnotherLife) this.#join(seat, this.#first + this.#held.length, cursor);
    else seat.next = undefined;
  }

  async #startOf(since) {
    if (typeof since === "string") return since;
    const { isOk, text } = await ask(this.#gateway, PLACES_PATH, HISTORY_DEADLINE_MS);
    return isOk ? placeBeforeLast(JSON.parse(text), since.last) : "earliest";
  }
}

/** The hubs of this worker or page, by gateway and token. */
const hubs = new Map();

/** Serves one page, which speaks over a port. */
export function serve(port) {
  let key;
  let seat;
  const leave = () => {
    const hub = hubs.get(key);
    if (hub === undefined || seat === undefined) return;
    hub.leave(seat);
    seat = undefined;
    if (!hub.isEmpty) return;
    hub.close();
    hubs.delete(key);
  };
  port.onmessage = ({ data: { start, took, length, ask } }) => {
    if (start !== undefined) {
      leave();
      key = JSON.stringify([start.base, start.token]);
      if (!hubs.has(key)) hubs.set(key, new Hub({ base: start.base, token: start.token }));
      seat = hubs.get(key).sit(start.since, (note) => port.postMessage(note));
      return;
    }
    if (seat === undefined) return;
    if (took !== undefined) hubs.get(key).took(seat, took, length);
    else if (ask === "hurry") hubs.get(key).hurry();
    else if (ask === "ping") port.postMessage({ pong: true });
    else if (ask === "leave") leave();
  };
}
