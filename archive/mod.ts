/**
 * Recording and replay: the session is a document. What was said on the bus is kept in one file, searched, annotated, replayed, and the
 * applications can be sent back to a moment of it.
 *
 * ```text
 *   feed of a broker or a client ──▶ Recorder ──▶ Archive, one file ──▶ pages of messages and events, replay, go back
 * ```
 *
 * Nobody loads it who does not ask for it. It needs `--allow-read` and `--allow-write` of the file.
 *
 * @module
 */
export { Archive, type ArchiveOptions } from "./archive.ts";
export {
  checkArchive,
  type CheckOptions,
  type CheckReport,
  repairArchive,
  type RepairReport,
} from "./repair.ts";
export { type ImportedMessage, type ImportOptions, importSession } from "./importer.ts";
export { Player, type PlayerClock, type PlayerSource } from "./player.ts";
export { Recorder, type RecorderFile, type RecorderStart, type RecordOptions } from "./recorder.ts";
export type { KnownRow, SpoolFile } from "./spool.ts";
export type { Row, StorageHandler } from "./storage.ts";
export { ArchiveError } from "../base/errors.ts";
export type * from "../bus/recording.ts";
export type { Block, FeedPast, FeedRecorder, PastPiece, Piece, Sender } from "../bus/feed_store.ts";
export type { BusPort, Receipt } from "../bus/port.ts";
export type { GapReason } from "../bus/events.ts";
export type { FeedEntry } from "../bus/feed_entry.ts";
export type { FeedSlice, FeedView, Located } from "../bus/feed_view.ts";
export type { Value } from "../bus/last_values.ts";
