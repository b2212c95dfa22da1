/**
 * An archive as the web side sees it: sessions, what is in them, the recorder, replay. The room `archive/` has the real one; nobody
 * who stands on this has to load it.
 *
 * All times are milliseconds since 1970-01-01 UTC, with microseconds behind the point. All objects are plain, and their JSON is
 * what HTTP answers.
 *
 * @module
 */
import type { BusPort } from "./port.ts";

/** A moment of a session: the number of a message, or a time. */
export type Moment = { readonly seq: number } | { readonly time: number };

/** A session. */
export interface SessionInfo {
  /** Its number in the archive: 1, 2, 3 …, in the order in which they began. */
  readonly id: number;
  /** What people call it. */
  readonly name: string;
  /** More about it. */
  readonly description: string;
  /** Somebody marked it. */
  readonly star: boolean;
  /** When it began. */
  readonly started: number;
  /** When it ended; the time of its last message where it ended without a goodbye; `null` while it is recorded. */
  readonly ended: number | null;
  /** Did it end with a goodbye? `null` while it is recorded. */
  readonly clean: boolean | null;
  /** The broadcast address that was recorded, or `null`. */
  readonly broker: string | null;
  /** The program that recorded. */
  readonly program: string;
  /** Messages that are in it. */
  readonly messages: number;
  /** Log messages among them: its events. */
  readonly events: number;
  /** Notes on it. */
  readonly notes: number;
  /** Messages that are missing in it, as far as their number is known. */
  readonly lost: number;
  /** Gaps in it, those of unknown size included. */
  readonly gaps: number;
  /** Bytes that its messages take in the file. */
  readonly bytes: number;
}

/** Which sessions. */
export interface SessionFilter {
  /** Words of a name, a description, an event or a note: sessions that have all of them in one of these. */
  readonly text?: string | undefined;
  /** Sessions that went on at this time or later. */
  readonly from?: number | undefined;
  /** Sessions that began at this time or before. */
  readonly to?: number | undefined;
  /** Only those that are marked. */
  readonly starred?: boolean | undefined;
  /** Only those before this session: `next` of the page before. */
  readonly before?: number | undefined;
  /** Sessions at most. @default 50 */
  readonly limit?: number | undefined;
}

/** Sessions, newest first. */
export interface SessionPage {
  /** Newest first. */
  readonly sessions: readonly SessionInfo[];
  /** `before` of the next page; `null` when this is the last one. */
  readonly next: number | null;
}

/** What can be changed of a session. */
export interface SessionChange {
  /** What people call it. */
  readonly name?: string | undefined;
  /** More about it. */
  readonly description?: string | undefined;
  /** Mark it. */
  readonly star?: boolean | undefined;
}

/** A log message of a session. */
export interface SessionEvent {
  /** The number of the message in its session. */
  readonly seq: number;
  /** When it came. */
  readonly time: number;
  /** What the message says of its own time, as text; `null` when it says nothing. */
  readonly sent: string | null;
  /** Who sent it, as JSON text: `pid` may be a number or a text. `null` when it does not say. */
  readonly instance: string | null;
  /** The application's name, or `""`. */
  readonly application: string;
  /** What was done: its first 4096 characters. */
  readonly action: string;
  /** Is there a state to go back to? */
  readonly hasState: boolean;
  /** Is there a picture? */
  readonly hasPicture: boolean;
  /** Somebody marked it. */
  readonly star: boolean;
}

/** Which events of a session. */
export interface EventFilter {
  /** Only those behind this message. @default 0 */
  readonly after?: number | undefined;
  /** Only those before this message: the last ones of them, still oldest first. Not together with `after`. */
  readonly before?: number | undefined;
  /** Events at most. @default 200 */
  readonly limit?: number | undefined;
  /** Words of the action or the application: events that have all of them. The last one may be the beginning of a word. */
  readonly text?: string | undefined;
  /** Only those of this instance, as JSON text. */
  readonly instance?: string | undefined;
  /** Only those of this application. */
  readonly application?: string | undefined;
  /** Only those that are marked. */
  readonly starred?: boolean | undefined;
  /** Only those at this time or later. */
  readonly from?: number | undefined;
  /** Only those at this time or before. */
  readonly to?: number | undefined;
}

