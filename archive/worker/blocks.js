/**
 * Finding a message in the blocks of a session, by its number or by a time.
 *
 * @module
 */
import { walkBlock } from "./block.js";
import { failure, unpack } from "./file.js";

/** The block that holds the message `after + 1`, or the next one behind. */
export function blockAfter(file, session, after) {
  // The index finds the last block that begins there or before; only if that ends before is it the next one.
  const begins = file.sql(
    "select first, count from block where session = ? and first <= ? order by first desc limit 1",
  )
    .get(session, after + 1);
  const from = begins !== undefined && begins.first + begins.count > after + 1 ? begins.first : after + 1;
  return file.sql("select * from block where session = ? and first >= ? order by first limit 1").get(
    session,
    from,
  );
}

/** The number of the last message before a time. */
export function seqBefore(file, session, time) {
  const block = file.sql(
    "select * from block where session = ? and t0 < ? order by t0 desc, first desc limit 1",
  ).get(session, time);
  if (block === undefined) return 0;
  const last = block.first + block.count - 1;
  const bytes = block.t1 < time ? undefined : unpack(block);
  if (bytes === undefined) return last;
  let found = block.first - 1;
  walk(bytes, block, (seq, at) => at >= time || void (found = seq));
  return found;
}

/** When a message came; null where it cannot be read. */
export function timeOf(file, session, seq) {
  const block = blockAfter(file, session, seq - 1);
  if (block === undefined || block.first > seq) return undefined;
  const bytes = unpack(block);
  if (bytes === undefined) return block.t0;
  let found;
  walk(bytes, block, (number, time) => number === seq && (found = time, true));
  return found;
}

export function messageBytes(file, session, seq) {
  const block = seq >= 1 ? blockAfter(file, session, seq - 1) : undefined;
  if (block === undefined || block.first > seq) {
    throw failure("no-entry", `session ${session} has no message ${seq}`);
  }
  const bytes = unpack(block);
  if (bytes === undefined) {
    throw failure("damaged", `message ${seq} of session ${session} is not what was written`);
  }
  let found;
  walk(
    bytes,
    block,
    (number, _time, start, end) => number === seq && (found = bytes.subarray(start, end), true),
  );
  return found;
}

/** As `walkBlock`, for bytes whose sum was right: what does not fit then was written wrong, and ends there. */
export function walk(bytes, block, visit) {
  try {
    walkBlock(bytes, block, visit);
  } catch (error) {
    if (error.archiveCode !== "damaged") throw error;
  }
}

/** What is missing where a block cannot be read. */
export function damagedGap({ first, count, t0, t1 }, at) {
  const after = Math.max(at, first - 1);
  return { after, missed: first + count - 1 - after, from: t0 / 1000, to: t1 / 1000, reason: "damaged" };
}
