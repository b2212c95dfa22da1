/**
 * What is taken out of a file as it is stored: for a feed that goes on, for a check, for a copy.
 *
 * @module
 */
import { walkBlock } from "./block.js";
import { blockAfter, walk } from "./blocks.js";
import { unpack } from "./file.js";

/**
 * The newest messages of all sessions that have numbers, oldest first, and the lives of the broker, also those without a message: what a
 * feed goes on from.
 */
export function past(file, { session, messages, bytes }) {
  const pieces = [];
  let [count, size] = [0, 0];
  const sessions = file.sql(
    `select id, epoch, number from session where id < ? and epoch is not null and deleted = 0
    order by id desc limit 1000`,
  ).all(session);
  const blocks = file.sql(
    "select id from block where session = ? and epoch is not null and number is not null order by first desc",
  );
  for (const { id, epoch, number } of sessions) {
    pieces.push({ epoch, number: number + 1, bytes: new Uint8Array(0), reads: [] });
    for (const row of blocks.all(id)) {
      if (count >= messages || size >= bytes) return pieces.reverse();
      const block = file.sql("select * from block where id = ?").get(row.id);
      const raw = unpack(block);
      if (raw === undefined) continue;
      pieces.push({ epoch: block.epoch, number: block.number, bytes: raw, reads: readsOf(raw, block) });
      count += block.count;
      size += raw.length;
    }
  }
  return pieces.reverse();
}

/** Everything about the file that can be wrong. */
export function checkBlocks(file, { from }) {
  if (from === 0) {
    const faults = file.sql("pragma quick_check(20)").all().map(({ quick_check }) => quick_check).filter((
      text,
    ) => text !== "ok");
    if (faults.length > 0) return { faults, next: null, messages: 0 };
  }
  const rows = file.sql("select * from block where id > ? order by id limit 200").all(from);
  const faults = [];
  let messages = 0;
  for (const row of rows) {
    const bytes = unpack(row);
    let fault = bytes === undefined ? "its bytes are not what was written" : undefined;
    try {
      if (bytes !== undefined) walkBlock(bytes, row, () => {});
    } catch (error) {
      fault = error.message;
    }
    if (fault === undefined) messages += row.count;
    else {
      faults.push(
        `session ${row.session}, messages ${row.first} to ${row.first + row.count - 1}: ${fault}`,
      );
    }
  }
  return { faults, messages, next: rows.length === 0 ? null : rows.at(-1).id };
}

/** A block as it is stored, for a copy; damaged ones without their bytes. */
export function storedBlock(file, { session, after }) {
  const block = blockAfter(file, session, after);
  if (block === undefined) return undefined;
  const { first, count, t0, t1, epoch, number } = block;
  let bytes = unpack(block);
  try {
    if (bytes !== undefined) walkBlock(bytes, block, () => {});
  } catch {
    bytes = undefined;
  }
  return {
    first,
    count,
    t0,
    t1,
    epoch,
    number,
    bytes: bytes === undefined ? undefined : new Uint8Array(bytes),
  };
}

/** What people added to a session. */
export function extras(file, { session }) {
  return {
    gaps: file.sql("select after, missed, t0, t1, reason from gap where session = ? order by after, id")
      .all(session),
    notes: file.sql("select seq, time, written, edited, text from note where session = ? order by id").all(
      session,
    ),
    stars: file.sql("select seq from event where session = ? and star = 1").all(session).map(({ seq }) =>
      seq
    ),
    deeds: file.sql("select time, kind, detail from deed where session = ? order by id").all(session),
  };
}

/** Where the messages of each read lie, and when it came. */
function readsOf(bytes, block) {
  const reads = [];
  walk(bytes, block, (_seq, time, start, end) => {
    const last = reads.at(-1);
    const head = start -
      (end - start < 256 && bytes[start - 2] === 0 && bytes[start - 1] === end - start ? 2 : 9);
    if (last?.time === time && last.end === head) {
      last.end = end;
      last.messages++;
    } else reads.push({ time, start: head, end, messages: 1 });
  });
  return reads;
}
