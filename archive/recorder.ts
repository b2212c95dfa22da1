/**
 * The recorder: takes what a feed adds, puts it into blocks, and hands them to the Worker that writes. The loop it runs in only
 * copies; when the disk cannot keep up, messages are lost to the file, counted, and told in it as a gap.
 *
 * ```text
 *   feed ──piece──▶ block ──256 KiB or 250 ms──▶ Worker ──▶ file
 *                     └── more than 64 MiB wait ──▶ gap row
 * ```
 *
 * @module
 */
import { ArchiveError, ClosedError } from "../base/errors.ts";
import type { GapReason } from "../bus/events.ts";
import type { FeedPast, FeedRecorder, Piece } from "../bus/feed_store.ts";
import { eachFrame } from "../bus/frames.ts";
import { typeOf } from "../bus/json_member.ts";
import { formatPlace, type Place } from "../bus/place.ts";
import type { RecorderStats, RecorderView, SessionInfo } from "../bus/recording.ts";
import { BlockWriter } from "./block_writer.ts";
import { Spool, type SpoolFile } from "./spool.ts";
import type { StorageHandler } from "./storage.ts";
import { matcher } from "./types.ts";

/** Options of a recorder. */
export interface RecordOptions {
  /** What the session is called. @default the date and time */
  readonly name?: string | undefined;
  /** The broadcast address that is recorded, for people. */
  readonly broker?: string | undefined;
  /** The program that records, for people. */
  readonly program?: string | undefined;
  /** Only these types; a `*` at the end stands for anything. */
  readonly only?: readonly string[] | undefined;
  /** Not these types. */
  readonly except?: readonly string[] | undefined;
  /** Bytes that may wait to be written. @default 64 MiB */
  readonly maxWaitingBytes?: number | undefined;
  /** How much of what was recorded before a feed shall go on from. @default 100_000 messages, 16 MiB */
  readonly past?: { readonly messages: number; readonly bytes: number } | undefined;
}

/** What a recorder does with the file. */
export interface RecorderFile extends SpoolFile {
  /** Begins another session. */
  begin(name: string | undefined, time: number): Promise<number>;
  /** Ends a session. Resolves with the number of its messages that could not be written. */
  end(session: number, time: number): Promise<number>;
  /** A session, as it is listed. */
  info(session: number): Promise<SessionInfo>;
  /** Nobody records any more. */
  release(): Promise<void>;
}

/** Where a recorder begins. */
export interface RecorderStart {
  /** Its session. */
  readonly session: number;
  /** The last message that was recorded before, where it is known. */
  readonly last: { readonly epoch: string; readonly number: number; readonly isExact: boolean } | undefined;
  /** Did the last session end with a goodbye? */
  readonly lastWasClean: boolean;
  /** What a feed goes on from. */
  readonly past: FeedPast | undefined;
  /** Bytes of the file. */
  readonly fileBytes: number;
}

interface OpenGap {
  readonly after: number;
  readonly reason: string;
  readonly t0: number;
  t1: number;
  missed: number | null;
}

/** See the module. It is made by `Archive.record`. */
export class Recorder implements FeedRecorder, RecorderView, AsyncDisposable {
  /** What a feed goes on from. */
  readonly past: FeedPast | undefined;
  /** Did the last session of the file end with a goodbye? Then whoever recorded it had everything written. */
  readonly lastWasClean: boolean;
  readonly #file: RecorderFile;
  readonly #passes: ((type: string) => boolean) | undefined;
  readonly #maxWaitingBytes: number;
  readonly #spool: Spool;
  /** Microseconds since 1970 at the zero of `performance.now()`: a clock that never goes back. */
  #anchor = 1000 * (Date.now() - performance.now());
  #time = 0;
  /** Time of the last message that was added. */
  #written = 0;
  #session: number;
  #seq = 0;
  #block: BlockWriter | undefined;
  /** Number of the block's first message in its life; null where they do not follow each other. */
  #blockEpoch: string | null = null;
  #blockNumber: number | null = null;
  #lastEpoch: string | undefined;
  #lastNumber = 0;
  #gap: OpenGap | undefined;
  #isDropping = false;
  #isReplaying = false;
  #pause = false;
  #isEnded: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #received = 0;
  #recorded = 0;
  #leftOutByType = 0;
  #leftOutByPause = 0;
  #leftOutByReplay = 0;
  readonly #lost: Record<string, number> = {};
  #gaps = 0;
  /** Called when messages begin to be lost to the file, and why: `behind`, `full` or `failed`. */
  handleLoss: ((reason: string) => void) | undefined;
  /** Called when the state changes, with what stands in the way. */
  handleTrouble: ((state: RecorderStats["state"], trouble: string) => void) | undefined;

