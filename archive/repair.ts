/**
 * Looks through a file for damage, and copies what is good into a new one.
 *
 * @module
 */
import { ArchiveError } from "../base/errors.ts";
import type { SessionInfo } from "../bus/recording.ts";
import { Importer } from "./importer.ts";
import { Storage } from "./storage.ts";

/** What a check found. */
export interface CheckReport {
  /** Sessions in the file. */
  readonly sessions: number;
  /** Messages that can be read. */
  readonly messages: number;
  /** What is wrong, a line each; empty when nothing is. */
  readonly faults: readonly string[];
}

/** What a repair did. */
export interface RepairReport {
  /** Sessions that were copied. */
  readonly sessions: number;
  /** Messages that were copied. */
  readonly messages: number;
  /** Messages that could not be read; gaps in the new file tell of them. */
  readonly lost: number;
}

/** Options of both. */
export interface CheckOptions {
  /** Called from time to time with the messages that were looked at. */
  readonly handleProgress?: (messages: number) => void;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

interface Block {
  readonly first: number;
  readonly count: number;
  readonly t0: number;
  readonly t1: number;
  readonly epoch: string | null;
  readonly number: number | null;
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

interface Extras {
  readonly gaps: readonly {
    readonly after: number;
    readonly missed: number | null;
    readonly t0: number;
    readonly t1: number;
    readonly reason: string;
  }[];
  readonly notes: readonly object[];
  readonly stars: readonly number[];
  readonly deeds: readonly object[];
}

/**
 * Reads all of an archive. Nothing is changed.
 *
 * @throws {ArchiveError} If it cannot be opened at all.
 */
export async function checkArchive(path: string, options: CheckOptions = {}): Promise<CheckReport> {
  const reader = await Storage.open(path, "reader", { isAlone: true });
  try {
    const faults: string[] = [];
    let [sessions, messages] = [0, 0];
    for (let from: number | null = 0; from !== null;) {
      options.signal?.throwIfAborted();
      const part: { faults: string[]; messages: number; next: number | null } = await reader.call("check", {
        from,
      });
      faults.push(...part.faults);
      messages += part.messages;
      options.handleProgress?.(messages);
      from = part.next;
    }
    // Where even these tables cannot be read, there is a fault already, or this is one.
    try {
      sessions = (await allSessions(reader)).length;
    } catch (error) {
      if (faults.length === 0) throw error;
    }
    return { sessions, messages, faults };
  } finally {
    await reader.close();
  }
}

/**
 * Copies all that is good in an archive into a new file; messages that cannot be read become gaps with the reason `damaged`.
 *
 * @throws {ArchiveError} If the one cannot be read at all, or the other is there already or cannot be written.
 */
export async function repairArchive(
  path: string,
  to: string,
  options: CheckOptions = {},
): Promise<RepairReport> {
  const reader = await Storage.open(path, "reader", { isAlone: true });
  try {
    await refuseFile(to);
    const writer = await Storage.open(to, "writer", { create: true });
    try {
      let [sessions, messages, lost] = [0, 0, 0];
      for (const session of (await allSessions(reader)).toReversed()) {
        const copied = await copySession(reader, writer, session, messages, options);
        sessions++;
        messages += copied.messages;
        lost += copied.lost;
      }
      return { sessions, messages, lost };
    } finally {
      await writer.close();
    }
  } finally {
    await reader.close();
  }
}

async function allSessions(reader: Storage): Promise<readonly SessionInfo[]> {
  const page = await reader.call<{ sessions: SessionInfo[] }>("sessions", { limit: 1_000_000 });
  return page.sessions;
}

async function copySession(
  reader: Storage,
  writer: Storage,
  { id, name, description, star, started, ended, broker, program }: SessionInfo,
  before: number,
  { handleProgress, signal }: CheckOptions,
): Promise<{ readonly messages: number; readonly lost: number }> {
  const micros = (ms: number) => Math.round(1000 * ms);
  const copy = await writer.call<number>("add", {
    name,
    broker,
    program,
    time: micros(started),
    ended: micros(started),
  });
  const importer = new Importer(writer, copy);
  writer.handler = importer;
  const extras = await part(() => reader.call<Extras>("extras", { session: id }));
  for (const gap of extras?.gaps ?? []) await importer.addGap(gap);
  let [messages, lost, latest] = [0, 0, micros(started)];
  for (let after = 0;;) {
    signal?.throwIfAborted();
    const block = await part(() => reader.call<Block | undefined>("block", { session: id, after }));
    if (block === undefined) break;
    const { first, count, t0, t1 } = block;
    after = first + count - 1;
    latest = t1;
    if (block.bytes === undefined) {
      await importer.addGap({ after: first - 1, missed: count, t0, t1, reason: "damaged" });
      lost += count;
    } else {
      await importer.addBlock({ ...block, bytes: block.bytes });
      messages += count;
    }
    handleProgress?.(before + messages);
  }
  await importer.finish();
  await writer.call("changeSession", { session: copy, description, star });
  for (const seq of extras?.stars ?? []) {
    await writer.call("starEvent", { session: copy, seq, star: true }).catch(() => {}); // It was in a damaged block.
  }
  for (const note of extras?.notes ?? []) await writer.call("addNote", { session: copy, ...note });
  for (const deed of extras?.deeds ?? []) await writer.call("addDeed", { session: copy, ...deed });
  await writer.call("end", { session: copy, time: Math.max(latest, micros(ended ?? 0)) });
  return { messages, lost };
}

/** What cannot be read is left out. */
async function part<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ArchiveError && error.code === "damaged") return undefined;
    throw error;
  }
}

async function refuseFile(path: string): Promise<void> {
  const there = await Deno.stat(path).then(() => true, () => false);
  if (there) throw new ArchiveError("in-use", `Cannot write ${path}: there is a file of that name already`);
}
