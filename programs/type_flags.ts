/**
 * The flags that choose messages by their type.
 *
 * @module
 */
import { TypeFilter } from "../http/type_filter.ts";
import { type Flag, type FlagValues, UsageError } from "./arguments.ts";

/** Those that are wanted. */
export const TYPE_FLAG: Flag = {
  type: "string",
  multiple: true,
  value: "T",
  help: "only messages of this type; T,U for two, vis* for all that begin so; may be repeated",
};
/** Those that are not. */
export const EXCEPT_FLAG: Flag = {
  type: "string",
  multiple: true,
  value: "T",
  help: "all messages but those of this type, likewise",
};

/** Says whether a message of this type is wanted; undefined where all are. */
export function typeTest(values: FlagValues): ((type: string | undefined) => boolean) | undefined {
  const [only, except] = [typesFlag(values, "type"), typesFlag(values, "except")];
  if (only === undefined && except === undefined) return undefined;
  return (type) =>
    type === undefined
      ? only === undefined
      : (only === undefined || only.matchesType(type)) && !(except?.matchesType(type) ?? false);
}

/** The types that a flag names; undefined without it. */
export function typesFlag(values: FlagValues, name: "type" | "except"): TypeFilter | undefined {
  const found = TypeFilter.parse((values[name] ?? []) as string[]);
  if (typeof found === "string") {
    throw new UsageError(
      `Cannot use --${name}: it has ${found}, expected types such as subject, T,U or vis*`,
    );
  }
  return found;
}
