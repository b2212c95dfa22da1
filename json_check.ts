/**
 * Is it a JSON object? Answered over the octets themselves: nothing is decoded, no object is built.
 *
 * @module
 */
import { MessageError } from "./errors.ts";

/**
 * Is `bytes[start, end)` UTF-8 that holds one JSON object (RFC 8259), white space around it allowed? True exactly when
 * `JSON.parse` takes the octets, decoded as fatal UTF-8 without dropping a byte order mark, and gives an object that is
 * no array. Iterative: depth costs an octet each, not stack.
 */
export function isJsonObject(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && KIND[bytes[at]!] === SPACE) at++;
  if (at >= end || bytes[at] !== OPEN_OBJECT) return false;
  /** What is open around us: an octet each, 1 for an object, 0 for an array. */
  let open: Uint8Array = OPEN;
  let depth = 0;
  /** What the grammar allows next. */
  let expect = VALUE;
  while (at < end) {
    const byte = bytes[at]!;
    if (KIND[byte] === SPACE) {
      at++;
      continue;
    }
    switch (expect) {
      case FIRST_KEY:
      case KEY:
        if (byte === QUOTE) {
          at = endOfString(bytes, at + 1, end);
          if (at < 0) return false;
          // Nearly always the colon follows at once.
          if (at < end && bytes[at] === COLON) {
            at++;
            expect = VALUE;
          } else expect = COLON_NEXT;
          continue;
        }
        if (expect === KEY || byte !== CLOSE_OBJECT) return false;
        at++;
        break;
      case COLON_NEXT:
        if (byte !== COLON) return false;
        at++;
        expect = VALUE;
        continue;
      case FIRST_VALUE:
      case VALUE:
        switch (KIND[byte]) {
          case KIND_QUOTE:
            at = endOfString(bytes, at + 1, end);
            if (at < 0) return false;
            expect = AFTER_VALUE;
            continue;
          case KIND_OPEN:
            if (depth === open.length) open = grown(open);
            open[depth++] = byte === OPEN_OBJECT ? 1 : 0;
            expect = byte === OPEN_OBJECT ? FIRST_KEY : FIRST_VALUE;
            at++;
            continue;
          case KIND_NUMBER:
            at = endOfNumber(bytes, at, end);
            if (at < 0) return false;
            expect = AFTER_VALUE;
            continue;
          case KIND_WORD:
            at = endOfWord(bytes, at, end);
            if (at < 0) return false;
            expect = AFTER_VALUE;
            continue;
        }
        if (expect !== FIRST_VALUE || byte !== CLOSE_ARRAY) return false;
        at++;
        break;
      case AFTER_VALUE: {
        const inObject = open[depth - 1] === 1;
        if (byte === COMMA) {
          expect = inObject ? KEY : VALUE;
          at++;
          continue;
        }
        if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return false;
        at++;
        break;
      }
    }
    // Something was closed.
    if (--depth === 0) {
      while (at < end && KIND[bytes[at]!] === SPACE) at++;
      return at === end;
    }
    expect = AFTER_VALUE;
  }
  return false;
}

/**
 * Says why octets are no JSON object. Slow: for those that {@linkcode isJsonObject} refused.
 *
 * @throws Never; a reason is returned, undefined when there is none.
 */
export function explainJson(bytes: Uint8Array): MessageError | undefined {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return new MessageError("not-utf8", `Cannot take message: its ${bytes.length} bytes are no UTF-8`);
  }
  return explainJsonText(text);
}

