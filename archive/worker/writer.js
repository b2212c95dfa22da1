/**
 * The Worker that writes. Calls have an id and are answered. Blocks and gaps have none: they are written in their order, tried again
 * while that fails, and each is told when it is on disk.
 *
 * @module
 */
import { joinBlocks } from "./block.js";
import { lookAt } from "./content.js";
import { addBlock, addGap } from "./rows.js";
import { codeOf, failure, File, pack, serve, unpack } from "./file.js";

const RETRY_MS = 2000;
/** Of blocks with less than this in them … */
const SMALL_BYTES = 32 * 1024;
/** … so many that follow each other are joined. */
const MANY_SMALL = 64;
const FULL_BYTES = 256 * 1024;

let file;
let path;
let options;
let lock;
const waiting = [];
let retry;
let trouble;
/** One number that the other side sets when there is no time left to write what waits. */
let hurry = new Int32Array(1);

const calls = {
  open(args) {
    path = args.file;
    options = { isReadOnly: false, create: args.create, maxBytes: args.maxBytes };
    hurry = args.hurry ?? hurry;
    file = new File(path, options);
  },

  /** Takes the file for recording, ends what did not end, and begins a session. */
  begin({ name, broker, program, time }) {
    takeLock();
    finishDeletions();
    const lastWasClean = endUnended() === 0;
    // A session that was imported has no numbers; one without a message goes on with those of the session before.
    const last = file.sql(
      "select clean, epoch, number, file from session where deleted = 0 and epoch is not null order by id desc limit 1",
    ).get();
    const session = addSession({ name, broker, program, time });
    if (last !== undefined) {
      file.sql("update session set epoch = ?, number = ? where id = ?").run(last.epoch, last.number, session);
    }
    return {
      session,
      // In a copy of the file the numbers may have been used twice.
      last: last === undefined ? undefined : {
        epoch: last.epoch,
        number: last.number,
        isExact: lastWasClean && last.clean === 1 && last.file === fileId(),
      },
      lastWasClean,
    };
  },

  /** A session that comes from elsewhere. */
  add(session) {
    return addSession(session);
  },

  /** After another Worker died: takes the file again, and says which blocks that one had written. */
  goOn({ rows }) {
    takeLock();
    // A small block may have been joined with others by now.
    const block = file.sql(
      "select first + count as next from block where session = ? and first <= ? order by first desc limit 1",
    );
    const gap = file.sql("select 1 from gap where session = ? and after = ? and t0 = ?");
    return rows.map(({ what, session, first, t0 }) =>
      what === "life"
        ? false
        : what === "gap"
        ? gap.get(session, first, t0) !== undefined
        : (block.get(session, first)?.next ?? 0) > first
    );
  },

  size() {
    return file.value("pragma page_count") * file.value("pragma page_size");
  },

  /** Ends a session; answers how many of its messages could not be written. */
  end({ session, time }) {
    pump(true);
    const unwritten = waiting.filter((item) => item.session === session && item.what !== "life");
    waiting.splice(0, Infinity, ...waiting.filter((item) => item.session !== session));
    if (waiting.length === 0) trouble = undefined;
    else if (trouble !== undefined) retry = setTimeout(() => pump(false), RETRY_MS);
    const lost = unwritten.reduce((sum, { what, count }) => sum + (what === "block" ? count : 0), 0);
    try {
      file.transaction(() => {
        if (unwritten.length > 0) {
          // Gaps that could not be written either are part of this one.
          const missed = unwritten.reduce(
            (sum, { what, count, missed }) =>
              sum === null || (what === "gap" && missed === null)
                ? null
                : sum + (what === "gap" ? missed : count),
            0,
          );
          const after =
            file.sql("select coalesce(max(first + count), 1) - 1 as n from block where session = ?").get(
              session,
            ).n;
          const reason = Atomics.load(hurry, 0) === 0 ? "full" : "behind";
          addGap(file, { session, after, missed, t0: unwritten[0].t0, t1: time, reason });
        }
        const isKnown = unwritten.length === 0;
        file.sql("update session set ended = ?, clean = 1, file = ? where id = ?").run(
          time,
          isKnown ? fileId() : null,
          session,
        );
      });
      joinSmall(session, true);
    } catch (error) {
      // The next one who opens the file says that it ended without a goodbye.
      if (!["full", "failed", "in-use"].includes(codeOf(error))) throw error;
    }
    return { lost };
  },

  /** Nobody records any more. The file stays open: closing it would end SQLite's own locks. */
  release() {
    lock?.unlockSync();
  },

  changeSession({ session, name, description, star }) {
    const change = (column, value) =>
      value === undefined
        ? undefined
        : file.sql(`update session set ${column} = ? where id = ?`).run(value, session);
    file.transaction(() => {
      needSession(session);
      change("name", name);
      change("description", description);
      change("star", star === undefined ? undefined : Number(star));
    });
  },

  /** In steps, so that blocks are written in between. */
  async deleteSession({ session }) {
    const { ended } = needSession(session);
    if (ended === null) throw failure("running", "the session is being recorded");
    file.transaction(() => {
      file.sql("update session set deleted = 1 where id = ?").run(session);
      // Nobody may go on behind an earlier one: its numbers were used once more.
      file.sql("update session set file = null where id < ?").run(session);
    });
    while (deleteSome(session)) await pause();
    while (file.value("pragma freelist_count") > 0) {
      const before = file.value("pragma freelist_count");
      file.db.exec("pragma incremental_vacuum(1000)");
      if (file.value("pragma freelist_count") === before) break;
      await pause();
    }
    file.db.exec("pragma wal_checkpoint(truncate)");
  },

  starEvent({ session, seq, star }) {
    const { changes } = file.sql("update event set star = ? where session = ? and seq = ?").run(
      Number(star),
      session,
      seq,
    );
    if (changes === 0) throw failure("no-entry", `session ${session} has no event ${seq}`);
  },

  addNote({ session, seq, time, written, edited = null, text }) {
    needSession(session);
    return Number(
      file.sql("insert into note(session, seq, time, written, edited, text) values (?, ?, ?, ?, ?, ?)")
        .run(session, seq, time, written, edited, text).lastInsertRowid,
    );
  },

  changeNote({ session, note, edited, text }) {
    const { changes } = file.sql("update note set text = ?, edited = ? where id = ? and session = ?").run(
      text,
      edited,
      note,
      session,
    );
    if (changes === 0) throw failure("no-entry", `session ${session} has no note ${note}`);
  },

  deleteNote({ session, note }) {
    const { changes } = file.sql("delete from note where id = ? and session = ?").run(note, session);
    if (changes === 0) throw failure("no-entry", `session ${session} has no note ${note}`);
  },

  addDeed({ session, time, kind, detail }) {
    needSession(session);
    file.sql("insert into deed(session, time, kind, detail) values (?, ?, ?, ?)").run(
      session,
      time,
      kind,
      detail,
    );
  },

  /** What waits is written, or cannot be written. */
  flush() {
    clearTimeout(retry);
    pump(false);
    return waiting.length === 0;
  },

  close() {
    clearTimeout(retry);
    file?.close();
    // Last of all: whoever closes a file ends all locks that SQLite has on it in this process.
    lock?.close();
  },
};

