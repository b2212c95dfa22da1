/**
 * The words in which a broker and those who follow its feed speak about places: topics that begin with NUL one way, frames that
 * begin with NUL the other. No JSON object begins with NUL, so nobody else is disturbed. docs/protocol.md has them byte by byte.
 *
 * @module
 */
import { formatPlace, parsePlace, type Place } from "./place.ts";

/** The property of READY by which a broker says that it has a feed, and where that stands: a place. */
export const FEED_PROPERTY = "X-Feed";
/** The property by which the connections of one program know each other: a secret text, and the number of a sending connection. */
export const LINK_PROPERTY = "X-Link";
/** A note is not larger. */
export const MAX_NOTE_BYTES = 1024;
/** What both the topics and the frames begin with. */
const MARK = "\0feed/1 ";

/**
 * From where on somebody wants the feed: what comes from now on, everything that is held, what came in the last so many
 * milliseconds, or what follows a place.
 */
export type FeedStart = "now" | "earliest" | `age ${number}` | Place;

/** What somebody asks for. */
export interface FeedWish {
  /** From where on. */
  readonly start: FeedStart;
  /** Should it hear when the messages came? */
  readonly times: boolean;
}

/** Why the next message does not follow the one before. */
export type NoteReason = "start" | "slow";

/** What a broker tells a follower in the middle of the stream. */
export type FeedNote =
  /** The next message is the one after this place. */
  | { readonly what: "place"; readonly place: Place; readonly reason: NoteReason }
  /** The next so many messages came over your sending connection `link`, where they were number `index` and those that followed. */
  | { readonly what: "own"; readonly messages: number; readonly link: number; readonly index: number }
  /** The next messages came at this time, in milliseconds since 1970. */
  | { readonly what: "time"; readonly time: number }
  /** So many messages that came over your sending connection were not passed on. */
  | { readonly what: "refused"; readonly messages: number; readonly link: number; readonly index: number };

/** The topic that asks for the feed. */
export function feedTopic(start: FeedStart, times: boolean = false): Uint8Array {
  const from = typeof start === "string" ? start : formatPlace(start.epoch, start.seq);
  return encoder.encode(MARK + from + (times ? TIMES : ""));
}

/** Reads such a topic; undefined for any other. */
export function parseFeedTopic(topic: Uint8Array): FeedWish | undefined {
  if (topic.length > MAX_TOPIC_BYTES) return undefined;
  const text = decoder.decode(topic);
  if (!text.startsWith(MARK)) return undefined;
  const times = text.endsWith(TIMES);
  const start = parseStart(text.slice(MARK.length, times ? -TIMES.length : undefined));
  return start && { start, times };
}

function parseStart(text: string): FeedStart | undefined {
  if (text === "now" || text === "earliest") return text;
  return AGE.test(text) ? text as `age ${number}` : parsePlace(text);
}

/** The milliseconds of a start that is an age; undefined of any other. */
export function ageOf(start: FeedStart): number | undefined {
  return typeof start === "string" && AGE.test(start) ? Number(start.slice("age ".length)) : undefined;
}

/** The body of the frame that tells. */
export function encodeNote(note: FeedNote): Uint8Array {
  switch (note.what) {
    case "place": {
      const { epoch, seq } = note.place;
      return encoder.encode(`${MARK}{"place":"${formatPlace(epoch, seq)}","reason":"${note.reason}"}`);
    }
    case "time":
      return encoder.encode(`${MARK}{"time":${note.time}}`);
    case "own":
    case "refused":
      return encoder.encode(
        `${MARK}{"${note.what}":${note.messages},"link":${note.link},"index":${note.index}}`,
      );
  }
}

/** Does a frame's body begin as notes do? */
export function isNote(bytes: Uint8Array, bodyStart: number, end: number): boolean {
  return bodyStart < end && bytes[bodyStart] === 0;
}

/** Reads the body of a frame that begins with NUL; undefined when it says nothing that we know. */
export function parseNote(body: Uint8Array): FeedNote | undefined {
  if (body.length > MAX_NOTE_BYTES) return undefined;
  const text = decoder.decode(body);
  if (!text.startsWith(MARK)) return undefined;
  let note: Record<string, unknown> | null;
  try {
    note = JSON.parse(text.slice(MARK.length));
  } catch {
    return undefined;
  }
  if (typeof note !== "object" || note === null) return undefined;
  if (typeof note.place === "string") {
    const place = parsePlace(note.place);
    return place && { what: "place", place, reason: note.reason === "slow" ? "slow" : "start" };
  }
  if (isCount(note.time)) return { what: "time", time: note.time };
  const what = "own" in note ? "own" : "refused";
  const { [what]: messages, link, index } = note;
  if (!isCount(messages) || !isCount(link) || !isCount(index)) return undefined;
  return { what, messages, link, index };
}

/** What the connections of one program say of themselves: a text that nobody can guess. */
export function makeToken(): string {
  return crypto.randomUUID();
}

/** The text of {@linkcode LINK_PROPERTY} for a sending connection. */
export function formatLink(token: string, link: number): string {
  return `${token} ${link}`;
}

/** Reads it; undefined when it is none. */
export function parseLink(text: string): { readonly token: string; readonly link: number } | undefined {
  const match = LINK.exec(text);
  return match === null ? undefined : { token: match[1]!, link: Number(match[2] ?? 0) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const LINK = /^([\x21-\x7e]{16,64})(?: (\d{1,15}))?$/;
const AGE = /^age (?:0|[1-9]\d{0,14})$/;
const TIMES = " times";
const MAX_TOPIC_BYTES = 100;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
