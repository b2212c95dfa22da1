/**
 * A stream of bytes cut into lines of text.
 *
 * @module
 */

/** A line of input: its text, or why it cannot be one. */
export interface InputLine {
  /** From 1 on. */
  readonly number: number;
  /** Without its line break, be it LF or CRLF. */
  readonly text?: string;
  /** Why there is no text. */
  readonly problem?: string;
}

/** What a line needs at most: what the bus takes, in bytes. */
export const MAX_LINE_BYTES: number = 16 * 1024 * 1024;

/** The lines, in time that grows with their bytes and not with their square; none is held beyond its limit. */
export async function* inputLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number = MAX_LINE_BYTES,
): AsyncGenerator<InputLine> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let size = 0;
  const take = (): InputLine => {
    const line = size > maxBytes
      ? { number, problem: `it is ${size} bytes, limit is ${maxBytes}` }
      : decode(number, joined(parts, size));
    number++;
    parts = [];
    size = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end; (end = chunk.indexOf(LINE_FEED, start)) >= 0; start = end + 1) {
      parts.push(chunk.subarray(start, end));
      size += end - start;
      yield take();
    }
    size += chunk.length - start;
    if (size > maxBytes) parts = [];
    else if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (size > 0) yield take();
}

function decode(number: number, bytes: Uint8Array): InputLine {
  const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length;
  try {
    const text = decoder.decode(bytes.subarray(0, end));
    // Editors of Windows put a mark in front of a file, which JSON does not have, and files are joined.
    return { number, text: text.startsWith("\ufeff") ? text.slice(1) : text };
  } catch {
    return { number, problem: "it is not UTF-8" };
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
