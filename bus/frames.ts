/**
 * Messages as frames and back, for those who know nothing of what frames look like.
 *
 * @module
 */
import { encodeTextFrame, frameBodyStart, frameEnd } from "../zmtp/mod.ts";
import type { Piece } from "./feed_store.ts";

/** Calls `visit` for each message of a piece: its frame is `bytes[start, end)`, its body begins at `bodyStart`. */
export function eachFrame(
  { bytes, start, messages }: Piece,
  visit: (start: number, bodyStart: number, end: number) => void,
): void {
  for (let i = 0, at = start; i < messages; i++) {
    const end = frameEnd(bytes, at);
    visit(at, frameBodyStart(bytes, at), end);
    at = end;
  }
}

/** The frame of a text that is known to be a message. */
export function frameOf(text: string): Uint8Array {
  return encodeTextFrame(text);
}
