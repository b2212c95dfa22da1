/**
 * The flags that choose messages by their type.
 *
 * @module
 */
import { TypeFilter } from "../http/type_filter.ts";
import { type FlagValues, UsageError } from "./arguments.ts";

/** Says whether a message of this type is wanted; undefined where all are. */
export function typeTest(values: FlagValues): ((type: string | undefined) => boolean) | undefined {
  const [only, except] = [filter(values, "type"), filter(values, "except")];
  if (only === undefined && except === undefined) return undefined;
  return (type) =>
    type === undefined
      ? only === undefined
      : (only === undefined || only.matchesType(type)) && !(except?.matchesType(type) ?? false);
}

function filter(values: FlagValues, name: "type" | "except"): TypeFilter | undefined {
  const found = TypeFilter.parse((values[name] ?? []) as string[]);
  if (typeof found === "string") {
    throw new UsageError(
      `Cannot use --${name}: it has ${found}, expected types such as subject, T,U or vis*`,
    );
  }
  return found;
}
