// Finds the parts of a JSON text by walking over its brackets and strings, and only as many as are asked for. Nothing is
// parsed: numbers, keys and escapes stay exactly as they were sent, and the walk has no depth.

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Does a list or an object with something in it begin here? */
export function hasParts(text, at) {
  const char = text.charCodeAt(at);
  if (char !== OPEN_OBJECT && char !== OPEN_LIST) return false;
  const next = text.charCodeAt(skipBlank(text, at + 1));
  return next !== CLOSE_OBJECT && next !== CLOSE_LIST;
}

/**
 * Up to `limit` parts of a list or an object: those after `at`, which is the place of its bracket, or `next` of the parts
 * before. A part is `{ key, start, end }`; `key` is undefined in a list, else its JSON text. `next` is undefined at the end.
 */
export function partsAfter(text, at, limit) {
  const parts = [];
  let place = at;
  while (parts.length < limit) {
    let start = skipBlank(text, place + 1);
    let key;
    const end = endOfValue(text, start);
    const colon = skipBlank(text, end);
    if (text.charCodeAt(start) === QUOTE && text.charCodeAt(colon) === COLON) {
      key = text.slice(start, end);
      start = skipBlank(text, colon + 1);
      parts.push({ key, start, end: endOfValue(text, start) });
    } else {
      parts.push({ key, start, end });
    }
    place = skipBlank(text, parts.at(-1).end);
    if (text.charCodeAt(place) !== COMMA) return { parts, next: undefined };
  }
  return { parts, next: place };
}

/** The place behind a value. */
export function endOfValue(text, start) {
  const char = text.charCodeAt(start);
  if (char === QUOTE) return endOfString(text, start);
  if (char === OPEN_OBJECT || char === OPEN_LIST) return endOfBrackets(text, start);
  let at = start;
  while (at < text.length && !isEndOfWord(text.charCodeAt(at))) at += 1;
  return at;
}

function endOfBrackets(text, start) {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at) - 1;
        break;
      case OPEN_OBJECT:
      case OPEN_LIST:
        depth += 1;
        break;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        depth -= 1;
        if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

function endOfString(text, start) {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === BACKSLASH) at += 1;
    else if (char === QUOTE) return at + 1;
  }
  return text.length;
}

function skipBlank(text, start) {
  let at = Math.min(start, text.length);
  while (at < text.length && isBlank(text.charCodeAt(at))) at += 1;
  return at;
}

const isBlank = (char) => char === 0x20 || char === 0x0a || char === 0x0d || char === 0x09;
const isEndOfWord = (char) => char === COMMA || char === CLOSE_OBJECT || char === CLOSE_LIST || isBlank(char);

/** The text of a member of an object, the last one of that name; undefined when there is none. */
export function memberOf(text, name) {
  const start = skipBlank(text, 0);
  if (text.charCodeAt(start) !== OPEN_OBJECT || !hasParts(text, start)) return undefined;
  const key = JSON.stringify(name);
  let found;
  for (let at = start; at !== undefined;) {
    const { parts, next } = partsAfter(text, at, 100);
    for (const part of parts) {
      const isIt = part.key === key || (part.key?.includes("\\") && JSON.parse(part.key) === name);
      if (isIt) found = text.slice(part.start, part.end);
    }
    at = next;
  }
  return found;
}
