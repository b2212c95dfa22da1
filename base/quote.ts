/**
 * Text from outside, made fit for a line that a person reads.
 *
 * @module
 */

/**
 * What moves a cursor, rings, colours, forges a line or turns the order of what is read: C0 controls, DEL, C1 controls, the
 * two separators of Unicode that some viewers take for a line break, all that switch the direction of writing, and the byte order mark,
 * which nobody sees.
 */
// deno-lint-ignore no-control-regex
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/**
 * The text with each harmful character as `\u001b`, the escape of JSON. A JSON text without line breaks and tabs between its
 * values stays the same JSON; a text that went through here once stays as it is.
 */
export function visible(text: string): string {
  return text.replace(HARMFUL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** In quotes, harmless, and not longer than a person reads. */
export function quote(text: string, maxLength: number = 100): string {
  const isLong = text.length > maxLength;
  return visible(JSON.stringify(isLong ? `${text.slice(0, maxLength)}…` : text));
}
