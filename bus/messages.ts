/**
 * The message protocol: seven kinds of messages that the applications of an analysis environment understand, and room for
 * any other. A message is a JSON object with a text in `type`; what else it holds depends on the type.
 *
 * ```ts
 * import { createSubjectMessage, isMessageOfType, type Message } from "./messages.ts";
 *
 * const message: Message = createSubjectMessage({ subject: 119 });
 * if (message.type === "subject") console.assert(message.subject === 119);
 * // From a program that is not known, a message may lack what its kind demands:
 * console.assert(isMessageOfType({ type: "subject" }, "subject") === false);
 * ```
 *
 * @module
 */
import { MessageError } from "../base/errors.ts";
import { isObject, type Kind, KINDS } from "./message_fields.ts";
import type { OtherType } from "./other_type.ts";

export type { OtherType };

/** What identifies a subject of the study: a number or a text. */
export type SubjectId = number | string;

/** What identifies one running instance of an application. */
export type InstanceId = number | string;

/** Something that an application can return to later; its fields are the application's own. */
export type ApplicationState = Readonly<Record<string, unknown>>;

/** The subject that is now in focus, in every application. */
export interface SubjectMessage {
  /** The kind. */
  readonly type: "subject";
  /** Id of the subject. */
  readonly subject: SubjectId;
}

/** The subjects that are now being looked at together. */
export interface SampleMessage {
  /** The kind. */
  readonly type: "sample";
  /** Ids of the subjects. */
  readonly sample: readonly SubjectId[];
  /** The only instance that it is meant for; left out, it is for everyone. */
  readonly target?: InstanceId;
}

/** Something that a person did, with what it takes to come back to it. */
export interface LogMessage {
  /** The kind. */
  readonly type: "log";
  /** What was done, in words. */
  readonly action: string;
  /** Enough to restore the application as it was. */
  readonly state: ApplicationState;
  /** Id of the application instance. */
  readonly pid: InstanceId;
  /** Name of the application. */
  readonly application: string;
  /** When, in seconds since 1970-01-01 UTC; fractions allowed. */
  readonly time: number;
  /** A PNG of 128 x 128 pixels in base64. */
  readonly screenshot?: string;
}

/** Asks one instance to load a scenario. */
export interface ReloadMessage {
  /** The kind. */
  readonly type: "reload";
  /** The instance that is to load it. */
  readonly target: InstanceId;
  /** What to load. */
  readonly scenario: ApplicationState;
}

/** Variables that the sender suggests to the other applications. */
export interface VariablesMessage {
  /** The kind. */
  readonly type: "variables";
  /** Names of the variables. */
  readonly variables: readonly string[];
}

/** A view to show in another application. */
export interface VisualizationMessage<
  Type extends "Visualization" | "visualization" = "Visualization" | "visualization",
> {
  /** The kind. The original writes it with a capital letter, and so do we; `"visualization"` is understood as well. */
  readonly type: Type;
  /** Name of the application that it comes from. */
  readonly source: string;
  /** The only instance that it is meant for; left out, it is for everyone. */
  readonly target?: InstanceId;
  /** What to show. */
  readonly scenario: ApplicationState;
}

/** "I have started and can take messages." */
export interface ReadyMessage {
  /** The kind. */
  readonly type: "ready";
  /** Process id of the sender. */
  readonly source_pid: number;
  /** Instance id of the sender. */
  readonly source_id: InstanceId;
}

/** One of the seven kinds. */
export type KnownMessage =
  | SubjectMessage
  | SampleMessage
  | LogMessage
  | ReloadMessage
  | VariablesMessage
  // One each, so that the compiler can tell them apart.
  | VisualizationMessage<"Visualization">
  | VisualizationMessage<"visualization">
  | ReadyMessage;

/** A message of any other kind: whatever applications agree upon among themselves. */
export interface OtherMessage {
  /** The kind: any text but a known one. */
  readonly type: OtherType;
  /** Any other field. */
  readonly [field: string]: unknown;
}

/**
 * What comes over the bus: one of the seven kinds, one of your `Own`, or any other. The fields are what the sender promises;
 * {@linkcode isMessageOfType} checks whether they are there.
 *
 * @example
 * ```ts
 * import { type Message } from "../mod.ts";
 *
 * interface ZoomMessage {
 *   readonly type: "zoom";
 *   readonly factor: number;
 * }
 * const message = { type: "zoom", factor: 2 } as Message<ZoomMessage>;
 * if (message.type === "zoom") console.assert(message.factor === 2);
 * ```
 */
