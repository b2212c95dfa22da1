/**
 * Where in a JSON object a member lies, and what a message's type is, found in the bytes: nothing else of it is decoded.
 *
 * @module
 */
import { endOfString, IS_SPACE } from "./json.ts";

/** Where something lies: `bytes[start, end)`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Where in the JSON object `bytes[start, end)` the value of a member lies; undefined when there is none. Of several members of
 * the same name it is the last one, and a key may have escapes, as with `JSON.parse`. The bytes must be known to be a JSON
 * object. Iterative, as {@linkcode isJsonObject}; only the object's own members are looked at.
 */
export function memberSpan(bytes: Uint8Array, start: number, end: number, name: string): Span | undefined {
  const key = keys.getOrInsertComputed(name, encodeKey);
  return findMember(bytes, start, end, name, key) ? { start: valueStart, end: valueEnd } : undefined;
}

/**
 * The message's `type`, if that is a text. The bytes must be known to be a JSON object; other members are stepped over. Says
 * what `JSON.parse(...).type` would say.
 */
export function typeOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  const typeEnd = endOfFirstType(bytes, start, end);
  if (typeEnd > 0) return typeText(bytes, valueStart, typeEnd);
  if (!findMember(bytes, start, end, "type", TYPE) || bytes[valueStart] !== QUOTE) return undefined;
  return typeText(bytes, valueStart + 1, valueEnd - 1);
}

/** There are few names, and encoding one takes longer than finding it in a short message. */
const keys: Map<string, Uint8Array> = new Map();

function encodeKey(name: string): Uint8Array {
  const key = encoder.encode(name);
  if (!name.isWellFormed()) key[0] = NOT_UTF8; // Only an escape can spell a lone surrogate.
  return key;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What {@linkcode findMember} found: an object each time would cost as much as the search. */
let valueStart = 0;
let valueEnd = 0;

/** Looks for the last member of the name, which is also given as UTF-8, and sets `valueStart` and `valueEnd`. */
function findMember(bytes: Uint8Array, start: number, end: number, name: string, key: Uint8Array): boolean {
  let last = end - 1;
  while (IS_SPACE[bytes[last]!] === 1) last--;
  let at = start;
  while (bytes[at] !== OPEN_OBJECT) at++;
  let isFound = false;
  // Invariant: bytes[at] is the object's brace or a comma before a member.
  while (true) {
    do at++; while (IS_SPACE[bytes[at]!] === 1);
    if (bytes[at] !== QUOTE) return isFound; // An empty object ends here.
    const keyStart = at + 1;
    at = endOfString(bytes, keyStart, last);
    const isIt = isKey(bytes, keyStart, at - 1, name, key);
    while (bytes[at] !== COLON) at++;
    do at++; while (IS_SPACE[bytes[at]!] === 1);
    const from = at;
    at = endOfValue(bytes, at, last);
    if (isIt) {
      isFound = true;
      valueStart = from;
      valueEnd = at;
    }
    while (IS_SPACE[bytes[at]!] === 1) at++;
    if (bytes[at] !== COMMA) return isFound;
  }
}

/**
 * Most messages are short and begin with their type: then it is enough to see that nothing behind it can be the same key.
 * Returns where the text of the type ends, which begins at `valueStart`; 0 when that has to be found out by walking.
 */
function endOfFirstType(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > SHORT_MESSAGE) return 0;
  for (let i = 0; i < FIRST_TYPE.length; i++) if (bytes[start + i] !== FIRST_TYPE[i]) return 0;
  let at = start + FIRST_TYPE.length;
  if (bytes[at] === SPACE) at++; // Python's json writes one.
  if (bytes[at++] !== QUOTE) return 0;
  valueStart = at;
  while (bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++;
  const typeEnd = at;
  if (bytes[at++] === BACKSLASH) return 0;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === BACKSLASH || (byte === QUOTE && bytes[at - 1] === LOWER_E && bytes[at - 2] === LOWER_P)) {
      return 0;
    }
  }
  return typeEnd;
}

/** Is the key `bytes[start, end)`, the quotes left out, this name? */
function isKey(bytes: Uint8Array, start: number, end: number, name: string, key: Uint8Array): boolean {
  const length = end - start;
  if (length > key.length) {
    // Only escapes make a key longer than its name; the longest ones take six bytes for each code unit.
    return length <= 6 * name.length && bytes.subarray(start, end).includes(BACKSLASH) &&
      JSON.parse(decoder.decode(bytes.subarray(start - 1, end + 1))) === name;
  }
  if (length < key.length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
  return true;
}

/** Returns where the value ends that begins at `from`; it is known to be right. */
function endOfValue(bytes: Uint8Array, from: number, last: number): number {
  let at = from;
  let byte = bytes[at]!;
  if (byte === QUOTE) return endOfString(bytes, at + 1, last);
  if (byte !== OPEN_OBJECT && byte !== OPEN_ARRAY) {
    while (byte !== COMMA && byte !== CLOSE_OBJECT && IS_SPACE[byte] === 0) byte = bytes[++at]!;
    return at;
  }
  for (let depth = 0;;) {
    byte = bytes[at++]!;
    if (byte === QUOTE) at = endOfString(bytes, at, last);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) return at;
  }
}

/**
 * A text of JSON, the quotes left out. There are few types, and each comes often: a text that came before is found by
 * comparing bytes, which takes a tenth of the time of decoding them.
 */
function typeText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > LONG_TYPE || length === 0) return parsedText(bytes, start, end);
  const slot = (bytes[start]! * 7 + bytes[end - 1]! * 3 + length) & (TYPE_SLOTS - 1);
  const known = knownTypes[slot];
  if (known !== undefined && known.raw.length === length) {
    const { raw } = known;
    let i = 0;
    while (i < length && raw[i] === bytes[start + i]) i++;
    if (i === length) return known.text;
  }
  const text = parsedText(bytes, start, end);
  knownTypes[slot] = { raw: bytes.slice(start, end), text };
  return text;
}

function parsedText(bytes: Uint8Array, start: number, end: number): string {
  return JSON.parse(decoder.decode(bytes.subarray(start - 1, end + 1)));
}

/** Bytes of a type that is remembered. */
const LONG_TYPE = 32;
/** A power of two. */
const TYPE_SLOTS = 64;
const knownTypes: ({ readonly raw: Uint8Array; readonly text: string } | undefined)[] = Array.from(
  { length: TYPE_SLOTS },
  () => undefined,
);

/** Bytes of a message that is looked through rather than walked. */
const SHORT_MESSAGE = 512;
const TYPE = encoder.encode("type");
const FIRST_TYPE = encoder.encode('{"type":');

// Bytes by name.
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_ARRAY = 0x5d;
const BACKSLASH = 0x5c;
const LOWER_E = 0x65;
const LOWER_P = 0x70;
/** Stands nowhere in UTF-8. */
const NOT_UTF8 = 0xff;