/** The same for a text. */
export function explainJsonText(text: string): MessageError | undefined {
  if (!text.isWellFormed()) {
    return new MessageError(
      "not-utf8",
      "Cannot take message: the text has a lone surrogate, which UTF-8 cannot hold",
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = (cause as Error).message.slice(0, 200);
    return new MessageError("not-json", `Cannot take message: it is no JSON: ${why}`, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return undefined;
  const what = value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
  return new MessageError("not-an-object", `Cannot take message: it is JSON, but ${what}, not an object`);
}

/** What is wrong with a message that was too large or had several frames, so that its octets were not kept. */
export function explainUnfit(reason: "multipart" | "too-large", size: number, parts: number): MessageError {
  const why = reason === "too-large"
    ? `its ${size} bytes are above the limit`
    : `it has ${parts} frames of ${size} bytes, a message of the bus has one frame`;
  return new MessageError(reason, `Cannot take message: ${why}`);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Returns where the text ends, behind its closing quote; -1 when it is none. */
function endOfString(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = bytes[at++]!;
    const kind = IN_STRING[byte]!;
    if (kind === PLAIN) continue;
    if (kind === STRING_END) return at;
    if (kind === ESCAPE) {
      if (at >= end) return -1;
      const escape = bytes[at++]!;
      if (escape === LOWER_U) {
        if (at + 4 > end) return -1;
        for (const stop = at + 4; at < stop; at++) if (HEX[bytes[at]!] === 0) return -1;
      } else if (ESCAPES[escape] === 0) return -1;
      continue;
    }
    if (kind === FORBIDDEN) return -1;
    // UTF-8 as in RFC 3629 §4: the second octet's range depends on the first, the others are 80 to bf.
    const more = kind - UTF8_2 + 1;
    if (at + more > end) return -1;
    const second = bytes[at]!;
    if (second < (LOWEST_SECOND[byte] ?? 0x80) || second > (HIGHEST_SECOND[byte] ?? 0xbf)) return -1;
    for (let i = 1; i < more; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return -1;
    at += more;
  }
  return -1;
}

/** Returns where the number ends; -1 when it is none. */
function endOfNumber(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  if (bytes[at] === MINUS) at++;
  if (at < end && bytes[at] === ZERO) at++;
  else {
    const digits = at;
    while (at < end && isDigit(bytes[at]!)) at++;
    if (at === digits) return -1;
  }
  if (at < end && bytes[at] === DOT) {
    const digits = ++at;
    while (at < end && isDigit(bytes[at]!)) at++;
    if (at === digits) return -1;
  }
  if (at < end && (bytes[at]! | 0x20) === LOWER_E) {
    at++;
    if (at < end && (bytes[at] === PLUS || bytes[at] === MINUS)) at++;
    const digits = at;
    while (at < end && isDigit(bytes[at]!)) at++;
    if (at === digits) return -1;
  }
  return at;
}

function endOfWord(bytes: Uint8Array, from: number, end: number): number {
  const word = bytes[from] === LOWER_T ? TRUE : bytes[from] === LOWER_F ? FALSE : NULL;
  if (from + word.length > end) return -1;
  for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word[i]) return -1;
  return from + word.length;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function grown(open: Uint8Array): Uint8Array {
  const larger = new Uint8Array(4 * open.length);
  larger.set(open);
  return larger;
}

/** Shared by all calls: a call is over before the next begins. Deeper messages get an array of their own. */
const OPEN = new Uint8Array(1024);

// What may come next.
const FIRST_KEY = 0;
const KEY = 1;
const COLON_NEXT = 2;
const FIRST_VALUE = 3;
const VALUE = 4;
const AFTER_VALUE = 5;

// Octets by name.
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_ARRAY = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const TRUE = octets("true");
const FALSE = octets("false");
const NULL = octets("null");

// What an octet can begin outside of a text.
const SPACE = 1;
const KIND_QUOTE = 2;
const KIND_OPEN = 3;
const KIND_NUMBER = 4;
const KIND_WORD = 5;
const KIND = table([[" \t\n\r", SPACE], ['"', KIND_QUOTE], ["{[", KIND_OPEN], ["-0123456789", KIND_NUMBER], [
  "tfn",
  KIND_WORD,
]]);

// What an octet means within a text.
const PLAIN = 0;
const STRING_END = 1;
const ESCAPE = 2;
const FORBIDDEN = 3;
const UTF8_2 = 4;
const UTF8_3 = 5;
const UTF8_4 = 6;
const IN_STRING = table([['"', STRING_END], ["\\", ESCAPE]]);
IN_STRING.fill(FORBIDDEN, 0x00, 0x20);
IN_STRING.fill(FORBIDDEN, 0x80, 0xc2); // continuations without a first octet; c0 and c1 would be overlong
IN_STRING.fill(UTF8_2, 0xc2, 0xe0);
IN_STRING.fill(UTF8_3, 0xe0, 0xf0);
IN_STRING.fill(UTF8_4, 0xf0, 0xf5);
IN_STRING.fill(FORBIDDEN, 0xf5, 0x100);
/** Second octets that would make the character overlong, a surrogate, or larger than U+10FFFF are out. */
const LOWEST_SECOND: Readonly<Record<number, number>> = { 0xe0: 0xa0, 0xf0: 0x90 };
const HIGHEST_SECOND: Readonly<Record<number, number>> = { 0xed: 0x9f, 0xf4: 0x8f };
const ESCAPES = table([['"\\/bfnrt', 1]]);
const HEX = table([["0123456789abcdefABCDEF", 1]]);

function table(entries: readonly (readonly [chars: string, kind: number])[]): Uint8Array {
  const kinds = new Uint8Array(256);
  for (const [chars, kind] of entries) for (const octet of octets(chars)) kinds[octet] = kind;
  return kinds;
}

function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
