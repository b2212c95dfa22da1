/**
 * The file, for both Workers: its schema, how it is opened, what errors mean, and how the data of a block is packed.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";

const APPLICATION_ID = 1112888115;
const VERSION = 1;
const RAW = 0;
const ZSTD = 1;

const SCHEMA = `
create table session(id integer primary key autoincrement, name text not null, description text not null default '',
  star integer not null default 0, started integer not null, ended integer, clean integer, broker text,
  messages integer not null default 0, events integer not null default 0, lost integer not null default 0,
  bytes integer not null default 0, program text not null, epoch text, number integer, file text,
  deleted integer not null default 0) strict;
create table block(id integer primary key, session integer not null references session on delete cascade,
  first integer not null, count integer not null, t0 integer not null, t1 integer not null, codec integer not null,
  raw integer not null, crc integer not null, epoch text, number integer, data blob not null) strict;
create unique index block_place on block(session, first);
create index block_time on block(session, t0);
create table type(id integer primary key, name text not null unique) strict;
create table block_type(block integer not null references block on delete cascade, type integer not null references type,
  count integer not null, primary key(block, type)) strict, without rowid;
create index block_of_type on block_type(type, block);
create table value(id integer primary key, session integer not null references session on delete cascade,
  block integer not null references block on delete cascade, type text not null,
  target text not null, seq integer not null) strict;
create index value_of on value(session, type, target, seq);
create index value_block on value(block);
create table event(id integer primary key, session integer not null references session on delete cascade,
  seq integer not null, block integer not null references block on delete cascade, time integer not null, sent text,
  instance text, application text not null, action text not null, has_state integer not null,
  has_picture integer not null, star integer not null default 0) strict;
create unique index event_place on event(session, seq);
create index event_instance on event(session, instance, seq);
create index event_time on event(session, time);
create index event_block on event(block);
create virtual table event_text using fts5(action, application, content = event, content_rowid = id);
create trigger event_added after insert on event begin
  insert into event_text(rowid, action, application) values (new.id, new.action, new.application); end;
create trigger event_removed after delete on event begin
  insert into event_text(event_text, rowid, action, application)
    values ('delete', old.id, old.action, old.application); end;
create table note(id integer primary key autoincrement, session integer not null references session on delete cascade,
  seq integer, time integer not null, written integer not null, edited integer, text text not null) strict;
create index note_session on note(session, time);
create virtual table note_text using fts5(text, content = note, content_rowid = id);
create trigger note_added after insert on note begin
  insert into note_text(rowid, text) values (new.id, new.text); end;
create trigger note_removed after delete on note begin
  insert into note_text(note_text, rowid, text) values ('delete', old.id, old.text); end;
create trigger note_changed after update of text on note begin
  insert into note_text(note_text, rowid, text) values ('delete', old.id, old.text);
  insert into note_text(rowid, text) values (new.id, new.text); end;
create table gap(id integer primary key, session integer not null references session on delete cascade,
  after integer not null, missed integer, t0 integer not null, t1 integer not null, reason text not null) strict;
create index gap_place on gap(session, after);
create table deed(id integer primary key, session integer not null references session on delete cascade,
  time integer not null, kind text not null, detail text not null) strict;
create index deed_session on deed(session, time);
insert into event_text(event_text, rank) values ('secure-delete', 1);
insert into note_text(note_text, rank) values ('secure-delete', 1);
pragma application_id = ${APPLICATION_ID};
pragma user_version = ${VERSION};
`;

/** An error with a code of ArchiveError. */
export function failure(code, message) {
  return Object.assign(new Error(message), { archiveCode: code });
}

/** What an error of SQLite, Node or Deno means. */
export function codeOf(error) {
  if (error?.archiveCode !== undefined) return error.archiveCode;
  // Extended codes have the plain one in their low byte.
  switch ((error?.errcode ?? 0) & 255) {
    case 13: // The disk is full, or the largest size is reached.
      return "full";
    case 5:
    case 6:
      return "in-use";
    case 8:
    case 23:
      return "permission-denied";
    case 11:
      return "damaged";
    case 26:
      return "not-an-archive";
  }
  if (error?.errcode === 778) return "full"; // The file may not become larger.
  const { errors } = Deno;
  if (error instanceof errors.NotCapable || error instanceof errors.PermissionDenied) {
    return "permission-denied";
  }
  if (/Requires .* access|permission denied|readonly database/i.test(error?.message)) {
    return "permission-denied";
  }
  return error instanceof errors.NotFound ? "not-found" : "failed";
}