export type Message<Own extends { readonly type: string } = never> =
  | Exclude<KnownMessage, { readonly type: Own["type"] }>
  | Own
  | OtherMessage;

/** The messages that have this `type`; with `"*"` all. `"visualization"` stands for both spellings. */
export type MessageOf<Type extends string, Own extends { readonly type: string } = never> = Type extends "*"
  ? Message<Own>
  : Type extends "visualization" ? Extract<Message<Own>, { readonly type: "Visualization" | "visualization" }>
  : Type extends Exclude<Message<Own>["type"], OtherType> ? Extract<Message<Own>, { readonly type: Type }>
  : { readonly type: Type; readonly [field: string]: unknown };

/** A `type` that the compiler knows the fields of. */
export type KnownType<Own extends { readonly type: string } = never> = KnownMessage["type"] | Own["type"];

/** Lets an object of any kind pass that the compiler does not know, and none of a kind that it knows. */
export type Unlisted<Sent extends { readonly type: string }, Own extends { readonly type: string } = never> =
  Sent["type"] extends KnownType<Own> ? never : unknown;

/** The kinds by name. `"visualization"` stands for both spellings. */
export interface MessageTypes {
  /** See {@linkcode SubjectMessage}. */
  subject: SubjectMessage;
  /** See {@linkcode SampleMessage}. */
  sample: SampleMessage;
  /** See {@linkcode LogMessage}. */
  log: LogMessage;
  /** See {@linkcode ReloadMessage}. */
  reload: ReloadMessage;
  /** See {@linkcode VariablesMessage}. */
  variables: VariablesMessage;
  /** See {@linkcode VisualizationMessage}. */
  visualization: VisualizationMessage;
  /** See {@linkcode ReadyMessage}. */
  ready: ReadyMessage;
}

/** Id of this running instance: a UUID, chosen when the module is loaded, and the same until the process ends. */
export const instanceId: string = crypto.randomUUID();

/**
 * "The current subject is now …", for everyone.
 *
 * @throws {MessageError} `bad-field`: a field is missing or of the wrong type.
 *
 * @example
 * ```ts
 * import { createSubjectMessage } from "../mod.ts";
 *
 * console.assert(JSON.stringify(createSubjectMessage({ subject: 119 })) === '{"type":"subject","subject":119}');
 * ```
 */
export function createSubjectMessage(fields: Omit<SubjectMessage, "type">): SubjectMessage {
  return create("subject", fields);
}

/**
 * "This is the new sample", for everyone or for one instance.
 *
 * @throws {MessageError} `bad-field`: a field is missing or of the wrong type.
 */
export function createSampleMessage(fields: Omit<SampleMessage, "type">): SampleMessage {
  return create("sample", fields);
}

/**
 * "The user did this." Fills in `time` (now) and `pid` ({@linkcode instanceId}) unless they are given.
 *
 * @throws {MessageError} `bad-field`: a field is missing or of the wrong type.
 */
export function createLogMessage(
  fields: Omit<LogMessage, "type" | "pid" | "time"> & Partial<Pick<LogMessage, "pid" | "time">>,
): LogMessage {
  return create("log", fields, { pid: instanceId, time: Date.now() / 1000 });
}

/**
 * "Load this scenario", for one instance.
 *
 * @throws {MessageError} `bad-field`: a field is missing or of the wrong type.
 */
export function createReloadMessage(fields: Omit<ReloadMessage, "type">): ReloadMessage {
  return create("reload", fields);
}

/**
 * "Have a look at these variables", for everyone.
 *
 * @throws {MessageError} `bad-field`: a field is missing or of the wrong type.
 */
export function createVariablesMessage(fields: Omit<VariablesMessage, "type">): VariablesMessage {
  return create("variables", fields);
}

/**
 * "Show this", for everyone or for one instance. The `type` is spelt as in the original: `"Visualization"`.
 *
 * @throws {MessageError} `bad-field`: a field is missing or of the wrong type.
 */
export function createVisualizationMessage(
  fields: Omit<VisualizationMessage, "type">,
): VisualizationMessage<"Visualization"> {
  return { ...create("visualization", fields), type: "Visualization" };
}

