/**
 * Rows of the tables that belong together.
 *
 * @module
 */
const MAX_TYPES = 1000;
/** No JSON text is empty. */
export const NO_TARGET = "";

/** Adds a block with what has to be found again of it. Answers with its id. */
export function addBlock(
  file,
  session,
  { codec, data, raw, crc },
  { first, count, t0, t1, epoch, number },
  { types, values, events },
) {
  const block = Number(
    file.sql(
      `insert into block(session, first, count, t0, t1, codec, raw, crc, epoch, number, data)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(session, first, count, t0, t1, codec, raw, crc, epoch ?? null, number ?? null, data)
      .lastInsertRowid,
  );
  const byId = new Map();
  for (const [name, messages] of types) {
    const id = typeId(file, name);
    byId.set(id, (byId.get(id) ?? 0) + messages);
  }
  for (const [id, messages] of byId) {
    file.sql("insert into block_type values (?, ?, ?)").run(block, id, messages);
  }
  for (const { type, target, seq } of values) {
    file.sql("insert into value(session, block, type, target, seq) values (?, ?, ?, ?, ?)").run(
      session,
      block,
      type,
      target ?? NO_TARGET,
      seq,
    );
  }
  for (const event of events) {
    file.sql(
      `insert into event(session, seq, block, time, sent, instance, application, action, has_state, has_picture)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(session, event.seq, block, event.time, ...event.columns);
  }
  return block;
}

function typeId(file, name) {
  const known = file.sql("select id from type where name = ?").get(name.toWellFormed());
  if (known !== undefined) return known.id;
  const isRoom = name === "(other)" || file.sql("select count(*) as n from type").get().n < MAX_TYPES;
  if (!isRoom) return typeId(file, "(other)");
  return Number(file.sql("insert into type(name) values (?)").run(name.toWellFormed()).lastInsertRowid);
}

/** What a gap has to be: `after` is the number of the message in front of it. */
export function addGap(file, { session, after, missed, t0, t1, reason, epoch, number }) {
  file.sql("insert into gap(session, after, missed, t0, t1, reason) values (?, ?, ?, ?, ?, ?)").run(
    session,
    after,
    missed,
    t0,
    t1,
    reason,
  );
  file.sql("update session set lost = lost + ? where id = ?").run(missed ?? 0, session);
  if (epoch !== undefined) {
    file.sql("update session set epoch = ?, number = ? where id = ?").run(epoch, number, session);
  }
}
