/**
 * `client.ts sessions`: what was recorded.
 *
 * @module
 */
import { quote, visible } from "../../base/quote.ts";
import type { SessionEvent, SessionInfo } from "../../bus/recording.ts";
import { type FlagValues, UsageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { integerFlag } from "../command_line.ts";
import { counted } from "../counted.ts";
import { print, untilReaderGone } from "../log.ts";
import { fileAndSession, openToRead, shownLength, shownTime, timeFlag } from "../session_arguments.ts";
import type { Stop } from "../stop.ts";

export const command: Command = {
  usage: "F [SESSION] [options]",
  permission: "--allow-read=F",
  flags: {
    text: {
      type: "string",
      value: "WORDS",
      help: "only those with all of these words: name, description, events or notes",
    },
    from: {
      type: "string",
      value: "WHEN",
      help: "only those at this time or later: a date, a date and time, or 2d ago",
    },
    to: { type: "string", value: "WHEN", help: "only those at this time or before, likewise" },
    starred: { type: "boolean", help: "only those with a star" },
    app: { type: "string", value: "NAME", help: "with SESSION: only events of this application" },
    instance: { type: "string", value: "ID", help: "with SESSION: only events of this instance" },
    limit: { type: "string", value: "N", help: "at most so many; 50 sessions, all events by default" },
    json: { type: "boolean", help: "print a line of JSON for each, for programs" },
  },
  notes:
    `Without SESSION it lists the sessions of the file, newest first; with one, its events: the log messages in it.`,
  run,
};

async function run(values: FlagValues, rest: readonly string[], { signal }: Stop): Promise<void> {
  const { path, id } = fileAndSession(rest);
  const filter = {
    text: values.text as string | undefined,
    from: timeFlag(values, "from"),
    to: timeFlag(values, "to"),
    starred: values.starred === true,
  };
  if (filter.from !== undefined && filter.to !== undefined && filter.from > filter.to) {
    throw new UsageError("Cannot use --from and --to: it ends before it begins");
  }
  for (const name of ["app", "instance"]) {
    if (id === undefined && values[name] !== undefined) {
      throw new UsageError(`Cannot use --${name}: it goes with a SESSION`);
    }
  }
  const limit = integerFlag(values, "limit", 1, 1_000_000);
  const isOver = AbortSignal.any([signal, untilReaderGone()]);
  await using archive = await openToRead(path);
  if (id === undefined) {
    const { sessions } = await archive.sessions({ ...filter, limit: limit ?? 50 });
    if (values.json === true) { for (const session of sessions) print(JSON.stringify(session)); }
    else for (const line of table(sessions)) print(line);
    return;
  }
  const session = await archive.session(id);
  const asJson = values.json === true;
  if (!asJson) { for (const line of head(session)) print(line); }
  const { instance, app } = values;
  const more = {
    ...(typeof app === "string" ? { application: app } : {}),
    ...(typeof instance === "string" ? { instance: instanceText(instance) } : {}),
  };
  let left = limit ?? Infinity;
  for (let after = 0; left > 0 && !isOver.aborted;) {
    const { events, next } = await archive.events(id, {
      ...filter,
      ...more,
      after,
      limit: Math.min(500, left),
    });
    for (const event of events) print(asJson ? JSON.stringify(event) : line(event));
    left -= events.length;
    if (next === null) break;
    after = next;
  }
}

/** A number is a number, and everything else a text, as JSON has them; whoever means another one writes JSON. */
function instanceText(text: string): string {
  if (/^-?\d{1,15}$/.test(text) || /^".*"$/.test(text)) return text;
  return JSON.stringify(text);
}

function table(sessions: readonly SessionInfo[]): string[] {
  if (sessions.length === 0) return ["no sessions"];
  const rows = sessions.map((session) => [
    String(session.id),
    session.star ? "*" : " ",
    shownTime(session.started),
    session.ended === null ? "now" : shownLength(session.ended - session.started),
    String(session.messages),
    String(session.events),
    session.lost > 0 ? String(session.lost) : session.gaps > 0 ? "?" : "0",
    visible(session.name),
  ]);
  const all = [["id", " ", "began", "length", "messages", "events", "missing", "name"], ...rows];
  const widths = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all.map((row) =>
    row.map((cell, i) =>
      i === row.length - 1 ? cell : NUMBERS.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)
    )
      .join("  ")
  );
}

const NUMBERS: ReadonlySet<number> = new Set([0, 4, 5, 6]);

function head(session: SessionInfo): string[] {
  const { id, name, description, started, ended, clean, messages, events, lost, gaps, notes } = session;
  const length = ended === null
    ? "it is being recorded"
    : `${shownLength(ended - started)}${clean === false ? ", ended without a goodbye" : ""}`;
  const missing = gaps === 0 ? "" : `, ${lost} missing in ${counted(gaps, "gap")}`;
  return [
    `session ${id} ${quote(name)}: ${shownTime(started)}, ${length}`,
    ...(description === "" ? [] : [visible(description)]),
    `${counted(messages, "message")}${missing}, ${counted(events, "event")}, ${counted(notes, "note")}`,
    "",
  ];
}

function line(
  { seq, time, application, instance, action, hasState, hasPicture, star }: SessionEvent,
): string {
  const who = `${application === "" ? "(no name)" : application} ${instance ?? ""}`.trim();
  const marks = `${star ? "*" : " "}${hasState ? "s" : " "}${hasPicture ? "p" : " "}`;
  return visible(`#${seq}  ${shownTime(time).slice(11)}  ${marks}  ${who}: ${action}`);
}