/** Events, oldest first. */
export interface EventPage {
  /** Oldest first. */
  readonly events: readonly SessionEvent[];
  /** `after` of the next page, or `before` of the page before it; `null` when this is the last one. */
  readonly next: number | null;
}

/** A message of a session. */
export interface RecordedMessage {
  /** Its number in its session: 1, 2, 3 … */
  readonly seq: number;
  /** When it came. */
  readonly time: number;
  /** Its JSON text exactly as it came. */
  readonly text: string;
  /** Its `type`, if that is a text. */
  readonly type: string | undefined;
}

/** Messages that are missing. */
export interface RecordedGap {
  /** They are missing behind this message of the session. */
  readonly after: number;
  /** How many; `null` when nobody can know. */
  readonly missed: number | null;
  /** From when on. */
  readonly from: number;
  /** Until when. */
  readonly to: number;
  /**
   * Why: `full` no room on the disk, `behind` the disk was too slow, `failed` it could not be written for another reason, `killed` the
   * recorder ended without a goodbye, `damaged` it was written and cannot be read, or the reason of the bus: `slow`, `expired`,
   * `restarted`, `disconnected`, `refused`.
   */
  readonly reason: string;
}

/** Which messages of a session. */
export interface MessageFilter {
  /** Only those behind this message. @default 0 */
  readonly after?: number | undefined;
  /** Messages at most. @default 200 */
  readonly limit?: number | undefined;
  /** Only those of these types; a `*` at the end stands for anything. */
  readonly types?: readonly string[] | undefined;
  /** Only those with this in their text. */
  readonly text?: string | undefined;
  /** Only those at this time or later. */
  readonly from?: number | undefined;
  /** Only those at this time or before. */
  readonly to?: number | undefined;
  /** Ends the search. */
  readonly signal?: AbortSignal | undefined;
}

/** Messages, oldest first. */
export interface MessagePage {
  /** Oldest first. */
  readonly messages: readonly RecordedMessage[];
  /** What is missing among them: between `after` of the question and the last message that was looked at. */
  readonly gaps: readonly RecordedGap[];
  /** `after` of the next page; `null` when this is the last one. With a filter a page may be empty and not the last one. */
  readonly next: number | null;
}

/** A note on a moment of a session. */
export interface Note {
  /** Its number in the archive. */
  readonly id: number;
  /** The message that it is about; `null` when it is about a time. */
  readonly seq: number | null;
  /** The moment that it is about. */
  readonly time: number;
  /** When it was written. */
  readonly written: number;
  /** When it was changed; `null` when it never was. */
  readonly edited: number | null;
  /** What it says. */
  readonly text: string;
}

/** What a session consists of, over time. */
export interface Timeline {
  /** When it begins. */
  readonly from: number;
  /** When it ends, or the time of its last message. */
  readonly to: number;
  /** How many equal parts. */
  readonly buckets: number;
  /** Messages by type, in each part; the most frequent type first, fifty types at most. */
  readonly types: readonly { readonly type: string; readonly counts: readonly number[] }[];
  /** Events in each part. */
  readonly events: readonly number[];
  /** What is missing; 1000 at most. */
  readonly gaps: readonly RecordedGap[];
  /** What was done with the session: `replay`, `goto`; 1000 at most. */
  readonly deeds: readonly { readonly time: number; readonly kind: string; readonly detail: string }[];
}

/** A value that was valid at a moment: the last message of its type and target. */
export interface ValidValue {
  /** Names it in a {@linkcode GoTo}: its type, and its target if it has one. */
  readonly key: string;
  /** `subject`, `sample`, `variables`, or another type. */
  readonly type: string;
  /** The `target` as JSON text; `null` for a message without one. */
  readonly target: string | null;
  /** Which message it was. */
  readonly seq: number;
  /** When it came. */
  readonly time: number;
  /** The JSON text of the message. */
  readonly text: string;
}

