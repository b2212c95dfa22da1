/**
 * Is it a JSON object? Answered over the bytes themselves: nothing is decoded, no object is built.
 *
 * @module
 */
import { endOfPlain } from "./plain_text.ts";

/**
 * Is `bytes[start, end)` UTF-8 that holds one JSON object (RFC 8259), white space around it allowed? True exactly when
 * `JSON.parse` takes the bytes, decoded as fatal UTF-8 without dropping a byte order mark, and gives an object that is
 * no array. Iterative: depth costs a byte each, not stack.
 */
export function isJsonObject(bytes: Uint8Array, start: number, end: number): boolean {
  // The last byte that counts has to be a brace. It stops every loop below but those in a text, so that nothing else has
  // to ask whether there is one more byte.
  let last = end - 1;
  while (last > start && IS_SPACE[bytes[last]!] === 1) last--;
  if (last <= start || bytes[last] !== CLOSE_OBJECT) return false;
  let at = start;
  while (IS_SPACE[bytes[at]!] === 1) at++;
  if (bytes[at++] !== OPEN_OBJECT) return false;
  /** What is open around the innermost object or array: a byte each, 1 for an object, 0 for an array. */
  let open: Uint8Array = OPEN;
  let depth = 0;
  let inObject = true;
  let byte = bytes[at]!;
  while (IS_SPACE[byte] === 1) byte = bytes[++at]!;
  if (byte === CLOSE_OBJECT) return at === last;
  // A member or an element begins at `at`. Invariant: at <= last.
  next: while (true) {
    byte = bytes[at]!;
    while (IS_SPACE[byte] === 1) byte = bytes[++at]!;
    if (inObject) {
      if (byte !== QUOTE) return false;
      at = endOfString(bytes, at + 1, last);
      if (at < 0) return false;
      byte = bytes[at]!;
      while (IS_SPACE[byte] === 1) byte = bytes[++at]!;
      if (byte !== COLON) return false;
      byte = bytes[++at]!;
      while (IS_SPACE[byte] === 1) byte = bytes[++at]!;
    }
    if (byte === QUOTE) {
      at = endOfString(bytes, at + 1, last);
      if (at < 0) return false;
    } else if (IS_NUMBER[byte] === 1) {
      at = endOfNumber(bytes, at);
      if (at < 0) return false;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (depth === open.length) open = grown(open);
      open[depth++] = inObject ? 1 : 0;
      inObject = byte === OPEN_OBJECT;
      byte = bytes[++at]!;
      while (IS_SPACE[byte] === 1) byte = bytes[++at]!;
      if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) continue next;
    } else {
      at = endOfWord(bytes, at);
      if (at < 0) return false;
    }
    // It is over, and with it perhaps what is around it.
    while (true) {
      byte = bytes[at]!;
      while (IS_SPACE[byte] === 1) byte = bytes[++at]!;
      if (byte === COMMA) {
        at++;
        continue next;
      }
      if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return false;
      if (depth === 0) return at === last;
      if (at === last) return false;
      at++;
      inObject = open[--depth] === 1;
    }
  }
}

/**
 * Why `bytes[start, end)`, which {@linkcode isJsonObject} refused, are no JSON object. Builds nothing and throws nothing:
 * what is refused costs whoever refuses it no more than what is taken, whoever sent it and however often.
 */
export function refusalOf(
  bytes: Uint8Array,
  start: number,
  end: number,
): "not-utf8" | "not-json" | "not-an-object" {
  if (!isUtf8(bytes, start, end)) return "not-utf8";
  // A value is what can stand both behind a key and in an array: `1,2` and `1,"a":2` can only be in one of the two.
  const isValue = isJsonWithin(AS_MEMBER, bytes, start, end) && isJsonWithin(AS_ELEMENT, bytes, start, end);
  return isValue ? "not-an-object" : "not-json";
}

/**
 * The same for a text; for a short one without building what it says, in a third of the time of `JSON.parse`. A text with a
 * lone surrogate is none, since UTF-8 cannot hold it.
 */
export function isJsonObjectText(text: string): boolean {
  // V8 parses long plain texts by words of 16 bytes, which is faster than to encode and check them.
  if (text.length > SHORT_MESSAGE) return text.isWellFormed() && isParsedObject(text);
  return text.isWellFormed() && isJsonObject(SCRATCH, 0, encoder.encodeInto(text, SCRATCH).written);
}

/** Characters of a text that is encoded and checked; longer ones are parsed. */
const SHORT_MESSAGE = 512;
/** Shared by all calls: a call is over before the next begins. Large enough, since a character takes three bytes at most. */
const SCRATCH = new Uint8Array(3 * SHORT_MESSAGE);
const encoder = new TextEncoder();

function isParsedObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const byte = bytes[at++]!;
    if (byte < 0x80) continue;
    const kind = IN_STRING[byte]!;
    if (kind > UTF8_4 || at + kind > end) return false;
    const second = bytes[at]!;
    if (second < SECOND_MIN[byte]! || second > SECOND_MAX[byte]!) return false;
    if (kind > UTF8_2 && (bytes[at + 1]! & 0xc0) !== 0x80) return false;
    if (kind > UTF8_3 && (bytes[at + 2]! & 0xc0) !== 0x80) return false;
    at += kind;
  }
  return true;
}

/** Would the bytes be JSON in that place of an object? */
function isJsonWithin(place: Place, bytes: Uint8Array, start: number, end: number): boolean {
  const { before, after } = place;
  const text = new Uint8Array(before.length + end - start + after.length);
  text.set(before);
  text.set(bytes.subarray(start, end), before.length);
  text.set(after, before.length + end - start);
  return isJsonObject(text, 0, text.length);
}

/** What stands around a value. */
interface Place {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

// `bytes[last]` is a brace in all that follows, which is why nothing but a text has to look where it ends.

/** Returns where the text ends, behind its closing quote; -1 when it is none. Small, so that the compiler puts it in place. */
export function endOfString(bytes: Uint8Array, from: number, last: number): number {
  const near = Math.min(last, from + SHORT_TEXT);
  let at = from;
  while (at < near && IN_STRING[bytes[at]!] === PLAIN) at++;
  return bytes[at] === QUOTE ? at + 1 : endOfLongString(bytes, at, last);
}

/** The same, for texts that are long or hold more than plain ASCII. */
function endOfLongString(bytes: Uint8Array, from: number, last: number): number {
  let at = skipPlain(bytes, from, last);
  while (at < last) {
    const byte = bytes[at++]!;
    const kind = IN_STRING[byte]!;
    if (kind === PLAIN) continue;
    if (byte === QUOTE) return at;
    if (kind === ESCAPE) {
      const escape = bytes[at++]!;
      if (escape === LOWER_U) {
        for (const stop = at + 4; at < stop; at++) if (HEX[bytes[at]!] === 0) return -1;
      } else if (ESCAPES[escape] === 0) return -1;
      at = skipPlain(bytes, at, last);
      continue;
    }
    if (kind === FORBIDDEN) return -1;
    // UTF-8 as in RFC 3629 §4: the second byte's range depends on the first, the others are 80 to bf.
    const second = bytes[at]!;
    if (second < SECOND_MIN[byte]! || second > SECOND_MAX[byte]!) return -1;
    if (kind > UTF8_2 && (bytes[at + 1]! & 0xc0) !== 0x80) return -1;
    if (kind > UTF8_3 && (bytes[at + 2]! & 0xc0) !== 0x80) return -1;
    at += kind;
  }
  return -1;
}

/** Skips plain ASCII; what is left is looked at byte by byte. */
function skipPlain(bytes: Uint8Array, from: number, last: number): number {
  if (last - from <= LONG_TEXT) return skipWords(bytes, from, last);
  const near = from + LONG_TEXT;
  const at = skipWords(bytes, from, near);
  if (at + 4 <= near) return at;
  const end = endOfPlain(bytes, at, last);
  return end > at ? end : skipWords(bytes, at, last);
}

/**
 * Skips plain ASCII by words; what is left is looked at byte by byte.
 *
 * Two differences find the bytes that are not plain. Exchanging 20 with 22 puts the quote next to the control characters, so
 * one subtraction takes all of them below zero; another one does so for the backslash alone. A byte above 7f keeps its high
 * bit in at least one of the two. What a byte borrows from the next one above it does not matter: it is not plain itself.
 */
function skipWords(bytes: Uint8Array, from: number, last: number): number {
  // Words of an array have to begin at a multiple of four. A DataView could read them anywhere, but half of the times that V8
  // compiles such a loop, it takes three times as long.
  const shift = bytes.byteOffset;
  if (last + shift > COUNTABLE) return from;
  let at = from;
  while (((at + shift) & 3) !== 0) {
    if (at >= last || IN_STRING[bytes[at]!] !== PLAIN) return at;
    at++;
  }
  const words = wordsOf(bytes);
  const stop = (last + shift) >> 2;
  let next = (at + shift) >> 2;
  while (next < stop) {
    const word = words[next]!;
    if (((((word ^ SWAP_QUOTE) - ABOVE_QUOTE) | ((word ^ BACKSLASHES) - ONES)) & HIGH_BITS) !== 0) break;
    next++;
  }
  return (next << 2) - shift;
}

/** Returns where the number ends; -1 when it is none. */
function endOfNumber(bytes: Uint8Array, from: number): number {
  let at = from;
  let byte = bytes[at]!;
  if (byte === MINUS) byte = bytes[++at]!;
  if (byte === ZERO) byte = bytes[++at]!;
  else {
    if (IS_DIGIT[byte] === 0) return -1;
    do byte = bytes[++at]!; while (IS_DIGIT[byte] === 1);
  }
  if (byte === DOT) {
    byte = bytes[++at]!;
    if (IS_DIGIT[byte] === 0) return -1;
    do byte = bytes[++at]!; while (IS_DIGIT[byte] === 1);
  }
  if ((byte | 0x20) === LOWER_E) {
    byte = bytes[++at]!;
    if (byte === PLUS || byte === MINUS) byte = bytes[++at]!;
    if (IS_DIGIT[byte] === 0) return -1;
    do byte = bytes[++at]!; while (IS_DIGIT[byte] === 1);
  }
  return at;
}

function endOfWord(bytes: Uint8Array, from: number): number {
  const first = bytes[from]!;
  const word = first === LOWER_T ? TRUE : first === LOWER_F ? FALSE : NULL;
  for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word[i]) return -1;
  return from + word.length;
}

