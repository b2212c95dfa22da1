/**
 * Z85: bytes as printable text, five characters for four bytes (RFC 32). Keys of CURVE travel in it, in configuration
 * files and on command lines.
 *
 * @module
 */

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const BASE = 85;
const GROUP_BYTES = 4;
const GROUP_CHARACTERS = 5;
const GROUP_MAX = 0xffff_ffff;

/**
 * The text of some bytes.
 *
 * @throws {RangeError} If their number is no multiple of four.
 */
export function encodeZ85(bytes: Uint8Array): string {
  if (bytes.length % GROUP_BYTES !== 0) {
    throw new RangeError(`Cannot encode Z85: ${bytes.length} bytes are no multiple of ${GROUP_BYTES}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += GROUP_BYTES) {
    const value = view.getUint32(at);
    for (let power = BASE ** (GROUP_CHARACTERS - 1); power >= 1; power /= BASE) {
      text += ALPHABET[Math.floor(value / power) % BASE];
    }
  }
  return text;
}

/**
 * The bytes of a text; undefined when it is not Z85: another character, an incomplete group, or a group above 2^32 - 1, which
 * libzmq 4.1 took modulo.
 */
export function decodeZ85(text: string): Uint8Array | undefined {
  if (text.length % GROUP_CHARACTERS !== 0) return undefined;
  const bytes = new Uint8Array((text.length / GROUP_CHARACTERS) * GROUP_BYTES);
  const view = new DataView(bytes.buffer);
  for (let at = 0, to = 0; at < text.length; at += GROUP_CHARACTERS, to += GROUP_BYTES) {
    let value = 0;
    for (let i = at; i < at + GROUP_CHARACTERS; i++) {
      const digit = ALPHABET.indexOf(text[i]!);
      if (digit < 0) return undefined;
      value = value * BASE + digit;
    }
    if (value > GROUP_MAX) return undefined;
    view.setUint32(to, value);
  }
  return bytes;
}