/**
 * "I am ready." Fills in the process id and {@linkcode instanceId} unless they are given.
 *
 * @throws {MessageError} `bad-field`: a field is of the wrong type.
 */
export function createReadyMessage(fields: Partial<Omit<ReadyMessage, "type">> = {}): ReadyMessage {
  return create("ready", fields, { source_pid: Deno.pid, source_id: instanceId });
}

/**
 * Is it a message of this kind, with all fields that the kind demands? Further fields do not matter.
 * `"visualization"` accepts both spellings. It takes any value, and never throws.
 *
 * @example
 * ```ts
 * import { isMessageOfType } from "../mod.ts";
 *
 * console.assert(isMessageOfType({ type: "subject", subject: 119 }, "subject"));
 * console.assert(!isMessageOfType({ type: "subject" }, "subject"));
 * ```
 */
export function isMessageOfType<T extends keyof MessageTypes>(
  value: unknown,
  type: T,
): value is MessageTypes[T] {
  return isObject(value) && kindOf(value.type) === type && fieldFault(value, type) === undefined;
}

/** Is it an object with a text in `type`? That is all the bus asks of a message that is sent with our clients. */
export function isMessage(value: unknown): value is { readonly type: string } {
  return isObject(value) && typeof value.type === "string";
}

/**
 * Checks what every message needs: an object with a text in `type`. What else it holds is not looked at.
 *
 * @throws {MessageError} If it is no object (`not-an-object`) or has no text in `type` (`missing-type`).
 */
export function assertMessage(value: unknown): asserts value is { readonly type: string } {
  if (!isObject(value)) {
    throw new MessageError("not-an-object", `Cannot take message: it is ${nameOf(value)}, not an object`);
  }
  if (typeof value.type !== "string") {
    throw new MessageError("missing-type", `Cannot take message: type is ${nameOf(value.type)}, not a text`);
  }
}

/**
 * The JSON text of a message.
 *
 * @throws {MessageError} As {@linkcode assertMessage}, or if JSON cannot hold it (`not-json`): a `bigint`, a circle.
 */
export function stringifyMessage(message: object): string {
  assertMessage(message);
  let text: string | undefined;
  try {
    text = JSON.stringify(message);
  } catch (cause) {
    const why = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0];
    throw new MessageError("not-json", `Cannot take message: JSON cannot hold it: ${why}`, { cause });
  }
  // A toJSON of the caller's may have made anything of it.
  if (!text?.startsWith("{")) {
    throw new MessageError("not-an-object", "Cannot take message: its toJSON gives no object");
  }
  if ("toJSON" in message) assertMessage(JSON.parse(text));
  return text;
}

/** The fields of each kind; a name with a question mark may be missing. */
const FIELDS: { readonly [T in keyof MessageTypes]: Kind } = KINDS;

function kindOf(type: unknown): keyof MessageTypes | undefined {
  if (type === "Visualization") return "visualization";
  return typeof type === "string" && Object.hasOwn(FIELDS, type) ? type as keyof MessageTypes : undefined;
}

function fieldFault(
  message: Readonly<Record<string, unknown>>,
  kind: keyof MessageTypes,
): string | undefined {
  for (const [key, [{ expected, test }]] of Object.entries(FIELDS[kind].fields)) {
    const name = key.replace("?", "");
    if (message[name] === undefined && name !== key) continue;
    if (!test(message[name])) return `${name} is ${nameOf(message[name])}, not ${expected}`;
  }
  return undefined;
}

/** A message of the kind, with its fields and no others. */
function create<T extends keyof MessageTypes>(
  kind: T,
  fields: object,
  defaults: object = {},
): MessageTypes[T] {
  const given: Readonly<Record<string, unknown>> = { ...defaults, ...definedOf(fields) };
  const names = Object.keys(FIELDS[kind].fields).map((name) => name.replace("?", ""));
  const message = {
    type: kind,
    ...Object.fromEntries(names.filter((name) => name in given).map((name) => [name, given[name]])),
  };
  const fault = fieldFault(message, kind);
  if (fault === undefined) return message as unknown as MessageTypes[T];
  throw new MessageError("bad-field", `Cannot make message of type ${kind}: ${fault}`);
}

function definedOf(fields: object): object {
  return Object.fromEntries(Object.entries(fields ?? {}).filter(([, value]) => value !== undefined));
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "missing";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