function grown(open: Uint8Array): Uint8Array {
  const larger = new Uint8Array(4 * open.length);
  larger.set(open);
  return larger;
}

/**
 * The words of the buffer that the bytes lie in. A chunk holds many messages, so the last array is kept, unless it would hold a
 * large message in memory.
 */
function wordsOf(bytes: Uint8Array): Int32Array {
  if (bytes === lastBytes) return lastWords;
  const words = new Int32Array(bytes.buffer, 0, Math.min(bytes.buffer.byteLength, COUNTABLE) >> 2);
  if (bytes.buffer.byteLength <= KEPT_BYTES) {
    lastBytes = bytes;
    lastWords = words;
  }
  return words;
}

let lastBytes: Uint8Array = new Uint8Array(0);
let lastWords: Int32Array = new Int32Array(0);
const KEPT_BYTES: number = 256 * 1024;
/** Places in a buffer that a shift of 32 bits takes; what lies behind them is looked at byte by byte. */
const COUNTABLE: number = 2 ** 31 - 4;

/** Shared by all calls: a call is over before the next begins. Deeper messages get an array of their own. */
const OPEN = new Uint8Array(1024);

// Bytes by name.
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_ARRAY = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const TRUE = bytes("true");
const FALSE = bytes("false");
const NULL = bytes("null");

const AS_MEMBER: Place = { before: bytes('{"":'), after: bytes("}") };
const AS_ELEMENT: Place = { before: bytes('{"":['), after: bytes("]}") };

const IS_DIGIT = table([["0123456789", 1]]);
const IS_NUMBER = table([["-0123456789", 1]]);
/** Most keys and values are not longer. */
const SHORT_TEXT = 16;
/** After so many plain bytes more of them are likely. */
const LONG_TEXT = 1024;

export const IS_SPACE: Uint8Array = table([[" \t\n\r", 1]]);

// The same in all four bytes of a word.
const SWAP_QUOTE = 0x02020202;
const ABOVE_QUOTE = 0x21212121;
const BACKSLASHES = 0x5c5c5c5c;
const ONES = 0x01010101;
const HIGH_BITS = 0x80808080 | 0;

// What a byte means within a text.
const PLAIN = 0;
// So many bytes of UTF-8 follow.
const UTF8_2 = 1;
const UTF8_3 = 2;
const UTF8_4 = 3;
const ESCAPE = 4;
const FORBIDDEN = 5;
const STRING_END = 6;
const IN_STRING = table([['"', STRING_END], ["\\", ESCAPE]]);
IN_STRING.fill(FORBIDDEN, 0x00, 0x20);
IN_STRING.fill(FORBIDDEN, 0x80, 0xc2); // continuations without a first byte; c0 and c1 would be overlong
IN_STRING.fill(UTF8_2, 0xc2, 0xe0);
IN_STRING.fill(UTF8_3, 0xe0, 0xf0);
IN_STRING.fill(UTF8_4, 0xf0, 0xf5);
IN_STRING.fill(FORBIDDEN, 0xf5, 0x100);
/** Second bytes that would make the character overlong, a surrogate, or larger than U+10FFFF are out. */
const SECOND_MIN = new Uint8Array(256).fill(0x80);
const SECOND_MAX = new Uint8Array(256).fill(0xbf);
SECOND_MIN[0xe0] = 0xa0;
SECOND_MAX[0xed] = 0x9f;
SECOND_MIN[0xf0] = 0x90;
SECOND_MAX[0xf4] = 0x8f;
const ESCAPES = table([['"\\/bfnrt', 1]]);
const HEX = table([["0123456789abcdefABCDEF", 1]]);

function table(entries: readonly (readonly [chars: string, kind: number])[]): Uint8Array {
  const kinds = new Uint8Array(256);
  for (const [chars, kind] of entries) for (const byte of bytes(chars)) kinds[byte] = kind;
  return kinds;
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
