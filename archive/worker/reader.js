/**
 * The Worker that reads: a search never holds up what is written. Each call is a few statements of its own; no statement stays open
 * between two calls, since that would keep the file's log growing.
 *
 * @module
 */
import { blockAfter, damagedGap, messageBytes, seqBefore, timeOf, walk } from "./blocks.js";
import { checkBlocks, extras, past, storedBlock } from "./copy.js";
import { failure, File, serve, unpack } from "./file.js";
import { textOf, typeOf } from "./message.js";
import { instancesAt, valuesAt } from "./state.js";

/** A page looks through so many bytes of messages at most: about a tenth of a second. */
const PAGE_BYTES = 16 * 1024 * 1024;
/** Texts of one page, apart from the first message. */
const TEXT_BYTES = 4 * 1024 * 1024;
const MAX_PICTURE = 1024 * 1024;
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

let file;
/** Does anybody record into it? Of a file that is only read, nobody knows but when it is opened. */
let isRecorded = true;

const SESSION =
  `select id, name, description, star, started, ended, clean, broker, program, messages, events, lost, bytes,
  (select count(*) from note where session = session.id) as notes, (select count(*) from gap where session = session.id) as gaps,
  (select max(t1) from block where session = session.id) as latest from session`;

const calls = {
  open({ file: path, isAlone }) {
    if (isAlone) isRecorded = hasRecorder(path);
    file = new File(path, { isReadOnly: true, create: false });
  },

  sessions({ text, from, to, starred, before, limit }) {
    const words = text === undefined ? [] : wordsOf(text);
    const conditions = ["deleted = 0"];
    const values = [];
    const where = (condition, ...more) => {
      conditions.push(condition);
      values.push(...more);
    };
    if (before !== undefined) where("id < ?", before);
    if (starred) where("star = 1");
    if (to !== undefined) where("started <= ?", micros(to));
    if (from !== undefined) {
      where(
        "coalesce(ended, (select max(t1) from block where session = session.id), started) >= ?",
        micros(from),
      );
    }
    if (words.length > 0) {
      const plain = (column) => words.map(() => `instr(lower(${column}), lower(?)) > 0`).join(" and ");
      where(
        `(${plain("name")} or ${plain("description")}
          or id in (select e.session from event_text t join event e on e.id = t.rowid where event_text match ?)
          or id in (select n.session from note_text t join note n on n.id = t.rowid where note_text match ?))`,
        ...words,
        ...words,
        queryOf(words),
        queryOf(words),
      );
    }
    const rows = file.sql(`${SESSION} where ${conditions.join(" and ")} order by id desc limit ?`).all(
      ...values,
      limit + 1,
    );
    const page = rows.slice(0, limit).map(sessionOf);
    return { sessions: page, next: rows.length > limit ? page.at(-1).id : null };
  },

  session({ session }) {
    return sessionOf(need(session));
  },

  events({ session, after, before, limit, text, instance, application, starred, from, to }) {
    need(session);
    const words = text === undefined ? [] : wordsOf(text);
    const conditions = ["e.session = ?", "e.seq > ?"];
    const values = [session, after];
    const where = (condition, value) => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    where("e.seq < ?", before);
    where("e.instance = ?", instance);
    where("e.application = ?", application);
    where("e.star = ?", starred ? 1 : undefined);
    where("e.time >= ?", from && micros(from));
    where("e.time <= ?", to && micros(to));
    where(
      "e.id in (select rowid from event_text where event_text match ?)",
      words.length > 0 ? queryOf(words) : undefined,
    );
    const order = before === undefined ? "asc" : "desc";
    const rows = file.sql(
      `select e.* from event e where ${conditions.join(" and ")} order by e.seq ${order} limit ?`,
    ).all(...values, limit + 1);
    const page = rows.slice(0, limit).map(eventOf);
    const next = rows.length > limit ? page.at(-1).seq : null;
    return { events: before === undefined ? page : page.reverse(), next };
  },

  event({ session, seq }) {
    return eventOf(needEvent(session, seq));
  },

  messages({ session, after, limit, types, text, from, to }) {
    need(session);
    const passes = types === undefined ? undefined : matcher(types);
    const end = to === undefined ? Infinity : micros(to);
    let at = from === undefined ? after : Math.max(after, seqBefore(file, session, micros(from)));
    const messages = [];
    const damaged = [];
    let [looked, size, isFull, isOver] = [0, 0, false, false];
    while (!isFull && looked < PAGE_BYTES) {
      const block = blockAfter(file, session, at);
      if (block === undefined) {
        isOver = true;
        break;
      }
      if (block.t0 > end) {
        isOver = true;
        break;
      }
      const last = block.first + block.count - 1;
      if (passes !== undefined && !typesOf(block.id).some(passes)) {
        at = last;
        looked += 4096;
        continue;
      }
      const bytes = unpack(block);
      if (bytes === undefined) {
        damaged.push(damagedGap(block, at));
        at = last;
        continue;
      }
      looked += bytes.length;
      walk(bytes, block, (seq, time, start, stop) => {
        if (seq <= at) return;
        if (time > end) return isOver = true;
        if (messages.length === limit || (size > 0 && size + stop - start > TEXT_BYTES)) return isFull = true;
        at = seq;
        const type = typeOf(bytes, start, stop);
        if (passes !== undefined && !passes(type ?? "")) return;
        const body = textOf(bytes, start, stop);
        if (text !== undefined && !body.includes(text)) return;
        size += stop - start;
        messages.push({ seq, time: time / 1000, text: body, type });
      });
      if (isOver) break;
    }
    const next = isOver || blockAfter(file, session, at) === undefined ? null : at;
    const gaps = [...gapsBetween(session, after, next ?? Infinity, from, to), ...damaged];
    return { messages, gaps: gaps.sort((a, b) => a.after - b.after), next, position: at };
  },

  /** The bytes of one message. */
  message({ session, seq }) {
    need(session);
    return { bytes: messageBytes(file, session, seq).slice() };
  },

  picture({ session, seq }) {
    needEvent(session, seq);
    const bytes = messageBytes(file, session, seq);
    const { screenshot } = JSON.parse(textOf(bytes, 0, bytes.length));
    const none = () => failure("no-entry", `message ${seq} of session ${session} has no picture`);
    if (typeof screenshot !== "string" || screenshot.length > 2 * MAX_PICTURE) throw none();
    let picture;
    try {
      picture = Uint8Array.fromBase64(screenshot.replace(/^data:image\/png;base64,/, ""));
    } catch {
      throw none();
    }
    if (picture.length > MAX_PICTURE || PNG.some((byte, i) => picture[i] !== byte)) throw none();
    return { bytes: picture };
  },

  notes({ session }) {
    need(session);
    return file.sql("select * from note where session = ? order by time, id limit 10000").all(session).map(
      noteOf,
    );
  },

  note({ session, note }) {
    const found = file.sql("select * from note where session = ? and id = ?").get(session, note);
    if (found === undefined) throw failure("no-entry", `session ${session} has no note ${note}`);
    return noteOf(found);
  },

  /** A number of a message, or a time, as both. */
  moment({ session, seq, time }) {
    const { started, latest } = need(session);
    if (seq === undefined) {
      const us = micros(time);
      return { seq: seqBefore(file, session, us + 1), time };
    }
    if (seq === 0) return { seq, time: started / 1000 };
    const found = timeOf(file, session, seq);
    if (found === undefined) throw failure("no-entry", `session ${session} has no message ${seq}`);
    return { seq, time: (found ?? latest) / 1000 };
  },

  timeline({ session, buckets }) {
    const { started, ended, latest } = need(session);
    const from = started;
    const to = Math.max(from, ended ?? 0, latest ?? 0);
    const width = Math.max(1, (to - from) / buckets);
    const bucketOf = (time) => Math.max(0, Math.min(buckets - 1, Math.floor((time - from) / width)));
    const empty = () => new Array(buckets).fill(0);
    const byType = new Map();
    // A block is short; where it is long, its messages are spread over it.
    const rows = file.sql(
      `select t.name as type, b.t0, b.t1, bt.count from block b join block_type bt on bt.block = b.id
      join type t on t.id = bt.type where b.session = ?`,
    ).all(session);
    for (const { type, t0, t1, count } of rows) {
      const counts = byType.getOrInsertComputed(type, empty);
      const [first, last] = [bucketOf(t0), bucketOf(t1)];
      let rest = count;
      for (let i = first; i <= last; i++) {
        const part = Math.round(rest / (last - i + 1));
        counts[i] += part;
        rest -= part;
      }
    }
    const sum = (counts) => counts.reduce((all, count) => all + count, 0);
    const types = [...byType].map(([type, counts]) => ({ type, counts })).sort((a, b) =>
      sum(b.counts) - sum(a.counts)
    );
    const events = empty();
    for (
      const { bucket, n } of file.sql(
        "select cast((time - ?) / ? as integer) as bucket, count(*) as n from event where session = ? group by 1",
      ).all(from, width, session)
    ) events[Math.max(0, Math.min(buckets - 1, bucket))] += n;
    return {
      from: from / 1000,
      to: to / 1000,
      buckets,
      types: types.slice(0, 50),
      events,
      gaps: gapsBetween(session, -1, Infinity).slice(0, 1000),
      deeds: file.sql("select time, kind, detail from deed where session = ? order by time limit 1000").all(
        session,
      )
        .map(({ time, kind, detail }) => ({ time: time / 1000, kind, detail })),
    };
  },

  /** What was valid after the message `seq`. */
  state({ session, seq, time }) {
    need(session);
    return { seq, time, values: valuesAt(file, session, seq), instances: instancesAt(file, session, seq) };
  },

  /** A part of the session as lines of text. */
  lines({ session, after, asJson }) {
    need(session);
    const block = blockAfter(file, session, after);
    const last = block === undefined ? Infinity : block.first + block.count - 1;
    const parts = [];
    const gaps = asJson ? gapsBetween(session, after, last) : [];
    const tellGaps = (upTo) => {
      while (gaps.length > 0 && gaps[0].after < upTo) parts.push(JSON.stringify({ gap: gaps.shift() }));
    };
    const bytes = block && unpack(block);
    if (block !== undefined && bytes === undefined && asJson) gaps.push(damagedGap(block, after));
    if (bytes !== undefined) {
      walk(bytes, block, (seq, time, start, end) => {
        if (seq <= after) return;
        tellGaps(seq);
        const body = oneLine(textOf(bytes, start, end));
        parts.push(asJson ? `{"seq":${seq},"time":${time / 1000},"message":${body}}` : body);
      });
    }
    tellGaps(Infinity);
    const lines = parts.length === 0 ? "" : `${parts.join("\n")}\n`;
    return { bytes: encoder.encode(lines), next: block === undefined ? null : last };
  },

  past: (args) => past(file, args),
  check: (args) => checkBlocks(file, args),
  block: (args) => storedBlock(file, args),
  extras: (args) => extras(file, args),

  close() {
    file?.close();
  },
};

