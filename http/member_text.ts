/**
 * The text of one member of a JSON object, as it stands in the object's text.
 *
 * `JSON.parse` and `JSON.stringify` would give another text: 64-bit integers lose digits, white space goes. A message must
 * go out as it came in, also when it came inside of a frame.
 *
 * @module
 */
import { memberSpan } from "../bus/json_member.ts";

/**
 * The text of the member's value, `undefined` when there is none. Of several members of the same name it is the last one, as
 * with `JSON.parse`. The text must be a JSON object already found to be right.
 */
export function memberText(object: string, name: string): string | undefined {
  const bytes = encoder.encode(object);
  const span = memberSpan(bytes, 0, bytes.length, name);
  return span && decoder.decode(bytes.subarray(span.start, span.end));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
