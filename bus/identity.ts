/**
 * Who a program is: what a client of ours says of itself with READY, and what a broker reads of it.
 *
 * @module
 */
import { OptionError } from "../base/errors.ts";
import { instanceId as ownInstanceId } from "./messages.ts";

const NAME_PROPERTY = "X-Name";
const INSTANCE_PROPERTY = "X-Instance";
const PID_PROPERTY = "X-Pid";
/** A name is cut here: it is shown in tables. */
const NAME_CHARACTERS = 100;

/** A program behind a connection. What it did not say is undefined. */
export interface Identity {
  /** What it calls itself. */
  readonly name: string | undefined;
  /** The same for all connections of one program. */
  readonly instanceId: string | undefined;
  /** Its process. */
  readonly pid: number | undefined;
}

/** A peer as far as it is known. */
export interface Named {
  /** `host:port`. */
  readonly address: string;
  /** The name of its key, where there is one. */
  readonly keyName?: string | undefined;
  /** What it said of itself with READY. */
  property(name: string): string | undefined;
}

/**
 * What a client says of itself.
 *
 * @throws {OptionError} `bad-option`: name or instance is no text of 1 to 100 characters.
 */
export function identityProperties(
  { name, instanceId = ownInstanceId }: { readonly name?: string; readonly instanceId?: string },
): readonly (readonly [name: string, value: string])[] {
  return [
    ...(name === undefined ? [] : [[NAME_PROPERTY, checkName("name", name)] as const]),
    [INSTANCE_PROPERTY, checkName("instanceId", instanceId)],
    [PID_PROPERTY, String(Deno.pid)],
  ];
}

/** What a peer said of itself. */
export function identityOf(peer: Named): Identity {
  const pid = Number(peer.property(PID_PROPERTY) ?? NaN);
  return {
    name: peer.property(NAME_PROPERTY)?.slice(0, NAME_CHARACTERS),
    instanceId: peer.property(INSTANCE_PROPERTY)?.slice(0, NAME_CHARACTERS),
    pid: Number.isSafeInteger(pid) && pid >= 0 ? pid : undefined,
  };
}

function checkName(option: string, value: string): string {
  if (typeof value === "string" && value !== "" && value.length <= NAME_CHARACTERS) return value;
  throw new OptionError(
    "bad-option",
    `Cannot use ${option}: it is no text of 1 to ${NAME_CHARACTERS} characters`,
  );
}
