/**
 * The text of one member of a JSON object, as it stands in the object's text.
 *
 * `JSON.parse` and `JSON.stringify` would give another text: 64-bit integers lose digits, white space goes. A message must
 * go out as it came in, also when it came inside of a frame.
 *
 * @module
 */

/**
 * The text of the member's value, `undefined` when there is none. Of several members of the same name it is the last one, as
 * with `JSON.parse`. The text must be a JSON object already found to be right.
 */
export function memberText(object: string, name: string): string | undefined {
  let found: string | undefined;
  let at = object.indexOf("{") + 1;
  while (true) {
    const keyStart = object.indexOf('"', at);
    if (keyStart < 0) return found;
    const keyEnd = skipString(object, keyStart);
    const valueStart = object.indexOf(":", keyEnd) + 1;
    const valueEnd = skipValue(object, valueStart);
    if (JSON.parse(object.slice(keyStart, keyEnd)) === name) {
      found = object.slice(valueStart, valueEnd).trim();
    }
    at = valueEnd + 1;
  }
}

/** From an opening quote to behind the closing one. */
function skipString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** From the beginning of a value to the comma or the brace that ends it. A loop, not a recursion: nesting costs no stack. */
function skipValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    switch (text[at]) {
      case '"':
        at = skipString(text, at) - 1;
        break;
      case "{":
      case "[":
        depth += 1;
        break;
      case "}":
      case "]":
        if (depth === 0) return at;
        depth -= 1;
        break;
      case ",":
        if (depth === 0) return at;
        break;
    }
  }
  return text.length;
}
