/**
 * What a message says of itself, read from its bytes. Pure.
 *
 * @module
 */

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const FIRST_TYPE = new TextEncoder().encode('{"type":');

/** The text of a message. */
export function textOf(bytes, start, end) {
  return decoder.decode(bytes.subarray(start, end));
}

/** The `type` of the message `bytes[start, end)`, if that is a text: what `JSON.parse` says. */
export function typeOf(bytes, start, end) {
  const quick = quickType(bytes, start, end);
  if (quick !== undefined) return quick;
  try {
    const { type } = JSON.parse(textOf(bytes, start, end));
    return typeof type === "string" ? type : undefined;
  } catch {
    return undefined;
  }
}

/** Most messages begin with their type; then it is enough to see that nothing behind it can be the same key. */
function quickType(bytes, start, end) {
  if (end - start > 512) return undefined;
  for (let i = 0; i < FIRST_TYPE.length; i++) if (bytes[start + i] !== FIRST_TYPE[i]) return undefined;
  let at = start + FIRST_TYPE.length;
  if (bytes[at] === 0x20) at++;
  if (bytes[at++] !== 0x22) return undefined;
  const from = at;
  while (bytes[at] !== 0x22 && bytes[at] !== 0x5c) at++;
  const to = at;
  if (bytes[at++] === 0x5c) return undefined;
  for (; at < end; at++) {
    const byte = bytes[at];
    if (byte === 0x5c || (byte === 0x22 && bytes[at - 1] === 0x65 && bytes[at - 2] === 0x70)) {
      return undefined;
    }
  }
  return knownType(bytes, from, to);
}

const known = [];

/** There are few types: comparing bytes takes a tenth of the time of decoding them. */
function knownType(bytes, from, to) {
  const slot = (bytes[from] * 7 + bytes[to - 1] * 3 + to - from) & 63;
  const found = known[slot];
  if (found !== undefined && found.raw.length === to - from) {
    let i = 0;
    while (i < found.raw.length && found.raw[i] === bytes[from + i]) i++;
    if (i === found.raw.length) return found.text;
  }
  const text = textOf(bytes, from, to);
  if (to - from <= 32) known[slot] = { raw: bytes.slice(from, to), text };
  return text;
}

/** The `target` of a message as JSON text; null where it has none. */
export function targetOf(bytes, start, end) {
  try {
    const { target } = JSON.parse(textOf(bytes, start, end));
    return target === undefined ? null : JSON.stringify(target).slice(0, 256).toWellFormed();
  } catch {
    return null;
  }
}