/** A file of SQLite with the statements that were prepared for it. */
export class File {
  #statements = new Map();

  /**
   * Opens an archive. A file that is none, or is newer, is left as it is.
   *
   * @param {string} path
   * @param {{ isReadOnly: boolean, create: boolean, maxBytes?: number | undefined }} options
   */
  constructor(path, { isReadOnly, create, maxBytes }) {
    if (!create || isReadOnly) {
      if (Deno.statSync(path).isDirectory) throw failure("not-an-archive", "it is a folder");
    }
    this.db = new DatabaseSync(path, { readOnly: isReadOnly, timeout: 5000 });
    try {
      this.#check(isReadOnly, create);
      if (isReadOnly) return;
      this.db.exec("pragma journal_mode = wal; pragma synchronous = normal; pragma secure_delete = on");
      if (maxBytes !== undefined) {
        const pages = Math.max(1, Math.floor(maxBytes / this.value("pragma page_size")));
        this.db.exec(`pragma max_page_count = ${pages}`);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #check(isReadOnly, create) {
    const isEmpty = () =>
      this.value("pragma application_id") === 0 && this.value("pragma user_version") === 0 &&
      this.value("select count(*) from sqlite_schema") === 0;
    if (!isReadOnly && create && isEmpty()) {
      this.db.exec("pragma auto_vacuum = incremental; pragma journal_mode = wal; begin immediate");
      // Somebody else may have been faster.
      if (isEmpty()) this.db.exec(SCHEMA);
      this.db.exec("commit");
    }
    if (this.value("pragma application_id") !== APPLICATION_ID) {
      throw failure("not-an-archive", "it is something else");
    }
    const version = this.value("pragma user_version");
    if (version > VERSION || version < 1) {
      throw failure("newer-version", `its format is ${version}, and this program knows ${VERSION}`);
    }
  }

  /** A prepared statement. */
  sql(text) {
    let statement = this.#statements.get(text);
    if (statement === undefined) this.#statements.set(text, statement = this.db.prepare(text));
    return statement;
  }

  /** The one value that a statement gives. */
  value(text) {
    return Object.values(this.db.prepare(text).get())[0];
  }

  /** All or nothing. */
  transaction(work) {
    this.sql("begin immediate").run();
    try {
      const result = work();
      this.sql("commit").run();
      return result;
    } catch (error) {
      if (this.db.isTransaction) this.sql("rollback").run();
      throw error;
    }
  }

  close() {
    this.#statements = new Map();
    if (this.db.isOpen) this.db.close();
  }
}

/** How the bytes of a block are stored. */
export function pack(raw) {
  const packed = zstdCompressSync(raw, {
    params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const [codec, data] = packed.length < raw.length ? [ZSTD, packed] : [RAW, raw];
  return { codec, data, raw: raw.length, crc: crc32(data) };
}

/** The bytes of a block; undefined where they are not what was written. */
export function unpack({ data, codec, raw, crc }) {
  if (crc32(data) !== crc) return undefined;
  try {
    // A cut text of zstd is no error, so the size is compared; one that would fill the memory stops at its size.
    const bytes = codec === ZSTD ? zstdDecompressSync(data, { maxOutputLength: Math.max(1, raw) }) : data;
    return bytes.length === raw ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Answers calls by their name; each has an id. */
export function serve(calls, other = () => {}) {
  globalThis.onmessage = async ({ data }) => {
    const { id, what } = data;
    if (id === undefined) return other(data);
    try {
      const result = await calls[what](data);
      const buffers = result?.bytes instanceof Uint8Array ? [result.bytes.buffer] : [];
      postMessage({ id, result }, buffers);
    } catch (error) {
      postMessage({ id, error: { code: codeOf(error), message: error.message } });
    }
  };
}
