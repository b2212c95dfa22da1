/**
 * An archive: one file of SQLite with sessions, their messages, and what people added to them.
 *
 * @module
 */
import { ArchiveError, OptionError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import type { FeedPast } from "../bus/feed_store.ts";
import type { BusPort } from "../bus/port.ts";
import type {
  ArchivePort,
  EventFilter,
  EventPage,
  GoTo,
  GoToResult,
  MessageFilter,
  MessagePage,
  Moment,
  Note,
  Plan,
  ReplayOptions,
  SessionChange,
  SessionEvent,
  SessionFilter,
  SessionInfo,
  SessionPage,
  Timeline,
} from "../bus/recording.ts";
import { goTo } from "./go_to.ts";
import { type PastBlock, pastOf } from "./past.ts";
import { Player } from "./player.ts";
import { Recorder, type RecordOptions } from "./recorder.ts";
import { survivesLimits } from "./file_limit.ts";
import type { KnownRow } from "./spool.ts";
import { Storage } from "./storage.ts";
import { titleOf } from "./title.ts";

/** Options of an {@linkcode Archive}. */
export interface ArchiveOptions {
  /** Nothing is changed, and permission to read the file is enough. @default false */
  readonly readOnly?: boolean;
  /** Make the file if there is none. @default true, unless `readOnly` */
  readonly create?: boolean;
  /** The file does not become larger than this many bytes; what comes then is lost to it, and counted. @default no limit */
  readonly maxBytes?: number | undefined;
}

/** What `begin` of the Worker answers. */
interface Begun {
  readonly session: number;
  readonly last: { readonly epoch: string; readonly number: number; readonly isExact: boolean } | undefined;
  readonly lastWasClean: boolean;
}

/**
 * An archive in a file.
 *
 * - The file is read and written by Workers of its own, so neither a slow disk nor a long search holds up the loop.
 * - One recorder at a time writes to it, in whatever process; any number may read it and add notes meanwhile.
 * - A process that is killed loses what came in the last 250 ms; nothing has to be repaired.
 * - It needs `--allow-read` and `--allow-write` of that file and nothing else.
 *
 * @example
 * ```ts
 * import { MessageServer } from "../broker.ts";
 * import { Archive } from "./mod.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".db" });
 * await using archive = await Archive.open(path);
 * const recorder = await archive.record({ name: "Tuesday" });
 * await using server = new MessageServer({ recorder });
 * server.sendMessage({ type: "subject", subject: 119 });
 * await recorder.flushed();
 *
 * const { messages } = await archive.messages(recorder.session);
 * console.assert(messages[0]?.text === '{"type":"subject","subject":119}');
 * ```
 */
export class Archive implements ArchivePort, AsyncDisposable {
  /** The file. */
  readonly path: string;
  readonly #options: ArchiveOptions;
  #writer: Storage | undefined;
  #reader: Promise<Storage> | undefined;
  #recorder: Recorder | undefined;
  #player: Player | undefined;
  readonly #stopSurviving: () => void;
  #closing: Promise<void> | undefined;

  private constructor(path: string, options: ArchiveOptions, writer: Storage | undefined) {
    this.path = path;
    this.#options = options;
    this.#writer = writer;
    this.#stopSurviving = writer === undefined ? () => {} : survivesLimits();
  }

  /**
   * Opens a file, or makes it.
   *
   * @throws {ArchiveError} If it is something else (`not-an-archive`), of a newer version (`newer-version`), damaged (`damaged`), not
   * there (`not-found`) or not allowed (`permission-denied`). Nothing in it was changed.
   */
  static async open(path: string, options: ArchiveOptions = {}): Promise<Archive> {
    const { readOnly = false, create = !readOnly, maxBytes } = options;
    if (typeof path !== "string" || path === "" || path.includes("\0") || /^(file:|:memory:)/.test(path)) {
      throw new OptionError(
        "bad-option",
        `Cannot use path: ${JSON.stringify(path)} is not the path of a file`,
      );
    }
    if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes >= 65_536)) {
      throw new OptionError(
        "bad-option",
        `Cannot use maxBytes: it is ${maxBytes}, not a whole number from 65536 on`,
      );
    }
    const writer = readOnly ? undefined : await Storage.open(path, "writer", { create, maxBytes });
    const archive = new Archive(path, options, writer);
    if (readOnly) await archive.#read();
    return archive;
  }

  /** Who records into it from here; undefined when nobody does. */
  get recorder(): Recorder | undefined {
    return this.#recorder;
  }

  /** The last replay that was begun. */
  get replay(): Player | undefined {
    return this.#player;
  }

  /**
   * Begins a session. Give the recorder to whoever has a feed: `new MessageServer({ recorder })`, or a client.
   *
   * @throws {ArchiveError} `in-use`: another process records into the file, or this one does; `read-only`.
   */
  async record(options: RecordOptions = {}): Promise<Recorder> {
    if (this.#recorder !== undefined) throw this.#error("in-use", "it is being recorded already");
    const writer = this.#needWriter();
    const session = (name: string | undefined, time: number) => ({
      name: name ?? titleOf(time),
      broker: options.broker ?? null,
      program: `${options.program ?? "archive"} ${VERSION}`,
      time,
    });
    const begun = await writer.call<Begun>("begin", session(options.name, 1000 * Date.now()));
    const past = begun.last === undefined ? undefined : await this.#past(begun, options.past ?? PAST);
    const recorder: Recorder = new Recorder(
      {
        tell: (row, buffers) => this.#writer!.tell(row, buffers),
        begin: async (name, time) =>
          (await this.#writer!.call<Begun>("add", session(name, time))) as unknown as number,
        end: async (session, time) =>
          (await this.#writer!.call<{ lost: number }>("end", { session, time })).lost,
        reopen: (rows) => this.#reopen(rows, recorder),
        info: (session) => this.session(session),
        release: async () => {
          this.#recorder = undefined;
          await this.#writer!.call("release").catch(() => {}); // A Worker that is gone holds nothing.
        },
      },
      { ...begun, past, fileBytes: await writer.call<number>("size") },
      options,
    );
    writer.handler = recorder.storageHandler;
    return this.#recorder = recorder;
  }

  /** A page of sessions, newest first. */
  async sessions(filter: SessionFilter = {}): Promise<SessionPage> {
    const { limit = 50, ...rest } = filter;
    checkOrder(filter);
    return await this.#ask("sessions", { ...rest, limit });
  }

  /** One session. */
  async session(id: number): Promise<SessionInfo> {
    return await this.#ask("session", { session: id });
  }

  /** Changes a session. */
  async changeSession(id: number, { name, description, star }: SessionChange): Promise<SessionInfo> {
    await this.#needWriter().call("changeSession", { session: id, name, description, star });
    return await this.session(id);
  }

  /** Deletes a session for good: what it was is overwritten. */
  async deleteSession(id: number): Promise<void> {
    await this.#needWriter().call("deleteSession", { session: id });
  }

  /** A page of events, oldest first. */
  async events(id: number, filter: EventFilter = {}): Promise<EventPage> {
    const { after = 0, limit = 200, ...rest } = filter;
    checkOrder(filter);
    return await this.#ask("events", { session: id, after, limit, ...rest });
  }

  /** Marks an event. */
  async starEvent(id: number, seq: number, star: boolean): Promise<SessionEvent> {
    await this.session(id);
    await this.#needWriter().call("starEvent", { session: id, seq, star });
    return await this.#ask("event", { session: id, seq });
  }

  /** A page of messages, oldest first. */
  async messages(id: number, filter: MessageFilter = {}): Promise<MessagePage> {
    const { after = 0, limit = 200, signal, ...rest } = filter;
    checkOrder(filter);
    signal?.throwIfAborted();
    const page = await this.#ask<MessagePage>("messages", { session: id, after, limit, ...rest });
    signal?.throwIfAborted();
    return { messages: page.messages, gaps: page.gaps, next: page.next };
  }

  /** The JSON text of a message exactly as it came. */
  async messageText(id: number, seq: number): Promise<string> {
    return decoder.decode(await this.#messageBytes(id, seq));
  }

  /** The picture of an event, a PNG of at most 1 MiB. */
  async picture(id: number, seq: number): Promise<Uint8Array> {
    return (await this.#ask<{ bytes: Uint8Array }>("picture", { session: id, seq })).bytes;
  }

  /** The notes of a session, by the moment that they are about; 10,000 at most. */
  async notes(id: number): Promise<readonly Note[]> {
    return await this.#ask("notes", { session: id });
  }

  /** Writes a note. */
  async addNote(id: number, moment: Moment, text: string): Promise<Note> {
    const writer = this.#needWriter();
    const { time } = await this.#ask<{ time: number }>("moment", { session: id, ...moment });
    const seq = "seq" in moment ? moment.seq : null;
    const note = await writer.call("addNote", {
      session: id,
      seq,
      time: Math.round(1000 * time),
      written: 1000 * Date.now(),
      text: text.toWellFormed(),
    });
    return await this.#ask("note", { session: id, note });
  }

  /** Changes a note. */
  async changeNote(id: number, note: number, text: string): Promise<Note> {
    await this.session(id);
    await this.#needWriter().call("changeNote", {
      session: id,
      note,
      edited: 1000 * Date.now(),
      text: text.toWellFormed(),
    });
    return await this.#ask("note", { session: id, note });
  }

  /** Deletes a note. */
  async deleteNote(id: number, note: number): Promise<void> {
    await this.session(id);
    await this.#needWriter().call("deleteNote", { session: id, note });
  }

  /** A session over time. */
  async timeline(id: number, buckets: number = 200): Promise<Timeline> {
    if (!(Number.isSafeInteger(buckets) && buckets >= 1 && buckets <= 10_000)) {
      throw new RangeError(`Cannot use buckets: it is ${buckets}, not a whole number from 1 to 10000`);
    }
    return await this.#ask("timeline", { session: id, buckets });
  }

  /** What was valid at a moment. */
  async stateAt(id: number, moment: Moment): Promise<Plan> {
    const at = await this.#ask<{ seq: number; time: number }>("moment", { session: id, ...moment });
    return await this.#ask("state", { session: id, ...at });
  }

  /**
   * Sends what was valid at a moment, and a `reload` to each instance with the state that it had. That anyone acts on it nobody knows.
   *
   * @throws {ArchiveError} `no-entry`: there is no such moment.
   */
  async goTo(id: number, moment: Moment, port: BusPort, what: GoTo = {}): Promise<GoToResult> {
    const plan = await this.stateAt(id, moment);
    const result = await goTo(plan, port, what, (seq) => this.#messageBytes(id, seq));
    await this.#addDeed(id, "goto", {
      at: plan.seq,
      sent: result.sent.length,
      skipped: result.skipped.length,
    });
    return result;
  }

  /**
   * Begins a replay.
   *
   * @throws {ArchiveError} `running`: another one goes on.
   */
  async play(id: number, port: BusPort, options: ReplayOptions = {}): Promise<Player> {
    if (this.#player !== undefined && this.#player.status().state !== "ended") {
      throw this.#error("running", "a replay goes on already");
    }
    const player = await Player.start(
      {
        session: () => this.session(id),
        moment: (moment) => this.#ask("moment", { session: id, ...moment }),
        page: (after, types) => this.#ask("messages", { session: id, after, limit: 1000, types }),
        stateAt: (moment) => this.stateAt(id, moment),
        send: (texts) => {
          const publish = () => void port.publish(texts);
          // In the broker's process the recorder hears of it before this returns; elsewhere the client knows what comes back.
          if (this.#recorder === undefined) publish();
          else this.#recorder.exclude(publish);
        },
        addDeed: (detail) => this.#addDeed(id, "replay", detail),
      },
      options,
    );
    return this.#player = player;
  }

  /** A session as lines of text. */
  async *export(
    id: number,
    { asJson = false, signal }: { readonly asJson?: boolean; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array> {
    for (let after: number | null = 0; after !== null;) {
      signal?.throwIfAborted();
      const { bytes, next }: { bytes: Uint8Array; next: number | null } = await this.#ask("lines", {
        session: id,
        after,
        asJson,
      });
      if (bytes.length > 0) yield bytes;
      after = next;
    }
  }

  /**
   * Ends the recorder and the replay, and closes the file. What waits is written first, for `lingerMs` at most; what is not in the file by
   * then is a gap in it, with its number.
   */
  close({ lingerMs }: { readonly lingerMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#close(lingerMs);
  }

  /** The same as {@linkcode Archive.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(lingerMs: number | undefined): Promise<void> {
    const late = lingerMs === undefined ? undefined : setTimeout(() => this.#writer?.hurry(), lingerMs);
    await this.#player?.stop().catch(() => {});
    await this.#recorder?.end();
    clearTimeout(late);
    await (await this.#reader?.catch(() => undefined))?.close();
    await this.#writer?.close();
    this.#stopSurviving();
  }

  async #past({ session, last }: Begun, limit: { readonly messages: number }): Promise<FeedPast> {
    const blocks = limit.messages === 0
      ? []
      : await this.#ask<readonly PastBlock[]>("past", { session, ...limit });
    return pastOf(last!, blocks);
  }

  async #reopen(rows: readonly KnownRow[], recorder: Recorder): Promise<readonly boolean[]> {
    const { maxBytes } = this.#options;
    const writer = await Storage.open(this.path, "writer", { create: false, maxBytes });
    try {
      const isThere = await writer.call<boolean[]>("goOn", { rows });
      if (this.#closing !== undefined) throw this.#error("closed", "it is closed");
      this.#writer = writer;
      writer.handler = recorder.storageHandler;
      return isThere;
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  async #addDeed(session: number, kind: string, detail: object): Promise<void> {
    // Of a file that is only read nothing can be told; a disk that is full is no reason not to have replayed.
    await this.#writer?.call("addDeed", {
      session,
      time: 1000 * Date.now(),
      kind,
      detail: JSON.stringify(detail),
    })
      .catch(() => {});
  }

  async #messageBytes(session: number, seq: number): Promise<Uint8Array> {
    return (await this.#ask<{ bytes: Uint8Array }>("message", { session, seq })).bytes;
  }

  async #ask<T>(what: string, args: object): Promise<T> {
    return await (await this.#read()).call<T>(what, args);
  }

  #read(): Promise<Storage> {
    if (this.#closing !== undefined) return Promise.reject(this.#error("closed", "it is closed"));
    const isAlone = this.#writer === undefined;
    this.#reader ??= Storage.open(this.path, "reader", { isAlone });
    // One that could not be opened, or died, is tried again the next time.
    return this.#reader.then((reader) => {
      if (reader.isOpen) return reader;
      this.#reader = undefined;
      return this.#read();
    }, (error) => {
      this.#reader = undefined;
      throw error;
    });
  }

  #needWriter(): Storage {
    if (this.#closing !== undefined) throw this.#error("closed", "it is closed");
    if (this.#writer === undefined) throw this.#error("read-only", "it was opened for reading only");
    return this.#writer;
  }

  #error(code: ArchiveError["code"], why: string): ArchiveError {
    return new ArchiveError(code, `Cannot use archive ${this.path}: ${why}`);
  }
}

function checkOrder(
  { from, to }: { readonly from?: number | undefined; readonly to?: number | undefined },
): void {
  if (from !== undefined && to !== undefined && from > to) {
    throw new RangeError(`Cannot look from ${from} to ${to}: it ends before it begins`);
  }
}

/** What a feed holds by default. */
const PAST = { messages: 100_000, bytes: 16 * 1024 * 1024 };
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
