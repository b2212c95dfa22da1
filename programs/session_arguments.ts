/**
 * What the commands for archives have in common on the command line: the file, a session of it, and moments.
 *
 * @module
 */
import { Archive } from "../archive/mod.ts";
import { parseDuration } from "../base/duration.ts";
import { quote } from "../base/quote.ts";
import type { Moment, SessionInfo } from "../bus/recording.ts";
import { type FlagValues, UsageError } from "./arguments.ts";
import { ProgramError } from "./command_line.ts";

/** The file and, if it is there, the session. */
export function fileAndSession(
  rest: readonly string[],
): { readonly path: string; readonly id: number | undefined } {
  const [path, session, ...more] = rest;
  if (path === undefined) throw new UsageError("Cannot open the archive: its file is missing");
  if (more.length > 0) {
    throw new UsageError(`Cannot use argument ${quote(more[0]!)}: expected a file and a session`);
  }
  if (session === undefined) return { path, id: undefined };
  const id = Number(/^s?(\d{1,9})$/.exec(session)?.[1] ?? NaN);
  if (!(id >= 1)) throw new UsageError(`Cannot use session ${quote(session)}: expected a number, such as 3`);
  return { path, id };
}

/** Opens a file to read it; to write too where that was allowed and is wanted. */
export async function openToRead(path: string, wantsDeeds = false): Promise<Archive> {
  const mayWrite = wantsDeeds &&
    Deno.permissions.querySync({ name: "write", path }).state === "granted";
  return await Archive.open(path, mayWrite ? { create: false } : { readOnly: true });
}

/** The session that is meant: the latest one when none is named. */
export async function sessionOf(archive: Archive, id: number | undefined): Promise<SessionInfo> {
  if (id !== undefined) return await archive.session(id);
  const { sessions: [latest] } = await archive.sessions({ limit: 1 });
  if (latest === undefined) throw new ProgramError(`Cannot use archive ${archive.path}: it has no session`);
  return latest;
}

/** What a person may write for a moment. */
export const MOMENT_HELP =
  "#812 (a message), +90s (from the session's start), 14:30 or 14:30:05 (its day), or a date and time";

/** The moment that a flag names. */
export function momentFlag(values: FlagValues, name: string, { started }: SessionInfo): Moment | undefined {
  const text = values[name];
  if (typeof text !== "string") return undefined;
  if (/^#\d{1,15}$/.test(text)) return { seq: Number(text.slice(1)) };
  const since = text.startsWith("+") ? parseDuration(text.slice(1)) : undefined;
  if (since !== undefined) return { time: started + since };
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,6})?))?$/.exec(text);
  if (clock !== null && Number(clock[1]) < 24 && Number(clock[2]) < 60) {
    const day = new Date(started);
    day.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    const time = day.getTime() + 1000 * Number(clock[3] ?? 0);
    // A session may go on past midnight.
    return { time: time < started - 60_000 ? time + 86_400_000 : time };
  }
  const time = timeOf(text);
  if (time === undefined) {
    throw new UsageError(`Cannot use --${name} ${quote(text)}: expected ${MOMENT_HELP}`);
  }
  return { time };
}

/** The time of a flag: a date, a date and time, or so long ago. */
export function timeFlag(values: FlagValues, name: string): number | undefined {
  const text = values[name];
  if (typeof text !== "string") return undefined;
  const ago = parseDuration(text);
  const time = ago === undefined ? timeOf(text) : Date.now() - ago;
  if (time === undefined) {
    throw new UsageError(
      `Cannot use --${name} ${
        quote(text)
      }: expected a date such as 2026-11-25, a date and time, or 2d for so long ago`,
    );
  }
  return time;
}

function timeOf(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(?:[T ]|$)/.test(text)) return undefined;
  const time = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(time) ? undefined : time;
}

/** A date and time on this machine, to the second. */
export function shownTime(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${
    two(date.getMinutes())
  }:${two(date.getSeconds())}`;
}

/** How long, for people: `1 h 12 min`. */
export function shownLength(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
