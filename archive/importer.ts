/**
 * Writes a session whose messages come from elsewhere: an export, or another file. It waits for the disk, so nothing is lost.
 *
 * @module
 */
import { ArchiveError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { frameOf } from "../bus/frames.ts";
import { BLOCK_BYTES, BlockWriter } from "./block_writer.ts";
import { type Row, Storage, type StorageHandler } from "./storage.ts";
import { titleOf } from "./title.ts";

/** What it does with the file. */
export interface ImporterFile {
  /** Hands over a row. */
  tell(row: Row, buffers: ArrayBuffer[]): boolean;
  /** Asks for something. */
  call<T>(what: string, args: object): Promise<T>;
}

/** A message, or a gap, that comes from elsewhere. */
export interface ImportedMessage {
  /** Its JSON text, which is known to be an object; undefined for a gap. */
  readonly text?: string;
  /** When it came, in milliseconds. @default now */
  readonly time?: number | undefined;
  /** Messages that are missing here; `null`: nobody knows how many. */
  readonly missed?: number | null;
  /** Why. */
  readonly reason?: string;
}

/** So many bytes wait for the disk at most. */
const MAX_WAITING = 8 * 1024 * 1024;

/** See the module. */
export class Importer implements StorageHandler {
  readonly #file: ImporterFile;
  readonly #session: number;
  #block: BlockWriter | undefined;
  #seq = 0;
  #time = 0;
  #waiting = 0;
  #trouble: ArchiveError | undefined;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(file: ImporterFile, session: number) {
    this.#file = file;
    this.#session = session;
  }

  /** Messages that were taken. */
  get count(): number {
    return this.#seq + (this.#block?.count ?? 0);
  }

  /**
   * Adds a message, which came at a time in milliseconds; times do not go back.
   *
   * @throws {ArchiveError} `full` or `failed`: the file takes no more.
   */
  async add(text: string, time: number): Promise<void> {
    this.#time = Math.max(this.#time, Math.round(1000 * time));
    const frame = frameOf(text);
    if (this.#block?.hasRoomFor(frame.length) === false) await this.flush();
    const size = Math.max(BLOCK_BYTES, BlockWriter.sizeFor(frame.length));
    this.#block ??= new BlockWriter(new Uint8Array(size), this.#time);
    this.#block.add(frame, 0, frame.length, 1, this.#time);
  }

  /** Adds a block of another file, as it is. */
  async addBlock(
    { bytes, ...head }: {
      readonly first: number;
      readonly count: number;
      readonly t0: number;
      readonly t1: number;
      readonly epoch: string | null;
      readonly number: number | null;
      readonly bytes: Uint8Array<ArrayBuffer>;
    },
  ): Promise<void> {
    this.#seq = head.first + head.count - 1;
    const { epoch: lastEpoch, number, count } = head;
    const last = { lastEpoch, lastNumber: number === null ? 0 : number + count - 1 };
    const row = { session: this.#session, ...head, ...last, bytes, size: bytes.length };
    await this.#hand({ what: "block", ...row }, bytes);
  }

  /** Adds a gap, as a row of the file: times in microseconds. Without `after` it is behind what was added so far. */
  async addGap(
    { after, ...gap }: {
      readonly after?: number;
      readonly missed: number | null;
      readonly t0: number;
      readonly t1: number;
      readonly reason: string;
    },
  ): Promise<void> {
    await this.flush();
    await this.#hand({ what: "gap", session: this.#session, after: after ?? this.#seq, ...gap });
  }

  /** Hands over what is left. */
  async flush(): Promise<void> {
    const block = this.#block;
    if (block === undefined) return;
    this.#block = undefined;
    const { bytes, size, count, from: t0, until: t1 } = block;
    const row = { session: this.#session, first: this.#seq + 1, count, t0, t1, epoch: null, number: null };
    this.#seq += count;
    await this.#hand({ what: "block", ...row, lastEpoch: null, lastNumber: 0, bytes, size }, bytes);
  }

  /** Resolves when everything is on disk. */
  async finish(): Promise<void> {
    await this.flush();
    while (this.#waiting > 0 && this.#trouble === undefined) await this.#wake.promise;
    if (this.#trouble !== undefined) throw this.#trouble;
  }

  handleWritten(_messages: number, bytes: number): void {
    this.#waiting -= bytes;
    this.#wakeUp();
  }

  handleState(state: "recording" | "full" | "failed", message: string): void {
    if (state !== "recording") this.#fail(state, message);
  }

  handleEnd(message: string): void {
    this.#fail("failed", message);
  }

  handleSize(): void {}

  async #hand(row: Row, bytes?: Uint8Array<ArrayBuffer>): Promise<void> {
    while (this.#waiting > MAX_WAITING && this.#trouble === undefined) await this.#wake.promise;
    if (this.#trouble !== undefined) throw this.#trouble;
    this.#waiting += Number(row.size ?? 0);
    this.#file.tell(row, bytes === undefined ? [] : [bytes.buffer]);
  }

  #fail(code: "full" | "failed", message: string): void {
    this.#trouble ??= new ArchiveError(code, `Cannot write archive: ${message}`);
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = Promise.withResolvers();
    wake.resolve();
  }
}

/** Options of {@linkcode importSession}. */
export interface ImportOptions {
  /** What the session is called. @default the date and time of its first message */
  readonly name?: string | undefined;
  /** The program that imports, for people. */
  readonly program?: string | undefined;
}

/**
 * Writes messages that come from elsewhere into a session of their own. Times do not go back. Resolves with the session and its
 * messages when all of it is on disk; with undefined when there were none.
 *
 * @throws {ArchiveError} If the file, which is made if there is none, cannot be opened or takes no more.
 */
export async function importSession(
  path: string,
  messages: AsyncIterable<ImportedMessage>,
  { name, program = "archive" }: ImportOptions = {},
): Promise<{ readonly session: number; readonly messages: number } | undefined> {
  const writer = await Storage.open(path, "writer", { create: true });
  try {
    let found: { readonly session: number; readonly importer: Importer } | undefined;
    let latest = 0;
    for await (const { text, time = Date.now(), missed = null, reason = "unknown" } of messages) {
      latest = Math.max(latest, time);
      const micros = Math.round(1000 * latest);
      if (found === undefined) {
        const about = { name: name ?? titleOf(micros), broker: null, program: `${program} ${VERSION}` };
        // It is not being recorded: whoever begins to record meanwhile leaves it alone.
        const session = await writer.call<number>("add", { ...about, time: micros, ended: micros });
        found = { session, importer: new Importer(writer, session) };
        writer.handler = found.importer;
      }
      if (text !== undefined) await found.importer.add(text, latest);
      else await found.importer.addGap({ missed, t0: micros, t1: micros, reason });
    }
    if (found === undefined) return undefined;
    await found.importer.finish();
    await writer.call("end", { session: found.session, time: Math.round(1000 * latest) });
    return { session: found.session, messages: found.importer.count };
  } finally {
    await writer.close();
  }
}
