/**
 * Rows on their way to the file: handed to the Worker that writes, kept count of until they are on disk, and handed over again when
 * that Worker died.
 *
 * @module
 */
import { Fifo } from "../base/fifo.ts";
import { BLOCK_BYTES } from "./block_writer.ts";
import type { Row, StorageHandler } from "./storage.ts";

/** By what a row is found in the file. */
export interface KnownRow {
  /** What it is. */
  readonly what: Row["what"];
  /** The session that it belongs to. */
  readonly session: number;
  /** The number of its first message; of a gap, that of the message in front of it. */
  readonly first: number;
  /** When it begins, in microseconds. */
  readonly t0: number;
}

/** What a spool does with the file. */
export interface SpoolFile {
  /** Hands over a row. Says whether anyone takes it. */
  tell(row: Row, buffers: ArrayBuffer[]): boolean;
  /** Opens the file anew after its Worker has died. Says for each row that was on its way whether it is there. */
  reopen(rows: readonly KnownRow[]): Promise<readonly boolean[]>;
}

/** Takes what a spool finds out. */
export interface SpoolHandler {
  /** Some of it is on disk. */
  handleRoom(): void;
  /** It cannot write any more, or can again. */
  handleTrouble(state: SpoolState, trouble: string): void;
  /** So many messages went with a Worker that died; a gap row says so. */
  handleLost(messages: number): void;
}

/** Can it write? */
export type SpoolState = "recording" | "full" | "failed";

/** A row that is not on disk yet. */
interface Pending {
  /** 1, 2, 3 … in the order of the file. */
  readonly id: number;
  readonly row: Row;
  /** Number of its first message; of a gap, that of the message in front of it. */
  readonly first: number;
  readonly messages: number;
  readonly bytes: number;
}

/** See the module. */
export class Spool implements StorageHandler {
  readonly #file: SpoolFile;
  readonly #handler: SpoolHandler;
  readonly #pool: ArrayBuffer[] = [];
  readonly #pending: Fifo<Pending> = new Fifo();
  /** Those who wait until the row `id` is on disk. Invariant: ids do not fall. */
  readonly #waiters: { readonly id: number; readonly resolve: () => void }[] = [];
  #lastId = 0;
  #bytes = 0;
  #onDisk = 0;
  #fileBytes: number;
  #isOpen = true;
  #isEnded = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #state: SpoolState = "recording";
  #trouble: string | null = null;