/** An instance of an application, and its last log message before a moment. */
export interface InstanceState {
  /** Who: `pid` as JSON text. Names it in a {@linkcode GoTo}. */
  readonly instance: string;
  /** The application's name, or `""`. */
  readonly application: string;
  /** Which message its state is in. */
  readonly seq: number;
  /** When that came. */
  readonly time: number;
  /** What it had done. */
  readonly action: string;
  /** Can it be sent back to that? */
  readonly restorable: boolean;
  /** Why not. */
  readonly reason: "no-state" | "too-large" | "damaged" | null;
}

/** The way back to a moment: what would be sent. Nothing is sent by asking for it. */
export interface Plan {
  /** The last message that counts. */
  readonly seq: number;
  /** The moment. */
  readonly time: number;
  /** Values that were valid, oldest first. */
  readonly values: readonly ValidValue[];
  /** Instances that had sent log messages, in the order of their first ones. */
  readonly instances: readonly InstanceState[];
}

/** What is sent of a {@linkcode Plan}. */
export interface GoTo {
  /** Which instances. @default all that are restorable */
  readonly instances?: readonly string[] | undefined;
  /** Keys of the values. @default all */
  readonly values?: readonly string[] | undefined;
}

/** What became of it. That anyone has acted on it nobody can know. */
export interface GoToResult {
  /** What was sent, in this order: values first. */
  readonly sent: readonly { readonly type: string; readonly instance: string | null; readonly seq: number }[];
  /** What was not, and why. */
  readonly skipped: readonly { readonly instance: string; readonly reason: string }[];
}