/**
 * SQLite's own locks do not say who records. This one ends with the process, however that ends.
 */
function takeLock() {
  if (Deno.build.os === "windows") return; // There, a lock would keep SQLite out, too.
  lock ??= Deno.openSync(path, { read: true, write: true });
  for (let tries = 0; !lock.tryLockSync(true); tries++) {
    // Whoever opens the file to read it holds it for an instant, to see whether somebody records.
    if (tries === 10) throw failure("in-use", "another process records into it");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}

/** Tells the file from a copy. */
function fileId() {
  const { dev, ino } = Deno.statSync(path);
  return `${dev}:${ino}`;
}

/** A file that was moved or deleted takes all that is written to it and shows it to nobody. */
function checkThere() {
  if (lock === undefined) return;
  const { dev, ino } = lock.statSync();
  if (`${dev}:${ino}` !== fileId()) throw failure("failed", "another file has taken its place");
}

/** Nobody else records, so whoever has not ended cannot end any more. What it had not written yet nobody knows. Says how many there were. */
function endUnended() {
  const latest = `max(started, coalesce((select max(t1) from block where session = session.id), 0),
    coalesce((select max(t1) from gap where session = session.id), 0))`;
  const unended = file.sql(`select id, ${latest} as t from session where ended is null`).all();
  for (const { id, t } of unended) {
    file.transaction(() => {
      const { after } = file.sql(
        "select coalesce(max(first + count), 1) - 1 as after from block where session = ?",
      ).get(id);
      addGap(file, { session: id, after, missed: null, t0: t, t1: t, reason: "killed" });
      file.sql("update session set clean = 0, ended = ? where id = ?").run(t, id);
    });
  }
  return unended.length;
}

function addSession({ name, broker, program, time, ended = null }) {
  return Number(
    file.sql("insert into session(name, started, broker, program, ended) values (?, ?, ?, ?, ?)")
      .run(name, time, broker, program, ended).lastInsertRowid,
  );
}

function needSession(session) {
  const found = file.sql("select ended from session where id = ? and deleted = 0").get(session);
  if (found === undefined) throw failure("no-session", `it has no session ${session}`);
  return found;
}

/** Says whether there is more. */
function deleteSome(session) {
  return file.transaction(() => {
    const { changes } = file.sql(
      "delete from block where id in (select id from block where session = ? limit 100)",
    ).run(session);
    if (changes === 0) file.sql("delete from session where id = ?").run(session);
    return changes > 0;
  });
}

function finishDeletions() {
  for (const { id } of file.sql("select id from session where deleted = 1").all()) while (deleteSome(id));
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Writes what waits, as far as that works. */
function pump(isLast) {
  clearTimeout(retry);
  if (waiting.length === 0) return;
  try {
    checkThere();
    if (trouble !== undefined && trouble !== "full") reopen();
    while (waiting.length > 0 && Atomics.load(hurry, 0) === 0) {
      const item = waiting[0];
      if (item.what === "gap") file.transaction(() => addGap(file, item));
      else if (item.what === "life") {
        file.sql("update session set epoch = ?, number = ? where id = ?").run(
          item.epoch,
          item.number,
          item.session,
        );
      } else writeBlock(item);
      waiting.shift();
      if (trouble !== undefined) postMessage({ state: "recording", message: "" });
      trouble = undefined;
      if (item.what !== "block") postMessage({ written: 0, size: 0 });
      else {
        const { buffer } = item.bytes;
        postMessage({ written: item.count, size: item.size, buffer }, [buffer]);
      }
    }
    tellSize();
  } catch (error) {
    const code = codeOf(error);
    if (trouble !== code) postMessage({ state: code === "full" ? "full" : "failed", message: error.message });
    trouble = code;
    if (!isLast) retry = setTimeout(() => pump(false), RETRY_MS);
  }
}

/** After a fault of the disk a fresh connection may work. */
function reopen() {
  file.close();
  file = new File(path, { ...options, create: false });
}

let size;
function tellSize() {
  const now = file.sql("pragma page_count").get().page_count * file.sql("pragma page_size").get().page_size;
  if (now !== size) postMessage({ fileBytes: size = now });
}

function writeBlock(item) {
  const { session, first, count, t0, t1, bytes, size, epoch, number } = item;
  const raw = bytes.subarray(0, size);
  item.found ??= lookAt(raw, item);
  item.packed ??= pack(raw); // Kept: it may have to be tried again.
  file.transaction(() => {
    addBlock(file, session, item.packed, { first, count, t0, t1, epoch, number }, item.found);
    file.sql(
      `update session set messages = messages + ?, events = events + ?, bytes = bytes + ?, epoch = ?, number = ? where id = ?`,
    )
      .run(
        count,
        item.found.events.length,
        item.packed.data.length,
        item.lastEpoch,
        item.lastNumber,
        session,
      );
  });
  if (size < SMALL_BYTES) joinSmall(session, false);
  else small.delete(session);
}

/** Small blocks that follow each other, by session: a quiet bus makes four a second. */
const small = new Map();

function joinSmall(session, isEnd) {
  const count = (small.get(session) ?? 0) + 1;
  small.set(session, count);
  if (count < MANY_SMALL && !isEnd) return;
  small.delete(session);
  const rows = file.sql(
    `select id, first, count, t0, t1, codec, raw, crc, epoch, number, data from block
    where session = ? order by first desc limit ?`,
  ).all(session, MANY_SMALL).reverse();
  let group = [];
  for (const row of rows) {
    const last = group.at(-1);
    const fits = row.raw < SMALL_BYTES &&
      (last === undefined || (isNext(last, row) && sizeOf(group) + row.raw <= FULL_BYTES));
    if (!fits) {
      join(session, group);
      group = [];
    }
    if (row.raw < SMALL_BYTES) group.push(row);
  }
  join(session, group);
}

function sizeOf(group) {
  return group.reduce((sum, { raw }) => sum + raw, 0);
}

/** The numbers of a block are those of its first message and all that follow. */
function isNext(last, { first, epoch, number }) {
  if (last.first + last.count !== first || last.epoch !== epoch) return false;
  return number === null ? last.number === null : last.number + last.count === number;
}

function join(session, group) {
  if (group.length < 2) return;
  let whole;
  for (const { t0, t1, ...row } of group) {
    const bytes = unpack(row);
    if (bytes === undefined) return; // A damaged one stays as it is.
    whole = whole === undefined ? { bytes, t1 } : { bytes: joinBlocks(whole, { bytes, t0 }), t1 };
  }
  const [head] = group;
  const packed = pack(whole.bytes);
  const count = group.reduce((sum, row) => sum + row.count, 0);
  const before = group.reduce((sum, { data }) => sum + data.length, 0);
  const ids = group.map(({ id }) => id);
  const found = lookAt(whole.bytes, { ...head, count });
  file.transaction(() => {
    // The events keep their stars: they move to the new block before the old ones go.
    file.sql(`update block set first = -id where id in (select value from json_each(?))`).run(
      JSON.stringify(ids),
    );
    const block = addBlock(file, session, packed, { ...head, count, t1: whole.t1 }, { ...found, events: [] });
    file.sql("update event set block = ? where block in (select value from json_each(?))").run(
      block,
      JSON.stringify(ids),
    );
    file.sql("delete from block where id in (select value from json_each(?))").run(JSON.stringify(ids));
    file.sql("update session set bytes = bytes + ? where id = ?").run(packed.data.length - before, session);
  });
}

serve(calls, (item) => {
  waiting.push(item);
  if (waiting.length === 1 && trouble === undefined && Atomics.load(hurry, 0) === 0) pump(false);
});