const encoder = new TextEncoder();

/** Whoever records holds a lock on the file. Asked before SQLite opens it: closing it would end SQLite's own locks. */
function hasRecorder(path) {
  if (Deno.build.os === "windows") return true;
  const probe = Deno.openSync(path);
  try {
    return !probe.tryLockSync(false);
  } finally {
    probe.close();
  }
}

function need(session) {
  const found = file.sql(`${SESSION} where id = ? and deleted = 0`).get(session);
  if (found === undefined) throw failure("no-session", `it has no session ${session}`);
  return found;
}

function needEvent(session, seq) {
  need(session);
  const found = file.sql("select * from event where session = ? and seq = ?").get(session, seq);
  if (found === undefined) throw failure("no-entry", `session ${session} has no event ${seq}`);
  return found;
}

function sessionOf(
  { id, name, description, star, started, ended, clean, broker, program, latest, ...counts },
) {
  const isRunning = ended === null && isRecorded;
  const { messages, events, notes, lost, gaps, bytes } = counts;
  return {
    id,
    name,
    description,
    star: star === 1,
    started: started / 1000,
    ended: isRunning ? null : (ended ?? Math.max(started, latest ?? 0)) / 1000,
    clean: isRunning ? null : clean === 1,
    broker,
    program,
    messages,
    events,
    notes,
    lost,
    gaps,
    bytes,
  };
}