  /** For a session that was begun. */
  constructor(file: RecorderFile, start: RecorderStart, options: RecordOptions) {
    this.#file = file;
    this.#session = start.session;
    this.#lastEpoch = start.last?.epoch;
    this.#lastNumber = start.last?.number ?? 0;
    this.past = start.past;
    this.lastWasClean = start.lastWasClean;
    this.#spool = new Spool(file, start.fileBytes, {
      handleRoom: () => this.#handleRoom(),
      handleTrouble: (state, trouble) => this.handleTrouble?.(state, trouble),
      handleLost: (messages) => {
        this.#gaps++;
        this.#count(messages, "failed");
      },
    });
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 64 * 1024 * 1024;
    const only = options.only && matcher(options.only);
    const except = options.except && matcher(options.except);
    if (only !== undefined || except !== undefined) {
      this.#passes = (type) => (only?.(type) ?? true) && !(except?.(type) ?? false);
    }
  }

  /** The place of the last message that was recorded, in this session or before: where to go on. */
  get place(): string | undefined {
    return this.#lastEpoch === undefined ? undefined : formatPlace(this.#lastEpoch, this.#lastNumber);
  }

  /** The session that it writes to. */
  get session(): number {
    return this.#session;
  }

  /** While true, nothing is recorded. */
  get pause(): boolean {
    return this.#pause;
  }

  set pause(pause: boolean) {
    this.#pause = pause;
  }

  // What a feed tells.

  /** See `FeedRecorder`. */
  handlePiece(piece: Piece, epoch: string, seq: number, now: number): void {
    const { messages, bytes, start, end } = piece;
    this.#received += messages;
    this.#lastEpoch = epoch;
    this.#lastNumber = seq + messages - 1;
    if (this.#isEnded !== undefined) return;
    const time = this.#timeOf(piece.time, now);
    if (this.#isReplaying) this.#leftOutByReplay += messages;
    else if (this.#pause) this.#leftOutByPause += messages;
    else if (this.#passes !== undefined) this.#addPassing(piece, time);
    else this.#add(bytes, start, end, messages, time, { epoch, seq });
  }

  /** See `FeedRecorder`. It is written at once: a life that nothing is known of could not be told from a stranger's. */
  handleLife(epoch: string, seq: number): void {
    if (this.#isEnded !== undefined) return;
    this.#finish();
    this.#lastEpoch = epoch;
    this.#lastNumber = seq;
    const time = this.#clock(performance.now());
    const row = { session: this.#session, t0: time, t1: time, epoch, number: seq };
    this.#spool.handMark({ what: "life", ...row }, this.#seq);
  }

  /** See `FeedRecorder`. */
  handleGap(missed: number | null, reason: GapReason): void {
    if (this.#isEnded !== undefined) return;
    this.#lose(missed, reason, this.#clock(performance.now()));
    if (!this.#isDropping) this.#tellGap();
  }

  /** Who hears what the Worker that writes tells. */
  get storageHandler(): StorageHandler {
    return this.#spool;
  }

  /** Counters. */
  stats(): RecorderStats {
    const { state, trouble, onDisk, fileBytes, oldest = this.#block?.from } = this.#spool;
    return {
      state: this.#isEnded !== undefined ? "ended" : state === "recording" && this.#pause ? "paused" : state,
      trouble,
      session: this.#session,
      received: this.#received,
      recorded: this.#recorded,
      onDisk,
      waitingBytes: this.#waitingBytes,
      lagMs: oldest === undefined ? 0 : Math.max(0, this.#clock(performance.now()) - oldest) / 1000,
      leftOut: { type: this.#leftOutByType, paused: this.#leftOutByPause, replay: this.#leftOutByReplay },
      lost: { ...this.#lost },
      gaps: this.#gaps,
      fileBytes,
    };
  }

  /** Is what is published now not to be recorded? */
  get isExcluding(): boolean {
    return this.#isReplaying;
  }

  /** Runs something that publishes; what that adds to the feed is not recorded. */
  exclude<T>(work: () => T): T {
    this.#isReplaying = true;
    try {
      return work();
    } finally {
      this.#isReplaying = false;
    }
  }

  /** Resolves when everything that was recorded so far is on disk. Waits as long as there is no room. */
  flushed(): Promise<void> {
    this.#finish();
    return this.#spool.flushed();
  }

  /**
   * Ends the session and begins another.
   *
   * @throws {ArchiveError} If the file takes no new session; the old one then goes on.
   */
  async split({ name }: { readonly name?: string | undefined } = {}): Promise<SessionInfo> {
    if (this.#isEnded !== undefined) throw new ClosedError("Cannot begin session: the recorder has ended");
    const time = this.#clock(performance.now());
    const next = await this.#file.begin(name, time);
    const last = this.#session;
    this.#finish();
    this.#tellGap();
    // Not awaited: with no room on the disk it waits, and the new session goes on.
    void this.flushed().then(() => this.#file.end(last, time)).catch(() => {});
    this.#session = next;
    this.#seq = 0;
    return await this.#file.info(next);
  }

  /** Writes what waits, as far as that works, and says goodbye. Resolves when that is on disk. */
  end(): Promise<void> {
    return this.#isEnded ??= this.#end();
  }

  /** The same as {@linkcode Recorder.end}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  async #end(): Promise<void> {
    this.#finish();
    this.#tellGap();
    clearTimeout(this.#timer);
    try {
      const lost = await this.#file.end(this.#session, this.#clock(performance.now()));
      if (lost > 0) this.#count(lost, this.#spool.state === "recording" ? "behind" : "full");
    } catch (error) {
      // A Worker that is gone has nothing to end, and what was on its way to it is not written any more.
      if (!(error instanceof ArchiveError)) throw error;
      this.#count(this.#spool.messages, "failed");
    } finally {
      await this.#file.release();
      this.#spool.end();
    }
  }

  #handleRoom(): void {
    if (!this.#isDropping || this.#waitingBytes > this.#maxWaitingBytes / 2) return;
    this.#isDropping = false;
    this.#tellGap();
  }

  get #waitingBytes(): number {
    return this.#spool.bytes + (this.#block?.size ?? 0);
  }

  #clock(now: number): number {
    return this.#time = Math.max(this.#time, Math.round(this.#anchor + 1000 * now));
  }

  /** Microseconds of our own clock, but for what a broker tells of messages that came while we were away. */
  #timeOf(ms: number, now: number): number {
    const own = this.#clock(now);
    return 1000 * ms > own - AWAY_US ? own : Math.max(this.#written, 1000 * ms);
  }

  /** The runs of messages whose types pass. */
  #addPassing(piece: Piece, time: number): void {
    const { bytes } = piece;
    let [from, to, messages] = [0, 0, 0];
    const add = () => {
      if (messages > 0) this.#add(bytes, from, to, messages, time, undefined);
      messages = 0;
    };
    eachFrame(piece, (start, bodyStart, end) => {
      if (!this.#passes!(typeOf(bytes, bodyStart, end) ?? "")) {
        this.#leftOutByType++;
        return add();
      }
      if (messages === 0) from = start;
      to = end;
      messages++;
    });
    add();
  }

  #add(
    bytes: Uint8Array,
    start: number,
    end: number,
    messages: number,
    time: number,
    place: Place | undefined,
  ): void {
    const size = end - start;
    if (
      this.#isDropping ||
      (this.#waitingBytes > 0 && this.#waitingBytes + BlockWriter.sizeFor(size) > this.#maxWaitingBytes)
    ) {
      const { state } = this.#spool;
      const reason = state === "recording" ? "behind" : state;
      if (!this.#isDropping) this.handleLoss?.(reason);
      this.#isDropping = true;
      return this.#lose(messages, reason, time);
    }
    if (this.#block !== undefined && !(this.#block.hasRoomFor(size) && this.#follows(place))) this.#finish();
    if (this.#block === undefined) this.#begin(size, time, place);
    this.#block!.add(bytes, start, end, messages, time);
    this.#written = time;
    this.#recorded += messages;
  }

  #follows(place: Place | undefined): boolean {
    if (place === undefined || this.#blockNumber === null) {
      return place === undefined && this.#blockNumber === null;
    }
    return place.epoch === this.#blockEpoch && place.seq === this.#blockNumber + this.#block!.count;
  }

  #begin(size: number, time: number, place: Place | undefined): void {
    this.#block = new BlockWriter(new Uint8Array(this.#spool.takeBuffer(BlockWriter.sizeFor(size))), time);
    this.#blockEpoch = place?.epoch ?? null;
    this.#blockNumber = place?.seq ?? null;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#finish();
    }, FLUSH_MS);
  }

  /** Hands over the block. */
  #finish(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#block = undefined;
    const { bytes, size, count, from: t0, until: t1 } = block;
    const first = this.#seq + 1;
    this.#seq += count;
    const [epoch, number] = [this.#blockEpoch, this.#blockNumber];
    const [lastEpoch, lastNumber] = [this.#lastEpoch ?? null, this.#lastNumber];
    const row = { session: this.#session, first, count, t0, t1, epoch, number, lastEpoch, lastNumber };
    this.#spool.handBlock({ what: "block", ...row }, bytes, size, first, count);
  }

  #lose(missed: number | null, reason: string, time: number): void {
    if (this.#gap !== undefined && (this.#gap.reason !== reason || missed === null)) this.#tellGap();
    this.#finish();
    this.#gap ??= { after: this.#seq, reason, t0: time, t1: time, missed: missed === null ? null : 0 };
    this.#gap.t1 = time;
    if (missed !== null) this.#gap.missed! += missed;
    this.#count(missed ?? 0, reason);
    if (missed === null) this.#tellGap();
  }

  #count(missed: number, reason: string): void {
    this.#lost[reason] = (this.#lost[reason] ?? 0) + missed;
  }

  /** The gap is over, or ends here for now. */
  #tellGap(): void {
    const gap = this.#gap;
    if (gap === undefined) return;
    this.#gap = undefined;
    this.#gaps++;
    const { after, missed, reason, t0, t1 } = gap;
    const place = this.#lastEpoch === undefined ? {} : { epoch: this.#lastEpoch, number: this.#lastNumber };
    const row = { session: this.#session, after, missed, reason, t0, t1, ...place };
    this.#spool.handMark({ what: "gap", ...row }, after);
  }
}

/** A message whose time is farther back than this was not just sent. */
const AWAY_US = 1_000_000;
/** A message is on disk at the latest so long after it came, if the disk keeps up. */
const FLUSH_MS = 250;
