/**
 * The message bus for web pages.
 *
 * ```js ignore
 * import { connect } from "/client.js";
 *
 * const bus = connect();
 * bus.on("subject", (message) => console.log("the subject is now", message.subject));
 * await bus.send({ type: "subject", subject: 119 });
 * ```
 */

/** What identifies a subject of the study: a number or a text. */
export type SubjectId = number | string;

/** What identifies one running instance of an application. */
export type InstanceId = number | string;

/** The subject that is now in focus, in every application. */
export interface SubjectMessage {
  readonly type: "subject";
  readonly subject: SubjectId;
}

/** The subjects that are now being looked at together. */
export interface SampleMessage {
  readonly type: "sample";
  readonly sample: readonly SubjectId[];
  /** The only instance that it is meant for; left out, it is for everyone. */
  readonly target?: InstanceId;
}

/** Something that a person did, with what it takes to come back to it. */
export interface LogMessage {
  readonly type: "log";
  /** What was done, in words. */
  readonly action: string;
  /** Enough to restore the application as it was. */
  readonly state: Readonly<Record<string, unknown>>;
  /** Id of the application instance. */
  readonly pid: InstanceId;
  /** Name of the application. */
  readonly application: string;
  /** When, in seconds since 1970-01-01 UTC; fractions allowed. */
  readonly time: number;
  /** A PNG in base64. */
  readonly screenshot?: string;
}

/** Asks one instance to load a scenario. */
export interface ReloadMessage {
  readonly type: "reload";
  readonly target: InstanceId;
  readonly scenario: Readonly<Record<string, unknown>>;
}

/** Variables that the sender suggests to the other applications. */
export interface VariablesMessage {
  readonly type: "variables";
  readonly variables: readonly string[];
}

/** A view to show in another application. The original writes its type with a capital letter. */
export interface VisualizationMessage {
  readonly type: "Visualization" | "visualization";
  readonly source: string;
  readonly target?: InstanceId;
  readonly scenario: Readonly<Record<string, unknown>>;
}

/** "I have started and can take messages." */
export interface ReadyMessage {
  readonly type: "ready";
  readonly source_pid: number;
  readonly source_id: InstanceId;
}

/** The seven kinds by their `type`. To have your own kinds typed too, declare them: `declare module "/client.js" { interface Kinds { … } }`. */
export interface Kinds {
  subject: SubjectMessage;
  sample: SampleMessage;
  log: LogMessage;
  reload: ReloadMessage;
  variables: VariablesMessage;
  visualization: VisualizationMessage;
  Visualization: VisualizationMessage;
  ready: ReadyMessage;
}

/** A message of any other kind: whatever applications agree upon among themselves. */
export interface OtherMessage {
  readonly type?: unknown;
  readonly [field: string]: unknown;
}

/** The messages of a type; with `"*"` all. The fields are what the sender promises. */
export type MessageOf<Type extends string> = Type extends keyof Kinds ? Kinds[Type] : OtherMessage;

/** How the connection is: `"away"` while the gateway cannot be reached, `"unauthorized"` while it wants another token. */
export type BusState = "connecting" | "live" | "away" | "unauthorized" | "closed";

/** Options of {@link connect}. */
export interface ConnectOptions {
  /** The gateway; by default the one that this file was loaded from. */
  readonly url?: string;
  /** The gateway's token, where it has one. */
  readonly token?: string;
  /**
   * Where to begin: `"now"`, the default; `"earliest"`, with all that is still held; so many of the newest messages; or behind a
   * place, such as `bus.place` of an earlier visit.
   */
  readonly since?: "now" | "earliest" | { readonly last: number } | (string & Record<never, never>);
  /**
   * Whether all tabs of a browser share one connection, `true` by default. Pages of another origin, and browsers without
   * shared workers, always have one each.
   */
  readonly isShared?: boolean;
}

/** A message came. */
export interface BusMessageEvent extends Event {
  /** The message. */
  readonly message: OtherMessage;
  /** Its text, exactly as it was sent: after parsing, whole numbers above 2^53 are other ones. */
  readonly text: string;
  /** When the broker took it, in milliseconds since 1970. */
  readonly time: number;
  /** Where it stands in the stream; undefined when there is no broker. */
  readonly place: string | undefined;
  /** Its number in the life of the broker. */
  readonly seq: number | null;
  /** It had come before, and was fetched from the history. */
  readonly isEarlier: boolean;
}

/** Messages are missing. */
export interface BusGapEvent extends Event {
  /** How many; `null` when nobody can know. */
  readonly missed: number | null;
  /** Why, such as `"expired"` or `"restarted"`. */
  readonly reason: string | undefined;
  /** The place behind the gap. */
  readonly place: string | undefined;
}

/** What became of a message that was sent. */
export interface Sent {
  /** Whether it is known to be on the bus; `false` when it was taken, but did not come back within 3 s. */
  readonly isConfirmed: boolean;
  /** Its place, when it is known. */
  readonly place: string | undefined;
  /** Its number, when it is known. */
  readonly seq: number | undefined;
}

/** The newest message of a kind. */
export interface CurrentValue {
  readonly type: string;
  /** The instance that it is meant for; `null` when it is for all. */
  readonly target: InstanceId | null;
  readonly seq: number;
  /** When it came, in milliseconds since 1970. */
  readonly time: number;
  readonly message: OtherMessage;
}

/** Something could not be done. */
export declare class BusError extends Error {
  /** What: a code of the gateway, such as `"not-an-object"`, or `"gateway-away"`, or `"timeout"`. */
  readonly code: string;
}

/**
 * The bus. It connects again by itself, after a sleep too, and goes on behind the last message that came. What it could not have is
 * told by `gap`.
 *
 * - `message` ({@link BusMessageEvent}), `gap` ({@link BusGapEvent}) and `state` are its events.
 * - It hears what this page sends, too.
 */
export interface Bus extends EventTarget, Disposable {
  /** How the connection is. The event `state` tells of changes. */
  readonly state: BusState;
  /** Place of the last message that came; a later visit can go on from there with the option `since`. */
  readonly place: string | undefined;
  /** Resolves when nothing that comes from now on will be missed unseen. It waits for a gateway that is away. */
  readonly ready: Promise<void>;
  /** Calls `listener` for each message of a type, `"*"` for each of all. Returns a function that stops it. */
  on<Type extends string>(
    type: Type,
    listener: (message: MessageOf<Type>, event: BusMessageEvent) => void,
  ): () => void;
  /**
   * The same for a kind with a state, such as `"subject"`, and it begins with what is valid now; for that one there is no event.
   */
  watch<Type extends string>(
    type: Type,
    listener: (message: MessageOf<Type>, event: BusMessageEvent | undefined) => void,
  ): () => void;
  /**
   * Sends an object, or a JSON text as it stands, and resolves when it is on the bus. It is never sent twice.
   *
   * @throws {BusError} If it was not sent, or if nobody knows: `timeout`.
   */
  send(message: Readonly<Record<string, unknown>> | Kinds[keyof Kinds] | string): Promise<Sent>;
  /** What is valid now: the newest message of each of these types; of subject, sample and variables when none is named. */
  current(...types: string[]): Promise<CurrentValue[]>;
  /** Ends it. */
  close(): void;
  addEventListener(
    type: "message",
    listener: (event: BusMessageEvent) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: "gap",
    listener: (event: BusGapEvent) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** Joins the bus of the gateway that this file was loaded from, or of the one at `url`. */
export declare function connect(options?: ConnectOptions): Bus;
