/**
 * A disk of the world, and the file of an archive on it: slow, full, or with a Worker that dies. What is on it stays when the process
 * is no more.
 *
 * @module
 */
import { ArchiveError } from "../../base/errors.ts";
import { Recorder, type RecorderFile } from "../../archive/recorder.ts";
import type { KnownRow } from "../../archive/spool.ts";
import type { Row } from "../../archive/storage.ts";
import { walkBlock } from "../../archive/worker/block.js";
import type { SessionInfo } from "../../bus/recording.ts";
import type { Life } from "./model.ts";
import type { Random } from "./random.ts";
import type { Process, World } from "./world.ts";

/** A row with its bytes. */
type Written = Row & { readonly bytes?: Uint8Array; readonly size?: number; readonly count?: number };

/** So long the Worker waits until it tries a full disk again. */
const RETRY_MS = 500;
/** Bytes that may wait for it. */
const WAITING_BYTES = 40_000;

/** What one life of the broker records to. */
export class Disk implements RecorderFile {
  readonly recorder: Recorder;
  /** Milliseconds that a row takes. */
  slowMs: number;
  isFull = false;
  /** Messages that could not be written when the session ended, and those of gaps that could not. */
  lostAtEnd = 0;
  hasGoodbye = false;
  readonly #world: World;
  readonly #process: Process;
  readonly #random: Random;
  /** What is on the disk, in its order. */
  readonly #rows: Written[] = [];
  /** What the Worker has. */
  #waiting: Written[] = [];
  #isAlive = true;
  #isWriting = false;
  #isInTrouble = false;

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
    this.#random = world.stream(`disk of ${process.name}`);
    this.slowMs = this.#random.pick([0.1, 5, 50]);
    const start = { session: 1, last: undefined, lastWasClean: true, past: undefined, fileBytes: 0 };
    this.recorder = new Recorder(this, start, { maxWaitingBytes: WAITING_BYTES });
  }

  // What the recorder asks for.

  tell(row: Row, buffers: ArrayBuffer[]): boolean {
    if (!this.#isAlive) return false;
    const { bytes, size } = row as Written;
    // The bytes go over to the Worker.
    this.#waiting.push(bytes === undefined ? row : { ...row, bytes: bytes.slice(0, size) });
    for (const buffer of buffers) buffer.transfer();
    this.#writeLater();
    return true;
  }

  begin(): Promise<number> {
    return Promise.resolve(2);
  }

  end(): Promise<number> {
    // Whoever opens the file next finds a session without a goodbye.
    if (!this.#isAlive) return Promise.reject(new ArchiveError("failed", "it died"));
    while (!this.isFull && this.#waiting.length > 0) this.#writeFirst();
    let inBlocks = 0;
    for (const { count = 0, missed } of this.#waiting.splice(0)) {
      inBlocks += count;
      this.lostAtEnd += count + Number(missed ?? 0);
    }
    this.hasGoodbye = true;
    // Gaps were counted when they were told.
    return Promise.resolve(inBlocks);
  }

  info(): Promise<SessionInfo> {
    return Promise.reject(new Error("nobody asks"));
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  reopen(asked: readonly KnownRow[]): Promise<readonly boolean[]> {
    this.#isAlive = true;
    return Promise.resolve(
      asked.map(({ what, first, t0 }) =>
        this.#rows.some((row) => row.what === what && (row.first ?? row.after) === first && row.t0 === t0)
      ),
    );
  }

  // What befalls it.

  /** The Worker dies; it may have written some without saying so. */
  die(): void {
    if (!this.#isAlive || this.recorder.stats().state === "ended") return;
    this.#isAlive = this.#isInTrouble = false;
    const written = this.isFull ? 0 : this.#random.int(1 + this.#waiting.length);
    this.#rows.push(...this.#waiting.splice(0, written));
    this.#waiting = [];
    this.recorder.storageHandler.handleEnd("it died");
  }

  #writeLater(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    const ms = this.#isInTrouble ? RETRY_MS : this.#random.between(0, 2 * this.slowMs);
    this.#world.after(ms, this.#process, "disk", () => {
      this.#isWriting = false;
      if (!this.#isAlive || this.#waiting.length === 0) return;
      const { storageHandler } = this.recorder;
      if (this.isFull !== this.#isInTrouble) {
        this.#isInTrouble = this.isFull;
        storageHandler.handleState(this.isFull ? "full" : "recording", this.isFull ? "no space left" : "");
      }
      if (!this.isFull) this.#writeFirst();
      if (this.#waiting.length > 0) this.#writeLater();
    });
  }

  #writeFirst(): void {
    const row = this.#waiting.shift()!;
    this.#rows.push(row);
    this.recorder.storageHandler.handleWritten(row.count ?? 0, row.size ?? 0, undefined);
  }

  /**
   * What is on the disk must be what the broker accepted, in its order, each message or the gap in its place. Says up to which number
   * it goes.
   */
  check({ epoch, texts }: Life): number {
    const decoder = new TextDecoder();
    let next = 1;
    for (const row of this.#rows) {
      // The broker's life was written down: no message, and no gap.
      if (row.what === "life") continue;
      if (row.what === "gap") {
        next += Number(row.missed);
        continue;
      }
      const { bytes, count } = row;
      if (row.epoch !== epoch || row.number !== next) {
        this.#fail(`has a block of ${row.epoch}.${row.number} where ${epoch}.${next} is due`);
        return next;
      }
      walkBlock(
        bytes!,
        { first: Number(row.first), count: count!, t0: row.t0 },
        (_seq: number, _time: number, start: number, end: number) => {
          const text = decoder.decode(bytes!.subarray(start, end));
          if (text !== texts[next - 1]) this.#fail(`has another message at ${next} than the broker accepted`);
          next++;
        },
      );
    }
    if (next - 1 > texts.length) this.#fail(`goes up to ${next - 1}, the broker accepted ${texts.length}`);
    return next - 1;
  }

  /** The same when the session has ended: nothing is left out. */
  checkEnd(life: Life): void {
    const { recorded, received, lost, onDisk, waitingBytes } = this.recorder.stats();
    const upTo = this.check(life) + this.lostAtEnd;
    if (this.hasGoodbye && upTo !== life.texts.length) {
      this.#fail(`ends at ${upTo}, ${this.lostAtEnd} lost at the end included, of ${life.texts.length}`);
    }
    const sum = Object.values(lost).reduce((sum, count) => sum + count, 0);
    if (onDisk + sum !== received || recorded > received) {
      this.#fail(`counts ${onDisk} on disk of ${recorded}, and ${JSON.stringify(lost)} lost, of ${received}`);
    }
    if (waitingBytes > 0) this.#fail(`counts ${waitingBytes} bytes that wait`);
  }

  #fail(why: string): void {
    this.#world.fail(`the archive of ${this.#process.name} ${why}`);
  }
}