function eventOf({ seq, time, sent, instance, application, action, has_state, has_picture, star }) {
  return {
    seq,
    time: time / 1000,
    sent,
    instance,
    application,
    action,
    hasState: has_state === 1,
    hasPicture: has_picture === 1,
    star: star === 1,
  };
}

function noteOf({ id, seq, time, written, edited, text }) {
  return {
    id,
    seq,
    time: time / 1000,
    written: written / 1000,
    edited: edited === null ? null : edited / 1000,
    text,
  };
}

function micros(ms) {
  return Math.round(ms * 1000);
}

function typesOf(block) {
  return file.sql("select name from block_type join type on id = type where block = ?").all(block).map((
    { name },
  ) => name);
}

/** Does a type pass? A `*` at the end stands for anything, and what was too rare to be counted may be anything. */
function matcher(types) {
  return (type) =>
    type === "(other)" ||
    types.some((wanted) => wanted.endsWith("*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted);
}

/** Gaps behind a message and before another one, so that each is on one page. */
function gapsBetween(session, after, before, from, to) {
  const told = file.sql(
    `select after, missed, t0, t1, reason from gap where session = ? and after >= ? and after < ?
    order by after, id limit 10000`,
  ).all(session, after, Math.min(before, Number.MAX_SAFE_INTEGER));
  return told.map(({ after, missed, t0, t1, reason }) => ({
    after,
    missed,
    from: t0 / 1000,
    to: t1 / 1000,
    reason,
  })).filter((gap) => (from === undefined || gap.to >= from) && (to === undefined || gap.from <= to));
}

function wordsOf(text) {
  return text.toWellFormed().replaceAll("\0", " ").split(/\s+/).filter((word) => word !== "").slice(0, 20);
}

/** Each word is quoted, so that nothing in it acts on the search; the last one may be the beginning of a word. */
function queryOf(words) {
  return words.map((word) => `"${word.replaceAll('"', '""')}"`).join(" ") + "*";
}

/** A line break outside of a JSON text's strings is white space, so it may be a space. */
function oneLine(text) {
  return text.includes("\n") || text.includes("\r") ? text.replace(/\r\n|[\r\n]/g, " ") : text;
}

serve(calls);
