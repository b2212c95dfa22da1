/**
 * What was recorded before, as a feed goes on from it.
 *
 * @module
 */
import type { FeedPast, PastPiece } from "../bus/feed_store.ts";

/** Messages that follow each other, as the Worker finds them; none where a life of the broker had none, or no more. */
export interface PastBlock {
  /** The life that numbered them. */
  readonly epoch: string;
  /** The number of the first one. */
  readonly number: number;
  /** Where they lie. */
  readonly bytes: Uint8Array;
  /** Which of them came together, and when, in microseconds. */
  readonly reads: readonly {
    readonly time: number;
    readonly start: number;
    readonly end: number;
    readonly messages: number;
  }[];
}

/** See the module. `last` is the last message that is known of. */
export function pastOf(
  { epoch, number, isExact }: { readonly epoch: string; readonly number: number; readonly isExact: boolean },
  blocks: readonly PastBlock[],
): FeedPast {
  const pieces: PastPiece[] = [];
  for (const { epoch, number, bytes, reads } of blocks) {
    let seq = number;
    // A life without a message: all that is known is that it was there.
    if (reads.length === 0) pieces.push({ epoch, seq, bytes, start: 0, end: 0, messages: 0, time: 0 });
    for (const { time, start, end, messages } of reads) {
      pieces.push({ epoch, seq, bytes, start, end, messages, time: Math.floor(time / 1000) });
      seq += messages;
    }
  }
  return { epoch, seq: number, isExact, pieces, clock: performance.now() - Date.now() };
}