/** What is replayed, and how. */
export interface ReplayOptions {
  /** Which moment to begin at. @default the beginning */
  readonly from?: Moment | undefined;
  /** The last moment. @default the end; for a session that is being recorded, its last message at the start of the replay */
  readonly to?: Moment | undefined;
  /** How often as fast as it was; `Infinity` for as fast as it goes. @default 1 */
  readonly speed?: number | undefined;
  /** Only these types; a `*` at the end stands for anything. */
  readonly only?: readonly string[] | undefined;
  /** Not these types. @default log, ready, reload */
  readonly except?: readonly string[] | undefined;
  /** Also what lies between the brackets of an earlier replay. @default false */
  readonly nested?: boolean | undefined;
  /** Longer pauses are cut to this, in milliseconds of the session. */
  readonly maxGapMs?: number | undefined;
  /** First send what was valid at `from` and, after a seek, there. @default false */
  readonly restore?: boolean | undefined;
  /** Begin anew at the end. @default false */
  readonly loop?: boolean | undefined;
  /** Begin paused. @default false */
  readonly paused?: boolean | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

/** How a replay is getting on. */
export interface ReplayStatus {
  /** Which session. */
  readonly session: number;
  /** `ended` by itself or by `stop`. */
  readonly state: "playing" | "paused" | "ended";
  /** How often as fast as it was; `null` for as fast as it goes. */
  readonly speed: number | null;
  /** The moment in the session. */
  readonly time: number;
  /** The last message that was sent or passed over. */
  readonly seq: number;
  /** Where it began. */
  readonly from: number;
  /** Where it ends. */
  readonly to: number;
  /** Messages that were sent. */
  readonly sent: number;
  /** Messages that were left out for their type. */
  readonly leftOut: number;
  /** How often it was more than a second late and went on later; nothing is left out for that. */
  readonly late: number;
  /** Messages that are missing in the part of the recording that was passed. */
  readonly missed: number;
}

/** A replay that goes on. */
export interface Replay {
  /** Resolves when it has ended; rejects when it could not go on. */
  readonly finished: Promise<ReplayStatus>;
  /** How often as fast as it was; it may be changed at any time. */
  speed: number;
  /** How it is getting on. */
  status(): ReplayStatus;
  /** Holds on. */
  pause(): void;
  /** Goes on. */
  resume(): void;
  /** Sends the next messages now, also while paused. Resolves with how many there were. */
  step(messages?: number): Promise<number>;
  /** Goes on from there. Resolves when it is there. */
  seek(moment: Moment): Promise<void>;
  /** Ends it. */
  stop(): Promise<ReplayStatus>;
}

/** Counters of a recorder since its start. */
export interface RecorderStats {
  /** `full`: no room on the disk; `failed`: it cannot write for another reason. It tries again by itself. */
  readonly state: "recording" | "paused" | "full" | "failed" | "ended";
  /** What stands in the way; `null` when nothing does. */
  readonly trouble: string | null;
  /** The session that it writes to. */
  readonly session: number;
  /** Messages that came. */
  readonly received: number;
  /** Messages that were taken for the file. */
  readonly recorded: number;
  /** Messages that are on disk. */
  readonly onDisk: number;
  /** Bytes that wait to be written. */
  readonly waitingBytes: number;
  /** Age of the oldest message that is not on disk, in milliseconds. */
  readonly lagMs: number;
  /** Messages that were left out: for their type, by a pause, or because they were a replay of ours. */
  readonly leftOut: { readonly type: number; readonly paused: number; readonly replay: number };
  /** Messages that are missing in the file, by reason, as far as their number is known. */
  readonly lost: Readonly<Record<string, number>>;
  /** Gaps, those of unknown size included. */
  readonly gaps: number;
  /** Bytes of the file. */
  readonly fileBytes: number;
}

/** A recorder as others see it. */
export interface RecorderView {
  /** Counters. */
  stats(): RecorderStats;
  /** While true, nothing is recorded. */
  pause: boolean;
  /** Ends the session and begins another. Resolves with the new one. */
  split(options?: { readonly name?: string | undefined }): Promise<SessionInfo>;
}

/**
 * What the web side needs of an archive. Everything rejects with `ArchiveError`: `no-session` and `no-entry` for what is not there,
 * `running` for what cannot be done with the session that is being recorded, `full`, `read-only`, `closed`, `failed`.
 */
export interface ArchivePort {
  /** The file. */
  readonly path: string;
  /** Who writes to it in this process; undefined when nobody does. */
  readonly recorder: RecorderView | undefined;
  /** The last replay that was begun with {@linkcode ArchivePort.play}, ended or not. */
  readonly replay: Replay | undefined;
  /** A page of sessions. */
  sessions(filter?: SessionFilter): Promise<SessionPage>;
  /** One session. */
  session(id: number): Promise<SessionInfo>;
  /** Changes a session. */
  changeSession(id: number, change: SessionChange): Promise<SessionInfo>;
  /** Deletes a session and everything in it for good: the bytes are overwritten. `running` while it is recorded. */
  deleteSession(id: number): Promise<void>;
  /** A page of events. */
  events(id: number, filter?: EventFilter): Promise<EventPage>;
  /** Marks an event. */
  starEvent(id: number, seq: number, star: boolean): Promise<SessionEvent>;
  /** A page of messages. Searches a bounded part each time, see `next`. */
  messages(id: number, filter?: MessageFilter): Promise<MessagePage>;
  /** The JSON text of the message `seq` exactly as it came; `damaged` when it cannot be read. */
  messageText(id: number, seq: number): Promise<string>;
  /** The picture of an event: bytes with PNG's signature, 1 MiB at most; `no-entry` when there is no such picture. */
  picture(id: number, seq: number): Promise<Uint8Array>;
  /** All notes of a session, by the moment that they are about. */
  notes(id: number): Promise<readonly Note[]>;
  /** Writes a note. */
  addNote(id: number, moment: Moment, text: string): Promise<Note>;
  /** Changes a note. */
  changeNote(id: number, note: number, text: string): Promise<Note>;
  /** Deletes a note. */
  deleteNote(id: number, note: number): Promise<void>;
  /** The session over time. @default 200 buckets */
  timeline(id: number, buckets?: number): Promise<Timeline>;
  /** What was valid at a moment. */
  stateAt(id: number, moment: Moment): Promise<Plan>;
  /** Sends values and `reload`s. */
  goTo(id: number, moment: Moment, port: BusPort, what?: GoTo): Promise<GoToResult>;
  /** Begins a replay. `running` when another one goes on. */
  play(id: number, port: BusPort, options?: ReplayOptions): Promise<Replay>;
  /** The session as lines: the texts exactly as they came, or with `asJson` `{"seq","time","message"}` and `{"gap"}`. */
  export(
    id: number,
    options?: { readonly asJson?: boolean; readonly signal?: AbortSignal },
  ): AsyncIterable<Uint8Array>;
}
