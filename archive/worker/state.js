/**
 * What was valid at a moment of a session.
 *
 * @module
 */
import { blockAfter, messageBytes, timeOf, walk } from "./blocks.js";
import { unpack } from "./file.js";
import { targetOf, textOf, typeOf } from "./message.js";
import { NO_TARGET } from "./rows.js";

const MAX_STATE = 16 * 1024 * 1024;
const VALUES = ["subject", "sample", "variables"];

/** The last value of each type and target up to a message, oldest first. */
export function valuesAt(file, session, seq) {
  const before = blockStart(file, session, seq) - 1;
  const found = new Map(lastOfEach(file, session, before).map((value) => [keyOf(value), value]));
  // Of the block of the moment itself only what came before counts.
  const block = blockAfter(file, session, seq - 1);
  const bytes = block !== undefined && block.first <= seq ? unpack(block) : undefined;
  if (bytes !== undefined) {
    walk(bytes, block, (number, _time, start, end) => {
      if (number > seq) return true;
      const type = typeOf(bytes, start, end);
      if (!VALUES.includes(type)) return;
      const target = targetOf(bytes, start, end);
      found.set(keyOf({ type, target }), { type, target, seq: number });
    });
  }
  const values = [];
  for (const value of [...found.values()].sort((a, b) => a.seq - b.seq)) {
    try {
      const bytes = messageBytes(file, session, value.seq);
      const text = textOf(bytes, 0, bytes.length);
      values.push({ key: keyOf(value), ...value, time: timeOf(file, session, value.seq) / 1000, text });
    } catch (error) {
      if (error.archiveCode !== "damaged") throw error;
    }
  }
  return values;
}

/** From key to key by the index: there are few keys, and many blocks with each. */
function lastOfEach(file, session, before) {
  const next = file.sql(`select type, target from value where session = ? and (type, target) > (?, ?)
    order by type, target limit 1`);
  const last = file.sql(
    "select max(seq) as seq from value where session = ? and type = ? and target = ? and seq <= ?",
  );
  const found = [];
  for (let row = { type: "", target: "" }; (row = next.get(session, row.type, row.target)) !== undefined;) {
    const { type, target } = row;
    const { seq } = last.get(session, type, target, before);
    if (seq !== null) found.push({ type, target: target === NO_TARGET ? null : target, seq });
  }
  return found;
}

function keyOf({ type, target }) {
  return target === null ? type : `${type} ${target}`;
}

function blockStart(file, session, seq) {
  return file.sql("select first from block where session = ? and first <= ? order by first desc limit 1").get(
    session,
    seq,
  )?.first ?? 1;
}

/** The instances that had sent log messages up to a message, each with its last restorable one. */
export function instancesAt(file, session, seq) {
  const next = file.sql(
    "select instance from event where session = ? and instance > ? order by instance limit 1",
  );
  const range = file.sql(
    `select min(seq) as first, max(seq) as seq from event where session = ? and instance = ? and seq <= ?`,
  );
  const rows = [];
  for (
    let row = { instance: "" };
    rows.length < 1000 && (row = next.get(session, row.instance)) !== undefined;
  ) {
    const { instance } = row;
    const { first, seq: latest } = range.get(session, instance, seq);
    if (latest !== null) rows.push({ instance, first, seq: latest });
  }
  rows.sort((a, b) => a.first - b.first);
  return rows.map(({ instance, seq: latest }) => {
    const restorable = file.sql(
      `select * from event where session = ? and instance = ? and seq <= ? and has_state = 1
      order by seq desc limit 1`,
    ).get(session, instance, seq);
    const event = restorable ??
      file.sql("select * from event where session = ? and seq = ?").get(session, latest);
    const reason = restorable === undefined ? "no-state" : troubleOf(file, session, event.seq);
    return {
      instance,
      application: event.application,
      seq: event.seq,
      time: event.time / 1000,
      action: event.action,
      restorable: reason === null,
      reason,
    };
  });
}

function troubleOf(file, session, seq) {
  try {
    return messageBytes(file, session, seq).length > MAX_STATE ? "too-large" : null;
  } catch (error) {
    if (error.archiveCode === "damaged") return "damaged";
    throw error;
  }
}