  constructor(file: SpoolFile, fileBytes: number, handler: SpoolHandler) {
    this.#file = file;
    this.#fileBytes = fileBytes;
    this.#handler = handler;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that wait. */
  get messages(): number {
    return this.#pending.slice(0, this.#pending.length).reduce((sum, { messages }) => sum + messages, 0);
  }

  /** Messages that are on disk. */
  get onDisk(): number {
    return this.#onDisk;
  }

  /** When the oldest message came that waits, in microseconds; undefined when none does. */
  get oldest(): number | undefined {
    return this.#pending.first?.row.t0;
  }

  /** Bytes of the file. */
  get fileBytes(): number {
    return this.#fileBytes;
  }

  /** Can it write? */
  get state(): SpoolState {
    return this.#state;
  }

  /** What stands in the way. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Memory for a block. */
  takeBuffer(size: number): ArrayBuffer {
    if (size > BLOCK_BYTES) return new ArrayBuffer(size);
    return this.#pool.pop() ?? new ArrayBuffer(BLOCK_BYTES);
  }

  /** Takes a block of messages, of which `size` bytes of `bytes` are filled. */
  handBlock(row: Row, bytes: Uint8Array<ArrayBuffer>, size: number, first: number, messages: number): void {
    let kept = bytes;
    if (bytes.length === BLOCK_BYTES && size < BLOCK_BYTES / 4) {
      // A quiet bus fills little of it, and many of these may wait for room on the disk.
      this.#pool.push(bytes.buffer);
      kept = bytes.slice(0, size);
    }
    this.#hand({ id: ++this.#lastId, row: { ...row, bytes: kept, size }, first, messages, bytes: size });
  }

  /** Takes a row without messages, behind the message `after`. */
  handMark(row: Row, after: number): void {
    this.#hand({ id: ++this.#lastId, row, first: after, messages: 0, bytes: 0 });
  }

  /** Resolves when all that it has taken so far is on disk. */
  flushed(): Promise<void> {
    const { last } = this.#pending;
    if (last === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ id: last.id, resolve }));
  }

  /** Nobody waits any more, and nothing. */
  end(): void {
    this.#isEnded = true;
    while (this.#pending.shift() !== undefined);
    this.#bytes = 0;
    clearTimeout(this.#retry);
    this.#settle(Infinity);
  }

  // What the Worker tells.

  handleWritten(messages: number, bytes: number, buffer: ArrayBuffer | undefined): void {
    const item = this.#pending.shift();
    this.#bytes -= bytes;
    this.#onDisk += messages;
    if (buffer?.byteLength === BLOCK_BYTES && this.#pool.length < MAX_POOL) this.#pool.push(buffer);
    this.#settle(item?.id ?? 0);
    this.#handler.handleRoom();
  }

  handleState(state: SpoolState, message: string): void {
    const before = this.#state;
    this.#state = state;
    this.#trouble = state === "recording" ? null : message;
    if (before !== state) this.#handler.handleTrouble(state, message);
  }

  handleSize(bytes: number): void {
    this.#fileBytes = bytes;
  }

  /** Its blocks went with it; those that it had not written are a gap. */
  handleEnd(message: string): void {
    this.#isOpen = false;
    this.handleState("failed", message);
    this.#reopenLater();
  }

  #hand(item: Pending): void {
    this.#pending.push(item);
    this.#bytes += item.bytes;
    if (!this.#isOpen) return;
    const { bytes } = item.row as { readonly bytes?: Uint8Array<ArrayBuffer> };
    this.#isOpen = this.#file.tell(item.row, bytes === undefined ? [] : [bytes.buffer]);
  }

  #settle(id: number): void {
    while (this.#waiters.length > 0 && this.#waiters[0]!.id <= id) this.#waiters.shift()!.resolve();
  }

  #reopenLater(): void {
    if (!this.#isEnded) this.#retry = setTimeout(() => void this.#reopen(), REOPEN_MS);
  }

  async #reopen(): Promise<void> {
    const rows = this.#pending.slice(0, this.#pending.length);
    let isThere: readonly boolean[];
    try {
      isThere = await this.#file.reopen(
        rows.map(({ row: { what, session, t0 }, first }) => ({ what, session, first, t0 })),
      );
    } catch (error) {
      this.handleState("failed", error instanceof Error ? error.message : String(error));
      return this.#reopenLater();
    }
    const items: Pending[] = [];
    for (let item; (item = this.#pending.shift()) !== undefined;) items.push(item);
    this.#isOpen = true;
    this.#bytes = 0;
    for (const [i, item] of items.entries()) this.#handAgain(item, isThere[i] ?? false);
    this.handleState("recording", "");
    this.#handler.handleRoom();
  }

  /** Those that were handed over are gone with the Worker; the others still have their bytes. */
  #handAgain(item: Pending, isThere: boolean): void {
    const { what, session, t0, t1, bytes } = item.row as Row & { readonly bytes?: Uint8Array };
    const { first, messages } = item;
    if (isThere) {
      this.#onDisk += messages;
      return this.#settle(item.id);
    }
    if (what !== "block" || bytes!.byteLength > 0) return this.#hand(item);
    this.#handler.handleLost(messages);
    const after = first - 1;
    const row: Row = { what: "gap", session, after, missed: messages, reason: "failed", t0, t1 };
    this.#hand({ ...item, row, first: after, messages: 0, bytes: 0 });
  }
}

const REOPEN_MS = 1000;
/** Buffers that are kept to be filled again. */
const MAX_POOL = 64;
